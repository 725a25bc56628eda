"""Why the system refused, in the user's words."""

from __future__ import annotations

import errno
import http.client
import os
import socket
import ssl
from pathlib import Path

import pytest

from app.i18n import use_language
from app.reasons import reason


def test_the_usual_reasons_are_told_in_the_users_language(tmp_path: Path) -> None:
    with pytest.raises(OSError) as missing:
        (tmp_path / "gone").read_bytes()
    assert reason(missing.value) == "There is no such file or folder."
    use_language("zh_CN")
    assert "文件" in reason(missing.value)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.EDOM, os.strerror(errno.EDOM)), os.strerror(errno.EDOM)),
        (OSError("without a number"), "without a number"),
        (ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER]"), "[SSL: WRONG_VERSION_NUMBER]"),
        (socket.gaierror(2, "something else"), "something else"),
        (ValueError("not of the system"), "not of the system"),
        (TimeoutError("timed out"), "Nothing answered in time."),
        (http.client.RemoteDisconnected("no response"), "The other side cut the connection."),
    ],
)
def test_others_speak_for_themselves(error: Exception, words: str) -> None:
    assert reason(error) == words


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (socket.EAI_NONAME, "No computer of this name was found."),
        (socket.EAI_AGAIN, "The name server did not answer."),
    ],
)
def test_what_the_resolver_says_is_in_the_users_language(number: int, words: str) -> None:
    error = socket.gaierror(number, "Name or service not known")
    assert reason(error) == words
    use_language("zh_CN")
    assert "Name" not in reason(error)
    assert reason(error) != words


def test_a_file_that_another_program_has_open_is_told_as_windows_tells_it() -> None:
    held = OSError(errno.EACCES, "The process cannot access the file")
    held.winerror = 32  # type: ignore[attr-defined]
    assert reason(held) == "The process cannot access the file"
