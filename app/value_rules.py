"""Checks of single values that the rules of all kinds share."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath, PureWindowsPath

from app.errors import Problem
from app.i18n import _


def seconds(key: str, value: float, least: float) -> Iterator[Problem]:
    """Find a time that is below ``least`` seconds or above a day."""
    if not least <= value <= 24 * 3600:
        yield Problem(
            key,
            _("The time must lie between {least} and 24 hours.").format(
                least=_("0 seconds") if least == 0 else _("a tenth of a second")
            ),
        )


def twice(key: str, values: Iterable[str]) -> Iterator[Problem]:
    """Find values that stand there twice."""
    seen: set[str] = set()
    for value in values:
        if value in seen:
            yield Problem(key, _("“{value}” stands there twice.").format(value=value))
        seen.add(value)


def has_control(text: str) -> bool:
    """Return whether a text holds control characters."""
    return any(ord(letter) < 32 or ord(letter) == 127 for letter in text)


def is_inside(path: str) -> bool:
    """Return whether a path stays inside the folder that it counts from."""
    parts = PurePosixPath(path).parts
    return bool(parts) and not (
        ".." in parts or "\\" in path or path.startswith("/") or PureWindowsPath(path).drive
    )
