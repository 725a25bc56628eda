"""A machine reached over SSH: commands, root's rights, files, ports."""

from __future__ import annotations

import contextlib
import secrets
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from app.credentials import Credentials, KnownHosts
from app.errors import AuthError, CommandFailed, ConnectionLost, SlipwayError
from app.i18n import _
from app.request import Target
from app.transport import (
    CancelToken,
    Command,
    CommandResult,
    OnBytes,
    OnLine,
    Script,
    Secret,
    Sudo,
    System,
    ignore_bytes,
    ignore_line,
)
from app.transport.output import After, Mask, Output, out_of_time
from app.transport.reading import Reading
from app.transport.shell import Marks, announced, whole_line, with_sudo, with_sudo_password
from app.transport.ssh_channel import Conversation
from app.transport.ssh_config import resolve
from app.transport.ssh_connection import Connection, RootAccess, SudoMode

END_SECONDS = 5.0
FOREVER = float("inf")


class SshTransport:
    """A machine reached over SSH; see Transport for what the methods promise.

    ``config`` is read instead of ``~/.ssh/config``; ``connection`` is used as long as it lasts.
    """

    def __init__(
        self,
        target: Target,
        credentials: Credentials,
        known_hosts: KnownHosts,
        *,
        config: Path | None = None,
        connection: Connection | None = None,
    ) -> None:
        self._target = target
        self._credentials = credentials
        self._known_hosts = known_hosts
        self._config = config
        self._connection = connection

    @property
    def system(self) -> System:
        """It is never Windows: ``ssh_windows.open_ssh`` tells them apart."""
        return "posix"

    @property
    def sudo(self) -> Sudo:
        """What becoming root takes there; costs one round trip when first asked.

        ``password``: sudo is there and wants one, which is known; whether the user has the right
        shows when it is used.
        """
        mode = self._root_access().mode
        known = self._credentials.sudo_password or self._credentials.password
        return "ask" if mode == "password" and known is None else mode

    def open(self) -> None:
        """Connect and log in, again if the connection broke.

        Raises ConnectError, AuthError or UntrustedHost.
        """
        if self._connection is not None and not self._connection.alive:
            self.close()
        if self._connection is None:
            endpoint = resolve(self._target, self._config)
            self._connection = Connection(endpoint, self._credentials, self._known_hosts)

    def run(
        self,
        command: Command,
        *,
        on_line: OnLine = ignore_line,
        cancel: CancelToken | None = None,
        timeout: float = 60.0,
    ) -> CommandResult:
        """Run a command to its end; see Transport. Raises AuthError if sudo refuses."""
        if cancel is not None:
            cancel.check()
        output = Output(Mask.of(command, self._credentials.secrets), on_line)
        stdin = command.stdin
        code = self._converse(
            command,
            stdin.reveal().encode() if isinstance(stdin, Secret) else stdin,
            output,
            cancel,
            timeout,
        )
        return output.result(command, code)

    def put(
        self,
        source: Path,
        dest: str,
        *,
        on_bytes: OnBytes = ignore_bytes,
        cancel: CancelToken | None = None,
        sudo: bool = False,
        mode: int = 0o644,
    ) -> None:
        """Copy a file there; see Transport.

        The folder must exist. Raises SlipwayError if it can't be written or nothing is left of
        the disk, OSError if ``source`` can't be read.
        """
        if cancel is not None:
            cancel.check()
        path = PurePosixPath(dest)
        part = str(path.with_name(f".{path.name}.slipway-{secrets.token_hex(4)}.part"))
        reading = Reading(source)
        words = (part, str(reading.total), reading.sha256, dest, f"{mode:o}")
        try:
            self._send(reading, _receive("take", *words, sudo=sudo), on_bytes, cancel, dest)
        except ConnectionLost:
            raise
        except BaseException:
            with contextlib.suppress(SlipwayError):
                self.run(_receive("drop", part, sudo=sudo), timeout=END_SECONDS)
            raise

    def connect_tcp(self, port: int, host: str = "127.0.0.1") -> socket.socket | None:
        """Reach a port through the connection; None if the server's policy forbids it.

        Raises ConnectionRefusedError when nothing listens there, TimeoutError when nothing
        answers within 15 s.
        """
        return self._connected().open_port(host, port)

    def another(self) -> SshTransport:
        """Return a transport over the same connection for use in another thread."""
        return SshTransport(
            self._target,
            self._credentials,
            self._known_hosts,
            config=self._config,
            connection=self._connected().shared(),
        )

    def close(self) -> None:
        """Let go of the connection; it ends with the last transport that uses it."""
        connection, self._connection = self._connection, None
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
        command: Command,
        stdin: bytes | Iterator[bytes] | None,
        output: Output,
        cancel: CancelToken | None,
        timeout: float,
        each_round: Callable[[], None] | None = None,
    ) -> int:
        """Run a command, its output into ``output``; return its exit code."""
        connection = self._connected()
        deadline = time.monotonic() + timeout
        marks = Marks.fresh()
        argv: Sequence[str] = [
            word.reveal() if isinstance(word, Secret) else word for word in command.expanded()
        ]
        password = None
        if command.sudo:
            argv, password = self._as_root(argv, marks)
        with connection.explained():
            conversation = Conversation(
                connection.session(timeout),
                announced(argv, marks),
                output,
                {source: After(whole_line(marks.begun)) for source in ("stdout", "stderr")},
                stdin=stdin,
                sudo_password=password,
                marks=marks,
            )
        try:
            with connection.explained():
                code = conversation.hold(cancel, deadline, each_round)
        except TimeoutError as problem:
            self._end(conversation, sudo=command.sudo)
            raise out_of_time(command, output, timeout) from problem
        except ConnectionLost:
            raise
        except BaseException:
            self._end(conversation, sudo=command.sudo)
            raise
        finally:
            conversation.close()
        if code is None:
            raise connection.lost()
        if not conversation.admitted:
            raise self._sudo_refused(conversation)
        return code

    def _as_root(self, argv: Sequence[str], marks: Marks) -> tuple[Sequence[str], Secret | None]:
        """Return the argv that runs as root, and the password if sudo will ask for one."""
        found = self._root_access()
        if found.mode == "root":
            return argv, None
        if found.mode == "nopasswd":
            return with_sudo(argv), None
        if found.mode == "none":
            raise _no_sudo(self._target, found.problem)
        password = self._credentials.sudo_password or self._credentials.password
        if password is None:
            raise AuthError(
                _("sudo on {target} asks for a password.").format(target=self._target),
                _("This step needs root's rights, and no sudo password was given."),
                _("Give the sudo password of this user, or log in as root."),
                needs="sudo",
            )
        return with_sudo_password(argv, marks), password

    def _root_access(self) -> RootAccess:
        connection = self._connected()
        with connection.root_lock:
            if connection.root_access is None:
                connection.root_access = self._find_sudo()
            return connection.root_access

    def _find_sudo(self) -> RootAccess:
        result = self.run(Command(("sh", Script("sudo_mode.sh"))))
        word, _end, problem = result.stdout.partition("\n")
        modes: dict[str, SudoMode] = {
            "root": "root",
            "nopasswd": "nopasswd",
            "password": "password",
        }
        return RootAccess(modes.get(word, "none"), problem.strip() or result.tail(3))

    def _sudo_refused(self, conversation: Conversation) -> AuthError:
        if conversation.password_refused:
            return AuthError(
                _("sudo on {target} refused the password.").format(target=self._target),
                conversation.sudo_chatter,
                _("Give the sudo password of this user again."),
                needs="sudo",
            )
        return _no_sudo(self._target, conversation.sudo_chatter)

    def _end(self, conversation: Conversation, *, sudo: bool) -> None:
        """End what a command started, over a channel of its own, and let its output run out."""
        group = conversation.await_group(END_SECONDS)
        if group.isdigit():
            end = Command(("sh", Script("end_group.sh"), group), sudo=sudo)
            with contextlib.suppress(SlipwayError):
                self.run(end, timeout=END_SECONDS)
        conversation.await_end(1.0)

    def _send(
        self,
        reading: Reading,
        take: Command,
        on_bytes: OnBytes,
        cancel: CancelToken | None,
        dest: str,
    ) -> None:
        output = Output(Mask(()), ignore_line)
        reported = -1

        def report() -> None:
            nonlocal reported
            if reading.done != reported:
                reported = reading.done
                on_bytes(reported, reading.total)

        code = self._converse(take, reading.pieces(), output, cancel, FOREVER, report)
        report()
        _check_received(output.result(take, code), dest)


