"""The steps that put a container into service, and take it back."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

from app.docker_facts import DockerCli, is_absent
from app.errors import HealthCheckFailed, SlipwayError
from app.health import Endpoint, Liveness, check_title, endpoint, wait_healthy
from app.i18n import _
from app.image import LABEL_SHA256
from app.kinds.container_spec import ContainerSpec, shown_secrets
from app.kinds.image_steps import DOCKER_SECONDS
from app.releases import Store
from app.request import HealthOptions
from app.step import Before, RunContext, Step
from app.transport import CancelToken, Command, Script

LOG_LINES = 30


@dataclass(frozen=True, slots=True)
class CreateContainer(Step):
    """Make the new container, beside the old one and not started."""

    cli: DockerCli
    spec: ContainerSpec
    container: str

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Create the container")

    @property
    def commands(self) -> tuple[Command, ...]:
        """Create; secrets are read from stdin."""
        return (self.spec.create(self.cli, self.container, shown_secrets(self.spec)),)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Create it."""
        ctx.run(
            self.spec.create(self.cli, self.container, ctx.secrets),
            _("Docker refused to create the container."),
            timeout=DOCKER_SECONDS,
            quiet=True,
        )

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Remove it, with the volumes that only it had."""
        remove_container(ctx, self.cli, self.container)


def remove_container(ctx: RunContext, cli: DockerCli, container: str) -> None:
    """Remove a container if it is there; raises CommandFailed if it stays."""
    command = cli.command("rm", "--force", "--volumes", container)
    result = ctx.attempt(command, timeout=DOCKER_SECONDS)
    if "No such container" not in result.stderr:
        result.check(_("The container {name} could not be removed.").format(name=container))


@dataclass(frozen=True, slots=True)
class Rehearse(Step):
    """Start the new version beside the old one, without its ports, and see it answer."""

    cli: DockerCli
    spec: ContainerSpec
    container: str
    health: HealthOptions

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Rehearse: start the release without its ports")

    @property
    def commands(self) -> tuple[Command, ...]:
        """Create, start, ask for its address, remove."""
        rehearsal = self.spec.rehearsal()
        return (
            rehearsal.create(self.cli, self.container, shown_secrets(self.spec)),
            self.cli.command("start", self.container),
            container_address(self.cli, self.container),
            container_state(self.cli, self.container),
            self.cli.command("rm", "--force", "--volumes", self.container),
        )

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Start it, knock at its own address, remove it."""
        start, address = self.commands[1:3]
        remove_container(ctx, self.cli, self.container)
        rehearsal = self.spec.rehearsal()
        ctx.run(
            rehearsal.create(self.cli, self.container, ctx.secrets),
            _("Docker refused to create the rehearsal's container."),
            timeout=DOCKER_SECONDS,
            quiet=True,
        )
        ctx.run(start, _("The new version does not start."), timeout=DOCKER_SECONDS, quiet=True)
        found = ctx.run(address, _("The rehearsal's address is unknown."), quiet=True)
        knock = endpoint(self.health)
        at = None
        if knock and found.stdout.strip():
            at = Endpoint(found.stdout.strip(), self.spec.inside_port(knock.port))
        watch_container(ctx, self.cli, self.container, self.health, at, stable=1.0)
        remove_container(ctx, self.cli, self.container)

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Remove the rehearsal's container."""
        remove_container(ctx, self.cli, self.container)


def container_address(cli: DockerCli, container: str) -> Command:
    """Return the command that prints a container's own address."""
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}"
    return cli.command("container", "inspect", "--format", form, container)


def container_state(cli: DockerCli, container: str) -> Command:
    """Return the command that tells whether a container runs, and since which start."""
    form = "{{.State.Running}}|{{.Id}} {{.RestartCount}} {{.State.StartedAt}}|{{.State.ExitCode}}"
    return cli.command("container", "inspect", "--format", form, container)


def watch_container(
    ctx: RunContext,
    cli: DockerCli,
    container: str,
    health: HealthOptions,
    at: Endpoint | None,
    *,
    stable: float,
) -> None:
    """Wait until a container is healthy; a failure carries its last output."""
    look = container_state(cli, container)

    def alive() -> Liveness:
        result = ctx.attempt(look).check(_("The container can't be seen any more."))
        running, identity, code = result.stdout.strip().split("|")
        # of a program that runs again there is no exit code: 0 would be misleading
        again = running == "true" and code == "0"
        detail = "" if again else _("Exit code {code}.").format(code=code)
        return Liveness(running == "true", identity, detail)

    try:
        wait_healthy(ctx, health, at, alive, stable=stable)
    except HealthCheckFailed as problem:
        logs = cli.command("logs", "--tail", str(LOG_LINES), container)
        ctx.note(_("last output of the new version:"))
        result = ctx.transport.run(logs, on_line=ctx.line, timeout=DOCKER_SECONDS)
        output = (result.stdout + result.stderr).strip().splitlines()[-10:]
        said = _("Its last output:") + "\n" + "\n".join(output) if output else _("It said nothing.")
        raise HealthCheckFailed(
            problem.title, f"{problem.detail}\n{said}".strip(), problem.hint
        ) from problem


