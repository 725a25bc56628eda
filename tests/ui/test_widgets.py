"""The pieces of the pages: amounts, fields, row editors, step list, log view."""

from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QFontMetricsF, QGuiApplication
from PySide6.QtWidgets import (
    QApplication,
    QLabel,
    QLineEdit,
    QScrollArea,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.amounts import Pace, age_text, duration_text, size_text
from app.errors import Problem
from app.events import Line, Outcome, Progress, RunEnded, StepChanged, StepState
from ui.widgets.basics import Disclosure, Notice, button
from ui.widgets.form import Field
from ui.widgets.log_view import ADDED, KEPT, LONGEST, SHOWN, LogView
from ui.widgets.rows import Column, RowsEditor
from ui.widgets.run_view import RunView
from ui.widgets.step_list import StepList, StepModel, title_lines

# Amounts


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (12_400_000, "12.4 MB"),
     (999_960, "1.0 MB"), (5e12, "5000.0 GB")],
)  # fmt: skip
def test_sizes(size: float, text: str) -> None:
    assert size_text(size) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (9.96, "10 s"), (59.6, "1 min 00 s"), (65, "1 min 05 s"),
     (3600, "1 h 00 min"), (7325, "2 h 02 min")],
)  # fmt: skip
def test_durations(seconds: float, text: str) -> None:
    assert duration_text(seconds) == text


def test_ages() -> None:
    assert [age_text(s) for s in (3, 55, 60, 7200, 86400)] == [
        "just now",
        "55 seconds ago",
        "1 minute ago",
        "2 hours ago",
        "1 day ago",
    ]


def test_pace_is_that_of_the_last_seconds() -> None:
    pace = Pace()
    pace.add(0, 0, 100_000_000)
    assert pace.text() == "0 bytes of 100.0 MB"
    pace.add(1, 1_000_000, 100_000_000)
    assert pace.rate == 1_000_000
    for second in range(2, 12):
        pace.add(second, (second - 1) * 10_000_000, 100_000_000)
    assert pace.rate == pytest.approx(10_000_000)
    assert pace.left == 0
    assert pace.text() == "100.0 MB of 100.0 MB · 10.0 MB/s"


# Fields


def field_in(qtbot: QtBot, control: QWidget) -> Field:
    window = QWidget()
    layout = QVBoxLayout(window)
    field = Field("deploy.env", "&Environment", control, "What it sees.")
    layout.addWidget(QLineEdit())
    layout.addWidget(field)
    qtbot.addWidget(window)
    active(qtbot, window)
    field.kept = window  # type: ignore[attr-defined]
    return field


def active(qtbot: QtBot, window: QWidget) -> None:
    window.show()
    window.activateWindow()
    with qtbot.waitActive(window):
        pass


def test_a_field_is_quiet_until_the_user_was_there(qtbot: QtBot) -> None:
    control = QLineEdit()
    field = field_in(qtbot, control)
    field.show_problem(Problem("deploy.env", "It is empty.", "Enter something."))
    assert field.problem == "It is empty. Enter something."
    assert not control.property("bad")
    assert control.accessibleDescription() == field.problem
    control.setFocus()
    field.window().findChildren(QLineEdit)[0].setFocus()
    qtbot.waitUntil(lambda: bool(control.property("bad")))
    field.show_problem(None)
    assert field.problem == ""
    assert not control.property("bad")
    assert control.accessibleDescription() == "What it sees."


def test_a_menu_or_another_window_does_not_count_as_leaving_a_field(qtbot: QtBot) -> None:
    control = QLineEdit()
    field = field_in(qtbot, control)
    field.show_problem(Problem("deploy.env", "It is empty."))
    other = field.window().findChildren(QLineEdit)[0]
    for reason in (
        Qt.FocusReason.PopupFocusReason,
        Qt.FocusReason.MenuBarFocusReason,
        Qt.FocusReason.ActiveWindowFocusReason,
    ):
        control.setFocus()
        other.setFocus(reason)
        assert other.hasFocus()
        assert not control.property("bad"), reason
    control.setFocus()
    other.setFocus(Qt.FocusReason.MouseFocusReason)
    assert control.property("bad")


