"""What is so on the server after a run that did not end in success, in words."""

from __future__ import annotations

from collections.abc import Sequence

from app.events import Outcome, RunEnded
from app.i18n import _

RESTORED = frozenset({Outcome.FAILED_RESTORED, Outcome.CANCELLED, Outcome.ROLLED_BACK})


def what_runs(ended: RunEnded, serving: str, *, first: bool, current: str = "") -> str:
    """Return what runs after a run that put back what it did, "" where no more is known than that.

    ``serving`` is the version that ran before it, "" where that isn't known. Then ``current`` may
    be the one that was recorded. ``first``: nothing of that name was there.
    """
    if ended.outcome not in RESTORED:
        return ""
    if first:
        return _("Nothing of that name runs, as before.")
    if not ended.switched:
        return (
            _("{version} was not interrupted: this run did not come to the switch.").format(
                version=serving
            )
            if serving
            else _("What was there before was not touched: this run did not come to the switch.")
        )
    if serving:
        return _("{version} runs again.").format(version=serving)
    return _("{version} is the current release again.").format(version=current) if current else ""


def not_restored(cannot: Sequence[str]) -> str:
    """Return what rolling back did not restore, "" if that is nothing."""
    return _("Not restored: {things}.").format(things=_("; ").join(cannot)) if cannot else ""
