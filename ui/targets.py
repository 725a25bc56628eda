"""Which ways lead to a server for which kind, and targets made to fit."""

from __future__ import annotations

from typing import Literal

from app.request import Target

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


def fitting(kind: str, targets: tuple[Target, ...]) -> tuple[Target, ...]:
    """Return the targets reached in ways that fit the kind, without those that can't be."""
    if kind == "process":
        return (THIS_COMPUTER,)
    offered = ways(kind)
    fit = (each if each.transport in offered else over(each, offered[0]) for each in targets)
    return tuple(dict.fromkeys(each for each in fit if each.address))