def test_a_letter_leads_into_a_field_of_several_parts(qtbot: QtBot) -> None:
    rows = RowsEditor((Column("Name"),), "Add")
    window = field_in(qtbot, rows).window()
    window.activateWindow()
    qtbot.waitUntil(window.isActiveWindow)
    qtbot.keyClick(window, Qt.Key.Key_E, Qt.KeyboardModifier.AltModifier)
    qtbot.waitUntil(lambda: rows.isAncestorOf(QApplication.focusWidget()))


def test_a_button_beside_a_field_belongs_to_it(qtbot: QtBot) -> None:
    control, browse = QLineEdit(), button("Browse", print)
    field = Field("deploy.env", "Environment", control, beside=(browse,))
    qtbot.addWidget(field)
    field.show()
    field.activateWindow()
    qtbot.waitUntil(field.isActiveWindow)
    field.show_problem(Problem("deploy.env", "It is empty."))
    control.setFocus()
    browse.setFocus(Qt.FocusReason.MouseFocusReason)
    assert browse.hasFocus()
    assert not control.property("bad")


def test_a_letter_brings_its_field_into_sight(qtbot: QtBot) -> None:
    area, page = QScrollArea(), QWidget()
    qtbot.addWidget(area)
    column = QVBoxLayout(page)
    fields = [Field(f"deploy.{letter}", f"Field &{letter}", QLineEdit()) for letter in "abcdefghij"]
    for each in fields:
        column.addWidget(each)
    area.setWidget(page)
    area.setWidgetResizable(True)
    area.resize(400, 90)
    area.show()
    area.activateWindow()
    qtbot.waitUntil(area.isActiveWindow)
    page.setFocus()

    def led() -> bool:  # under Windows a window that has just come up misses the first key
        qtbot.keyClick(area, Qt.Key.Key_J, Qt.KeyboardModifier.AltModifier)
        return fields[-1].control.hasFocus()

    qtbot.waitUntil(led)
    seen = page.visibleRegion().boundingRect()
    assert seen.contains(fields[-1].geometry().center())


def test_a_fields_label_leads_to_its_control(qtbot: QtBot) -> None:
    control = QSpinBox()
    field = field_in(qtbot, control)
    assert control.accessibleName() == "Environment"
    assert [each.buddy() for each in field.findChildren(QLabel) if each.buddy()] == [control]


def test_a_doubtful_answer_is_no_error(qtbot: QtBot) -> None:
    control = QLineEdit()
    field = field_in(qtbot, control)
    field.touched = True
    field.show_problem(Problem("deploy.env", "Really?", blocking=False))
    assert field.problem == "Really?"
    assert not control.property("bad")


def test_rows_are_added_edited_and_removed_by_keyboard(qtbot: QtBot) -> None:
    editor = RowsEditor([Column("Name"), Column("Value")], "Add")
    qtbot.addWidget(editor)
    changes = []
    editor.changed.connect(lambda: changes.append(editor.values()))
    editor.set_values([("PORT", "8080")])
    assert changes == []
    active(qtbot, editor)
    edits = editor.findChildren(QLineEdit)
    assert [edit.accessibleName() for edit in edits] == ["Name, row 1", "Value, row 1"]
    edits[0].setFocus()
    qtbot.keyClick(edits[0], Qt.Key.Key_Return)
    added = editor.findChildren(QLineEdit)[2]
    qtbot.waitUntil(added.hasFocus)
    qtbot.keyClicks(added, "HOST")
    assert editor.values() == (("PORT", "8080"), ("HOST", ""))
    editor.set_values(editor.values())
    assert added.hasFocus()  # what is being typed in stays
    editor.set_values([("A", "b")])
    assert editor.values() == (("A", "b"),)
    assert changes[-1] == (("PORT", "8080"), ("HOST", ""))


