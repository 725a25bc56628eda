"""A run that was interrupted: whoever connects next finds it, takes it back or finishes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from typing import Any

from app.errors import SlipwayError
from app.events import Emit, Outcome
from app.host import HostFacts
from app.i18n import _
from app.plan import Plan
from app.releases import Interrupted, Store, lock_held
from app.request import DeployRequest
from app.runner import Runner
from app.step import Package, step_from_json
from app.transport import CancelToken, Secret, Transport


def plan_of(interrupted: Interrupted, request: DeployRequest, facts: HostFacts) -> Plan:
    """Return the plan that a journal holds, as this account carries it out: under its own token."""
    store = facts.store(f"{interrupted.run}-{facts.nonce}")
    return Plan(
        title=interrupted.title,
        name=request.name,
        target=str(facts.target),
        release=interrupted.release,
        run=interrupted.run,
        store=store,
        version=facts.records.version_of(interrupted.release),
        current=facts.records.version_before(interrupted.release),
        steps=tuple(step_from_json(_rebound(data, store, facts)) for data in interrupted.steps),
    )


def _rebound(data: Mapping[str, Any], store: Store, facts: HostFacts) -> dict[str, Any]:
    """Let a step of another account's run use this account's way to root and to docker."""
    known = dict(data)
    if "store" in known:
        known["store"] = asdict(store)
    if "cli" in known and facts.docker:
        known["cli"] = asdict(facts.docker.cli)
    if "sudo" in known:
        known["sudo"] = facts.sudo
    return known


def find_interrupted(facts: HostFacts) -> Interrupted:
    """Return the interrupted run that was found; raises SlipwayError if none was.

    A lock that shows signs of life raises LockHeld: that run is not interrupted but under way.
    """
    interrupted = facts.records.interrupted
    if interrupted is None:
        raise SlipwayError(
            _("No interrupted run was found."),
            _("Every run on {target} has ended.").format(target=facts.target),
            _("“slipway status” shows what runs."),
        )
    lock = facts.records.lock
    if lock and not lock.abandoned:
        raise lock_held(lock)
    return interrupted


def _take_over(
    interrupted: Interrupted,
    plan: Plan,
    transport: Transport,
    facts: HostFacts,
    emit: Emit,
    *,
    secrets: Mapping[str, Secret] | None = None,
    registry_password: Secret | None = None,
    reconnect: Callable[[], Transport] | None = None,
) -> Runner:
    lock = facts.records.lock
    runner = Runner(
        plan, transport, emit,
        secrets=secrets, registry_password=registry_password, reconnect=reconnect,
    )  # fmt: skip
    runner.take_over(interrupted, lock.token if lock else "")
    return runner


def recover(
    transport: Transport,
    request: DeployRequest,
    facts: HostFacts,
    emit: Emit,
    *,
    reconnect: Callable[[], Transport] | None = None,
) -> Outcome:
    """Undo an interrupted run from its journal alone; raises SlipwayError if there is none."""
    interrupted = find_interrupted(facts)
    plan = plan_of(interrupted, request, facts)
    runner = _take_over(interrupted, plan, transport, facts, emit, reconnect=reconnect)
    return runner.roll_back()


def resume(
    transport: Transport,
    request: DeployRequest,
    package: Package | None,
    facts: HostFacts,
    emit: Emit,
    cancel: CancelToken,
    secrets: Mapping[str, Secret],
    *,
    registry_password: Secret | None = None,
    reconnect: Callable[[], Transport] | None = None,
) -> Outcome:
    """Go on with an interrupted run: what was under way is undone and done again, then the rest.

    Raises SlipwayError if there is none, or if it was already being taken back.
    """
    interrupted = find_interrupted(facts)
    check_resumable(interrupted)
    plan = replace(plan_of(interrupted, request, facts), package=package)
    runner = _take_over(
        interrupted,
        plan, transport, facts, emit, secrets=secrets, registry_password=registry_password,
        reconnect=reconnect,
    )  # fmt: skip
    return runner.go_on(interrupted, cancel)


def check_resumable(interrupted: Interrupted) -> None:
    """Raise SlipwayError for an interrupted run that was already being taken back."""
    if interrupted.undoing:
        raise SlipwayError(
            _("This run was being taken back when it was interrupted."),
            _("It can't be resumed any more."),
            _("Finish that with “slipway rollback”, then deploy anew."),
        )
