"""The machine Slipway runs on, to run commands on."""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import secrets
import shutil
import socket
import sys
from collections import deque
from pathlib import Path

from app.errors import AuthError, CommandFailed, SlipwayError
from app.events import Stream
from app.i18n import _
from app.patience import patiently
from app.processes import ProcessResult, run_process
from app.reasons import reason
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
from app.transport.output import Mask

CONNECT_SECONDS = 15.0
PIECE_BYTES = 1024 * 1024
LAST_LINES = 100
NOT_FOUND = 127
NOT_EXECUTABLE = 126
TIMED_OUT = 124


class LocalTransport:
    """The computer that Slipway runs on; see Transport for what the methods promise.

    On Windows it runs slipway-host.exe from where it was built or came with Slipway.

    Root's rights come from ``sudo -n``: nobody is there to type a password.
    """

    def __init__(self) -> None:
        self._may_sudo = False

    @property
    def sudo(self) -> Sudo:
        """How root's rights are had here."""
        if _is_root():
            return "root"
        return "nopasswd" if shutil.which("sudo") else "none"

    @property
    def system(self) -> System:
        """Windows there, POSIX elsewhere."""
        return "windows" if sys.platform == "win32" else "posix"

    def open(self) -> None:
        """Do nothing: it is always there."""

    def run(
        self,
        command: Command,
        *,
        on_line: OnLine = ignore_line,
        cancel: CancelToken | None = None,
        timeout: float = 60.0,
    ) -> CommandResult:
        """Run a command to its end; see Transport. Raises AuthError if sudo asks for a password."""
        mask = Mask.of(command)
        argv = [word.reveal() if isinstance(word, Secret) else word for word in command.expanded()]
        if argv[0] == TOOL:
            argv[0] = str(_tool())
        if command.sudo:
            argv = self._as_root(argv)
        stdin = command.stdin
        last: dict[Stream, deque[str]] = {}

        def take(source: Stream, line: str) -> None:
            last.setdefault(source, deque(maxlen=LAST_LINES)).append(line)
            on_line(source, mask(line))

        try:
            result = run_process(
                argv,
                stdin=stdin.reveal().encode() if isinstance(stdin, Secret) else stdin,
                on_line=take,
                cancel=cancel,
                timeout=timeout,
            )
        except TimeoutError as problem:
            said = {source: "\n".join(lines) for source, lines in last.items()}
            raise _out_of_time(command, said, mask, timeout) from problem
        except OSError as problem:
            result = _not_started(problem, argv[0])
            take("stderr", result.stderr)
        # A death by signal as every shell tells it, and so as over SSH.
        code = 128 - result.exit_code if result.exit_code < 0 else result.exit_code
        return CommandResult(command, code, result.stdout, result.stderr, mask)

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
        """Copy a file; see Transport. The folder must exist.

        Raises SlipwayError if it can't be written, OSError if ``source`` can't be read.
        """
        if sudo and not _is_root():
            self._put_as_root(source, dest, cancel, mode)
            on_bytes(source.stat().st_size, source.stat().st_size)
            return
        path = Path(dest)
        part = path.with_name(f".{path.name}.slipway-{secrets.token_hex(4)}.part")
        with source.open("rb"):
            pass
        try:
            _copy(source, part, on_bytes, cancel)
            part.chmod(mode)
            if path.is_dir():
                raise IsADirectoryError(None, _("It is a folder."), dest)
            patiently(lambda: part.replace(path))
        except OSError as problem:
            raise SlipwayError(
                _("{dest} can't be written.").format(dest=dest),
                reason(problem),
                _("Check that its folder exists, that you may write there, and the disk's space."),
            ) from problem
        finally:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)

    def connect_tcp(self, port: int, host: str = "127.0.0.1") -> socket.socket | None:
        """Connect to a port; raises ConnectionRefusedError when nothing listens there."""
        try:
            return socket.create_connection((host, port), CONNECT_SECONDS)
        except (ConnectionRefusedError, TimeoutError):
            raise
        except OSError as problem:
            # No way to that address: as over SSH, where the server tells no difference.
            raise ConnectionRefusedError(problem.errno, problem.strerror) from problem

    def another(self) -> LocalTransport:
        """Return one more."""
        return LocalTransport()

    def close(self) -> None:
        """Do nothing."""

    def _as_root(self, argv: list[str]) -> list[str]:
        if _is_root():
            return argv
        if not self._may_sudo:
            self._check_sudo()
            self._may_sudo = True
        return ["sudo", "-n", "--", *argv]

    def _check_sudo(self) -> None:
        hint = _(
            "Start Slipway as root, or use sudo in a terminal first; it remembers for a while."
        )
        if shutil.which("sudo") is None:
            raise AuthError(_("This step needs root's rights, and there is no sudo."), hint=hint)
        result = run_process(["sudo", "-n", "true"], env={**os.environ, "LC_ALL": "C"})
        if result.exit_code != 0:
            raise AuthError(
                _("This step needs root's rights, and sudo refused."), result.stderr.strip(), hint
            )

    def _put_as_root(self, source: Path, dest: str, cancel: CancelToken | None, mode: int) -> None:
        title = _("{dest} can't be written.").format(dest=dest)
        part = f"{dest}.slipway-{secrets.token_hex(4)}.part"
        copy = Command(("install", "-m", f"{mode:o}", "--", str(source), part), sudo=True)
        try:
            self.run(copy, cancel=cancel, timeout=float("inf")).check(title)
            self.run(Command(("mv", "-f", "--", part, dest), sudo=True)).check(title)
        finally:
            self.run(Command(("rm", "-f", "--", part), sudo=True))


def _copy(source: Path, part: Path, on_bytes: OnBytes, cancel: CancelToken | None) -> None:
    """Copy and read back: both sides must have the same SHA-256."""
    total, done = source.stat().st_size, 0
    sent = hashlib.sha256()
    with source.open("rb") as reading, part.open("xb") as writing:
        while piece := reading.read(PIECE_BYTES):
            if cancel is not None:
                cancel.check()
            writing.write(piece)
            sent.update(piece)
            done += len(piece)
            on_bytes(done, total)
    with part.open("rb") as arrived:
        if hashlib.file_digest(arrived, "sha256").digest() != sent.digest():
            raise OSError(
                None, _("What was written is not what was read: the disk may be failing.")
            )


def _is_root() -> bool:
    # Windows has no sudo here: a step that needs an administrator fails with Windows' own words.
    return sys.platform == "win32" or os.geteuid() == 0


def _tool() -> Path:
    # only Windows pays for the import
    from app.transport.windows import go_arch
    from app.winhost import program

    return program(go_arch(platform.machine()))


def _not_started(problem: OSError, program: str) -> ProcessResult:
    code = NOT_FOUND if isinstance(problem, FileNotFoundError) else NOT_EXECUTABLE
    return ProcessResult(code, "", f"{program}: {problem.strerror}")


def _out_of_time(
    command: Command, said: dict[Stream, str], mask: Mask, timeout: float
) -> CommandFailed:
    result = CommandResult(command, TIMED_OUT, said.get("stdout", ""), said.get("stderr", ""), mask)
    return CommandFailed(
        _("A command did not end within {seconds:g} s and was ended.").format(seconds=timeout),
        result,
        result.tail() or str(command),
        _("See whether this computer is overloaded or waits for something, then try again."),
    )
