"""What runs on a server now: its state, its log, start, stop, restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from app.docker_facts import DockerFacts
from app.errors import CommandFailed, SlipwayError
from app.events import Stream
from app.health import endpoint, probe
from app.host import HostFacts
from app.i18n import _
from app.kinds.process import GRACE_SECONDS
from app.kinds.windows_steps import event_line, events_command, log_command
from app.plan import kind_of
from app.process_facts import supervise
from app.releases import Release, lock_held
from app.request import DeployRequest
from app.step import RunContext
from app.transport import (
    TOOL,
    CancelToken,
    Command,
    OnLine,
    Secret,
    Transport,
    ignore_bytes,
    ignore_line,
)
from app.windows_facts import WindowsService

Action = Literal["start", "stop", "restart"]
CONTROL_SECONDS = 120.0
ALIVE = frozenset({"running", "restarting", "paused"})  # states with a time since when
FOLLOW_SECONDS = 7 * 24 * 3600.0


@dataclass(frozen=True, slots=True)
class Status:
    """How a service is; ``healthy`` is None where nothing can be asked. Times in ISO 8601."""

    target: str
    kind: str
    name: str
    release: str
    version: str
    state: str
    healthy: bool | None
    detail: str = ""
    since: str = ""
    restarts: int = 0


def status(transport: Transport, request: DeployRequest, facts: HostFacts) -> Status:
    """Return how the service is now; its health is asked once, the way a deployment asks."""
    state, release, since, restarts = _state(facts)
    record = facts.records.find(release)
    health = record.health_options if record and record.health else request.deploy.health
    at = endpoint(health)
    healthy, detail = None, ""
    if at and state == "running":
        ctx = RunContext(transport, facts.store(), ignore_line, ignore_bytes, CancelToken())
        detail = probe(ctx, health, at)
        healthy = not detail
    return Status(
        target=str(facts.target),
        kind=request.deploy.kind,
        name=request.name,
        release=release,
        version=record.version if record else "",
        state=state,
        healthy=healthy,
        detail=detail,
        since=since if state in ALIVE else "",
        restarts=restarts,
    )


def state_words(state: str) -> str:
    """Return what a service's state is called."""
    words = {
        "running": _("Running"),
        "stopped": _("Stopped"),
        "exited": _("Stopped"),
        "created": _("Never started"),
        "restarting": _("Restarting again and again"),
        "paused": _("Paused"),
        "dead": _("Dead"),
        "missing": _("Not there"),
        "start-pending": _("Starting"),
        "stop-pending": _("Stopping"),
        "pause-pending": _("Pausing"),
        "continue-pending": _("Starting"),
    }
    return words.get(state, state)


def newest_first(facts: HostFacts) -> tuple[Release, ...]:
    """Return the releases that lie there, the newest first."""
    return tuple(sorted(facts.records.releases, key=lambda release: release.id, reverse=True))


def why_not_again(request: DeployRequest, facts: HostFacts, release: Release) -> str:
    """Return why a release can't be rolled back to, "" if it can."""
    state = facts.records.state
    if release.id == state.current:
        return _("The current release can't be rolled back to.")
    if release.id in state.bad:
        return _("This release failed when it was deployed.")
    if not kind_of(request).available(facts, release):
        return _("The files of this release are gone.")
    return ""


def release_words(request: DeployRequest, facts: HostFacts, release: Release) -> str:
    """Return what a release is on its server."""
    parts = [_standing(request, facts, release)]
    if release.id in facts.records.state.pinned:
        parts.append(_("pinned"))
    if release.adopted:
        parts.append(_("adopted"))
    if release.dirty:
        parts.append(_("uncommitted changes"))
    return _(", ").join(filter(None, parts))


def _standing(request: DeployRequest, facts: HostFacts, release: Release) -> str:
    """Return what a release is among the others; "" for what served before Slipway came."""
    state = facts.records.state
    now, runs, _since, _restarts = _state(facts)
    running = now == "running" and runs in ("", release.id)
    if release.id == state.current:
        return _("serves now") if running else _("current, but not running")
    if running and runs:  # a run was interrupted, or could not put back what was there
        return _("runs now, though it failed") if release.id in state.bad else _("runs now")
    if release.id in state.bad:
        return _("failed")
    if not kind_of(request).available(facts, release):
        return _("its files are gone")
    if release.id == facts.records.rollback_target() and not facts.records.interrupted:
        return _("next to roll back to")
    if release.id in {state.previous, *state.verified}:
        return _("served earlier")
    return "" if release.adopted else _("never served")


def running_release(facts: HostFacts) -> Release | None:
    """Return the release that runs, current or not; None if nothing does or it is not known."""
    now, runs, _since, _restarts = _state(facts)
    known = (release for release in facts.records.releases if release.id == runs)
    return next(known, None) if now == "running" else None


