"""How a run ended, in words."""

from __future__ import annotations

from collections.abc import Sequence

from app.errors import SlipwayError
from app.events import Outcome
from app.i18n import _
from ui.run import Task
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


def say_outcome(
    notice: Notice,
    outcome: Outcome | None,
    error: SlipwayError | None,
    more: str = "",
    rolled_back: str = "",
) -> None:
    """Say how a run ended: what happened, why, what to do next.

    ``more`` follows a success, ``rolled_back`` a roll back: what that one has restored.
    Without an outcome it was ended by a fault of Slipway, which has its own dialog.
    """
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
    heading, lead = {
        Outcome.SUCCEEDED: (_("Done: it runs and is healthy"), more),
        Outcome.FAILED_RESTORED: (_("It failed; all is as it was before"), ""),
        Outcome.FAILED_NOT_RESTORED: (_("It failed, and not everything could be put back"), ""),
        Outcome.CANCELLED: (_("Cancelled; all is as it was before"), ""),
        Outcome.ROLLED_BACK: (_("Rolled back"), rolled_back),
    }[outcome]
    parts = [lead]
    if error is not None:
        parts += [error.title, error.detail, error.hint]
    notice.say(outcome_tone(outcome), heading, "\n".join(part for part in parts if part))


def restored(task: Task) -> str:
    """Return what taking a task back has restored, and what not."""
    if task.serving:
        again = _("{version} runs again.").format(version=task.serving)
    elif task.first:
        again = _("Nothing of that name runs any more.")
    else:
        again = _("What was there before is there again.")
    return "\n".join(filter(None, (again, not_restored(task.cannot))))


def not_restored(cannot: Sequence[str]) -> str:
    """Return what rolling back did not restore, "" if that is nothing."""
    return _("Not restored: {things}").format(things=_("; ").join(cannot)) if cannot else ""
