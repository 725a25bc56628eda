"""The steps that bring an image to the server: sent, pulled from a registry, or built there."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from app import registry
from app.docker_facts import DockerCli, is_absent
from app.errors import SlipwayError
from app.i18n import _
from app.image import Context, Image, write_archive
from app.step import Before, RunContext, Step
from app.transport import Command, Script, Secret, shown_upload

LOAD_SECONDS = 900.0
BUILD_SECONDS = 3600.0
DOCKER_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Deliver(Step):
    """What the ways to bring an image have in common.

    A tag is made of the content, so an image that is there already is the same.
    """

    cli: DockerCli
    tag: str

    def inspect(self, ctx: RunContext) -> Before:
        """Look whether the image is there already."""
        found = ctx.attempt(self.cli.command("image", "inspect", "--format", "{{.Id}}", self.tag))
        return {"present": not is_absent(found)}

    def satisfied(self, before: Before) -> bool:
        """Return whether it is there."""
        return bool(before["present"])

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Remove what was brought; what was pushed stays in the registry."""
        self.forget(ctx, before)

    def forget(self, ctx: RunContext, before: Before) -> None:
        """Remove the image if this run brought it; one that a container uses stays."""
        if not before["present"]:
            ctx.attempt(self.cli.command("rmi", self.tag), timeout=DOCKER_SECONDS)

    def elsewhere(self) -> SlipwayError:
        """Return the error for an image that another desktop has."""
        return SlipwayError(
            _("The image is not on this computer."),
            _("It was built elsewhere: {tag}.").format(tag=self.tag),
            _("Roll back, then deploy anew from here."),
        )


@dataclass(frozen=True, slots=True)
class SendImage(Deliver):
    """Send the image's layers that the server lacks, load them, and prove them by a container.

    On a containerd store a load with missing layers can seem to succeed; only ``create`` tells.
    Then everything is sent again (moby 28 and 29 end such a load with exit code 0).
    """

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
            shown_upload(self.incoming, sudo=self.sudo),
            self.cli.command("load", "--input", self.incoming),
            self.cli.command("create", "--pull", "never", "--name", self.proof, self.tag),
            self.cli.command("rm", "--force", self.proof),
            self._tidy,
        )

    @property
    def _tidy(self) -> Command:
        return Command(("rm", "-f", self.incoming), sudo=self.sudo)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Send; if the server turns out to lack a layer, send all."""
        image = ctx.package
        if not isinstance(image, Image) or image.tag != self.tag:
            raise self.elsewhere()
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
        load, create, remove, tidy = self.commands[-4:]
        ctx.attempt(remove, timeout=DOCKER_SECONDS)  # of a run that was interrupted here
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
        self.forget(ctx, before)


@dataclass(frozen=True, slots=True)
class PullImage(Deliver):
    """Push the image to a registry from here, and let the server pull it from there."""

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

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Push here, pull there."""
        if not isinstance(ctx.package, Image) or ctx.package.tag != self.tag:
            raise self.elsewhere()
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


@dataclass(frozen=True, slots=True)
class BuildImage(Deliver):
    """Send the project and build its own Dockerfile on the server."""

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
            shown_upload(self.incoming, sudo=self.sudo),
            replace(build, argv=("sh", Script("with_input.sh"), self.incoming, *build.argv)),
            Command(("rm", "-f", self.incoming), sudo=self.sudo),
        )

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Send and build."""
        context = ctx.package
        if not isinstance(context, Context) or context.tag != self.tag:
            raise self.elsewhere()
        build, tidy = self.commands[-2:]
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
        self.forget(ctx, before)