def _state(facts: HostFacts) -> tuple[str, str, str, int]:
    if facts.process is not None:
        process = facts.process
        since = datetime.fromtimestamp(process.since, UTC).isoformat() if process.since else ""
        return process.state, process.release, since, process.restarts
    if facts.windows is not None:
        return _windows_state(facts, facts.windows.service)
    service = facts.docker.service if facts.docker else None
    if service is None:
        return "missing", "", "", 0
    return service.status, service.release, service.started, service.restarts


def _windows_state(facts: HostFacts, service: WindowsService | None) -> tuple[str, str, str, int]:
    if service is None:
        return "missing", "", "", 0
    since = datetime.fromtimestamp(service.started, UTC).isoformat() if service.started else ""
    state = "restarting" if service.state == "running" and not service.running else service.state
    release = service.release(facts.root)
    if not facts.records.find(release):
        # what Slipway did not make runs from a folder of its own
        current = facts.records.current
        release = current.id if current and current.adopted else ""
    return state, release, since, service.restarts


def control(transport: Transport, request: DeployRequest, facts: HostFacts, action: Action) -> None:
    """Start, stop or restart what runs; raises CommandFailed, LockHeld while a run is under way."""
    lock = facts.records.lock
    if lock and not lock.abandoned:
        raise lock_held(lock)
    failed = _("“{action}” failed.").format(action=action)
    for command in control_commands(request, facts, action):
        timeout = CONTROL_SECONDS + request.deploy.windows.stop_timeout
        transport.run(command, timeout=timeout).check(failed)


def control_commands(
    request: DeployRequest, facts: HostFacts, action: Action
) -> tuple[Command, ...]:
    """Return the commands of an action."""
    if facts.process is None and facts.windows is not None:
        grace = () if action == "start" else (f"{request.deploy.windows.stop_timeout:g}",)
        return (Command((TOOL, "service", action, request.name, *grace)),)
    if facts.process is None:
        return (_docker(facts).cli.command(action, request.name),)
    stop = supervise("stop", facts.root, str(GRACE_SECONDS))
    start = supervise("start", facts.root, facts.records.state.current, stdin=b"")
    return {"start": (start,), "stop": (stop,), "restart": (stop, start)}[action]


def _docker(facts: HostFacts) -> DockerFacts:
    if facts.docker is None or facts.docker.service is None:
        raise SlipwayError(
            _("Nothing of that name is on {host}.").format(host=facts.hostname),
            _("There is no container to look at."),
            _("Deploy it first."),
        )
    return facts.docker


def follow_logs(
    transport: Transport,
    request: DeployRequest,
    facts: HostFacts,
    *,
    lines: int = 200,
    follow: bool = True,
    on_line: OnLine,
    cancel: CancelToken,
) -> None:
    """Report the service's last lines and, if asked, those to come until cancelled.

    Raises Cancelled, CommandFailed, ConnectionLost.
    """
    if facts.process is not None:
        words = ("follow",) if follow else ()
        command = supervise("log", facts.root, str(lines), *words)
    elif facts.windows is not None:
        command = log_command(facts.store(), lines, *(("follow",) if follow else ()))
    else:
        words = ("--follow",) if follow else ()
        command = _docker(facts).cli.command("logs", "--tail", str(lines), *words, request.name)
    secrets = _known_secrets(facts)

    def masked(stream: Stream, text: str) -> None:
        for value in secrets:
            text = text.replace(value, "••••••")
        on_line(stream, text)

    timeout = FOLLOW_SECONDS if follow else 120.0
    result = transport.run(command, on_line=masked, cancel=cancel, timeout=timeout)
    if result.exit_code != 0 and not cancel.cancelled:
        raise CommandFailed(_("The log can't be read."), result)


def read_events(transport: Transport, request: DeployRequest, *, lines: int = 100) -> list[str]:
    """Return what a Windows server's event log says of the service, newest last, a line each."""
    result = transport.run(events_command(request.name, lines))
    result.check(_("The event log can't be read."))
    return [event_line(text) for text in result.stdout.splitlines()]


def _known_secrets(facts: HostFacts) -> tuple[str, ...]:
    """Return the values that the service's own registration shows; others the server masks."""
    env: dict[str, Secret] = {}
    release = ""
    if facts.windows is not None and facts.windows.service:
        env, release = facts.windows.service.env, facts.windows.service.release(facts.root)
    elif facts.docker is not None and facts.docker.service:
        env, release = facts.docker.service.env, facts.docker.service.release
    record = facts.records.find(release)
    names = record.secrets if record else {}
    values = (env[name].reveal() for name in names if name in env)
    return tuple(sorted((value for value in values if value), key=len, reverse=True))
