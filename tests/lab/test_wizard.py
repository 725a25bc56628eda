"""The whole wizard against real servers, by mouse and by keyboard, as its users have it."""

from __future__ import annotations

import gc
import shutil
import socket
import threading
import time
import urllib.request
import uuid
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom
from typing import TypeVar

import pytest
from PySide6.QtCore import QPoint, QPointF, QRect, Qt
from PySide6.QtGui import QAction, QInputMethodEvent
from PySide6.QtTest import QTest
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QComboBox,
    QLabel,
    QMenu,
    QScrollArea,
    QTableWidget,
    QWidget,
)
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from app.events import StepState
from tests.lab.hosts import LabHost
from tests.memory_keyring import MemoryKeyring
from ui import __main__ as program
from ui.dialogs import HostKeyDialog, SecretsDialog
from ui.history_window import HistoryWindow
from ui.pages.facts import FactList
from ui.run import Run
from ui.run_dialog import RunDialog
from ui.server_window import ServerWindow
from ui.task import Task
from ui.theme import theme
from ui.widgets.side_bar import SideBarItem
from ui.wizard import Wizard

PATIENCE = 30_000  # milliseconds
SOON = 5_000
PROJECTS = Path(__file__).resolve().parent.parent / "projects"
NO_MODIFIER = Qt.KeyboardModifier.NoModifier
CONTROL = Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton
DONE = "Done: it runs and is healthy"
FAILED = "It failed; what ran before still runs"
CANCELLED = "Cancelled; what ran before still runs"
ROLLED_BACK = "Rolled back; what ran before runs again"
Kind = TypeVar("Kind", bound=QWidget)

pytestmark = [
    pytest.mark.qt_log_ignore("This plugin does not support", extend=True),
    pytest.mark.timeout(400),  # five deployments each; half a minute where nothing else runs
]


