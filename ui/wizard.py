"""The wizard's window: side bar, pages, and the way through them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.i18n import _
from ui.pages.page import Page
from ui.widgets.basics import button, label
from ui.widgets.side_bar import Entry, SideBar

if TYPE_CHECKING:
    from ui.draft import Draft

CONTENT_WIDTH = 860


class Wizard(QMainWindow):
    """Leads through ``pages`` in order; one can go back, and forward while nothing is missing.

    The page before the last is the commit page: from the last one there is no way back.
    """

    page_changed = Signal(int)

    def __init__(self, draft: Draft, pages: Sequence[Page]) -> None:
        super().__init__()
        self.draft = draft
        self.pages = tuple(pages)
        self.index = 0
        self.side_bar = SideBar(tuple(page.title for page in self.pages))
        self.side_bar.chosen.connect(self.go_to)
        self._stack = QStackedWidget()
        self._frames = [_frame(page) for page in self.pages]
        for frame in self._frames:
            self._stack.addWidget(frame)
        self.setCentralWidget(self._lay_out())
        self.setWindowTitle("Slipway")
        self.resize(1120, 780)
        self.setMinimumSize(900, 600)
        draft.changed.connect(self.refresh)
        for page in self.pages:
            page.changed.connect(self.refresh)
        self.page.enter()
        self.refresh()

    def _lay_out(self) -> QWidget:
        centre = QWidget()
        across = QHBoxLayout(centre)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(0)
        across.addWidget(self.side_bar)
        down = QVBoxLayout()
        down.setSpacing(0)
        down.addWidget(self._stack, 1)
        self._bar = QFrame()
        self._bar.setProperty("role", "bar")
        row = QHBoxLayout(self._bar)
        row.setContentsMargins(24, 12, 24, 12)
        row.setSpacing(10)
        self._reason = label(role="small")
        row.addWidget(self._reason, 1)
        self.back_button = button(_("&Back"), self.back)
        self.back_button.setShortcut(QKeySequence("Alt+Left"))
        self.next_button = button(_("&Next"), self.next, role="primary")
        self.next_button.setDefault(True)
        row.addWidget(self.back_button)
        row.addWidget(self.next_button)
        down.addWidget(self._bar)
        across.addLayout(down, 1)
        return centre

    @property
    def page(self) -> Page:
        """The page that shows."""
        return self.pages[self.index]

    @property
    def last(self) -> int:
        """The index of the last page, Deploy."""
        return len(self.pages) - 1

    def complete(self, index: int) -> bool:
        """Return whether nothing is missing on a page."""
        return not any(problem.blocking for problem in self.pages[index].problems())

    def reachable(self) -> int:
        """Return the index of the furthest page that may be shown without pressing Deploy."""
        for index in range(self.last - 1):
            if not self.complete(index):
                return index
        return self.last - 1

    def go_to(self, index: int) -> None:
        """Show a page, if the way there is open."""
        if index == self.index or self.index == self.last:
            return
        if index <= self.reachable():
            self._show(index)

    def back(self) -> None:
        """Show the page before."""
        if 0 < self.index < self.last:
            self._show(self.index - 1)

    def next(self) -> None:
        """Show the next page; from Review this starts the deployment."""
        if self.index < self.last and self.complete(self.index):
            self._show(self.index + 1)

    def _show(self, index: int) -> None:
        self.page.leave()
        self.index = index
        self._stack.setCurrentIndex(index)
        frame = self._frames[index]
        if isinstance(frame, QScrollArea):
            frame.verticalScrollBar().setValue(0)
        self.page.enter()
        self.refresh()
        self.page.focus_first()
        self.page_changed.emit(index)

    def refresh(self) -> None:
        """Show what is done, what is open, and whether one can go on."""
        reachable = self.reachable()
        self.side_bar.show_entries(tuple(self._entry(i, reachable) for i in range(len(self.pages))))
        deploying = self.index == self.last
        self._bar.setVisible(not deploying)
        self.back_button.setEnabled(0 < self.index < self.last)
        self.next_button.setText(_("&Deploy") if self.index == self.last - 1 else _("&Next"))
        missing = [p for p in self.page.problems() if p.blocking]
        self.next_button.setEnabled(not missing)
        self._reason.setText(missing[0].text if missing else "")

    def _entry(self, index: int, reachable: int) -> Entry:
        page = self.pages[index]
        if index == self.index:
            return Entry("current", page.note, page.busy)
        if index > reachable or self.index == self.last:
            done = self.index == self.last
            return Entry("done" if done else "locked", page.note, page.busy)
        return Entry("done" if self.complete(index) else "open", page.note, page.busy)


def _frame(page: Page) -> QWidget:
    """Put a page into what scrolls it and keeps its lines at a readable length."""
    holder = QWidget()
    holder.setProperty("role", "page")
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 0, 0, 0)
    if page.wide:
        row.addWidget(page)
    else:
        page.setMaximumWidth(CONTENT_WIDTH)
        row.addWidget(page, 100)
        row.addStretch(1)
    if not page.scrolls:
        return holder
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(holder)
    return area
