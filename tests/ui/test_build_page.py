"""The Build page: options, the build in the background, errors that lead to the source."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtCore import QObject, Qt, QUrl, Slot
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QCheckBox, QComboBox, QLineEdit, QWidget
from pytestqt.qtbot import QtBot

from ui.draft import Draft
from ui.pages.build import BuildPage
from ui.task import TaskState
from ui.widgets.form import Field

WAIT = 60_000
Copy = Callable[..., Path]


class Editor(QObject):
    """Stands for the user's editor: remembers which files it was asked to open."""

    def __init__(self) -> None:
        super().__init__()
        self.opened: list[Path] = []

    @Slot(QUrl)
    def open(self, url: QUrl) -> None:
        self.opened.append(Path(url.toLocalFile()))


@pytest.fixture
def editor() -> Iterator[Editor]:
    made = Editor()
    QDesktopServices.setUrlHandler("file", made, "open")
    yield made
    QDesktopServices.unsetUrlHandler("file")


@pytest.fixture
def page(qtbot: QtBot, draft: Draft) -> BuildPage:
    made = BuildPage(draft)
    qtbot.addWidget(made)
    made.resize(860, 900)
    made.show()
    made.enter()
    return made


def control(page: QWidget, key: str) -> QWidget:
    return next(field.control for field in page.findChildren(Field) if field.key == key)


def opened(qtbot: QtBot, draft: Draft, path: Path) -> None:
    draft.open(path)
    qtbot.waitUntil(lambda: draft.project is not None, timeout=WAIT)


def ended(qtbot: QtBot, draft: Draft) -> None:
    states = (TaskState.DONE, TaskState.FAILED)
    qtbot.waitUntil(lambda: draft.building.state in states, timeout=WAIT)


@pytest.mark.slow
def test_it_builds_by_itself_and_says_what_came_out(
    qtbot: QtBot, page: BuildPage, draft: Draft, project: Copy
) -> None:
    assert page._state._words.text() == "Not built yet"
    opened(qtbot, draft, project("good"))
    assert page._state._again.text() == "B&uild now"
    qtbot.waitUntil(lambda: draft.building.running, timeout=WAIT)
    assert page._state._words.text() == "Building for linux/amd64…"
    assert page._state._cancel.isVisible()
    qtbot.wait(50)
    before = page._state.height()
    ended(qtbot, draft)
    qtbot.wait(50)
    assert page._state.height() == before, "what stands below has moved"
    assert page._state._words.text().startswith("Ready: version")
    words = page._state._more.text()
    assert "linux/amd64 · " in words
    assert "static" in words
    assert "SHA-256" in words
    assert page.note
    assert not page._state._cancel.isVisible()
    explanation = page._platform_field._explanation.text()
    assert "linux/amd64 is built first" in explanation


@pytest.mark.slow
def test_compiler_errors_lead_to_the_source(
    qtbot: QtBot, page: BuildPage, draft: Draft, project: Copy, editor: Editor
) -> None:
    folder = project("compile-error")
    opened(qtbot, draft, folder)
    ended(qtbot, draft)
    messages = page._state.diagnostics
    assert messages.isVisible()
    assert messages.count() == 2
    assert any(problem.blocking for problem in page.problems())
    rows = messages._list
    rows.setFocus()
    rows.setCurrentRow(0)
    qtbot.keyClick(rows, Qt.Key.Key_Return)
    assert editor.opened == [folder / "main.go"]
    messages.copy()
    copied = QGuiApplication.clipboard().text().splitlines()
    assert len(copied) == 2
    assert copied[0].startswith(f"{folder / 'main.go'}:15:")
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    qtbot.mouseClick(page._state._again, Qt.MouseButton.LeftButton)
    assert not messages.isVisible()
    ended(qtbot, draft)
    assert draft.package is not None


@pytest.mark.slow
def test_the_output_of_a_failing_check_is_shown(
    qtbot: QtBot, page: BuildPage, draft: Draft, project: Copy
) -> None:
    opened(qtbot, draft, project("failing-test"))
    box = next(each for each in page.findChildren(QCheckBox) if "test" in each.text())
    box.setFocus()
    qtbot.keyClick(box, Qt.Key.Key_Space)
    assert draft.request.build.checks == ("test",)
    qtbot.waitUntil(lambda: draft.building.state is TaskState.FAILED, timeout=WAIT)
    assert any("FAIL" in line for line in page._state.log.lines)
    assert any(problem.blocking for problem in page.problems())


def test_options_are_typed_and_ticked(
    qtbot: QtBot, page: BuildPage, draft: Draft, project: Copy
) -> None:
    opened(qtbot, draft, project("modules"))
    include = control(page, "build.include")
    boxes = include.findChildren(QCheckBox)
    assert [box.text() for box in boxes] == list(draft.project.assets)
    # Qt shows what joins a visible layout with its next turn
    qtbot.waitUntil(lambda: all(box.isVisible() for box in boxes), timeout=WAIT)
    assert draft.request.build.include == draft.project.assets
    boxes[0].setFocus()
    qtbot.keyClick(boxes[0], Qt.Key.Key_Space)
    assert draft.request.build.include == draft.project.assets[1:]
    version = control(page, "build.version")
    assert isinstance(version, QLineEdit)
    qtbot.keyClicks(version, "v1.2.3")
    assert draft.request.build.version == "v1.2.3"
    version.selectAll()
    qtbot.keyClick(version, Qt.Key.Key_Delete)
    assert draft.request.build.version == "auto"
    tags = control(page, "build.tags")
    qtbot.keyClicks(tags, "netgo, osusergo")
    assert draft.request.build.tags == ("netgo", "osusergo")
    platform = control(page, "build.platform")
    assert isinstance(platform, QComboBox)
    platform.setFocus()
    qtbot.keyClick(platform, Qt.Key.Key_Down)
    assert draft.request.build.platform == "linux/amd64"
    draft.set("build.stamp", "")
    assert control(page, "build.stamp").currentText() == ""  # type: ignore[attr-defined]


@pytest.mark.slow
def test_a_stopped_build_says_how_to_go_on(
    qtbot: QtBot, page: BuildPage, draft: Draft, project: Copy
) -> None:
    opened(qtbot, draft, project("good"))
    qtbot.waitUntil(page._state._cancel.isVisible, timeout=WAIT)
    qtbot.mouseClick(page._state._cancel, Qt.MouseButton.LeftButton)
    assert page._state._words.text() == "The build was stopped."
    qtbot.mouseClick(page._state._again, Qt.MouseButton.LeftButton)
    ended(qtbot, draft)
    assert draft.package is not None
