"""Found facts in two columns: what it is, and the words for it."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from ui.widgets.basics import Elided, label
from ui.widgets.form import LABEL_WIDTH

Fact = tuple[str, str, str]
LONG_WORD = 48  # letters


class FactList(QWidget):
    """Rows of name, words, and smaller words beneath them; all can be selected and copied."""

    def __init__(self) -> None:
        super().__init__()
        self._facts: tuple[Fact, ...] = ()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(16)
        self._grid.setVerticalSpacing(10)
        self._grid.setColumnMinimumWidth(0, LABEL_WIDTH)
        self._grid.setColumnStretch(1, 1)

    @property
    def facts(self) -> tuple[Fact, ...]:
        """What is shown."""
        return self._facts

    def show_facts(self, facts: Sequence[Fact]) -> None:
        """Show other facts."""
        if tuple(facts) == self._facts:
            return
        self._facts = tuple(facts)
        while (item := self._grid.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        for row, (name, words, more) in enumerate(self._facts):
            heading = label(name, "muted")
            heading.setFixedWidth(LABEL_WIDTH)
            self._grid.addWidget(heading, row, 0, Qt.AlignmentFlag.AlignTop)
            self._grid.addWidget(_words(name, words, more), row, 1)


def _words(name: str, words: str, more: str) -> QWidget:
    cell = QWidget()
    column = QVBoxLayout(cell)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    for text, role in ((words, ""), (more, "small")):
        if text:
            long = max(map(len, text.split())) > LONG_WORD  # a label can't break a word
            line = Elided(text, role) if long else label(text, role, select=True)
            line.setAccessibleName(f"{name}: {text}")
            column.addWidget(line)
    return cell
