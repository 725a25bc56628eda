"""A remote shell of WinRM, and one command in it, whatever breaks on the way."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from winrm.protocol import Protocol

from app.errors import Cancelled, SlipwayError
from app.i18n import _
from app.transport import CancelToken, winrm_errors
from app.transport.output import After, Output
from app.transport.windows import ANNOUNCED, Call, Tally, first_line
from app.transport.winrm_connection import Dropped, Faulted, Lane, Quiet, Site, TooLarge

UTF_8 = 65001
IDLE = "PT600S"
# What fits an envelope of 500 KB, and one of 150 KB (Windows Server 2008 R2).
LARGE_BYTES, SMALL_BYTES = 380_000, 113_000
# What surely fits the pipe needs no thread and no connection of its own.
INLINE_BYTES = 16 * 1024
POLL_SECONDS = 0.1
END_SECONDS = 5.0
# How long a command that may or may not have got its first line may take to say so.
RESOLVE_SECONDS = 5.0
BUSY_SECONDS = 1.0
ATTEMPTS = 4
BUSY, ABORTED, LOST = 170, 995, 2150858843
QUOTAS = (2150859173, 2150859174)
_BROKEN = (SlipwayError, Dropped, Faulted, Quiet)


class Again(Exception):
    """Nothing of the command has happened, or it may happen twice: run it once more."""


@dataclass(frozen=True, slots=True)
class _Said:
    stdout: bytes
    stderr: bytes


@dataclass(frozen=True, slots=True)
class _Ended:
    code: int


@dataclass(frozen=True, slots=True)
class _Failed:
    problem: BaseException
    sending: bool


_Event = _Said | _Ended | _Failed


class Shell:
    """A remote shell: opened when it is needed, and anew when the server has lost it.

    ``main`` starts commands and hears them, ``side`` sends input meanwhile. ``id`` is "" while it
    is not open.
    """

    def __init__(self, site: Site) -> None:
        self.site = site
        self.main = Lane(site)
        self.side = Lane(site)
        self.piece_bytes = LARGE_BYTES
        self.id = ""

    def open(self) -> None:
        """Open it, if it is not open; raises ConnectError, AuthError or UntrustedHost."""
        if self.id:
            return
        for pause in (1.0, 2.0, 4.0, None):
            try:
                self.id = self.main.insist(
                    lambda protocol: protocol.open_shell(codepage=UTF_8, idle_timeout=IDLE), _never
                )
                return
            except Quiet:
                continue
            except Faulted as fault:
                if pause is None or fault.number not in QUOTAS:
                    raise winrm_errors.refused(self.site, fault.number, str(fault)) from fault
                time.sleep(pause)
        raise winrm_errors.lost(self.site, "OperationTimeout")

    def close(self) -> None:
        """Close it and its connections; safe to call twice."""
        shell_id, self.id = self.id, ""
        if shell_id:
            with contextlib.suppress(*_BROKEN):
                self.main.ask(lambda protocol: protocol.close_shell(shell_id, close_session=False))
        self.main.drop()
        self.side.drop()

    def forget(self) -> None:
        """Take it for lost: the next command gets a new one."""
        self.id = ""

    def begin(self, program: str, *arguments: str) -> str:
        """Start a command that waits for its input; return its id.

        As long as it has none it does nothing: so it may be started again when nobody knows.
        """
        for _attempt in range(ATTEMPTS):
            self.open()
            shell_id = self.id

            def start(protocol: Protocol, shell_id: str = shell_id) -> str:
                return protocol.run_command(shell_id, program, arguments, console_mode_stdin=False)

            try:
                return self.main.insist(start, _never)
            except Quiet:
                continue
            except Faulted as fault:
                if fault.number not in (LOST, *QUOTAS):
                    raise winrm_errors.refused(self.site, fault.number, str(fault)) from fault
                reason = fault
                self._replace(fault.number)
        raise winrm_errors.refused(self.site, reason.number, str(reason))

    def converse(
        self,
        words: tuple[str, ...],
        call: Call,
        output: Output,
        cancel: CancelToken | None,
        deadline: float,
        each_round: Callable[[], None] | None = None,
    ) -> int:
        """Run a program with its input, its output into ``output``; return its exit code.

        Raises Cancelled or TimeoutError once all that it started was ended, ConnectionLost.
        """
        reason = ""
        for _attempt in range(ATTEMPTS):
            running = Running(self, words, self.begin(*words), call, output)
            try:
                return running.hold(cancel, deadline, each_round)
            except Again as again:
                reason = str(again)
                output.forget()
        raise winrm_errors.lost(self.site, reason)

    def receive(self, protocol: Protocol, command_id: str) -> tuple[bytes, bytes, int, bool]:
        """Hear a command once."""
        return protocol.get_command_output_raw(self.id, command_id)

    def send(self, protocol: Protocol, command_id: str, data: bytes, *, end: bool) -> None:
        """Give a command input once."""
        protocol.send_command_input(self.id, command_id, data, end=end)

    def end(self, protocol: Protocol, command_id: str) -> None:
        """End a command, or let the server forget one that has ended."""
        protocol.cleanup_command(self.id, command_id)

    def _replace(self, fault: int) -> None:
        """Let go of the shell after a fault, and of what it holds if the server still knows it."""
        if fault in QUOTAS:
            self.close()
        self.forget()


class Running:
    """One command of a shell, from its first input to its end."""

    def __init__(
        self, shell: Shell, words: tuple[str, ...], command_id: str, call: Call, output: Output
    ) -> None:
        self._shell = shell
        self._words = words
        self._id = command_id
        self._call = call
        self._output = output
        self._begun = After(ANNOUNCED)
        self._begun.passed = not call.announced
        self._events: queue.SimpleQueue[_Event] = queue.SimpleQueue()
        self._pieces = call.pieces(shell.piece_bytes)
        self._sent = 0
        self._code: int | None = None
        self._stopped = False
        self._doubtful = False
        self._tally = Tally()
        self._resolve_at = 0.0
        self._threads: list[threading.Thread] = []

    def hold(
        self,
        cancel: CancelToken | None,
        deadline: float,
        each_round: Callable[[], None] | None,
    ) -> int:
        """Stay until the command has ended; return its exit code, not negative.

        Raises Again, and what Shell.converse raises; the command has been ended then.
        """
        try:
            self._start()
            while self._code is None:
                self._listen(POLL_SECONDS)
                if each_round is not None:
                    each_round()
                if cancel is not None and cancel.cancelled:
                    raise Cancelled
                if time.monotonic() > deadline:
                    raise TimeoutError
                self._resolve()
        except BaseException:
            self._end()
            raise
        self._finish()
        # some servers write it with a sign
        return self._code & 0xFFFF_FFFF

    def _start(self) -> None:
        """Send the input, or begin to, and listen."""
        first, last = next(self._pieces)
        if last and len(first) <= INLINE_BYTES:
            self._feed(self._shell.main, iter(((first, last),)))
            self._spawn(self._hear)
            return
        self._spawn(self._hear)
        pieces = _chain(first, last, self._pieces)
        self._spawn(lambda: self._feed(self._shell.side, pieces))

    def _spawn(self, work: Callable[[], None]) -> None:
        thread = threading.Thread(target=work, name="winrm command", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _hear(self) -> None:
        """Take what the command says until it has ended; in a thread of its own."""
        try:
            done = False
            while not done and not self._stopped:
                try:
                    out, err, code, done = self._shell.main.insist(
                        lambda protocol: self._shell.receive(protocol, self._id),
                        self._broken,
                    )
                except Quiet:
                    continue
                self._events.put(_Said(out, err))
                if done:
                    self._events.put(_Ended(code))
        except BaseException as problem:  # noqa: BLE001 (judged in the caller's thread)
            self._events.put(_Failed(problem, sending=False))

    def _broken(self) -> bool:
        """Remember that an answer, and output in it, may be lost."""
        self._doubtful = True
        return self._stopped

    def _feed(self, lane: Lane, pieces: Iterator[tuple[bytes, bool]]) -> None:
        """Send pieces; in a thread of its own unless there is little."""
        try:
            for data, last in pieces:
                if self._stopped:
                    return
                self._send(lane, data, last=last)
                self._sent += 1
        except BaseException as problem:  # noqa: BLE001 (judged in the caller's thread)
            self._events.put(_Failed(problem, sending=True))

    def _send(self, lane: Lane, data: bytes, *, last: bool) -> None:
        """Send one piece, in smaller ones if the server takes none of its size."""
        if len(data) <= self._shell.piece_bytes:
            try:
                self._send_whole(lane, data, last=last)
                return
            except TooLarge:
                if len(data) <= SMALL_BYTES:
                    raise
                self._shell.piece_bytes = SMALL_BYTES
        for part, end in Call(lambda: (data,)).pieces(self._shell.piece_bytes):
            self._send_whole(lane, part, last=last and end)

    def _send_whole(self, lane: Lane, data: bytes, *, last: bool) -> None:
        for attempt in range(ATTEMPTS):
            try:
                lane.ask(lambda protocol: self._shell.send(protocol, self._id, data, end=last))
                return
            except Quiet:
                return  # it is there, but nobody has read it yet
            except Dropped as problem:
                if problem.unclear or attempt + 1 == ATTEMPTS:
                    raise
            except Faulted as fault:
                if fault.number != BUSY or attempt + 1 == ATTEMPTS:
                    raise
                time.sleep(BUSY_SECONDS * (attempt + 1))

    def _listen(self, seconds: float) -> None:
        """Take what has happened, waiting for it up to ``seconds``."""
        try:
            event = self._events.get(timeout=seconds)
        except queue.Empty:
            return
        if isinstance(event, _Said):
            self._take(event)
        elif isinstance(event, _Ended):
            self._code = event.code
        elif event.sending:
            self._not_sent(event.problem)
        else:
            self._not_heard(event.problem)

    def _take(self, said: _Said) -> None:
        self._output.feed("stdout", self._tally.feed("stdout", said.stdout))
        self._output.feed("stderr", self._begun.feed(self._tally.feed("stderr", said.stderr)))

    def _not_sent(self, problem: BaseException) -> None:
        if isinstance(problem, Faulted):
            if problem.number == LOST and (self._sent == 0 or self._call.repeatable):
                self._shell.forget()
                raise Again(str(problem))
            return  # it takes no input any more: how it ended will be heard
        if not isinstance(problem, Dropped):
            raise problem
        if self._sent == 0 and self._call.announced:
            self._resolve_at = time.monotonic() + RESOLVE_SECONDS
            self._resolve()
            return
        self._give_up(str(problem))

    def _resolve(self) -> None:
        """Find out whether the first piece arrived: the tool says so, or it never began."""
        if not self._resolve_at:
            return
        if self._begun.passed:
            self._resolve_at = 0.0
            self._sent = 1
            self._spawn(lambda: self._feed(self._shell.side, self._pieces))
        elif time.monotonic() > self._resolve_at:
            raise Again

    def _not_heard(self, problem: BaseException) -> None:
        if not isinstance(problem, Faulted):
            raise problem
        if problem.number == LOST:
            self._shell.forget()
        self._give_up(f"{problem} ({problem.number})")

    def _give_up(self, reason: str) -> None:
        if self._call.repeatable:
            raise Again(reason)
        raise winrm_errors.lost(self._shell.site, reason)

    def _finish(self) -> None:
        """Let the server forget the command, which has ended, and take the rest of its output."""
        self._stopped = True
        with contextlib.suppress(*_BROKEN):
            self._shell.main.ask(lambda protocol: self._shell.end(protocol, self._id))
        self._leave()
        self._flush()
        if self._doubtful and not self._call.repeatable and not self._tally.whole:
            raise winrm_errors.lost(self._shell.site, _("A part of what it said is lost."))

    def _end(self) -> None:
        """End the command and all that it started, over a connection of its own."""
        lane = Lane(self._shell.site)
        until = time.monotonic() + END_SECONDS
        with contextlib.suppress(*_BROKEN, Again):
            while self._sent and not self._begun.passed and time.monotonic() < until:
                self._listen(POLL_SECONDS)
        self._stopped = True
        with contextlib.suppress(*_BROKEN):
            if self._begun.argument:
                self._kill(lane, self._begun.argument)
        with contextlib.suppress(*_BROKEN):
            lane.ask(lambda protocol: self._shell.end(protocol, self._id))
        lane.drop()
        self._leave()
        self._drain()
        self._flush()

    def _kill(self, lane: Lane, process: str) -> None:
        """Run the tool's own verb for ending a process tree."""
        shell = self._shell
        shell_id = shell.id
        program, *arguments = self._words
        command_id = lane.ask(
            lambda protocol: protocol.run_command(
                shell_id, program, arguments, console_mode_stdin=False
            )
        )
        line = first_line(("kill", process))
        lane.ask(lambda protocol: shell.send(protocol, command_id, line, end=True))
        until = time.monotonic() + END_SECONDS
        done = False
        while not done and time.monotonic() < until:
            with contextlib.suppress(Quiet):
                done = lane.ask(lambda protocol: shell.receive(protocol, command_id))[3]
        lane.ask(lambda protocol: shell.end(protocol, command_id))

    def _leave(self) -> None:
        """See the threads out; a connection that one of them still holds is left to it."""
        until = time.monotonic() + END_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            self._shell.main, self._shell.side = Lane(self._shell.site), Lane(self._shell.site)

    def _drain(self) -> None:
        """Take the output that was still under way."""
        with contextlib.suppress(queue.Empty):
            while True:
                event = self._events.get_nowait()
                if isinstance(event, _Said):
                    self._take(event)

    def _flush(self) -> None:
        self._output.feed("stderr", self._begun.feed(self._tally.rest()))
        held, self._begun.held = self._begun.held, b""
        self._output.feed("stdout", b"", final=True)
        self._output.feed("stderr", held, final=True)


def _chain(
    first: bytes, last: bool, rest: Iterator[tuple[bytes, bool]]
) -> Iterator[tuple[bytes, bool]]:
    yield first, last
    yield from rest


def _never() -> bool:
    return False
