"""Where one is in the wizard."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from PySide6.QtCore import QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QKeyEvent, QPainter, QPainterPath, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QVBoxLayout, QWidget

from app.i18n import _
from ui.theme import draw_icon, theme
from ui.widgets.basics import label, paint_spinner

TOLD_FOR = 6000  # milliseconds
Place = Literal["done", "passed", "current", "open", "wrong", "locked"]


@dataclass(frozen=True, slots=True)
class Entry:
    """How one page shows: ``note`` is a second line, ``busy`` turns a wheel beside it.

    A ``passed`` page is done and can't be gone back to now.
    """

    place: Place
    note: str = ""
    busy: bool = False


class SideBarItem(QAbstractButton):
    """One page in the side bar."""

    HEIGHT = 50

    def __init__(self, number: int, title: str) -> None:
        super().__init__()
        self._number = number
        self._entry = Entry("locked")
        self._angle = 0
        self.setText(title)
        self.setFixedHeight(self.HEIGHT)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.show_entry(self._entry)

    @property
    def entry(self) -> Entry:
        """How it shows."""
        return self._entry

    def show_entry(self, entry: Entry) -> None:
        """Show the page's state."""
        self._entry = entry
        self.setEnabled(entry.place in ("done", "open", "wrong", "current"))
        words = {
            "done": _("done"),
            "passed": _("done"),
            "current": _("current page"),
            "open": _("not done yet"),
            "wrong": _("failed"),
            "locked": _("locked"),
        }[entry.place]
        self.setAccessibleName(f"{self.text()}: {words}")
        self.setAccessibleDescription(entry.note)
        self.setToolTip(entry.note)
        self.setCursor(
            Qt.CursorShape.PointingHandCursor if self.isEnabled() else Qt.CursorShape.ArrowCursor
        )
        self.update()

    def turn(self) -> None:
        """Move the wheel of a busy page."""
        self._angle = (self._angle - 24) % 360
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        colour = theme().colour
        place = self._entry.place
        area = QRectF(self.rect()).adjusted(10, 2, -10, -2)
        if place == "current" or (self.underMouse() and self.isEnabled()):
            path = QPainterPath()
            path.addRoundedRect(area, 7, 7)
            fill = colour("sidebar_current")
            if place != "current":
                fill.setAlphaF(0.55)
            painter.fillPath(path, fill)
        if self.hasFocus():
            painter.setPen(colour("sidebar_accent"))
            painter.drawRoundedRect(area.adjusted(1, 1, -1, -1), 6, 6)
        self._paint_badge(painter, QRectF(area.left() + 10, area.center().y() - 12, 24, 24))
        self._paint_words(painter, area.adjusted(46, 0, -10, 0))

    def _paint_badge(self, painter: QPainter, badge: QRectF) -> None:
        colour = theme().colour
        place = self._entry.place
        accent = colour("sidebar_accent")
        if self._entry.busy:
            paint_spinner(painter, badge.adjusted(-1, -1, 1, 1), accent, self._angle)
            return
        muted = colour("sidebar_muted")
        wrong = colour("sidebar_wrong")
        ring = {"open": muted, "locked": muted, "wrong": wrong}.get(place, accent)
        painter.setPen(ring)
        painter.setBrush(accent if place == "current" else Qt.BrushStyle.NoBrush)
        painter.drawEllipse(badge.adjusted(0.5, 0.5, -0.5, -0.5))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        inner = badge.adjusted(4, 4, -4, -4)
        if place in ("done", "passed"):
            draw_icon(painter, "check", theme().colours.sidebar_accent, inner)
            return
        painter.setPen(colour("sidebar") if place == "current" else ring)
        font = self.font()
        font.setBold(place == "current")
        font.setPointSizeF(font.pointSizeF() * 0.92)
        painter.setFont(font)
        sign = "!" if place == "wrong" else str(self._number)
        painter.drawText(badge, Qt.AlignmentFlag.AlignCenter, sign)

    def _paint_words(self, painter: QPainter, area: QRectF) -> None:
        colour = theme().colour
        place = self._entry.place
        font = self.font()
        font.setBold(place == "current")
        painter.setFont(font)
        painter.setPen(colour("sidebar_muted" if place in ("locked", "passed") else "sidebar_text"))
        left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        note = self._entry.note
        if not note:
            painter.drawText(area, left, self.text())
            return
        painter.drawText(area.adjusted(0, 4, 0, -area.height() / 2 + 2), left, self.text())
        font.setBold(False)
        font.setPointSizeF(font.pointSizeF() * 0.88)
        painter.setFont(font)
        painter.setPen(colour("sidebar_muted"))
        below = area.adjusted(0, area.height() / 2 - 1, 0, -4)
        words = painter.fontMetrics().elidedText(
            note, Qt.TextElideMode.ElideMiddle, int(area.width())
        )
        painter.drawText(below, left, words)


