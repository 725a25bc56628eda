"""The keys that the user has: agent and key files, in the order in which they are offered."""

from __future__ import annotations

import base64
import contextlib
import io
import logging
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import paramiko
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from paramiko.agent import AgentSSH

from app.errors import AuthError
from app.i18n import _
from app.transport import Secret
from app.transport.ssh_config import Endpoint

DEFAULT_KEYS = ("id_ed25519", "id_ecdsa", "id_rsa")
OPENSSH_HEADER = b"BEGIN OPENSSH PRIVATE KEY"
_log = logging.getLogger(__name__)


class LockedKey(Exception):
    """The key file needs a passphrase, or another one."""


class UnusableKey(Exception):
    """The file holds no key that can be used; the text says why."""


@dataclass(slots=True)
class KeyRing:
    """What can be offered to one server; ``locked`` grows as files are tried in vain."""

    endpoint: Endpoint
    passphrase: Secret | None
    locked: list[Path] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def candidates(self) -> Iterator[paramiko.PKey]:
        """Yield the keys to try: named ones first, then the agent's, then the usual files.

        Raises AuthError if the key that the user chose can't be used.
        """
        agent = _agent_keys(self.endpoint.agent)
        named = self.endpoint.keys or tuple(Path.home() / ".ssh" / name for name in DEFAULT_KEYS)
        if self.endpoint.keys:
            yield from self._from_files(named, agent)
        if not self.endpoint.identities_only and not self.endpoint.key_chosen:
            for key in agent.values():
                yield self._named(key, _("a key of the agent"))
        if not self.endpoint.keys:
            yield from self._from_files(named, agent)

    def _from_files(
        self, paths: tuple[Path, ...], agent: dict[bytes, paramiko.PKey]
    ) -> Iterator[paramiko.PKey]:
        for path in paths:
            in_agent = agent.pop(_public_part(path), None)
            if in_agent is not None:
                yield self._named(in_agent, str(path))
                continue
            key = self._load(path)
            if key is not None:
                yield self._named(key, str(path))

    def _load(self, path: Path) -> paramiko.PKey | None:
        chosen = self.endpoint.key_chosen
        try:
            return load_key(path, self.passphrase)
        except LockedKey as problem:
            self.locked.append(path)
            if chosen:
                raise locked_error(path, given=self.passphrase is not None) from problem
        except FileNotFoundError as problem:
            if chosen:
                raise AuthError(
                    _("The key {path} is not there.").format(path=path),
                    hint=_("Choose the file of your private key, or none to use the usual ones."),
                ) from problem
        except (OSError, UnusableKey) as problem:
            if chosen:
                raise AuthError(
                    _("The key {path} can't be used.").format(path=path),
                    str(problem),
                    _("Choose a private key in OpenSSH's or PEM format (ed25519, ECDSA or RSA)."),
                ) from problem
            _log.info("key %s not used: %s", path, problem)
        return None

    def _named(self, key: paramiko.PKey, name: str) -> paramiko.PKey:
        self.names.append(name)
        return key


def locked_error(path: Path, *, given: bool) -> AuthError:
    """Return the error for a key file whose passphrase is missing or wrong."""
    if given:
        return AuthError(
            _("The passphrase does not fit the key {path}.").format(path=path),
            _("The key is encrypted and could not be opened with it."),
            _("Type the passphrase of this key again."),
            needs="passphrase",
        )
    return AuthError(
        _("The key {path} is encrypted.").format(path=path),
        _("Its passphrase is needed, and the agent does not hold this key."),
        _("Type the passphrase, or add the key to your agent with ssh-add."),
        needs="passphrase",
    )


def load_key(path: Path, passphrase: Secret | None) -> paramiko.PKey:
    """Return a private key, with its certificate if ``PATH-cert.pub`` lies beside it.

    Raises OSError, LockedKey or UnusableKey.
    """
    data = path.read_bytes()
    if data.startswith(b"PuTTY-User-Key-File"):
        raise UnusableKey(
            _("It is a PuTTY key: convert it with PuTTYgen (Conversions → Export OpenSSH key).")
        )
    key = _usable(_open(data, passphrase))
    certificate = Path(f"{path}-cert.pub")
    if certificate.exists():
        key.load_certificate(str(certificate))
    return key


