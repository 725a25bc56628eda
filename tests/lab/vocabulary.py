"""The same small programs on every system, so that one contract can be asked of every transport."""

from __future__ import annotations

import secrets
import subprocess
from pathlib import Path
from typing import Protocol

from app.transport import Command, Secret, Transport

TWIN = Path(__file__).resolve().parent / "twin"


class Vocabulary(Protocol):
    """What the tests of the contract have machines do."""

    unknown_program: int
    broken_byte: str  # what b"\\xff" is shown as

    def streams(self) -> Command:
        """Print ``out``, ``err`` on stderr, end with 3."""

    def arguments(self, *words: str) -> Command:
        """Print each word and a zero byte."""

    def slowly(self) -> Command:
        """Print first, second on stderr, after a second third with CR LF, and rest without."""

    def pieces(self, *pieces: bytes) -> Command:
        """Print bytes with pauses in between."""

    def flood(self) -> Command:
        """Print the numbers up to 100,000, and up to 1,000 on stderr."""

    def both(self, stdin: bytes) -> Command:
        """Print the input on both streams."""

    def copy(self) -> Command:
        """Print the input."""

    def checksum(self, stdin: bytes) -> Command:
        """Print the SHA-256 of the input."""

    def nothing(self, stdin: bytes | None = None) -> Command:
        """Do nothing; the input is not read."""

    def secrets(self, secret: Secret, stdin: Secret) -> Command:
        """Print <secret>, then the input on both streams."""

    def hang(self, word: str | Secret, mark: str) -> Command:
        """Print a word on both streams, then hang."""

    def stubborn(self, mark: str, *, sudo: bool = False) -> Command:
        """Print ready, then hang with a child, whoever asks for an end."""

    def leave_behind(self) -> Command:
        """Print done and end, while a child goes on with the same streams."""

    def running(self, machine: Transport, mark: str) -> int:
        """Count the processes that bear a mark."""

    def make_folder(self, machine: Transport) -> str:
        """Make a folder; return its path."""

    def remove(self, path: str) -> Command:
        """Remove a file or folder."""

    def path(self, folder: str, *names: str) -> str:
        """Return the path of something in a folder."""

    def folder(self, path: str) -> Command:
        """Make a folder."""

    def write(self, path: str, text: str) -> Command:
        """Write a file."""

    def content(self, path: str) -> Command:
        """Print a file."""

    def file_checksum(self, path: str) -> Command:
        """Print the SHA-256 of a file."""

    def files(self, folder: str) -> Command:
        """Print the names of all files below a folder."""

    def serve(self) -> Command:
        """Answer hello over HTTP at a port of its own choice, which it prints."""


def sh(text: str, *, stdin: bytes | Secret | None = None, sudo: bool = False) -> Command:
    """Return a command of the POSIX shell."""
    return Command(("sh", "-c", text), stdin=stdin, sudo=sudo)


class Posix:
    """sh and what stands on every Unix."""

    unknown_program = 127
    broken_byte = "\ufffd"

    def streams(self) -> Command:
        return sh("echo out; echo err >&2; exit 3")

    def arguments(self, *words: str) -> Command:
        return Command(("printf", "%s\\0", *words))

    def slowly(self) -> Command:
        return sh("echo first; echo second >&2; sleep 1; printf 'third\\r\\nrest'")

    def pieces(self, *pieces: bytes) -> Command:
        octal = ["".join(f"\\{byte:03o}" for byte in piece) for piece in pieces]
        return sh("; sleep 0.3; ".join(f"printf '{piece}'" for piece in octal))

    def flood(self) -> Command:
        return sh("seq 1 100000; seq 1 1000 >&2")

    def both(self, stdin: bytes) -> Command:
        return sh("tee /dev/stderr", stdin=stdin)

    def copy(self) -> Command:
        return Command(("cat",))

    def checksum(self, stdin: bytes) -> Command:
        return sh("sha256sum | cut -d' ' -f1", stdin=stdin)

    def nothing(self, stdin: bytes | None = None) -> Command:
        return Command(("true",), stdin=stdin)

    def secrets(self, secret: Secret, stdin: Secret) -> Command:
        text = 'printf "<%s>\\n" "$1"; tee /dev/stderr'
        return Command(("sh", "-c", text, "-", secret), stdin)

    def hang(self, word: str | Secret, mark: str) -> Command:
        return Command(("sh", "-c", f'echo "$1"; echo "$1" >&2; sleep {mark}', "-", word))

    def stubborn(self, mark: str, *, sudo: bool = False) -> Command:
        text = f"trap '' TERM; sleep {mark} & echo ready; while :; do sleep {mark}; done"
        return sh(text, sudo=sudo)

    def leave_behind(self) -> Command:
        return sh("sleep 8 & echo done")

    def running(self, machine: Transport, mark: str) -> int:
        # this search's own command line must not fit
        hidden = f"sleep {mark[:-1]}[{mark[-1]}]"
        text = f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c -e '{hidden}'"
        return int(machine.run(sh(text)).stdout)

    def make_folder(self, machine: Transport) -> str:
        return machine.run(Command(("mktemp", "-d"))).check("mktemp").stdout.strip()

    def remove(self, path: str) -> Command:
        return Command(("rm", "-rf", path))

    def path(self, folder: str, *names: str) -> str:
        return "/".join((folder, *names))

    def folder(self, path: str) -> Command:
        return Command(("mkdir", path))

    def write(self, path: str, text: str) -> Command:
        return Command(("sh", "-c", 'printf %s "$2" > "$1"', "-", path, text))

    def content(self, path: str) -> Command:
        return Command(("cat", path))

    def file_checksum(self, path: str) -> Command:
        return Command(("sh", "-c", "sha256sum < \"$1\" | cut -d' ' -f1", "-", path))

    def files(self, folder: str) -> Command:
        return Command(("sh", "-c", 'cd "$1" && find . -type f | sed s,^./,,', "-", folder))

    def serve(self) -> Command:
        program = (
            "use IO::Socket; $| = 1; $s = IO::Socket::INET->new(Listen => 9, LocalAddr => "
            '"127.0.0.1", LocalPort => 0) or die $!; print $s->sockport, "\\n"; while ($c = '
            '$s->accept) { while (<$c>) { last if /^\\r?$/ } print $c "HTTP/1.0 200 OK\\r\\n'
            'Content-Length: 5\\r\\n\\r\\nhello"; close $c }'
        )
        return Command(("perl", "-e", program))