def test_a_disclosure_says_whether_it_is_open(qtbot: QtBot) -> None:
    disclosure = Disclosure("More")
    qtbot.addWidget(disclosure)
    assert not disclosure.opened
    disclosure.set_opened(True)
    assert disclosure.opened


def test_a_notice_without_words_is_hidden(qtbot: QtBot) -> None:
    notice = Notice("error", "It broke", "Mend it")
    qtbot.addWidget(notice)
    assert notice.text == "It broke\nMend it"
    notice.clear()
    assert notice.text == ""
    assert notice.isHidden()


# Steps


def test_steps_show_state_time_and_upload() -> None:
    now = [100.0]
    model = StepModel(lambda: now[0])
    model.show_rows(["Lock", "Send", "Switch"])
    model.take(StepChanged(0, StepState.RUNNING))
    now[0] = 100.5
    assert model.tick()
    assert model.time_text(model.rows[0]) == "0.5 s"
    model.take(StepChanged(0, StepState.DONE))
    now[0] = 300.0
    assert model.time_text(model.rows[0]) == "0.5 s"
    assert not model.tick()
    model.take(StepChanged(1, StepState.RUNNING))
    model.take(Progress(1, 0, 10_000_000))
    now[0] = 302.0
    model.take(Progress(1, 4_000_000, 10_000_000))
    assert model.second_line(model.rows[1]) == "4.0 MB of 10.0 MB · 2.0 MB/s · 3.0 s left"
    words = model.data(model.index(1), Qt.ItemDataRole.AccessibleTextRole)
    assert words == "Send, 4.0 MB of 10.0 MB · 2.0 MB/s · 3.0 s left, 2.0 s"
    model.take(StepChanged(1, StepState.FAILED))
    model.take(StepChanged(0, StepState.UNDOING))
    model.take(StepChanged(0, StepState.UNDONE))
    states = [row.state for row in model.rows]
    assert states == [StepState.UNDONE, StepState.FAILED, StepState.PENDING]
    model.take(StepChanged(7, StepState.DONE))  # of a row that isn't there


@pytest.mark.parametrize("state", list(StepState))
def test_every_state_of_a_step_can_be_painted(qtbot: QtBot, state: StepState) -> None:
    steps = StepList()
    qtbot.addWidget(steps)
    steps.resize(300, 120)
    steps.show_rows(["Send the image"])
    empty = steps.grab().toImage()
    steps.take(StepChanged(0, state))
    if state is not StepState.PENDING:
        assert steps.grab().toImage() != empty
    words = steps.steps.data(steps.steps.index(0), Qt.ItemDataRole.AccessibleTextRole)
    assert isinstance(words, str)
    assert words.startswith("Send the image, ")


def test_an_ended_run_says_what_failed_and_what_was_never_begun(qtbot: QtBot) -> None:
    view = RunView()
    qtbot.addWidget(view)
    view.show_rows(["Switch", "Check", "Record"])
    model = view.steps.steps
    view.take([StepChanged(0, StepState.RUNNING), StepChanged(0, StepState.DONE)])
    view.take([StepChanged(1, StepState.RUNNING), StepChanged(1, StepState.FAILED)])
    assert model.second_line(model.rows[2]) == "waiting"
    for row in (1, 0):
        view.take([StepChanged(row, StepState.UNDOING), StepChanged(row, StepState.UNDONE)])
    view.take([RunEnded(Outcome.FAILED_RESTORED)])
    lines = [model.second_line(row) for row in model.rows]
    assert lines == ["undone", "failed; what it did is undone", "not begun"]


def test_a_title_of_a_step_takes_as_many_lines_as_it_needs(qtbot: QtBot) -> None:
    title = "Record 20261128-141912-v1.4.2-dirty as the one that serves"
    view = StepList()
    qtbot.addWidget(view)
    view.show_rows(("Release the lock", title))
    view.resize(240, 300)
    with qtbot.waitExposed(view):
        view.show()

    def heights() -> list[int]:
        return [view.visualRect(view.steps.index(row, 0)).height() for row in range(2)]

    one, several = heights()
    assert several >= one + 2 * view.fontMetrics().height()
    words = title_lines(title, view.font(), 182)
    assert "".join(words).replace(" ", "") == title.replace(" ", "")
    bold = view.font()
    bold.setBold(True)
    assert all(QFontMetricsF(bold).horizontalAdvance(line) <= 182 for line in words)
    view.resize(900, 300)
    qtbot.waitUntil(lambda: heights() == [one, one])


