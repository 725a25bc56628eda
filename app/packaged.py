"""The packaged application: what it must hide from the programs that it starts."""

from __future__ import annotations

import os
import sys
from collections.abc import MutableMapping

# what the packaged application starts itself with, to see whether its Qt can be loaded
QT_VERB = "load-qt"
# what PyInstaller sets, and what it puts its own folder before
OWN_NAMES = ("_PYI_", "_MEIPASS", "QT_PLUGIN_PATH", "QML2_IMPORT_PATH")
PATHS = {"PATH", "DYLD_LIBRARY_PATH"}


def is_packaged() -> bool:
    """Return whether this is the packaged application, which has its own Python inside."""
    return bool(getattr(sys, "frozen", False))


def leave_packaging(environment: MutableMapping[str, str] | None = None) -> None:
    """Make what is started from now on see the user's environment, not the package's.

    Else go, git, the user's services and desktop would load the package's libraries, and a Slipway
    that is started by this one would take itself for a part of it. This process needs none of it
    any more: it finds its libraries by where they lie.
    """
    names = os.environ if environment is None else environment
    for name in [name for name in names if name.startswith(OWN_NAMES)]:
        del names[name]
    names.pop("LD_LIBRARY_PATH", None)
    if "LD_LIBRARY_PATH_ORIG" in names:
        names["LD_LIBRARY_PATH"] = names.pop("LD_LIBRARY_PATH_ORIG")
    inside = getattr(sys, "_MEIPASS", "")
    for name in PATHS & names.keys():
        parts = names[name].split(os.pathsep)
        names[name] = os.pathsep.join(part for part in parts if part != inside)
