"""Commands as they will run: monospace, copyable, secrets masked."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil

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


class _Lines(QPlainTextEdit):
    """Read-only text as high as its lines, at most ``most``."""

    def __init__(self, name: str, text: str, most: int) -> None:
        super().__init__(text)
        self._most = most
        self.setReadOnly(True)
        self.setProperty("role", "code")
        self.setFont(monospace())
        self.setWordWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
        self.setTabChangesFocus(True)
        self.setAccessibleName(name)
        self.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)  # wraps the lines anew
        document = self.document()
        lines = max(1, round(document.size().height()))
        layout, blocks = document.documentLayout(), document.blockCount()
        each = (document.findBlockByNumber(number) for number in range(blocks))
        whole = sum(layout.blockBoundingRect(block).height() for block in each)
        margins = self.contentsMargins()
        around = 2 * document.documentMargin() + margins.top() + margins.bottom()
        self.setFixedHeight(ceil(whole * min(1.0, self._most / lines) + around))


class CommandView(QWidget):
    """Read-only text as high as its lines, at most ``most``, with a button that copies it."""

    def __init__(self, name: str, text: str, most: int = MOST_LINES) -> None:
        super().__init__()
        self._lines = _Lines(name, text, most)
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(6)
        row.addWidget(self._lines, 1)
        copy = tool_button(_("Copy: {name}").format(name=name), "copy", self.copy)
        row.addWidget(copy, 0, Qt.AlignmentFlag.AlignTop)

    @property
    def text(self) -> str:
        """What it shows."""
        return self._lines.toPlainText()

    def copy(self) -> None:
        """Put the text on the clipboard."""
        QGuiApplication.clipboard().setText(self.text)
