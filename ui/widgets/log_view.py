"""The live log: bounded, follows its tail, filtered and searched without ever blocking."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Literal

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import (
    QFont,
    QGuiApplication,
    QKeySequence,
    QShortcut,
    QTextCharFormat,
    QTextCursor,
    QTextDocument,
)
from PySide6.QtWidgets import (
    QComboBox,
    QFileDialog,
    QHBoxLayout,
    QPlainTextEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.events import Stream
from app.i18n import _, ngettext
from ui.theme import monospace, theme
from ui.widgets.basics import SearchEdit, label, tool_button

KEPT = 100_000  # lines that filter, search and Save know; the oldest go first
SHOWN = 10_000  # lines that the view holds at once
LONGEST = 4_000  # characters of one line
ADDED = 400  # lines that one turn of the event loop adds to the view
SEARCH_WIDTH = 110
LOOKED_AT = 10_000  # lines that one turn compares with the filter

Sort = Literal["stdout", "stderr", "note", "heading"]
Entry = tuple[Sort, str]


class LogView(QWidget):
    """Lines as they come. Output, errors and Slipway's own words look different.

    Adding only stores; the view is fed in small portions from a timer, so that neither a flood
    nor a new filter over all kept lines holds up the window.
    """

    following = Signal(bool)
    # not danger: most programs log to stderr, and nothing is wrong with its lines
    stderr_role = "warning"

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        self._lines: list[Entry] = []
        self._dropped = 0  # lines that went before the first of _lines
        self._next = 0  # number of the line that the view looks at next
        self._follow = True
        self._suggested = "slipway.log"
        self._text = QPlainTextEdit()
        self._text.setReadOnly(True)
        self._text.setUndoRedoEnabled(False)
        self._text.setLineWrapMode(QPlainTextEdit.LineWrapMode.NoWrap)
        self._text.setMaximumBlockCount(SHOWN)
        self._text.setProperty("role", "code")
        self._text.setFont(monospace())
        self._text.setAccessibleName(name)
        self._text.setTabChangesFocus(True)
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse
            | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._text.verticalScrollBar().valueChanged.connect(self._scrolled)
        self._text.verticalScrollBar().rangeChanged.connect(self._range_changed)
        self._adding = False
        self._feeder = QTimer(self)
        self._feeder.setInterval(0)
        self._feeder.timeout.connect(self._feed)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(8)
        layout.addLayout(self._tool_row())
        layout.addWidget(self._text, 1)
        self._formats: dict[Sort, QTextCharFormat] = {}
        self._recolour()
        theme().changed.connect(self._recolour)

    def _tool_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(6)
        self.search = SearchEdit()
        self.search.setPlaceholderText(_("Search the log"))
        self.search.setAccessibleName(_("Search the log"))
        self.search.setToolTip(_("Search the log"))
        self.search.setClearButtonEnabled(True)
        self.search.setMinimumWidth(SEARCH_WIDTH)
        self.search.textChanged.connect(self._search_edited)
        self.search.returnPressed.connect(self.find_next)
        row.addWidget(self.search, 1)
        self.only_matches = tool_button(
            _("Show only lines that match"), "filter", self._restart, checkable=True
        )
        row.addWidget(self.only_matches)
        row.addWidget(tool_button(_("Previous match (Shift+F3)"), "chevron-up", self.find_previous))
        row.addWidget(tool_button(_("Next match (F3)"), "chevron-down", self.find_next))
        self.streams = QComboBox()
        self.streams.setAccessibleName(_("Which lines"))
        self.streams.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        for text, sorts in (
            (_("All lines"), ("stdout", "stderr", "note", "heading")),
            (_("Error output"), ("stderr",)),
            (_("By Slipway"), ("note", "heading")),
        ):
            self.streams.addItem(text, frozenset(sorts))
        self.streams.currentIndexChanged.connect(self._restart)
        row.addWidget(self.streams)
        self.tail = tool_button(
            _("Follow the end"), "arrow-down", self._tail_clicked, checkable=True
        )
        self.tail.setChecked(True)
        row.addWidget(self.tail)
        row.addWidget(tool_button(_("Copy"), "copy", self.copy))
        row.addWidget(tool_button(_("Save…"), "save", self._ask_and_save))
        self._found = label(role="small", wrap=False)
        self._found.hide()
        row.insertWidget(1, self._found)
        for keys, slot in (("F3", self.find_next), ("Shift+F3", self.find_previous)):
            QShortcut(QKeySequence(keys), self).activated.connect(slot)
        find = QShortcut(QKeySequence(QKeySequence.StandardKey.Find), self)
        find.activated.connect(self._focus_search)
        return row

    # Lines

    def add(self, lines: Iterable[Entry]) -> None:
        """Add lines at the end; cheap."""
        self._lines += [(sort, _tame(text)) for sort, text in lines]
        surplus = len(self._lines) - KEPT
        if surplus > KEPT // 10:  # moved in large pieces, not line by line
            del self._lines[:surplus]
            self._dropped += surplus
            self._next = max(self._next, self._dropped)
        self._feeder.start()

    def add_stream(self, stream: Stream, text: str) -> None:
        """Add one line of output."""
        self.add([(stream, text)])

    def clear(self) -> None:
        """Forget all lines."""
        self._lines.clear()
        self._dropped = self._next = 0
        self._text.clear()
        self.set_following(True)

    def say_while_empty(self, words: str) -> None:
        """Set the words that stand there while there are no lines."""
        self._text.setPlaceholderText(words)

    def suggest_name(self, name: str) -> None:
        """Set the file name that Save proposes."""
        self._suggested = name

    @property
    def lines(self) -> list[str]:
        """The kept lines that pass the filter."""
        return [text for sort, text in self._lines if self._passes(sort, text)]

    @property
    def all_lines(self) -> list[str]:
        """All kept lines, whatever the filter."""
        return [text for _sort, text in self._lines]

    @property
    def shown(self) -> str:
        """What the view holds."""
        return self._text.toPlainText()

    @property
    def settled(self) -> bool:
        """Whether the view shows all there is to show."""
        return not self._feeder.isActive()

    def _passes(self, sort: Sort, text: str) -> bool:
        wanted: frozenset[Sort] = self.streams.currentData()
        if sort not in wanted:
            return False
        return not self.only_matches.isChecked() or self.search.text().lower() in text.lower()

    def _feed(self) -> None:
        start = self._next - self._dropped
        stop = min(len(self._lines), start + LOOKED_AT)
        chosen: list[Entry] = []
        at = start
        wanted: frozenset[Sort] = self.streams.currentData()
        needle = self.search.text().lower() if self.only_matches.isChecked() else ""
        while at < stop and len(chosen) < ADDED:
            sort, text = self._lines[at]
            if sort in wanted and (not needle or needle in text.lower()):
                chosen.append(self._lines[at])
            at += 1
        self._next = self._dropped + at
        if chosen:
            self._append(chosen)
        if at >= len(self._lines):
            self._feeder.stop()

    def _append(self, entries: list[Entry]) -> None:
        bar = self._text.verticalScrollBar()
        place, blocks = bar.value(), self._text.blockCount()
        document = self._text.document()
        cursor = QTextCursor(document)
        cursor.movePosition(QTextCursor.MoveOperation.End)
        self._adding = True
        cursor.beginEditBlock()
        first = document.isEmpty()
        for sort, group in groupby(entries, key=lambda entry: entry[0]):
            text = "\n".join(entry[1] for entry in group)
            cursor.insertText(text if first else "\n" + text, self._formats[sort])
            first = False
        cursor.endEditBlock()
        if self._follow:
            bar.setValue(bar.maximum())
        else:
            # lines that left at the top must not move what is being read
            gone = blocks + len(entries) - self._text.blockCount()
            bar.setValue(place - max(0, gone))
        self._adding = False

    def _restart(self) -> None:
        """Show the kept lines anew: another filter, other colours."""
        self._adding = True
        self._text.clear()
        self._adding = False
        # more than the view holds need not pass through it, unless a filter thins them out
        unfiltered = not self.only_matches.isChecked() and self.streams.currentIndex() == 0
        skip = max(0, len(self._lines) - SHOWN) if unfiltered else 0
        self._next = self._dropped + skip
        self._count_matches()
        self._feeder.start()

    def _recolour(self) -> None:
        roles: dict[Sort, str] = {
            "stdout": "text",
            "stderr": self.stderr_role,
            "note": "accent",
            "heading": "text",
        }
        for sort, role in roles.items():
            form = QTextCharFormat()
            form.setForeground(theme().colour(role))
            if sort == "heading":
                form.setFontWeight(QFont.Weight.Bold)
            self._formats[sort] = form
        self._restart()

    def show_heading(self, text: str) -> None:
        """Scroll to the last heading that ends with ``text``."""
        cursor = QTextCursor(self._text.document())
        cursor.movePosition(QTextCursor.MoveOperation.End)
        found = self._text.document().find(text, cursor, QTextDocument.FindFlag.FindBackward)
        if not found.isNull():
            self.set_following(False)
            found.movePosition(QTextCursor.MoveOperation.StartOfBlock)
            self._text.setTextCursor(found)
            self._text.verticalScrollBar().setValue(found.blockNumber())

    # Follow

    def set_following(self, on: bool) -> None:
        """Keep the end in view, or stay where the user reads."""
        if on:
            bar = self._text.verticalScrollBar()
            bar.setValue(bar.maximum())
        if on != self._follow:
            self._follow = on
            self.following.emit(on)
        self.tail.setChecked(on)

    @property
    def follows(self) -> bool:
        """Whether the end stays in view."""
        return self._follow

    def _tail_clicked(self) -> None:
        self.set_following(self.tail.isChecked())

    def _range_changed(self, _least: int, most: int) -> None:
        if self._follow:
            self._adding = True
            self._text.verticalScrollBar().setValue(most)
            self._adding = False

    def _scrolled(self) -> None:
        if not self._adding:
            bar = self._text.verticalScrollBar()
            self.set_following(bar.value() >= bar.maximum())

    # Search

    def find_next(self) -> None:
        """Go to the next match, from the start again after the last."""
        self._find(QTextDocument.FindFlag(0))

    def find_previous(self) -> None:
        """Go to the match before, from the end again before the first."""
        self._find(QTextDocument.FindFlag.FindBackward)

    def _find(self, flags: QTextDocument.FindFlag) -> None:
        words = self.search.text()
        if not words:
            self._focus_search()
            return
        self.set_following(False)
        if not self._text.find(words, flags):
            cursor = self._text.textCursor()
            backward = bool(flags & QTextDocument.FindFlag.FindBackward)
            end = QTextCursor.MoveOperation.End
            cursor.movePosition(end if backward else QTextCursor.MoveOperation.Start)
            self._text.setTextCursor(cursor)
            self._text.find(words, flags)

    def _search_edited(self) -> None:
        if self.only_matches.isChecked():
            self._restart()
        else:
            self._count_matches()

    def _count_matches(self) -> None:
        needle = self.search.text().lower()
        self._found.setVisible(bool(needle))
        if needle:
            count = sum(needle in text.lower() for _sort, text in self._lines)
            self._found.setText(ngettext("{n} line", "{n} lines", count).format(n=count))

    def _focus_search(self) -> None:
        self.search.setFocus()
        self.search.selectAll()

    # Copy and save

    def copy(self) -> None:
        """Put the selection on the clipboard, or all lines that pass the filter."""
        cursor = self._text.textCursor()
        if cursor.hasSelection():
            self._text.copy()
        else:
            QGuiApplication.clipboard().setText("\n".join(self.lines) + "\n")

    def save(self, path: Path) -> None:
        """Write the lines that pass the filter to a file."""
        path.write_text("\n".join(self.lines) + "\n", encoding="utf-8")

    def _ask_and_save(self) -> None:
        name, _kind = QFileDialog.getSaveFileName(
            self, _("Save the log"), self._suggested, _("Text files (*.log *.txt)")
        )
        if name:
            self.save(Path(name))


def _tame(text: str) -> str:
    """Cut what would hold up the view: line breaks inside a line, endless lines."""
    if len(text) > LONGEST:
        text = text[:LONGEST] + " …"
    return text.replace("\r", "").replace("\n", " ").replace("\u2029", " ") if _odd(text) else text


def _odd(text: str) -> bool:
    return "\n" in text or "\r" in text or "\u2029" in text
