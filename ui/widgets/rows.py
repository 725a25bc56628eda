"""A list of short texts or pairs, edited in place: arguments, environment, ports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QGridLayout, QLineEdit, QToolButton, QVBoxLayout, QWidget

from app.i18n import _
from ui.widgets.basics import button, put_in_tab_order, tab_mark, tool_button
from ui.widgets.form import like


@dataclass(frozen=True, slots=True)
class Column:
    """One column: ``name`` is read out, ``example`` shown while empty, ``stretch`` its width."""

    name: str
    example: str = ""
    stretch: int = 1


Values = tuple[tuple[str, ...], ...]


class RowsEditor(QWidget):
    """Rows of line edits with Add and Remove; rows left empty do not count.

    ``changed`` is emitted for the user's edits, not for ``set_values``.
    """

    changed = Signal()

    def __init__(self, columns: Sequence[Column], add: str) -> None:
        super().__init__()
        self._columns = tuple(columns)
        self._rows: list[tuple[tuple[QLineEdit, ...], QToolButton]] = []
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        self._start = tab_mark()
        layout.addWidget(self._start)
        self._grid = QGridLayout()
        self._grid.setSpacing(6)
        for index, column in enumerate(self._columns):
            self._grid.setColumnStretch(index, column.stretch)
        layout.addLayout(self._grid)
        self._add = button(add, self._add_clicked, "plus", "quiet")
        layout.addWidget(self._add, 0, Qt.AlignmentFlag.AlignLeft)
        self._name_rows()

    def values(self) -> Values:
        """Return the rows that are not wholly empty, texts as typed."""
        rows = (tuple(edit.text() for edit in edits) for edits, _remove in self._rows)
        return tuple(row for row in rows if any(text.strip() for text in row))

    def set_values(self, values: Sequence[Sequence[str]]) -> None:
        """Show these rows; what the user is typing stays as it is where it says the same."""
        wanted = tuple(tuple(row) for row in values)
        if wanted == self.values():
            return
        while self._rows:
            self._drop(len(self._rows) - 1)
        for row in wanted:
            self._append(row)
        self._name_rows()

    def _append(self, texts: Sequence[str]) -> None:
        number = len(self._rows)
        edits = []
        for index, column in enumerate(self._columns):
            edit = QLineEdit(texts[index] if index < len(texts) else "")
            edit.setPlaceholderText(like(column.example) if column.example else "")
            edit.textEdited.connect(self._edited)
            edit.returnPressed.connect(self._add_clicked)
            self._grid.addWidget(edit, number, index)
            edits.append(edit)
        remove = tool_button(_("Remove"), "close", self._remove_clicked)
        self._grid.addWidget(remove, number, len(self._columns))
        self._rows.append((tuple(edits), remove))
        self._name_rows()

    def _drop(self, index: int) -> None:
        edits, remove = self._rows.pop(index)
        for widget in (*edits, remove):
            self._grid.removeWidget(widget)
            widget.hide()
            widget.deleteLater()

    def _name_rows(self) -> None:
        for number, (edits, remove) in enumerate(self._rows):
            for index, (edit, column) in enumerate(zip(edits, self._columns, strict=True)):
                edit.setAccessibleName(
                    _("{name}, row {number}").format(name=column.name, number=number + 1)
                )
                self._grid.addWidget(edit, number, index)
            remove.setAccessibleName(_("Remove row {number}").format(number=number + 1))
            self._grid.addWidget(remove, number, len(self._columns))
        put_in_tab_order(
            self._start, [each for edits, remove in self._rows for each in (*edits, remove)]
        )
        # Tab goes on from where the proxy is: it has to be the first control
        self.setFocusProxy(self._rows[0][0][0] if self._rows else self._add)

    def _add_clicked(self) -> None:
        self._append(())
        self._rows[-1][0][0].setFocus()

    def _remove_clicked(self) -> None:
        sender = self.sender()
        for index, (_edits, remove) in enumerate(self._rows):
            if remove is sender:
                self._drop(index)
                self._name_rows()
                (
                    self._rows[min(index, len(self._rows) - 1)][0][0] if self._rows else self._add
                ).setFocus()
                break
        self.changed.emit()

    def _edited(self) -> None:
        self.changed.emit()
