"""Windows services on a Windows server, over WinRM, from a Western Windows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app.toolchain import Toolchain
from tests.lab import windows_desktop_trips
from tests.lab.desktop import Desktop
from tests.lab.windows_desk import WindowsDesk, windows_request
from tests.lab.windows_host import WindowsHost, read_windows_hosts
from tests.lab.windows_machines import WESTERN
from tests.windows_trips.conftest import NAME, PORT, Traveller, built_here, with_files

DESKTOP = Desktop("desktop-service", WESTERN, "Windows, code page 1252")

pytestmark = pytest.mark.timeout(900)


@pytest.fixture
def host() -> WindowsHost:
    return next(host for host in read_windows_hosts() if host.name == "windows-winrm")


@pytest.fixture
def desk(host: WindowsHost, tmp_path: Path) -> Iterator[Callable[[str, int], WindowsDesk]]:
    """Return what makes a desk for a service; it is removed before and afterwards."""
    made: list[WindowsDesk] = []

    def make(name: str, port: int) -> WindowsDesk:
        made.append(WindowsDesk(host, windows_request(host, name, port, tmp_path), tmp_path))
        made[-1].clean_up()
        return made[-1]

    yield make
    for each in made:
        each.clean_up()


def test_from_the_window(computer: Traveller, desk: Callable[[str, int], WindowsDesk]) -> None:
    hello = desk(windows_desktop_trips.NAME, windows_desktop_trips.PORT)
    computer.by_hand("test_a_service_over_winrm_by_keyboard")
    assert hello.serves("v1")


def test_from_cmd(
    computer: Traveller, desk: Callable[[str, int], WindowsDesk], go: Toolchain
) -> None:
    hello = desk(NAME, PORT)
    hello.request = with_files(hello.request)
    computer.from_cmd(hello, SLIPWAY_PASSWORD=hello.host.password)
    script = f"sha256sum /wine/drive_c/Services/{NAME}/releases/*-v1/good.exe"
    there = hello.host.witness.sh(script).decode()
    assert there.split()[0] == built_here(hello.request, "windows/amd64", go, hello.folder).sha256
