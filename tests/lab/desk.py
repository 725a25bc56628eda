"""A desktop for lab tests: what the wizard and the command line do, without either."""

from __future__ import annotations

import shutil
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from app.credentials import Credentials, KnownHosts
from app.errors import SlipwayError, UntrustedHost
from app.events import Event, Line, Outcome, RunEnded
from app.host import HostFacts, connect, probe
from app.plan import Plan, make_plan, make_rollback_plan, readiness
from app.prepare import prepare
from app.recovery import recover, resume
from app.releases import break_lock
from app.request import (
    BuildOptions,
    DeployOptions,
    DeployRequest,
    DockerOptions,
    HealthOptions,
    ProjectOptions,
    Target,
)
from app.runner import Runner
from app.step import Package
from app.transport import CancelToken, Secret, Transport
from tests.lab.hosts import LabHost

PROJECTS = Path(__file__).resolve().parent.parent / "projects"


def sample(folder: Path, project: str) -> ProjectOptions:
    """Return a copy of a sample project, outside of any repository: nobody commits to it."""
    copy = folder / "projects" / project
    if not copy.exists():
        shutil.copytree(PROJECTS / project, copy)
    return ProjectOptions(copy)


def build_request(host: LabHost, name: str, port: int, folder: Path) -> DeployRequest:
    """Return a request for the good sample project, quick to judge."""
    return DeployRequest(
        name=name,
        project=sample(folder, "good"),
        build=BuildOptions(version="v1", stamp="main.version"),
        deploy=DeployOptions(
            env={"GREETING": "it's 你好"},
            health=HealthOptions(http=f"http://localhost:{port}/health", timeout=5, stable=1),
            docker=DockerOptions(ports=(f"{port}:8080",), rehearse=False, stop_timeout=2),
        ),
        targets=(Target(host.address, "ssh", host.port, host.user, host.key),),
    )


@dataclass(slots=True)
class Desk:
    """One desktop with its own known hosts, deploying one service to one host."""

    host: LabHost
    request: DeployRequest
    folder: Path
    secrets: dict[str, Secret] = field(default_factory=dict)
    registry_password: Secret | None = None
    events: list[Event] = field(default_factory=list)
    on_event: Callable[[Event], None] | None = None
    cancel: CancelToken = field(default_factory=CancelToken)

    @property
    def credentials(self) -> Credentials:
        password = Secret(self.host.password) if self.host.password else None
        return Credentials(password=password, sudo_password=password)

    def connect(self) -> Transport:
        known = KnownHosts(self.folder / "known_hosts")
        target = self.request.targets[0]
        try:
            return connect(target, self.credentials, known)
        except UntrustedHost as unknown:
            if unknown.fingerprint not in self.host.host_keys.values():
                raise
            known.trust(unknown)
            return connect(target, self.credentials, known)

    def connected(self) -> Transport:
        """Return an open transport, the caller's to close."""
        return self.connect()

    def facts(self) -> HostFacts:
        transport = self.connected()
        try:
            return probe(transport, self.request, self.request.targets[0])
        finally:
            transport.close()

    def package(self, facts: HostFacts) -> Package:
        return prepare(self.request, facts.platform, self.folder / "out")

    def plan(self) -> Plan:
        facts = self.facts()
        problems = [item for item in readiness(self.request, facts) if item.blocking]
        assert problems == []
        return make_plan(self.request, self.package(facts), facts, self.secrets)

    def emit(self, event: Event) -> None:
        self.events.append(event)
        if self.on_event:
            self.on_event(event)

    def run(self, plan: Plan) -> Outcome:
        return self.runner(plan).run(self.cancel)

    def runner(self, plan: Plan) -> Runner:
        self.events.clear()
        self.cancel = CancelToken()
        return Runner(
            plan,
            self.connected(),
            self.emit,
            secrets=self.secrets,
            registry_password=self.registry_password,
            reconnect=self.connect,
        )

    def deploy(self, version: str = "", project: str = "") -> Outcome:
        """Build, plan and run; another version or project where named."""
        if version:
            build = replace(self.request.build, version=version)
            self.request = replace(self.request, build=build)
        if project:
            self.request = replace(self.request, project=sample(self.folder, project))
        plan = self.plan()
        assert not plan.empty
        return self.run(plan)

    def roll_back(self, release: str = "") -> Outcome:
        return self.run(make_rollback_plan(self.request, self.facts(), release))

    def break_dead_lock(self) -> None:
        """Release a lock as “slipway unlock” does: this desktop can't know that its holder died."""
        facts, transport = self.facts(), self.connected()
        if facts.records.lock:
            break_lock(transport, facts.store(), facts.records.lock)
        transport.close()

    def recover(self) -> Outcome:
        self.events.clear()
        return recover(
            self.connected(), self.request, self.facts(), self.emit, reconnect=self.connect
        )

    def resume(self) -> Outcome:
        self.events.clear()
        facts = self.facts()
        return resume(
            self.connected(), self.request, self.package(facts), facts, self.emit, CancelToken(),
            self.secrets, reconnect=self.connect,
        )  # fmt: skip

    def with_docker(self, **options: object) -> None:
        docker = replace(self.request.deploy.docker, **options)  # type: ignore[arg-type]
        self.with_deploy(docker=docker)

    def with_health(self, **options: object) -> None:
        health = replace(self.request.deploy.health, **options)  # type: ignore[arg-type]
        self.with_deploy(health=health)

    def with_deploy(self, **options: object) -> None:
        deploy = replace(self.request.deploy, **options)  # type: ignore[arg-type]
        self.request = replace(self.request, deploy=deploy)

    @property
    def name(self) -> str:
        return self.request.name

    @property
    def error(self) -> SlipwayError:
        """What the last run ended with."""
        ended = self.events[-1]
        assert isinstance(ended, RunEnded)
        assert ended.error is not None
        return ended.error

    @property
    def output(self) -> str:
        """All lines of the last run."""
        return "\n".join(event.text for event in self.events if isinstance(event, Line))

    def answer(self) -> str:
        """What the service answers over HTTP from outside the host."""
        port = self.request.deploy.docker.ports[0].split(":")[0]
        with urllib.request.urlopen(f"http://{self.host.ip}:{port}/", timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    def serves(self, version: str) -> bool:
        return f'"version":"{version}"' in self.answer()

    def containers(self) -> dict[str, str]:
        """Every container of the service: its name and whether it runs."""
        form = "{{.Names}}|{{.State}}"
        lines = self.host.docker("ps", "-a", "--format", form).splitlines()
        found = dict(line.split("|") for line in lines)
        own = (self.name, f"{self.name}.")
        return {
            name: state
            for name, state in found.items()
            if name == self.name or name.startswith(own[1])
        }

    def clean_up(self) -> None:
        """Remove everything of the service from the host."""
        names = list(self.containers())
        if names:
            self.host.docker("rm", "-fv", *names)
        home = f"/home/{self.host.user}" if self.host.user != "root" else "/root"
        self.host.root(f"rm -rf /opt/{self.name} {home}/.local/share/slipway/{self.name}")
