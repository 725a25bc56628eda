"""What a run tells the world: one stream for window, command line, log file and tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from app.errors import SlipwayError

Stream = Literal["stdout", "stderr", "note"]


class StepState(StrEnum):
    """Where one step of a run stands."""

    PENDING = "pending"
    RUNNING = "running"
    SKIPPED = "skipped"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNDOING = "undoing"
    UNDONE = "undone"
    UNDO_FAILED = "undo_failed"


class Outcome(StrEnum):
    """How a run ended. In all but ``FAILED_NOT_RESTORED`` some known version serves."""

    SUCCEEDED = "succeeded"
    FAILED_RESTORED = "failed_restored"
    FAILED_NOT_RESTORED = "failed_not_restored"
    CANCELLED = "cancelled"
    ROLLED_BACK = "rolled_back"


@dataclass(frozen=True, slots=True)
class StepChanged:
    """The row ``index`` of the plan entered ``state``."""

    index: int
    state: StepState


@dataclass(frozen=True, slots=True)
class Line:
    """One line of output, secrets masked. ``note`` lines are Slipway's own words."""

    index: int
    stream: Stream
    text: str


@dataclass(frozen=True, slots=True)
class Progress:
    """Bytes done of ``total`` in row ``index``."""

    index: int
    done: int
    total: int


@dataclass(frozen=True, slots=True)
class RunEnded:
    """The last event of every run. ``error`` is what went wrong first, if anything did.

    ``switched``: the run came to its switch, so that what ran before was interrupted.
    """

    outcome: Outcome
    error: SlipwayError | None = None
    switched: bool = False


Event = StepChanged | Line | Progress | RunEnded
Emit = Callable[[Event], None]
