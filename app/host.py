"""A machine: connect to it, and read in one round trip all that planning needs to know."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.credentials import Credentials, KnownHosts
from app.docker_facts import DockerFacts, free_bytes, read_docker
from app.errors import AuthError, ConnectError
from app.i18n import _
from app.process_facts import ProcessFacts, default_root, read_process
from app.releases import Records, Release, State, Store, parse_lock, read_journal
from app.request import DeployRequest, Target
from app.transport import TOOL, Command, CommandResult, Script, Secret, Transport
from app.windows_facts import WindowsFacts, read_windows
from app.winhost import Tell, WindowsTool, tell_nobody

MACHINES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64",
            "armv7l": "arm", "armv6l": "arm", "i686": "386", "i386": "386",
            "riscv64": "riscv64", "ppc64le": "ppc64le", "s390x": "s390x"}  # fmt: skip
WINDOWS_ROOT = "C:\\Services"


@dataclass(frozen=True, slots=True)
class PortHolder:
    """A listening TCP port; no program and no pid where the account may not see them."""

    port: int
    program: str
    pid: int = 0


@dataclass(frozen=True, slots=True)
class HostFacts:
    """What a machine was found to be; sizes in bytes, ``clock`` seconds since the epoch.

    ``nonce`` is random: it keeps the names of runs apart that begin in the same second.
    """

    target: Target
    system: str
    arch: str
    os_name: str
    hostname: str
    user: str
    clock: int
    root: str
    nonce: str = ""
    sudo: bool = False
    sudo_wanted: bool = False
    writable: bool = True
    readable: bool = True
    disk_free: int = 0
    ports: tuple[PortHolder, ...] = ()
    records: Records = field(default_factory=Records)
    docker: DockerFacts | None = None
    process: ProcessFacts | None = None
    windows: WindowsFacts | None = None

    def store(self, token: str = "") -> Store:
        """Return the commands that keep the service's records here, given by ``token``."""
        return Store(self.root, self.sudo, token, self.windows is not None)

    @property
    def platform(self) -> str:
        """The system and architecture in Go's words, like ``linux/amd64``."""
        return f"{self.system}/{self.arch}"


def connect(
    target: Target,
    credentials: Credentials,
    known_hosts: KnownHosts,
    tell: Tell = tell_nobody,
) -> Transport:
    """Return an open transport; raises ConnectError, AuthError or UntrustedHost.

    ``tell`` hears what takes its time on the way, in words.
    """
    transport: Transport
    if target.transport == "local":
        from app.transport.local import LocalTransport

        transport = LocalTransport()
    elif target.transport == "winrm":
        from app.transport.winrm import WinRmTransport

        transport = WinRmTransport(target, credentials, known_hosts, WindowsTool(tell))
    else:
        # paramiko costs 0.3 s to import: only whoever uses SSH pays it
        from app.transport.ssh_windows import open_ssh

        return open_ssh(target, credentials, known_hosts, WindowsTool(tell))
    try:
        transport.open()
    except BaseException:
        transport.close()
        raise
    return transport


def probe(transport: Transport, request: DeployRequest, target: Target) -> HostFacts:
    """Read the machine's facts in one round trip; raises ConnectError for one of another kind.

    An account whose sudo refuses it, but which may use Docker, is taken as it is.
    """
    if request.deploy.kind == "process" and target.transport == "local":
        facts = (
            _look_at_windows(transport, request, target)
            if transport.system == "windows"
            else _look(transport, request, target, sudo=False)
        )
        return replace(facts, process=read_process(transport, facts.root))
    if transport.system == "windows":
        return _look_at_windows(transport, request, target)
    if transport.sudo not in ("nopasswd", "password"):
        return _look(transport, request, target, sudo=False)
    try:
        return _look(transport, request, target, sudo=True)
    except AuthError:
        facts = _look(transport, request, target, sudo=False)
        if facts.docker is None or facts.docker.problem:
            raise
        return facts


def _look(transport: Transport, request: DeployRequest, target: Target, *, sudo: bool) -> HostFacts:
    roots = wanted_roots(request, is_root=sudo or transport.sudo == "root")
    root, *others = roots
    command = Command(
        ("sh", Script("facts.sh"), root, request.name, request.deploy.kind, *others), sudo=sudo
    )
    result = transport.run(command, timeout=60)
    wanted = not sudo and transport.sudo in ("ask", "password")
    return read_facts(result, request, target, sudo=sudo, sudo_wanted=wanted)


def _look_at_windows(transport: Transport, request: DeployRequest, target: Target) -> HostFacts:
    root = windows_root(request)
    result = transport.run(Command((TOOL, "facts", root, request.name)), timeout=60)
    result.check(_("The server's facts can't be read."))
    return read_windows_host(json.loads(result.stdout), target)


def windows_root(request: DeployRequest) -> str:
    """Return the service's folder on Windows: where the user says, else C:/Services.

    What is only tried out, on this computer, lies in the user's profile.
    """
    usual = default_root() if request.deploy.kind == "process" else WINDOWS_ROOT
    root = (request.deploy.root or usual).replace("/", "\\").rstrip("\\")
    return f"{root}\\{request.name}"


