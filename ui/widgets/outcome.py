"""How a run ended, in words."""

from __future__ import annotations

from app.events import Outcome
from app.i18n import _
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
    runs = more if outcome is Outcome.SUCCEEDED else run.restored
    told = "\n".join(filter(None, (error.title, error.detail, error.hint))) if error else ""
    notice.say(outcome_tone(outcome), heading, "\n\n".join(filter(None, (runs, told))))
