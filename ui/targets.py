"""Which ways lead to a server for which kind, and targets made to fit."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Literal

from app.request import DeployRequest, Target

Way = Literal["ssh", "winrm", "local"]

THIS_COMPUTER = Target("localhost", transport="local")
WAYS: dict[str, tuple[Way, ...]] = {
    "docker": ("ssh", "local"),
    "windows-service": ("winrm", "ssh"),
    "process": ("local",),
}


def ways(kind: str) -> tuple[Way, ...]:
    """Return the ways that fit a kind, the usual one first; all for a kind that is not known."""
    return WAYS.get(kind, ("ssh", "winrm", "local"))


def usual_port(target: Target) -> int:
    """Return the port that ``port`` 0 stands for."""
    if target.transport == "winrm":
        return 5986 if target.scheme == "https" else 5985
    return 22


def target_name(target: Target) -> str:
    """Return what a server is called in lists, where one may be reached in two ways."""
    return f"{target} (WinRM)" if target.transport == "winrm" else str(target)


def over(target: Target, way: Way) -> Target:
    """Return the same server and account reached in another way; ports and the like are dropped."""
    if way == target.transport:
        return target
    if "local" in (way, target.transport):
        return THIS_COMPUTER if way == "local" else Target("", transport=way)
    return Target(target.address, transport=way, user=target.user)


class Places:
    """Where the service runs by each kind: who looks at another kind finds the server again."""

    def __init__(self) -> None:
        self._of: dict[str, tuple[Target, ...]] = {}
        self._named: tuple[Target, ...] = ()  # the last that were not forced by the kind

    def moved(
        self,
        former: str,
        targets: tuple[Target, ...],
        kind: str,
        seen: Mapping[Target, str],
    ) -> tuple[Target, ...]:
        """Return the targets for ``kind``, those of the kind before being ``targets``.

        ``seen`` are the platforms of the servers that were looked at.
        """
        self._of[former] = targets
        if former != "process":
            self._named = targets
        own = self._of.get(kind, ())
        same = {each.address for each in own} == {each.address for each in self._named}
        if own and (same or not self._named):
            return own
        return fitting(kind, self._named, seen) or own


def fitting(
    kind: str, targets: tuple[Target, ...], seen: Mapping[Target, str]
) -> tuple[Target, ...]:
    """Return the targets reached in ways that fit the kind, without those that can't be.

    ``seen`` are the platforms of the servers that were looked at: containers run on no Windows
    server, and a Windows service on no other.
    """
    if kind == "process":
        return (THIS_COMPUTER,)
    offered = ways(kind)
    wrong = {each.address for each, platform in seen.items() if not _runs(kind, platform)}
    if kind == "docker":  # nobody needs to look whether WinRM leads to Windows
        wrong |= {each.address for each in targets if each.transport == "winrm"}

    def able_to(target: Target) -> bool:
        if target.transport == "local":
            return True
        # behind one address, on other ports, may be other servers
        own = seen.get(target, "")
        return _runs(kind, own) if own else target.address not in wrong

    able = filter(able_to, targets)
    fit = (each if each.transport in offered else over(each, offered[0]) for each in able)
    return tuple(dict.fromkeys(each for each in fit if each.address))


def _runs(kind: str, platform: str) -> bool:
    return platform.startswith("windows/") == (kind == "windows-service")


def likely_platform(request: DeployRequest) -> str:
    """Return the platform that a server most often has; for this computer, its own."""
    local = bool(request.targets) and request.targets[0].transport == "local"
    if request.deploy.kind == "windows-service":
        return "windows/amd64"
    if not local:
        return "linux/amd64"
    import platform as python_platform

    from app.host import MACHINES

    machine = python_platform.machine().lower()
    system = {"win32": "windows", "darwin": "darwin"}.get(sys.platform, "linux")
    if request.deploy.kind == "docker":
        system = "linux"  # Docker on a desktop runs in a Linux machine of its own
    return f"{system}/{MACHINES.get(machine, machine)}"
