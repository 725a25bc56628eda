"""The Docker kind: a container beside the old one, rehearsed, switched, checked, kept."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any

import cattrs

from app.amounts import duration_text
from app.choices import container_restarts, words_of
from app.docker_facts import (
    LABEL_RELEASE,
    LABEL_ROOT,
    Container,
    DockerFacts,
)
from app.errors import Problem, SlipwayError
from app.health import endpoint
from app.host import HostFacts
from app.i18n import _
from app.image import LABEL_NAME, LABEL_SHA256, Context, Image
from app.kinds.container_spec import ContainerSpec
from app.kinds.docker_adopting import adopted_release
from app.kinds.docker_readiness import docker_problems
from app.kinds.docker_steps import (
    CheckContainer,
    CreateContainer,
    PruneContainers,
    Rehearse,
    Switch,
)
from app.kinds.image_steps import BuildImage, PullImage, SendImage
from app.kinds.record_steps import PruneReleases, RecordRelease, RecordState
from app.layout import Change, Draft, Layout, describe, differences, to_prune
from app.registry import reference
from app.releases import Release, Store
from app.request import DeployRequest, HealthOptions
from app.rules import looks_secret
from app.step import Step
from app.transport import Secret

STOP_SECONDS = 10  # docker gives a container that says nothing else
LOG_DRIVERS = ("json-file", "local", "")


def kept_name(name: str, release: str) -> str:
    """Return the name of a release's container while it does not serve."""
    return f"{name}.{release}"


class DockerKind:
    """Runs the service as a container."""

    def readiness(self, request: DeployRequest, facts: HostFacts) -> list[Problem]:
        """Return what the server lacks for a container."""
        return docker_problems(request, facts)

    def there(self, facts: HostFacts) -> bool:
        """Return whether a container has the service's name."""
        return facts.docker is not None and facts.docker.service is not None

    def running(self, facts: HostFacts) -> bool:
        """Return whether the container that serves is the current release's."""
        service = facts.docker.service if facts.docker else None
        return (
            service is not None
            and service.running
            and service.release == facts.records.state.current != ""
        )

    def available(self, facts: HostFacts, release: Release) -> bool:
        """Return whether the release's container is still there, or can be made again."""
        docker = facts.docker
        if docker is None or docker.problem:
            return False
        if container_of(docker, release):
            return True
        return not release.adopted and docker.image(spec_of(release).image) is not None

    def lay_out(self, draft: Draft) -> Layout:
        """Return the steps that put an image into service."""
        request, facts = draft.request, draft.facts
        docker = usable(facts)
        spec = make_spec(draft, docker)
        definition: dict[str, Any] = asdict(replace(spec, labels={}))
        if isinstance(draft.package, Image):
            definition["layers"] = [layer.digest for layer in draft.package.layers]
        record = replace(
            describe(draft.package, draft.release, request),
            definition=definition,
            secrets=draft.prints,
        )
        adopted = adopted_release(request, facts, docker)
        gone = to_prune(request, facts, draft.release)
        rehearse = request.deploy.docker.rehearse and spec.network != "host" and not docker.rootless
        steps: list[Step] = []
        if adopted:
            steps.append(RecordRelease(draft.store, adopted))
        steps.append(self._deliver(draft, docker))
        steps.append(RecordRelease(draft.store, record))
        container = kept_name(request.name, draft.release)
        steps.append(CreateContainer(docker.cli, spec, container))
        if rehearse:
            name = kept_name(request.name, "rehearsal")
            steps.append(Rehearse(docker.cli, spec, name, request.deploy.health))
        steps += [
            _switch(
                draft.store,
                docker,
                request.name,
                container,
                adopted,
                incoming=spec,
                sha256=record.sha256,
            ),
            _check(docker, request.name, spec, request.deploy.health),
            RecordState(draft.store, draft.release, adopted.id if adopted else ""),
            *_prune(draft, docker, gone),
        ]
        before = adopted or facts.records.current
        return Layout(
            record=record,
            steps=tuple(steps),
            changes=differences(before, record, settings)
            if before and not before.adopted
            else _changes_from(docker.service, record, spec),
            outage=_outage(docker.service),
            restores=_restores(docker.service),
            cannot=_cannot(spec, gone),
            warnings=tuple(_warnings(request, docker, spec)),
            secrets=request.deploy.secrets,
        )

    def _deliver(self, draft: Draft, docker: DockerFacts) -> Step:
        package, options = draft.package, draft.request.deploy.docker
        incoming = f"{draft.store.root}/incoming/{draft.release}.tar.gz"
        if isinstance(package, Context):
            labels = {LABEL_NAME: draft.request.name, LABEL_SHA256: package.sha256}
            return BuildImage(
                docker.cli, package.tag, package.dockerfile, labels, incoming, draft.store.sudo
            )
        if not isinstance(package, Image):
            raise TypeError(f"not an image: {package!r}")
        if options.registry:
            return PullImage(
                docker.cli, package.tag, options.registry, options.registry_user,
                reference(package, options.registry),
            )  # fmt: skip
        proof = kept_name(draft.request.name, "proof")
        omit = tuple(sorted(known_prefix(package, docker)))
        return SendImage(docker.cli, package.tag, omit, incoming, proof, draft.store.sudo)

    def lay_out_rollback(
        self, request: DeployRequest, facts: HostFacts, target: Release, store: Store
    ) -> Layout:
        """Return the steps that make a kept release's container serve again."""
        docker = usable(facts)
        spec = spec_of(target)
        name = request.name
        container = container_of(docker, target)
        incoming = container.name if container else kept_name(name, target.id)
        adopted = adopted_release(request, facts, docker)
        steps: list[Step] = []
        if adopted:
            steps.append(RecordRelease(store, adopted))
        if container is None:
            spec = replace(spec, labels=own_labels(name, target.id, facts.root))
            steps.append(CreateContainer(docker.cli, spec, incoming))
        steps += [
            _switch(
                store,
                docker,
                name,
                incoming,
                adopted,
                incoming=spec,
                sha256="" if target.adopted else target.sha256,
            ),
            _check(docker, name, spec, target.health_options),
            RecordState(store, target.id, adopted.id if adopted else ""),
        ]
        current = facts.records.current
        again = (_("its secrets: the container is made again with today's values"),)
        return Layout(
            record=target,
            steps=tuple(steps),
            changes=differences(current, target, settings) if current else (),
            outage=_outage(docker.service),
            restores=(
                _("the program and its image: {version}").format(
                    version=target.version or spec.image
                ),
                _("its arguments, environment and secrets as they were")
                if container
                else _("its arguments and environment as they were"),
                _("its ports, volumes, restart policy and limits as they were"),
            ),
            cannot=_cannot(spec, ()) + (again if container is None and spec.secrets else ()),
            secrets=spec.secrets if container is None else (),
            hidden=_hidden(container, target) + _hidden(docker.service, current),
        )


