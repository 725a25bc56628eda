"""What the command line prints with ``--json``: a stable shape, described in docs/json.md."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from app.errors import BuildError, Problem, ProfileError, SlipwayError, UntrustedHost
from app.events import Event, Line, Outcome, Progress, StepChanged
from app.host import HostFacts
from app.plan import Plan, kind_of
from app.project import GoProject
from app.releases import Interrupted, Lock, Release
from app.request import DeployRequest
from app.service import Status

Shape = dict[str, Any]

EXIT_CODES = {
    Outcome.SUCCEEDED: 0,
    Outcome.ROLLED_BACK: 0,
    Outcome.FAILED_RESTORED: 1,
    Outcome.FAILED_NOT_RESTORED: 3,
    Outcome.CANCELLED: 130,
}


def error_shape(error: SlipwayError) -> Shape:
    """Return an error: title, detail, hint, and what its kind knows beyond."""
    shape: Shape = {"title": error.title, "detail": error.detail, "hint": error.hint}
    if isinstance(error, ProfileError):
        shape["key"] = error.key
    if isinstance(error, UntrustedHost):
        shape["fingerprint"] = error.fingerprint
        shape["expected"] = list(error.expected)
    if isinstance(error, BuildError):
        shape["diagnostics"] = [asdict(item) for item in error.diagnostics]
    return shape


def event_shape(event: Event, rows: Sequence[str]) -> Shape:
    """Return one event of a run; ``rows`` are the titles of the plan's rows."""
    if isinstance(event, StepChanged):
        title = rows[event.index] if event.index < len(rows) else ""
        return {"event": "step", "row": event.index, "title": title, "state": event.state.value}
    if isinstance(event, Line):
        return {"event": "line", "row": event.index, "stream": event.stream, "text": event.text}
    if isinstance(event, Progress):
        return {"event": "progress", "row": event.index, "done": event.done, "total": event.total}
    return {
        "event": "end",
        "outcome": event.outcome.value,
        "error": error_shape(event.error) if event.error else None,
        "switched": event.switched,
        "exit_code": EXIT_CODES[event.outcome],
    }


def problem_shape(problem: Problem) -> Shape:
    """Return a problem."""
    return asdict(problem)


def plan_shape(plan: Plan, warnings: Sequence[Problem] = ()) -> Shape:
    """Return what Review shows; secrets in commands are masked."""
    return {
        "target": plan.target,
        "name": plan.name,
        "title": plan.title,
        "release": plan.release,
        "empty": plan.empty,
        "changes": [asdict(change) for change in plan.changes],
        "rows": [
            {"title": row.title, "commands": [str(command) for command in row.commands]}
            for row in plan.rows
        ],
        "outage": plan.outage,
        "restores": list(plan.restores),
        "cannot": list(plan.cannot),
        "warnings": list(plan.warnings),
        "problems": [problem_shape(problem) for problem in warnings],
    }


def project_shape(project: GoProject) -> Shape:
    """Return what a folder was found to be."""
    return {
        "path": str(project.path),
        "module": project.module,
        "go_version": project.go_version,
        "mains": [
            {
                "path": main.path,
                "import_path": main.import_path,
                "name": main.name,
                "cgo": main.cgo,
                "windows_service": main.windows_service,
                "stamps": list(main.stamps),
                "ports": list(main.ports),
            }
            for main in project.mains
        ],
        "vendored": project.vendored,
        "workspace": project.workspace,
        "revision": asdict(project.revision) if project.revision else None,
        "assets": list(project.assets),
        "dockerfile": project.dockerfile,
    }


def status_shape(status: Status, facts: HostFacts) -> Shape:
    """Return what runs, and whether somebody works on it."""
    records, interrupted = facts.records, facts.records.abandoned_run
    return {
        **asdict(status),
        "lock": lock_shape(records.lock) if records.lock else None,
        "interrupted": interrupted_shape(interrupted) if interrupted else None,
    }


def lock_shape(lock: Lock) -> Shape:
    """Return who holds the lock; its token is the holder's own."""
    return {
        "who": lock.who,
        "when": lock.when,
        "why": lock.why,
        "run": lock.run,
        "age": lock.age,
        "abandoned": lock.abandoned,
    }


def interrupted_shape(run: Interrupted) -> Shape:
    """Return an interrupted run: what is done, what was under way, what was never begun."""
    return {
        "run": run.run,
        "title": run.title,
        "release": run.release,
        "by": run.by,
        "undoing": run.undoing,
        "done": list(run.done),
        "under_way": run.under_way,
        "not_begun": list(run.not_begun),
    }


def release_shape(release: Release, request: DeployRequest, facts: HostFacts) -> Shape:
    """Return one release that lies on the server; no values of secrets, no environment."""
    state = facts.records.state
    return {
        "id": release.id,
        "version": release.version,
        "commit": release.commit,
        "dirty": release.dirty,
        "sha256": release.sha256,
        "kind": release.kind,
        "created": release.created,
        "by": release.by,
        "current": release.id == state.current,
        "previous": release.id == facts.records.rollback_target(),
        "verified": release.id in state.verified,
        "bad": release.id in state.bad,
        "pinned": release.id in state.pinned,
        "available": kind_of(request).available(facts, release),
    }
