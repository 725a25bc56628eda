"""The dialog that says that Slipway itself is broken."""

from __future__ import annotations

from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QPlainTextEdit, QVBoxLayout

from app.i18n import _
from ui.theme import monospace
from ui.widgets.basics import button, label


class CrashDialog(QDialog):
    """Says that Slipway is at fault, and offers the report."""

    def __init__(self, report: str) -> None:
        super().__init__()
        self.setWindowTitle(_("Slipway has a fault"))
        self.resize(680, 420)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(24, 20, 24, 20)
        layout.setSpacing(12)
        layout.addWidget(label(_("Something in Slipway itself went wrong"), "heading"))
        words = _(
            "This is our fault, not yours. What was under way may not be complete: look at Server "
            "before you go on. The report below names places in the program, none of your data."
        )
        layout.addWidget(label(words))
        self._text = QPlainTextEdit(report)
        self._text.setReadOnly(True)
        self._text.setTabChangesFocus(True)
        self._text.setProperty("role", "code")
        self._text.setFont(monospace())
        self._text.setAccessibleName(_("Report"))
        layout.addWidget(self._text, 1)
        buttons = QDialogButtonBox()
        buttons.addButton(
            button(_("&Copy report"), self.copy, "copy"), QDialogButtonBox.ButtonRole.ActionRole
        )
        close = button(_("C&lose"), self.accept, role="primary")
        buttons.addButton(close, QDialogButtonBox.ButtonRole.AcceptRole)
        layout.addWidget(buttons)
        close.setFocus()

    def copy(self) -> None:
        """Put the report on the clipboard."""
        QGuiApplication.clipboard().setText(self._text.toPlainText())
