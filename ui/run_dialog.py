"""A plan outside the wizard: read it, agree, watch it run."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QCloseEvent, QGuiApplication
from PySide6.QtWidgets import (
    QDialog,
    QFrame,
    QHBoxLayout,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.i18n import _
from app.outcomes import not_restored
from app.plan import Plan
from ui.dialogs import ask
from ui.notification import Notifier
from ui.report import outcome_text, run_report
from ui.run import Run, RunState, Task
from ui.widgets.basics import Notice, NoticeArea, button, label
from ui.widgets.outcome import say_outcome
from ui.widgets.plan_view import PlanView
from ui.widgets.run_view import RunView


class RunDialog(QDialog):
    """Shows a plan, runs its task once the user agrees, and how it ends; ``done_running`` then."""

    done_running = Signal()

    def __init__(self, parent: QWidget, plan: Plan, task: Task, action: str) -> None:
        super().__init__(parent)
        self.setWindowTitle(plan.title)
        self.setWindowModality(Qt.WindowModality.WindowModal)
        self.resize(980, 700)
        self.run = Run(task, self)
        self.run.changed.connect(self._refresh)
        self._closing = False
        self._notifier = Notifier(self)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 20, 24, 18)
        outer.setSpacing(14)
        outer.addWidget(label(plan.title, "title"))
        self._stack = QStackedWidget()
        self.plan_view = PlanView(titled=False)
        self.plan_view.show_plan(plan)
        self._stack.addWidget(_scrolled(self.plan_view))
        self.view = RunView()
        self.view.show_rows(task.rows)
        self.run.happened.connect(self.view.take)
        self._stack.addWidget(self.view)
        outer.addWidget(self._stack, 1)
        self.notice = Notice()
        # below: what one reads does not jump when the run ends
        outer.addWidget(NoticeArea(self.notice))
        row = QHBoxLayout()
        row.setSpacing(10)
        self._copy = button(_("Copy re&port"), self._copy_report, "copy")
        self.cancel_button = button(_("&Cancel"), self.run.cancel, "stop", "danger")
        row.addWidget(self._copy)
        row.addWidget(self.cancel_button)  # not where Close will be a moment later
        row.addStretch(1)
        self.start_button = button(action, self._start, role="primary")
        self.start_button.setVisible(not plan.empty)
        self.close_button = button(_("C&lose"), self.close)
        for each in (self.close_button, self.start_button):
            row.addWidget(each)
        outer.addLayout(row)
        self._refresh()
        self.close_button.setFocus()

    def _start(self) -> None:
        self._stack.setCurrentWidget(self.view)
        self.run.start()

    def _refresh(self) -> None:
        state = self.run.state
        if state is not RunState.READY:
            self.start_button.hide()
        self.cancel_button.setVisible(self.run.running)
        self.cancel_button.setEnabled(self.run.can_cancel)
        self.close_button.setVisible(not self.run.running)
        self._copy.setVisible(state is RunState.ENDED)
        if state is RunState.ENDED:
            task = self.run.task
            runs = _("{version} runs.").format(version=task.version) if task.version else ""
            more = "\n".join(filter(None, (runs, not_restored(task.cannot))))
            say_outcome(self.notice, self.run, more)
            self.close_button.setFocus()
            self._notifier.tell(self.run.task.title, outcome_text(self.run.outcome))
            self.done_running.emit()
            if self._closing:
                self.close()

    def _copy_report(self) -> None:
        QGuiApplication.clipboard().setText(run_report(self.run, self.view.log.all_lines))

    def reject(self) -> None:
        self.close()

    def closeEvent(self, event: QCloseEvent) -> None:
        if not self.run.running:
            event.accept()
            return
        event.ignore()
        if self.run.can_cancel and not self._closing:
            ask(
                self,
                _("A run is under way"),
                _("Slipway puts back what was there before, and closes as soon as that is done."),
                _("&Cancel the run and close"),
                self._cancel_and_close,
                _("&Keep running"),
            )

    def _cancel_and_close(self) -> None:
        self._closing = True
        if self.run.running:
            self.run.cancel()
        else:
            self.close()


def _scrolled(widget: QWidget) -> QScrollArea:
    holder = QWidget()
    holder.setProperty("role", "page")
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 0, 8, 0)
    layout.addWidget(widget)
    layout.addStretch(1)
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setWidget(holder)
    return area
