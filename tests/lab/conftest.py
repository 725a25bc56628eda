"""Fixtures of the lab: its hosts, its engine, its registry. A lab that is not up is a failure."""

from __future__ import annotations

import pytest

from tests.lab.hosts import (
    LAB,
    LabEngine,
    LabHost,
    LabRegistry,
    hosts_path,
    read_engine,
    read_hosts,
    read_registry,
)
from tests.lab.windows_host import WindowsHost, WindowsWitness, read_windows_hosts

# One user of each kind of right, both Linux systems among them.
ONE_OF_EACH = ("bookworm-root", "bookworm-deploy", "trixie-nopass", "trixie-dock")
ONE_OF_EACH_SYSTEM = ("bookworm-root", "trixie-root")


@pytest.fixture(scope="session")
def hosts() -> dict[str, LabHost]:
    """Return every Linux host of the lab by its name, SYSTEM-USER."""
    _check_lab()
    return {host.name: host for host in read_hosts()}


@pytest.fixture(scope="session")
def windows_hosts() -> dict[str, WindowsHost]:
    """Return every way to this worker's Windows machine by its name, like windows-winrm."""
    _check_lab()
    return {host.name: host for host in read_windows_hosts()}


@pytest.fixture(scope="session")
def windows_machine(windows_hosts: dict[str, WindowsHost]) -> WindowsWitness:
    """Return a witness in this worker's Windows machine."""
    return next(iter(windows_hosts.values())).witness


def _check_lab() -> None:
    if not (LAB / "hosts.json").is_file():
        pytest.fail("The lab is not up: python3 dev.py lab up", pytrace=False)
    if not hosts_path().is_file():
        pytest.fail("The lab has hosts for two workers: pytest -n 2", pytrace=False)


@pytest.fixture(params=ONE_OF_EACH)
def host(request: pytest.FixtureRequest, hosts: dict[str, LabHost]) -> LabHost:
    """Return one host for each way a user gets root's rights: root, password, nopasswd, none."""
    return hosts[request.param]


@pytest.fixture(params=ONE_OF_EACH_SYSTEM)
def root_host(request: pytest.FixtureRequest, hosts: dict[str, LabHost]) -> LabHost:
    """Return root on each system: Debian 12 (classic image store), Debian 13 (containerd's)."""
    return hosts[request.param]


@pytest.fixture(scope="session")
def engine(hosts: dict[str, LabHost]) -> LabEngine:
    """Return the engine on this machine."""
    return read_engine()


@pytest.fixture(scope="session")
def registry(hosts: dict[str, LabHost]) -> LabRegistry:
    """Return the registry that this machine and all hosts reach at the same address."""
    return read_registry()
