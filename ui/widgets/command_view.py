"""Commands as they will run: monospace, copyable, secrets masked."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QResizeEvent, QTextOption
from PySide6.QtWidgets import QHBoxLayout, QPlainTextEdit, QSizePolicy, QWidget

from app.i18n import _
from app.transport import Command
from ui.theme import monospace
from ui.widgets.basics import tool_button

MOST_LINES = 14


def commands_text(commands: Sequence[Command]) -> str:
    """Return the masked text of commands, one a line."""
    return "\n".join(str(command) for command in commands)


class CommandView(QWidget):
    """Read-only text as high as its lines, at most ``most``, with a button that copies it."""

    def __init__(self, name: str, text: str, most: int = MOST_LINES) -> None:
        super().__init__()
        self._most = most
        self._text = QPlainTextEdit(text)
        self._text.setReadOnly(True)
        self._text.setProperty("role", "code")
        self._text.setFont(monospace())
        self._text.setWordWrapMode(QTextOption.WrapMode.WrapAnywhere)
        self._text.setTabChangesFocus(True)
        self._text.setAccessibleName(name)
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._text.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self._text, 1)
        copy = tool_button(_("Copy: {name}").format(name=name), "copy", self.copy)
        row.addWidget(copy, 0, Qt.AlignmentFlag.AlignTop)
        self._fit()

    @property
    def text(self) -> str:
        """What it shows."""
        return self._text.toPlainText()

    def copy(self) -> None:
        """Put the text on the clipboard."""
        QGuiApplication.clipboard().setText(self.text)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self._fit()

    def _fit(self) -> None:
        metrics = self._text.fontMetrics()
        letter = max(1, metrics.horizontalAdvance("0"))
        columns = max(20, (self._text.viewport().width() - 12) // letter)
        lines = sum(-(-max(1, len(line)) // columns) for line in self.text.split("\n"))
        height = min(lines, self._most) * metrics.lineSpacing() + 24
        self._text.setFixedHeight(height)
