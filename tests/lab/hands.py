"""A person's hands on the wizard: mouse or keyboard, and what both of them do."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable
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
    QRadioButton,
    QScrollArea,
    QTableWidget,
    QWidget,
)
from pytestqt.qtbot import QtBot
from shiboken6 import isValid

from ui.history_window import HistoryWindow
from ui.run import Run
from ui.server_window import ServerWindow
from ui.widgets.side_bar import SideBarItem
from ui.wizard import Wizard

PATIENCE = 120_000 if os.name == "nt" else 30_000  # milliseconds; Wine starts programs slowly
SOON = 5_000
NO_MODIFIER = Qt.KeyboardModifier.NoModifier
CONTROL = Qt.KeyboardModifier.ControlModifier
LEFT = Qt.MouseButton.LeftButton
DONE = "Done: it runs and is healthy"
FAILED = "It failed; all is as it was before"
CANCELLED = "Cancelled; all is as it was before"
ROLLED_BACK = "Rolled back"
Kind = TypeVar("Kind", bound=QWidget)


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
        # at Windows a dialog calls itself active as soon as its parent is
        self.wait(
            lambda: QApplication.activeWindow() is front or isinstance(front, QMenu),
            "the window's turn",
        )
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

    def pick(self, name: str) -> None:
        """Pick one of several choices that exclude each other."""
        (radio,) = (
            each
            for each in self.seen(QRadioButton)
            if name in (each.accessibleName(), each.text().replace("&", ""))
        )
        self.turn_to(radio)
        self.qtbot.waitUntil(radio.isChecked)

    @abstractmethod
    def turn_to(self, radio: QRadioButton) -> None:
        """Make a choice the chosen one of its group."""

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

    def turn_to(self, radio: QRadioButton) -> None:
        self.push(radio)

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

    def turn_to(self, radio: QRadioButton) -> None:
        group, window = radio.group(), self.window
        self.go_into(group.checkedButton())
        for _press in group.buttons():
            here = group.checkedButton()
            if here is radio:
                return
            beside = abs(_place(radio, window)[0] - _place(here, window)[0]) < 2
            self.key(Qt.Key.Key_Right if beside else Qt.Key.Key_Down)

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


# What both hands do


def say_how_to_build(hands: Hands, version: str) -> None:
    hands.enter("Version", version)
    hands.enter("Put into", "main.version")
    hands.press("Next")


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


def leave(hands: Hands, window: QWidget, wizard: Wizard) -> None:
    """Close a window beside the wizard, as the desktop's own button or key for it does."""
    window.close()
    with hands.qtbot.waitActive(wizard):
        wizard.activateWindow()


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
