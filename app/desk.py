"""Which runs are under way on this desktop: a locked file each, so that a killed one shows."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import platformdirs

from app import supervise


def _place(run: str) -> Path:
    return platformdirs.user_data_path("slipway", appauthor=False) / "runs" / f"{run}.lock"


@contextlib.contextmanager
def present(run: str) -> Iterator[None]:
    """Show that a run is under way here, until the block or the process ends."""
    path = _place(run)
    path.parent.mkdir(parents=True, exist_ok=True)
    with supervise.held(path):
        yield
    with contextlib.suppress(OSError):
        path.unlink()


def was_here(run: str) -> bool:
    """Return whether a run was under way on this desktop and its process is gone."""
    path = _place(run)
    return bool(run) and path.is_file() and not supervise.is_held(path)
