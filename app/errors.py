"""What can go wrong for a user: what happened, why, and what to do next."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from app.transport import CommandResult


class SlipwayError(Exception):
    """An expected failure: what happened (title), why (detail), what to do next (hint).

    Anything raised that is not a SlipwayError is a bug of ours and is shown as one.
    """

    def __init__(self, title: str, detail: str = "", hint: str = "") -> None:
        super().__init__(title)
        self.title = title
        self.detail = detail
        self.hint = hint

    def __str__(self) -> str:
        return "\n".join(part for part in (self.title, self.detail, self.hint) if part)


class ProfileError(SlipwayError):
    """The user's input cannot be used; ``key`` names it, like ``deploy.health.http``."""

    def __init__(self, key: str, title: str, detail: str = "", hint: str = "") -> None:
        super().__init__(title, detail, hint)
        self.key = key


@dataclass(frozen=True, slots=True)
class Problem:
    """What keeps a request from being carried out, or (not ``blocking``) is merely doubtful.

    ``field`` is the profile key it belongs to, like ``deploy.health.http``.
    """

    field: str
    text: str
    hint: str = ""
    blocking: bool = True


class ProjectError(SlipwayError):
    """The folder is not a Go project that can be built."""


class ToolchainError(SlipwayError):
    """Go is missing or too old."""


@dataclass(frozen=True, slots=True)
class Diagnostic:
    """One message of the compiler, vet or a test; line and column are 1-based, 0 if unknown."""

    file: str
    line: int
    column: int
    message: str


class BuildError(SlipwayError):
    """The project did not build, or a check before the build failed."""

    def __init__(
        self, title: str, detail: str = "", hint: str = "", diagnostics: tuple[Diagnostic, ...] = ()
    ) -> None:
        super().__init__(title, detail, hint)
        self.diagnostics = diagnostics


class ConnectError(SlipwayError):
    """The server cannot be reached."""


class ConnectionLost(ConnectError):
    """An open connection broke; what ran on the server may or may not have ended."""


class AuthError(ConnectError):
    """The server refused the user, key or password.

    ``needs`` names the secret that is missing or wrong: ``password``, ``passphrase``, ``sudo``,
    or "" where none of them would help.
    """

    def __init__(self, title: str, detail: str = "", hint: str = "", *, needs: str = "") -> None:
        super().__init__(title, detail, hint)
        self.needs = needs


class UntrustedHost(ConnectError):
    """The server's key is unknown, or is not the one seen before.

    ``fingerprint`` is ``SHA256:…`` of the offered key; ``expected`` the known ones (empty if the
    host is new). A changed key blocks: nothing in Slipway overrides it.
    """

    def __init__(
        self,
        title: str,
        detail: str = "",
        hint: str = "",
        *,
        host: str,
        port: int,
        key_type: str,
        key_base64: str,
        fingerprint: str,
        expected: tuple[str, ...] = (),
    ) -> None:
        super().__init__(title, detail, hint)
        self.host = host
        self.port = port
        self.key_type = key_type
        self.key_base64 = key_base64
        self.fingerprint = fingerprint
        self.expected = expected

    @property
    def changed(self) -> bool:
        """Whether another key was known for this host."""
        return bool(self.expected)


class CommandFailed(SlipwayError):
    """A command on a machine ended with another exit code than 0, or ran out of time."""

    def __init__(self, title: str, result: CommandResult, detail: str = "", hint: str = "") -> None:
        super().__init__(title, detail or result.tail(10), hint)
        self.result = result


class HealthCheckFailed(SlipwayError):
    """The new version did not become or stay healthy."""


class LockHeld(SlipwayError):
    """Another run holds the server's lock for this service."""


class LockLost(SlipwayError):
    """Another desktop has taken the lock over: this run may not change anything any more."""


class NotReady(SlipwayError):
    """The server lacks something that the plan needs; nothing was changed."""


class Cancelled(Exception):
    """The user cancelled. Not an error: the runner turns it into an outcome."""
