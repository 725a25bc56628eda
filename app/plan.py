"""From what the user wants and what the server has to the steps of a run: pure."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from app.errors import Problem, SlipwayError
from app.host import HostFacts
from app.i18n import _, sentences
from app.kinds import KINDS
from app.layout import Change, Draft, Kind, Layout, package_version, same_release
from app.releases import Lock, Release, State, Store, fingerprint, release_id
from app.request import DeployRequest
from app.rules import secret_names
from app.step import Package, Step
from app.transport import Command, Secret

__all__ = ["Change", "Plan", "Problem", "Row", "kind_of", "make_plan", "make_rollback_plan",
           "readiness"]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Row:
    """One line of Review and of the Deploy page."""

    title: str
    commands: tuple[Command, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done, frozen: what Review shows is what runs.

    ``state`` is what the server's records said: if they say something else when the plan is run,
    it is not run. ``hidden`` are secrets that may appear in output though no step uses them.
    ``restores`` and ``cannot`` say in plain words what rolling back brings back and what not;
    ``serving`` is the version that runs before the plan is carried out, "" if that isn't known;
    ``current`` is then the one on record, if any; ``first``: nothing of that name is there before.
    """

    title: str
    name: str
    target: str
    release: str
    run: str
    store: Store
    version: str = ""
    steps: tuple[Step, ...] = ()
    changes: tuple[Change, ...] = ()
    outage: str = ""
    restores: tuple[str, ...] = ()
    cannot: tuple[str, ...] = ()
    serving: str = ""
    current: str = ""
    first: bool = False
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    hidden: tuple[Secret, ...] = ()
    state: State | None = None
    key: Secret | None = None
    package: Package | None = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do: the same artifact and settings already run."""
        return not self.steps

    @property
    def opening(self) -> tuple[Command, ...]:
        """The commands that take the lock and open the journal."""
        return (
            self.store.lock(),
            self.store.look(),
            *((self.store.write("key", b""),) if self.key else ()),
            self.store.append(self.journal, b""),
        )

    @property
    def journal(self) -> str:
        """The journal's path under the store's root."""
        return f"journal/{self.run}.jsonl"

    @property
    def rows(self) -> tuple[Row, ...]:
        """What Review shows: the lock, every step, the lock's release."""
        if self.empty:
            return ()
        return (
            Row(_("Take the lock, open the journal"), self.opening),
            *(Row(step.title, step.commands) for step in self.steps),
            Row(_("Release the lock"), (self.store.unlock(),)),
        )


def kind_of(request: DeployRequest) -> Kind:
    """Return the kind that a request asks for."""
    return KINDS[request.deploy.kind]


def readiness(request: DeployRequest, facts: HostFacts) -> tuple[Problem, ...]:
    """Judge, before anything changes, whether the server is ready; each problem with a remedy."""
    found = []
    platform = request.build.platform
    if platform not in ("auto", facts.platform):
        found.append(
            Problem(
                "build.platform",
                _("The program is built for {built}, the server is {server}.").format(
                    built=platform, server=facts.platform
                ),
                _("Choose “auto” or {server}.").format(server=facts.platform),
            )
        )
    if not facts.readable:
        found.append(
            Problem(
                "deploy.root",
                _("The account {user} may not read the records in {root}.").format(
                    user=facts.user, root=facts.root
                ),
                _("Give the sudo password, or use the account that deployed before."),
            )
        )
    if not facts.writable:
        found.append(
            Problem(
                "deploy.root",
                _("The account {user} may not write to {root}.").format(
                    user=facts.user, root=facts.root
                ),
                _("Give the sudo password, use another account, or set deploy.root."),
            )
        )
    if facts.records.lock and not _left_behind(facts):
        found.append(_lock_problem(facts.records.lock))
    run = facts.records.abandoned_run  # once: a run that begins here makes its lock alive again
    if run:
        found.append(
            Problem(
                "run",
                _("“{title}” by {by} was interrupted.").format(title=run.title, by=run.by),
                _("Resume it or roll it back first: “slipway resume” or “slipway rollback”."),
            )
        )
    return (*found, *kind_of(request).readiness(request, facts))


def _left_behind(facts: HostFacts) -> bool:
    """Return whether the lock is that of the interrupted run, which is told anyway."""
    lock, run = facts.records.lock, facts.records.interrupted
    return bool(lock and run and lock.run == run.run and lock.abandoned)


def _lock_problem(lock: Lock) -> Problem:
    text = _("The lock is held by {lock}.").format(lock=lock)
    if lock.abandoned:
        return Problem("run", text, _("If that run can't be alive any more: “slipway unlock”."))
    return Problem("run", text, _("Wait until that run has ended."))


