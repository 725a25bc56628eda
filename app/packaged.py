"""The packaged application: what it must hide from the programs that it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

# what the packaged application starts itself with, to see whether its Qt can be loaded
QT_VERB = "load-qt"


def is_packaged() -> bool:
    """Return whether this is the packaged application, which has its own Python inside."""
    return bool(getattr(sys, "frozen", False))


def leave_packaging(environment: MutableMapping[str, str] | None = None) -> None:
    """Make what is started from now on see the user's environment, not the package's.

    Else go, git and the user's services would load the package's libraries, and a Slipway that
    is started by this one would take itself for a part of it. This process has what it needs.
    """
    names = os.environ if environment is None else environment
    for name in [name for name in names if name.startswith(("_PYI_", "_MEIPASS"))]:
        del names[name]
    names.pop("LD_LIBRARY_PATH", None)
    if "LD_LIBRARY_PATH_ORIG" in names:
        names["LD_LIBRARY_PATH"] = names.pop("LD_LIBRARY_PATH_ORIG")
