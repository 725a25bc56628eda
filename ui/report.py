"""Texts that a user passes on: how a run ended, and what broke in Slipway itself."""

from __future__ import annotations

import platform
import traceback
from collections.abc import Sequence
from types import TracebackType

from PySide6 import __version__ as pyside_version

from app.i18n import _
from ui.run import Run
from ui.widgets.outcome import outcome_text

LAST_LINES = 400


def environment_text() -> str:
    """Return what Slipway runs on, in one line."""
    python = platform.python_version()
    return f"{platform.platform()} · Python {python} · PySide6 {pyside_version}"


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


def crash_report(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> str:
    """Return what is needed to find a bug.

    The exception's own words are left out: they may quote what the user typed, secrets included;
    places in the code never do.
    """
    frames = traceback.extract_tb(trace)
    places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    cause = error.__cause__ or error.__context__ if error is not None else None
    name = f"{kind.__module__}.{kind.__qualname__}"
    parts = [name, *places]
    if cause is not None:
        parts.append(f"after {type(cause).__module__}.{type(cause).__qualname__}")
    return "\n".join([*parts, "", environment_text()]) + "\n"
