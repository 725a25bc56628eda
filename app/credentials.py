"""What is secret or must be trusted: login secrets, known host keys, the system's keyring."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal, TypeVar

import platformdirs

from app.errors import SlipwayError, UntrustedHost
from app.i18n import _
from app.request import Target
from app.transport import Secret

Prompts = tuple[tuple[str, bool], ...]
Answer = Callable[[str, Prompts], tuple[Secret, ...]]
What = Literal["password", "passphrase", "sudo"]
_Value = TypeVar("_Value")
# What Windows' Credential Manager keeps of one secret; keyring writes UTF-16.
WINDOWS_BYTES = 2560
# The type of key under which a certificate, as a whole, stands in a known-hosts file.
CERTIFICATE = "certificate"


@dataclass(frozen=True, slots=True)
class Credentials:
    """The secrets for one target.

    ``sudo_password`` falls back to ``password``. ``answer`` is asked for whatever else a server
    wants to know while logging in, like a one-time code: it gets the server's instructions and
    ``((prompt, echo), …)``, perhaps in another thread than the caller's, and may raise Cancelled.
    """

    password: Secret | None = None
    passphrase: Secret | None = None
    sudo_password: Secret | None = None
    answer: Answer | None = None

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """Return all of them, for masking."""
        known = (self.password, self.passphrase, self.sudo_password)
        return tuple(secret for secret in known if secret is not None)


def fingerprint(key_base64: str) -> str:
    """Return ``SHA256:…`` of a public key or certificate, as ``ssh-keygen -l`` writes it."""
    digest = hashlib.sha256(base64.b64decode(key_base64)).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def hex_fingerprint(key_base64: str) -> str:
    """Return the same in hexadecimal digits, as Windows, browsers and openssl write it."""
    return hashlib.sha256(base64.b64decode(key_base64)).hexdigest().upper()


@dataclass(frozen=True, slots=True)
class KnownKey:
    """One line of a known-hosts file; ``marker`` is ``@revoked``, ``@cert-authority`` or ""."""

    patterns: tuple[str, ...]
    key_type: str
    key_base64: str
    marker: str = ""
    path: Path = field(default_factory=Path)
    line: int = 0

    def matches(self, name: str) -> bool:
        """Return whether the line is about ``name``, which is ``host`` or ``[host]:port``."""
        found = False
        for pattern in self.patterns:
            if pattern.startswith("!"):
                if fnmatchcase(name, _glob(pattern[1:])):
                    return False
            elif pattern.startswith("|1|"):
                found = found or _hash_matches(pattern, name)
            else:
                found = found or fnmatchcase(name, _glob(pattern))
        return found


def _glob(pattern: str) -> str:
    # Here only * and ? are special; [ ] belong to the form [host]:port.
    return pattern.lower().replace("[", "[[]")


def _hash_matches(pattern: str, name: str) -> bool:
    try:
        salt, digest = (base64.b64decode(part) for part in pattern.split("|")[2:4])
    except (binascii.Error, ValueError):
        return False
    return hmac.compare_digest(hmac.new(salt, name.encode(), hashlib.sha1).digest(), digest)


def known_name(host: str, port: int) -> str:
    """Return how known-hosts files name a server."""
    return host.lower() if port == 22 else f"[{host.lower()}]:{port}"


class KnownHosts:
    """The servers' keys: Slipway's own file, and the user's, which are read and never written."""

    def __init__(self, path: Path | None = None, others: Iterable[Path] | None = None) -> None:
        own = platformdirs.user_config_path("slipway", appauthor=False)
        self.path = path or own / "known_hosts"
        self._others = tuple(others) if others is not None else _users_files()

    def keys(self, host: str, port: int) -> tuple[KnownKey, ...]:
        """Return the lines about a server, revoked keys included."""
        name = known_name(host, port)
        return tuple(
            key for path in (self.path, *self._others) for key in _read(path) if key.matches(name)
        )

    def key_types(self, host: str, port: int) -> tuple[str, ...]:
        """Return the types of the keys known for a server, to ask it for one of these."""
        trusted = [key.key_type for key in self.keys(host, port) if not key.marker]
        return tuple(dict.fromkeys(name for name in trusted if name != CERTIFICATE))

    def check(self, host: str, port: int, key_type: str, key_base64: str) -> None:
        """Raise UntrustedHost unless this key is known for this server and not revoked.

        ``key_type`` CERTIFICATE: the key is a whole certificate, which no key stands for.
        """
        known = tuple(
            key
            for key in self.keys(host, port)
            if (key.key_type == CERTIFICATE) == (key_type == CERTIFICATE)
        )
        same = [key for key in known if key.key_base64 == key_base64]
        trusted = tuple(key for key in known if not key.marker)
        if any(key.marker == "@revoked" for key in same):
            raise _untrusted(host, port, key_type, key_base64, trusted, revoked=True)
        if not any(key in trusted for key in same):
            raise _untrusted(host, port, key_type, key_base64, trusted)

    def trust(self, error: UntrustedHost) -> None:
        """Remember the key of a new server from now on; raises ``error`` if it was a changed key.

        Raises SlipwayError if the file can't be written.
        """
        if error.changed:
            raise error
        line = f"{known_name(error.host, error.port)} {error.key_type} {error.key_base64}\n"
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            opened = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                os.write(opened, line.encode())
            finally:
                os.close(opened)
        except OSError as problem:
            raise SlipwayError(
                _("The server's key can't be remembered."),
                str(problem),
                _("Make {path} writable for yourself.").format(path=self.path),
            ) from problem