@dataclass(frozen=True, slots=True)
class Switch(Step):
    """Stop the container that serves, keep it under another name, start the new one.

    ``expected`` is the id of the container that Review showed as serving, "" for none; ``grace``
    the seconds that it may take to stop: it is stopped by its own setting.
    """

    switches: ClassVar[bool] = True
    cli: DockerCli
    store: Store
    name: str
    incoming: str
    outgoing: str
    expected: str = ""
    grace: int = 10
    outgoing_restart: str = ""
    incoming_restart: str = ""
    sha256: str = ""

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Switch to the release")

    @property
    def commands(self) -> tuple[Command, ...]:
        """One script: what it began it ends, even without us."""
        return (
            self._swap(
                (self.name, self.outgoing, self.outgoing_restart),
                (self.incoming, self.incoming_restart),
                "start",
            ),
        )

    def _swap(self, out: tuple[str, str, str], into: tuple[str, str], then: str) -> Command:
        place = (self.store.root, self.store.token, self.name)
        return self.cli.script(Script("container_swap.sh"), *place, *out, *into, then)

    def inspect(self, ctx: RunContext) -> Before:
        """See that the new container exists and that the one to stop is the one Review showed."""
        incoming = self._incoming(ctx)
        form = "{{.Id}}|{{.State.Running}}|{{.HostConfig.RestartPolicy.Name}}|{{.Name}}|{{.HostConfig.AutoRemove}}"  # noqa: E501
        serving = ctx.attempt(self.cli.command("container", "inspect", "--format", form, self.name))
        answer = "" if is_absent(serving) else serving.stdout.strip()
        identity, running, restart, called, vanishes = (answer or "||||").split("|")
        if called != f"/{self.name}":  # another container's id began like the name
            identity = ""
        if identity != self.expected:
            raise SlipwayError(
                _("What runs on the server has changed since it was looked at."),
                _("The container {name} is another one than was shown.").format(name=self.name),
                _("Nothing was stopped. Begin again: the plan is made anew then."),
            )
        if vanishes == "true":
            raise SlipwayError(
                _("The container {name} was started with --rm.").format(name=self.name),
                _("Stopping it would delete it, and nothing could be given back."),
                _("Start it without --rm first. Nothing was stopped."),
            )
        return {
            "in": incoming,
            "out": identity,
            "running": running == "true",
            "restart": restart,
        }

    def _incoming(self, ctx: RunContext) -> str:
        unchanged = _("Nothing was stopped. Choose another release, or deploy anew.")
        form = f'{{{{.Id}}}}|{{{{index .Config.Labels "{LABEL_SHA256}"}}}}'
        look = self.cli.command("container", "inspect", "--format", form, self.incoming)
        found = ctx.attempt(look).check(_("The container to switch to is gone."), unchanged)
        identity, sha256 = found.stdout.strip().split("|")
        if self.sha256 and sha256 != self.sha256:
            raise SlipwayError(
                _("The container to switch to holds another program than recorded."),
                _("Its SHA-256 is {found}, the record says {expected}.").format(
                    found=sha256 or _("not known"), expected=self.sha256
                ),
                unchanged,
            )
        return str(identity)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Switch; once begun it is not cancelled, because half a switch serves nobody."""
        self._run(ctx, self.commands[0], _("The new version could not be started."))

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Put the old container back, and see it run."""
        revive = "always" if before["restart"] == "always" else ""
        retire = "no" if self.incoming_restart == "always" else ""
        command = self._swap(
            (before["in"], self.incoming, retire),
            (before["out"], revive),
            "prove" if before["running"] else "leave",
        )
        self._run(ctx, command, _("The old version could not be started again."))

    def _run(self, ctx: RunContext, command: Command, title: str) -> None:
        # a switch of a lost connection may still be waiting for its container to stop
        patience = 2 * (self.grace + DOCKER_SECONDS)
        ctx = replace(ctx, cancel=CancelToken())
        ctx.run(command, title, timeout=patience)


@dataclass(frozen=True, slots=True)
class CheckContainer(Step):
    """See the new version answer through its published port, and stay up."""

    proves: ClassVar[bool] = True
    cli: DockerCli
    name: str
    spec: ContainerSpec
    health: HealthOptions
    own_address: bool

    @property
    def title(self) -> str:
        """What the step does."""
        return check_title(self.health)

    @property
    def commands(self) -> tuple[Command, ...]:
        """What is asked of docker; the port is reached through the connection."""
        return (container_state(self.cli, self.name),)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Wait until healthy and stable."""
        at = endpoint(self.health)
        if at and self.health.tcp and self.own_address:
            # docker's own proxy accepts on a published port even if nobody listens behind it
            found = ctx.run(
                container_address(self.cli, self.name), _("Its address is unknown."), quiet=True
            )
            address = found.stdout.split()
            if address:
                at = Endpoint(address[0], self.spec.inside_port(at.port))
        watch_container(ctx, self.cli, self.name, self.health, at, stable=self.health.stable)


@dataclass(frozen=True, slots=True)
class PruneContainers(Step):
    """Remove the containers and images of releases that are no longer kept.

    ``foreign`` containers were not made by Slipway: their volumes stay.
    """

    housekeeping: ClassVar[bool] = True
    cli: DockerCli
    containers: tuple[str, ...]
    foreign: tuple[str, ...]
    images: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Remove containers and images of old releases")

    @property
    def commands(self) -> tuple[Command, ...]:
        """Remove each."""
        return (
            *(self.cli.command("rm", "--volumes", item) for item in self.containers),
            *(self.cli.command("rm", item) for item in self.foreign),
            *(self.cli.command("rmi", item) for item in self.images),
        )

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Remove them; what can't be removed, because it runs or for any reason, is left."""
        for command in self.commands:
            result = ctx.transport.run(command, timeout=DOCKER_SECONDS)
            if result.exit_code != 0:
                ctx.note(_("left: {problem}").format(problem=result.tail(1)))
