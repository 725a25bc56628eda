"""Which Slipway this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def slipway_version() -> str:
    """Return Slipway's version, or of a checkout that nobody installed that it is one."""
    try:
        return version("slipway")
    except PackageNotFoundError:
        return "from source"
