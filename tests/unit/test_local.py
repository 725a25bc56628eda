"""What is special to this computer as a machine; its contract stands in tests/lab."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path

import pytest

from app.errors import AuthError, Cancelled, CommandFailed, SlipwayError
from app.transport import MASK, CancelToken, Command, Secret
from app.transport import local as local_module
from app.transport.local import LocalTransport

PYTHON = sys.executable


def python(text: str, *words: str | Secret, stdin: bytes | None = None) -> Command:
    return Command((PYTHON, "-c", text, *words), stdin=stdin)


def test_a_program_runs() -> None:
    lines: list[tuple[str, str]] = []
    text = "import sys; print(sys.argv[1]); print(sys.stdin.read(), file=sys.stderr); sys.exit(4)"
    result = LocalTransport().run(
        python(text, Secret("hush-hush"), stdin=b"typed"),
        on_line=lambda stream, line: lines.append((stream, line)),
    )
    assert result.exit_code == 4
    assert sorted(lines) == [("stderr", "typed"), ("stdout", MASK)]
    assert result.stdout.strip() == "hush-hush"


def test_program_that_is_not_there() -> None:
    lines: list[str] = []
    result = LocalTransport().run(
        Command(("no-such-program",)), on_line=lambda _stream, line: lines.append(line)
    )
    assert result.exit_code == 127
    assert "no-such-program" in lines[0]


def test_time_and_cancel() -> None:
    sleep = python("import time; print('begun', flush=True); time.sleep(60)")
    with pytest.raises(CommandFailed) as caught:
        LocalTransport().run(sleep, timeout=1)
    assert caught.value.result.stdout.strip() == "begun"
    cancel = CancelToken()
    threading.Timer(0.3, cancel.cancel).start()
    with pytest.raises(Cancelled):
        LocalTransport().run(sleep, cancel=cancel)


def test_put(tmp_path: Path) -> None:
    source, dest = tmp_path / "source", tmp_path / "中文 dest"
    source.write_bytes(os.urandom(3_000_000))
    seen: list[tuple[int, int]] = []
    LocalTransport().put(
        source, str(dest), mode=0o700, on_bytes=lambda done, total: seen.append((done, total))
    )
    assert dest.read_bytes() == source.read_bytes()
    assert seen[-1] == (3_000_000, 3_000_000)
    assert {path.name for path in tmp_path.iterdir()} == {"source", "中文 dest"}
    if sys.platform != "win32":
        assert dest.stat().st_mode & 0o777 == 0o700


def test_put_that_fails_leaves_nothing(tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(b"x")
    (tmp_path / "folder").mkdir()
    for dest in (tmp_path / "folder", tmp_path / "missing" / "file"):
        with pytest.raises(SlipwayError) as caught:
            LocalTransport().put(source, str(dest))
        assert caught.value.hint
    assert {path.name for path in tmp_path.iterdir()} == {"source", "folder"}
    with pytest.raises(FileNotFoundError):
        LocalTransport().put(tmp_path / "nope", str(tmp_path / "dest"))


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
@pytest.mark.parametrize(("answer", "works"), [("exit 0", True), ("echo no >&2; exit 1", False)])
def test_sudo_for_an_ordinary_user(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, works: bool
) -> None:
    """A sudo that only writes down what it is asked, since a test can't be an ordinary user."""
    program = tmp_path / "sudo"
    program.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >> {tmp_path}/asked\n[ "$2" != true ] || {{ {answer}; }}\n'
        '[ "$2" = -- ] || exit 0\nshift 2\nexec "$@"\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr(local_module.os, "geteuid", lambda: 1000)
    transport = LocalTransport()
    assert transport.sudo == "nopasswd"
    if not works:
        with pytest.raises(AuthError) as caught:
            transport.run(Command(("id",), sudo=True))
        assert caught.value.hint
        return
    assert transport.run(Command(("echo", "a  b"), sudo=True)).stdout == "a  b\n"
    source = tmp_path / "source"
    source.write_bytes(b"content")
    transport.put(source, str(tmp_path / "dest"), sudo=True, mode=0o640)
    assert (tmp_path / "dest").read_bytes() == b"content"
    assert (tmp_path / "dest").stat().st_mode & 0o777 == 0o640
    asked = (tmp_path / "asked").read_text().splitlines()
    assert asked[0] == "-n true"
    assert all(line.startswith("-n ") for line in asked)
    assert {path.name for path in tmp_path.iterdir()} == {"sudo", "asked", "source", "dest"}