def _users_files() -> tuple[Path, ...]:
    # OpenSSH's folder for the whole computer
    shared = Path(os.environ.get("PROGRAMDATA", "C:/ProgramData") if os.name == "nt" else "/etc")
    return (Path.home() / ".ssh" / "known_hosts", shared / "ssh" / "ssh_known_hosts")


def _read(path: Path) -> Iterator[KnownKey]:
    try:
        # Windows' editors begin a file with a mark
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return
    for number, line in enumerate(text.splitlines(), 1):
        key = _parse(line, path, number)
        if key is not None:
            yield key


def _parse(line: str, path: Path, number: int) -> KnownKey | None:
    words = line.split()
    marker = words.pop(0) if words and words[0].startswith("@") else ""
    if len(words) < 3 or words[0].startswith("#"):
        return None
    patterns, key_type, key_base64 = words[:3]
    if not re.fullmatch(r"[A-Za-z0-9+/]+={0,2}", key_base64):
        return None
    return KnownKey(tuple(patterns.split(",")), key_type, key_base64, marker, path, number)


def _untrusted(
    host: str,
    port: int,
    key_type: str,
    key_base64: str,
    known: tuple[KnownKey, ...],
    *,
    revoked: bool = False,
) -> UntrustedHost:
    offered = fingerprint(key_base64)
    expected = tuple(dict.fromkeys(_fingerprint_of(key) for key in known))
    if key_type == CERTIFICATE:
        title, detail, hint = _about_certificate(host, hex_fingerprint(key_base64), bool(known))
    elif revoked:
        title = _("The key of {host} is revoked.").format(host=host)
        detail = _("It shows {offered}, which a known-hosts file marks as revoked.")
        hint = _("Don't connect. Ask whoever runs the server.")
        expected = expected or (_("none"),)
    elif known:
        title = _("The key of {host} has changed: nothing was sent.").format(host=host)
        detail = _("It shows {offered}, but {expected} is known from {places}.")
        hint = _(
            "Somebody may be listening in between, or the server was set up anew. Ask whoever runs "
            "it for the fingerprint; if it is the new one, remove the old line from the file."
        )
    else:
        title = _("{host} is not known yet: nothing was sent.").format(host=host)
        detail = _("It shows the {key_type} key {offered}.")
        hint = _(
            "Compare the fingerprint with the one the server's owner gives you, then trust it."
        )
    places = dict.fromkeys(
        _("{path}, line {number}").format(path=key.path, number=key.line) for key in known
    )
    return UntrustedHost(
        title,
        detail.format(
            offered=offered,
            key_type=key_type,
            expected=", ".join(expected),
            places="; ".join(places),
        ),
        hint,
        host=host,
        port=port,
        key_type=key_type,
        key_base64=key_base64,
        fingerprint=offered,
        expected=expected,
    )


