"""What is dragged onto the window: a project's folder, its go.mod, or a slipway.toml."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData, Qt
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import QLabel, QWidget

from app.i18n import _

# Never a move: a file manager would delete what it takes to have been moved away.
HARMLESS = (Qt.DropAction.CopyAction, Qt.DropAction.LinkAction)


def take(event: QDropEvent) -> Path | None:
    """Return what is being dragged or dropped, now accepted, or None for what is not taken."""
    path = dropped_path(event.mimeData())
    if path is None:
        event.ignore()
        return None
    return path if make_harmless(event) else None


def make_harmless(event: QDropEvent) -> bool:
    """Accept it in a way that leaves the source where it is; return whether there is one.

    Asks no file system: it comes with every movement of the mouse.
    """
    action = next((each for each in HARMLESS if each in event.possibleActions()), None)
    if action is None:
        event.ignore()
        return False
    event.setDropAction(action)
    event.accept()
    return True


def dropped_path(data: QMimeData) -> Path | None:
    """Return the folder that is being dropped, or the slipway.toml, or None for anything else.

    A go.mod stands for its folder.
    """
    urls = data.urls()
    if len(urls) != 1 or not urls[0].isLocalFile():
        return None
    path = Path(urls[0].toLocalFile())
    if path.name == "go.mod":
        return path.parent
    return path if path.is_dir() or path.suffix == ".toml" else None


class DropHint(QLabel):
    """Says over the middle of a window what dropping will open."""

    def __init__(self, window: QWidget) -> None:
        super().__init__(window)
        self._window = window
        self.setProperty("role", "drop")
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)
        self.hide()

    def tell(self, path: Path) -> None:
        """Show it for what is being dragged."""
        middle, room = Qt.TextElideMode.ElideMiddle, self._window.width() // 2
        name = self.fontMetrics().elidedText(path.name, middle, room)
        self.setText(_("Drop to open {name}").format(name=name))
        self.adjustSize()
        self.move(self._window.rect().center() - self.rect().center())
        self.raise_()
        self.show()
