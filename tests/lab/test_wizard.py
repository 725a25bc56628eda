"""The whole wizard against real servers, by mouse and by keyboard, as its users have it."""

from __future__ import annotations

import shutil
import socket
import threading
import time
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QWidget
from pytestqt.qtbot import QtBot

from app.events import StepState
from tests.lab.hands import (
    CANCELLED,
    DONE,
    FAILED,
    PATIENCE,
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
    start,
)
from tests.lab.hosts import LabHost
from tests.memory_keyring import MemoryKeyring
from ui.dialogs import ConfirmDialog, HostKeyDialog, SecretsDialog
from ui.pages.facts import FactList
from ui.run_dialog import RunDialog
from ui.server_window import ServerWindow
from ui.wizard import Wizard

PROJECTS = Path(__file__).resolve().parent.parent / "projects"

pytestmark = [
    pytest.mark.qt_log_ignore("This plugin does not support", extend=True),
    pytest.mark.timeout(400),  # five deployments each; half a minute where nothing else runs
    pytest.mark.usefixtures("garbage_here"),
]


# The service, as the world outside of the host sees it


@dataclass(frozen=True, slots=True)
class Service:
    """What a test deploys: its source, where it shall run, and how it is seen from outside."""

    host: LabHost
    folder: Path
    name: str
    port: int

    def version(self) -> str:
        """Return what the service says over HTTP at the host's own address."""
        with urllib.request.urlopen(f"http://{self.host.ip}:{self.port}/", timeout=5) as answer:
            text: str = answer.read().decode()
        return text.partition('"version":"')[2].partition('"')[0]

    def write_source(self, project: str) -> None:
        """Change the program into what another sample project does."""
        shutil.copyfile(PROJECTS / project / "main.go", self.folder / "main.go")

    def containers(self) -> list[str]:
        """Return the names of all its containers."""
        names = self.host.docker("ps", "-a", "--format", "{{.Names}}").splitlines()
        return [each for each in names if each.split(".")[0] == self.name]

    def clean_up(self) -> None:
        """Remove everything of it from the host."""
        images = self.host.docker("images", "-q", f"slipway/{self.name}").split()
        if names := self.containers():
            self.host.docker("rm", "-fv", *names)
        if images:
            self.host.docker("rmi", "-f", *dict.fromkeys(images))
        self.host.root(f"rm -rf /opt/{self.name}")


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Callable[[LabHost], Service]]:
    """Return what makes a service with a name and a port of its own, cleaned up afterwards."""
    made: list[Service] = []

    def make(host: LabHost) -> Service:
        folder = Path(shutil.copytree(PROJECTS / "good", tmp_path / "my project" / "good"))
        name = f"wizard-{uuid.uuid4().hex[:8]}"
        made.append(Service(host, folder, name, SystemRandom().randrange(20_000, 30_000)))
        return made[-1]

    yield make
    for each in made:
        each.clean_up()


class Line:
    """A network between this desktop and a host that is slow when a test wants it so."""

    RATE = 100_000  # bytes a second

    def __init__(self, host: LabHost) -> None:
        self._there = (host.address, host.port)
        self.slow = threading.Event()
        self._listener = socket.socket()
        # little is on its way at any time, so that what waits is seen to wait
        self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
        self._listener.bind(("127.0.0.1", 0))
        self._listener.listen()
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """Take no more connections."""
        self.slow.clear()
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                here, _address = self._listener.accept()
            except OSError:
                return
            there = socket.create_connection(self._there)
            for source, sink in ((here, there), (there, here)):
                sink.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(16_384):
                if self.slow.is_set():
                    time.sleep(len(data) / self.RATE)
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            source.close()
            sink.close()


@pytest.fixture
def line(hosts: dict[str, LabHost]) -> Iterator[Line]:
    """Return the way to bookworm's sshd."""
    made = Line(hosts["bookworm-deploy"])
    yield made
    made.close()


def choose_project(hands: Hands, service: Service) -> None:
    hands.enter("Folder", str(service.folder))
    hands.key(Qt.Key.Key_Return)
    hands.press("Next")


