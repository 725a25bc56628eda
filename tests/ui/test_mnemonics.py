"""Alt and a letter reach one control only: an ambiguous letter activates none."""

from __future__ import annotations

from collections import Counter

import pytest
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import QAbstractButton, QLabel, QWidget
from pytestqt.qtbot import QtBot

from app.request import KINDS
from ui.draft import Draft
from ui.pages.build import BuildPage
from ui.pages.method import MethodPage
from ui.pages.page import Page
from ui.pages.project import ProjectPage
from ui.pages.server import ServerPage
from ui.widgets.basics import Disclosure

# Next and Back, the menus File and View.
RESERVED = ("Alt+N", "Alt+B", "Alt+F", "Alt+V")
# Never to be seen at the same time.
APART = {
    "Take these settin&gs over",
    "Lo&g in by",
    "St&op",
    "Take it ba&ck…",
    "Test &connection",
    "Co&mpare the key…",
}


@pytest.mark.parametrize("deploy", KINDS)
@pytest.mark.parametrize("kind", [ProjectPage, BuildPage, MethodPage, ServerPage])
def test_letters_are_not_given_twice(
    qtbot: QtBot, draft: Draft, kind: type[Page], deploy: str
) -> None:
    draft.set("deploy.kind", deploy)
    page = kind(draft)
    qtbot.addWidget(page)
    page.enter()
    for each in page.findChildren(Disclosure):
        each.set_opened(True)
    texts = [each.text() for each in page.findChildren(QAbstractButton) if not _other(each, page)]
    texts += [
        each.text() for each in page.findChildren(QLabel) if each.buddy() and not _other(each, page)
    ]
    letters = [QKeySequence.mnemonic(text).toString() for text in texts if text not in APART]
    counts = Counter([letter for letter in letters if letter] + list(RESERVED))
    assert [letter for letter, count in counts.items() if count > 1] == []


def _other(widget: QWidget, page: Page) -> bool:
    """Return whether a control belongs to another kind than the one chosen."""
    forms = getattr(page, "_forms", ())
    hidden = [each for form in forms for each in form.widgets if each.isHidden()]
    return any(each is widget or each.isAncestorOf(widget) for each in hidden)
