"""Files that another program holds for a moment: on Windows, scanners open whatever is new."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

SECONDS = 5.0
PAUSE_SECONDS = 0.1
# Windows' words for it: access denied (to replace it), sharing violation, lock violation.
HELD = (5, 32, 33)
_Value = TypeVar("_Value")


def is_held(error: OSError) -> bool:
    """Return whether this is what Windows says of a file that another program has open."""
    return getattr(error, "winerror", None) in HELD


def patiently(work: Callable[[], _Value], seconds: float = SECONDS) -> _Value:
    """Return what ``work`` returns; while a file is held, try again so long. Raises OSError."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return work()
        except OSError as error:
            if not is_held(error) or time.monotonic() > deadline:
                raise
        time.sleep(PAUSE_SECONDS)
