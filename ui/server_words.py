"""What runs on a server, in words: its state, its releases, when things happened."""

from __future__ import annotations

from app.amounts import age_text, moment
from app.host import HostFacts
from app.i18n import _, ngettext
from app.service import Status, state_words


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
        began = moment(status.since)
        if began is not None:
            parts.append(
                _("started {time}").format(time=age_text(max(0.0, facts.clock - began.timestamp())))
            )
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
