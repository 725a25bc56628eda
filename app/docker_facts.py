"""What Docker on a server says: read from the sections of facts.sh, never guessed."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.i18n import _
from app.transport import Command, CommandResult, Script, Secret

LABEL_RELEASE = "io.slipway.release"
LABEL_ROOT = "io.slipway.root"
LABEL_COMPOSE = "com.docker.compose.project"


@dataclass(frozen=True, slots=True)
class DockerCli:
    """How docker is called there: where it is, which socket, and whether with sudo."""

    path: str
    socket: str = ""
    sudo: bool = False

    def command(self, *arguments: str) -> Command:
        """Return a docker command."""
        socket = ("-H", self.socket) if self.socket else ()
        return Command((self.path, *socket, *arguments), sudo=self.sudo)

    def with_secrets(self, lines: bytes, *arguments: str) -> Command:
        """Return a docker command that gets secrets by stdin (``NAME BASE64`` lines)."""
        words = self.command(*arguments).argv
        if not lines:
            return Command(words, sudo=self.sudo)
        secret = Secret(lines.decode())
        return Command(("sh", Script("with_secrets.sh"), *words), secret, self.sudo)

    def script(self, script: Script, *arguments: str, stdin: Secret | None = None) -> Command:
        """Return a script that calls docker: its first two arguments are path and socket."""
        return Command(("sh", script, self.path, self.socket, *arguments), stdin, self.sudo)


def is_absent(result: CommandResult) -> bool:
    """Return whether docker said that there is no such container; raises for any other failure."""
    if result.exit_code == 0:
        return False
    if "o such " in result.stderr:
        return True
    result.check(_("Docker does not answer."), _("Look at the engine's log on the server."))
    return False


@dataclass(frozen=True, slots=True)
class Container:
    """A container as ``docker inspect`` shows it; environment values are kept from sight."""

    id: str
    name: str
    image: str
    image_id: str
    running: bool
    status: str
    started: str
    restarts: int
    exit_code: int
    restart_policy: str
    auto_remove: bool
    labels: dict[str, str] = field(default_factory=dict)
    env: dict[str, Secret] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    entrypoint: tuple[str, ...] = ()
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    network: str = ""
    user: str = ""
    read_only: bool = False
    cap_drop: tuple[str, ...] = ()
    cap_add: tuple[str, ...] = ()
    stop_timeout: int | None = None

    @property
    def ours(self) -> bool:
        """Whether Slipway made it."""
        return LABEL_RELEASE in self.labels

    @property
    def release(self) -> str:
        """The release it was made for, or ""."""
        return self.labels.get(LABEL_RELEASE, "")


@dataclass(frozen=True, slots=True)
class ImageOnServer:
    """An image that the server has; ``layers`` are diffIDs, lowest first."""

    id: str
    tags: tuple[str, ...]
    layers: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DockerFacts:
    """Docker on a server; ``problem`` is docker's own words when it can't be used."""

    cli: DockerCli
    version: str = ""
    api: str = ""
    problem: str = ""
    rootless: bool = False
    containerd_store: bool = False
    log_driver: str = ""
    disk_free: int = 0
    service: Container | None = None
    kept: tuple[Container, ...] = ()
    images: tuple[ImageOnServer, ...] = ()

    @property
    def layers(self) -> frozenset[str]:
        """All layers of Slipway's images that the server has."""
        return frozenset(layer for image in self.images for layer in image.layers)

    def container_of(self, release: str) -> Container | None:
        """Return the container that was made for a release, serving or kept."""
        everything = (*((self.service,) if self.service else ()), *self.kept)
        return next((item for item in everything if item.release == release), None)

    def kept_as(self, name: str) -> Container | None:
        """Return the kept container of this name."""
        return next((item for item in self.kept if item.name == name), None)

    def image(self, tag: str) -> ImageOnServer | None:
        """Return the image with this tag."""
        return next((item for item in self.images if tag in item.tags), None)


