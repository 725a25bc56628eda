"""A container that Slipway did not make: written down to go back to, its settings taken over."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime

from app.docker_facts import Container, DockerFacts
from app.host import HostFacts
from app.i18n import _
from app.kinds.container_spec import ContainerSpec
from app.releases import Release, release_id
from app.request import DeployOptions, DeployRequest, HealthOptions
from app.rules import looks_secret
from app.transport import Secret


def adopted_release(
    request: DeployRequest, facts: HostFacts, docker: DockerFacts
) -> Release | None:
    """Return a record for the container that serves if Slipway has none: it is kept to go back to.

    Neither environment nor arguments are written down, because secrets may stand there: the kept
    container has them.
    """
    service = docker.service
    if service is None or (service.ours and facts.records.find(service.release)):
        return None
    definition = ContainerSpec(
        image=service.image,
        ports=service.ports,
        volumes=service.volumes,
        network=service.network,
        restart=service.restart_policy,
        read_only=service.read_only,
        cap_drop=service.cap_drop,
        cap_add=service.cap_add,
        user=service.user,
    )
    made = datetime.fromtimestamp(facts.clock - 1, UTC)
    return Release(
        id=release_id(made.strftime("%Y%m%d-%H%M%S"), "before-slipway"),
        name=request.name,
        kind="docker",
        version=_("before Slipway: {image}").format(image=service.image),
        sha256=service.image_id,
        definition=asdict(definition),
        created=made.isoformat(),
        adopted=True,
    )


@dataclass(frozen=True, slots=True)
class Adopted:
    """A foreign container's settings, as answers of the wizard; likely secrets apart."""

    options: DeployOptions
    secrets: dict[str, Secret]


def adopt(container: Container, options: DeployOptions) -> Adopted:
    """Return the options with what a foreign container has: ports, environment, volumes, limits.

    Environment variables that look like secrets become secrets.
    """
    hidden = {key: value for key, value in container.env.items() if looks_secret(key, value)}
    shown = {key: value.reveal() for key, value in container.env.items() if key not in hidden}
    never = container.restart_policy == "no"
    docker = replace(
        options.docker,
        ports=container.ports,
        volumes=container.volumes,
        network=container.network,
        # a service that is deployed is meant to come back after a restart of the server
        restart=options.docker.restart if never else container.restart_policy,
        read_only=container.read_only,
        cap_drop=container.cap_drop,
        cap_add=container.cap_add,
    )
    health = _asking(options.health, container)
    own = {key: value for key, value in options.env.items() if key not in hidden}
    names = tuple(dict.fromkeys((*options.secrets, *sorted(hidden))))
    taken = replace(options, env=own | shown, secrets=names, docker=docker, health=health)
    return Adopted(taken, hidden)


def _asking(health: HealthOptions, container: Container) -> HealthOptions:
    """Return the check by TCP with a port that the container publishes; others stay."""
    outside = [port.rpartition(":")[0].rpartition(":")[2] for port in container.ports]
    ports = [int(port) for port in outside if port.isdigit()]
    if not health.tcp or not ports or health.tcp in ports:
        return health
    return replace(health, tcp=ports[0])
