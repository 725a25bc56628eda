"""Fixtures of the window's tests: real projects in folders of their own, a draft, real waiting."""

from __future__ import annotations

import gc
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication
from pytestqt.qtbot import QtBot

from app.credentials import KnownHosts
from ui.draft import Draft
from ui.settings import Settings
from ui.task import Task
from ui.theme import RESOURCES

PROJECTS = Path(__file__).parent.parent / "projects"


@pytest.fixture(autouse=True)
def _collect_here() -> Iterator[None]:
    """Collect garbage on this thread only, as the application does: see ui/garbage.py."""
    gc.disable()
    yield
    gc.collect()
    gc.enable()


@pytest.fixture(scope="session", autouse=True)
def _icon(qapp: QApplication) -> None:
    """Give the program its icon, which Windows' tray shows."""
    qapp.setWindowIcon(QIcon(str(RESOURCES / "icons" / "slipway.svg")))


@pytest.fixture
def project(tmp_path: Path) -> Callable[[str], Path]:
    """Return what copies one of tests/projects into a folder that a test may change."""

    def copy(name: str, folder: str = "") -> Path:
        return Path(shutil.copytree(PROJECTS / name, tmp_path / "projects" / (folder or name)))

    return copy


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Return settings in a file of this test."""
    return Settings(tmp_path / "window.json")


@pytest.fixture
def draft(
    qtbot: QtBot, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Draft]:
    """Return an empty draft; afterwards its threads are gone, and what it built."""
    builds = tmp_path / "builds"
    builds.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(builds))
    made = Draft(settings, KnownHosts(tmp_path / "known_hosts", ()))
    yield made
    made.close()
    end = time.monotonic() + 20
    while any(task.workers for task in made.findChildren(Task)):
        assert time.monotonic() < end, "a thread of the draft does not end"
        qtbot.wait(20)
    assert list(builds.glob("slipway-build-*")) == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Pass over what the offscreen platform says about windows that change, and about lists."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):  # the hook is asked about all tests
            mark = pytest.mark.qt_log_ignore(
                r"propagateSizeHints|support raise|grabbing the keyboard|Unable to set geometry",
                extend=True,
            )
            item.add_marker(mark)
