"""One command on one SSH channel: streams drained, input fed, sudo's question answered."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Mapping

import paramiko

from app.errors import Cancelled
from app.transport import CancelToken, Secret
from app.transport.output import After, Output, Source
from app.transport.shell import Marks, whole_line

POLL_SECONDS = 0.1
# How long output is awaited after the command has ended: what it left behind may hold it open.
LINGER_SECONDS = 1.0
READ_BYTES = 256 * 1024
INLINE_BYTES = 16 * 1024
# OpenSSH reports a death by signal in a message that paramiko does not read. Our shell dies only
# when somebody ends the whole group by force.
KILLED_EXIT_CODE = 137


class _Wake(threading.Event):
    """Set by either stream's buffer; only the reader clears it.

    paramiko clears the event whenever one buffer runs empty, though the other may not be.
    """

    def clear(self) -> None:
        """Do nothing."""

    def wait_and_clear(self, seconds: float) -> None:
        """Wait for the next sign of life."""
        self.wait(seconds)
        super().clear()


class Conversation:
    """A command under way.

    ``begun`` holds streams back until the command itself speaks; what stderr's says is the id of
    what ends it. ``sudo_password`` is sent when sudo asks for it (with the prompt of ``marks``),
    and never before.
    """

    def __init__(
        self,
        channel: paramiko.Channel,
        text: str,
        output: Output,
        begun: Mapping[Source, After],
        *,
        stdin: bytes | Iterable[bytes] | None = None,
        sudo_password: Secret | None = None,
        marks: Marks | None = None,
    ) -> None:
        self._channel = channel
        self._prompt = marks.prompt if marks else ""
        self._output = output
        self._stdin = stdin
        self._sudo_password = sudo_password
        self._begun = begun
        self._admitted = After(whole_line(marks.admitted if marks else ""))
        self._admitted.passed = sudo_password is None
        self._questions = 0
        self._feeder: threading.Thread | None = None
        self.feed_error: Exception | None = None
        self._wake = _Wake()
        channel.in_buffer.set_event(self._wake)
        channel.in_stderr_buffer.set_event(self._wake)
        channel.exec_command(text.encode())
        if self.admitted:
            self._start_feeding()

    @property
    def group(self) -> str:
        """The process's or its group's id on the server, or "" as long as it is not known."""
        return self._begun["stderr"].argument

    @property
    def admitted(self) -> bool:
        """Whether sudo, if it was asked, has let the command in."""
        return self._admitted.passed

    @property
    def sudo_chatter(self) -> str:
        """What sudo said instead of letting the command in."""
        text = self._admitted.held.decode("utf-8", "replace")
        return text.replace(self._prompt, "").strip()

    @property
    def password_refused(self) -> bool:
        """Whether sudo asked again after it got the password."""
        return self._questions > 1

    def hold(
        self,
        cancel: CancelToken | None,
        deadline: float,
        each_round: Callable[[], None] | None = None,
    ) -> int | None:
        """Stay until the command has ended; return its exit code, None if the connection broke.

        Raises Cancelled or TimeoutError while the command still runs, and whatever the reading of
        stdin or a line's taker raises.
        """
        ended_at = 0.0
        while True:
            self.drain()
            if self.feed_error is not None:
                raise self.feed_error
            if each_round is not None:
                each_round()
            now = time.monotonic()
            if self._channel.exit_status_ready():
                ended_at = ended_at or now
                if self._finished() or now - ended_at > LINGER_SECONDS:
                    break
            elif cancel is not None and cancel.cancelled:
                raise Cancelled
            elif now > deadline:
                raise TimeoutError
            self._wake.wait_and_clear(min(POLL_SECONDS, max(0.001, deadline - now)))
        self.drain()
        self._flush()
        return self._exit_code()

    def drain(self) -> None:
        """Take what has arrived on both streams."""
        while self._channel.recv_ready():
            self._take("stdout", self._channel.recv(READ_BYTES))
        while self._channel.recv_stderr_ready():
            self._take("stderr", self._channel.recv_stderr(READ_BYTES))

    def await_group(self, seconds: float) -> str:
        """Return the process group's id, waiting for it up to ``seconds``; "" if it stays away."""
        until = time.monotonic() + seconds
        while not self.group and not self._channel.closed and time.monotonic() < until:
            self._wake.wait_and_clear(POLL_SECONDS)
            self.drain()
        return self.group

    def await_end(self, seconds: float) -> None:
        """Let the output run out for up to ``seconds``, then close the channel."""
        until = time.monotonic() + seconds
        while not self._finished() and time.monotonic() < until:
            self._wake.wait_and_clear(POLL_SECONDS)
            self.drain()
        self.close()
        self._flush()

    def close(self) -> None:
        """Close the channel; input that is still being sent ends with it."""
        self._channel.close()
        if self._feeder is not None:
            self._feeder.join(POLL_SECONDS * 10)

    def _finished(self) -> bool:
        return self._channel.closed or bool(self._channel.eof_received)

    def _exit_code(self) -> int | None:
        code = self._channel.recv_exit_status()
        if code >= 0:
            return code
        transport = self._channel.get_transport()
        until = time.monotonic() + LINGER_SECONDS
        while transport.is_active() and time.monotonic() < until:
            time.sleep(POLL_SECONDS / 10)
        return KILLED_EXIT_CODE if transport.is_active() else None

    def _take(self, source: Source, data: bytes) -> None:
        if source in self._begun:
            data = self._begun[source].feed(data)
        if source == "stderr" and not self.admitted:
            data = self._answer_sudo(data)
        if data:
            self._output.feed(source, data)

    def _answer_sudo(self, data: bytes) -> bytes:
        rest = self._admitted.feed(data)
        if self.admitted:
            self._start_feeding()
            return rest
        questions = self._admitted.held.count(self._prompt.encode())
        if questions > self._questions:
            first = self._questions == 0
            self._questions = questions
            if first and self._sudo_password is not None:
                self._channel.sendall(self._sudo_password.reveal().encode() + b"\n")
            else:
                self._channel.shutdown_write()
        return b""

    def _flush(self) -> None:
        sources: tuple[Source, ...] = ("stdout", "stderr")
        for source in sources:
            held = b""
            if source in self._begun:
                held, self._begun[source].held = self._begun[source].held, b""
            self._output.feed(source, held, final=True)

    def _start_feeding(self) -> None:
        data = self._stdin
        if data is None or (isinstance(data, bytes) and len(data) <= self._inline_bytes()):
            self._feed(() if data is None else (data,))
            return
        pieces = (data,) if isinstance(data, bytes) else data
        self._feeder = threading.Thread(
            target=self._feed, args=(pieces,), name="command input", daemon=True
        )
        self._feeder.start()

    def _inline_bytes(self) -> int:
        # What surely fits the window needs no thread to wait in.
        return min(INLINE_BYTES, self._channel.out_window_size)

    def _feed(self, pieces: Iterable[bytes]) -> None:
        try:
            for piece in pieces:
                if not self._send(piece):
                    return
        except Exception as problem:  # noqa: BLE001 (it is raised again in the caller's thread)
            self.feed_error = problem
            self._wake.set()
        else:
            self._send(None)

    def _send(self, piece: bytes | None) -> bool:
        """Send input, or with None its end; return False if nobody takes it any more."""
        try:
            if piece is None:
                self._channel.shutdown_write()
                return True
            rest = memoryview(piece)
            while rest:
                # not sendall(): that copies all the rest for each packet
                size = self._channel.out_max_packet_size - 64
                rest = rest[self._channel.send(bytes(rest[:size])) :]
        except (OSError, EOFError):
            # A command may end without having read all its input; a broken connection shows in
            # the command's end.
            return False
        return True