def make_plan(
    request: DeployRequest,
    package: Package,
    facts: HostFacts,
    secrets: Mapping[str, Secret] | None = None,
) -> Plan:
    """Return the plan that puts ``package`` into service; empty if it already serves so.

    ``secrets`` are the values of ``deploy.secrets``: only their keyed fingerprints enter the plan.
    Raises SlipwayError for a secret without a value.
    """
    secrets = secrets or {}
    names = secret_names(request)
    missing = [name for name in names if name not in secrets]
    if missing:
        raise SlipwayError(
            _("A secret has no value: {names}.").format(names=", ".join(missing)),
            hint=_("Set it on the Method page."),
        )
    when = _time(facts)
    release = release_id(when, package_version(package))
    store = facts.store(_run(when, facts))
    prints = {name: fingerprint(facts.records.key, secrets[name]) for name in names}
    kind = kind_of(request)
    layout = kind.lay_out(Draft(request, package, facts, release, store, prints))
    current = facts.records.current
    same = current is not None and same_release(current, layout.record)
    doubts = (*_other_program(current, layout.record), *layout.warnings)
    layout = replace(layout, warnings=doubts)
    plan = _plan(
        _("Deploy {name} {version} to {target}").format(
            name=request.name, version=package_version(package), target=facts.target
        ),
        request, facts, store, layout,
    )  # fmt: skip
    if same and kind.running(facts):
        return Plan(
            plan.title, plan.name, plan.target, current.id if current else "", plan.run, store,
            warnings=plan.warnings,
        )  # fmt: skip
    return replace(plan, package=package)


def _other_program(current: Release | None, new: Release) -> tuple[str, ...]:
    """Warn where two projects have the same service name: one would take the other's place."""
    old = current.package if current else ""
    if not old or not new.package or old == new.package:
        return ()
    words = _("What was deployed under this name so far is another program: {old}, not {new}.")
    return (
        sentences(
            words.format(old=old, new=new.package),
            _("If both are to run, give this one a name of its own."),
        ),
    )


def make_rollback_plan(request: DeployRequest, facts: HostFacts, release: str = "") -> Plan:
    """Return the plan that makes a kept release serve again, by its id or its only version.

    "" is the last verified one before the one that serves.

    The target is checked to exist here, before anything is stopped. Raises SlipwayError.
    """
    records = facts.records
    wanted = release or records.rollback_target()
    if not wanted:
        raise SlipwayError(
            _("There is no earlier release to roll back to."),
            _("{name} has no verified release before the one that serves.").format(
                name=request.name
            ),
            _("Name one with --to; “slipway releases” lists them.")
            if len(records.releases) > 1
            else _("No other release lies there. Deploy a version that works in its place."),
        )
    target = records.named(wanted)
    if target is None:
        raise SlipwayError(
            _("Release {release} can't be rolled back to.").format(release=wanted),
            _("Several on the server have this version: name one by its id.")
            if any(item.version == wanted for item in records.releases)
            else _("None on the server has this id or this version."),
            _("“slipway releases” shows the state of each."),
        )
    chosen = target.id
    kind = kind_of(request)
    if chosen in records.state.bad or not kind.available(facts, target):
        raise SlipwayError(
            _("Release {release} can't be rolled back to.").format(release=chosen),
            _("It is marked bad: it failed when it was deployed.")
            if chosen in records.state.bad
            else _("Its files are no longer on the server."),
            _("“slipway releases” shows the state of each."),
        )
    title = _("Roll back {name} to {release} on {target}").format(
        name=request.name, release=chosen, target=facts.target
    )
    store = facts.store(_run(_time(facts), facts))
    if chosen == records.state.current and kind.running(facts):
        return Plan(title, request.name, str(facts.target), chosen, store.token, store)
    layout = kind.lay_out_rollback(request, facts, target, store)
    return _plan(title, request, facts, store, layout)


def _plan(
    title: str, request: DeployRequest, facts: HostFacts, store: Store, layout: Layout
) -> Plan:
    current, kind = facts.records.current, kind_of(request)
    return Plan(
        title=title,
        name=request.name,
        target=str(facts.target),
        release=layout.record.id,
        run=store.token,
        store=store,
        version=layout.record.version,
        steps=layout.steps,
        changes=layout.changes,
        outage=layout.outage,
        restores=layout.restores,
        cannot=layout.cannot,
        serving=current.version if current and kind.running(facts) else "",
        first=not kind.there(facts),
        warnings=layout.warnings,
        secrets=layout.secrets,
        hidden=layout.hidden,
        state=facts.records.state,
        key=None if facts.records.key_stored else facts.records.key,
    )


def _time(facts: HostFacts) -> str:
    """Return the server's time for names, later than any release's even if its clock went back."""
    now = datetime.fromtimestamp(facts.clock, UTC)
    newest = max((item.time for item in facts.records.releases), default=now)
    later = max(now, newest + timedelta(seconds=1)) if facts.records.releases else now
    return later.strftime("%Y%m%d-%H%M%S")


def _run(when: str, facts: HostFacts) -> str:
    return f"{when}-{socket.gethostname()[:20]}-{facts.nonce}"
