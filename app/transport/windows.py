"""Machines with Windows: every command is one run of slipway-host.exe, whatever carries it there.

The shell on the other side only ever sees one fixed text; the command's words travel as JSON in the
first line of stdin. So no word of a user meets cmd.exe or PowerShell.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import re
import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from typing import Protocol

from app.credentials import Credentials
from app.errors import CommandFailed, ConnectError, ConnectionLost, SlipwayError
from app.i18n import _
from app.processes import LONGEST_LINE
from app.request import Target
from app.transport import (
    TOOL,
    CancelToken,
    Command,
    CommandResult,
    OnBytes,
    OnLine,
    Secret,
    Sudo,
    System,
    ignore_bytes,
    ignore_line,
)
from app.transport.output import Mask, Output, Source, out_of_time
from app.transport.reading import Reading

# The first line that the tool writes to stderr: what ends it, and all that it started. Its number
# alone would not do: Windows gives that to another process soon after this one is gone.
ANNOUNCED = re.compile(rb'^\{"process": ?"(\d+@\d+)"\}\r?\n')
# The very last line there: how many bytes came on stdout, and on stderr before it.
TALLY_MARK = b'{"tally":'
TALLY = re.compile(rb'\{"tally": ?\[(\d+), ?(\d+)\]\}\r?\n')
WORK_FOLDER = "C:\\"
NO_LIMIT = "1000000000"  # seconds
VERSION_SECONDS = 60.0
END_SECONDS = 10.0
FOREVER = float("inf")
# Programs that don't write UTF-8 write the machine's own code page; before that is known, the one
# that is most often met where it matters.
FALLBACK = "cp936"


class Tool(Protocol):
    """slipway-host.exe of one version: its sources' id, where it lies there, how it is had here."""

    @property
    def id(self) -> str:
        """The id that ``version`` answers."""

    @property
    def path(self) -> str:
        """Where it lies on every server."""

    def program(self, arch: str) -> Path:
        """Return the program for an architecture; raises SlipwayError if it can't be built."""

    @property
    def tell(self) -> Callable[[str], None]:
        """What hears of what is under way, in words."""


@dataclass(frozen=True, slots=True)
class Call:
    """One run of a program there, and all its input.

    ``announced``: the tool says which process it is once it has read its first line, and does
    nothing before. ``repeatable``: it may be run once more when nobody knows how far it came.
    """

    stdin: Callable[[], Iterable[bytes]]
    announced: bool = True
    repeatable: bool = False

    def pieces(self, size: int) -> Iterator[tuple[bytes, bool]]:
        """Yield the input in pieces of ``size`` bytes, each with whether it is the last."""
        held = bytearray()
        for data in self.stdin():
            held += data
            while len(held) > size:
                yield bytes(held[:size]), False
                del held[:size]
        yield bytes(held), True


class Tally:
    """Keeps the tool's last line on stderr back, and compares what it says with what came."""

    def __init__(self) -> None:
        self._held = b""
        self._came = {"stdout": 0, "stderr": 0}

    def feed(self, source: Source, data: bytes) -> bytes:
        """Take what came; return what may go on."""
        self._came[source] += len(data)
        if source == "stdout":
            return data
        data = self._held + data
        start = self._start(data)
        self._held = data[start:]
        return data[:start]

    @staticmethod
    def _start(data: bytes) -> int:
        """Return where the last line begins, or what may become it."""
        found = data.rfind(TALLY_MARK)
        if found >= 0 and b"\n" not in data[found:-1]:
            return found
        for size in range(len(TALLY_MARK) - 1, 0, -1):
            if data.endswith(TALLY_MARK[:size]):
                return len(data) - size
        return len(data)

    def rest(self) -> bytes:
        """Return what was kept back and is no tally, at the end."""
        return b"" if TALLY.fullmatch(self._held) else self._held

    @property
    def whole(self) -> bool:
        """Whether all that was written has come."""
        told = TALLY.fullmatch(self._held)
        came = (self._came["stdout"], self._came["stderr"] - len(self._held))
        return told is not None and came == (int(told[1]), int(told[2]))


