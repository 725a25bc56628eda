"""The Project page by keyboard and mouse, with real projects and real troubles."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QApplication, QPushButton
from pytestqt.qtbot import QtBot

from ui.draft import Draft
from ui.pages.project import PAUSE, ProjectPage
from ui.settings import Settings

WAIT = 60_000
Copy = Callable[..., Path]


@pytest.fixture
def page(qtbot: QtBot, draft: Draft) -> ProjectPage:
    made = ProjectPage(draft)
    qtbot.addWidget(made)
    made.resize(800, 700)
    made.show()
    made.enter()
    made.focus_first()
    return made


def complete(page: ProjectPage) -> bool:
    return not any(problem.blocking for problem in page.problems())


def type_path(qtbot: QtBot, page: ProjectPage, path: Path) -> None:
    page._path.setFocus()
    page._path.selectAll()
    QApplication.clipboard().setText(str(path))  # QTest can't type 中文
    qtbot.keyClick(page._path, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
    qtbot.keyClick(page._path, Qt.Key.Key_Return)


@pytest.mark.slow
def test_a_project_opened_elsewhere_stays_when_the_field_is_left(
    qtbot: QtBot, page: ProjectPage, draft: Draft, project: Copy
) -> None:
    """Dropped, or opened by the menu, while the focus is where the former one was typed."""
    first, second = project("good"), project("modules")
    type_path(qtbot, page, first)
    qtbot.waitUntil(page._understood.isVisible, timeout=WAIT)
    assert page._path.hasFocus()
    draft.open(second)
    assert page._path.text() == str(second)
    qtbot.keyClick(page._path, Qt.Key.Key_Tab)
    assert not page._path.hasFocus()
    assert draft.request.project.path == second
    qtbot.waitUntil(lambda: draft.project is not None, timeout=WAIT)


def named(page: ProjectPage, text: str) -> QPushButton:
    return next(
        each for each in page.findChildren(QPushButton) if each.text().replace("&", "") == text
    )


def test_a_typed_folder_is_understood(qtbot: QtBot, page: ProjectPage, project: Copy) -> None:
    assert QApplication.focusWidget() is page._path
    assert not complete(page)
    folder = project("modules", "with spaces 中文")
    type_path(qtbot, page, folder)
    assert page._looking.isVisible()
    qtbot.waitUntil(page._understood.isVisible, timeout=WAIT)
    facts = {name: words for name, words, _more in page._facts.facts}
    assert facts["Program"] == "modules"
    assert "config" in facts["Folders"]
    assert "1." in facts["Go"]
    assert complete(page)
    assert page.note == "modules"
    assert not page._looking.isVisible()


def test_a_typed_folder_needs_no_enter(qtbot: QtBot, page: ProjectPage, project: Copy) -> None:
    folder = project("modules", "typed")
    for text in (folder.parent, folder):
        QApplication.clipboard().setText(str(text))
        page._path.selectAll()
        qtbot.keyClick(page._path, Qt.Key.Key_V, Qt.KeyboardModifier.ControlModifier)
        qtbot.wait(PAUSE + 200)
        assert (page.draft.request.project.path == folder) == (text == folder)
    assert page._path.hasFocus()


@pytest.mark.slow
def test_one_of_several_programs_is_chosen_by_keyboard(
    qtbot: QtBot, page: ProjectPage, project: Copy
) -> None:
    type_path(qtbot, page, project("workspace"))
    qtbot.waitUntil(page._programs.isVisible, timeout=WAIT)
    assert page._programs.values == ["./api/cmd/admin", "./api/cmd/public"]
    assert not complete(page)
    page.focus_first()
    assert QApplication.focusWidget() is page._programs
    qtbot.keyClick(page._programs, Qt.Key.Key_Down)
    qtbot.keyClick(page._programs, Qt.Key.Key_Down)
    assert page.draft.request.project.package == "./api/cmd/public"
    assert complete(page)
    assert page.note == "public"


def test_a_folder_without_a_project_says_so_and_can_be_corrected(
    qtbot: QtBot, page: ProjectPage, project: Copy, tmp_path: Path
) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    type_path(qtbot, page, empty)
    qtbot.waitUntil(page.notice.isVisible, timeout=WAIT)
    assert "There is no go.mod in this folder" in page.notice.text
    assert page._folder.problem == ""
    assert not complete(page)
    (empty / "go.mod").write_text("module example.com/late\n\ngo 1.21\n")
    (empty / "main.go").write_text("package main\n\nfunc main() {}\n")
    qtbot.mouseClick(named(page, "Look again"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(page._understood.isVisible, timeout=WAIT)
    assert not page.notice.isVisible()


def test_without_go_a_folder_with_it_can_be_named(
    qtbot: QtBot, page: ProjectPage, project: Copy, settings: Settings, tmp_path: Path
) -> None:
    settings.remember_go_folder(tmp_path / "no go here")
    type_path(qtbot, page, project("good"))
    qtbot.waitUntil(page.notice.isVisible, timeout=WAIT)
    assert "There is no Go in this folder" in page.notice.text
    assert named(page, "Choose the folder with Go…").isVisible()
    settings.remember_go_folder(None)
    page.draft.inspect()
    qtbot.waitUntil(page._understood.isVisible, timeout=WAIT)


@pytest.mark.slow
def test_a_broken_profile_is_named_and_read_again(
    qtbot: QtBot, page: ProjectPage, project: Copy
) -> None:
    file = project("good") / "other.toml"
    file.write_text("name = 5\n")
    type_path(qtbot, page, file)
    qtbot.waitUntil(page.notice.isVisible, timeout=WAIT)
    assert "name" in page.notice.text
    file.write_text('name = "five"\n')
    qtbot.mouseClick(named(page, "Look again"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(page._understood.isVisible, timeout=WAIT)
    assert page.draft.request.name == "five"
    assert str(file) in page._from_file.text


def test_a_recent_project_opens_with_enter(
    qtbot: QtBot, page: ProjectPage, project: Copy, settings: Settings
) -> None:
    folder = project("good")
    settings.remember_project(folder)
    page.refresh()
    assert page._recent_card.isVisible()
    page._recent.setFocus()
    qtbot.keyClick(page._recent, Qt.Key.Key_Down)
    qtbot.keyClick(page._recent, Qt.Key.Key_Return)
    qtbot.waitUntil(page._understood.isVisible, timeout=WAIT)
    assert not page._recent_card.isVisible()
    assert page.draft.request.project.path == folder
