"""The steps of a run: what is done, what is under way and for how long."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from PySide6.QtCore import (
    QAbstractListModel,
    QModelIndex,
    QPersistentModelIndex,
    QPointF,
    QRectF,
    QSize,
    Qt,
    QTimer,
    Signal,
)
from PySide6.QtGui import (
    QFont,
    QPainter,
    QPainterPath,
    QResizeEvent,
    QTextLayout,
    QTextOption,
)
from PySide6.QtWidgets import (
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from app.amounts import Pace, duration_text
from app.events import Progress, StepChanged, StepState
from app.i18n import _
from ui.theme import draw_icon, theme
from ui.widgets.basics import paint_spinner

Index = QModelIndex | QPersistentModelIndex
LEFT, RIGHT = 46, 12  # of a step's words
SMALL = 0.92  # the size of what stands beside and under a title
TICK = 100  # milliseconds between two pictures while a step runs
MOVING = frozenset({StepState.RUNNING, StepState.UNDOING})
LOOKS = {  # icon and colour of each state
    StepState.PENDING: ("pending", "disabled"),
    StepState.SKIPPED: ("skip", "muted"),
    StepState.DONE: ("success", "success"),
    StepState.FAILED: ("error", "danger"),
    StepState.CANCELLED: ("stop", "warning"),
    StepState.UNDONE: ("rollback", "muted"),
    StepState.UNDO_FAILED: ("error", "danger"),
}


def state_text(state: StepState) -> str:
    """Return a step's state in words."""
    return {
        StepState.PENDING: _("waiting"),
        StepState.RUNNING: _("running"),
        StepState.SKIPPED: _("nothing to do"),
        StepState.DONE: _("done"),
        StepState.FAILED: _("failed"),
        StepState.CANCELLED: _("cancelled"),
        StepState.UNDOING: _("being undone"),
        StepState.UNDONE: _("undone"),
        StepState.UNDO_FAILED: _("could not be undone"),
    }[state]


@dataclass(slots=True)
class _Row:
    title: str
    state: StepState = StepState.PENDING
    failed: bool = False
    began: float = 0.0
    took: float = 0.0
    pace: Pace = field(default_factory=Pace)


class StepModel(QAbstractListModel):
    """The rows of a run and their states; times come from ``clock``, in seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        super().__init__()
        self._clock = clock
        self._over = False
        self.rows: list[_Row] = []

    def show_rows(self, titles: Sequence[str]) -> None:
        """Begin with these rows, all waiting."""
        self.beginResetModel()
        self.rows = [_Row(title) for title in titles]
        self._over = False
        self.endResetModel()

    def end(self) -> None:
        """Show that nothing waits any more."""
        self._over = True
        if self.rows:
            self.dataChanged.emit(self.index(0), self.index(len(self.rows) - 1))

    def take(self, event: StepChanged | Progress) -> None:
        """Take one event of the run."""
        if not 0 <= event.index < len(self.rows):
            return
        row = self.rows[event.index]
        now = self._clock()
        if isinstance(event, Progress):
            row.pace.add(now, event.done, event.total)
        else:
            if event.state in MOVING:
                row.began = now
                row.pace = Pace()
            elif row.state is StepState.RUNNING:  # what undoing took is not what the step took
                row.took = now - row.began
            row.state = event.state
            row.failed |= event.state is StepState.FAILED
        self._touch(event.index)

    def tick(self) -> bool:
        """Redraw what is moving; returns whether anything is."""
        moving = [number for number, row in enumerate(self.rows) if row.state in MOVING]
        for number in moving:
            self._touch(number)
        return bool(moving)

    def _touch(self, number: int) -> None:
        index = self.index(number)
        self.dataChanged.emit(index, index)

    def second_line(self, row: _Row) -> str:
        """Return what stands under a step's title."""
        if row.state in MOVING:
            if row.pace.total:
                return row.pace.text()
            return state_text(row.state)
        if self._over and row.state is StepState.PENDING:
            return _("not begun")
        if row.failed and row.state is StepState.UNDONE:
            return _("failed; what it did is undone")
        return state_text(row.state)

    def time_text(self, row: _Row) -> str:
        """Return how long a step took, or has been running."""
        if row.state in MOVING:
            return duration_text(self._clock() - row.began)
        return duration_text(row.took) if row.took >= 0.05 else ""

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.rows)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        row = self.rows[index.row()]
        if role in (Qt.ItemDataRole.DisplayRole, Qt.ItemDataRole.ToolTipRole):
            return row.title
        if role == Qt.ItemDataRole.AccessibleTextRole:
            parts = (row.title, self.second_line(row), self.time_text(row))
            return _(", ").join(part for part in parts if part)
        return None