@pytest.fixture(autouse=True)
def _collect_here() -> Iterator[None]:
    """Collect garbage on this thread only, as the application does: see ui/garbage.py."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


# Hands: what they do is what a person can do, and what they find is what a person sees.


class Hands(ABC):
    """Finds controls of the window in front by the words that they show, and uses them."""

    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot = qtbot
        self._fronts: list[QWidget] = []

    @property
    def window(self) -> QWidget:
        """What is in front: a menu, else a dialog, else the active window."""
        front = QApplication.activePopupWidget() or QApplication.activeModalWidget()
        if front is not None:
            return front
        active = QApplication.activeWindow()
        if active is None:  # a dialog has gone, and there is no desktop to say who comes next
            open_now = [each for each in self._fronts if isValid(each) and each.isVisible()]
            active = open_now[-1]
            active.activateWindow()
        if active in self._fronts:
            self._fronts.remove(active)
        self._fronts.append(active)
        return active

    @property
    def focus(self) -> QWidget:
        """Where keys go."""
        return QApplication.focusWidget() or self.window

    def seen(self, kind: type[Kind]) -> list[Kind]:
        """Return what of a kind is to be seen in front."""
        return [each for each in self.window.findChildren(kind) if each.isVisible()]

    def named(self, name: str) -> QWidget:
        """Return the control that a label or a screen reader calls so."""
        found = [each for each in self.seen(QWidget) if each.accessibleName() == name]
        assert len(found) == 1, (name, found)
        return found[0]

    def button(self, text: str) -> QAbstractButton:
        """Wait for the button or box with these words, and until it can be pressed."""

        def ready() -> list[QAbstractButton]:
            return [
                each
                for each in self.seen(QAbstractButton)
                if each.text().replace("&", "") == text
                and each.isEnabled()
                and not isinstance(each, SideBarItem)
            ]

        self.wait(lambda: len(ready()) == 1, text)
        return ready()[0]

    def wait(self, condition: Callable[[], bool], what: str) -> None:
        """Wait until a condition holds; says what was to be seen instead if it never does."""
        try:
            self.qtbot.waitUntil(condition, timeout=PATIENCE)
        except self.qtbot.TimeoutError:
            pytest.fail(f"waited in vain for “{what}” in front of:\n{self.words()}")

    def press(self, text: str) -> None:
        """Press a button, or tick a box."""
        pressed = self.button(text)
        with self.qtbot.waitSignal(pressed.clicked, timeout=SOON):
            self.push(pressed)

    def enter(self, name: str, text: str) -> None:
        """Put the text in the place of what stands in a control."""
        control = self.named(name)
        self.go_into(control)
        assert control is self.focus or control.isAncestorOf(self.focus)
        self.key(Qt.Key.Key_A, CONTROL)
        self.write(text)

    def write(self, text: str) -> None:
        """Type a text; what no key makes comes from an input method."""
        for character in text:
            if character.isascii():
                self.qtbot.keyClicks(self.focus, character)
            else:
                event = QInputMethodEvent()
                event.setCommitString(character)
                QApplication.sendEvent(self.focus, event)

    def key(self, key: Qt.Key, modifier: Qt.KeyboardModifier = NO_MODIFIER) -> None:
        """Press a key."""
        self.qtbot.keyClick(self.focus, key, modifier)

    def wait_for(self, kind: type[Kind]) -> Kind:
        """Wait until a window or dialog of this kind is in front."""
        self.wait(lambda: isinstance(self.window, kind), kind.__name__)
        front = self.window
        assert isinstance(front, kind)
        self.wait(lambda: front.isActiveWindow() or isinstance(front, QMenu), "the window's turn")
        return front

    def wait_for_words(self, words: str) -> None:
        """Wait until labels in front say these words."""
        self.wait(lambda: words in self.words(), words)

    def words(self) -> str:
        """Return all that labels say in front; what lets long words break is left out."""
        return "\n".join(each.text() for each in self.seen(QLabel)).replace("\u200b", "")

    @abstractmethod
    def go_into(self, control: QWidget) -> None:
        """Give a control the focus."""

    @abstractmethod
    def push(self, button: QAbstractButton) -> None:
        """Push a button or a box."""

    @abstractmethod
    def choose(self, name: str, text: str) -> None:
        """Choose one of the texts of a box."""

    @abstractmethod
    def choose_row(self, table: QTableWidget, row: int) -> None:
        """Choose a row of a table."""

    @abstractmethod
    def open_tab(self, window: ServerWindow, text: str) -> None:
        """Bring another tab to the front."""

    @abstractmethod
    def open_history(self, wizard: Wizard) -> None:
        """Open the history from the wizard's menu."""


