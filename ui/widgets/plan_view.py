"""A plan in words: what changes, each step with its commands, what rolling back means."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtGui import QFontMetrics, QGuiApplication
from PySide6.QtWidgets import QFrame, QGridLayout, QHBoxLayout, QVBoxLayout, QWidget

from app.i18n import _, ngettext
from app.layout import Change
from app.plan import Plan
from ui.theme import monospace
from ui.widgets.basics import Card, Disclosure, Icon, Notice, button, label, line
from ui.widgets.command_view import CommandView, commands_text


class PlanView(QWidget):
    """Shows a plan; ``show_plan`` replaces what it shows. ``titled``: its title too."""

    def __init__(self, *, titled: bool = True) -> None:
        super().__init__()
        self._titled = titled
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(16)
        self._plan: Plan | None = None
        self.steps: list[Disclosure] = []

    def show_plan(self, plan: Plan | None) -> None:
        """Show a plan, or nothing."""
        if plan is self._plan:
            return
        self._plan = plan
        self.steps = []
        while (item := self._layout.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        if plan is not None:
            self._fill(plan)

    def _fill(self, plan: Plan) -> None:
        if plan.empty:
            words = _(
                "{release} already runs on {target}, and nothing about it would change. "
                "Change something on an earlier page, or leave it as it is."
            )
            self._layout.addWidget(
                Notice(
                    "success",
                    _("There is nothing to do"),
                    words.format(release=plan.release, target=plan.target),
                )
            )
        for warning in plan.warnings:
            self._layout.addWidget(Notice("warning", warning))
        if plan.empty:
            return
        self._layout.addWidget(_summary(plan, titled=self._titled))
        self._layout.addWidget(_changes(plan.changes))
        self._layout.addWidget(self._steps(plan))
        self._layout.addWidget(_way_back(plan))

    def _steps(self, plan: Plan) -> Card:
        card = Card()
        count = len(plan.rows)
        row = QHBoxLayout()
        heading = ngettext("{count} step", "{count} steps", count).format(count=count)
        row.addWidget(label(heading, "heading", wrap=False))
        row.addStretch(1)
        self._opener = button(_("&Open all"), self.open_all, role="quiet")
        row.addWidget(self._opener)
        row.addWidget(button(_("&Copy all commands"), self.copy_all, "copy", "quiet"))
        card.body.addLayout(row)
        card.body.addWidget(
            label(
                _(
                    "This will run, in this order. … stands for secrets, and for what is known "
                    "only then."
                ),
                "muted",
            )
        )
        steps = QVBoxLayout()
        steps.setSpacing(2)
        for number, step in enumerate(plan.rows, 1):
            opened = Disclosure(f"{number}.  {step.title}")
            opened.body.setContentsMargins(30, 0, 0, 8)
            if step.commands:
                text = commands_text(step.commands)
                opened.body.addWidget(CommandView(step.title, text))
            else:
                opened.body.addWidget(label(_("Runs no command on the server."), "small"))
            opened.toggled.connect(self._name_opener)
            self.steps.append(opened)
            steps.addWidget(opened)
        card.body.addLayout(steps)
        return card

    def open_all(self) -> None:
        """Open every step, or close all if all are open."""
        opened = not self._all_opened
        for step in self.steps:
            step.set_opened(opened)

    @property
    def _all_opened(self) -> bool:
        return all(step.opened for step in self.steps)

    def _name_opener(self) -> None:
        self._opener.setText(_("Cl&ose all") if self._all_opened else _("&Open all"))

    def copy_all(self) -> None:
        """Put all steps with their commands on the clipboard."""
        if self._plan is not None:
            QGuiApplication.clipboard().setText(plan_text(self._plan))


def plan_text(plan: Plan) -> str:
    """Return a plan's steps and commands as text, secrets masked."""
    parts = [plan.title, ""]
    for number, row in enumerate(plan.rows, 1):
        parts += [f"# {number}. {row.title}", commands_text(row.commands), ""]
    return "\n".join(parts)


def _summary(plan: Plan, *, titled: bool) -> Card:
    card = Card(plan.title if titled else "")
    if plan.outage:
        card.body.addLayout(_fact("history", _("Interruption: {text}").format(text=plan.outage)))
    words = _("If it does not become healthy, all is put back by itself as it is now.")
    card.body.addLayout(_fact("rollback", words))
    return card


def _fact(icon: str, text: str, role: str = "muted") -> QHBoxLayout:
    row = QHBoxLayout()
    row.setSpacing(10)
    row.addWidget(Icon(icon, role, 18), 0, Qt.AlignmentFlag.AlignTop)
    row.addWidget(label(text, select=True), 1)
    return row


def _changes(changes: Sequence[Change]) -> Card:
    card = Card(_("What changes"))
    if not changes:
        card.body.addWidget(label(_("No setting changes."), "muted"))
        return card
    grid = QGridLayout()
    grid.setHorizontalSpacing(18)
    grid.setVerticalSpacing(8)
    for column, (text, stretch) in enumerate(((_("What"), 2), (_("Now"), 3), (_("After"), 3))):
        grid.addWidget(label(text, "small", wrap=False), 0, column)
        grid.setColumnStretch(column, stretch)
    for number, change in enumerate(changes, 1):
        grid.addWidget(line(), number * 2 - 1, 0, 1, 3)
        what = label(change.what, "label", select=True)
        grid.addWidget(what, number * 2, 0, Qt.AlignmentFlag.AlignTop)
        for column, value in ((1, change.old), (2, change.new)):
            cell = label(_breakable(value) or "–", "" if value else "muted", select=True)
            if value:
                cell.setFont(monospace())
                lower = what.fontMetrics().ascent() - QFontMetrics(monospace()).ascent()
                cell.setContentsMargins(0, max(0, lower), 0, 0)  # on one line with its name
            grid.addWidget(cell, number * 2, column, Qt.AlignmentFlag.AlignTop)
    card.body.addLayout(grid)
    return card


def _breakable(text: str) -> str:
    """Let long words break: a label would widen the whole page for a digest."""
    return "\u200b".join(text[i : i + 16] for i in range(0, len(text), 16))


def _way_back(plan: Plan) -> Card:
    card = Card(_("What rolling back does"))
    columns = QHBoxLayout()
    columns.setSpacing(28)
    for heading, texts, icon, role in (
        (_("Brings back"), plan.restores, "check", "success"),
        (_("Can't bring back"), plan.cannot, "close", "warning"),
    ):
        column = QVBoxLayout()
        column.setSpacing(8)
        column.addWidget(label(heading, "label"))
        for text in texts or (_("Nothing."),):
            column.addLayout(_fact(icon, text, role))
        column.addStretch(1)
        holder = QFrame()
        column.setContentsMargins(0, 0, 0, 0)
        holder.setLayout(column)
        columns.addWidget(holder, 1)
    card.body.addLayout(columns)
    return card