class MixedSplitter:
    """Bytes in as they come, whole lines out: UTF-8, and lines that are not in ``fallback``."""

    def __init__(self, fallback: str) -> None:
        self.fallback = fallback
        self._held = b""

    def feed(self, data: bytes, *, final: bool = False) -> tuple[str, list[str]]:
        """Return the decoded text and the lines that it completed, without their line ends."""
        whole, newline, rest = (self._held + data).rpartition(b"\n")
        text = "".join(map(self._decoded, (whole + newline).splitlines(keepends=True)))
        lines = text.split("\n")[:-1]
        while len(rest) >= LONGEST_LINE or (final and rest):
            part, rest = self._beginning(rest, final=final)
            text += part
            lines.append(part)
        self._held = rest
        return text, [line.removesuffix("\r") for line in lines]

    def _decoded(self, line: bytes) -> str:
        try:
            return line.decode()
        except UnicodeDecodeError:
            return line.decode(self.fallback, "replace")

    def _beginning(self, data: bytes, *, final: bool) -> tuple[str, bytes]:
        """Decode the beginning of an endless line; no character is cut in two."""
        piece = data[:LONGEST_LINE]
        last = final and len(piece) == len(data)
        try:
            text, used = codecs.utf_8_decode(piece, "strict", last)
        except UnicodeDecodeError:
            text, used = piece.decode(self.fallback, "replace"), len(piece)
        return text, data[used:]


class WindowsTransport(ABC):
    """What all transports to Windows share; see Transport for what the methods promise."""

    level = 6  # of gzip: 1 is fast, 9 is small
    tally = False  # whether output can be lost without a word, so that it must be counted
    announced_uploads = True  # whether only the tool's process id ends an upload

    def __init__(self, target: Target, credentials: Credentials, tool: Tool) -> None:
        self._target = target
        self._credentials = credentials
        self._tool = tool
        self.fallback = FALLBACK

    @property
    def system(self) -> System:
        """It is Windows."""
        return "windows"

    @property
    def sudo(self) -> Sudo:
        """There is none: what the account may do, the facts tell."""
        return "root"

    def run(
        self,
        command: Command,
        *,
        on_line: OnLine = ignore_line,
        cancel: CancelToken | None = None,
        timeout: float = 60.0,
    ) -> CommandResult:
        """Run a command to its end; see Transport."""
        given = command.stdin
        stdin = given.reveal().encode() if isinstance(given, Secret) else given or b""
        line = first_line(tool_words(command), tally=self.tally)
        output = self._output(command, on_line)
        call = Call(lambda: (line, stdin))
        code = self._run(command, call, output, cancel, timeout)
        return output.result(command, code)

    def put(
        self,
        source: Path,
        dest: str,
        *,
        on_bytes: OnBytes = ignore_bytes,
        cancel: CancelToken | None = None,
        sudo: bool = False,  # noqa: ARG002 (there is no root here)
        mode: int = 0o644,  # noqa: ARG002 (a folder's list decides who may what)
    ) -> None:
        """Copy a file there; see Transport.

        The folder must exist. Raises SlipwayError if it can't be written or nothing is left of
        the disk, OSError if ``source`` can't be read.
        """
        reading = Reading(source)
        path = PureWindowsPath(dest)
        part = str(path.with_name(f".{path.name}.slipway-{secrets.token_hex(4)}.part"))
        words = ("receive", "take", part, str(reading.total), reading.sha256, dest, "gzip")
        try:
            result = self._send(reading, Command((TOOL, *words)), on_bytes, cancel)
            _check_received(result, dest)
        except ConnectionLost:
            raise
        except BaseException:
            with contextlib.suppress(SlipwayError):
                self.run(Command((TOOL, "receive", "drop", part)), timeout=END_SECONDS)
            raise

    def _send(
        self,
        reading: Reading,
        command: Command,
        on_bytes: OnBytes,
        cancel: CancelToken | None,
    ) -> CommandResult:
        """Run what takes a file after its first line, the progress told as it goes."""
        output = self._output(command, ignore_line)
        line = first_line(tool_words(command), announce=self.announced_uploads)
        reported = -1

        def stdin() -> Iterator[bytes]:
            yield line
            yield from reading.packed(self.level)

        def report() -> None:
            nonlocal reported
            if reading.done > reported:
                reported = reading.done
                on_bytes(reported, reading.total)

        call = Call(stdin, announced=self.announced_uploads, repeatable=True)
        code = self._run(command, call, output, cancel, FOREVER, report)
        report()
        return output.result(command, code)

    def _run(
        self,
        command: Command,
        call: Call,
        output: Output,
        cancel: CancelToken | None,
        timeout: float,
        each_round: Callable[[], None] | None = None,
    ) -> int:
        if cancel is not None:
            cancel.check()
        try:
            return self._converse(call, output, cancel, time.monotonic() + timeout, each_round)
        except TimeoutError as problem:
            raise out_of_time(command, output, timeout) from problem

    def _output(self, command: Command, on_line: OnLine) -> Output:
        mask = Mask.of(command, self._credentials.secrets)
        return Output(mask, on_line, lambda: MixedSplitter(self.fallback))

    @abstractmethod
    def _converse(
        self,
        call: Call,
        output: Output,
        cancel: CancelToken | None,
        deadline: float,
        each_round: Callable[[], None] | None,
    ) -> int:
        """Run the tool, its output into ``output``; return its exit code, not negative.

        Raises Cancelled or TimeoutError once what it started has been ended, ConnectionLost.
        """

    @abstractmethod
    def _architecture(self) -> str:
        """Return what PROCESSOR_ARCHITECTURE is there."""

    @abstractmethod
    def _send_tool(self, program: Path) -> str:
        """Put the tool there, where there is none; return what went wrong, "" if nothing did."""

    def _ensure_tool(self) -> None:
        """Make sure that the tool is there and runs; raises ConnectError if it can't be had."""
        said = self._tool_problem()
        if not said:
            return
        arch = go_arch(self._architecture())
        program = self._tool.program(arch)
        self._tool.tell(_("Sending Slipway's own tool to the server…"))
        problem = self._send_tool(program)
        said = self._tool_problem()
        if said:
            raise ConnectError(
                _("Slipway's own tool does not run on {target}.").format(target=self._target),
                problem or said,
                _(
                    "The account must be an administrator there, and virus scanner or AppLocker "
                    "must let {path} run."
                ).format(path=self._tool.path),
            )

    def _tool_problem(self) -> str:
        """Return "" if the tool answers and is ours, else what came instead."""
        result = self.run(Command((TOOL, "version")), timeout=VERSION_SECONDS)
        try:
            answer = json.loads(result.stdout)
            if result.exit_code == 0 and answer["id"] == self._tool.id:
                self.fallback = code_page(answer.get("code_page"))
                return ""
        except (ValueError, TypeError, KeyError):
            pass
        return result.tail() or _("Exit code {code}").format(code=result.exit_code)