class SideBar(QWidget):
    """All pages in order; ``chosen(index)`` when the user picks one that is open."""

    chosen = Signal(int)
    WIDTH = 224

    def __init__(self, titles: tuple[str, ...]) -> None:
        super().__init__()
        self.setFixedWidth(self.WIDTH)
        self.setAccessibleName(_("Pages"))
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 78, 0, 16)
        layout.setSpacing(2)
        self.items: list[SideBarItem] = []
        for number, title in enumerate(titles, 1):
            item = SideBarItem(number, title)
            item.clicked.connect(self._clicked)
            layout.addWidget(item)
            self.items.append(item)
        layout.addStretch(1)
        self._told = label(role="told")
        layout.addWidget(self._told)
        self._timer = QTimer(self)
        self._timer.setInterval(60)
        self._timer.timeout.connect(self._turn)
        theme().changed.connect(self.update)

    @property
    def told(self) -> str:
        """What it says at its foot."""
        return self._told.text()

    def tell(self, words: str) -> None:
        """Say at the foot, for a moment, what was done."""
        self._told.setText(words)
        QTimer.singleShot(TOLD_FOR, self._told, self._told.clear)

    def show_entries(self, entries: tuple[Entry, ...]) -> None:
        """Show the state of every page."""
        for item, entry in zip(self.items, entries, strict=True):
            item.show_entry(entry)
        busy = any(entry.busy for entry in entries)
        if busy != self._timer.isActive():
            self._timer.start() if busy else self._timer.stop()

    def _turn(self) -> None:
        for item in self.items:
            if item.entry.busy:
                item.turn()

    def _clicked(self) -> None:
        sender = self.sender()
        for index, item in enumerate(self.items):
            if item is sender:
                self.chosen.emit(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        step = {Qt.Key.Key_Down: 1, Qt.Key.Key_Up: -1}.get(Qt.Key(event.key()))
        places = [i for i, item in enumerate(self.items) if item.isEnabled()]
        focused = next((i for i, item in enumerate(self.items) if item.hasFocus()), None)
        if step is None or focused not in places:
            super().keyPressEvent(event)
            return
        where = places.index(focused) + step
        if 0 <= where < len(places):
            self.items[places[where]].setFocus(Qt.FocusReason.TabFocusReason)

    def paintEvent(self, event: QPaintEvent) -> None:
        painter = QPainter(self)
        # not fillRect: to choose among its forms, PySide6 makes all of QGradient's presets first
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme().colour("sidebar"))
        painter.drawRect(self.rect())
        draw_icon(painter, "slipway", "", QRectF(20, 22, 34, 34))
        font = self.font()
        font.setPointSizeF(font.pointSizeF() * 1.35)
        font.setBold(True)
        painter.setFont(font)
        painter.setPen(theme().colour("sidebar_text"))
        painter.drawText(
            QRectF(66, 22, self.WIDTH - 76, 34),
            Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignLeft,
            "Slipway",
        )
