"""What a request for a Docker container must be like: rules that need no machine."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from urllib.parse import urlsplit

from app.errors import Problem
from app.i18n import _
from app.request import DeployOptions, DeployRequest, DockerOptions, HealthOptions
from app.value_rules import has_control, is_inside, seconds, twice

LOOPBACK = ("localhost", "127.0.0.1", "::1")
MEMORY = re.compile(r"[1-9]\d*[bkmg]?", re.ASCII)
RESTART = re.compile(r"no|always|unless-stopped|on-failure(:\d+)?", re.ASCII)
CAPABILITY = re.compile(r"[A-Za-z_]+", re.ASCII)
NETWORK = re.compile(r"[A-Za-z0-9][\w.:-]*", re.ASCII)
ACCOUNT = re.compile(r"[\w.-]+(:[\w.-]+)?", re.ASCII)
REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:\d+)?(/[a-z0-9._/-]+)?", re.ASCII)
VOLUME_OPTIONS = re.compile(
    r"(?:(?:ro|rw|z|Z|nocopy|r?shared|r?slave|r?private|cached|delegated|consistent)(?:,(?!$)|$))+"
)
PUBLISHED = re.compile(
    r"(?:(?P<address>\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\]):)?"
    r"(?:(?P<host>\d+(?:-\d+)?)?:)?(?P<inside>\d+(?:-\d+)?)(?:/(?:tcp|udp|sctp))?",
    re.ASCII,
)


def docker_problems(request: DeployRequest) -> Iterator[Problem]:
    """Judge what is said of the container, in the order of the form."""
    if request.deploy.kind != "docker":
        return
    docker = request.deploy.docker
    yield from _published(docker)
    yield from _knocked(docker, request.deploy.health)
    yield from _volumes(docker)
    yield from _container(docker)
    yield from _image(request.deploy)


def _published(docker: DockerOptions) -> Iterator[Problem]:
    for port in docker.ports:
        if not _is_published(port):
            yield Problem(
                "deploy.docker.ports",
                _("“{port}” does not publish a port.").format(port=port),
                _("Write SERVER:CONTAINER, like 8080:8080 or 127.0.0.1:8080:8080/tcp."),
            )
    yield from twice("deploy.docker.ports", docker.ports)
    if docker.ports and docker.network == "host":
        yield Problem(
            "deploy.docker.ports",
            _("In the server's own network nothing is published: all ports are open."),
            _("Remove the ports, or choose another network."),
        )


def published_ports(docker: DockerOptions) -> dict[int, int]:
    """Return the server's TCP ports that are published, and the container's they lead to."""
    matches = [PUBLISHED.fullmatch(text) for text in docker.ports if not text.endswith("/udp")]
    spans = [(_span(m["host"]), _span(m["inside"])) for m in matches if m and m["host"]]
    return {
        port: to for outside, inside in spans for port, to in zip(outside, inside, strict=False)
    }


def asked_port(health: HealthOptions) -> int:
    """Return which of the server's own ports is asked, 0 if none is."""
    if not health.http:
        return health.tcp
    try:
        url = urlsplit(health.http)
        port = url.port or {"http": 80, "https": 443}.get(url.scheme, 0)
    except ValueError:  # told at its field
        return 0
    return port if url.hostname in LOOPBACK else 0


def _knocked(docker: DockerOptions, health: HealthOptions) -> Iterator[Problem]:
    """Find a check of a port that is open in the container alone, though others lead in.

    At a web address that is published nowhere, something else may answer for the container.
    """
    asked, ports = asked_port(health), published_ports(docker)
    if not asked or not ports or asked in ports:
        return
    meant = [port for port, to in ports.items() if to == asked]
    first = [*meant, *ports][0]
    if health.tcp or meant:
        yield Problem(
            health.port_key,
            _(
                "Port {port} is not published: on the server nobody reaches the container there."
            ).format(port=asked),
            _("Check a published port, like {port}, or publish this one.").format(port=first),
        )
    else:
        yield Problem(
            "deploy.health.http",
            _("Port {port} is not one that the container publishes.").format(port=asked),
            _("Unless another program passes it on, check a published port, like {port}.").format(
                port=first
            ),
            blocking=False,
        )