def usable(facts: HostFacts) -> DockerFacts:
    """Return the server's Docker; raises SlipwayError if readiness would have refused it."""
    if facts.docker is None or facts.docker.problem:
        problem = facts.docker.problem if facts.docker else ""
        raise SlipwayError(
            _("Docker can't be used on {host}.").format(host=facts.hostname),
            problem,
            _("Install or start it there, and let this account use it."),
        )
    return facts.docker


def own_labels(name: str, release: str, root: str) -> dict[str, str]:
    """Return the labels by which Slipway knows its containers."""
    return {LABEL_NAME: name, LABEL_RELEASE: release, LABEL_ROOT: root}


def make_spec(draft: Draft, docker: DockerFacts) -> ContainerSpec:
    """Return the container that a request asks for."""
    package, deploy = draft.package, draft.request.deploy
    if not isinstance(package, (Image, Context)):
        raise TypeError(f"not an image: {package!r}")
    options = deploy.docker
    limits = {"max-size": options.log_max_size, "max-file": str(options.log_max_file)}
    return ContainerSpec(
        image=package.tag,
        args=deploy.args,
        env=dict(deploy.env),
        secrets=deploy.secrets,
        ports=options.ports,
        volumes=options.volumes,
        network=options.network,
        restart=options.restart,
        read_only=options.read_only,
        cap_drop=options.cap_drop,
        cap_add=options.cap_add,
        user=options.user,
        stop_timeout=options.stop_timeout,
        log_options=limits if docker.log_driver in LOG_DRIVERS else {},
        labels=own_labels(draft.request.name, draft.release, draft.facts.root),
    )


def spec_of(release: Release) -> ContainerSpec:
    """Return the container that a release's record describes."""
    known = {
        key: value
        for key, value in release.definition.items()
        if key in ContainerSpec.__dataclass_fields__
    }
    return cattrs.structure(known, ContainerSpec)


def container_of(docker: DockerFacts, release: Release) -> Container | None:
    """Return a release's container: by its label, or by its name if it was adopted."""
    if release.adopted:
        return docker.kept_as(kept_name(release.name, release.id))
    return docker.container_of(release.id)


def known_prefix(image: Image, docker: DockerFacts) -> frozenset[str]:
    """Return the layers that need not be sent.

    The classic store finds a layer only below its own parents, so what is left out must be the
    lowest layers, in the same order, of one image that the server has.
    """
    own = [layer.digest for layer in image.layers]
    best = 0
    for other in docker.images:
        same = 0
        for mine, theirs in zip(own, other.layers, strict=False):
            if mine != theirs:
                break
            same += 1
        best = max(best, same)
    return frozenset(own[:best])


def settings(release: Release) -> dict[str, str]:
    """Name a container's settings for the table of differences."""
    spec = spec_of(release)
    return {
        _("Image"): spec.image,
        _("Ports"): ", ".join(spec.ports),
        _("Volumes"): ", ".join(spec.volumes),
        _("Network"): spec.network,
        _("Start it again"): words_of(container_restarts(), spec.restart),
        _("Account"): spec.user,
        _("Read-only file system"): _("yes") if spec.read_only else _("no"),
        _("Rights taken away"): " ".join(spec.cap_drop),
        _("Rights given"): " ".join(spec.cap_add),
        _("Time to stop"): duration_text(spec.stop_timeout),
        _("Log, each file"): spec.log_options.get("max-size", ""),
        _("Log, files"): spec.log_options.get("max-file", ""),
    }


