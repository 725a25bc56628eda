"""Questions whose buttons say what they do."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QAbstractButton, QMessageBox, QWidget

from app.errors import SlipwayError
from app.i18n import _
from ui.report import error_report


class Question(QMessageBox):
    """Asks whether to do something; ``on_yes`` is called if the user agrees. Never blocks."""

    def __init__(
        self,
        parent: QWidget,
        title: str,
        text: str,
        action: str,
        on_yes: Callable[[], object],
        keep: str = "",
    ) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.setIcon(QMessageBox.Icon.Warning)
        self.setWindowTitle(title)
        self.setText(title)
        self.setInformativeText(text)
        self._on_yes = on_yes
        self._yes = self.addButton(action, QMessageBox.ButtonRole.AcceptRole)
        no = self.addButton(keep or _("&Cancel"), QMessageBox.ButtonRole.RejectRole)
        self.setDefaultButton(no)
        self.setEscapeButton(no)
        self.buttonClicked.connect(self._clicked)

    def _clicked(self, chosen: QAbstractButton) -> None:
        if chosen is self._yes:
            self._on_yes()


def ask(
    parent: QWidget,
    title: str,
    text: str,
    action: str,
    on_yes: Callable[[], object],
    keep: str = "",
) -> Question:
    """Ask, and go on at once; ``action`` and ``keep`` name the two buttons."""
    question = Question(parent, title, text, action, on_yes, keep)
    question.open()
    return question


def tell_error(parent: QWidget, error: SlipwayError) -> QMessageBox:
    """Show what went wrong in a box of its own, and go on at once."""
    box = QMessageBox(parent)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.setIcon(QMessageBox.Icon.Warning)
    box.setWindowTitle("Slipway")
    box.setText(error.title)
    box.setInformativeText("\n\n".join(part for part in (error.detail, error.hint) if part))
    close = box.addButton(_("&Close"), QMessageBox.ButtonRole.RejectRole)
    copy = box.addButton(_("Copy re&port"), QMessageBox.ButtonRole.ActionRole)
    copy.clicked.disconnect()  # a message box closes at any button
    copy.clicked.connect(CopyReport(box, error).copy)
    box.setDefaultButton(close)
    box.setEscapeButton(close)
    box.open()
    return box


class CopyReport(QObject):
    """Copies the report of one error."""

    def __init__(self, parent: QObject, error: SlipwayError) -> None:
        super().__init__(parent)
        self._error = error

    def copy(self) -> None:
        """Put it on the clipboard."""
        QGuiApplication.clipboard().setText(error_report(self._error))
