"""Any text survives quoting through a real shell, and every text a mask hides stays hidden."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from app.transport import MASK, Command, Secret
from app.transport.output import Mask, Output
from app.transport.shell import Marks, announced, join, with_sudo, with_sudo_password

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")

# No program's argument can hold a NUL, and UTF-8 has no half characters.
WORDS = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)))
SHELLS = [
    [path, *words]
    for name, *words in (["sh", "-c"], ["bash", "-c"], ["dash", "-c"], ["busybox", "sh", "-c"])
    if (path := shutil.which(name))
]


def through(shell: list[str], text: str) -> bytes:
    return subprocess.run([*shell, text], capture_output=True, check=True).stdout


@pytest.mark.parametrize("shell", SHELLS, ids=lambda words: words[0])
@settings(max_examples=60, deadline=None)
@given(words=st.lists(WORDS, max_size=6))
@example(words=["", "'", "\\", "\\'", "a\nb\n", "-n", "$x`x`", "!", "*", "~", "中文", "\r\n"])
def test_any_text_survives(shell: list[str], words: list[str]) -> None:
    text = join(["printf", "%s\\0", "first", *words])
    assert through(shell, text).decode().split("\0")[1:-1] == words


@settings(max_examples=30, deadline=None)
@given(words=st.lists(WORDS, max_size=4))
def test_any_text_survives_the_whole_wrapping(words: list[str]) -> None:
    marks = Marks.fresh()
    done = subprocess.run(
        ["sh", "-c", announced(("printf", "%s\\0", "first", *words), marks)],
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode().removeprefix(f"{marks.begun}\n").split("\0")[1:-1] == words
    mark, _space, number = done.stderr.decode().partition(" ")
    assert mark == marks.begun
    assert number.strip().isdigit()


@given(word=WORDS)
def test_backslashes_stand_outside_of_quotes(word: str) -> None:
    """Which is how fish reads them as sh does."""
    inside = False
    quoted = join([word])
    skip = False
    for character in quoted:
        if skip:
            skip = False
        elif character == "'":
            inside = not inside
        elif character == "\\":
            assert not inside
            skip = True
    assert not inside


def test_exit_code_of_a_command_that_died() -> None:
    text = announced(("sh", "-c", "kill -9 $$"), Marks.fresh())
    assert subprocess.run(["sh", "-c", text], capture_output=True, check=False).returncode == 137


def test_sudo_gets_no_secret() -> None:
    marks = Marks.fresh()
    words = with_sudo_password(("id", "-u"), marks)
    assert words[:8] == ("env", "LC_ALL=C", "sudo", "-k", "-S", "-p", marks.prompt, "--")
    assert words[-2:] == ("id", "-u")
    assert with_sudo(("id",)) == ("sudo", "-n", "--", "id")


SECRETS = st.lists(st.text(st.characters(exclude_categories=("Cs",)), min_size=4), min_size=1)


@given(secrets=SECRETS, around=st.text(max_size=20))
def test_masked_text_holds_no_secret(secrets: list[str], around: str) -> None:
    secrets = [secret for secret in secrets if secret.strip() and secret.strip("•")]
    text = around.join(["", *secrets, ""])
    masked = Mask(Secret(secret) for secret in secrets)(text)
    for secret in secrets:
        assert secret not in masked.replace(MASK, "") or secret in around


def test_mask_takes_the_longest_and_single_lines() -> None:
    command = Command(("x", Secret("pass")), stdin=Secret("password\r\nsecond"))
    mask = Mask.of(command, [Secret(""), Secret("  ")])
    assert mask("password pass second  ") == f"{MASK} {MASK} {MASK}  "


def test_lines_are_masked_and_the_text_is_not() -> None:
    lines: list[tuple[str, str]] = []
    output = Output(Mask([Secret("sécret")]), lambda stream, line: lines.append((stream, line)))
    data = "a sécret\r\nrest".encode()
    for number in range(len(data)):
        output.feed("stdout", data[number : number + 1])
    output.feed("stdout", b"", final=True)
    assert lines == [("stdout", f"a {MASK}"), ("stdout", "rest")]
    result = output.result(Command(("x",)), 1)
    assert result.stdout == "a sécret\r\nrest"
    assert "sécret" not in result.tail()
