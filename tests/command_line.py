"""The command line in a process of its own, and at a terminal of its own."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
PROGRAM = (sys.executable, "-c", "import sys; from app.cli import main; sys.exit(main())")


def begin(*words: str | Path, waits_for: str) -> subprocess.Popen[str]:
    """Start a command; return as soon as a line of its output holds ``waits_for``."""
    process = subprocess.Popen(
        [*PROGRAM, *map(str, words)],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
        start_new_session=True,
    )
    assert process.stdout
    said = []
    for line in process.stdout:
        said.append(line)
        if waits_for in line:
            return process
    _out, err = process.communicate()
    pytest.fail(f"“{waits_for}” never came:\n{''.join(said)}{err}")


def converse(words: Sequence[str | Path], answers: Sequence[tuple[str, str]]) -> tuple[int, str]:
    """Run a command at a terminal, answer each question once; return exit code and all it said."""
    import pty

    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*PROGRAM, *map(str, words)],
        cwd=ROOT,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        start_new_session=True,
        # the password prompt opens the terminal by its name: it has to be the process's own
        preexec_fn=_own_terminal,  # noqa: PLW1509 (these tests start no threads before)
    )
    os.close(slave)
    left = list(answers)
    said = b""
    while chunk := _read(master, said):
        said += chunk
        if left and left[0][0].encode() in said:
            os.write(master, left.pop(0)[1].encode() + b"\n")
    os.close(master)
    return process.wait(timeout=60), said.decode(errors="replace")


def _own_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def _read(terminal: int, said: bytes) -> bytes:
    readable, _writable, _failed = select.select([terminal], [], [], 60)
    if not readable:
        pytest.fail(f"It says nothing any more: {said.decode(errors='replace')}")
    try:
        return os.read(terminal, 4096)
    except OSError:  # the other end was closed
        return b""


@dataclass(frozen=True)
class Answer:
    """What a command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def shapes(self) -> list[dict[str, Any]]:
        """Each line of stdout as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Answer]
