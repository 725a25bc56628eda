"""The steps that put a container into service, and take it back."""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from app import registry
from app.docker_facts import DockerCli
from app.errors import HealthCheckFailed, SlipwayError
from app.health import Endpoint, Liveness, endpoint, wait_healthy
from app.i18n import _
from app.image import LABEL_SHA256, Context, Image, write_archive
from app.request import HealthOptions
from app.step import Before, RunContext, Step
from app.transport import CancelToken, Command, Script, Secret

LOAD_SECONDS = 900.0
BUILD_SECONDS = 3600.0
DOCKER_SECONDS = 120.0
LOG_LINES = 30
LABEL_REHEARSAL = "io.slipway.rehearsal"


@dataclass(frozen=True, slots=True)
class ContainerSpec:
    """Everything ``docker create`` needs; secrets by name only."""

    image: str
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    network: str = ""
    restart: str = "unless-stopped"
    read_only: bool = True
    cap_drop: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    user: str = ""
    stop_timeout: float = 10.0
    log_options: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)

    def rehearsal(self) -> ContainerSpec:
        """Return the same container without its published ports, for a rehearsal."""
        return replace(self, ports=(), restart="no", labels={LABEL_REHEARSAL: "1"})

    def inside_port(self, port: int) -> int:
        """Return the port inside the container that is published as ``port`` of the server."""
        for mapping in self.ports:
            outside, _colon, inside = mapping.partition("/")[0].rpartition(":")
            if outside.rpartition(":")[2] == str(port) and inside.isdigit():
                return int(inside)
        return port

    def create(self, cli: DockerCli, name: str, secrets: Mapping[str, Secret]) -> Command:
        """Return the command that makes the container; secrets go through stdin."""
        # an image that is missing must not be sought in a public registry under our name
        words = ["create", "--pull", "never", "--name", name, "--restart", self.restart]
        words += ["--stop-timeout", str(max(1, round(self.stop_timeout)))]
        words += ["--security-opt", "no-new-privileges"]
        if self.read_only:
            words += ["--read-only", "--tmpfs", "/tmp:mode=1777"]  # noqa: S108
        for flag, values in (
            ("--cap-drop", self.cap_drop),
            ("--cap-add", self.cap_add),
            ("--publish", self.ports),
            ("--volume", self.volumes),
            ("--log-opt", tuple(f"{key}={value}" for key, value in self.log_options.items())),
            ("--label", tuple(f"{key}={value}" for key, value in self.labels.items())),
            ("--env", tuple(f"{key}={value}" for key, value in self.env.items())),
            ("--env", self.secrets),
        ):
            for value in values:
                words += [flag, value]
        if self.network:
            words += ["--network", self.network]
        if self.user:
            words += ["--user", self.user]
        lines = "".join(
            f"{key} {base64.b64encode(secrets[key].reveal().encode()).decode()}\n"
            for key in self.secrets
        )
        return cli.with_secrets(lines.encode(), *words, self.image, *self.args)


def shown_secrets(spec: ContainerSpec) -> dict[str, Secret]:
    """Return stand-ins for the secrets, to show a command without knowing any."""
    return {name: Secret("") for name in spec.secrets}


