"""Lists whose rows have a name and, beneath it, smaller words."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPainter
from PySide6.QtWidgets import (
    QApplication,
    QListWidget,
    QListWidgetItem,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
)

from ui.theme import theme

MARGIN = 9
GAP = 2
WORDS = Qt.ItemDataRole.UserRole + 1


class PlainList(QListWidget):
    """A list without columns; each row stands for a value, and all of it can be seen.

    It is as high as its rows up to ``most`` of them.
    """

    def __init__(self, name: str, most: int = 6) -> None:
        super().__init__()
        self._most = most
        self.setAccessibleName(name)
        self.setItemDelegate(_TwoLines(self))
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setUniformItemSizes(True)

    @property
    def values(self) -> list[Any]:
        """What the rows stand for."""
        return [value_of(self.item(row)) for row in range(self.count())]

    def show_rows(self, rows: list[tuple[Any, str, str]]) -> None:
        """Show other rows: what each stands for, its name, the words beneath; no signal."""
        self.blockSignals(True)
        self.clear()
        for value, name, words in rows:
            item = QListWidgetItem(name)
            item.setData(Qt.ItemDataRole.UserRole, value)
            item.setData(WORDS, words)
            item.setData(Qt.ItemDataRole.AccessibleTextRole, f"{name}, {words}")
            item.setToolTip(f"{name}\n{words}")
            self.addItem(item)
        count = max(1, min(self._most, self.count()))
        height = max(24, self.sizeHintForRow(0))
        self.setFixedHeight(count * height + 2 * self.frameWidth() + 8)
        self.blockSignals(False)

    def choose(self, value: Any) -> None:
        """Make the row of ``value`` the current one, without a signal."""
        self.blockSignals(True)
        values = self.values
        self.setCurrentRow(values.index(value) if value in values else -1)
        self.blockSignals(False)


def value_of(item: QListWidgetItem) -> Any:
    """Return what a row stands for."""
    return item.data(Qt.ItemDataRole.UserRole)


class _TwoLines(QStyledItemDelegate):
    def sizeHint(
        self, option: QStyleOptionViewItem, index: QModelIndex | QPersistentModelIndex
    ) -> QSize:
        name, words = _fonts(option)
        height = QFontMetrics(name).height() + GAP + QFontMetrics(words).height()
        return QSize(100, height + 2 * MARGIN - 4)

    def paint(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        index: QModelIndex | QPersistentModelIndex,
    ) -> None:
        self.initStyleOption(option, index)
        text, option.text = option.text, ""
        style = option.widget.style() if option.widget else QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        name, words = _fonts(option)
        area = option.rect.adjusted(MARGIN, MARGIN - 2, -MARGIN, 2 - MARGIN)
        painter.save()
        _draw(painter, name, theme().colour_name("text"), area, text)
        area.setTop(area.top() + QFontMetrics(name).height() + GAP)
        _draw(painter, words, theme().colour_name("muted"), area, index.data(WORDS) or "")
        painter.restore()


def _fonts(option: QStyleOptionViewItem) -> tuple[QFont, QFont]:
    name, words = QFont(option.font), QFont(option.font)
    name.setWeight(QFont.Weight.Medium)
    words.setPointSizeF(option.font.pointSizeF() * 0.92)
    return name, words


def _draw(painter: QPainter, font: QFont, colour: str, area: QRect, text: str) -> None:
    painter.setFont(font)
    painter.setPen(colour)
    short = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideMiddle, area.width())
    painter.drawText(area, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop, short)