def test_a_step_that_failed_stays_in_sight(qtbot: QtBot) -> None:
    view = RunView()
    qtbot.addWidget(view)
    view.resize(700, 300)
    view.show()
    view.show_rows([f"Step {number}" for number in range(12)])
    for number in range(10):
        view.take([StepChanged(number, StepState.RUNNING), StepChanged(number, StepState.DONE)])
    view.take([StepChanged(10, StepState.RUNNING), StepChanged(10, StepState.FAILED)])
    for number in reversed(range(11)):
        view.take([StepChanged(number, StepState.UNDOING), StepChanged(number, StepState.UNDONE)])
    view.take([RunEnded(Outcome.FAILED_RESTORED)])
    steps = view.steps
    failed = steps.steps.index(10)
    assert steps.viewport().rect().contains(steps.visualRect(failed))
    assert steps.currentIndex() == failed
    view.resize(700, 200)  # what is said of the end takes room
    qtbot.waitUntil(lambda: steps.viewport().rect().contains(steps.visualRect(failed)))


@pytest.mark.parametrize("key", [Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space])
def test_a_button_obeys_enter_in_any_window(qtbot: QtBot, key: Qt.Key) -> None:
    pressed: list[int] = []
    made = button("Look", lambda: pressed.append(1))
    qtbot.addWidget(made)
    made.show()
    qtbot.keyClick(made, key)
    assert pressed == [1]


def test_a_run_puts_headings_between_the_lines(qtbot: QtBot) -> None:
    view = RunView()
    qtbot.addWidget(view)
    view.show_rows(["Lock", "Send"])
    view.take(
        [
            StepChanged(0, StepState.RUNNING),
            Line(0, "stdout", "taken"),
            StepChanged(0, StepState.DONE),
            StepChanged(1, StepState.RUNNING),
            Line(1, "stderr", "slow"),
            StepChanged(1, StepState.UNDOING),
            Line(1, "note", "back"),
        ]
    )
    assert view.log.lines == ["▸ Lock", "taken", "▸ Send", "slow", "▸ Undo: Send", "back"]


# Log


@pytest.fixture
def log(qtbot: QtBot) -> LogView:
    view = LogView("Log")
    qtbot.addWidget(view)
    view.resize(600, 300)
    view.show()
    qtbot.waitExposed(view)
    return view


def settled(qtbot: QtBot, log: LogView) -> None:
    qtbot.waitUntil(lambda: log.settled, timeout=30_000)


def numbered(count: int, start: int = 0) -> list[tuple[str, str]]:
    return [("stdout", f"line {number}") for number in range(start, start + count)]


def test_a_flood_is_bounded_and_the_last_line_shows(qtbot: QtBot, log: LogView) -> None:
    total = KEPT + 30_000
    for start in range(0, total, 10_000):
        log.add(numbered(10_000, start))  # type: ignore[arg-type]
    settled(qtbot, log)
    assert KEPT <= len(log.all_lines) <= KEPT * 1.1
    assert log.all_lines[-1] == f"line {total - 1}"
    shown = log.shown.splitlines()
    assert len(shown) <= SHOWN
    assert shown[-1] == f"line {total - 1}"
    assert log.follows


def test_the_filter_finds_what_the_view_no_longer_holds(qtbot: QtBot, log: LogView) -> None:
    log.add([("stdout", "needle one")])
    log.add(numbered(SHOWN + 1000))  # type: ignore[arg-type]
    log.add([("stderr", "Needle two")])
    settled(qtbot, log)
    assert "needle one" not in log.shown
    log.search.setText("needle")
    log.only_matches.click()
    settled(qtbot, log)
    assert log.shown.splitlines() == ["needle one", "Needle two"]
    log.add([("stdout", "no"), ("note", "third needle")])
    settled(qtbot, log)
    assert log.shown.splitlines()[-1] == "third needle"
    assert log.lines == log.shown.splitlines()
    log.streams.setCurrentIndex(1)
    settled(qtbot, log)
    assert log.shown.splitlines() == ["Needle two"]
    log.streams.setCurrentIndex(0)
    log.only_matches.click()
    settled(qtbot, log)
    assert len(log.shown.splitlines()) == SHOWN


