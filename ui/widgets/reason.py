"""Why one can't go on, beside Next: a click leads to it."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import Qt
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QPushButton, QSizePolicy

from app.i18n import _


class Reason(QPushButton):
    """A sentence as a button; it takes no more room than there is, all of it is its tool tip."""

    def __init__(self, on_click: Callable[[], object]) -> None:
        super().__init__()
        self._words = ""
        self.setProperty("role", "reason")
        self.setFlat(True)
        self.setAutoDefault(False)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.clicked.connect(on_click)
        self.say("")

    @property
    def words(self) -> str:
        """What it says, whole."""
        return self._words

    def say(self, words: str) -> None:
        """Say something else; without words there is nothing to click."""
        self._words = words
        self.setToolTip(words)
        self.setAccessibleName(words)
        self.setAccessibleDescription(_("Shows where it is") if words else "")
        self.setEnabled(bool(words))
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        room = max(0, self.width() - 16)
        short = self.fontMetrics().elidedText(self._words, Qt.TextElideMode.ElideRight, room)
        self.setText(short.replace("&", "&&"))
