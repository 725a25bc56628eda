"""Containers on a Linux server, over SSH, from a Chinese Windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.image import make_image
from app.toolchain import Toolchain
from tests.lab import windows_desktop_trips
from tests.lab.desk import Desk, build_request
from tests.lab.desktop import Desktop
from tests.lab.hosts import LabHost, read_hosts
from tests.lab.windows_machines import CHINESE
from tests.windows_trips.conftest import KEY, NAME, PORT, Traveller, built_here, with_files

DESKTOP = Desktop("desktop-container", CHINESE, "Windows in Chinese, code page 936")

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def host() -> LabHost:
    return next(host for host in read_hosts() if host.name == "trixie-root")


@pytest.fixture
def desk(host: LabHost, tmp_path: Path) -> Iterator[Callable[[str, int], Desk]]:
    """Return what makes a desk for a service; it is removed before and afterwards."""
    made: list[Desk] = []

    def make(name: str, port: int) -> Desk:
        there = replace(host, address=host.ip, port=22, key=KEY)
        made.append(Desk(host, build_request(there, name, port, tmp_path), tmp_path))
        made[-1].clean_up()
        return made[-1]

    yield make
    for each in made:
        each.clean_up()


def check_image(desk: Desk, go: Toolchain) -> None:
    """The container that runs is of the very image that Linux makes."""
    artifact = built_here(desk.request, "linux/amd64", go, desk.folder)
    image = make_image(artifact, desk.name, go.zoneinfo)
    # containerd's store, which trixie has, knows an image by its manifest
    assert desk.host.docker("inspect", "-f", "{{.Image}}", desk.name) == image.manifest_digest


def test_from_the_window(
    computer: Traveller, desk: Callable[[str, int], Desk], go: Toolchain
) -> None:
    hello = desk(windows_desktop_trips.NAME, windows_desktop_trips.PORT)
    computer.by_hand("test_a_container_over_ssh_by_mouse")
    assert hello.serves("v1")
    check_image(hello, go)


def test_from_cmd(computer: Traveller, desk: Callable[[str, int], Desk], go: Toolchain) -> None:
    hello = desk(NAME, PORT)
    hello.request = with_files(hello.request)
    computer.from_cmd(hello)
    check_image(hello, go)
