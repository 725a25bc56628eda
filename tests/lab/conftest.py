"""Fixtures of the lab: its hosts, its engine, its registry. A lab that is not up is a failure."""

from __future__ import annotations

import gc
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from pytestqt.qtbot import QtBot

from app.cli import main
from tests.command_line import Answer, Run
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
from tests.lab.vocabulary import build_twin
from tests.lab.windows_host import WindowsHost, WindowsWitness, read_windows_hosts

if TYPE_CHECKING:
    from ui.wizard import Wizard

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


@pytest.fixture(scope="module")
def twin(
    windows_machine: WindowsWitness, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """Return the folder where twin.exe lies in the machine, as vocabulary.Windows wants it."""
    folder = rf"C:\twin-{secrets.token_hex(4)}"
    program = build_twin(tmp_path_factory.mktemp("twin"))
    windows_machine.write(rf"{folder}\twin.exe", program.read_bytes())
    yield folder
    windows_machine.wine("cmd", "/c", "rmdir", "/s", "/q", folder, check=False)


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


@pytest.fixture
def garbage_here() -> Iterator[None]:
    """Collect garbage on this thread only, as the application does: see ui/garbage.py."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture
def wizard(qtbot: QtBot) -> Iterator[Wizard]:
    """Return the wizard's window as the program makes it; afterwards its threads are gone."""
    from ui import __main__ as program
    from ui.task import Task
    from ui.theme import theme

    theme()
    made = program.make_wizard()
    qtbot.addWidget(made)
    made.show()
    with qtbot.waitActive(made, timeout=30_000):
        made.activateWindow()
    qtbot.waitUntil(lambda: len(made._pages) == 6, timeout=30_000)
    yield made
    if made.deploying and made.deploy.run is not None:
        made.deploy.run.cancel()
        qtbot.waitUntil(lambda: not made.deploying, timeout=30_000)
    made.close()
    tasks = made.draft.findChildren(Task)
    qtbot.waitUntil(lambda: not any(task.workers for task in tasks), timeout=30_000)


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run one command in this process."""

    def command(*arguments: str | Path) -> Answer:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Answer(code, *capfd.readouterr())

    return command
