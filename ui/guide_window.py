"""The documentation, read in a window: it comes with the program."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, Qt, QUrl, Signal
from PySide6.QtGui import QCloseEvent, QCursor, QDesktopServices, QImage, QTextDocument
from PySide6.QtWidgets import QHBoxLayout, QTextBrowser, QToolTip, QVBoxLayout, QWidget

from app.i18n import _, language
from ui.settings import Settings
from ui.theme import RESOURCES
from ui.widgets.basics import button, close_by_key, label

DOCUMENTS = RESOURCES.parent / "docs"
PICTURE_WIDTH = 760
MARGIN = 20


class Reader(QTextBrowser):
    """Shows pages in Markdown, pictures as wide as the text, what is elsewhere in the browser."""

    def __init__(self) -> None:
        super().__init__()
        self.setOpenLinks(False)
        self.setAccessibleName(_("User guide"))
        self.document().setDocumentMargin(MARGIN)
        self.anchorClicked.connect(self.follow)

    def follow(self, link: QUrl) -> None:
        """Show the page that a link leads to."""
        target = self.source().resolved(link)
        if target.isLocalFile() and not Path(target.toLocalFile()).exists():
            QToolTip.showText(QCursor.pos(), _("That is only in the source of Slipway."))
        elif target.isLocalFile() and target.path().endswith(".md"):
            self.setSource(target)
        else:
            QDesktopServices.openUrl(target)

    def loadResource(self, kind: int, name: QUrl | str) -> object:
        if kind != QTextDocument.ResourceType.ImageResource.value:
            return super().loadResource(kind, name)
        picture = QImage(self.source().resolved(QUrl(name)).toLocalFile())
        if picture.isNull():  # the package for Windows comes without
            return QImage(1, 1, QImage.Format.Format_Mono)
        ratio = self.devicePixelRatioF()
        if picture.width() > PICTURE_WIDTH:
            width = round(PICTURE_WIDTH * ratio)
            smooth = Qt.TransformationMode.SmoothTransformation
            picture = picture.scaledToWidth(width, smooth)
            picture.setDevicePixelRatio(ratio)
        return picture


class GuideWindow(QWidget):
    """Begins with the user guide in the language of the window."""

    closed = Signal()

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.setWindowFlag(Qt.WindowType.Window)
        self.setWindowTitle(_("User guide"))
        close_by_key(self)
        self._settings = settings
        self.resize(PICTURE_WIDTH + 7 * MARGIN, 780)
        if geometry := settings.geometry("guide"):
            self.restoreGeometry(QByteArray(geometry))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 20, 24, 20)
        outer.setSpacing(12)
        head = QHBoxLayout()
        head.addWidget(label(_("User guide"), "title"))
        head.addStretch(1)
        self.reader = Reader()
        back = button(_("Go &back"), self.reader.backward)
        back.setEnabled(False)
        self.reader.backwardAvailable.connect(back.setEnabled)
        head.addWidget(back)
        outer.addLayout(head)
        outer.addWidget(self.reader, 1)
        name = "guide.zh-CN.md" if language() == "zh_CN" else "guide.md"
        self.reader.setSource(QUrl.fromLocalFile(str(DOCUMENTS / name)))
        self.reader.setFocus()

    def closeEvent(self, event: QCloseEvent) -> None:
        self._settings.remember_geometry("guide", bytes(self.saveGeometry().data()))
        event.accept()
        self.closed.emit()
