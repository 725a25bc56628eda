"""Rows of a form: label, control, explanation, and the problem in words beneath it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from PySide6.QtCore import QEvent, QObject, Qt, Signal
from PySide6.QtGui import QFocusEvent
from PySide6.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.i18n import _, sentences
from ui.theme import restyle, set_role
from ui.widgets.basics import Icon, bring_into_sight, label

LABEL_WIDTH = 168
# reasons for which the focus leaves a field that the user has not left
PASSING = (
    Qt.FocusReason.PopupFocusReason,
    Qt.FocusReason.MenuBarFocusReason,
    Qt.FocusReason.ActiveWindowFocusReason,
)
BY_KEY = (
    Qt.FocusReason.ShortcutFocusReason,
    Qt.FocusReason.TabFocusReason,
    Qt.FocusReason.BacktabFocusReason,
)
QWIDGETSIZE_MAX = (1 << 24) - 1  # what Qt calls so: a width without limit


def like(example: str) -> str:
    """Return the words in an empty field that has to be filled in, which no example may seem."""
    return _("like {example}").format(example=example)


def none_like(example: str) -> str:
    """Return the words in a field that may stay empty."""
    return _("none, like {example}").format(example=example)


class ProblemLike(Protocol):
    """What a field shows of an ``app.profile.Problem``."""

    @property
    def field(self) -> str: ...
    @property
    def text(self) -> str: ...
    @property
    def hint(self) -> str: ...
    @property
    def blocking(self) -> bool: ...


class _Name(QLabel):
    """A label whose letter also leads to a control of several parts; ``led`` when it did."""

    led = Signal()

    def event(self, event: QEvent) -> bool:
        control = self.buddy()
        several = control is not None and control.focusPolicy() is Qt.FocusPolicy.NoFocus
        if event.type() == QEvent.Type.Shortcut and several:
            control.setFocus(Qt.FocusReason.ShortcutFocusReason)
            self.led.emit()
            return True
        return super().event(event)


class Field(QWidget):
    """One row of a form for the profile key ``key``, like ``deploy.health.http``.

    ``text`` may hold a mnemonic; the label becomes the control's buddy. A problem shows in a quiet
    tone until the user has been in the field, and in red from then on; a ``quiet`` field's, which
    is something still to be done and nothing wrong, always in a quiet one.
    """

    def __init__(
        self,
        key: str,
        text: str,
        control: QWidget,
        explanation: str = "",
        *,
        beside: Iterable[QWidget] = (),
        stacked: bool = False,
        quiet: bool = False,
    ) -> None:
        super().__init__()
        self.key = key
        self._quiet = quiet
        self.control = control
        self.touched = False
        self._problem: ProblemLike | None = None
        self._label = _Name(text)
        self._label.led.connect(self.come_into_sight)
        self._label.setProperty("role", "label")
        self._label.setBuddy(control)
        if not control.accessibleName():
            control.setAccessibleName(text.replace("&", ""))
        self._explanation = label(explanation, "small")
        self._words = label(role="needed")
        self._icon = Icon("error", "danger", 16)
        self._lay_out(control, tuple(beside), stacked)
        self._explanation.setVisible(bool(explanation))
        self.show_problem(None)
        for edit in control.findChildren(QLineEdit, "qt_spinbox_lineedit"):
            edit.setTextMargins(6, 0, 0, 0)  # style sheets have no say in a spin box's text
        for widget in (control, *control.findChildren(QWidget)):
            widget.installEventFilter(self)

    def _lay_out(self, control: QWidget, beside: tuple[QWidget, ...], stacked: bool) -> None:
        row = QHBoxLayout()
        row.setSpacing(8)
        narrow = control.maximumWidth() < QWIDGETSIZE_MAX
        row.addWidget(control, 0 if narrow else 1)
        for widget in beside:
            row.addWidget(widget)
        if narrow:
            row.addStretch(1)
        self._trouble = QWidget()
        trouble = QHBoxLayout(self._trouble)
        trouble.setContentsMargins(0, 0, 0, 0)
        trouble.setSpacing(6)
        trouble.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
        trouble.addWidget(self._words, 1)
        column = QVBoxLayout()
        column.setSpacing(4)
        column.addLayout(row)
        column.addWidget(self._trouble)
        column.addWidget(self._explanation)
        outer: QVBoxLayout | QHBoxLayout = QVBoxLayout(self) if stacked else QHBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(6 if stacked else 16)
        if stacked:
            outer.addWidget(self._label)
        else:
            self._label.setFixedWidth(LABEL_WIDTH)
            self._label.setWordWrap(True)
            self._label.setContentsMargins(0, 7, 0, 0)
            outer.addWidget(self._label, 0, Qt.AlignmentFlag.AlignTop)
        outer.addLayout(column, 1)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)

    @property
    def problem(self) -> str:
        """The words shown beneath the control, empty if there are none."""
        return "" if self._trouble.isHidden() else self._words.text()

    @property
    def blocked(self) -> bool:
        """Whether a problem is shown that keeps one from going on."""
        return bool(self.problem) and self._problem is not None and self._problem.blocking

    def explain(self, explanation: str) -> None:
        """Change the explanation beneath the control."""
        self._explanation.setText(explanation)
        self._explanation.setVisible(bool(explanation))

    def show_problem(self, problem: ProblemLike | None) -> None:
        """Show what is wrong with the field, or nothing."""
        self._problem = problem
        words = "" if problem is None else sentences(problem.text, problem.hint)
        blocking = problem is not None and problem.blocking
        loud = blocking and self.touched and not self._quiet
        role = "problem" if loud else ("needed" if blocking else "caution")
        icon, colour = (
            ("error", "danger")
            if loud
            else ("info", "muted")
            if blocking
            else ("warning", "warning")
        )
        self._icon.show_icon(icon, colour)
        self._words.setText(words)
        if words:
            set_role(self._words, role)
        self._trouble.setVisible(bool(words))
        self.control.setAccessibleDescription(words or self._explanation.text())
        if bool(self.control.property("bad")) != loud:
            self.control.setProperty("bad", loud)
            restyle(self.control)

    def touch(self) -> None:
        """Tell a problem loudly from now on: the user has been here, or wants to go on."""
        if not self.touched:
            self.touched = True
            self.show_problem(self._problem)

    def _has_focus(self) -> bool:
        now = QApplication.focusWidget()
        return now is not None and self.isAncestorOf(now)

    def come_into_sight(self) -> None:
        """Scroll to it."""
        bring_into_sight(self)  # Qt does so for Tab alone, and to the control only

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if isinstance(event, QFocusEvent):
            if event.gotFocus() and event.reason() in BY_KEY:
                self.come_into_sight()
            elif event.lostFocus() and event.reason() not in PASSING and not self._has_focus():
                self.touch()
        return False
