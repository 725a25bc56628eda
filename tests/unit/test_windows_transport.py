"""What the transports to Windows are made of, as far as it needs no Windows."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
import shutil
import socket
import subprocess
import zlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import requests
from hypothesis import given
from hypothesis import strategies as st
from urllib3.exceptions import MaxRetryError, NewConnectionError

from app.credentials import CERTIFICATE, KnownHosts, hex_fingerprint
from app.errors import ConnectError, UntrustedHost
from app.transport import SCRIPTS, TOOL, Command, Secret, shown_upload
from app.transport.reading import Reading
from app.transport.ssh_windows import PROBE, Shell, read_probe
from app.transport.windows import (
    FALLBACK,
    Call,
    MixedSplitter,
    Tally,
    WindowsTransport,
    code_page,
    first_line,
    go_arch,
    tool_words,
)
from app.transport.winrm_errors import EXTRAS, login_refused, no_extra, unreachable

PATH = r"C:\Program Files\Slipway\slipway-host-abc.exe"


@given(words=st.lists(st.text(st.characters(exclude_categories=("Cs",)))))
def test_any_word_survives_the_first_line(words: list[str]) -> None:
    line = first_line(words)
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert line.isascii()
    assert json.loads(line)["argv"] == words


def test_verbs_of_the_tool_and_other_programs() -> None:
    assert tool_words(Command((TOOL, "kill", "7"))) == ["kill", "7"]
    foreign = tool_words(Command(("cmd", "/c", Secret("x"))))
    assert foreign[:2] == ["exec", "C:\\"]
    assert foreign[3:] == ["cmd", "/c", "x"]


@given(data=st.lists(st.binary(max_size=50)), size=st.integers(1, 40))
def test_input_in_pieces_is_the_same_input(data: list[bytes], size: int) -> None:
    pieces = list(Call(lambda: data).pieces(size))
    assert b"".join(piece for piece, _last in pieces) == b"".join(data)
    assert all(len(piece) <= size for piece, _last in pieces)
    assert [last for _piece, last in pieces] == [False] * (len(pieces) - 1) + [True]


def fed(splitter: MixedSplitter, data: bytes, size: int) -> tuple[str, list[str]]:
    text, lines = "", []
    for start in range(0, len(data), size):
        more, found = splitter.feed(data[start : start + size])
        text += more
        lines += found
    more, found = splitter.feed(b"", final=True)
    return text + more, lines + found


@pytest.mark.parametrize("size", [1, 2, 3, 1000])
def test_lines_of_two_encodings(size: int) -> None:
    data = "中文 😀\r\n".encode() + "服务 已启动\r\n".encode("cp936") + "ü".encode()
    text, lines = fed(MixedSplitter("cp936"), data, size)
    assert text == "中文 😀\r\n服务 已启动\r\nü"
    assert lines == ["中文 😀", "服务 已启动", "ü"]


@pytest.mark.parametrize("encoding", ["utf-8", "cp936"])
@pytest.mark.parametrize("size", [4096, 10_007])
def test_an_endless_line_is_not_kept_for_ever(encoding: str, size: int) -> None:
    splitter = MixedSplitter("cp936")
    text = "中文字" * 60_000
    got, lines = fed(splitter, text.encode(encoding), size)
    assert len(lines) > 4
    assert "".join(lines) == got
    if encoding == "utf-8":
        assert got == text


def test_code_pages() -> None:
    assert code_page(936) == "gbk"
    assert code_page(1252) == "cp1252"
    assert code_page(65001) == "utf-8"
    assert code_page(None) == code_page(4711) == FALLBACK


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize("said", [b"", b"error\n", b"no end", b'{"error": 1}\n', b'{"tally": x}\n'])
def test_the_tally_is_kept_back_and_compared(said: bytes, size: int) -> None:
    tally = Tally()
    data = said + b'{"tally":[5,%d]}\n' % len(said)
    heard = tally.feed("stdout", b"12345")
    heard += b"".join(
        tally.feed("stderr", data[at : at + size]) for at in range(0, len(data), size)
    )
    assert heard + tally.rest() == b"12345" + said
    assert tally.whole


def test_a_tally_that_does_not_fit() -> None:
    short, missing = Tally(), Tally()
    short.feed("stdout", b"1234")
    short.feed("stderr", b'{"tally":[5,0]}\n')
    assert not short.whole
    missing.feed("stderr", b'{"tally":')
    assert missing.rest() == b'{"tally":'
    assert not missing.whole


@pytest.mark.parametrize(
    ("said", "shell"),
    [
        ("AMD64 " + " ".join(PROBE.split()[2:]) + "\r\n", Shell("cmd", "AMD64")),
        ("%PROCESSOR_ARCHITECTURE%\r\nARM64\r\n\r\n", Shell("powershell", "ARM64")),
        ("%PROCESSOR_ARCHITECTURE% :PROCESSOR_ARCHITECTURE AMD64\n", Shell("bash", "AMD64")),
        ("Welcome!\n", None),
        ("", None),
    ],
)
def test_which_shell_answered(said: str, shell: Shell | None) -> None:
    assert read_probe(said) == shell


def test_what_each_shell_is_given() -> None:
    assert Shell("cmd", "AMD64").line(PATH) == f'"{PATH}" -'
    assert Shell("powershell", "AMD64").line(PATH) == f"& '{PATH}' -"
    assert Shell("bash", "AMD64").line(PATH) == (
        "'C:/Program Files/Slipway/slipway-host-abc.exe' -"
    )


def test_processors() -> None:
    assert go_arch("AMD64") == "amd64"
    assert go_arch("ARM64") == "arm64"
    with pytest.raises(ConnectError):
        go_arch("x86")


def test_a_packed_file_is_one_gzip_member(tmp_path: Path) -> None:
    source = tmp_path / "file"
    source.write_bytes(b"slipway" * 700_000)
    reading = Reading(source)
    packed = b"".join(reading.packed(6))
    assert reading.done == reading.total == 4_900_000
    assert gzip.decompress(packed) == source.read_bytes()
    assert reading.sha256 == hashlib.sha256(source.read_bytes()).hexdigest()
    unpacker = zlib.decompressobj(31)
    unpacker.decompress(packed)
    assert unpacker.eof
    assert not unpacker.unused_data


def test_how_review_shows_an_upload() -> None:
    shown = str(shown_upload(r"C:\Services\x\x.exe", sudo=False, system="windows"))
    assert shown.startswith("slipway-host receive take 'C:\\Services\\x\\.x.exe.slipway-")
    assert shown.endswith("'C:\\Services\\x\\x.exe' gzip")


def test_a_certificate_is_no_key_of_ssh(tmp_path: Path) -> None:
    """Neither stands for the other, though they are kept in one file."""
    known = KnownHosts(tmp_path / "known_hosts", others=())
    with pytest.raises(UntrustedHost) as caught:
        known.check("server", 5986, CERTIFICATE, "MIIB")
    assert not caught.value.changed
    assert hex_fingerprint("MIIB") in caught.value.hint
    known.trust(caught.value)
    known.check("server", 5986, CERTIFICATE, "MIIB")
    assert known.key_types("server", 5986) == ()
    with pytest.raises(UntrustedHost) as key:
        known.check("server", 5986, "ssh-ed25519", "AAAA")
    assert not key.value.changed
    with pytest.raises(UntrustedHost) as changed:
        known.check("server", 5986, CERTIFICATE, "MIIC")
    assert changed.value.changed
    assert "certificate" in changed.value.title


@pytest.mark.parametrize(
    ("cause", "hint"),
    [
        (ConnectionRefusedError(111, "refused"), "Prepare the server"),
        (TimeoutError("timed out"), "firewall"),
        (socket.gaierror(-2, "unknown"), "VPN"),
    ],
)
def test_why_a_server_is_not_reached(cause: OSError, hint: str) -> None:
    inner = NewConnectionError(None, "no connection")  # type: ignore[arg-type]
    inner.__cause__ = cause
    problem = requests.ConnectionError(MaxRetryError(None, "/", inner))  # type: ignore[arg-type]
    assert hint in unreachable("server", 5986, problem).hint


@pytest.mark.parametrize("auth", ["ntlm", "kerberos", "credssp", "basic"])
def test_a_way_to_log_in_is_called_as_in_the_form(auth: str) -> None:
    name = {"ntlm": "NTLM", "kerberos": "Kerberos", "credssp": "CredSSP", "basic": "Basic"}[auth]
    assert f"over {name}." in login_refused("server", auth).detail
    if auth in EXTRAS:
        assert f"with {name} from" in no_extra("server", auth).title


def powershell() -> str | None:
    """Return the PowerShell of this computer; Wine's answers nothing."""
    name = shutil.which("powershell") or shutil.which("pwsh")
    if name is None:
        return None
    said = subprocess.run([name, "-Command", "7"], capture_output=True, check=False).stdout
    return name if said.strip() == b"7" else None


