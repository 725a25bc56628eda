"""A container as Slipway makes it: everything ``docker create`` needs, as a value."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from app.docker_facts import DockerCli
from app.transport import Command, Secret

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
