"""How a run ended, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from app.errors import SlipwayError
from app.events import Outcome
from app.i18n import _
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
    serving: str = "",
    cannot: Sequence[str] = (),
) -> None:
    """Say how a run ended: what happened, why, what to do next; ``more`` follows a success.

    ``serving`` is the version that ran before it, ``cannot`` what rolling back does not restore.

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
        Outcome.ROLLED_BACK: (
            _("Rolled back"),
            "\n".join(filter(None, _rolled_back(serving, cannot))),
        ),
    }[outcome]
    parts = [lead]
    if error is not None:
        parts += [error.title, error.detail, error.hint]
    notice.say(outcome_tone(outcome), heading, "\n".join(part for part in parts if part))


def _rolled_back(serving: str, cannot: Sequence[str]) -> Iterator[str]:
    if serving:
        yield _("{version} runs again.").format(version=serving)
    else:
        yield _("What was there before is there again.")
    yield not_restored(cannot)


def not_restored(cannot: Sequence[str]) -> str:
    """Return what rolling back did not restore, "" if that is nothing."""
    return _("Not restored: {things}").format(things=_("; ").join(cannot)) if cannot else ""
