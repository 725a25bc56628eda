"""What a Windows server says of itself and of a service: what slipway-host.exe reads there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.errors import SlipwayError
from app.i18n import _
from app.transport import CommandResult, Secret

MISSING_EXIT = 66
ServiceKind = Literal["wrapped", "nssm", "plain"]


@dataclass(frozen=True, slots=True)
class Recovery:
    """What Windows does when the service's process dies; times in seconds."""

    reset: float = 0.0
    actions: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class WindowsService:
    """A Windows service as it is registered and as it runs; times in seconds since the epoch.

    ``program`` is what the user would call the program: the one that a host or NSSM runs.
    ``process`` is that program's process id, ``restarts`` how often its host started it anew.
    ``env`` holds what the registry gives it; ``recovery`` is None where Windows can't say.
    """

    name: str
    display_name: str = ""
    description: str = ""
    binary_path: str = ""
    program: str = ""
    arguments: tuple[str, ...] = ()
    start: str = "auto"
    account: str = "LocalSystem"
    dependencies: tuple[str, ...] = ()
    type: int = 16
    recovery: Recovery | None = None
    env: dict[str, Secret] = field(default_factory=dict)
    firewall: tuple[int, ...] = ()
    kind: ServiceKind = "plain"
    state: str = "stopped"
    pid: int = 0
    process: int = 0
    restarts: int = 0
    started: float = 0.0
    exit_code: int = 0
    problem: str = ""

    @property
    def running(self) -> bool:
        """Whether the program itself runs."""
        return self.state == "running" and self.process != 0

    @property
    def up(self) -> bool:
        """Whether it is in service: runs, starts, or will be started again by its host."""
        return self.state in ("running", "start-pending", "continue-pending")

    def lies_in(self, folder: str) -> bool:
        """Return whether the program lies in a folder; Windows paths, case doesn't matter."""
        inside = folder.replace("/", "\\").rstrip("\\").casefold() + "\\"
        return self.program.replace("/", "\\").casefold().startswith(inside)

    def release(self, root: str) -> str:
        """Return the release of the service in ``root`` that it runs, or ""."""
        if not self.lies_in(f"{root}\\releases"):
            return ""
        return self.program.replace("/", "\\")[len(root) + len("\\releases\\") :].split("\\")[0]


@dataclass(frozen=True, slots=True)
class WindowsFacts:
    """What only Windows has. ``tool`` is slipway-host.exe there, ``nssm`` where NSSM was found."""

    tool: str = ""
    elevated: bool = True
    service: WindowsService | None = None
    vcruntime: bool = True
    nssm: tuple[str, ...] = ()


def read_windows(data: Mapping[str, Any]) -> WindowsFacts:
    """Read the part of ``slipway-host facts`` that only Windows has."""
    return WindowsFacts(
        tool=data["tool"],
        elevated=data["elevated"],
        service=read_service(data["service"]) if data.get("service") else None,
        vcruntime=data["vcruntime"],
        nssm=tuple(data["nssm"] or ()),
    )


def read_service(data: Mapping[str, Any]) -> WindowsService:
    """Read a Service object of slipway-host."""
    kind: ServiceKind = data["kind"]
    host, nssm = data.get("host") or {}, data.get("nssm") or {}
    inner = {"wrapped": host, "nssm": nssm}.get(kind, data)
    pairs = [*(data.get("environment") or ()), *_nssm_environment(data)]
    return WindowsService(
        name=data["name"],
        display_name=data["display_name"],
        description=data["description"],
        binary_path=data["binary_path"],
        program=_program(data, kind),
        arguments=tuple(data.get("arguments") or ()) if kind == "plain" else (),
        start=data["start"],
        account=data["account"],
        dependencies=tuple(data.get("dependencies") or ()),
        type=data["type"],
        recovery=_recovery(data.get("recovery")),
        env={key: Secret(value) for key, _sep, value in (pair.partition("=") for pair in pairs)},
        firewall=tuple(data.get("firewall") or ()),
        kind=kind,
        state=data["state"],
        pid=data["pid"],
        process=inner.get("pid") or 0,
        restarts=inner.get("restarts") or 0,
        started=inner.get("since") or data.get("started") or 0.0,
        exit_code=inner.get("exit_code") or data["service_exit_code"] or data["exit_code"],
        problem=host.get("problem", ""),
    )


def _program(data: Mapping[str, Any], kind: ServiceKind) -> str:
    if kind == "nssm":
        return str(data["nssm"]["application"])
    if kind == "wrapped":  # a run.json that can't be read lies at least beside the program
        return str(data.get("runs") or data["run"])
    return str(data["program"])


def _nssm_environment(data: Mapping[str, Any]) -> list[str]:
    parameters = ((data.get("tree") or {}).get("keys") or {}).get("Parameters") or {}
    values = parameters.get("values") or {}
    found: list[str] = []
    for name in ("AppEnvironment", "AppEnvironmentExtra"):
        found += (values.get(name) or {}).get("data") or ()
    return found


def _recovery(data: Mapping[str, Any] | None) -> Recovery | None:
    if data is None:
        return None
    actions = tuple((item["action"], float(item["delay"])) for item in data.get("actions") or ())
    return Recovery(float(data.get("reset") or 0), actions)


def parse_query(result: CommandResult, name: str) -> WindowsService:
    """Read what ``slipway-host service query`` printed; a service that is gone is told so."""
    if result.exit_code == MISSING_EXIT:
        raise SlipwayError(
            _("The service {name} is not there any more.").format(name=name),
            _("Somebody removed it meanwhile."),
            _("Look at the server, then deploy it again."),
        )
    result.check(_("The service {name} can't be read.").format(name=name))
    return read_service(json.loads(result.stdout))