def _about_certificate(host: str, digits: str, changed: bool) -> tuple[str, str, str]:
    """Return title, detail and hint for a certificate that no authority vouches for."""
    if changed:
        return (
            _("The certificate of {host} has changed: nothing was sent.").format(host=host),
            _("It shows {offered}, but {expected} is known from {places}."),
            _(
                "Somebody may be listening in between, or the certificate was renewed. Ask whoever "
                "runs the server for its SHA-256; if it is {digits}, remove the old line from the "
                "file."
            ).format(digits=digits),
        )
    return (
        _("The certificate of {host} is not known yet: nothing was sent.").format(host=host),
        _("No authority vouches for it. It shows {offered}."),
        _(
            "Compare its SHA-256 with the one the server's owner gives you, then trust it; in "
            "hexadecimal digits it is {digits}."
        ).format(digits=digits),
    )


def _fingerprint_of(key: KnownKey) -> str:
    try:
        return fingerprint(key.key_base64)
    except (binascii.Error, ValueError):
        return _("an unreadable key")


class PasswordStore:
    """Secrets in the system's keyring, remembered when the user says so.

    Entries are named ``slipway/ssh://user@host:port`` with the accounts ``password``,
    ``passphrase`` and ``sudo``, and ``slipway/service/NAME`` with the names of its secrets. All
    methods but ``available`` raise SlipwayError where the keyring refuses.
    """

    def available(self) -> str:
        """Return "" if there is a keyring that answers, else why there is none."""
        try:
            self._read("slipway", "available")
        except SlipwayError as problem:
            return problem.detail
        return ""

    def get(self, target: Target, what: What) -> Secret | None:
        """Return what is remembered for a target."""
        return self._read(_target_entry(target), what)

    def set(self, target: Target, what: What, secret: Secret) -> None:
        """Remember a secret for a target."""
        self._write(_target_entry(target), what, secret)

    def delete(self, target: Target, what: What) -> None:
        """Forget it; nothing remembered is no error."""
        self._forget(_target_entry(target), what)

    def get_secret(self, service: str, name: str) -> Secret | None:
        """Return the value of one of a service's own secrets."""
        return self._read(f"slipway/service/{service}", name)

    def set_secret(self, service: str, name: str, secret: Secret) -> None:
        """Remember the value of one of a service's own secrets."""
        self._write(f"slipway/service/{service}", name, secret)

    def delete_secret(self, service: str, name: str) -> None:
        """Forget it; nothing remembered is no error."""
        self._forget(f"slipway/service/{service}", name)

    def _read(self, entry: str, account: str) -> Secret | None:
        import keyring

        value = _ask(lambda: keyring.get_password(entry, account))
        return None if value is None else Secret(value)

    def _write(self, entry: str, account: str, secret: Secret) -> None:
        import keyring

        size = len(secret.reveal().encode("utf-16-le"))
        if os.name == "nt" and size > WINDOWS_BYTES:
            raise SlipwayError(
                _("This secret is too long to be remembered."),
                _(
                    "Windows' Credential Manager keeps {most} characters of one secret, and it has "
                    "{length}."
                ).format(most=WINDOWS_BYTES // 2, length=size // 2),
                _("Slipway asks for it each time; scripts give it in an environment variable."),
            )
        _ask(lambda: keyring.set_password(entry, account, secret.reveal()))

    def _forget(self, entry: str, account: str) -> None:
        import keyring

        if self._read(entry, account) is not None:
            _ask(lambda: keyring.delete_password(entry, account))


def _target_entry(target: Target) -> str:
    return f"slipway/{target.transport}://{target.user}@{target.address}:{target.port}"


def _ask(question: Callable[[], _Value]) -> _Value:
    from keyring.errors import NoKeyringError

    try:
        return question()
    except Exception as problem:  # each keyring raises its own system's errors
        missing = isinstance(problem, NoKeyringError)
        said = _("There is none on this computer.") if missing else str(problem).split("\n", 1)[0]
        raise SlipwayError(
            _("The system's keyring can't be used."),
            said or type(problem).__name__,
            _(
                "Slipway asks for secrets each time instead. To have them remembered, log in to a "
                "desktop with a keyring (on Linux: GNOME Keyring or KWallet)."
            ),
        ) from problem
