"""Telling what went wrong."""

from __future__ import annotations

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QMessageBox, QWidget

from app.errors import SlipwayError
from app.i18n import _
from ui.report import error_report


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