def say_how_it_runs(hands: Hands, service: Service) -> None:
    hands.enter("Name", service.name)
    if not any(each.accessibleName() == "On the server, row 1" for each in hands.seen(QWidget)):
        hands.press("Add port")
    hands.enter("On the server, row 1", str(service.port))
    hands.enter("In the container, row 1", "8080")
    hands.choose("How", "Ask a web address (HTTP)")
    hands.enter("Address", f"http://localhost:{service.port}/health")
    hands.enter("Wait at most", "5")
    hands.enter("Stay up for", "1")


def name_server(hands: Hands, host: LabHost, port: int) -> None:
    hands.enter("Address", host.address)
    hands.enter("User", host.user)
    hands.enter("Port", str(port))
    if host.key:
        hands.enter("Key file", host.key)
    hands.press("Test connection")
    stranger = hands.wait_for(HostKeyDialog)
    assert stranger.error.fingerprint in host.host_keys.values()
    assert stranger.error.fingerprint in hands.words()
    hands.press("Trust this key and connect")


def go_on_to_review(hands: Hands, host: LabHost) -> None:
    """From Method to Review, without a rehearsal: what is bad goes further."""
    hands.press("More options")
    hands.press("Try the new version before the switch")
    hands.press("Next")
    name_server(hands, host, host.port)
    hands.press("Next")


def wait_for_step(hands: Hands, wizard: Wizard, words: str) -> Callable[[], StepState]:
    """Wait until the step with these words in its title is under way; returns its state."""
    rows = wizard.deploy.view.steps.steps.rows
    row = next(each for each in rows if words in each.title.lower())
    hands.qtbot.waitUntil(lambda: row.state is StepState.RUNNING, timeout=PATIENCE)
    return lambda: row.state


def test_by_mouse_with_a_password(
    qtbot: QtBot,
    wizard: Wizard,
    service: Callable[[LabHost], Service],
    hosts: dict[str, LabHost],
    line: Line,
    memory_keyring: MemoryKeyring,
) -> None:
    host = hosts["bookworm-deploy"]
    mouse, hello = Mouse(qtbot), service(host)
    choose_project(mouse, hello)
    say_how_to_build(mouse, "v1")
    say_how_it_runs(mouse, hello)
    mouse.press("Next")
    name_server(mouse, host, line.port)
    mouse.wait_for(SecretsDialog)
    mouse.enter("Password", host.password)
    mouse.press("Remember in the keyring of this computer")
    mouse.press("Log in")
    mouse.press("Next")
    mouse.button("Deploy")
    assert "root by sudo" in mouse_found(wizard)
    assert host.password in memory_keyring.entries.values()
    assert hello.containers() == []
    assert deploy(mouse, wizard).startswith(DONE)
    assert hello.version() == "v1"

    next_version(mouse, wizard, "v2")
    mouse.wait_for_words("Version\nv1\nv2\n")
    assert hello.version() == "v1"
    assert deploy(mouse, wizard).startswith(DONE)
    assert hello.version() == "v2"

    hello.write_source("never-healthy")
    next_version(mouse, wizard, "v3")
    banner = deploy(mouse, wizard)
    assert banner.startswith(FAILED)
    assert "500" in banner
    assert hello.version() == "v2"

    hello.write_source("good")
    next_version(mouse, wizard, "v4")
    line.slow.set()
    start(mouse, wizard)
    upload = wait_for_step(mouse, wizard, "send the image")
    mouse.press("Cancel")
    assert upload() is StepState.RUNNING
    line.slow.clear()
    assert ended(mouse, wizard).startswith(CANCELLED)
    assert hello.version() == "v2"

    mouse.press("Deploy again")
    assert wizard.page is wizard.review
    assert deploy(mouse, wizard).startswith(DONE)
    assert hello.version() == "v4"
    mouse.press("Roll back")
    mouse.wait_for(ConfirmDialog)
    mouse.press("Roll back")
    assert ended(mouse, wizard).startswith(ROLLED_BACK)
    assert hello.version() == "v2"
    look_beside(mouse, wizard, hello, "v1")
    assert runs(mouse, wizard) == [
        ("v1", "succeeded"),
        ("v4", "rolled back"),
        ("v4", "cancelled"),
        ("v3", "failed, all as before"),
        ("v2", "succeeded"),
        ("v1", "succeeded"),
    ]


