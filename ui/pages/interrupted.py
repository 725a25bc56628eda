"""What is said of a run that was interrupted, and what can be done with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Signal

from app.i18n import _
from ui.widgets.basics import Notice, button

if TYPE_CHECKING:
    from app.releases import Interrupted


class InterruptedNotice(Notice):
    """Tells an interrupted run; ``take_back`` and ``finish`` ask for what is done with it."""

    take_back = Signal()
    finish = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.buttons.addWidget(button(_("Take it ba&ck…"), self.take_back.emit, "rollback"))
        self._finish = button(_("Finis&h it…"), self.finish.emit, "play")
        self.buttons.addWidget(self._finish)
        self.buttons.addStretch(1)

    def show_run(self, run: Interrupted | None) -> None:
        """Tell this run, or nothing; one that was being taken back can't be finished."""
        if run is None:
            self.clear()
            return
        self.say("warning", interrupted_title(run), interrupted_words(run))
        self._finish.setVisible(not run.undoing)


def interrupted_title(run: Interrupted) -> str:
    """Return which run was interrupted, and whose it is."""
    return _("“{title}” by {by} was interrupted.").format(title=run.title, by=run.by)


def interrupted_words(run: Interrupted) -> str:
    """Return what of an interrupted run is done and what is not."""
    nothing = _("nothing")
    lines = [_("Done: {steps}").format(steps=_("; ").join(run.done) or nothing)]
    if run.under_way:
        lines.append(_("Under way, perhaps half done: {step}").format(step=run.under_way))
    lines.append(_("Not begun: {steps}").format(steps=_("; ").join(run.not_begun) or nothing))
    return "\n".join(lines)
