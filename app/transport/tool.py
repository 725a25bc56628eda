"""What slipway-host.exe says when something failed: Windows' number and words, cause and remedy."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from app.i18n import _


@dataclass(frozen=True, slots=True)
class HostError:
    """Why a verb failed. ``code`` is the Win32 error number, 0 for what Windows has no number for.

    ``system`` is what Windows says; ``cause`` and ``remedy`` are ours, "" for unknown numbers.
    """

    code: int
    doing: str
    system: str
    cause: str = ""
    remedy: str = ""

    def __str__(self) -> str:
        number = _(" (Windows error {code})").format(code=self.code) if self.code else ""
        return "\n".join(filter(None, (self.system + number, self.cause)))


def read_host_error(stderr: str) -> HostError | None:
    """Read the error that ends a verb's stderr, in the user's language; None if there is none."""
    lines = stderr.strip().splitlines()
    found = _object(lines[-1]).get("error") if lines else None
    if not isinstance(found, dict):
        return None
    cause, remedy = str(found.get("cause", "")), str(found.get("remedy", ""))
    return HostError(
        code=int(found.get("code", 0)),
        doing=str(found.get("doing", "")),
        system=str(found.get("system", "")),
        # gettext answers "" with the catalogue's own head
        cause=_(cause) if cause else "",
        remedy=_(remedy) if remedy else "",
    )


def in_words(stderr: str) -> str:
    """Return a verb's stderr as people read it: no announcement, the error in words."""
    lines = stderr.strip().splitlines()
    error = read_host_error(stderr)
    if error:
        lines[-1] = str(error)
    return "\n".join(line for line in lines if _object(line).keys() != {"process"})


def _object(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
