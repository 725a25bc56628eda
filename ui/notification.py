"""Telling what ended while the user looks at another window."""

from __future__ import annotations

from typing import Literal

from PySide6.QtCore import QTimer
from PySide6.QtWidgets import QApplication, QSystemTrayIcon, QWidget

SHOWN = 20_000  # milliseconds that a message stays at most

Way = Literal["seen", "tray", "alert"]


class Notifier:
    """Tells it by the system's own messages, or where there are none by the window's mark."""

    def __init__(self, window: QWidget) -> None:
        self._window = window
        self._tray: QSystemTrayIcon | None = None

    def tell(self, title: str, text: str) -> Way:
        """Tell it unless the window is in front; returns the way that was taken."""
        if self._window.isActiveWindow():
            return "seen"
        QApplication.alert(self._window)  # marks it in the list of windows until it is looked at
        if not (QSystemTrayIcon.isSystemTrayAvailable() and QSystemTrayIcon.supportsMessages()):
            return "alert"
        tray = self._icon()
        tray.show()
        tray.showMessage(title, text, QApplication.windowIcon(), SHOWN)
        QTimer.singleShot(SHOWN, tray.hide)
        return "tray"

    def _icon(self) -> QSystemTrayIcon:
        if self._tray is None:
            self._tray = QSystemTrayIcon(QApplication.windowIcon(), self._window)
            self._tray.messageClicked.connect(self._clicked)
            self._tray.activated.connect(self._clicked)
        return self._tray

    def _clicked(self) -> None:
        self._window.raise_()
        self._window.activateWindow()
        if self._tray is not None:
            self._tray.hide()
