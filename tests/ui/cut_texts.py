"""Finds text that a window cuts off, and stretches texts to provoke it."""

from __future__ import annotations

import gettext
import re
from collections.abc import Iterator

from babel.messages.catalog import Catalog
from PySide6.QtCore import QRect, QSize, Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractScrollArea,
    QAbstractSpinBox,
    QComboBox,
    QHeaderView,
    QLabel,
    QLineEdit,
    QScrollArea,
    QStyle,
    QStyleOptionComboBox,
    QTabBar,
    QWidget,
)

from ui.widgets.side_bar import SideBarItem

GROWTH = 0.4
ACCENTS = str.maketrans("aceinouyACEINOUY", "áçéíñöûýÁÇÉÍÑÖÛÝ")
# What is left as it is: places that something is put into, letters for Alt.
FIXED = re.compile(r"(\{[^{}]*\}|%\(\w+\)[sr]|%[srd]|&\w)")


class Stretched(gettext.NullTranslations):
    """A language whose texts are 40 % longer and full of accents; only of texts in ``catalog``."""

    def __init__(self, catalog: Catalog) -> None:
        super().__init__()
        self._known = {
            text
            for message in catalog
            for text in ((message.id,) if isinstance(message.id, str) else message.id)
        }

    def gettext(self, message: str) -> str:
        return stretched(message) if message in self._known else message

    def ngettext(self, msgid1: str, msgid2: str, n: int) -> str:
        return self.gettext(msgid1 if n == 1 else msgid2)


def stretched(text: str) -> str:
    """Return a text with accents, each line 40 % longer; it ends as it did."""
    return "\n".join(_longer(line) for line in text.split("\n"))


def _longer(line: str) -> str:
    parts = FIXED.split(line)
    accented = "".join(
        part if place % 2 else part.translate(ACCENTS) for place, part in enumerate(parts)
    )
    if not re.search(r"[^\W\d_]", "".join(parts[::2])):
        return line  # no word in it
    body = accented.rstrip("…. :")
    end = accented[len(body) :]
    filling = "ôlöñgér wôrds "
    length = max(1, round(len(FIXED.sub("", line)) * GROWTH))
    more = (filling * (length // len(filling) + 1))[: length - 1].strip()
    gap = " " if len(line) > 4 else ""
    return f"{body}{gap}{more}{end}"


def cut_texts(window: QWidget) -> list[str]:
    """Return what of a window's text can't be read, and where."""
    found = [
        f"{type(widget).__name__} {widget.objectName()}: {what}"
        for widget in [window, *window.findChildren(QWidget)]
        if widget.isVisible()
        for what in _cut(widget)
    ]
    return [*found, *_outside(window)]


def _cut(widget: QWidget) -> Iterator[str]:
    if isinstance(widget, SideBarItem):
        yield from _cut_item(widget)
    elif isinstance(widget, QLabel):
        yield from _cut_label(widget)
    elif isinstance(widget, QAbstractButton):
        if widget.text() and _smaller(widget.size(), widget.sizeHint()):
            yield widget.text()
    elif isinstance(widget, QComboBox):
        yield from _cut_choice(widget)
    elif isinstance(widget, QLineEdit):
        yield from _cut_example(widget)
    elif isinstance(widget, QTabBar):
        yield from _cut_tabs(widget)
    elif isinstance(widget, QHeaderView):
        yield from _cut_heads(widget)


def _smaller(size: QSize, wanted: QSize) -> bool:
    return size.width() < wanted.width() or size.height() < wanted.height()


def _cut_item(item: SideBarItem) -> Iterator[str]:
    """A page's name in the side bar is painted by hand; its note may be cut: the page has it."""
    font = item.font()
    font.setBold(True)
    if QFontMetrics(font).horizontalAdvance(item.text()) > item.width() - 76:
        yield item.text()


def _cut_label(label: QLabel) -> Iterator[str]:
    text = label.text()
    if not text or not label.pixmap().isNull():
        return
    if label.toolTip() and text.endswith("…"):
        return  # shortened on purpose, whole in the tool tip
    if label.wordWrap():
        if label.heightForWidth(label.width()) > label.height():
            yield f"{text!r}: {label.height()} of {label.heightForWidth(label.width())} pixels high"
        words = re.findall(r"[^\s\u200b\u3000-\u9fff\uff00-\uffef]+|.", text)  # lines break between
        if max(_width(label, word) for word in words) > label.contentsRect().width():
            yield f"a word of {text!r}"
    elif _smaller(label.size(), label.sizeHint()):
        yield f"{text!r}: {label.width()} of {label.sizeHint().width()} pixels wide"


def _cut_choice(box: QComboBox) -> Iterator[str]:
    """Any of the choices can become the one that shows."""
    if box.isEditable():
        return  # its line of text is looked at by itself
    style = box.style().subControlRect
    option = QStyleOptionComboBox()
    box.initStyleOption(option)
    area = style(
        QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, box
    )
    for index in range(box.count()):
        if _width(box, box.itemText(index)) > area.width():
            yield f"{box.itemText(index)!r} in {area.width()} pixels"


def _cut_example(edit: QLineEdit) -> Iterator[str]:
    """What is typed can be scrolled; what stands there instead of it can't."""
    parent = edit.parentWidget()
    if isinstance(parent, QAbstractSpinBox):
        text = edit.text()
    else:
        text = edit.placeholderText()
        if edit.text() or edit.toolTip() == text:
            return
    if text and _width(edit, text) > edit.contentsRect().width() - 4:
        yield f"{text!r} in {edit.contentsRect().width()} pixels"


def _cut_tabs(bar: QTabBar) -> Iterator[str]:
    for index in range(bar.count()):
        if _width(bar, bar.tabText(index)) > bar.tabRect(index).width() - 8:
            yield bar.tabText(index)


def _cut_heads(header: QHeaderView) -> Iterator[str]:
    if header.orientation() is not Qt.Orientation.Horizontal:
        return
    model = header.model()
    for index in range(header.count()):
        text = str(model.headerData(index, header.orientation()) or "")
        if header.sectionSize(index) < header.sectionSizeHint(index):
            yield f"{text!r} in {header.sectionSize(index)} pixels"


def _width(widget: QWidget, text: str) -> int:
    shown = re.sub(r"&(\w)", r"\1", text)
    return max(widget.fontMetrics().horizontalAdvance(line) for line in shown.split("\n"))


def _outside(window: QWidget) -> Iterator[str]:
    """Yield what reaches beyond the window, or beyond what scrolls it only up and down."""
    for area in window.findChildren(QScrollArea):
        inside = area.widget()
        never = area.horizontalScrollBarPolicy() is Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        if area.isVisible() and never and inside.width() > area.viewport().width():
            wide = [
                f"{type(each).__name__} {getattr(each, 'text', str)()!r}"
                for each in inside.findChildren(QWidget)
                if not each.findChildren(QWidget) and each.minimumSizeHint().width() > 300
            ]
            yield f"the page is {inside.width()} wide in {area.viewport().width()}: {wide}"
    for widget in window.findChildren(QWidget):
        if not widget.isVisible() or widget.isWindow():
            continue
        parent = widget.parentWidget()
        if isinstance(parent.parentWidget(), QAbstractScrollArea):
            continue  # scrolled
        if not parent.rect().contains(widget.geometry()) and _has_text(widget):
            beyond: QRect = widget.geometry()
            yield f"{type(widget).__name__} {_has_text(widget)!r} at {beyond} in {parent.rect()}"


def _has_text(widget: QWidget) -> str:
    if isinstance(widget, QLabel | QAbstractButton):
        return widget.text()
    return ""