POWERSHELL = powershell()


@pytest.mark.skipif(POWERSHELL is None, reason="Windows only: there is no PowerShell here")
@pytest.mark.parametrize(
    ("damage", "code"), [("", 0), ("short", 74), ("other", 65), ("no gzip", 1), ("no lines", 74)]
)
def test_the_script_that_takes_the_tool(tmp_path: Path, damage: str, code: int) -> None:
    content = os.urandom(3_000_000)
    dest = tmp_path / "Program Files 中" / "tool.exe"
    part = dest.with_name("tool.exe.0123.part")
    digest = hashlib.sha256(b"" if damage == "other" else content).hexdigest()
    head = f"{dest}\n{part}\n{len(content)}\n{digest}\n".encode()
    packed = gzip.compress(content[:-1] if damage == "short" else content)
    data = {"no gzip": head + b"x" * 1000, "no lines": b"x\n"}.get(damage, head + packed)
    script = (SCRIPTS / "receive.ps1").read_text(encoding="utf-8")
    encoded = base64.b64encode(script.encode("utf-16-le")).decode()
    words = [str(POWERSHELL), "-NoProfile", "-NonInteractive", "-EncodedCommand", encoded]
    assert len(" ".join(words)) < 8191
    done = subprocess.run(words, input=data, capture_output=True, check=False)
    assert (done.returncode, done.stdout) == (code, b""), done.stderr
    assert dest.exists() == (code == 0)
    assert not part.exists()
    if code == 0:
        assert dest.read_bytes() == content
    else:
        assert done.stderr or code in (65, 74)


def test_the_script_fits_a_command_line() -> None:
    """cmd.exe takes 8191 characters, and base64 of UTF-16 is 8/3 of the text."""
    script = (SCRIPTS / "receive.ps1").read_text(encoding="utf-8")
    assert script.isascii()
    assert len(script) * 8 / 3 < 7900


def test_sending_the_tool_is_told_and_only_where_it_is_not_there() -> None:
    said: list[str] = []
    answers = ["not found", ""]
    tool = SimpleNamespace(tell=said.append, path=PATH, program=said.append)
    server: Any = SimpleNamespace(
        _tool=tool,
        _tool_problem=lambda: answers.pop(0),
        _architecture=lambda: "AMD64",
        _send_tool=lambda _program: said.append("sent") or "",
    )
    WindowsTransport._ensure_tool(server)
    assert said == ["amd64", "Sending Slipway's own tool to the server…", "sent"]
    answers.append("")
    WindowsTransport._ensure_tool(server)
    assert len(said) == 3
