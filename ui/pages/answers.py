"""Controls tied to answers: each shows one value of the request and changes it when edited."""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from PySide6.QtCore import QEvent, QObject, QRegularExpression, Qt
from PySide6.QtGui import QRegularExpressionValidator
from PySide6.QtWidgets import (
    QAbstractSpinBox,
    QButtonGroup,
    QCheckBox,
    QComboBox,
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QRadioButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.i18n import _
from ui.draft import Draft
from ui.pages.page import Page
from ui.proposals import value_of
from ui.widgets.basics import check_radio, label
from ui.widgets.rows import RowsEditor, Values


class FormPage(Page):
    """A page whose controls are tied to answers."""

    def __init__(self, draft: Draft) -> None:
        self.answers: list[Answer] = []
        super().__init__(draft)

    def tie(self, answer: Answer) -> QWidget:
        """Tie an answer to the draft and return its control."""
        answer.tie(self.draft, self)
        self.answers.append(answer)
        return answer.control

    def refresh(self) -> None:
        for answer in self.answers:
            answer.refresh()
        super().refresh()


class Answer(QObject):
    """One control for the profile key ``key``; what the user is typing is never overwritten."""

    def __init__(self, key: str, control: QWidget) -> None:
        super().__init__()
        self.key = key
        self.control = control
        self.draft: Draft | None = None

    @abstractmethod
    def read(self) -> Any:
        """Return the value that the control shows."""

    @abstractmethod
    def show(self, value: Any) -> None:
        """Show a value."""

    def tie(self, draft: Draft, parent: QObject) -> None:
        """Begin to change ``draft``."""
        self.draft = draft
        self.setParent(parent)
        self.refresh()

    def refresh(self) -> None:
        """Show the draft's value unless the control already says the same."""
        if self.draft is None:
            return
        value = value_of(self.draft.request, self.key)
        if self.read() != value:
            self.control.blockSignals(True)
            self.show(value)
            self.control.blockSignals(False)

    def edited(self) -> None:
        """Tell the draft."""
        if self.draft is not None:
            self.draft.set(self.key, self.read())


class TextAnswer(Answer):
    """A line of text, without spaces at its ends; ``empty`` is what an empty one stands for."""

    def __init__(self, key: str, example: str = "", *, empty: str = "") -> None:
        self._edit = QLineEdit()
        super().__init__(key, self._edit)
        self._empty = empty
        self._edit.setPlaceholderText(example)
        self._edit.textEdited.connect(self.edited)

    def read(self) -> str:
        return self._edit.text().strip() or self._empty

    def show(self, value: Any) -> None:
        self._edit.setText("" if value == self._empty else value)


class WordsAnswer(Answer):
    """Words with spaces or commas between them."""

    def __init__(self, key: str, example: str = "") -> None:
        self._edit = QLineEdit()
        super().__init__(key, self._edit)
        self._edit.setPlaceholderText(example)
        self._edit.textEdited.connect(self.edited)

    def read(self) -> tuple[str, ...]:
        return tuple(word for word in re.split(r"[\s,]+", self._edit.text()) if word)

    def show(self, value: Any) -> None:
        self._edit.setText(" ".join(value))


class NumbersAnswer(Answer):
    """Numbers with spaces or commas between them; ``whole`` ones only, or seconds."""

    def __init__(self, key: str, example: str = "", *, whole: bool = True) -> None:
        self._edit = QLineEdit()
        super().__init__(key, self._edit)
        self._number: type[int | float] = int if whole else float
        form = r"(\d{1,5}[ ,]*)*" if whole else r"(\d{1,5}(\.\d{0,3})?[ ,]+)*\d{0,5}(\.\d{0,3})?"
        self._edit.setValidator(QRegularExpressionValidator(QRegularExpression(form), self._edit))
        self._edit.setPlaceholderText(example)
        self._edit.setFixedWidth(240)
        self._edit.textEdited.connect(self.edited)

    def read(self) -> tuple[float, ...]:
        return tuple(self._number(word) for word in re.split(r"[\s,]+", self._edit.text()) if word)

    def show(self, value: Any) -> None:
        self._edit.setText(" ".join(f"{number:g}" for number in value))


class FlagAnswer(Answer):
    """A box to tick."""

    def __init__(self, key: str, text: str) -> None:
        self._box = QCheckBox(text)
        super().__init__(key, self._box)
        self._box.toggled.connect(self.edited)

    def read(self) -> bool:
        return self._box.isChecked()

    def show(self, value: Any) -> None:
        self._box.setChecked(value)


class FlagsAnswer(Answer):
    """Boxes to tick, of which any number is the answer: pairs of value and words."""

    def __init__(self, key: str, choices: Iterable[tuple[str, str]]) -> None:
        row = QWidget()
        super().__init__(key, row)
        layout = QHBoxLayout(row)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(16)
        self._boxes: dict[str, QCheckBox] = {}
        for value, words in choices:
            box = QCheckBox(words)
            box.toggled.connect(self.edited)
            layout.addWidget(box)
            self._boxes[value] = box
        layout.addStretch(1)
        row.setFocusProxy(next(iter(self._boxes.values())))

    def read(self) -> tuple[str, ...]:
        return tuple(value for value, box in self._boxes.items() if box.isChecked())

    def show(self, value: Any) -> None:
        for name, box in self._boxes.items():
            box.blockSignals(True)
            box.setChecked(name in value)
            box.blockSignals(False)


class NumberAnswer(Answer):
    """A whole number; ``lowest_means`` are the words shown for ``low``."""

    def __init__(self, key: str, low: int, high: int, lowest_means: str = "") -> None:
        self._box = QSpinBox()
        super().__init__(key, self._box)
        self._box.setRange(low, high)
        if lowest_means:
            self._box.setSpecialValueText(lowest_means)
        _narrow(self._box)
        self._box.valueChanged.connect(self.edited)

    def read(self) -> int:
        return self._box.value()

    def show(self, value: Any) -> None:
        self._box.setValue(value)


class SecondsAnswer(Answer):
    """A duration in seconds."""

    def __init__(self, key: str, low: float, high: float) -> None:
        self._box = QDoubleSpinBox()
        super().__init__(key, self._box)
        self._box.setRange(low, high)
        self._box.setDecimals(1)
        self._box.setSuffix(_(" s"))
        _narrow(self._box)
        self._box.valueChanged.connect(self.edited)

    def read(self) -> float:
        return self._box.value()

    def show(self, value: Any) -> None:
        self._box.setDecimals(max(1, min(3, len(f"{value:g}".partition(".")[2]))))
        self._box.setValue(value)


class ChoiceAnswer(Answer):
    """One of several values; a value that is none of them is shown as it is."""

    def __init__(self, key: str, choices: Iterable[tuple[str, str]]) -> None:
        self._box = QComboBox()
        super().__init__(key, self._box)
        self.offer(choices)
        calm(self._box)
        self._box.currentIndexChanged.connect(self.edited)

    def offer(self, choices: Iterable[tuple[str, str]]) -> None:
        """Offer other values, pairs of value and words; the chosen one stays."""
        choices = tuple(choices)
        if choices == tuple(
            (self._box.itemData(index), self._box.itemText(index))
            for index in range(self._box.count())
        ):
            return
        chosen = self.read()
        self._box.blockSignals(True)
        self._box.clear()
        for value, words in choices:
            self._box.addItem(words, value)
        if chosen is not None:
            self.show(chosen)
        self._box.blockSignals(False)

    def read(self) -> Any:
        return self._box.currentData()

    def show(self, value: Any) -> None:
        if self._box.findData(value) < 0:
            self._box.addItem(str(value), value)
        self._box.setCurrentIndex(self._box.findData(value))


class RadiosAnswer(Answer):
    """One of a few values, each with what it means: triples of value, name and a sentence."""

    def __init__(self, key: str, choices: Iterable[tuple[str, str, str]]) -> None:
        column = QWidget()
        super().__init__(key, column)
        layout = QVBoxLayout(column)
        layout.setContentsMargins(0, 2, 0, 0)
        layout.setSpacing(0)
        self._group = QButtonGroup(self)
        self._radios: dict[str, QRadioButton] = {}
        self._sentences: dict[str, QLabel] = {}
        for value, name, sentence in choices:
            radio = QRadioButton(name)
            self._group.addButton(radio)
            self._radios[value] = radio
            layout.addWidget(radio)
            words = self._sentences[value] = label("", "small")
            words.setContentsMargins(29, 3, 0, 8)
            layout.addWidget(words)
            self.explain(value, sentence)
        column.setFocusProxy(next(iter(self._radios.values())))
        self._group.buttonToggled.connect(self._toggled)

    def read(self) -> str:
        return next((value for value, radio in self._radios.items() if radio.isChecked()), "")

    def show(self, value: Any) -> None:
        check_radio(self._radios[value])
        self.control.setFocusProxy(self._radios[value])

    def explain(self, value: str, sentence: str) -> None:
        """Change what one of the values means."""
        self._sentences[value].setText(sentence)
        self._radios[value].setAccessibleDescription(sentence)

    def _toggled(self, _radio: QRadioButton, checked: bool) -> None:
        if checked:
            self.edited()


class SuggestedAnswer(Answer):
    """A text with suggestions; ``empty`` are the words shown while there is none."""

    def __init__(self, key: str, empty: str) -> None:
        self._box = QComboBox()
        super().__init__(key, self._box)
        self._box.setEditable(True)
        self._box.setInsertPolicy(QComboBox.InsertPolicy.NoInsert)
        edit = self._box.lineEdit()
        if edit is not None:
            edit.setPlaceholderText(empty)
        calm(self._box)
        self._box.editTextChanged.connect(self.edited)

    def suggest(self, values: Iterable[str]) -> None:
        """Offer other suggestions; the text stays."""
        values = tuple(values)
        if values == tuple(self._box.itemText(index) for index in range(self._box.count())):
            return
        text = self._box.currentText()
        self._box.blockSignals(True)
        self._box.clear()
        self._box.addItems(values)
        self._box.setEditText(text)
        self._box.blockSignals(False)

    def read(self) -> str:
        return self._box.currentText().strip()

    def show(self, value: Any) -> None:
        self._box.setEditText(value)


class RowsAnswer(Answer):
    """A list edited row by row; ``split`` makes a row of a value, ``join`` a value of a row."""

    def __init__(
        self,
        key: str,
        editor: RowsEditor,
        split: Callable[[str], tuple[str, ...]],
        join: Callable[[tuple[str, ...]], str],
    ) -> None:
        super().__init__(key, editor)
        self._editor, self._split, self._join = editor, split, join
        editor.changed.connect(self.edited)

    def read(self) -> tuple[str, ...]:
        return tuple(self._join(row) for row in self._editor.values())

    def show(self, value: Any) -> None:
        self._editor.set_values([self._split(item) for item in value])


class PairsAnswer(Answer):
    """Names with values, edited row by row; of two rows with one name the last counts."""

    def __init__(self, key: str, editor: RowsEditor) -> None:
        super().__init__(key, editor)
        self._editor = editor
        editor.changed.connect(self.edited)

    def read(self) -> Mapping[str, str]:
        return {name.strip(): value for name, value in self._pairs()}

    def show(self, value: Any) -> None:
        self._editor.set_values(tuple(value.items()))

    def _pairs(self) -> Values:
        return tuple(row for row in self._editor.values() if row[0].strip())


class Calm(QObject):
    """Keeps the mouse wheel, which is meant for the page, from changing a control."""

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Wheel:
            event.ignore()
            return True
        return False


def calm(control: QComboBox | QAbstractSpinBox) -> None:
    """Leave the mouse wheel to the page: a control under the pointer would take it."""
    control.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
    control.installEventFilter(Calm(control))


def _narrow(box: QAbstractSpinBox) -> None:
    calm(box)
    box.setMaximumWidth(160)


def one_column(row: tuple[str, ...]) -> str:
    """Return the only text of a row."""
    return row[0]


def as_row(text: str) -> tuple[str, ...]:
    """Return a row with one text."""
    return (text,)


def join_colon(row: tuple[str, ...]) -> str:
    """Return ``left:right``, or what there is of them."""
    return ":".join(part.strip() for part in row if part.strip())


def split_port(text: str) -> tuple[str, ...]:
    """Return what is published and what it leads to: ``127.0.0.1:80:8080`` at its last colon."""
    left, _colon, right = text.rpartition(":")
    return left, right


def split_volume(text: str) -> tuple[str, ...]:
    """Return the place on the server and the one in the container, options with the latter."""
    left, _colon, right = text.partition(":")
    return left, right
