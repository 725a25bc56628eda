"""How a machine is reached: commands as values, and the Transport that carries them."""

from __future__ import annotations

import shlex
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

from app.errors import Cancelled, CommandFailed
from app.events import Stream
from app.i18n import _
from app.transport.tool import HostError, in_words, read_host_error

SCRIPTS = Path(__file__).resolve().parent.parent.parent / "resources" / "scripts"
MASK = "••••••"
# The program that does on Windows servers what POSIX scripts do elsewhere; as the first word of a
# command it stands for wherever it lies there (resources/winhost).
TOOL = "slipway-host"


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that never shows itself; only transports call ``reveal()``."""

    value: str

    def reveal(self) -> str:
        """Return the text itself."""
        return self.value

    def __repr__(self) -> str:
        return MASK

    __str__ = __repr__


@dataclass(frozen=True, slots=True)
class Script:
    """A POSIX shell script of ``resources/scripts``; in an argv it stands for its text.

    ``("sh", Script("store.sh"), "append", path)`` runs as ``sh -c TEXT store.sh append path``.
    """

    name: str

    @property
    def text(self) -> str:
        """Return the script's source."""
        return (SCRIPTS / self.name).read_text(encoding="utf-8")


Argument = str | Secret | Script


@dataclass(frozen=True, slots=True)
class Command:
    """What to run: a value, built apart from running. ``str()`` is the masked text Review shows.

    ``sudo`` asks for root's rights: the transport adds it where the user is not root. With
    ``telling`` the text for Review ends with what the command is given on stdin.
    """

    argv: tuple[Argument, ...]
    stdin: bytes | Secret | None = None
    sudo: bool = False
    telling: bool = False

    def expanded(self) -> tuple[str | Secret, ...]:
        """Return the argv with each script replaced by ``-c TEXT NAME``."""
        words: list[str | Secret] = []
        for word in self.argv:
            if isinstance(word, Script):
                words += ["-c", word.text, word.name]
            else:
                words.append(word)
        return tuple(words)

    def __str__(self) -> str:
        words = []
        for word in self.argv:
            if isinstance(word, Script):
                words.append(word.name)
            else:
                words.append(MASK if isinstance(word, Secret) else shlex.quote(word))
        told = (
            [f"<<< {self.stdin.decode()}"] if self.telling and isinstance(self.stdin, bytes) else []
        )
        return " ".join((["sudo"] if self.sudo else []) + words + told)


def unmasked(text: str) -> str:
    """Return a text as it is."""
    return text


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How a command ended: its exit code and all it printed.

    ``stdout`` and ``stderr`` are exactly what was printed, for whoever reads facts from them; what
    is shown to people goes through ``mask``, as ``tail`` does.
    """

    command: Command
    exit_code: int
    stdout: str = field(repr=False)
    stderr: str = field(repr=False)
    mask: Callable[[str], str] = field(default=unmasked, repr=False, compare=False)

    @property
    def host_error(self) -> HostError | None:
        """Why a verb of slipway-host failed; None for other commands, or if it doesn't say."""
        return read_host_error(self.stderr) if self._by_tool else None

    @property
    def _by_tool(self) -> bool:
        return self.command.argv[:1] == (TOOL,)

    def tail(self, count: int = 10) -> str:
        """Return the last lines, those of stderr if there are any, secrets masked."""
        stderr = in_words(self.stderr) if self._by_tool else self.stderr
        lines = (stderr.strip() or self.stdout.strip()).splitlines()
        return self.mask("\n".join(lines[-count:]))

    def check(self, title: str, hint: str = "") -> CommandResult:
        """Return itself, or raise CommandFailed with ``title`` if the exit code is not 0."""
        if self.exit_code == 0:
            return self
        error = self.host_error
        if error:
            raise CommandFailed(title, self, self.mask(str(error)), error.remedy or hint)
        detail = _("Exit code {code}: {output}").format(code=self.exit_code, output=self.tail())
        raise CommandFailed(title, self, detail, hint)


class CancelToken:
    """Set once by whoever wants the work to end; polled by whoever does it."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to end."""
        self._event.set()

    @property
    def cancelled(self) -> bool:
        """Whether the work was asked to end."""
        return self._event.is_set()

    def check(self) -> None:
        """Raise Cancelled if the work was asked to end."""
        if self._event.is_set():
            raise Cancelled

    def wait(self, seconds: float) -> None:
        """Sleep, but raise Cancelled as soon as the work is asked to end."""
        if self._event.wait(seconds):
            raise Cancelled


OnLine = Callable[[Stream, str], None]
OnBytes = Callable[[int, int], None]


def ignore_line(stream: Stream, text: str) -> None:
    """Take a line and do nothing."""


def ignore_bytes(done: int, total: int) -> None:
    """Take a progress report and do nothing."""


# root: is root already; nopasswd: sudo asks nothing; password: sudo asks and the password is known;
# ask: sudo asks and no password was given; none: no sudo
Sudo = Literal["root", "nopasswd", "password", "ask", "none"]
System = Literal["posix", "windows"]


class Transport(Protocol):
    """One machine. One object per thread: ``another()`` gives a second one."""

    @property
    def sudo(self) -> Sudo:
        """How root's rights are had there; known once open.

        On Windows always ``root``: what the account may do there, the facts tell.
        """

    @property
    def system(self) -> System:
        """What commands there look like; known once open. On Windows, TOOL's verbs can be run."""

    def open(self) -> None:
        """Connect and log in; raises ConnectError, AuthError or UntrustedHost."""

    def run(
        self,
        command: Command,
        *,
        on_line: OnLine = ignore_line,
        cancel: CancelToken | None = None,
        timeout: float = 60.0,
    ) -> CommandResult:
        """Run a command to its end, each line reported as it comes, secrets masked.

        ``timeout`` in seconds. Raises Cancelled, CommandFailed when time runs out, ConnectionLost;
        another exit code than 0 raises nothing.
        """

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
        """Copy a file there, whole or not at all: part file, SHA-256 compared, renamed.

        ``sudo`` and ``mode`` mean nothing on Windows, where a folder's list decides.
        """

    def connect_tcp(self, port: int, host: str = "127.0.0.1") -> socket.socket | None:
        """Reach ``host:port`` as seen from the machine; None where the transport can't.

        Raises ConnectionRefusedError when nothing listens there.
        """

    def another(self) -> Transport:
        """Return an open transport to the same machine for use in another thread."""

    def close(self) -> None:
        """End the connection; safe to call twice."""


def shown_upload(dest: str, *, sudo: bool, system: System = "posix") -> Command:
    """Return what ``put`` runs over SSH or WinRM, as Review shows it.

    The part file's random name, size and SHA-256 are known only when it runs.
    """
    slash = "\\" if system == "windows" else "/"
    folder, _slash, name = dest.rpartition(slash)
    part = f"{folder}{slash}.{name}.slipway-….part"
    if system == "windows":
        return Command((TOOL, "receive", "take", part, "…", "…", dest, "gzip"))
    return Command(("sh", Script("receive.sh"), "take", part, "…", "…", dest, "644"), sudo=sudo)
