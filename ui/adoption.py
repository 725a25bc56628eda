"""Settings of a container that Slipway did not make, as answers for the one that follows it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from app.request import DeployRequest, HealthOptions
from app.rules import LOOKS_SECRET
from app.transport import Secret

if TYPE_CHECKING:
    from app.docker_facts import Container


def adopted(request: DeployRequest, container: Container) -> DeployRequest:
    """Return ``request`` with the container's settings; what looks secret only by its name."""
    deploy, docker = request.deploy, request.deploy.docker
    docker = replace(
        docker,
        ports=container.ports,
        volumes=container.volumes,
        network=container.network,
        read_only=container.read_only,
        cap_drop=container.cap_drop,
        cap_add=container.cap_add,
        restart=docker.restart if container.restart_policy == "no" else container.restart_policy,
    )
    secrets = adopted_secrets(container)
    env = {name: value.reveal() for name, value in container.env.items() if name not in secrets}
    names = dict.fromkeys((*deploy.secrets, *secrets))
    kept = {name: value for name, value in deploy.env.items() if name not in secrets}
    return replace(
        request,
        deploy=replace(
            deploy,
            docker=docker,
            env=kept | env,
            secrets=tuple(names),
            health=_asking(deploy.health, container),
        ),
    )


def _asking(health: HealthOptions, container: Container) -> HealthOptions:
    """Return the check by TCP with a port that the container publishes; others stay."""
    outside = [port.rpartition(":")[0].rpartition(":")[2] for port in container.ports]
    ports = [int(port) for port in outside if port.isdigit()]
    if not health.tcp or not ports or health.tcp in ports:
        return health
    return replace(health, tcp=ports[0])


def adopted_secrets(container: Container) -> dict[str, Secret]:
    """Return those variables of the container whose names say that they are secret."""
    return {name: value for name, value in container.env.items() if LOOKS_SECRET.search(name)}