def _receive(verb: str, *words: str, sudo: bool) -> Command:
    return Command(("sh", Script("receive.sh"), verb, *words), sudo=sudo)


def _check_received(result: CommandResult, dest: str) -> None:
    if result.exit_code == 0:
        return
    hints = {
        65: _("Try again; if it happens twice, check the server's disk and memory."),
        66: _("Create the folder first."),
        69: _("Install sha256sum (coreutils), shasum or openssl on the server."),
        73: _("Choose another place, or give the user the right to write there."),
    }
    hint = hints.get(result.exit_code, _("Try again; see what the server says above."))
    if "No space left" in result.stderr or "quota" in result.stderr:
        hint = _("Make room on the server's disk, then try again.")
    raise CommandFailed(_("{dest} can't be written.").format(dest=dest), result, hint=hint)


_SUDO_PROBLEMS = (
    ("must have a tty", "requiretty"),
    ("not in the sudoers", "sudoers"),
    ("not allowed", "sudoers"),
    ("may not run sudo", "sudoers"),
    ("not installed", "missing"),
)


def _no_sudo(target: Target, problem: str) -> AuthError:
    hints = {
        "requiretty": _("Remove “requiretty” from /etc/sudoers there, or log in as root."),
        "sudoers": _("Have the user added to the sudoers there, or log in as root."),
        "missing": _("Install sudo there and allow it to the user, or log in as root."),
        "": _("Log in as root, or as a user who may use sudo."),
    }
    kind = next((kind for text, kind in _SUDO_PROBLEMS if text in problem), "")
    return AuthError(
        _("The user can't become root on {target}.").format(target=target), problem, hints[kind]
    )
