"""What runs on a server, in words: its state, its releases, when things happened."""

from __future__ import annotations

from datetime import UTC, datetime

from app.host import HostFacts
from app.i18n import _, ngettext
from app.plan import kind_of
from app.releases import Release
from app.request import DeployRequest
from app.service import Status, state_words
from ui.widgets.amounts import age_text


def process_id(facts: HostFacts) -> int:
    """Return the id of the process that serves, 0 where it is not known."""
    service = facts.windows.service if facts.windows else None
    if service is not None:
        return service.process or service.pid
    return facts.process.pid if facts.process is not None else 0


def status_words(status: Status, facts: HostFacts) -> str:
    """Return a service's state as one line."""
    parts = [state_words(status.state)]
    if status.healthy is not None:
        parts[0] = _("Running and healthy") if status.healthy else _("Running, but not healthy")
    if status.version:
        parts.append(_("version {version}").format(version=status.version))
    if status.since and status.state == "running":
        began = _moment(status.since)
        if began is not None:
            parts.append(_("started {time}").format(time=age_text(max(0.0, facts.clock - began))))
    if status.state == "running" and (pid := process_id(facts)):
        parts.append(_("process {pid}").format(pid=pid))
    if status.restarts:
        parts.append(
            ngettext("{count} restart", "{count} restarts", status.restarts).format(
                count=status.restarts
            )
        )
    if status.detail:
        parts.append(status.detail)
    return " · ".join(parts)


def look_of(status: Status) -> tuple[str, str]:
    """Return icon and colour of a service's state."""
    if status.state != "running":
        return "stop", "warning"
    return ("error", "danger") if status.healthy is False else ("success", "success")


def newest_first(facts: HostFacts) -> tuple[Release, ...]:
    """Return the releases that lie there, the newest first."""
    return tuple(sorted(facts.records.releases, key=lambda release: release.id, reverse=True))


def can_serve_again(request: DeployRequest, facts: HostFacts, release: Release) -> bool:
    """Return whether a release can be rolled back to."""
    state = facts.records.state
    return (
        release.id != state.current
        and release.id not in state.bad
        and kind_of(request).available(facts, release)
    )


def release_words(request: DeployRequest, facts: HostFacts, release: Release) -> str:
    """Return what a release is on its server."""
    state = facts.records.state
    parts = []
    if release.id == state.current:
        parts.append(_("serves now"))
    elif release.id in state.bad:
        parts.append(_("failed"))
    elif not kind_of(request).available(facts, release):
        parts.append(_("its files are gone"))
    elif release.id == state.previous:
        parts.append(_("served before"))
    elif release.id in state.verified:
        parts.append(_("was healthy"))
    if release.id in state.pinned:
        parts.append(_("pinned"))
    if release.adopted:
        parts.append(_("adopted"))
    return _(", ").join(parts)


def _moment(text: str) -> float | None:
    """Return an ISO 8601 time, which may have more digits than Python reads, as seconds."""
    head, dot, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if dot else ""
    try:
        moment = datetime.fromisoformat(head + zone)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def when_text(text: str) -> str:
    """Return an ISO 8601 time as this computer's day and hour."""
    moment = _moment(text)
    if moment is None:
        return text
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M")
