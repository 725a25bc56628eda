"""What the user wants: every answer of the wizard, and every key of slipway.toml, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

PROFILE_NAME = "slipway.toml"
KINDS = ("docker", "windows-service", "process")
Check = Literal["vet", "test"]


@dataclass(frozen=True, slots=True)
class ProjectOptions:
    """Which program. ``path`` is absolute once loaded; ``package`` like ``./cmd/hello``, or ""."""

    path: Path = Path()
    package: str = ""


@dataclass(frozen=True, slots=True)
class BuildOptions:
    """How it is built; the defaults are those of slipway.toml."""

    platform: str = "auto"
    version: str = "auto"
    stamp: str = ""
    tags: tuple[str, ...] = ()
    ldflags: str = "-s -w"
    cgo: bool = False
    env: dict[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    include: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class HealthOptions:
    """When the new version counts as healthy; times in seconds."""

    http: str = ""
    tcp: int = 0
    expect: int = 200
    timeout: float = 30.0
    stable: float = 5.0

    @property
    def port_key(self) -> str:
        """The profile's key that says which port is asked."""
        return "deploy.health.http" if self.http else "deploy.health.tcp"


@dataclass(frozen=True, slots=True)
class DockerOptions:
    """How the container runs. ``ports`` and ``volumes`` as docker writes them."""

    rehearse: bool = True
    ports: tuple[str, ...] = ()
    volumes: tuple[str, ...] = ()
    network: str = ""
    restart: str = "unless-stopped"
    read_only: bool = True
    cap_drop: tuple[str, ...] = ("ALL",)
    cap_add: tuple[str, ...] = ()
    user: str = ""
    stop_timeout: float = 10.0
    log_max_size: str = "10m"
    log_max_file: int = 3
    base: Literal["scratch", "dockerfile"] = "scratch"
    dockerfile: str = "Dockerfile"
    registry: str = ""
    registry_user: str = ""


@dataclass(frozen=True, slots=True)
class WindowsOptions:
    """How the Windows service runs; times in seconds.

    ``settings``: whether an existing service keeps its own settings (a hotfix of the program) or
    gets those of the profile; ``auto`` keeps those of a service that Slipway did not make.
    ``nssm`` is nssm.exe on the server, ``nssm_file`` one on this computer that is sent there.
    ``smoke`` are the arguments of a trial run of the new program before anything is stopped.
    """

    host: Literal["auto", "native", "wrapped", "nssm"] = "auto"
    settings: Literal["auto", "keep", "profile"] = "auto"
    account: str = "LocalSystem"
    grant_logon: bool = False
    start: Literal["auto", "delayed-auto", "demand"] = "auto"
    restart: tuple[float, ...] = (5.0, 5.0, 60.0)
    display_name: str = ""
    description: str = ""
    dependencies: tuple[str, ...] = ()
    firewall: tuple[int, ...] = ()
    stop_timeout: float = 20.0
    smoke: tuple[str, ...] = ()
    nssm: str = ""
    nssm_file: str = ""
    log_max_size: str = "10m"
    log_max_file: int = 5


@dataclass(frozen=True, slots=True)
class DeployOptions:
    """How it runs on the server. ``secrets`` are names; the values live in the keyring."""

    kind: str = "docker"
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    root: str = ""
    keep: int = 5
    health: HealthOptions = field(default_factory=HealthOptions)
    docker: DockerOptions = field(default_factory=DockerOptions)
    windows: WindowsOptions = field(default_factory=WindowsOptions)


@dataclass(frozen=True, slots=True)
class Target:
    """A server and how to reach it. ``port`` 0: the transport's own default.

    ``scheme``, ``auth`` and ``ca`` (a PEM file of the authority to trust) belong to WinRM.
    """

    address: str
    transport: Literal["ssh", "winrm", "local"] = "ssh"
    port: int = 0
    user: str = ""
    key: str = ""
    scheme: Literal["https", "http"] = "https"
    auth: Literal["ntlm", "kerberos", "basic", "credssp"] = "ntlm"
    ca: str = ""

    def __str__(self) -> str:
        if self.transport == "local":
            return self.address
        name = f"{self.user}@{self.address}" if self.user else self.address
        return f"{name}:{self.port}" if self.port else name


@dataclass(frozen=True, slots=True)
class DeployRequest:
    """Everything a deployment needs to know from the user, never a secret."""

    name: str = ""
    project: ProjectOptions = field(default_factory=ProjectOptions)
    build: BuildOptions = field(default_factory=BuildOptions)
    deploy: DeployOptions = field(default_factory=DeployOptions)
    targets: tuple[Target, ...] = ()