def title_lines(title: str, font: QFont, width: float) -> list[str]:
    """Return a step's title in lines of that width, whether it is shown bold or not."""
    bold = QFont(font)
    bold.setBold(True)
    layout = QTextLayout(title, bold)
    option = QTextOption()
    option.setWrapMode(QTextOption.WrapMode.WrapAtWordBoundaryOrAnywhere)
    layout.setTextOption(option)
    lines = []
    layout.beginLayout()
    while (line := layout.createLine()).isValid():
        line.setLineWidth(max(40.0, width))
        lines.append(title[line.textStart() : line.textStart() + line.textLength()].strip())
    layout.endLayout()
    return lines or [""]


class StepDelegate(QStyledItemDelegate):
    """Paints one step: badge, title, state and time, a bar while something is uploaded."""

    def __init__(self, view: QListView) -> None:
        super().__init__(view)
        self._view = view

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        lines = len(title_lines(str(index.data()), option.font, self._room))
        return QSize(120, option.fontMetrics.height() * (lines + 1) + 22)

    @property
    def _room(self) -> int:
        """The width of a title, the same whether the list scrolls or not."""
        bar = self._view.verticalScrollBar().sizeHint().width()
        return self._view.contentsRect().width() - bar - LEFT - RIGHT

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        model = index.model()
        if not isinstance(model, StepModel):
            return
        row = model.rows[index.row()]
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        area = QRectF(option.rect)
        state = option.state
        _paint_ground(painter, area, row, focused=bool(state & QStyle.StateFlag.State_HasFocus))
        self._paint_link(painter, area, index.row(), len(model.rows))
        badge = QRectF(area.left() + 12, area.top() + 8, 22, 22)
        if row.state in MOVING:
            angle = int(time.monotonic() * 360) % 360
            paint_spinner(painter, badge, theme().colour("accent"), -angle)
        else:
            icon, colour = LOOKS[StepState.FAILED if row.failed else row.state]
            draw_icon(painter, icon, theme().colour_name(colour), badge)
        titles = title_lines(row.title, painter.font(), self._room)
        _paint_words(painter, area.adjusted(LEFT, 6, -RIGHT, -6), row, titles, model)
        painter.restore()

    @staticmethod
    def _paint_link(painter: QPainter, area: QRectF, number: int, count: int) -> None:
        painter.setPen(theme().colour("border"))
        x = area.left() + 23
        if number:
            painter.drawLine(QPointF(x, area.top()), QPointF(x, area.top() + 6))
        if number < count - 1:
            painter.drawLine(QPointF(x, area.top() + 33), QPointF(x, area.bottom()))


def _paint_ground(painter: QPainter, area: QRectF, row: _Row, *, focused: bool) -> None:
    path = QPainterPath()
    path.addRoundedRect(area.adjusted(3, 1, -3, -1), 6, 6)
    if row.state in MOVING:
        painter.fillPath(path, theme().colour("accent_soft"))
    elif row.failed or row.state is StepState.UNDO_FAILED:
        painter.fillPath(path, theme().colour("danger_soft"))
    if focused:
        painter.setPen(theme().colour("focus"))
        painter.drawPath(path)


