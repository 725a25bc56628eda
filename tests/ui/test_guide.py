"""The documentation in its window, and the words about the program."""

from pathlib import Path

import pytest
from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication, QTextDocument
from PySide6.QtWidgets import QPushButton, QToolTip
from pytestqt.qtbot import QtBot

from app.i18n import use_language
from app.version import slipway_version
from resources.package.bundle import documents
from ui.dialogs import AboutDialog
from ui.guide_window import DOCUMENTS, PICTURE_WIDTH, GuideWindow
from ui.settings import Settings
from ui.wizard import Wizard


@pytest.fixture
def guide(qtbot: QtBot, settings: Settings) -> GuideWindow:
    window = GuideWindow(settings)
    qtbot.addWidget(window)
    window.show()
    return window


def test_pages_and_pictures_are_shown(guide: GuideWindow) -> None:
    reader = guide.reader
    assert "A walk through the wizard" in reader.toPlainText()
    kind = QTextDocument.ResourceType.ImageResource.value
    picture = reader.loadResource(kind, QUrl("images/review.png"))
    assert picture.deviceIndependentSize().width() == PICTURE_WIDTH  # type: ignore[attr-defined]
    assert reader.document().idealWidth() < guide.width()
    reader.follow(QUrl("rollback.md"))
    assert "Rolling back" in reader.toPlainText()
    (back,) = guide.findChildren(QPushButton)
    assert back.isEnabled()
    back.click()
    assert "A walk through the wizard" in reader.toPlainText()


def test_what_is_elsewhere_opens_in_the_browser(
    guide: GuideWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[QUrl] = []
    monkeypatch.setattr(QDesktopServices, "openUrl", opened.append)
    guide.reader.follow(QUrl("https://go.dev/dl/"))
    assert opened == [QUrl("https://go.dev/dl/")]
    assert guide.reader.source().fileName() == "guide.md"


def test_what_did_not_come_with_the_package(
    guide: GuideWindow, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(QToolTip, "showText", lambda _place, text: said.append(text))
    guide.reader.follow(QUrl("no-such-page.md"))
    assert said == ["That is only in the source of Slipway."]
    assert guide.reader.source().fileName() == "guide.md"
    kind = QTextDocument.ResourceType.ImageResource.value
    nothing = guide.reader.loadResource(kind, QUrl("images/none.png"))
    assert nothing.width() == 1  # type: ignore[attr-defined]


def test_it_speaks_the_language_of_the_window(qtbot: QtBot, settings: Settings) -> None:
    use_language("zh_CN")
    window = GuideWindow(settings)
    qtbot.addWidget(window)
    assert window.reader.source().fileName() == "guide.zh-CN.md"


def test_the_package_holds_every_page_and_the_pictures_they_show() -> None:
    packed = documents(DOCUMENTS, pictures=True)
    places = {Path(source).name: place for source, place in packed}
    assert places["guide.zh-CN.md"] == "docs"
    assert places["project.png"] == "docs/images"
    assert "benchmarks.md" not in places
    assert all(Path(source).is_file() for source, _place in packed)
    assert {place for _source, place in documents(DOCUMENTS, pictures=False)} == {"docs"}


def test_what_runs_here_can_be_copied(qtbot: QtBot, settings: Settings) -> None:
    parent = GuideWindow(settings)
    qtbot.addWidget(parent)
    about = AboutDialog(parent)
    about.open()
    about.findChildren(QPushButton)[0].click()
    assert slipway_version() in QGuiApplication.clipboard().text()
    about.reject()


def test_the_menu_opens_it_once(qtbot: QtBot, settings: Settings) -> None:
    from ui.__main__ import make_wizard

    wizard = make_wizard()
    qtbot.addWidget(wizard)
    wizard.show_guide()
    wizard.show_guide()
    assert [type(each) for each in wizard.windows.shown()] == [GuideWindow]
    assert isinstance(wizard, Wizard)
    wizard.close()
    assert wizard.windows.shown() == ()
