"""What all pages of the wizard have in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.i18n import sentences
from ui.widgets.basics import Disclosure, Notice, label
from ui.widgets.form import Field

if TYPE_CHECKING:
    from app.plan import Problem
    from ui.draft import Draft


class Page(QWidget):
    """One page: heading, one sentence of explanation, then what is added to ``body``.

    The wizard calls ``enter()`` each time the page is shown and ``leave()`` before another one
    is; Next is off while ``problems()`` holds a blocking one. Problems appear at the ``Field`` of
    their key (or of the nearest key above it), all others in a box at the top. Emit ``changed``
    when ``problems()`` changed without the draft.
    """

    changed = Signal()
    icon: str = "project"  # of resources/icons
    fields: tuple[str, ...] = ()
    wide: bool = False  # uses the window's whole width
    scrolls: bool = True  # False: fills the window's height and scrolls inside

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self.draft = draft
        self.setProperty("role", "page")
        outer = QVBoxLayout(self)
        outer.setContentsMargins(32, 28, 32, 28)
        outer.setSpacing(6)
        self._heading = label(self.title, "title")
        outer.addWidget(self._heading)
        self._lead = label(self.lead, "lead")
        outer.addWidget(self._lead)
        outer.addSpacing(8)
        self.notice = Notice()
        outer.addWidget(self.notice)
        self.body = QVBoxLayout()
        self.body.setSpacing(16)
        self.body.setContentsMargins(0, 8, 0, 0)
        outer.addLayout(self.body, 1)
        if self.scrolls:
            self.body.setAlignment(Qt.AlignmentFlag.AlignTop)
        draft.changed.connect(self.refresh)

    @property
    def title(self) -> str:
        """The heading, also shown in the side bar."""
        raise NotImplementedError

    @property
    def lead(self) -> str:
        """One sentence: what this page is for."""
        raise NotImplementedError

    @property
    def note(self) -> str:
        """A few words for the side bar, like what was chosen; may be empty."""
        return ""

    @property
    def busy(self) -> bool:
        """Whether something of this page goes on in the background."""
        return False

    @property
    def wrong(self) -> bool:
        """Whether something of this page has failed, and is not merely still to be done."""
        return False

    def problems(self) -> tuple[Problem, ...]:
        """Return what keeps this page from being complete, and what is merely doubtful."""
        return tuple(p for p in self.draft.problems() if self.owns(p.field))

    def owns(self, key: str) -> bool:
        """Return whether a problem with that profile key belongs to this page."""
        return any(key == f or key.startswith(f + ".") for f in self.fields)

    def enter(self) -> None:
        """Get ready to be shown."""
        self.refresh()

    def leave(self) -> None:
        """Finish what should not go on unseen."""

    def refresh(self) -> None:
        """Show the problems in place; pages extend it to show the draft."""
        self._lead.setText(self.lead)
        fields = {field.key: field for field in self.findChildren(Field)}
        here: dict[str, Problem] = {}
        elsewhere = []
        for problem in self.problems():
            key = problem.field
            while key and key not in fields:
                key = key.rpartition(".")[0]
            if key:
                here.setdefault(key, problem)
            else:
                elsewhere.append(problem)
        for key, field in fields.items():
            field.show_problem(here.get(key))
        self.show_elsewhere(elsewhere)

    def show_elsewhere(self, problems: Sequence[Problem]) -> None:
        """Show the problems that have no field here in the box at the top."""
        if problems:
            words = [sentences(p.text, p.hint) for p in problems]
            blocking = any(p.blocking for p in problems)
            self.notice.say("error" if blocking else "warning", words[0], "\n".join(words[1:]))
        else:
            self.notice.clear()

    def show_problem(self) -> None:
        """Put the focus on what keeps the page from being complete, now told loudly."""
        fields = [field for field in self.findChildren(Field) if field.blocked]
        for field in fields:
            field.touch()
        for field in fields:
            _unfold(field)
            if field.isVisibleTo(self):
                _lead_to(field)
                return
        self.focus_first()

    def focus_first(self) -> None:
        """Put the focus where the user goes on: the first problem, or else the first control."""
        fields = [field for field in self.findChildren(Field) if field.isVisibleTo(self)]
        for field in fields:
            if field.problem:
                _lead_to(field)
                return
        first: list[QWidget] = [fields[0].control] if fields else self.findChildren(QWidget)
        for widget in first:
            if widget.focusPolicy() & Qt.FocusPolicy.TabFocus and widget.isVisibleTo(self):
                widget.setFocus(Qt.FocusReason.OtherFocusReason)
                return


def _lead_to(field: Field) -> None:
    field.control.setFocus(Qt.FocusReason.OtherFocusReason)
    QTimer.singleShot(0, field, field.come_into_sight)  # once the page has its places


def _unfold(widget: QWidget) -> None:
    """Open what a widget is folded away in."""
    above = widget.parentWidget()
    while above is not None:
        if isinstance(above, Disclosure):
            above.set_opened(True)
        above = above.parentWidget()
