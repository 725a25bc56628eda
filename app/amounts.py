"""Sizes, times and rates in words, and how fast an upload goes."""

from __future__ import annotations

from collections import deque
from datetime import UTC, datetime

from app.i18n import _, ngettext

SPAN = 4.0  # seconds over which the rate is taken


def size_text(size: float) -> str:
    """Return bytes as ``12.4 MB`` (powers of 1000, as file systems and networks count)."""
    if size < 1000:
        return _("{count} bytes").format(count=int(size))
    for unit in ("kB", "MB", "GB"):
        size /= 1000
        if size < 999.95 or unit == "GB":
            break
    return f"{size:.1f} {unit}"


def duration_text(seconds: float) -> str:
    """Return a duration as ``0.4 s``, ``12 s``, ``3 min 05 s`` or ``1 h 02 min``."""
    if seconds < 9.95:
        return _("{seconds:.1f} s").format(seconds=seconds)
    whole = round(seconds)
    if whole < 60:
        return _("{seconds} s").format(seconds=whole)
    if whole < 3600:
        return _("{minutes} min {seconds:02d} s").format(minutes=whole // 60, seconds=whole % 60)
    return _("{hours} h {minutes:02d} min").format(hours=whole // 3600, minutes=whole % 3600 // 60)


def age_text(seconds: float) -> str:
    """Return how long ago something was, roughly: ``just now``, ``5 minutes ago``."""
    if seconds < 10:
        return _("just now")
    if seconds < 60:
        count = int(seconds)
        return ngettext("{count} second ago", "{count} seconds ago", count).format(count=count)
    if seconds < 3600:
        count = int(seconds // 60)
        return ngettext("{count} minute ago", "{count} minutes ago", count).format(count=count)
    if seconds < 86400:
        count = int(seconds // 3600)
        return ngettext("{count} hour ago", "{count} hours ago", count).format(count=count)
    count = int(seconds // 86400)
    return ngettext("{count} day ago", "{count} days ago", count).format(count=count)


def moment(text: str) -> datetime | None:
    """Return an ISO 8601 time, which may have more digits than Python reads; UTC if it has no zone.

    None where it is none.
    """
    head, dot, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if dot else ""
    try:
        found = datetime.fromisoformat(head + zone)
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def local_text(text: str) -> str:
    """Return an ISO 8601 time as this computer's day and hour, whatever else as it is."""
    found = moment(text)
    return f"{found.astimezone():%Y-%m-%d %H:%M}" if found else text


class Pace:
    """The rate of an upload over its last seconds, and the time it still takes."""

    def __init__(self) -> None:
        self._samples: deque[tuple[float, int]] = deque()
        self.done = 0
        self.total = 0

    def add(self, now: float, done: int, total: int) -> None:
        """Take a report: at ``now`` seconds, ``done`` of ``total`` bytes were sent."""
        if done < self.done:
            self._samples.clear()
        self.done, self.total = done, total
        self._samples.append((now, done))
        while len(self._samples) > 2 and now - self._samples[0][0] > SPAN:
            self._samples.popleft()

    @property
    def rate(self) -> float:
        """Bytes a second, 0 while it is not known."""
        if len(self._samples) < 2:
            return 0.0
        (start, first), (end, last) = self._samples[0], self._samples[-1]
        return (last - first) / (end - start) if end - start >= 0.2 else 0.0

    @property
    def left(self) -> float | None:
        """Seconds still to go, None while it is not known."""
        return (self.total - self.done) / self.rate if self.rate > 0 else None

    def text(self) -> str:
        """Return ``12.4 MB of 30.1 MB · 5.2 MB/s · 3 s left``."""
        parts = [
            _("{done} of {total}").format(done=size_text(self.done), total=size_text(self.total))
        ]
        left = self.left
        if left is not None:
            parts.append(_("{rate}/s").format(rate=size_text(self.rate)))
            if self.done < self.total:
                parts.append(_("{time} left").format(time=duration_text(left)))
        return " · ".join(parts)