def test_it_follows_unless_scrolled_up(qtbot: QtBot, log: LogView) -> None:
    bar = log._text.verticalScrollBar()
    log.add(numbered(1000))  # type: ignore[arg-type]
    settled(qtbot, log)
    assert bar.value() == bar.maximum()
    bar.setValue(100)
    assert not log.follows
    assert not log.tail.isChecked()
    log.add(numbered(500, 1000))  # type: ignore[arg-type]
    settled(qtbot, log)
    assert bar.value() == 100
    log.tail.click()
    assert log.follows
    assert bar.value() == bar.maximum()


def test_what_is_read_stays_in_place_while_old_lines_go(qtbot: QtBot, log: LogView) -> None:
    log.add(numbered(SHOWN))  # type: ignore[arg-type]
    settled(qtbot, log)
    bar = log._text.verticalScrollBar()
    bar.setValue(SHOWN // 2)
    read = log._text.cursorForPosition(QPoint(5, 5)).block().text()
    log.add(numbered(ADDED * 2 + 7, SHOWN))  # type: ignore[arg-type]
    settled(qtbot, log)
    assert log._text.cursorForPosition(QPoint(5, 5)).block().text() == read


def test_search_goes_round(qtbot: QtBot, log: LogView) -> None:
    log.add([("stdout", "a needle"), ("stdout", "hay"), ("stderr", "Needle b")])
    settled(qtbot, log)
    log.search.setText("needle")
    found = []
    for _time in range(3):
        qtbot.keyClick(log.search, Qt.Key.Key_Return)
        found.append(log._text.textCursor().block().text())
    assert sorted(set(found)) == ["Needle b", "a needle"]
    assert found[0] == found[2]
    log.find_previous()
    assert log._text.textCursor().block().text() == found[1]
    assert not log.follows


def test_kinds_of_lines_look_different(qtbot: QtBot, log: LogView) -> None:
    log.add([("stdout", "out"), ("stderr", "err"), ("note", "said")])
    settled(qtbot, log)
    block = log._text.document().begin()
    colours = []
    while block.isValid():
        colours.append(block.begin().fragment().charFormat().foreground().color().name())
        block = block.next()
    assert len(colours) == len(set(colours)) == 3


def test_copy_and_save_give_the_lines_of_the_filter(
    qtbot: QtBot, log: LogView, tmp_path: Path
) -> None:
    log.add([("stdout", "one"), ("stderr", "zwei 中文")])
    settled(qtbot, log)
    log.copy()
    assert QGuiApplication.clipboard().text() == "one\nzwei 中文\n"
    log.streams.setCurrentIndex(1)
    log.save(tmp_path / "a.log")
    assert (tmp_path / "a.log").read_text(encoding="utf-8") == "zwei 中文\n"


def test_odd_lines_are_tamed(qtbot: QtBot, log: LogView) -> None:
    log.add([("stdout", "x" * 100_000), ("stdout", "a\nb\rc\u2029d"), ("stdout", "<b>&amp;</b>")])
    settled(qtbot, log)
    shown = log.shown.splitlines()
    assert len(shown) == 3
    assert len(shown[0]) < LONGEST + 10
    assert shown[2] == "<b>&amp;</b>"


def test_a_heading_is_found_again(qtbot: QtBot, log: LogView) -> None:
    log.add([("heading", "▸ Send")])
    log.add(numbered(500))  # type: ignore[arg-type]
    settled(qtbot, log)
    log.show_heading("Send")
    assert log._text.verticalScrollBar().value() == 0
    assert not log.follows
