"""A Windows machine reached over SSH: the same connection, another shell on the other side."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import paramiko

from app.credentials import Credentials, KnownHosts
from app.errors import ConnectError, ConnectionLost, SlipwayError
from app.i18n import _
from app.request import Target
from app.transport import TOOL, CancelToken, Command, Transport, ignore_line
from app.transport.output import After, Mask, Output, Source
from app.transport.ssh import SshTransport
from app.transport.ssh_channel import Conversation
from app.transport.ssh_config import resolve
from app.transport.ssh_connection import Connection
from app.transport.windows import (
    ANNOUNCED,
    END_SECONDS,
    Call,
    MixedSplitter,
    Tool,
    WindowsTransport,
)

BANNER = "OpenSSH_for_Windows"
PROBE_SECONDS = 30.0
# One text that every shell answers with the processor's architecture, each in a way of its own.
PROBE = "echo %PROCESSOR_ARCHITECTURE% $env:PROCESSOR_ARCHITECTURE $PROCESSOR_ARCHITECTURE"


@dataclass(frozen=True, slots=True)
class Shell:
    """What the server gives commands to (its DefaultShell), and its processor's architecture."""

    name: str
    architecture: str

    def line(self, program: str) -> str:
        """Return the text that runs a program with the one argument ``-``."""
        if self.name == "cmd":
            return f'"{program}" -'
        if self.name == "powershell":
            return f"& '{program}' -"
        return f"'{program.replace(chr(92), '/')}' -"


def open_ssh(
    target: Target,
    credentials: Credentials,
    known_hosts: KnownHosts,
    tool: Tool,
    *,
    config: Path | None = None,
) -> Transport:
    """Return an open transport over SSH, whichever system answers.

    Raises ConnectError, AuthError or UntrustedHost.
    """
    connection = Connection(resolve(target, config), credentials, known_hosts)
    if BANNER not in connection.transport.remote_version:
        return SshTransport(target, credentials, known_hosts, config=config, connection=connection)
    transport = WindowsSshTransport(
        target, credentials, known_hosts, tool, config=config, connection=connection
    )
    try:
        transport.open()
    except BaseException:
        transport.close()
        raise
    return transport


