"""How a run ended, in words."""

from __future__ import annotations

from collections.abc import Sequence

from app.events import Outcome
from app.i18n import _
from app.outcomes import RESTORED, what_runs
from ui.run import Run
from ui.widgets.basics import Notice, Tone


def outcome_tone(outcome: Outcome | None) -> Tone:
    """Return how loudly an outcome is told."""
    tones: dict[Outcome | None, Tone] = {
        Outcome.SUCCEEDED: "success",
        Outcome.FAILED_RESTORED: "error",
        Outcome.FAILED_NOT_RESTORED: "error",
        Outcome.CANCELLED: "info",
        Outcome.ROLLED_BACK: "info",
    }
    return tones.get(outcome, "warning")


def say_outcome(notice: Notice, run: Run, more: str = "") -> None:
    """Say how a run ended: what happened, what runs now, why, what to do next.

    ``more`` follows a success. Without an outcome it was ended by a fault of Slipway, which has
    its own dialog.
    """
    outcome, error = run.outcome, run.error
    if outcome is None:
        notice.say(
            "error",
            _("It was ended by a fault in Slipway"),
            _("Look at the server before you go on: not everything may have been put back."),
        )
        return
    if outcome is Outcome.SUCCEEDED and error is not None:
        why = (error.title, error.detail, error.hint)
        notice.say("warning", _("Not rolled back"), "\n".join(part for part in why if part))
        return
    heading = {
        Outcome.SUCCEEDED: _("Done: it runs and is healthy"),
        Outcome.FAILED_RESTORED: _("It failed; all is as it was before"),
        Outcome.FAILED_NOT_RESTORED: _("It failed, and not everything could be put back"),
        Outcome.CANCELLED: _("Cancelled; all is as it was before"),
        Outcome.ROLLED_BACK: _("Rolled back; all is as it was before")
        if run.rolled_back
        else _("Taken back; all is as it was before"),
    }[outcome]
    runs = more if outcome is Outcome.SUCCEEDED else restored(run)
    told = "\n".join(filter(None, (error.title, error.detail, error.hint))) if error else ""
    notice.say(outcome_tone(outcome), heading, "\n\n".join(filter(None, (runs, told))))


def restored(run: Run) -> str:
    """Return what runs again or still after a run that put back what it did, and what is lost."""
    if run.end is None or run.end.outcome not in RESTORED:
        return ""
    lost = not_restored(run.task.cannot) if run.end.switched else ""
    task = run.task
    runs = what_runs(run.end, task.serving, first=task.first, current=task.current)
    return "\n".join(filter(None, (runs, lost)))


def not_restored(cannot: Sequence[str]) -> str:
    """Return what rolling back did not restore, "" if that is nothing."""
    return _("Not restored: {things}.").format(things=_("; ").join(cannot)) if cannot else ""
