"""The commands that change something, and plan: a ``Session`` goes in, an exit code comes out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from app import profile, recovery
from app.console import Console, View, view
from app.errors import NotReady, Problem, ProfileError, ProjectError, SlipwayError
from app.events import Event, Outcome, RunEnded
from app.history import Record
from app.host import HostFacts
from app.i18n import _, sentences
from app.outcomes import what_runs
from app.plan import Plan, make_plan, make_rollback_plan, readiness
from app.project import readable_folder
from app.releases import Interrupted, break_lock, lock_held
from app.request import DeployRequest
from app.rules import secret_names
from app.runner import Runner
from app.session import CANCELLED, DONE, Host, Session
from app.shapes import (
    EXIT_CODES,
    event_shape,
    lock_shape,
    plan_shape,
)
from app.sign_in import registry_password, service_secrets
from app.step import Package
from app.transport import Secret

# -- deploy ------------------------------------------------------------------------------------


def deploy(session: Session) -> int:
    """Put the project into service on each target."""
    return session.each(_deploy)


def plan(session: Session) -> int:
    """Show what deploying would do on each target, without changing anything."""
    session.tells_build = False  # with --json: one object for each target, nothing else
    return session.each(_plan)


def _plan(session: Session, request: DeployRequest) -> int:
    _find_project(request)
    with session.host(request) as host:
        made, warnings, _secrets = planned(session, host)
        session.console.show(plan_shape(made, warnings))
        say_plan(session.console, made, warnings)
    return DONE


def _deploy(session: Session, request: DeployRequest) -> int:
    console = session.console
    _find_project(request)
    session.expect_answer()
    with session.host(request) as host:
        made, warnings, secrets = planned(session, host)
        console.show({"event": "plan", **plan_shape(made, warnings)})
        say_plan(console, made, warnings)
        if made.empty:
            console.show(event_shape(RunEnded(Outcome.SUCCEEDED), ()))
            return DONE
        docker = request.deploy.docker
        password = None
        if request.deploy.kind == "docker":
            password = registry_password(docker.registry, docker.registry_user, console)
        if not session.confirmed(_("Deploy now?")):
            console.warn(_("Nothing was changed."))
            return CANCELLED
        return run_plan(session, host, made, secrets, password)


def _find_project(request: DeployRequest) -> None:
    """Raise ProfileError if the project is not there, before anybody is asked for a password."""
    try:
        readable_folder(request.project.path)
    except ProjectError as error:
        hint = _("Correct it in the profile.")
        raise ProfileError(
            "project.path",
            _("{name}: {text}").format(name="project.path", text=error.title),
            error.detail,
            hint,
        ) from error


def planned(session: Session, host: Host) -> tuple[Plan, tuple[Problem, ...], dict[str, Secret]]:
    """Judge the server, build, and plan; raises SlipwayError before anything is touched."""
    request, facts = host.request, host.facts
    console = session.console
    found = readiness(request, facts)
    blocking = [problem for problem in found if problem.blocking]
    refuse_other_runs(facts)
    if facts.records.interrupted:
        raise NotReady(
            _("An earlier run on {target} was interrupted.").format(target=facts.target),
            interrupted_text(facts.records.interrupted),
            _("Finish it first: “slipway resume” goes on, “slipway rollback” takes it back."),
        )
    if blocking:
        raise NotReady(
            _("{target} is not ready; nothing was changed.").format(target=facts.target),
            "\n".join(problem.text for problem in blocking),
            "\n".join(dict.fromkeys(problem.hint for problem in blocking if problem.hint)),
        )
    secrets = service_secrets(request.name, secret_names(request), console, session.store)
    platform = request.build.platform
    package = session.package(request, facts.platform if platform == "auto" else platform)
    doubts = [problem for problem in profile.problems(request) if not problem.blocking]
    return make_plan(request, package, facts, secrets), (*doubts, *found), secrets


def refuse_other_runs(facts: HostFacts) -> None:
    """Raise LockHeld if a run that shows signs of life is on there."""
    lock = facts.records.lock
    if lock and not lock.abandoned:
        raise lock_held(lock)


def run_plan(
    session: Session,
    host: Host,
    made: Plan,
    secrets: dict[str, Secret],
    password: Secret | None = None,
) -> int:
    """Run a plan with live output; Ctrl-C cancels it and waits until all is put back."""
    emit = Recorder(session, host.request, made)
    work = Runner(
        made,
        host.transport,
        emit,
        secrets=secrets,
        registry_password=password,
        reconnect=host.sign_in.reconnect,
    )
    with session.interrupts.gentle(_("Cancelling: what was there before is put back …")) as cancel:
        outcome = work.run(cancel)
    return emit.tell(outcome)


class Recorder:
    """Takes a run's events: shows them, and keeps them in this desktop's history.

    A history that cannot be written is said once and does not disturb the run.
    """

    def __init__(self, session: Session, request: DeployRequest, made: Plan) -> None:
        rows = [row.title for row in made.rows]
        self._console = session.console
        self._view: View = view(self._console, rows)
        self._record: Record | None = None
        self._made = made
        self._ended: RunEnded | None = None
        self._log = ""
        if session.history is not None:
            with self._undisturbed():
                self._record = session.history.begin(
                    request, made.title, rows, release=made.release, version=made.version
                )
                self._log = str(self._record.run.log)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        self._view.show(event)
        if isinstance(event, RunEnded):
            self._ended = event
        if self._record is not None:
            with self._undisturbed():
                self._record.write(event)

    def tell(self, outcome: Outcome) -> int:
        """Say how it ended, in a sentence, and return the exit code."""
        texts = {
            Outcome.SUCCEEDED: _("Done: {version} runs.").format(version=self._made.version)
            if self._made.version
            else _("Done."),
            Outcome.ROLLED_BACK: _("Taken back. All is as it was before."),
            Outcome.FAILED_RESTORED: _("Failed. All is as it was before."),
            Outcome.FAILED_NOT_RESTORED: _("Failed, and NOT everything could be put back."),
            Outcome.CANCELLED: _("Cancelled. All is as it was before."),
        }
        say = self._console.say if EXIT_CODES[outcome] == DONE else self._console.warn
        say(texts[outcome])
        if self._ended and (runs := what_runs(self._ended, self._made)):
            say(runs)
        if self._log:
            self._console.say(_("Log: {path}").format(path=self._log))
        return EXIT_CODES[outcome]

    @contextlib.contextmanager
    def _undisturbed(self) -> Iterator[None]:
        try:
            yield
        except SlipwayError as problem:
            self._record = None
            self._console.warn(_("Warning: {text}").format(text=problem))


def say_plan(console: Console, made: Plan, warnings: tuple[Problem, ...] = ()) -> None:
    """Show a plan the way Review does: changes, steps with commands, interruption, way back."""
    say = console.say
    say()
    say(made.title)
    if made.empty:
        say(_("Nothing to do: exactly this runs already ({release}).").format(release=made.release))
        return
    if made.changes:
        say()
        say(_("What changes:"))
        for change in made.changes:
            words = f"{change.old or '–'} → {change.new or '–'}"
            say("  " + _("{name}: {text}").format(name=change.what, text=words))
    say()
    say(_("Steps:"))
    for number, row in enumerate(made.rows, 1):
        say(f"  {number}. {row.title}")
        for command in row.commands:
            say(f"       $ {command}")
    say()
    say(_("Interruption: {text}").format(text=made.outage))
    _say_list(console, _("Rolling back restores:"), made.restores)
    _say_list(console, _("Rolling back can't restore:"), made.cannot)
    for text in (*made.warnings, *(sentences(item.text, item.hint) for item in warnings)):
        say(_("Warning: {text}").format(text=text))
    say()


def _say_list(console: Console, title: str, items: tuple[str, ...]) -> None:
    if items:
        console.say(title)
        for item in items:
            console.say(f"  - {item}")


def interrupted_text(run: Interrupted) -> str:
    """Return what an interrupted run had done, what was under way, what it never began."""
    lines = [_("“{title}”, by {by}:").format(title=run.title, by=run.by)]
    lines += [_("  done: {title}").format(title=title) for title in run.done]
    if run.under_way:
        lines.append(_("  under way, perhaps half done: {title}").format(title=run.under_way))
    lines += [_("  not begun: {title}").format(title=title) for title in run.not_begun]
    if run.undoing:
        lines.append(_("  It was being taken back."))
    return "\n".join(lines)


# -- back, and on ------------------------------------------------------------------------------


def rollback(session: Session) -> int:
    """Take an interrupted run back, or make an earlier release serve again."""
    return session.each(_rollback)


def _rollback(session: Session, request: DeployRequest) -> int:
    console = session.console
    session.expect_answer()
    with session.host(request) as host:
        facts = host.facts
        refuse_other_runs(facts)
        if facts.records.interrupted:
            return _take_back(session, host, facts.records.interrupted)
        if facts.records.lock:
            raise lock_held(facts.records.lock)
        made = make_rollback_plan(request, facts, session.options.to or "")
        console.show({"event": "plan", **plan_shape(made)})
        say_plan(console, made)
        if made.empty:
            console.show(event_shape(RunEnded(Outcome.SUCCEEDED), ()))
            return DONE
        secrets = service_secrets(request.name, made.secrets, console, session.store)
        if not session.confirmed(_("Roll back now?")):
            console.warn(_("Nothing was changed."))
            return CANCELLED
        return run_plan(session, host, made, secrets)


def _take_back(session: Session, host: Host, run: Interrupted) -> int:
    if session.options.to:
        raise SlipwayError(
            _("An earlier run was interrupted; it must be finished first."),
            interrupted_text(run),
            _("Run “slipway rollback” without --to, then choose a release."),
        )
    made = recovery.plan_of(run, host.request, host.facts)
    if not _agreed(session, run, made, _("Take it back now?")):
        return CANCELLED
    emit = Recorder(session, host.request, made)
    with session.interrupts.gentle(_("What was there before is being put back …")):
        outcome = recovery.recover(
            host.transport, host.request, host.facts, emit, reconnect=host.sign_in.reconnect
        )
    return emit.tell(outcome)


def resume(session: Session) -> int:
    """Go on with an interrupted run."""
    return session.each(_resume)


def _resume(session: Session, request: DeployRequest) -> int:
    with session.host(request) as host:
        facts = host.facts
        refuse_other_runs(facts)
        run = facts.records.interrupted
        if run is None:
            session.console.say(_("No run on {target} was interrupted.").format(target=host.target))
            return DONE
        recovery.check_resumable(run)  # before anybody is asked
        made = recovery.plan_of(run, request, facts)
        if not _agreed(session, run, made, _("Go on with it now?")):
            return CANCELLED
        package: Package | None = None
        secrets: dict[str, Secret] = {}
        # a rollback that was interrupted needs nothing from this computer
        if run.release not in facts.records.state.verified:
            platform = request.build.platform
            package = session.package(request, facts.platform if platform == "auto" else platform)
            names = secret_names(request)
            secrets = service_secrets(request.name, names, session.console, session.store)
        emit = Recorder(session, request, made)
        docker = request.deploy.docker
        with session.interrupts.gentle(_("Cancelling: everything is put back …")) as cancel:
            outcome = recovery.resume(
                host.transport,
                request,
                package,
                facts,
                emit,
                cancel,
                secrets,
                registry_password=registry_password(
                    docker.registry, docker.registry_user, session.console
                ),
                reconnect=host.sign_in.reconnect,
            )
        return emit.tell(outcome)


def _agreed(session: Session, run: Interrupted, made: Plan, question: str) -> bool:
    """Show an interrupted run and its plan, and return whether the user agrees."""
    session.console.show({"event": "plan", **plan_shape(made)})
    session.console.say(interrupted_text(run))
    if not session.confirmed(question):
        session.console.warn(_("Nothing was changed."))
        return False
    return True


def unlock(session: Session) -> int:
    """Release the lock of a run whose desktop is gone."""
    return session.each(_unlock)


def _unlock(session: Session, request: DeployRequest) -> int:
    console = session.console
    with session.host(request) as host:
        lock = host.facts.records.lock
        if lock is None:
            console.show({"target": str(host.target), "lock": None, "released": False})
            console.say(_("Nobody holds a lock on {target}.").format(target=host.target))
            return DONE
        console.say(_("The lock on {target} is held by {lock}.").format(
            target=host.target, lock=lock
        ))  # fmt: skip
        if not lock.abandoned and not console.interactive:
            raise SlipwayError(
                _("That run still shows signs of life."),
                str(lock),
                _("Wait until it has ended, or three minutes after it was cut off."),
            )
        if not session.confirmed(_("Release it? Two runs at once destroy each other's work.")):
            console.warn(_("Nothing was changed."))
            return CANCELLED
        break_lock(host.transport, host.facts.store(), lock)
        console.show({"target": str(host.target), "lock": lock_shape(lock), "released": True})
        console.say(_("The lock is released."))
        if host.facts.records.interrupted:
            console.say(
                _("Its run was interrupted: “slipway resume” or “slipway rollback” finishes it.")
            )
    return DONE
