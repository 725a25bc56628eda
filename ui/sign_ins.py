"""How this session gets into servers: the keys that are trusted, the keyring, what was typed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.request import DeployRequest, Target

if TYPE_CHECKING:
    from app.credentials import Credentials, KnownHosts, PasswordStore
    from app.errors import UntrustedHost
    from ui.jobs import Visit

# The keyring and what connects are imported at the first use: the first page shows sooner.


class SignIns:
    """What was typed holds for its server until the program ends; pages and windows share it."""

    def __init__(
        self, known_hosts: KnownHosts | None = None, passwords: PasswordStore | None = None
    ) -> None:
        self._known_hosts = known_hosts
        self._passwords = passwords
        self._credentials: dict[Target, Credentials] = {}
        self._keep: dict[Target, frozenset[str]] = {}

    @property
    def known_hosts(self) -> KnownHosts:
        """The servers' keys that the user trusts."""
        if self._known_hosts is None:
            from app.credentials import KnownHosts

            self._known_hosts = KnownHosts()
        return self._known_hosts

    @property
    def passwords(self) -> PasswordStore:
        """The system's keyring."""
        if self._passwords is None:
            from app.credentials import PasswordStore

            self._passwords = PasswordStore()
        return self._passwords

    def credentials(self, target: Target | None) -> Credentials:
        """Return what the user said in this session to get into a server."""
        from app.credentials import Credentials

        return self._credentials.get(target, Credentials()) if target else Credentials()

    def take(self, target: Target, credentials: Credentials, keep: frozenset[str]) -> None:
        """Take what the user says; what ``keep`` names is for the keyring once it is accepted."""
        self._credentials[target] = credentials
        self._keep[target] = self._keep.get(target, frozenset()) | keep

    def accepted(self, target: Target) -> None:
        """Know that the server let the user in, and that the keyring has what it was to keep."""
        self._keep.pop(target, None)

    def visit(self, request: DeployRequest, target: Target) -> Visit:
        """Return the way into a server for a service; nothing is kept on it."""
        from ui.jobs import Visit

        credentials = self.credentials(target)
        return Visit(request, target, credentials, self.known_hosts, self.passwords)

    def first_visit(
        self, request: DeployRequest, target: Target, trusted: UntrustedHost | None
    ) -> Visit:
        """Return the way in that keeps what is to be kept, and trusts the key just confirmed."""
        keep = self._keep.get(target, frozenset())
        return replace(self.visit(request, target), keep=keep, trusted=trusted)
