"""The whole window in the hand: keyboard, names for screen readers, drops, notices, no jumps."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDragEnterEvent, QDropEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPlainTextEdit,
    QRadioButton,
    QScrollArea,
    QScrollBar,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.errors import ConnectError, UntrustedHost
from app.events import Line, Progress, StepChanged, StepState
from app.request import KINDS, Target
from app.transport import Secret
from ui import __main__ as program
from ui.crash_dialog import CrashDialog
from ui.dialogs import ConfirmDialog, HostKeyDialog, SecretsDialog, SecretValueDialog
from ui.dropping import DropHint
from ui.notification import Notifier
from ui.pages.deploy import DeployPage
from ui.pages.server import ServerPage
from ui.report import outcome_text
from ui.settings import BegunRun, Settings
from ui.task import Task
from ui.theme import theme
from ui.widgets.basics import Disclosure, Notice
from ui.widgets.form import Field
from ui.widgets.run_view import RunView
from ui.wizard import Wizard

PATIENCE = 60_000  # milliseconds
CONTROLS = (
    QAbstractButton,
    QLineEdit,
    QComboBox,
    QAbstractSpinBox,
    QPlainTextEdit,
    QAbstractItemView,
)


@pytest.fixture
def wizard(qtbot: QtBot) -> Iterator[Wizard]:
    made = program.make_wizard()
    qtbot.addWidget(made)
    made.show()
    made.activateWindow()
    with qtbot.waitActive(made):
        pass
    qtbot.waitUntil(lambda: len(made._pages) == 6, timeout=PATIENCE)
    yield made
    made.close()
    draft = made.draft
    qtbot.waitUntil(
        lambda: not any(task.workers for task in draft.findChildren(Task)), timeout=PATIENCE
    )


# By keyboard


def controls(window: QWidget) -> list[QWidget]:
    """What a person could use now: to be seen, not greyed out, and no part of another control."""
    return [
        each
        for each in window.findChildren(QWidget)
        if isinstance(each, CONTROLS)
        and each.isVisible()
        and each.isEnabled()
        and not _part(each)
        and (isinstance(each, QRadioButton) or each.focusPolicy() & Qt.FocusPolicy.TabFocus)
    ]


def _part(widget: QWidget) -> bool:
    above = widget.parent()
    while above is not None:
        if isinstance(above, QComboBox | QAbstractSpinBox | QLineEdit):
            return True
        above = above.parent()
    return widget.objectName().startswith("qt_")


def walk(qtbot: QtBot, window: QWidget) -> list[QWidget]:
    """Press Tab until the focus is where it began; returns where it has been."""
    first = QApplication.focusWidget()
    assert first is not None
    seen = [first]
    for _time in range(300):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        focus = QApplication.focusWidget()
        assert focus is not None
        if focus is first:
            return seen
        assert focus not in seen, [_text(each) for each in (*seen, focus)]
        seen.append(focus)
    raise AssertionError("Tab never comes back")


def reached(each: QWidget, seen: list[QWidget]) -> bool:
    """Return whether Tab came there; of a group of radio buttons it comes to the chosen one."""
    group = getattr(each, "group", lambda: None)()
    return each in seen or (group is not None and group.checkedButton() in seen)


def place(widget: QWidget, page: QWidget) -> tuple[int, int]:
    at = widget.mapTo(page, QPoint(0, 0))
    return at.y(), at.x()


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_tab_reaches_every_control_of_every_page_from_top_to_bottom(
    qtbot: QtBot, wizard: Wizard, project: Callable[[str], Path], kind: str
) -> None:
    draft = wizard.draft
    wizard.open(project("modules"))
    qtbot.waitUntil(lambda: draft.project is not None, timeout=PATIENCE)
    draft.set("deploy.kind", kind)
    draft.set("deploy.args", ("-v",))
    draft.set("deploy.env", {"PORT": "8080"})
    for index in range(4):
        wizard._show(index)
        page = wizard.page
        for each in page.findChildren(Disclosure):
            each.set_opened(True)
        qtbot.wait(1)
        wizard.side_bar.items[index].setFocus()  # what comes before the page
        seen = walk(qtbot, wizard)
        missing = [each for each in controls(wizard) if not reached(each, seen)]
        assert not missing, (page.title, [(type(e), e.accessibleName(), _text(e)) for e in missing])
        inside = [each for each in seen if page.isAncestorOf(each)]
        after = [each for each in seen if wizard._bar.isAncestorOf(each)]
        assert seen.index(inside[-1]) < seen.index(after[0]), page.title
        # two beside each other may be a few pixels apart in height
        rows = [place(each, page)[0] + each.height() for each in inside]
        backwards = [
            (_text(one), _text(two))
            for one, two, above, beneath in zip(inside, inside[1:], rows, rows[1:], strict=False)
            if place(two, page)[0] + two.height() < place(one, page)[0]
        ]
        assert not backwards, (page.title, backwards)


@pytest.mark.slow
def test_tab_comes_to_a_failure_where_it_is_to_be_seen(
    qtbot: QtBot, wizard: Wizard, project: Callable[[str], Path]
) -> None:
    draft = wizard.draft
    wizard.open(project("modules"))
    qtbot.waitUntil(lambda: draft.project is not None, timeout=PATIENCE)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    draft.set("targets", (Target("127.0.0.1", port=port),))
    wizard._show(3)
    draft.test_connection()
    qtbot.waitUntil(lambda: draft.connecting.error is not None, timeout=PATIENCE)
    page = wizard.page
    assert isinstance(page, ServerPage)
    page._answer.show()  # as if a password were asked for
    wizard.side_bar.items[3].setFocus()
    seen = [_text(each).replace("&", "") for each in walk(qtbot, wizard)]
    wanted = ("Test connection", "Enter the password…", "Copy report", "Back")
    assert [each for each in seen if each in wanted] == list(wanted), seen


def _text(widget: QWidget) -> str:
    return widget.accessibleName() or str(getattr(widget, "text", lambda: "")())


# For screen readers


def assert_told(window: QWidget) -> None:
    """Every control says what it is, and what stands beneath its field as well."""
    nameless = [
        each
        for each in window.findChildren(QWidget)
        if isinstance(each, CONTROLS)
        and not _part(each)
        and each.focusPolicy() != Qt.FocusPolicy.NoFocus
        and not _text(each).strip()
    ]
    assert not nameless, [(type(each), each.parent()) for each in nameless]
    mute = [
        field.key
        for field in window.findChildren(Field)
        if (words := field.problem or field._explanation.text())
        and field.control.accessibleDescription() != words
        and getattr(field.control.focusProxy(), "accessibleDescription", lambda: "")() != words
    ]
    assert not mute


@pytest.mark.parametrize("kind", KINDS)
def test_every_control_of_every_page_is_told(wizard: Wizard, kind: str) -> None:
    wizard.draft.set("deploy.kind", kind)
    wizard.draft.set("deploy.windows.account", "CORP\\hello")
    wizard.draft.set("deploy.secrets", ("DB_PASSWORD",))
    for index in range(6):
        assert_told(wizard.page_at(index))
    assert_told(wizard)


def test_every_control_of_every_dialog_is_told(qtbot: QtBot, wizard: Wizard) -> None:
    unknown = UntrustedHost(
        "web1 is not known yet", host="web1", port=5986, key_type="certificate",
        key_base64="AAAA", fingerprint="SHA256:x",
    )  # fmt: skip
    prompts = (("&Password", False),)
    for dialog in (
        HostKeyDialog(wizard, unknown),
        ConfirmDialog(wizard, "Release the lock?", "Really?", "&Release"),
        SecretsDialog(wizard, "Password", "why", prompts, "&Log in", remember=True),
        SecretValueDialog(wizard, "", ()),
        CrashDialog("report"),
    ):
        qtbot.addWidget(dialog)
        dialog.show()
        assert dialog.accessibleName() or dialog.windowTitle()
        assert_told(dialog)
        buttons = [each.text().replace("&", "") for each in dialog.findChildren(QAbstractButton)]
        assert not {"OK", "Yes", "No"} & set(buttons), buttons  # they name what they do
        dialog.close()


# Trying to go on


def test_next_tried_too_early_leads_to_the_first_problem(qtbot: QtBot, wizard: Wizard) -> None:
    wizard._show(2)
    wizard.draft.set("name", "No name")
    QApplication.focusWidget().clearFocus()
    assert not wizard.next_button.isEnabled()
    assert "can't be a service's name" in wizard._reason.words
    for attempt in ("key", "click"):
        wizard.side_bar.items[2].setFocus()
        if attempt == "key":
            qtbot.keyClick(wizard, Qt.Key.Key_N, Qt.KeyboardModifier.AltModifier)
        else:
            qtbot.mouseClick(wizard._reason, Qt.MouseButton.LeftButton)
        focus = QApplication.focusWidget()
        assert isinstance(focus, QLineEdit)
        assert focus.text() == "No name"
    field = next(each for each in wizard.page.findChildren(Field) if each.key == "name")
    assert field.control.property("bad")


def test_a_problem_that_is_folded_away_is_unfolded(qtbot: QtBot, wizard: Wizard) -> None:
    wizard._show(1)
    wizard.draft.set("build.ldflags", "-s\n-w")
    folded = wizard.page.findChildren(Disclosure)[-1]
    folded.set_opened(False)
    wizard.show_problem()
    fields = [each for each in wizard.page.findChildren(Field) if each.blocked]
    assert fields[0].isVisible()
    assert fields[0].control.hasFocus()


def test_what_is_unfolded_comes_into_sight(qtbot: QtBot, wizard: Wizard) -> None:
    wizard._show(1)
    wizard.resize(1000, 600)
    folded = wizard.page.findChildren(Disclosure)[-1]
    folded.set_opened(False)
    bar = wizard._frames[1].verticalScrollBar()  # type: ignore[union-attr]
    bar.setValue(0)
    qtbot.keyClick(folded.button, Qt.Key.Key_Space)

    def heading_and_content_show() -> bool:
        top = folded.mapTo(wizard._frames[1], QPoint(0, 0)).y()
        bottom = top + folded.height()
        return top >= 0 and (bottom <= wizard._frames[1].height() or top < 40)

    qtbot.waitUntil(heading_and_content_show)


# Dropping


OFFERED = Qt.DropAction.CopyAction | Qt.DropAction.MoveAction


def drop(window: QWidget, *urls: QUrl) -> bool:
    """Drag over the window and drop; returns whether it was taken."""
    data = QMimeData()
    data.setUrls(list(urls))
    left, none = Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    enter = QDragEnterEvent(QPoint(300, 300), OFFERED, data, left, none)
    enter.setAccepted(False)
    QApplication.sendEvent(window, enter)
    hint = window.findChildren(DropHint)[0]
    assert hint.isVisible() == enter.isAccepted()
    if enter.isAccepted():
        event = QDropEvent(QPointF(300, 300), OFFERED, data, left, none)
        event.setDropAction(Qt.DropAction.MoveAction)
        QApplication.sendEvent(window, event)
        assert event.dropAction() is Qt.DropAction.CopyAction, "the file manager would delete it"
        assert not hint.isVisible()
    return enter.isAccepted()


def test_a_project_is_dropped_on_the_window(
    qtbot: QtBot, wizard: Wizard, project: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = project("good")
    wizard._show(2)  # on whatever page it is
    assert not drop(wizard, QUrl("https://example.com/"))
    assert not drop(wizard, QUrl.fromLocalFile(str(folder / "main.go")))
    assert drop(wizard, QUrl.fromLocalFile(str(folder / "go.mod")))
    assert wizard.index == 0
    assert wizard.draft.request.project.path == folder
    profile = tmp_path / "slipway.toml"
    text = f'name = "dropped"\n[project]\npath = "{folder.as_posix()}"\n'
    profile.write_text(text, encoding="utf-8")
    assert drop(wizard, QUrl.fromLocalFile(str(profile)))
    qtbot.waitUntil(lambda: wizard.draft.request.name == "dropped", timeout=PATIENCE)


# Nothing jumps


def geometry(page: QWidget) -> dict[str, QRect]:
    return {
        f"{number} {type(each).__name__}": QRect(each.mapTo(page, QPoint(0, 0)), each.size())
        for number, each in enumerate(page.findChildren(QWidget))
        if each.isVisible()
        and not each.objectName().startswith("qt_")
        and not isinstance(each, QScrollBar)  # one comes with the first long line
    }


def test_nothing_moves_while_lines_flow(qtbot: QtBot, wizard: Wizard) -> None:
    page = wizard.deploy
    assert isinstance(page, DeployPage)
    wizard._show(5)
    view = page.findChild(RunView)
    assert view is not None
    view.show_rows([f"Step {number} with a name that is rather long" for number in range(9)])
    view.take([StepChanged(0, StepState.RUNNING), Line(0, "stdout", "first line")])
    qtbot.waitUntil(lambda: view.log.settled)
    qtbot.wait(50)
    before = geometry(page)
    for number in range(9):
        lines = [Line(number, "stdout", f"{number} {each} " + "x" * each) for each in range(200)]
        view.take([StepChanged(number, StepState.RUNNING), *lines])
        view.take([Progress(number, 5_000_000, 30_000_000), Line(number, "stderr", "y" * 3000)])
        view.take([StepChanged(number, StepState.DONE)])
        qtbot.waitUntil(lambda: view.log.settled)
        assert geometry(page) == before


# Telling


def test_who_looks_elsewhere_is_told(qtbot: QtBot, wizard: Wizard) -> None:
    notifier = Notifier(wizard)
    assert notifier.tell("Deploy hello", "succeeded") == "seen"
    other = QLabel("another window")
    qtbot.addWidget(other)
    other.show()
    other.activateWindow()
    with qtbot.waitActive(other):
        pass
    assert not wizard.isActiveWindow()
    assert notifier.tell("Deploy hello", outcome_text(None)) in ("tray", "alert")


def test_every_failure_can_be_copied_without_what_was_typed(qtbot: QtBot, wizard: Wizard) -> None:
    dialog = SecretsDialog(wizard, "Password", "", (("P", False),), "&Log in", remember=False)
    qtbot.addWidget(dialog)
    dialog._edits[0].setText("hunter2-typed")
    assert dialog.secrets == (Secret("hunter2-typed"),)
    wizard._show(3)
    notice = wizard.page.notice
    notice.say_error(ConnectError("No", "it said hunter2-typed to https://me:s3cret@host/", "Try"))
    assert notice._copy is not None
    assert notice._copy.isVisible()
    notice._copy.click()
    report = QApplication.clipboard().text()
    assert "No\nit said" in report
    assert "Slipway " in report
    assert "PySide6" in report
    assert "hunter2" not in report
    assert "s3cret" not in report
    notice.say("info", "calm again")
    assert not notice._copy.isVisible()


# Looks, and what is remembered


def test_high_contrast_is_chosen_remembered_and_comes_back(
    qtbot: QtBot, wizard: Wizard, tmp_path: Path
) -> None:
    menu = wizard.menus.appearance
    chosen = {str(action.data()): action for action in menu.actions()}
    assert [code for code, action in chosen.items() if action.isChecked()] == ["system"]
    calm = theme().colours
    chosen["contrast"].trigger()
    try:
        assert theme().contrast
        assert theme().colours is not calm
        assert Settings(wizard.draft.settings.path).appearance == "contrast"
        again = program.make_wizard()
        qtbot.addWidget(again)
        assert theme().contrast
        again.close()
    finally:
        chosen["system"].trigger()
    assert not theme().contrast


def test_a_new_project_begins_with_how_and_where_the_last_one_ran(
    qtbot: QtBot, project: Callable[[str], Path]
) -> None:
    settings = Settings()
    settings.remember_target(Target("win1", transport="winrm", user="Administrator"))
    settings.remember_target(Target("web1", user="deploy"), "linux/amd64")  # runs no such service
    settings.remember_kind("windows-service")
    made = program.make_wizard()
    qtbot.addWidget(made)
    made.open(project("good"))
    assert made.draft.request.deploy.kind == "windows-service"
    assert made.draft.target == Target("win1", transport="winrm", user="Administrator")
    made.close()


def test_a_run_whose_end_was_not_seen_is_told_at_the_start(
    qtbot: QtBot, project: Callable[[str], Path]
) -> None:
    folder, other = project("good"), project("exits-zero")
    settings = Settings()
    settings.remember_project(folder)
    settings.remember_run(folder, BegunRun("Deploy hello v2 to web1", "hello", "web1"))
    made = program.make_wizard()
    qtbot.addWidget(made)
    made.show()

    def told() -> bool:
        return any("Deploy hello v2 to web1" in each.text for each in made.findChildren(Notice))

    assert told()
    made.open(other)
    qtbot.waitUntil(lambda: made.draft.project is not None, timeout=PATIENCE)
    assert not told()
    made.open(folder)
    qtbot.waitUntil(lambda: made.draft.request.project.path == folder, timeout=PATIENCE)
    qtbot.waitUntil(told, timeout=PATIENCE)
    made.close()


@pytest.mark.parametrize("scale", [1.0, 1.5, 2.0])
def test_no_page_is_wider_than_the_smallest_window(
    qtbot: QtBot, wizard: Wizard, scale: float
) -> None:
    """Scaling by the system changes nothing of this; larger text in the settings does."""
    font = QApplication.font()
    larger = QApplication.font()
    larger.setPointSizeF(font.pointSizeF() * (1 + (scale - 1) / 4))
    QApplication.setFont(larger)
    try:
        wizard.resize(wizard.minimumSize())
        wizard.draft.set("deploy.kind", "windows-service")
        for index in range(4):
            wizard._show(index)
            qtbot.wait(1)
            frame = wizard._frames[index]
            assert isinstance(frame, QScrollArea)
            assert frame.widget().width() <= frame.viewport().width()
            assert wizard.page.minimumSizeHint().width() <= frame.viewport().width(), index
    finally:
        QApplication.setFont(font)
