"""The commands that only look: a ``Session`` goes in, an exit code comes out."""

from __future__ import annotations

from pathlib import Path

from app import service
from app.amounts import local_text
from app.commands import interrupted_text
from app.console import Console, columns, table
from app.errors import Cancelled
from app.i18n import _
from app.project import GoProject, open_project
from app.releases import Interrupted, Release
from app.request import DeployRequest
from app.session import DONE, Host, Session
from app.shapes import project_shape, release_shape, status_shape


def status(session: Session) -> int:
    """Show what runs on each target."""
    return session.each(_status)


def _status(session: Session, request: DeployRequest) -> int:
    with session.host(request) as host:
        now = service.status(host.transport, request, host.facts)
        session.console.show(status_shape(now, host.facts))
        records = host.facts.records
        healthy = {True: _("yes"), False: _("no"), None: _("not asked")}[now.healthy]
        rows = [
            (_("Target"), f"{now.target} ({host.facts.os_name}, {host.facts.platform})"),
            (_("State"), service.state_words(now.state)),
            (_("Version"), now.version or "–"),
            (_("Release"), now.release or "–"),
            (_("Healthy"), f"{healthy} ({now.detail})" if now.detail else healthy),
            (_("Since"), local_text(now.since) if now.since else "–"),
            (_("Restarts"), str(now.restarts)),
        ]
        if records.lock:
            label = _("Lock left by") if records.lock.abandoned else _("Locked by")
            rows.append((label, str(records.lock)))
        _say_table(session.console, rows)
        _say_interrupted(session, host)
    return DONE


def _say_interrupted(session: Session, host: Host) -> None:
    """Say which run was interrupted there, and how to end it."""
    run = host.facts.records.abandoned_run
    if run:
        session.console.say(_("Interrupted:"))
        session.console.say(interrupted_text(run))
        session.console.say(_ways_on(session, host, run))


def _ways_on(session: Session, host: Host, run: Interrupted) -> str:
    """Return which commands end an interrupted run."""
    rollback = session.command("rollback", host.target)
    if run.undoing:
        return _("“{rollback}” finishes that.").format(rollback=rollback)
    resume = session.command("resume", host.target)
    return _("“{rollback}” takes it back, “{resume}” goes on.").format(
        rollback=rollback, resume=resume
    )


def releases(session: Session) -> int:
    """List what lies on each target."""
    return session.each(_releases)


def _releases(session: Session, request: DeployRequest) -> int:
    with session.host(request) as host:
        found = service.newest_first(host.facts)
        shapes = [release_shape(item, request, host.facts) for item in found]
        session.console.show({"target": str(host.target), "name": request.name, "releases": shapes})
        if not found:
            session.console.say(_("There is no release on {target}.").format(target=host.target))
            return DONE

        def words(item: Release) -> str:
            return service.release_words(request, host.facts, item)

        heads = (_("Release"), _("Version"), _("State"), _("Made"), _("By"))
        rows = [(item.id, item.version, words(item), local_text(item.created), item.by)
                for item in found]  # fmt: skip
        for line in table((heads, *rows)):
            session.console.say(line)
        _say_interrupted(session, host)
    return DONE


def logs(session: Session) -> int:
    """Show the last lines of what runs, and with -f those to come, until Ctrl-C."""
    return session.each(_logs)


def _logs(session: Session, request: DeployRequest) -> int:
    console = session.console

    def line(stream: str, text: str) -> None:
        console.show({"event": "log", "stream": stream, "text": text})
        console.say(text)

    with session.host(request) as host, session.interrupts.gentle("") as cancel:
        try:
            service.follow_logs(
                host.transport,
                request,
                host.facts,
                lines=session.options.lines,
                follow=session.options.follow,
                on_line=line,
                cancel=cancel,
            )
        except Cancelled:
            return DONE  # the only way to end following
    return DONE


def inspect(session: Session) -> int:
    """Show what a folder is."""
    project = open_project(Path(session.options.folder).absolute(), session.toolchain())
    session.console.show(project_shape(project))
    _say_project(session.console, project)
    return DONE


def _at_least(version: str) -> str:
    return _("{version} or newer").format(version=version) if version else "–"


def _say_project(console: Console, project: GoProject) -> None:
    revision = project.revision
    dirty = _(" with uncommitted changes") if revision and revision.dirty else ""
    _say_table(
        console,
        [
            (_("Folder"), str(project.path)),
            (_("Module"), project.module),
            (_("Go"), _at_least(project.go_version)),
            (_("Version"), f"{revision.describe}{dirty}" if revision else _("not under git")),
            (_("Vendored"), _("yes") if project.vendored else _("no")),
            (_("Dockerfile"), project.dockerfile or "–"),
            (_("Folders to include"), ", ".join(project.assets) or "–"),
        ],
    )
    console.say(_("Programs:"))
    for main in project.mains:
        notes = [
            _("uses cgo") if main.cgo else "",
            _("Windows service") if main.windows_service else "",
            _("version in {names}").format(names=", ".join(main.stamps)) if main.stamps else "",
            _("port {ports}").format(ports=", ".join(map(str, main.ports))) if main.ports else "",
        ]
        words = _("; ").join(filter(None, notes))
        console.say(f"  {main.path}  {words}".rstrip())


def _say_table(console: Console, rows: list[tuple[str, str]]) -> None:
    width = max(columns(name) for name, _text in rows)
    for name, text in rows:
        gap = " " * (width - columns(name))
        console.say(_("{name}: {text}").format(name=name, text=gap + text))