class Mouse(Hands):
    """Clicks where things are on the screen: what is hidden or covered is not hit."""

    def click(self, widget: QWidget, where: QPoint | None = None) -> None:
        self._scroll_to(widget)
        window = widget.window()
        place = widget.mapTo(window, where or widget.rect().center())
        hit = window.childAt(place) or window
        assert hit is widget or widget.isAncestorOf(hit), (widget, hit)
        self.qtbot.mouseClick(window.windowHandle(), LEFT, NO_MODIFIER, place)

    def _scroll_to(self, widget: QWidget) -> None:
        """Turn the wheel until the widget is in view."""
        area = widget
        while not isinstance(area, QScrollArea):
            if area.isWindow():
                return
            area = area.parentWidget()
        view = area.viewport()
        at = QPointF(view.mapTo(area.window(), QPoint(4, view.height() // 2)))

        def outside() -> int:
            place = QRect(widget.mapTo(view, QPoint(0, 0)), widget.size())
            height = min(place.height(), view.height())
            return min(place.top(), 0) or max(place.top() + height - view.height(), 0)

        self.qtbot.wait(20)  # until what has just appeared has its place
        for _turn in range(100):
            if not (distance := outside()):
                return
            turn = QPoint(0, -30 if distance > 0 else 30)
            QTest.wheelEvent(area.window().windowHandle(), at, turn)
        raise AssertionError(f"the wheel never brings {widget} into view")

    def go_into(self, control: QWidget) -> None:
        self.click(control)

    def push(self, button: QAbstractButton) -> None:
        self.click(button, QPoint(10, button.height() // 2))

    def choose(self, name: str, text: str) -> None:
        box = self.named(name)
        assert isinstance(box, QComboBox)
        self.click(box)
        self.qtbot.waitUntil(lambda: QApplication.activePopupWidget() is not None)
        # up to here the second click would be a double click, which leaves the list open
        self.qtbot.wait(QApplication.doubleClickInterval() + 50)
        view = box.view()
        place = view.visualRect(view.model().index(box.findText(text), 0)).center()
        self.click(view.viewport(), place)
        self.qtbot.waitUntil(lambda: box.currentText() == text)

    def choose_row(self, table: QTableWidget, row: int) -> None:
        self.click(table.viewport(), table.visualItemRect(table.item(row, 0)).center())

    def open_tab(self, window: ServerWindow, text: str) -> None:
        bar = window.tabs.tabBar()
        texts = [bar.tabText(index).replace("&", "") for index in range(bar.count())]
        self.click(bar, bar.tabRect(texts.index(text)).center())

    def open_history(self, wizard: Wizard) -> None:
        bar = wizard.menuBar()
        self.click(bar, bar.actionGeometry(_action(bar, "View")).center())
        menu = self.wait_for(QMenu)
        self.click(menu, menu.actionGeometry(_action(menu, "History…")).center())


class Keyboard(Hands):
    """Has no mouse: Tab and Shift+Tab, arrows, Space and Enter, Alt and an underlined letter."""

    def go_into(self, control: QWidget) -> None:
        window = self.window
        for _time in range(150):
            focus = self.focus
            if focus is control or control.isAncestorOf(focus):
                return
            back = window.isAncestorOf(focus) and _place(control, window) < _place(focus, window)
            self.key(Qt.Key.Key_Backtab if back else Qt.Key.Key_Tab)
        raise AssertionError(f"Tab never comes to {control} “{control.accessibleName()}”")

    def push(self, button: QAbstractButton) -> None:
        text = button.text()
        if "&" in text:
            letter = text[text.index("&") + 1].upper()
            self.key(Qt.Key[f"Key_{letter}"], Qt.KeyboardModifier.AltModifier)
        else:
            self.go_into(button)
            self.key(Qt.Key.Key_Space)

    def choose(self, name: str, text: str) -> None:
        box = self.named(name)
        assert isinstance(box, QComboBox)
        self.go_into(box)
        self.key(Qt.Key.Key_Home)
        while box.currentText() != text:
            before = box.currentIndex()
            self.key(Qt.Key.Key_Down)
            assert box.currentIndex() != before, text

    def choose_row(self, table: QTableWidget, row: int) -> None:
        self.go_into(table)
        self.key(Qt.Key.Key_Home, CONTROL)
        for _step in range(row):
            self.key(Qt.Key.Key_Down)
        assert table.currentRow() == row

    def open_tab(self, window: ServerWindow, text: str) -> None:
        shown = [window.tabs.tabText(index) for index in range(window.tabs.count())]
        wanted = next(each for each in shown if each.replace("&", "") == text)
        letter = wanted[wanted.index("&") + 1].upper()
        self.key(Qt.Key[f"Key_{letter}"], Qt.KeyboardModifier.AltModifier)

    def open_history(self, wizard: Wizard) -> None:
        self.key(Qt.Key.Key_H, CONTROL)


def _action(menu: QWidget, text: str) -> QAction:
    return next(each for each in menu.actions() if each.text().replace("&", "") == text)


def _place(widget: QWidget, window: QWidget) -> tuple[int, int]:
    """Return where one comes to a widget when reading, rows being 10 pixels apart or more."""
    centre = widget.mapTo(window, widget.rect().center())
    return centre.y() // 10, centre.x()


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


@pytest.fixture
def wizard(qtbot: QtBot) -> Iterator[Wizard]:
    """Return the wizard's window as the program makes it; afterwards its threads are gone."""
    theme()
    made = program.make_wizard()
    qtbot.addWidget(made)
    made.show()
    with qtbot.waitActive(made):
        made.activateWindow()
    qtbot.waitUntil(lambda: len(made._pages) == 6)
    yield made
    if made.deploying and made.deploy.run is not None:
        made.deploy.run.cancel()
        qtbot.waitUntil(lambda: not made.deploying, timeout=PATIENCE)
    made.close()
    tasks = made.draft.findChildren(Task)
    qtbot.waitUntil(lambda: not any(task.workers for task in tasks), timeout=PATIENCE)


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


# What both hands do


def choose_project(hands: Hands, service: Service) -> None:
    hands.enter("Folder", str(service.folder))
    hands.key(Qt.Key.Key_Return)
    hands.press("Next")


def say_how_to_build(hands: Hands, version: str) -> None:
    hands.enter("Version", version)
    hands.enter("Put into", "main.version")
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


def start(hands: Hands, wizard: Wizard) -> Run:
    """Press Deploy on Review; returns the run."""
    hands.press("Deploy")
    run = wizard.deploy.run
    assert run is not None
    return run


def deploy(hands: Hands, wizard: Wizard) -> str:
    """Press Deploy on Review and watch; returns what the banner says at the end."""
    start(hands, wizard)
    return ended(hands, wizard)


def ended(hands: Hands, wizard: Wizard) -> str:
    hands.qtbot.waitUntil(lambda: not wizard.deploying, timeout=PATIENCE)
    banner = wizard.deploy.notice
    assert banner.isVisible()
    return banner.text


def show_page(hands: Hands, wizard: Wizard, title: str) -> None:
    """Choose a page in the side bar."""
    item = next(each for each in hands.seen(SideBarItem) if each.text() == title)
    hands.push(item)
    assert wizard.page.title == title


def next_version(hands: Hands, wizard: Wizard, version: str) -> None:
    """Type another version, and go on to Review."""
    show_page(hands, wizard, "Build")
    hands.enter("Version", version)
    for _page in range(3):
        hands.press("Next")
    assert wizard.page is wizard.review
    hands.button("Deploy")  # the plan is there


def wait_for_step(hands: Hands, wizard: Wizard, words: str) -> Callable[[], StepState]:
    """Wait until the step with these words in its title is under way; returns its state."""
    rows = wizard.deploy.view.steps.steps.rows
    row = next(each for each in rows if words in each.title.lower())
    hands.qtbot.waitUntil(lambda: row.state is StepState.RUNNING, timeout=PATIENCE)
    return lambda: row.state


def leave(hands: Hands, window: QWidget, wizard: Wizard) -> None:
    """Close a window beside the wizard, as the desktop's own button or key for it does."""
    window.close()
    with hands.qtbot.waitActive(wizard):
        wizard.activateWindow()


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
    assert ended(mouse, wizard).startswith(ROLLED_BACK)
    assert hello.version() == "v2"
    look_beside(mouse, wizard, hello, "v1")
    assert runs(mouse, wizard) == [
        ("v1", "succeeded"),
        ("v4", "rolled back"),
        ("v4", "cancelled"),
        ("v3", "failed, old version serves"),
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
    keys.press("More options")
    keys.press("Try the new version before the switch")  # it is ticked: what is bad goes further
    keys.press("Next")
    name_server(keys, host, host.port)
    keys.press("Next")
    assert deploy(keys, wizard).startswith(DONE)
    assert hello.version() == "v1"

    next_version(keys, wizard, "v2")
    keys.wait_for_words("Version\nv1\nv2\n")
    assert deploy(keys, wizard).startswith(DONE)
    assert hello.version() == "v2"
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
    assert keys.focus is wizard.deploy.cancel_button
    keys.key(Qt.Key.Key_Space)
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
        ("v3", "failed, old version serves"),
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


def runs(hands: Hands, wizard: Wizard) -> list[tuple[str, str]]:
    """Open the history; returns versions and outcomes as it shows them, newest first."""
    hands.open_history(wizard)
    window = hands.wait_for(HistoryWindow)
    model = window.table.model()
    hands.wait(lambda: model.rowCount() > 0, "runs")
    hands.wait(lambda: "healthy" in window.log.shown, "the log of the newest run")
    found = [
        (str(model.index(row, 2).data()), str(model.index(row, 3).data()))
        for row in range(model.rowCount())
    ]
    leave(hands, window, wizard)
    return found