def test_by_keyboard_with_a_key(
    qtbot: QtBot,
    wizard: Wizard,
    service: Callable[[LabHost], Service],
    hosts: dict[str, LabHost],
) -> None:
    host = hosts["trixie-root"]
    keys, hello = Keyboard(qtbot), service(host)
    choose_project(keys, hello)
    say_how_to_build(keys, "v1")
    say_how_it_runs(keys, hello)
    go_on_to_review(keys, host)
    assert deploy(keys, wizard).startswith(DONE)
    assert hello.version() == "v1"

    next_version(keys, wizard, "v2")
    keys.wait_for_words("Version\nv1\nv2\n")
    assert deploy(keys, wizard).startswith(DONE)
    assert hello.version() == "v2"
    keys.press("Roll back")
    keys.wait_for(ConfirmDialog)
    keys.press("Roll back")
    assert ended(keys, wizard).startswith(ROLLED_BACK)
    assert hello.version() == "v1"

    hello.write_source("crashes-at-start")
    next_version(keys, wizard, "v3")
    banner = deploy(keys, wizard)
    assert banner.startswith(FAILED)
    assert "cannot reach the database" in banner
    assert hello.version() == "v1"

    hello.write_source("slow-healthy")
    next_version(keys, wizard, "v4")
    start(keys, wizard)
    check = wait_for_step(keys, wizard, "health check")
    keys.push(wizard.deploy.cancel_button)
    assert check() is StepState.RUNNING
    assert ended(keys, wizard).startswith(CANCELLED)
    assert hello.version() == "v1"
    assert hello.containers() == [hello.name]

    hello.write_source("good")
    next_version(keys, wizard, "v5")
    assert deploy(keys, wizard).startswith(DONE)
    look_beside(keys, wizard, hello, "v1")
    assert runs(keys, wizard) == [
        ("v1", "succeeded"),
        ("v5", "succeeded"),
        ("v4", "cancelled"),
        ("v3", "failed, all as before"),
        ("v2", "rolled back"),
        ("v1", "succeeded"),
    ]


def mouse_found(wizard: Wizard) -> str:
    """Return what the Server page says was found."""
    facts = wizard.page_at(3).findChildren(FactList)
    return str([each.facts for each in facts])


def look_beside(hands: Hands, wizard: Wizard, service: Service, old: str) -> None:
    """Watch the service in the Server window, restart it, and roll back to an old version."""
    serving = service.version()
    hands.press("Show server")
    window = hands.wait_for(ServerWindow)
    said = f"version {serving} listens on port 8080"
    hands.wait(lambda: said in window.log.shown, said)
    before = window.log.shown.count(said)
    hands.press("Restart")
    hands.wait_for(ConfirmDialog)
    hands.press("Restart it")
    hands.wait(lambda: window.log.shown.count(said) > before, said)
    hands.wait_for_words("Running and healthy")
    assert service.version() == serving

    hands.open_tab(window, "Releases")
    table = window.releases
    versions = [table.item(row, 1).text() for row in range(table.rowCount())]
    hands.choose_row(table, versions.index(serving))
    assert not window.roll_back_button.isEnabled()  # it serves
    hands.choose_row(table, versions.index(old))
    hands.press("Roll back to this…")
    dialog = hands.wait_for(RunDialog)
    hands.wait_for_words(f"Version\n{serving}\n{old}\n")
    assert service.version() == serving
    hands.press("Roll back")
    hands.button("Close")
    assert dialog.notice.text.startswith(DONE)
    assert service.version() == old
    hands.press("Close")
    hands.wait_for(ServerWindow)
    leave(hands, window, wizard)
