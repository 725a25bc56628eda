"""Is a server ready for a container? Judged before anything changes, each lack with a remedy."""

from __future__ import annotations

from app.docker_facts import LABEL_COMPOSE, LABEL_ROOT, DockerFacts
from app.errors import Problem
from app.host import HostFacts
from app.i18n import _
from app.request import DeployRequest

SPARE_BYTES = 200_000_000


# what holds a container's port in its place
DOCKERS_OWN = ("docker-proxy", "rootlessport", "rootlesskit")


def docker_problems(request: DeployRequest, facts: HostFacts) -> list[Problem]:
    """Return what the server lacks for a container."""
    docker = facts.docker
    if docker is None:
        return [
            Problem(
                "deploy.kind",
                _("There is no Docker on {host}.").format(host=facts.hostname),
                _("Install it, e.g. “apt-get install docker.io”, or choose another kind."),
            )
        ]
    if docker.problem:
        return [_unusable(facts, docker)]
    found = _port_problems(request, facts, docker) + _container_problems(facts, docker)
    if facts.system != "linux":
        found.append(Problem("deploy.kind", _("Docker is offered for Linux servers only.")))
    for place, free in (
        (facts.root, facts.disk_free),
        (_("Docker’s folder"), docker.disk_free),
    ):
        if 0 < free < SPARE_BYTES:
            found.append(
                Problem(
                    "target",
                    _("Only {free:.0f} MB are free at {place}.").format(
                        free=free / 1e6, place=place
                    ),
                    _("Make room, for example with “docker image prune”."),
                )
            )
    return found


def _unusable(facts: HostFacts, docker: DockerFacts) -> Problem:
    if "permission denied" in docker.problem.lower():
        hint = (
            _("Give the sudo password.")
            if facts.sudo_wanted
            else _("On the server, as root: “usermod -aG docker {user}”, then log in anew.").format(
                user=facts.user
            )
        )
        text = _("The account {user} may not use Docker.").format(user=facts.user)
        return Problem("target", text, hint)
    return Problem(
        "target",
        _("Docker does not answer: {problem}").format(problem=docker.problem),
        _("On the server, as root: “systemctl start docker”."),
    )


def _port_problems(request: DeployRequest, facts: HostFacts, docker: DockerFacts) -> list[Problem]:
    own = {_outside_port(item) for item in (docker.service.ports if docker.service else ())}
    held = {item.port: item.program for item in facts.ports}
    found = []
    for mapping in request.deploy.docker.ports:
        port = _outside_port(mapping)
        if port in held and port not in own:
            found.append(_port_in_use(port, held[port]))
    return found


def _port_in_use(port: int, program: str) -> Problem:
    if program in DOCKERS_OWN:
        return Problem(
            "deploy.docker.ports",
            _("Port {port} is published by another container.").format(port=port),
            _("“docker ps” on the server names it. Stop it, or publish another port."),
        )
    return Problem(
        "deploy.docker.ports",
        _("Port {port} is in use by {program}.").format(
            port=port, program=program or _("another program")
        ),
        _("Stop that program, or publish another port."),
    )


def _outside_port(mapping: str) -> int:
    outside = mapping.partition("/")[0].rpartition(":")[0].rpartition(":")[2]
    return int(outside) if outside.isdigit() else 0


def _container_problems(facts: HostFacts, docker: DockerFacts) -> list[Problem]:
    service = docker.service
    if service is None:
        return []
    if service.ours and service.labels.get(LABEL_ROOT, facts.root) != facts.root:
        root = service.labels[LABEL_ROOT]
        return [
            Problem(
                "deploy.root",
                _("This service's records are in {root}, which this account does not use.").format(
                    root=root
                ),
                _("Log in with the account that deployed it, or set deploy.root to {root}.").format(
                    root=root.rpartition("/")[0]
                ),
            )
        ]
    if service.ours:
        return []
    if service.auto_remove:
        return [
            Problem(
                "name",
                _(
                    "The container {name} was started with --rm: stopping it would delete it."
                ).format(name=service.name),
                _("Start it without --rm first, so that it can be given back."),
            )
        ]
    found = [
        Problem(
            "name",
            _("A container {name} that Slipway did not make runs {image}.").format(
                name=service.name, image=service.image
            ),
            _("It will be stopped and kept; rolling back gives it back as it was."),
            blocking=False,
        )
    ]
    if LABEL_COMPOSE in service.labels:
        found.append(
            Problem(
                "name",
                _("It belongs to the Compose project {project}.").format(
                    project=service.labels[LABEL_COMPOSE]
                ),
                _("“docker compose up” would start it again beside the new one: remove it there."),
                blocking=False,
            )
        )
    return found