class WindowsSshTransport(WindowsTransport):
    """A machine with OpenSSH for Windows; see Transport for what the methods promise.

    ``config`` is read instead of ``~/.ssh/config``; ``connection`` is used as long as it lasts.
    """

    level = 1  # networks that carry SSH are mostly faster than packing

    def __init__(
        self,
        target: Target,
        credentials: Credentials,
        known_hosts: KnownHosts,
        tool: Tool,
        *,
        config: Path | None = None,
        connection: Connection | None = None,
    ) -> None:
        super().__init__(target, credentials, tool)
        self._known_hosts = known_hosts
        self._config = config
        self._connection = connection
        self._shell: Shell | None = None

    def open(self) -> None:
        """Connect and log in, again if the connection broke, and make sure the tool is there.

        Raises ConnectError, AuthError or UntrustedHost.
        """
        if self._connection is not None and not self._connection.alive:
            self.close()
        if self._connection is None:
            endpoint = resolve(self._target, self._config)
            self._connection = Connection(endpoint, self._credentials, self._known_hosts)
        if self._shell is None:
            self._shell = self._find_shell()
            self._ensure_tool()

    def connect_tcp(self, port: int, host: str = "127.0.0.1") -> socket.socket | None:
        """Reach a port through the connection; None if the server's policy forbids it.

        Raises ConnectionRefusedError when nothing listens there, TimeoutError when nothing
        answers within 15 s.
        """
        return self._connected().open_port(host, port)

    def another(self) -> WindowsSshTransport:
        """Return a transport over the same connection for use in another thread."""
        twin = WindowsSshTransport(
            self._target,
            self._credentials,
            self._known_hosts,
            self._tool,
            config=self._config,
            connection=self._connected().shared(),
        )
        twin.fallback = self.fallback
        twin._shell = self._shell
        return twin

    def close(self) -> None:
        """Let go of the connection; it ends with the last transport that uses it."""
        connection, self._connection = self._connection, None
        self._shell = None
        if connection is not None:
            connection.release()

    def _connected(self) -> Connection:
        if self._connection is None:
            raise ConnectionLost(
                _("There is no connection to {target}.").format(target=self._target),
                _("It was not opened, or it was closed."),
                _("Connect again."),
            )
        return self._connection

    def _converse(
        self,
        call: Call,
        output: Output,
        cancel: CancelToken | None,
        deadline: float,
        each_round: Callable[[], None] | None,
    ) -> int:
        if self._shell is None:
            raise self._connected().lost()
        text = self._shell.line(self._tool.path)
        return self._hold(text, call, output, cancel, deadline, each_round)

    def _hold(
        self,
        text: str,
        call: Call,
        output: Output,
        cancel: CancelToken | None,
        deadline: float,
        each_round: Callable[[], None] | None = None,
    ) -> int:
        """Give the shell a text, and the program it runs its input; return the exit code."""
        connection = self._connected()
        announced = After(ANNOUNCED)
        announced.passed = not call.announced
        with connection.explained():
            channel = connection.session(max(1.0, deadline - time.monotonic()))
            begun: dict[Source, After] = {"stderr": announced}
            conversation = Conversation(channel, text, output, begun, stdin=_joined(call))
        try:
            with connection.explained():
                code = conversation.hold(cancel, deadline, each_round)
        except ConnectionLost:
            raise
        except BaseException:
            if call.announced:
                self._end(conversation)
            raise
        finally:
            conversation.close()
        if code is None:
            raise connection.lost()
        return code

    def _end(self, conversation: Conversation) -> None:
        """End what a command started, over a channel of its own: nothing else ends it there."""
        process = conversation.await_group(END_SECONDS)
        if process:
            with contextlib.suppress(SlipwayError):
                self.run(Command((TOOL, "kill", process)), timeout=END_SECONDS)
        conversation.await_end(1.0)

    def _find_shell(self) -> Shell:
        call = Call(tuple, announced=False)
        output = Output(Mask(()), ignore_line, lambda: MixedSplitter(self.fallback))
        try:
            self._hold(PROBE, call, output, None, time.monotonic() + PROBE_SECONDS)
        except TimeoutError as problem:
            raise self._strange_shell(_("It did not answer.")) from problem
        said = output.text("stdout")
        shell = read_probe(said)
        if shell is None:
            raise self._strange_shell((said + output.text("stderr")).strip())
        return shell

    def _strange_shell(self, said: str) -> ConnectError:
        return ConnectError(
            _("Slipway does not know the shell of {target}.").format(target=self._target),
            said,
            _(
                "Set DefaultShell in HKLM\\SOFTWARE\\OpenSSH there to cmd.exe, PowerShell or bash, "
                "or remove it."
            ),
        )

    def _architecture(self) -> str:
        return self._shell.architecture if self._shell else ""

    def _send_tool(self, program: Path) -> str:
        """Send it by SFTP beside its place, then rename it; return what went wrong, or ""."""
        path = PureWindowsPath(self._tool.path)
        folder, dest = _sftp_path(path.parent), _sftp_path(path)
        part = f"{dest}.{secrets.token_hex(4)}.part"
        connection = self._connected()
        try:
            with connection.explained(), _files(connection) as files:
                with contextlib.suppress(OSError):
                    files.mkdir(folder)
                try:
                    files.put(str(program), part)
                    files.posix_rename(part, dest)
                except OSError:
                    with contextlib.suppress(OSError):
                        files.remove(part)
                    raise
        except OSError as problem:
            return str(problem)
        return ""


def read_probe(said: str) -> Shell | None:
    """Return which shell answered PROBE, None for none that is known."""
    words = said.split()
    if len(words) == 3 and words[1:] == PROBE.split()[2:]:
        return Shell("cmd", words[0])
    if words[:1] == ["%PROCESSOR_ARCHITECTURE%"] and len(words) == 2:
        return Shell("powershell", words[1])
    if words[:2] == ["%PROCESSOR_ARCHITECTURE%", ":PROCESSOR_ARCHITECTURE"] and len(words) == 3:
        return Shell("bash", words[2])
    return None


def _joined(call: Call) -> Iterator[bytes] | bytes:
    """Return a call's input as one piece if it is small, else as it comes."""
    pieces = call.pieces(1024 * 1024)
    first, last = next(pieces)
    if last:
        return first
    return _all(first, pieces)


def _all(first: bytes, rest: Iterator[tuple[bytes, bool]]) -> Iterator[bytes]:
    yield first
    for piece, _last in rest:
        yield piece


@contextlib.contextmanager
def _files(connection: Connection) -> Iterator[paramiko.SFTPClient]:
    files = paramiko.SFTPClient.from_transport(connection.transport)
    if files is None:
        raise connection.lost()
    with files:
        yield files


def _sftp_path(path: PureWindowsPath) -> str:
    return "/" + path.as_posix()