@dataclass(frozen=True, slots=True)
class SendImage(Step):
    """Send the image's layers that the server lacks, load them, and prove them by a container.

    On a containerd store a load with missing layers can seem to succeed; only ``create`` tells.
    Then everything is sent again (research: moby 28 and 29 end such a load with exit code 0).
    """

    cli: DockerCli
    tag: str
    omit: tuple[str, ...]
    incoming: str
    proof: str
    sudo: bool

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Send the image {tag}").format(tag=self.tag)

    @property
    def commands(self) -> tuple[Command, ...]:
        """Upload, load, prove, tidy up."""
        return (
            Command(("sh", Script("receive.sh"), self.incoming), sudo=self.sudo),
            self.cli.command("load", "--input", self.incoming),
            self.cli.command("create", "--pull", "never", "--name", self.proof, self.tag),
            self.cli.command("rm", "--force", self.proof),
            self._tidy,
        )

    @property
    def _tidy(self) -> Command:
        return Command(("rm", "-f", self.incoming), sudo=self.sudo)

    def inspect(self, ctx: RunContext) -> Before:
        """Look whether the image is there already."""
        found = ctx.attempt(self.cli.command("image", "inspect", "--format", "{{.Id}}", self.tag))
        return {"present": found.exit_code == 0}

    def satisfied(self, before: Before) -> bool:
        """Its tag is made of its content: if it is there, it is the same."""
        return bool(before["present"])

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Send; if the server turns out to lack a layer, send all."""
        image = ctx.package
        if not isinstance(image, Image) or image.tag != self.tag:
            raise SlipwayError(
                _("The image is not on this computer."),
                _("It was built elsewhere: {tag}.").format(tag=self.tag),
                _("Roll back, then deploy anew from here."),
            )
        problem = self._send(ctx, image, frozenset(self.omit))
        if problem and self.omit:
            ctx.note(_("the server lacks a layer it seemed to have: sending the whole image"))
            problem = self._send(ctx, image, frozenset())
        if problem:
            raise SlipwayError(
                _("The server could not load the image."),
                problem,
                _("Check the disk space of Docker's folder and the engine's log."),
            )

    def _send(self, ctx: RunContext, image: Image, omit: frozenset[str]) -> str:
        with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
            archive = Path(folder) / "image.tar.gz"
            size = write_archive(image, archive, omit=omit, cancel=ctx.cancel)
            ctx.note(
                _("sending {size:.1f} MB, {count} of {all} layers").format(
                    size=size / 1e6,
                    count=len(image.layers) - len(omit),
                    all=len(image.layers),
                )
            )
            ctx.transport.put(
                archive, self.incoming, on_bytes=ctx.progress, cancel=ctx.cancel, sudo=self.sudo
            )
        __, load, create, remove, tidy = self.commands
        try:
            loaded = ctx.attempt(load, timeout=LOAD_SECONDS, quiet=False)
            if loaded.exit_code != 0:
                return loaded.tail(3)
            proof = ctx.attempt(create, timeout=DOCKER_SECONDS)
            ctx.attempt(remove, timeout=DOCKER_SECONDS)
            return "" if proof.exit_code == 0 else proof.tail(3)
        finally:
            ctx.transport.run(tidy)

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Remove what was sent."""
        ctx.attempt(self._tidy)
        ctx.attempt(self.cli.command("rm", "--force", self.proof), timeout=DOCKER_SECONDS)
        if not before["present"]:
            remove_image(ctx, self.cli, self.tag)


def remove_image(ctx: RunContext, cli: DockerCli, tag: str) -> None:
    """Remove an image that no container uses any more; one in use stays."""
    ctx.attempt(cli.command("rmi", tag), timeout=DOCKER_SECONDS)


