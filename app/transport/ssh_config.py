"""The way to a server: what the user said, completed from ``~/.ssh/config``."""

from __future__ import annotations

import getpass
import glob
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import paramiko

from app.errors import ConnectError
from app.i18n import _
from app.request import Target

SSH_PORT = 22
DEEPEST_INCLUDE = 16
MOST_HOPS = 8
_HOP = re.compile(r"(?:ssh://)?(?:(?P<user>.+)@)?(?P<host>\[[^]]+\]|[^:]+)(?::(?P<port>\d+))?/?")
# What a ProxyCommand's shell would take for more than a name.
_UNSAFE = re.compile(r"[\s'`\"$\\;&<>|(){}\x00-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One SSH server: where it listens, who logs in, with which keys, by which way."""

    host: str
    port: int
    user: str
    known_as: str
    keys: tuple[Path, ...] = ()
    key_chosen: bool = False
    identities_only: bool = False
    agent: str = ""
    proxy_command: str = ""
    hops: tuple[Endpoint, ...] = ()

    def __str__(self) -> str:
        return f"{self.user}@{self.host}" + (f":{self.port}" if self.port != SSH_PORT else "")


def resolve(target: Target, config: Path | None = None) -> Endpoint:
    """Return where a target really is; its own port, user and key win over the configuration.

    ``config`` is read instead of ``~/.ssh/config``. Raises ConnectError if it is not readable or
    makes no sense.
    """
    path = config or Path.home() / ".ssh" / "config"
    return _resolve(target, "\n".join(_lines(path, 0)), path, 0)


def _resolve(target: Target, text: str, path: Path, depth: int) -> Endpoint:
    if depth > MOST_HOPS:
        raise ConnectError(
            _("The way to {target} never ends.").format(target=target),
            _("The ProxyJump entries in {path} lead in a circle.").format(path=path),
            _("Correct them there."),
        )
    _check_names(target)
    options = _lookup(target, text, path)
    host = str(options["hostname"]).strip("[]")
    port = _port(str(options.get("port", SSH_PORT)), path)
    return Endpoint(
        host=host,
        port=port,
        user=str(options.get("user") or getpass.getuser()),
        known_as=str(options.get("hostkeyalias") or host),
        keys=_keys(target, options),
        key_chosen=bool(target.key),
        identities_only=str(options.get("identitiesonly", "no")).lower() == "yes",
        agent=os.path.expandvars(str(options.get("identityagent") or "")),
        proxy_command=str(options.get("proxycommand") or ""),
        hops=_hops(str(options.get("proxyjump") or "none"), text, path, depth),
    )


def _lookup(target: Target, text: str, path: Path) -> dict[str, str | list[str] | None]:
    # The first value counts in this format, so what the user said stands first; then tokens like
    # %p and %r in the rest mean it too.
    said = [f"Port {target.port}"] if target.port else []
    said += [f"User {target.user}"] if target.user else []
    try:
        parsed = paramiko.SSHConfig.from_text("\n".join([*said, text]))
        return dict(parsed.lookup(target.address.strip("[]")))
    except (paramiko.SSHException, ValueError, KeyError) as problem:
        raise ConnectError(
            _("{path} can't be understood.").format(path=path),
            str(problem),
            _("Correct it there; `ssh -G {address}` shows what ssh makes of it.").format(
                address=target.address
            ),
        ) from problem


def _check_names(target: Target) -> None:
    # They become part of configuration text and of ProxyCommand's command line.
    domain_less = target.user.replace("\\", "", 1)
    for name, text in ((target.address, target.address), (target.user, domain_less)):
        if text.startswith("-") or _UNSAFE.search(text):
            raise ConnectError(
                _("“{name}” can't be a server's address or a user's name.").format(name=name),
                _("It begins with “-” or has spaces or characters that have a meaning to a shell."),
                _("Correct the address and the user of the target."),
            )


def _port(text: str, path: Path) -> int:
    if text.isdigit() and 0 < int(text) < 65536:
        return int(text)
    raise ConnectError(
        _("{path} can't be understood.").format(path=path),
        _("“{text}” is not a port.").format(text=text),
        _("Correct it there."),
    )


def _keys(target: Target, options: dict[str, str | list[str] | None]) -> tuple[Path, ...]:
    if target.key:
        return (Path(target.key).expanduser(),)
    named = options.get("identityfile") or []
    paths = [named] if isinstance(named, str) else named
    return tuple(Path(path).expanduser() for path in paths if path.lower() != "none")


def _hops(jumps: str, text: str, path: Path, depth: int) -> tuple[Endpoint, ...]:
    if jumps.lower() == "none":
        return ()
    hops = []
    for jump in jumps.split(","):
        match = _HOP.fullmatch(jump.strip())
        if not match:
            raise ConnectError(
                _("{path} can't be understood.").format(path=path),
                _("“{jump}” is not a server to jump over.").format(jump=jump),
                _("Write ProxyJump as user@host:port, several with commas between."),
            )
        hop = Target(match["host"], port=int(match["port"] or 0), user=match["user"] or "")
        hops.append(_resolve(hop, text, path, depth + 1))
    return tuple(hops)


def _lines(path: Path, depth: int) -> Iterator[str]:
    """Yield the lines of a configuration with its ``Include``d files in their places."""
    try:
        text = path.read_text(encoding="utf-8-sig", errors="replace")
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as problem:
        raise ConnectError(
            _("{path} can't be read.").format(path=path),
            str(problem),
            _("Make it readable for yourself."),
        ) from problem
    for line in text.splitlines():
        words = re.fullmatch(r"\s*include[\s=]+(.+)", line, re.IGNORECASE)
        if words is None:
            yield line
        elif depth < DEEPEST_INCLUDE:
            for pattern in words[1].split():
                for found in _included(pattern.strip('"'), path):
                    yield from _lines(found, depth + 1)


def _included(pattern: str, path: Path) -> list[Path]:
    whole = Path(pattern).expanduser()
    if not whole.is_absolute():
        whole = path.parent / whole
    # not Path.glob: that can't start from an absolute pattern
    return [Path(name) for name in sorted(glob.glob(str(whole)))]  # noqa: PTH207
