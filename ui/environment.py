"""What Slipway runs on, for reports."""

from __future__ import annotations


def environment_text() -> str:
    """Return what Slipway runs on, in one line."""
    import platform

    from PySide6 import __version__ as pyside_version

    from app.version import slipway_version

    python = platform.python_version()
    system = platform.platform()
    return f"Slipway {slipway_version()} · {system} · Python {python} · PySide6 {pyside_version}"
