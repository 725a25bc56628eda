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

# One user of each kind of right, both Linux systems among them.
ONE_OF_EACH = ("bookworm-root", "bookworm-deploy", "trixie-nopass", "trixie-dock")
ONE_OF_EACH_SYSTEM = ("bookworm-root", "trixie-root")


@pytest.fixture(scope="session")
def hosts() -> dict[str, LabHost]:
    """Return every host of the lab by its name, SYSTEM-USER."""
    if not (LAB / "hosts.json").is_file():
        pytest.fail("The lab is not up: python3 dev.py lab up", pytrace=False)
    if not hosts_path().is_file():
        pytest.fail("The lab has hosts for two workers: pytest -n 2", pytrace=False)
    return {host.name: host for host in read_hosts()}


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
