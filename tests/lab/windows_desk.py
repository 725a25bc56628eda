"""A desktop for lab tests of Windows services, and what the lab's Windows needs for them."""

from __future__ import annotations

import json
import subprocess
import tempfile
import urllib.request
from dataclasses import dataclass, replace
from pathlib import Path
from urllib.parse import urlsplit

from app.credentials import Credentials, KnownHosts
from app.errors import UntrustedHost
from app.host import HostFacts, connect
from app.prepare import prepare
from app.request import (
    BuildOptions,
    DeployOptions,
    DeployRequest,
    HealthOptions,
    ProjectOptions,
    Target,
    WindowsOptions,
)
from app.step import Package
from app.transport import Secret, Transport
from tests.lab.desk import Desk, sample
from tests.lab.windows_host import WindowsHost


def windows_request(host: WindowsHost, name: str, port: int, folder: Path) -> DeployRequest:
    """Return a request for the good sample project, quick to judge."""
    target = Target(host.address, "ssh", host.port, host.user, host.key)
    if host.transport == "winrm":
        target = Target(
            host.address,
            "winrm",
            host.port,
            host.user,
            scheme="http" if host.scheme == "http" else "https",
            auth="basic" if host.auth == "basic" else "ntlm",
        )
    return DeployRequest(
        name=name,
        project=sample(folder, "good"),
        build=BuildOptions(version="v1", stamp="main.version"),
        deploy=DeployOptions(
            kind="windows-service",
            # the program takes the port as well from its arguments where Wine gives no environment
            args=(str(port),),
            env={"GREETING": "it's 你好", "PORT": str(port)},
            health=HealthOptions(http=f"http://localhost:{port}/health", timeout=10, stable=0.5),
            windows=WindowsOptions(stop_timeout=5, restart=(1.0, 1.0)),
        ),
        targets=(target,),
    )


# What was built for this process' desks: each sample in each version once, in a folder of its own.
BUILT: dict[str, Package] = {}
BUILDS = tempfile.TemporaryDirectory(prefix="slipway-lab-builds-")


@dataclass(slots=True)
class WindowsDesk(Desk):
    """One desktop, deploying one Windows service over one transport."""

    host: WindowsHost  # type: ignore[assignment]
    held: Transport | None = None

    @property
    def credentials(self) -> Credentials:
        return Credentials(password=Secret(self.host.password))

    def connect(self) -> Transport:
        known = KnownHosts(self.folder / "known_hosts")
        target = self.request.targets[0]
        try:
            return connect(target, self.credentials, known)
        except UntrustedHost as unknown:
            if unknown.fingerprint not in (self.host.host_key, self.host.fingerprint):
                raise
            known.trust(unknown)
            return connect(target, self.credentials, known)

    def connected(self) -> Transport:
        """Use the connection that there is, as the wizard does: connecting costs two programs."""
        if self.held is None:
            self.held = self.connect()
        return self.held.another()

    def package(self, facts: HostFacts) -> Package:
        known = repr((self.request.project.path, self.request.build, facts.platform))
        if known not in BUILT:
            folder = Path(BUILDS.name) / str(len(BUILT))
            BUILT[known] = prepare(self.request, facts.platform, folder)
        return BUILT[known]

    @property
    def port(self) -> int:
        return urlsplit(self.request.deploy.health.http).port or 0

    def with_windows(self, **options: object) -> None:
        windows = replace(self.request.deploy.windows, **options)  # type: ignore[arg-type]
        self.with_deploy(windows=windows)

    def speaking(self, project: str) -> None:
        """Choose a program that talks to the service manager, as the lab's Windows needs it."""
        self.request = replace(self.request, project=speaking_sample(self.folder, project))

    def answer(self) -> str:
        with urllib.request.urlopen(f"http://{self.host.ip}:{self.port}/", timeout=5) as answer:
            text: str = answer.read().decode()
        return text

    @property
    def version(self) -> str:
        """The version that answers; raises OSError if none does."""
        return str(json.loads(self.answer())["version"])

    def containers(self) -> dict[str, str]:
        return {}

    def registered(self) -> str:
        """What the registry says of the service, in Windows' own words; "" if there is none."""
        key = rf"HKLM\SYSTEM\CurrentControlSet\Services\{self.name}"
        done = self.host.witness.wine("reg", "query", key, "/s", check=False)
        return done.stdout.decode("utf-8", "replace") if done.returncode == 0 else ""

    def hang_up(self) -> None:
        """Let go of the connection."""
        if self.held is not None:
            self.held.close()

    def clean_up(self) -> None:
        """Remove everything of the service from the machine."""
        self.hang_up()
        witness = self.host.witness
        if self.registered():
            witness.wine("sc", "stop", self.name, check=False)
            witness.wine("sc", "delete", self.name, check=False)
        witness.sh(f"rm -rf '/wine/drive_c/Services/{self.name}'")


def speaking_sample(folder: Path, project: str) -> ProjectOptions:
    """Return a copy of a sample project that knows under Wine, too, that it is a service.

    Wine runs all processes in session 1; x/sys asks for session 0.
    """
    options = sample(folder, project)
    if not (options.path / "vendor").exists():
        subprocess.run(["go", "mod", "vendor"], cwd=options.path, check=True, capture_output=True)
        source = options.path / "vendor/golang.org/x/sys/windows/svc/security.go"
        text = source.read_text()
        source.write_text(text.replace("parentProcess.SessionID == 0", "true"))
        assert source.read_text() != text
    return options