def tool_words(command: Command) -> list[str]:
    """Return the tool's verb and arguments for a command."""
    words = [word.reveal() if isinstance(word, Secret) else word for word in command.expanded()]
    return words[1:] if words[0] == TOOL else ["exec", WORK_FOLDER, NO_LIMIT, *words]


def first_line(words: Sequence[str], *, announce: bool = True, tally: bool = False) -> bytes:
    """Return the line that tells the tool what to do: JSON, and ASCII whatever the words are."""
    told = {"argv": list(words), "announce": announce, "tally": tally}
    return json.dumps(told).encode() + b"\n"


def go_arch(machine: str) -> str:
    """Return Go's name for a PROCESSOR_ARCHITECTURE; raises ConnectError for a foreign one."""
    known = {"AMD64": "amd64", "ARM64": "arm64"}
    if machine.upper() not in known:
        raise ConnectError(
            _("Slipway can't work on this kind of Windows."),
            _("Its processor is “{machine}”.").format(machine=machine),
            _("It needs a 64-bit Windows, for x86-64 or ARM64."),
        )
    return known[machine.upper()]


def code_page(number: object) -> str:
    """Return Python's name for a code page, FALLBACK if it knows none."""
    with contextlib.suppress(LookupError):
        return codecs.lookup(f"cp{number}").name
    return FALLBACK


def _check_received(result: CommandResult, dest: str) -> None:
    if result.exit_code == 0:
        return
    error = result.host_error
    hints = {
        65: _("Try again; if it happens twice, check the server's disk and memory."),
        66: _("Create the folder first."),
        73: _("Choose another place, or give the account the right to write there."),
        74: _("Make room on the server's disk, then try again."),
    }
    hint = hints.get(result.exit_code, _("Try again; see what the server says above."))
    raise CommandFailed(
        _("{dest} can't be written.").format(dest=dest),
        result,
        hint=(error.remedy if error else "") or hint,
    )