@dataclass(frozen=True, slots=True)
class PullImage(Step):
    """Push the image to a registry from here, and let the server pull it from there."""

    cli: DockerCli
    tag: str
    registry: str
    user: str
    reference: str

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Send the image through the registry {registry}").format(registry=self.registry)

    @property
    def commands(self) -> tuple[Command, ...]:
        """The server's part: log in, pull, tag, log out; look whether it is what was pushed."""
        return (self._pull(Secret("")), self._layers)

    @property
    def _layers(self) -> Command:
        return self.cli.command(
            "image", "inspect", "--format", "{{range .RootFS.Layers}}{{.}} {{end}}", self.tag
        )

    def _pull(self, password: Secret | None) -> Command:
        return self.cli.script(
            Script("registry_pull.sh"),
            self.registry, self.user, self.reference, self.tag,
            stdin=password,
        )  # fmt: skip

    def inspect(self, ctx: RunContext) -> Before:
        """Look whether the image is there already."""
        found = ctx.attempt(self.cli.command("image", "inspect", "--format", "{{.Id}}", self.tag))
        return {"present": found.exit_code == 0}

    def satisfied(self, before: Before) -> bool:
        """Its tag is made of its content: if it is there, it is the same."""
        return bool(before["present"])

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Push here, pull there."""
        if not isinstance(ctx.package, Image):
            raise SlipwayError(
                _("The image is not on this computer."),
                _("It was built elsewhere: {tag}.").format(tag=self.tag),
                _("Roll back, then deploy anew from here."),
            )
        registry.push(
            ctx.package, self.registry, self.user, ctx.registry_password,
            on_bytes=ctx.progress, cancel=ctx.cancel,
        )  # fmt: skip
        ctx.run(
            self._pull(ctx.registry_password or Secret("")),
            _("The server could not pull the image from the registry."),
            timeout=LOAD_SECONDS,
        )
        layers = ctx.run(self._layers, _("The pulled image can't be seen."), quiet=True)
        if layers.stdout.split() != [layer.digest for layer in ctx.package.layers]:
            raise SlipwayError(
                _("The registry gave the server another image than was pushed."),
                _("The layers of {reference} differ.").format(reference=self.reference),
                _("Somebody else pushes under the same name: use another registry or name."),
            )

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Remove what was pulled; what was pushed stays in the registry."""
        if not before["present"]:
            remove_image(ctx, self.cli, self.tag)