def _volumes(docker: DockerOptions) -> Iterator[Problem]:
    for volume in docker.volumes:
        if not _is_volume(volume):
            yield Problem(
                "deploy.docker.volumes",
                _("“{volume}” is not a volume.").format(volume=volume),
                _("Write SERVER:CONTAINER, like /srv/hello:/data or data:/data:ro."),
            )
    insides = [volume.split(":")[1] for volume in docker.volumes if ":" in volume]
    yield from twice("deploy.docker.volumes", insides)


def _container(docker: DockerOptions) -> Iterator[Problem]:
    checks: tuple[tuple[str, str, Iterable[str], re.Pattern[str]], ...] = (
        ("network", _("bridge, host, none or a network's name"), [docker.network], NETWORK),
        ("restart", _("no, always, unless-stopped or on-failure:3"), [docker.restart], RESTART),
        ("cap-drop", _("capabilities, like ALL or NET_RAW"), docker.cap_drop, CAPABILITY),
        ("cap-add", _("capabilities, like NET_BIND_SERVICE"), docker.cap_add, CAPABILITY),
        ("user", _("a user or user:group, as name or number"), [docker.user], ACCOUNT),
        ("log-max-size", _("a size, like 10m"), [docker.log_max_size], MEMORY),
    )
    for name, words, values, pattern in checks:
        for value in values:
            if (value or name in ("restart", "log-max-size")) and not pattern.fullmatch(value):
                yield Problem(
                    f"deploy.docker.{name}",
                    _("“{value}” can't be used.").format(value=value),
                    _("Allowed: {words}.").format(words=words),
                )
    yield from seconds("deploy.docker.stop-timeout", docker.stop_timeout, 0.0)
    if docker.log_max_file < 1:
        yield Problem("deploy.docker.log-max-file", _("At least one log file must be kept."))


def _image(deploy: DeployOptions) -> Iterator[Problem]:
    docker = deploy.docker
    if docker.base == "dockerfile" and not is_inside(docker.dockerfile):
        yield Problem(
            "deploy.docker.dockerfile",
            _("“{path}” is not a path inside the project.").format(path=docker.dockerfile),
            _("Write it relative to the project, like Dockerfile."),
        )
    if docker.registry and not REGISTRY.fullmatch(docker.registry):
        yield Problem(
            "deploy.docker.registry",
            _("“{registry}” is not a registry.").format(registry=docker.registry),
            _("Write HOST or HOST:PORT, without https://, like registry.example.com:5000."),
        )
    elif docker.registry and docker.base == "dockerfile":
        yield Problem(
            "deploy.docker.registry",
            _("An image that is built on the server does not go through a registry."),
            _("Remove the registry, or choose the base “scratch”."),
        )
    elif docker.registry_user and not docker.registry:
        yield Problem(
            "deploy.docker.registry-user",
            _("There is a user for a registry, but no registry."),
            _("Name the registry, or remove the user."),
        )


def _is_published(text: str) -> bool:
    match = PUBLISHED.fullmatch(text)
    if not match or (match["address"] and text.count(":") < 2):
        return False
    spans = [_span(part) for part in (match["host"], match["inside"]) if part]
    return all(spans) and len({len(span) for span in spans}) == 1


def _span(text: str) -> range:
    """Return the ports of ``8080`` or ``8000-8010``, empty if there are none such."""
    first, _dash, last = text.partition("-")
    low, high = int(first), int(last or first)
    return range(low, high + 1) if 0 < low <= high <= 65535 else range(0)


def _is_volume(text: str) -> bool:
    source, *rest = text.split(":")
    if not 1 <= len(rest) <= 2 or not rest[0].startswith("/") or rest[0] == "/":
        return False
    if has_control(text) or (rest[1:] and not VOLUME_OPTIONS.fullmatch(rest[1])):
        return False
    return source.startswith("/") or bool(re.fullmatch(r"[A-Za-z0-9][\w.-]+", source, re.ASCII))
