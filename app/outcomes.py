"""What is so on the server after a run that did not end in success, in words."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from app.events import Outcome, RunEnded
from app.i18n import _

RESTORED = frozenset({Outcome.FAILED_RESTORED, Outcome.CANCELLED, Outcome.ROLLED_BACK})


class Before(Protocol):
    """What is known of the server before a run; a plan and a window's task know it."""

    @property
    def serving(self) -> str:
        """The version that runs, "" where that isn't known."""

    @property
    def current(self) -> str:
        """Where that isn't known, the version that is recorded, or ""."""

    @property
    def first(self) -> bool:
        """Whether nothing of that name is there."""


def what_runs(ended: RunEnded, before: Before) -> str:
    """Return what runs after a run that put back what it did, "" if no more is known than that."""
    serving, current = before.serving, before.current
    if ended.outcome not in RESTORED:
        return ""
    if before.first:
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
