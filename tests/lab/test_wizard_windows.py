"""The whole wizard against the lab's Windows: a service over WinRM and over SSH, by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from uuid import uuid4

import pytest
from PySide6.QtCore import Qt
from pytestqt.qtbot import QtBot

from tests.lab.hands import (
    DONE,
    FAILED,
    ROLLED_BACK,
    Hands,
    Keyboard,
    Mouse,
    deploy,
    ended,
    leave,
    next_version,
    runs,
    say_how_to_build,
)
from tests.lab.windows_host import WindowsHost
from ui.dialogs import ConfirmDialog, HostKeyDialog, SecretsDialog
from ui.run_dialog import RunDialog
from ui.server_window import ServerWindow
from ui.wizard import Wizard

PROJECTS = Path(__file__).resolve().parent.parent / "projects"

pytestmark = [
    pytest.mark.qt_log_ignore("This plugin does not support", extend=True),
    pytest.mark.timeout(600),  # four deployments each
    pytest.mark.usefixtures("garbage_here"),
]


@dataclass(frozen=True, slots=True)
class Service:
    """What a test deploys, and how it is seen from outside."""

    host: WindowsHost
    folder: Path
    name: str
    port: int

    def version(self) -> str:
        """Return what the service says over HTTP at the machine's own address."""
        return str(json.loads(self.host.witness.http(self.port))["version"])

    def write_source(self, project: str) -> None:
        """Change the program into what another sample project does."""
        shutil.copyfile(PROJECTS / project / "main.go", self.folder / "main.go")

    def clean_up(self) -> None:
        """Remove everything of it from the machine."""
        witness = self.host.witness
        witness.wine("sc", "stop", self.name, check=False)
        witness.wine("sc", "delete", self.name, check=False)
        witness.sh(f"rm -rf '/wine/drive_c/Services/{self.name}'")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[[WindowsHost], Service]]:
    """Return what makes a service with a name and a port of its own, cleaned up afterwards."""
    made: list[Service] = []

    def make(host: WindowsHost) -> Service:
        folder = Path(shutil.copytree(PROJECTS / "good", tmp_path / "my project" / "good"))
        name, port = f"wizard-{uuid4().hex[:8]}", SystemRandom().randrange(20_000, 21_000)
        # the sample listens where PORT says; who has no idea of it finds 8080
        source = folder / "main.go"
        source.write_text(source.read_text().replace('port = "8080"', f'port = "{port}"'))
        made.append(Service(host, folder, name, port))
        return made[-1]

    yield make
    for each in made:
        each.clean_up()


def say_how_it_runs(hands: Hands, service: Service) -> None:
    hands.pick("Windows service")
    hands.enter("Name", service.name)
    hands.choose("How", "Ask a web address (HTTP)")
    hands.enter("Address", f"http://localhost:{service.port}/health")
    hands.enter("Wait at most", "10")
    hands.enter("Stay up for", "1")
    hands.wait_for_words("does not talk to Windows' service control manager")
    hands.press("Next")


def name_server(hands: Hands, host: WindowsHost) -> None:
    hands.pick(
        "A Windows server, over WinRM" if host.transport == "winrm" else "A server, over SSH"
    )
    hands.enter("Address", host.address)
    hands.enter("User", host.user)
    hands.press("Test connection")
    hands.wait_for(HostKeyDialog)
    known = host.fingerprint if host.transport == "winrm" else host.host_key
    assert known.lower() in hands.words().lower()
    certificate = host.transport == "winrm"
    hands.press(f"Trust this {'certificate' if certificate else 'key'} and connect")
    hands.wait_for(SecretsDialog)
    hands.enter("Password", host.password)
    hands.press("Log in")
    hands.wait_for_words("with an administrator's rights")
    hands.press("Next")


def watch_break_and_take_back(hands: Hands, wizard: Wizard, hello: Service) -> None:
    """v1, v2, a broken v3 that is taken back by itself, v4, rolled back."""
    hands.button("Deploy")
    assert deploy(hands, wizard).startswith(DONE)
    assert hello.version() == "v1"
    next_version(hands, wizard, "v2")
    assert deploy(hands, wizard).startswith(DONE)
    assert hello.version() == "v2"
    good = (hello.folder / "main.go").read_text()
    hello.write_source("crashes-at-start")
    next_version(hands, wizard, "v3")
    banner = deploy(hands, wizard)
    assert banner.startswith(FAILED)
    assert "cannot reach the database" in banner
    assert hello.version() == "v2"
    (hello.folder / "main.go").write_text(good)
    next_version(hands, wizard, "v4")
    assert deploy(hands, wizard).startswith(DONE)
    hands.press("Roll back")
    hands.wait_for(ConfirmDialog)
    hands.press("Roll back")
    assert ended(hands, wizard).startswith(ROLLED_BACK)
    assert hello.version() == "v2"


def look_beside(hands: Hands, wizard: Wizard, hello: Service) -> None:
    """Watch the service in the Server window, restart it, and roll back to v1."""
    hands.press("Show server")
    window = hands.wait_for(ServerWindow)
    hands.wait(lambda: "version v2 listens" in window.log.shown, "the service's log")
    hands.press("Restart")
    before = window.log.shown.count("version v2 listens")
    hands.wait_for(ConfirmDialog)
    hands.press("Restart it")
    hands.wait(lambda: window.log.shown.count("version v2 listens") > before, "a restart")
    hands.wait_for_words("Running and healthy")
    hands.open_tab(window, "Releases")
    table = window.releases
    versions = [table.item(row, 1).text() for row in range(table.rowCount())]
    hands.choose_row(table, versions.index("v1"))
    hands.press("Roll back to this…")
    dialog = hands.wait_for(RunDialog)
    hands.press("Roll back")
    hands.button("Close")
    assert dialog.notice.text.startswith(DONE)
    assert hello.version() == "v1"
    hands.press("Close")
    hands.wait_for(ServerWindow)
    leave(hands, window, wizard)


def test_over_winrm_by_mouse(
    qtbot: QtBot,
    wizard: Wizard,
    service: Callable[[WindowsHost], Service],
    windows_hosts: dict[str, WindowsHost],
) -> None:
    host = windows_hosts["windows-winrm"]
    trip(Mouse(qtbot), wizard, service(host))


def test_over_ssh_by_keyboard(
    qtbot: QtBot,
    wizard: Wizard,
    service: Callable[[WindowsHost], Service],
    windows_hosts: dict[str, WindowsHost],
) -> None:
    host = windows_hosts["windows-ssh"]
    trip(Keyboard(qtbot), wizard, service(host))


def trip(hands: Hands, wizard: Wizard, hello: Service) -> None:
    hands.enter("Folder", str(hello.folder))
    hands.key(Qt.Key.Key_Return)
    hands.press("Next")
    say_how_to_build(hands, "v1")
    say_how_it_runs(hands, hello)
    name_server(hands, hello.host)
    watch_break_and_take_back(hands, wizard, hello)
    look_beside(hands, wizard, hello)
    assert runs(hands, wizard) == [
        ("v1", "succeeded"),
        ("v4", "rolled back"),
        ("v3", "failed, all as before"),
        ("v2", "succeeded"),
        ("v1", "succeeded"),
    ]