def read_docker(
    sections: Mapping[str, Sequence[str]], name: str, *, sudo: bool
) -> DockerFacts | None:
    """Read the docker sections of facts.sh; None if the machine has no docker."""
    lines = sections.get("docker", ())
    if not lines or not lines[0]:
        return None
    cli = DockerCli(lines[0], lines[1] if len(lines) > 1 else "", sudo)
    answer = lines[2] if len(lines) > 2 else ""
    try:
        server = json.loads(answer)
        version, api = server["Version"], server["ApiVersion"]
    except (ValueError, KeyError, TypeError):
        # podman answers under docker's name, but keeps containers and images in another way
        return DockerFacts(cli, problem=answer or _("it is not Docker's own engine (podman?)"))
    info = sections.get("docker-info", ())
    security = json.loads(info[0] or "[]") or [] if info else []
    driver = info[1] if len(info) > 1 else ""
    images = [json.loads(line) for line in sections.get("images", ())]
    image_env = {item["id"]: frozenset(item["env"] or ()) for item in images}
    containers = [
        read_container(data, image_env.get(data["Image"], frozenset()))
        for data in map(json.loads, sections.get("containers", ()))
    ]
    return DockerFacts(
        cli,
        version,
        api,
        rootless=any("rootless" in item for item in security),
        containerd_store="io.containerd.snapshotter" in driver,
        log_driver=info[2] if len(info) > 2 else "",
        disk_free=free_bytes(info[3]) if len(info) > 3 else 0,
        service=next((item for item in containers if item.name == name), None),
        kept=tuple(item for item in containers if item.name != name),
        images=tuple(
            ImageOnServer(item["id"], tuple(item["tags"] or ()), tuple(item["layers"] or ()))
            for item in images
        ),
    )


def free_bytes(df_line: str) -> int:
    """Return the free bytes that a line of ``df -Pk`` tells."""
    words = df_line.split()
    return int(words[3]) * 1024 if len(words) > 3 and words[3].isdigit() else 0


def read_container(data: Mapping[str, Any], image_env: frozenset[str]) -> Container:
    """Read one container of ``docker inspect``; what its image sets by itself is left out."""
    config, host, state = data["Config"], data["HostConfig"], data["State"]
    env = [item for item in config.get("Env") or () if item not in image_env]
    return Container(
        id=data["Id"],
        name=data["Name"].lstrip("/"),
        image=config["Image"],
        image_id=data["Image"],
        running=state["Running"],
        status=state["Status"],
        started=state["StartedAt"],
        restarts=data.get("RestartCount", 0),
        exit_code=state["ExitCode"],
        restart_policy=_restart(host),
        auto_remove=host.get("AutoRemove", False),
        labels=dict(config.get("Labels") or {}),
        env={key: Secret(value) for key, _sep, value in (item.partition("=") for item in env)},
        args=tuple(config.get("Cmd") or ()),
        entrypoint=tuple(config.get("Entrypoint") or ()),
        ports=_ports(host),
        volumes=tuple(host.get("Binds") or ()) + _mounts(host),
        network="" if host["NetworkMode"] in ("default", "bridge") else host["NetworkMode"],
        user=config.get("User", ""),
        read_only=host.get("ReadonlyRootfs", False),
        cap_drop=tuple(host.get("CapDrop") or ()),
        cap_add=tuple(host.get("CapAdd") or ()),
        stop_timeout=config.get("StopTimeout"),
    )


def _restart(host: Mapping[str, Any]) -> str:
    policy = host.get("RestartPolicy") or {}
    name = policy.get("Name") or "no"
    count = policy.get("MaximumRetryCount") or 0
    return f"{name}:{count}" if name == "on-failure" and count else name


def _ports(host: Mapping[str, Any]) -> tuple[str, ...]:
    found = []
    for inside, bindings in (host.get("PortBindings") or {}).items():
        port, _slash, protocol = inside.partition("/")
        suffix = "" if protocol == "tcp" else f"/{protocol}"
        for binding in bindings or ():
            address = binding.get("HostIp") or ""
            prefix = "" if address in ("", "0.0.0.0") else f"{address}:"  # noqa: S104
            found.append(f"{prefix}{binding.get('HostPort') or ''}:{port}{suffix}")
    return tuple(found)


def _mounts(host: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(
        f"{item['Source']}:{item['Target']}" + (":ro" if item.get("ReadOnly") else "")
        for item in host.get("Mounts") or ()
        if item.get("Type") in ("bind", "volume") and item.get("Source")
    )
