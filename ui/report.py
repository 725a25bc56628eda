"""What a user passes on about a failure: secrets never stand in it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.amounts import duration_text, local_text
from app.errors import SlipwayError
from app.events import Outcome
from app.i18n import _
from app.transport import Secret
from app.transport.output import Mask
from ui.environment import environment_text

if TYPE_CHECKING:
    from ui.run import Run

LAST_LINES = 400

_typed: set[Secret] = set()


def conceal(secret: Secret) -> Secret:
    """Keep what was typed in this session out of every report from now on; returns it."""
    _typed.add(secret)
    return secret


def without_secrets(text: str) -> str:
    """Return a text without what was typed as a secret, and without passwords in addresses.

    The engine masks its own words; this is for what came another way.
    """
    return Mask(_typed)(text)


def error_report(error: SlipwayError) -> str:
    """Return what happened, why, what to do, and what Slipway runs on."""
    return without_secrets(f"{error}\n\n{environment_text()}\n")


def outcome_text(outcome: Outcome | None, error: SlipwayError | None = None) -> str:
    """Return how a run ended in two or three words; ``error`` of a success: it was to be undone."""
    if outcome is None:
        return _("interrupted")
    if outcome is Outcome.SUCCEEDED and error is not None:
        return _("not rolled back")
    return {
        Outcome.SUCCEEDED: _("succeeded"),
        Outcome.FAILED_RESTORED: _("failed, all as before"),
        Outcome.FAILED_NOT_RESTORED: _("failed, not restored"),
        Outcome.CANCELLED: _("cancelled"),
        Outcome.ROLLED_BACK: _("rolled back"),
    }[outcome]


def run_report(run: Run, lines: Sequence[str]) -> str:
    """Return when a run began, how it ended, what runs since, and the end of its log."""
    began = local_text(run.when.isoformat())
    when = _("Began {when}, took {time}").format(when=began, time=duration_text(run.seconds))
    parts = [run.task.title, when, outcome_text(run.outcome, run.error), run.restored]
    parts = [part for part in parts if part]
    if run.error is not None:
        parts += ["", str(run.error)]
    left_out = len(lines) - LAST_LINES
    parts += ["", environment_text(), ""]
    if left_out > 0:
        parts.append(_("… {count} lines before").format(count=left_out))
    return without_secrets("\n".join([*parts, *lines[-LAST_LINES:]]) + "\n")