def _open(data: bytes, passphrase: Secret | None) -> PrivateKeyTypes:
    load: Callable[[bytes, bytes | None], PrivateKeyTypes] = serialization.load_pem_private_key
    if OPENSSH_HEADER in data:
        load = serialization.load_ssh_private_key
    try:
        return load(data, None)
    except TypeError as problem:
        # cryptography's word for "encrypted, and no passphrase given"
        if passphrase is None:
            raise LockedKey from problem
    except (ValueError, UnsupportedAlgorithm) as problem:
        raise UnusableKey(str(problem)) from problem
    try:
        return load(data, passphrase.reveal().encode())
    except ValueError as problem:
        raise LockedKey from problem


def _usable(loaded: PrivateKeyTypes) -> paramiko.PKey:
    kinds: dict[type, Callable[[io.StringIO], paramiko.PKey]] = {
        ed25519.Ed25519PrivateKey: paramiko.Ed25519Key.from_private_key,
        rsa.RSAPrivateKey: paramiko.RSAKey.from_private_key,
        ec.EllipticCurvePrivateKey: paramiko.ECDSAKey.from_private_key,
    }
    for kind, make in kinds.items():
        if isinstance(loaded, kind):
            # written anew, because paramiko reads fewer formats than cryptography
            plain = loaded.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.OpenSSH,
                serialization.NoEncryption(),
            )
            return make(io.StringIO(plain.decode()))
    raise UnusableKey(_("Keys of this type are not supported."))


class _AgentAt(AgentSSH):
    """The agent at a place that the configuration names, like a password program's."""

    def __init__(self, path: str) -> None:
        super().__init__()
        self._connect(_connected(path))  # type: ignore[attr-defined]


if sys.platform == "win32":

    class _Pipe:
        """A named pipe, with the three methods of a socket that paramiko calls."""

        def __init__(self, path: str) -> None:
            self._pipe = os.open(path, os.O_RDWR | os.O_BINARY)

        def send(self, data: bytes) -> int:
            return os.write(self._pipe, data)

        def recv(self, size: int) -> bytes:
            return os.read(self._pipe, size)

        def close(self) -> None:
            os.close(self._pipe)

    def _connected(path: str) -> _Pipe:
        return _Pipe(path)

    def _usual_agent() -> AgentSSH:
        # paramiko's own look for OpenSSH's pipe lists all pipes, which not every Windows can
        from paramiko import win_openssh, win_pageant

        pageant = win_pageant.can_talk_to_agent()
        return paramiko.Agent() if pageant else _AgentAt(win_openssh.PIPE_NAME)

else:

    def _connected(path: str) -> socket.socket:
        stream = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        stream.connect(path)
        return stream

    def _usual_agent() -> AgentSSH:
        return paramiko.Agent()


def _agent_keys(place: str) -> dict[bytes, paramiko.PKey]:
    """Return the keys of the usual agent, or of the one at ``place`` (``none``: of no agent)."""
    if place.lower() == "none":
        return {}
    try:
        usual = place in ("", "SSH_AUTH_SOCK")
        agent = _usual_agent() if usual else _AgentAt(str(Path(place).expanduser()))
        return {key.asbytes(): key for key in agent.get_keys()}
    except (paramiko.SSHException, OSError) as problem:
        _log.info("agent not used: %s", problem)
        return {}


def _public_part(path: Path) -> bytes:
    """Return the public key that belongs to a key file, without its passphrase; b"" if unknown."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return base64.b64decode(Path(f"{path}.pub").read_text(encoding="utf-8").split()[1])
    with contextlib.suppress(OSError, ValueError, IndexError, struct.error):
        body = path.read_bytes().split(b"-----")[2]
        return _public_in_openssh(base64.b64decode(body))
    return b""


def _public_in_openssh(data: bytes) -> bytes:
    magic = b"openssh-key-v1\0"
    if not data.startswith(magic):
        return b""
    rest = data[len(magic) :]
    for _field in ("cipher", "kdf", "kdf options"):
        _text, rest = _string(rest)
    return _string(rest[4:])[0]  # after the number of keys, always 1


def _string(data: bytes) -> tuple[bytes, bytes]:
    (length,) = struct.unpack(">I", data[:4])
    return data[4 : 4 + length], data[4 + length :]