def _changes_from(
    service: Container | None, record: Release, spec: ContainerSpec
) -> tuple[Change, ...]:
    if service is None:
        return differences(None, record, settings)
    names = ", ".join(sorted(service.env))
    new_names = ", ".join(sorted([*spec.env, *spec.secrets]))
    rows = (
        (_("Image"), service.image, spec.image),
        (_("Ports"), ", ".join(service.ports), ", ".join(spec.ports)),
        (_("Volumes"), ", ".join(service.volumes), ", ".join(spec.volumes)),
        (_("Environment (names)"), names, new_names),
        (
            _("Start it again"),
            words_of(container_restarts(), service.restart_policy),
            words_of(container_restarts(), spec.restart),
        ),
    )
    return tuple(Change(what, old, new) for what, old, new in rows if old != new)


def _check(
    docker: DockerFacts, name: str, spec: ContainerSpec, health: HealthOptions
) -> CheckContainer:
    own_address = spec.network != "host" and not docker.rootless
    return CheckContainer(docker.cli, name, spec, health, own_address)


def _prune(draft: Draft, docker: DockerFacts, gone: tuple[str, ...]) -> list[Step]:
    name = draft.request.name
    records = [item for item in map(draft.facts.records.find, gone) if item]
    pairs = [(item, container_of(docker, item)) for item in records]
    containers = tuple(found.name for item, found in pairs if found and not item.adopted)
    foreign = tuple(found.name for item, found in pairs if found and item.adopted)
    kept = [item for item in draft.facts.records.releases if item.id not in gone]
    used = {spec_of(item).image for item in kept}
    images = tuple(
        sorted(
            tag
            for tag in {spec_of(item).image for item in records if not item.adopted} - used
            if docker.image(tag) and tag.startswith(f"slipway/{name}:")
        )
    )
    steps: list[Step] = []
    if containers or foreign or images:
        steps.append(PruneContainers(docker.cli, containers, foreign, images))
    return [*steps, PruneReleases(draft.store, gone)]


def _switch(
    store: Store,
    docker: DockerFacts,
    name: str,
    container: str,
    adopted: Release | None,
    *,
    incoming: ContainerSpec,
    sha256: str,
) -> Switch:
    service = docker.service
    old = adopted.id if adopted else (service.release if service else "")
    return Switch(
        docker.cli,
        store,
        name,
        container,
        kept_name(name, old or "before"),
        expected=service.id if service else "",
        grace=(service.stop_timeout if service else None) or STOP_SECONDS,
        # docker starts a stopped container again at boot if its policy says "always"
        outgoing_restart="no" if service and service.restart_policy == "always" else "",
        incoming_restart="always" if incoming.restart == "always" else "",
        sha256=sha256,
    )


def _hidden(container: Container | None, release: Release | None) -> tuple[Secret, ...]:
    """Return the secrets that a container has, so that its output can be masked."""
    if container is None or release is None:
        return ()
    names = [
        key
        for key, value in container.env.items()
        if key in release.secrets or looks_secret(key, value)
    ]
    return tuple(container.env[key] for key in names)


def _outage(service: Container | None) -> str:
    if service is None or not service.running:
        return _("Nothing of that name runs now: nobody is interrupted.")
    return _(
        "Usually less than a second, plus the time that what runs now needs to stop. If the "
        "release does not become healthy: until what runs now is started again."
    )


def _restores(service: Container | None) -> tuple[str, ...]:
    if service is None:
        return (_("nothing ran before: rolling back removes what was deployed"),)
    return (
        _("the container that runs now, {image}, with its arguments and environment").format(
            image=service.image
        ),
        _("its ports, volumes, restart policy and limits"),
        _("the record of which release serves"),
    )


def _cannot(spec: ContainerSpec, gone: tuple[str, ...]) -> tuple[str, ...]:
    found = [_("databases and other services that the program wrote to")]
    if spec.volumes:
        found.append(_("files in its volumes: {volumes}").format(volumes=", ".join(spec.volumes)))
    if gone:
        found.append(_("old releases that are removed: {names}").format(names=", ".join(gone)))
    return tuple(found)


def _warnings(request: DeployRequest, docker: DockerFacts, spec: ContainerSpec) -> list[str]:
    found = []
    if endpoint(request.deploy.health) is None:
        found.append(
            _("Without a health check's address, only that the container stays up is checked.")
        )
    if request.deploy.docker.rehearse and docker.rootless:
        found.append(
            _("Rootless Docker: no rehearsal, its containers can't be reached beforehand.")
        )
    if request.deploy.docker.rehearse and spec.volumes:
        found.append(
            _(
                "During the rehearsal two versions use the volumes at once: "
                "turn it off if that hurts."
            )
        )
    if not spec.log_options:
        found.append(
            _("The server logs to {driver}: its own limits hold.").format(driver=docker.log_driver)
        )
    return found