def _paint_words(
    painter: QPainter, area: QRectF, row: _Row, titles: Sequence[str], model: StepModel
) -> None:
    font = painter.font()
    colour = theme().colour
    top = Qt.AlignmentFlag.AlignTop
    line = painter.fontMetrics().height()
    small = painter.font()
    small.setPointSizeF(font.pointSizeF() * SMALL)
    painter.setFont(small)
    painter.setPen(colour("muted"))
    spent = model.time_text(row)
    under = area.top() + line * (len(titles) - 1) + painter.fontMetrics().height() + 4
    below = QRectF(area.left(), under, area.width(), 20)
    painter.drawText(below, Qt.AlignmentFlag.AlignRight | top, spent)
    below.setRight(below.right() - painter.fontMetrics().horizontalAdvance(spent) - 8)
    if row.failed or row.state is StepState.UNDO_FAILED:
        painter.setPen(colour("danger"))
    elide = Qt.TextElideMode.ElideMiddle
    words = painter.fontMetrics().elidedText(model.second_line(row), elide, int(below.width()))
    painter.drawText(below, Qt.AlignmentFlag.AlignLeft | top, words)
    font.setBold(row.state in MOVING)
    painter.setFont(font)
    painter.setPen(colour("muted" if row.state is StepState.PENDING else "text"))
    for number, words in enumerate(titles):
        place = area.adjusted(0, line * number - 1, 0, 0)
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft | top, words)
    if row.state in MOVING and row.pace.total:
        bar = QRectF(area.left(), area.bottom() - 1, area.width(), 4)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(colour("border"))
        painter.drawRoundedRect(bar, 2, 2)
        painter.setBrush(colour("accent"))
        bar.setWidth(bar.width() * min(1.0, row.pace.done / row.pace.total))
        painter.drawRoundedRect(bar, 2, 2)


class StepList(QListView):
    """Shows a run's steps, the one under way in view; ``picked(row)`` on Enter or click."""

    picked = Signal(int)

    def __init__(self) -> None:
        super().__init__()
        self.steps = StepModel()
        self.setModel(self.steps)
        self.setItemDelegate(StepDelegate(self))
        self.setAccessibleName(_("Steps"))
        self.setProperty("role", "steps")
        self.setSelectionMode(QListView.SelectionMode.NoSelection)
        self.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        self.setResizeMode(QListView.ResizeMode.Adjust)  # titles take as many lines as they need
        self.setVerticalScrollMode(QListView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setViewportMargins(0, 6, 0, 6)
        self._timer = QTimer(self)
        self._timer.setInterval(TICK)
        self._timer.timeout.connect(self._tick)
        self._watched = 0  # the row that is to be in sight
        self.clicked.connect(self._activated)
        self.activated.connect(self._activated)
        theme().changed.connect(self.viewport().update)

    def show_rows(self, titles: Sequence[str]) -> None:
        """Begin with these rows, all waiting."""
        self.steps.show_rows(titles)
        self._watch(0)
        self.setCurrentIndex(self.steps.index(0))

    def take(self, event: StepChanged | Progress) -> None:
        """Take one event of the run."""
        self.steps.take(event)
        if isinstance(event, StepChanged) and event.state in MOVING:
            self._watch(event.index)
            self._timer.start()

    def end(self) -> None:
        """Show that nothing waits any more, and the step that failed, if one did."""
        self.steps.end()
        failed = [number for number, row in enumerate(self.steps.rows) if row.failed]
        self._watch(failed[0] if failed else self._watched)
        self.setCurrentIndex(self.steps.index(self._watched))

    def _watch(self, number: int) -> None:
        self._watched = number
        self.scrollTo(self.steps.index(number))

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        self.scrollTo(self.steps.index(self._watched))

    def _tick(self) -> None:
        if not self.steps.tick():
            self._timer.stop()

    def _activated(self, index: QModelIndex) -> None:
        self.picked.emit(index.row())
