"""The commit page: what will change, every command, the interruption, the way back."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.errors import Problem, SlipwayError
from app.i18n import _, sentences
from ui.pages.interrupted import InterruptedNotice
from ui.pages.page import Page
from ui.widgets.basics import Card, Spinner, button, label
from ui.widgets.plan_view import PlanView

if TYPE_CHECKING:
    from app.releases import Interrupted
    from ui.draft import Draft


class ReviewPage(Page):
    """Makes the plan and shows it.

    ``take_back`` and ``finish`` ask about an interrupted run, ``show_build`` about a failed build.
    """

    icon = "review"
    fields = ("plan", "run")
    take_back = Signal()
    finish = Signal()
    show_build = Signal()

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._shown = False
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self._interrupted = InterruptedNotice()
        self._interrupted.take_back.connect(self.take_back)
        self._interrupted.finish.connect(self.finish)
        self.body.addWidget(self._interrupted)
        self._waiting = Card()
        row = QHBoxLayout()
        row.setSpacing(12)
        self._spinner = Spinner(20)
        row.addWidget(self._spinner, 0, Qt.AlignmentFlag.AlignTop)
        self._words = label()
        row.addWidget(self._words, 1)
        self._again = button(_("Try &again"), self._make_again, "refresh")
        row.addWidget(self._again, 0, Qt.AlignmentFlag.AlignTop)
        self._to_build = button(_("Show the &build"), self.show_build.emit, "build")
        row.addWidget(self._to_build, 0, Qt.AlignmentFlag.AlignTop)
        self._waiting.body.addLayout(row)
        self.body.addWidget(self._waiting)
        self.view = PlanView()
        self.body.addWidget(self.view)

    @property
    def title(self) -> str:
        return _("Review")

    @property
    def lead(self) -> str:
        if self._left is not None:
            return _("A run has to be taken back or finished before something new is deployed.")
        if self.draft.plan is None:
            return _("Nothing has been changed yet.")
        return _("Nothing has been changed yet. What stands here is what Deploy does.")

    @property
    def _left(self) -> Interrupted | None:
        """The run that was interrupted on the server, if there is one."""
        facts = self.draft.facts
        return facts.records.abandoned_run if facts else None

    @property
    def note(self) -> str:
        plan = self.draft.plan
        return _("nothing to do") if plan is not None and plan.empty else ""

    @property
    def busy(self) -> bool:
        return self._shown and self.draft.planning.running

    def problems(self) -> tuple[Problem, ...]:
        if self._left is not None:
            return (
                Problem("run", _("An interrupted run has to be taken back or finished first.")),
            )
        found = super().problems()
        if any(problem.blocking for problem in found):
            return found
        plan = self.draft.plan
        if plan is None:
            error = self._error
            return (*found, Problem("plan", error.title if error else self._waiting_for()))
        if plan.empty:
            return (*found, Problem("plan", _("There is nothing to deploy.")))
        return found

    def enter(self) -> None:
        self._shown = True
        self.draft.make_plan()
        super().enter()

    def leave(self) -> None:
        self._shown = False

    def refresh(self) -> None:
        # What this page waits for is said in its own place, not in the box of problems.
        self._lead.setText(self.lead)
        self._interrupted.show_run(self._left)
        if self._left is not None:
            self.notice.clear()
            self._waiting.hide()
            self.view.show_plan(None)
            return
        self._say([problem for problem in super().problems() if problem.field != "plan"])
        self._show_state(blocked=any(problem.blocking for problem in super().problems()))

    def _say(self, problems: list[Problem]) -> None:
        error = self._error
        if error is not None:
            self.notice.say_error(error)
        elif problems:
            words = [sentences(p.text, p.hint) for p in problems]
            self.notice.say("error", words[0], "\n".join(words[1:]))
        else:
            self.notice.clear()

    def _show_state(self, *, blocked: bool) -> None:
        plan = self.draft.plan
        failed = self._error is not None or blocked
        self._waiting.setVisible(plan is None)
        self._spinner.setVisible(not failed)
        self._again.setVisible(failed)
        self._to_build.setVisible(failed and self.draft.building.error is not None)
        self._words.setText(_("The plan could not be made.") if failed else self._waiting_for())
        self.view.show_plan(plan)
        if plan is not None and self.window().focusWidget() is self:
            self.focus_first()

    @property
    def _error(self) -> SlipwayError | None:
        """What keeps the plan from being made: it needs the build and the server anew."""
        draft = self.draft
        if draft.inspection.running or draft.building.running or draft.connecting.running:
            return None
        failed = (draft.planning, draft.inspection, draft.building, draft.connecting)
        return next((task.error for task in failed if task.error), None)

    def _waiting_for(self) -> str:
        if self.draft.building.running or self.draft.inspection.running:
            return _("Waiting for the build to finish…")
        if self.draft.connecting.running:
            return _("Connecting to the server…")
        return _("Comparing with what runs on the server now…")

    def _make_again(self) -> None:
        if self.draft.building.error is not None or self.draft.inspection.error is not None:
            self.draft.inspect()
            self.draft.building.drop()
        self.draft.look_again()
        self.draft.make_plan()

    def focus_first(self) -> None:
        """Let the reader begin at the top: Deploy is one Tab away from the last step."""
        for widget in self.findChildren(QWidget):
            if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisibleTo(self):
                widget.setFocus(Qt.FocusReason.OtherFocusReason)
                return
        self.setFocus()  # until there is something to read, and not wherever Qt would look next
