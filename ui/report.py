"""What a user passes on about a run that ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from app.i18n import _
from ui.crash import environment_text
from ui.widgets.outcome import outcome_text

if TYPE_CHECKING:
    from ui.run import Run

LAST_LINES = 400


def run_report(run: Run, lines: Sequence[str]) -> str:
    """Return how a run ended and the end of its log; secrets were masked by the engine."""
    parts = [run.task.title, outcome_text(run.outcome)]
    if run.error is not None:
        parts += ["", str(run.error)]
    left_out = len(lines) - LAST_LINES
    parts += ["", environment_text(), ""]
    if left_out > 0:
        parts.append(_("… {count} lines before").format(count=left_out))
    return "\n".join([*parts, *lines[-LAST_LINES:]]) + "\n"
