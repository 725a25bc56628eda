"""What is said of a run that was interrupted."""

from __future__ import annotations

from app.i18n import _
from app.releases import Interrupted


def interrupted_title(run: Interrupted) -> str:
    """Return which run was interrupted, and whose it is."""
    return _("“{title}” by {by} was interrupted.").format(title=run.title, by=run.by)


def interrupted_words(run: Interrupted) -> str:
    """Return what of an interrupted run is done and what is not."""
    nothing = _("nothing")
    lines = [_("Done: {steps}").format(steps=_(", ").join(run.done) or nothing)]
    if run.under_way:
        lines.append(_("Under way, perhaps half done: {step}").format(step=run.under_way))
    lines.append(_("Not begun: {steps}").format(steps=_(", ").join(run.not_begun) or nothing))
    return "\n".join(lines)