def read_windows_host(data: Mapping[str, Any], target: Target) -> HostFacts:
    """Read what ``slipway-host facts`` printed."""
    lock = data["lock"] or {}
    sections = {
        "state": [data["state"] or ""],
        "key": [data["key"] or ""],
        "releases": data["releases"] or [],
        "lock": [lock["owner"], str(lock["age"])] if lock else [],
        **{f"journal/{name}": lines for name, lines in (data["journals"] or {}).items()},
    }
    return HostFacts(
        target=target,
        system="windows",
        arch=data["arch"],
        os_name=data["os_name"],
        hostname=data["hostname"],
        user=data["user"],
        clock=int(data["clock"]),
        root=data["root"],
        nonce=secrets.token_hex(2),
        writable=data["writable"],
        readable=data["readable"],
        disk_free=data["disk_free"],
        ports=tuple(
            PortHolder(item["port"], item["program"].rpartition("\\")[2], item["pid"])
            for item in data["ports"] or ()
        ),
        records=read_records(sections),
        windows=read_windows(data),
    )


def wanted_roots(request: DeployRequest, *, is_root: bool) -> tuple[str, ...]:
    """Return where ``<root>/<name>`` is: what the user says, else /opt, else the account's own.

    Root also looks where an account without root's rights would have put it.
    """
    if request.deploy.root:
        return (f"{request.deploy.root.rstrip('/')}/{request.name}",)
    if request.deploy.kind == "process":
        return (f"{default_root()}/{request.name}",)
    own = f"~/.local/share/slipway/{request.name}"
    return (f"/opt/{request.name}", own) if is_root else (own,)


def read_facts(
    result: CommandResult, request: DeployRequest, target: Target, *, sudo: bool, sudo_wanted: bool
) -> HostFacts:
    """Read what facts.sh printed."""
    sections = split_sections(result.stdout)
    system = sections.get("system", ())
    if len(system) < 7 or "end" not in sections:
        raise ConnectError(
            _("This machine can't be used."),
            _("It did not answer like a Linux or macOS system: {output}").format(
                output="\n".join(sections.get("failed", ())) or result.tail(3)
            ),
            _("Check that the account has an ordinary shell (sh, bash), and that Docker works."),
        )
    disk = sections.get("disk", ())
    return HostFacts(
        target=target,
        system=system[0].lower(),
        arch=MACHINES.get(system[1], system[1]),
        os_name=" ".join(sections.get("os", ())) or system[0],
        hostname=system[2],
        user=system[3],
        clock=int(system[5]),
        root=system[6],
        readable="unreadable" not in system[7:],
        nonce=secrets.token_hex(2),
        sudo=sudo,
        sudo_wanted=sudo_wanted,
        writable=bool(disk) and disk[0] == "writable",
        disk_free=free_bytes(disk[1]) if len(disk) > 1 else 0,
        ports=tuple(read_ports(sections.get("ports", ()))),
        records=read_records(sections),
        docker=read_docker(sections, request.name, sudo=sudo),
    )


def split_sections(text: str) -> dict[str, tuple[str, ...]]:
    """Split the output of facts.sh at its ``@@ name`` lines; empty last lines are dropped."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.startswith("@@ "):
            lines = found.setdefault(line[3:], [])
        else:
            lines.append(line)
    for content in found.values():
        while content and not content[-1]:
            content.pop()
    return {name: tuple(content) for name, content in found.items()}


def read_ports(lines: Sequence[str]) -> list[PortHolder]:
    """Read who listens from ``ss -Hltnp`` or ``netstat -ltnp``."""
    holders: dict[int, str] = {}
    for line in lines:
        port = re.search(r"[:.](\d+)\s", line)
        program = re.search(r'users:\(\("([^"]+)"', line) or re.search(r"\d+/(\S+)", line)
        if port:
            holders.setdefault(int(port[1]), program[1] if program else "")
    return [PortHolder(port, program) for port, program in sorted(holders.items())]


def read_records(sections: Mapping[str, Sequence[str]]) -> Records:
    """Read the service's records; a file that is not JSON is passed over, as if not written."""
    state = _json_lines(sections.get("state", ()))
    lock = sections.get("lock", ())
    key = "".join(sections.get("key", ())).strip()
    return Records(
        releases=tuple(Release.from_json(item) for item in _json_lines(sections["releases"]))
        if "releases" in sections
        else (),
        state=State.from_json(state[0]) if state else State(),
        lock=parse_lock(lock[0], float(lock[-1])) if lock else None,
        interrupted=next(
            (
                run
                for name, lines in sections.items()
                if name.startswith("journal/") and (run := read_journal(lines))
            ),
            None,
        ),
        key=Secret(key or secrets.token_hex(32)),
        key_stored=bool(key),
    )


def _json_lines(lines: Sequence[str]) -> list[dict[str, object]]:
    found = []
    for line in lines:
        try:
            found.append(json.loads(line))
        except ValueError:
            continue
    return found