class Windows:
    """The program ``twin.exe``, which lies there in ``folder``.

    A process is found again by the name of its program: one that hangs runs under its own.
    """

    unknown_program = 66
    broken_byte = "ÿ"  # as the code page 1252 has it

    def __init__(self, machine: Transport, folder: str) -> None:
        self._machine = machine
        self._folder = folder
        self._twin = rf"{folder}\twin.exe"

    def streams(self) -> Command:
        return self._say("streams")

    def arguments(self, *words: str) -> Command:
        return self._say("arguments", *words)

    def slowly(self) -> Command:
        return self._say("slowly")

    def pieces(self, *pieces: bytes) -> Command:
        return self._say("pieces", *(piece.hex() for piece in pieces))

    def flood(self) -> Command:
        return self._say("flood")

    def both(self, stdin: bytes) -> Command:
        return self._say("both", stdin=stdin)

    def copy(self) -> Command:
        return self._say("copy")

    def checksum(self, stdin: bytes) -> Command:
        return self._say("checksum", stdin=stdin)

    def nothing(self, stdin: bytes | None = None) -> Command:
        return self._say("nothing", stdin=stdin)

    def secrets(self, secret: Secret, stdin: Secret) -> Command:
        return self._say("secrets", secret, stdin=stdin)

    def hang(self, word: str | Secret, mark: str) -> Command:
        return Command((self._named(mark), "hang", word))

    def stubborn(self, mark: str, *, sudo: bool = False) -> Command:
        return Command((self._named(mark), "stubborn"), sudo=sudo)

    def leave_behind(self) -> Command:
        return self._say("leave-behind")

    def exit(self, code: int) -> Command:
        """Return what ends with a code of 32 bits."""
        return self._say("exit", str(code))

    def append(self, path: str, text: str) -> Command:
        """Return what adds to a file and prints done."""
        return self._say("append", path, text)

    def running(self, machine: Transport, mark: str) -> int:
        return int(machine.run(self._say("running", f"twin-{mark}.exe")).stdout)

    def make_folder(self, machine: Transport) -> str:
        folder = rf"{self._folder}\{secrets.token_hex(4)}"
        machine.run(self.folder(folder)).check("folder")
        return folder

    def remove(self, path: str) -> Command:
        return self._say("remove", path)

    def path(self, folder: str, *names: str) -> str:
        return "\\".join((folder, *names))

    def folder(self, path: str) -> Command:
        return self._say("folder", path)

    def write(self, path: str, text: str) -> Command:
        return self._say("write", path, text)

    def content(self, path: str) -> Command:
        return self._say("content", path)

    def file_checksum(self, path: str) -> Command:
        return self._say("checksum", path)

    def files(self, folder: str) -> Command:
        return self._say("files", folder)

    def serve(self) -> Command:
        return self._say("serve")

    def _named(self, mark: str) -> str:
        path = rf"{self._folder}\twin-{mark}.exe"
        self._machine.run(self._say("link", self._twin, path)).check("link")
        return path

    def _say(self, verb: str, *words: str | Secret, stdin: bytes | Secret | None = None) -> Command:
        return Command((self._twin, verb, *words), stdin)


def build_twin(folder: Path) -> Path:
    """Build the program for a 64-bit Windows; return it."""
    program = folder / "twin.exe"
    subprocess.run(
        ["env", "GOOS=windows", "GOARCH=amd64", "CGO_ENABLED=0", "go", "build", "-o", program, "."],
        cwd=TWIN,
        check=True,
    )
    return program