@dataclass(frozen=True, slots=True)
class BuildImage(Step):
    """Send the project and build its own Dockerfile on the server."""

    cli: DockerCli
    tag: str
    dockerfile: str
    labels: dict[str, str]
    incoming: str
    sudo: bool

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Build {dockerfile} on the server").format(dockerfile=self.dockerfile)

    @property
    def commands(self) -> tuple[Command, ...]:
        """Upload, build, tidy up."""
        labels = tuple(
            word for key, value in self.labels.items() for word in ("--label", f"{key}={value}")
        )
        build = self.cli.command(
            "build", "--tag", self.tag, "--file", self.dockerfile, *labels, "-"
        )
        return (
            Command(("sh", Script("receive.sh"), self.incoming), sudo=self.sudo),
            replace(build, argv=("sh", Script("with_input.sh"), self.incoming, *build.argv)),
            Command(("rm", "-f", self.incoming), sudo=self.sudo),
        )

    def inspect(self, ctx: RunContext) -> Before:
        """Look whether the image is there already."""
        found = ctx.attempt(self.cli.command("image", "inspect", "--format", "{{.Id}}", self.tag))
        return {"present": found.exit_code == 0}

    def satisfied(self, before: Before) -> bool:
        """Its tag is made of the project's content: if it is there, it was built from the same."""
        return bool(before["present"])

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Send and build."""
        context = ctx.package
        if not isinstance(context, Context) or context.tag != self.tag:
            raise SlipwayError(
                _("The project is not on this computer."),
                _("This run was begun elsewhere: {tag}.").format(tag=self.tag),
                _("Roll back, then deploy anew from here."),
            )
        __, build, tidy = self.commands
        ctx.transport.put(
            context.path, self.incoming, on_bytes=ctx.progress, cancel=ctx.cancel, sudo=self.sudo
        )
        try:
            ctx.run(build, _("The Dockerfile did not build."), timeout=BUILD_SECONDS)
        finally:
            ctx.transport.run(tidy)

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Remove what was sent and built."""
        ctx.attempt(self.commands[-1])
        if not before["present"]:
            remove_image(ctx, self.cli, self.tag)


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
        return _("Rehearse: start the new version beside the old one")

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
        return Liveness(running == "true", identity, _("Exit code {code}.").format(code=code))

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
    """Stop the container that serves, keep it under another name, start the new one."""

    cli: DockerCli
    name: str
    incoming: str
    outgoing: str
    grace: float
    outgoing_restart: str = ""
    incoming_restart: str = ""
    sha256: str = ""

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Switch: stop the old version, start the new one")

    @property
    def commands(self) -> tuple[Command, ...]:
        """One script: what it began it ends, even without us."""
        return (
            self._swap(
                self.name,
                self.outgoing,
                self.outgoing_restart,
                self.incoming,
                self.incoming_restart,
            ),
        )

    def _swap(
        self, out: str, out_name: str, out_restart: str, into: str, in_restart: str,
        *, start: bool = True,
    ) -> Command:  # fmt: skip
        grace = str(max(1, round(self.grace)))
        return self.cli.script(
            Script("container_swap.sh"),
            self.name, out, out_name, out_restart, into, in_restart, grace,
            "yes" if start else "no",
        )  # fmt: skip

    def inspect(self, ctx: RunContext) -> Before:
        """Remember which container serves and how, and that the new one exists."""
        form = "{{.Id}}|{{.State.Running}}|{{.HostConfig.RestartPolicy.Name}}|{{.Name}}"
        unchanged = _("Nothing was stopped. Choose another release, or deploy anew.")
        look = self.cli.command(
            "container", "inspect", "--format",
            f'{{{{.Id}}}}|{{{{index .Config.Labels "{LABEL_SHA256}"}}}}', self.incoming,
        )  # fmt: skip
        found = ctx.attempt(look).check(_("The container to switch to is gone."), unchanged)
        incoming, sha256 = found.stdout.strip().split("|")
        if self.sha256 and sha256 != self.sha256:
            raise SlipwayError(
                _("The container to switch to holds another program than recorded."),
                _("Its SHA-256 is {found}, the record says {expected}.").format(
                    found=sha256 or _("not known"), expected=self.sha256
                ),
                unchanged,
            )
        command = self.cli.command("container", "inspect", "--format", form, self.name)
        serving = ctx.attempt(command)
        identity, running, restart, called = (serving.stdout.strip() or "|||").split("|")
        if called != f"/{self.name}":  # another container's id began like the name
            identity = ""
        return {
            "in": incoming,
            "out": identity,
            "running": running == "true",
            "restart": restart,
        }

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Switch; once begun it is not cancelled, because half a switch serves nobody."""
        self._run(ctx, self.commands[0], _("The new version could not be started."))

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Put the old container back."""
        revive = "always" if before["restart"] == "always" else ""
        command = self._swap(
            before["in"], self.incoming, "", before["out"], revive, start=before["running"]
        )
        self._run(ctx, command, _("The old version could not be started again."))

    def _run(self, ctx: RunContext, command: Command, title: str) -> None:
        ctx.transport.run(
            command, on_line=ctx.line, cancel=CancelToken(), timeout=self.grace + DOCKER_SECONDS
        ).check(title)


@dataclass(frozen=True, slots=True)
class CheckContainer(Step):
    """See the new version answer through its published port, and stay up."""

    cli: DockerCli
    name: str
    spec: ContainerSpec
    health: HealthOptions
    own_address: bool

    @property
    def title(self) -> str:
        """What the step does."""
        if self.health.http:
            return _("Health check: {url}").format(url=self.health.http)
        if self.health.tcp:
            return _("Health check: port {port}").format(port=self.health.tcp)
        return _("Health check: it stays up for {seconds:.0f} s").format(seconds=self.health.stable)

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
    """Remove the containers and images of releases that are no longer kept."""

    cli: DockerCli
    containers: tuple[str, ...]
    images: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Remove containers and images of old releases")

    @property
    def commands(self) -> tuple[Command, ...]:
        """Remove each."""
        return (
            *(self.cli.command("rm", "--force", "--volumes", item) for item in self.containers),
            *(self.cli.command("rmi", item) for item in self.images),
        )

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Remove them; what can't be removed is told and left."""
        for command in self.commands:
            result = ctx.transport.run(command, timeout=DOCKER_SECONDS)
            if result.exit_code != 0:
                ctx.note(_("left: {problem}").format(problem=result.tail(1)))
