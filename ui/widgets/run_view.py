"""A run as one watches it: steps on the left, live log on the right."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QSplitter, QVBoxLayout, QWidget

from app.events import Event, Line, Progress, RunEnded, StepChanged, StepState
from app.i18n import _
from ui.widgets.log_view import Entry, LogView
from ui.widgets.step_list import StepList


class RunView(QWidget):
    """Shows the events of a run."""

    def __init__(self) -> None:
        super().__init__()
        self.steps = StepList()
        self.steps.setMinimumWidth(240)
        self.log = LogView(_("Log"))
        self.log.say_while_empty(_("What each step says appears here while it runs."))
        self._titles: tuple[str, ...] = ()
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(14)
        splitter.addWidget(self.steps)
        splitter.addWidget(self.log)
        splitter.setStretchFactor(0, 2)
        splitter.setStretchFactor(1, 5)
        splitter.setSizes([420, 500])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(splitter)
        self.steps.picked.connect(self._jump)

    def show_rows(self, titles: Sequence[str]) -> None:
        """Begin with these steps and an empty log."""
        self._titles = tuple(titles)
        self.steps.show_rows(titles)
        self.log.clear()

    def take(self, events: Sequence[Event]) -> None:
        """Show what happened, in order."""
        lines: list[Entry] = []
        for event in events:
            if isinstance(event, Line):
                lines.append((event.stream, event.text))
            elif isinstance(event, StepChanged):
                lines += self._heading(event)
            if isinstance(event, StepChanged | Progress):
                self.steps.take(event)
            elif isinstance(event, RunEnded):
                self.steps.end()
        if lines:
            self.log.add(lines)

    def _heading(self, event: StepChanged) -> list[Entry]:
        if not 0 <= event.index < len(self._titles):
            return []
        title = self._titles[event.index]
        if event.state is StepState.RUNNING:
            return [("heading", _("▸ {title}").format(title=title))]
        if event.state is StepState.UNDOING:
            return [("heading", _("▸ Undo: {title}").format(title=title))]
        return []

    def _jump(self, row: int) -> None:
        if self.steps.steps.rows[row].state is not StepState.PENDING:
            self.log.show_heading(self._titles[row])
