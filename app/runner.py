"""Runs a plan: lock, journal, steps, and if anything goes wrong everything back.

Nobody is asked anything here. Expected failures become the outcome; a bug of ours is put back
like any failure and then raised.
"""

from __future__ import annotations

import contextlib
import getpass
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from app import desk
from app.errors import Cancelled, ConnectionLost, SlipwayError
from app.events import (
    Emit,
    Event,
    Line,
    Outcome,
    Progress,
    RunEnded,
    StepChanged,
    StepState,
    Stream,
)  # fmt: skip
from app.host import HostFacts
from app.i18n import _
from app.journal import Journal
from app.plan import Plan
from app.releases import (
    HEARTBEAT_SECONDS,
    Interrupted,
    Store,
    break_lock,
    lock_held,
    take_lock,
)  # fmt: skip
from app.request import DeployRequest
from app.step import Before, Package, RunContext, Step, step_from_json
from app.transport import MASK, CancelToken, Secret, Transport

RECONNECT_SECONDS = 60.0
RECONNECT_PAUSE_SECONDS = 2.0


@dataclass(slots=True)
class Done:
    """A step that was begun, and what undoing it needs."""

    index: int
    step: Step
    before: Before


class Runner:
    """Runs one plan on one machine, and takes it back.

    ``secrets`` are the values of the plan's secret names. ``reconnect`` returns a new open
    transport after the connection was lost. ``emit`` is called from the running thread, and for
    masked lines from the transport's.
    """

    def __init__(
        self,
        plan: Plan,
        transport: Transport,
        emit: Emit,
        *,
        secrets: Mapping[str, Secret] | None = None,
        registry_password: Secret | None = None,
        reconnect: Callable[[], Transport] | None = None,
    ) -> None:
        self.plan = plan
        self._transport = transport
        self._emit_event = emit
        self._secrets = dict(secrets or {})
        self._registry_password = registry_password
        self._reconnect = reconnect
        self._journal = Journal(plan.store, plan.run)
        self._done: list[Done] = []
        self._failed = False
        self._resumed = False
        hidden = [*self._secrets.values(), *([registry_password] if registry_password else [])]
        self._hidden = sorted((s.reveal() for s in hidden if s.reveal()), key=len, reverse=True)

    @property
    def can_roll_back(self) -> bool:
        """Whether this run changed something that it has not put back."""
        return bool(self._done)

    def run(self, cancel: CancelToken) -> Outcome:
        """Carry out the plan; the last event is RunEnded."""
        return self._guarded(lambda: self._run(cancel, frozenset()))

    def roll_back(self) -> Outcome:
        """Put back what ``run`` did, also after it succeeded; can't be cancelled."""
        return self._guarded(self._roll_back)

    def go_on(self, interrupted: Interrupted, cancel: CancelToken) -> Outcome:
        """Go on with an interrupted run: what was under way is undone, then done again."""
        return self._guarded(lambda: self._go_on(interrupted, cancel))

    def take_over(self, interrupted: Interrupted) -> None:
        """Learn from the journal what another desktop had begun."""
        self._resumed = True
        self._done = [
            Done(entry.index, self.plan.steps[entry.index], entry.before)
            for entry in sorted(interrupted.entries, key=lambda entry: entry.index)
            if not entry.undone and not entry.skipped
        ]

    # -- one run ---------------------------------------------------------------------------------

    def _run(self, cancel: CancelToken, finished: frozenset[int]) -> Outcome:
        opening = self._context(0, cancel)
        self._state(0, StepState.RUNNING)
        try:
            cancel.check()
            take_lock(self._transport, self.plan.store, self.plan.run, owner(self.plan))
            self._open_journal(opening, fresh=not self._resumed)
        except Cancelled:
            self._state(0, StepState.CANCELLED)
            self._release_lock()
            return self._end(Outcome.CANCELLED)
        except SlipwayError as problem:
            self._state(0, StepState.FAILED)
            self._release_lock()
            return self._end(Outcome.FAILED_RESTORED, problem)
        self._state(0, StepState.DONE)
        with self._beating():
            try:
                for index, step in enumerate(self.plan.steps):
                    if index not in finished:
                        self._take(index, step, cancel)
            except Cancelled:
                return self._restore(Outcome.CANCELLED, None)
            except SlipwayError as problem:
                self._failed = True
                return self._restore(Outcome.FAILED_RESTORED, problem)
            except BaseException:
                self._failed = True
                self._restore(Outcome.FAILED_RESTORED, None)
                raise
            return self._close(Outcome.SUCCEEDED, None)

    def _go_on(self, interrupted: Interrupted, cancel: CancelToken) -> Outcome:
        done = frozenset(
            entry.index for entry in interrupted.entries if entry.done and not entry.undone
        )
        take_lock(self._transport, self.plan.store, self.plan.run, owner(self.plan))
        for begun in [item for item in self._done if item.index not in done]:
            self._undo(begun)
            self._done.remove(begun)
        for index in done:
            self._state(index + 1, StepState.DONE)
        return self._run(cancel, done)

    def _open_journal(self, ctx: RunContext, *, fresh: bool) -> None:
        if self.plan.key:
            key = self.plan.store.write("key", self.plan.key.reveal().encode())
            ctx.run(key, _("The service's key can't be written."), quiet=True)
        if fresh:
            self._journal.begin(ctx, self.plan, owner(self.plan)["who"])

    def _take(self, index: int, step: Step, cancel: CancelToken) -> None:
        row = index + 1
        ctx = self._context(row, cancel)
        self._state(row, StepState.RUNNING)
        try:
            cancel.check()
            before = step.inspect(ctx)
            if step.satisfied(before):
                self._state(row, StepState.SKIPPED)
                return
            self._journal.before(ctx, index, before)
            self._done.append(Done(index, step, before))
            step.apply(ctx, before)
            self._journal.after(ctx, index, "done")
        except Cancelled:
            self._state(row, StepState.CANCELLED)
            raise
        except BaseException:
            self._state(row, StepState.FAILED)
            raise
        self._state(row, StepState.DONE)

    # -- putting back ----------------------------------------------------------------------------

    def _roll_back(self) -> Outcome:
        self._state(0, StepState.RUNNING)
        try:
            self._connected(
                lambda: take_lock(self._transport, self.plan.store, self.plan.run, owner(self.plan))
            )
        except SlipwayError as problem:
            self._state(0, StepState.FAILED)
            return self._end(Outcome.FAILED_NOT_RESTORED, problem)
        self._state(0, StepState.DONE)
        with self._beating():
            return self._restore(Outcome.ROLLED_BACK, None)

    def _restore(self, outcome: Outcome, problem: SlipwayError | None) -> Outcome:
        """Undo in reverse, each step even if another one's undo failed."""
        ctx = self._context(0, CancelToken())
        first: SlipwayError | None = None
        if problem:
            ctx.note(problem.title)
        ctx.note(_("putting back what was there before"))
        try:
            self._connected(lambda: self._journal.undoing(self._context(0, CancelToken())))
        except SlipwayError as lost:
            first = lost
        left = []
        for done in reversed(self._done):
            try:
                if first is not None and isinstance(first, ConnectionLost):
                    raise first
                self._undo(done)
            except SlipwayError as failed:
                self._state(done.index + 1, StepState.UNDO_FAILED)
                self._context(done.index + 1, CancelToken()).note(str(failed))
                first = first or failed
                left.append(done)
        self._done = list(reversed(left))
        if left or first:
            return self._not_restored(problem, first)
        return self._close(outcome, problem)

    def _undo(self, done: Done) -> None:
        row = done.index + 1
        self._state(row, StepState.UNDOING)

        def work() -> None:
            ctx = self._context(row, CancelToken())
            done.step.undo(ctx, done.before)
            self._journal.after(ctx, done.index, "undone")

        self._connected(work)
        self._state(row, StepState.UNDONE)

    def _not_restored(
        self, problem: SlipwayError | None, undo_problem: SlipwayError | None
    ) -> Outcome:
        """Say what is wrong on both accounts; the journal stays open for another try."""
        self._release_lock()
        parts = [str(item) for item in (problem, undo_problem) if item]
        error = SlipwayError(
            _("The previous version could not be restored completely."),
            "\n\n".join(dict.fromkeys(parts)),
            _(
                "Nothing was thrown away: what was under way is written down on the server. "
                "When the cause is mended, run “slipway rollback” or “slipway resume”."
            ),
        )
        return self._end(Outcome.FAILED_NOT_RESTORED, error)

    def _close(self, outcome: Outcome, problem: SlipwayError | None) -> Outcome:
        """Write that the run has ended, release the lock."""
        row = len(self.plan.steps) + 1
        self._state(row, StepState.RUNNING)
        if outcome is not Outcome.SUCCEEDED:
            self._done = []
        try:
            self._connected(
                lambda: self._journal.ended(self._context(row, CancelToken()), outcome.value)
            )
            self._unlock()
        except SlipwayError as left:
            self._state(row, StepState.FAILED)
            self._context(row, CancelToken()).note(str(left))
        else:
            self._state(row, StepState.DONE)
        return self._end(outcome, problem)

    # -- the connection --------------------------------------------------------------------------

    def _connected(self, work: Callable[[], None]) -> None:
        """Do work that is safe to repeat, over a new connection if the old one is lost."""
        deadline = time.monotonic() + RECONNECT_SECONDS
        while True:
            try:
                return work()
            except ConnectionLost:
                if self._reconnect is None:
                    raise
                self._context(0, CancelToken()).note(_("connection lost; connecting again"))
                self._connect_again(self._reconnect, deadline)

    def _connect_again(self, reconnect: Callable[[], Transport], deadline: float) -> None:
        while True:
            try:
                self._transport.close()
                self._transport = reconnect()
                return
            except SlipwayError as problem:
                if time.monotonic() > deadline:
                    raise ConnectionLost(problem.title, problem.detail, problem.hint) from problem
                time.sleep(RECONNECT_PAUSE_SECONDS)

    @contextlib.contextmanager
    def _beating(self) -> Iterator[None]:
        """Show signs of life in the lock while a run is on."""
        over = threading.Event()
        thread = threading.Thread(target=self._beat, args=(over,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()

    def _beat(self, over: threading.Event) -> None:
        while not over.wait(HEARTBEAT_SECONDS):
            # a missed beat is no failure of the run: the run itself finds out what is wrong
            with contextlib.suppress(SlipwayError):
                other = self._transport.another()
                try:
                    other.run(self.plan.store.beat(self.plan.run))
                finally:
                    other.close()

    def _unlock(self) -> None:
        self._connected(
            lambda: _void(
                self._transport.run(self.plan.store.unlock(self.plan.run)).check(
                    _("The lock could not be released.")
                )
            )
        )

    def _release_lock(self) -> None:
        with contextlib.suppress(SlipwayError):
            self._transport.run(self.plan.store.unlock(self.plan.run))

    # -- events ----------------------------------------------------------------------------------

    def _context(self, row: int, cancel: CancelToken) -> RunContext:
        def line(stream: Stream, text: str) -> None:
            self._emit(Line(row, stream, text))

        def progress(done: int, total: int) -> None:
            self._emit(Progress(row, done, total))

        return RunContext(
            transport=self._transport,
            store=self.plan.store,
            line=line,
            progress=progress,
            cancel=cancel,
            secrets=self._secrets,
            registry_password=self._registry_password,
            package=self.plan.package,
            failed=self._failed,
        )

    def _emit(self, event: Event) -> None:
        if isinstance(event, Line):
            event = replace(event, text=self._masked(event.text))
        self._emit_event(event)

    def _masked(self, text: str) -> str:
        for value in self._hidden:
            text = text.replace(value, MASK)
        return text

    def _state(self, row: int, state: StepState) -> None:
        self._emit(StepChanged(row, state))

    def _end(self, outcome: Outcome, problem: SlipwayError | None = None) -> Outcome:
        if problem:
            problem.title = self._masked(problem.title)
            problem.detail = self._masked(problem.detail)
        self._emit(RunEnded(outcome, problem))
        return outcome

    def _guarded(self, work: Callable[[], Outcome]) -> Outcome:
        try:
            with desk.present(self.plan.run):
                return work()
        except SlipwayError as problem:
            outcome = Outcome.FAILED_NOT_RESTORED if self._done else Outcome.FAILED_RESTORED
            return self._end(outcome, problem)


def _void(value: object) -> None:
    """Drop a result."""


def owner(plan: Plan) -> dict[str, str]:
    """Return what the lock says of its holder."""
    return {
        "run": plan.run,
        "who": f"{getpass.getuser()}@{socket.gethostname()}",
        "when": datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S UTC"),
        "why": plan.title,
    }


def plan_of(interrupted: Interrupted, request: DeployRequest, facts: HostFacts) -> Plan:
    """Return the plan that a journal holds."""
    steps = tuple(step_from_json(data) for data in interrupted.steps)
    return Plan(
        title=interrupted.title,
        name=request.name,
        target=str(facts.target),
        release=interrupted.release,
        run=interrupted.run,
        store=Store(facts.root, facts.sudo),
        steps=steps,
    )


def interrupted_plan(request: DeployRequest, facts: HostFacts) -> Plan:
    """Return the plan of the interrupted run that was found; raises as ``find_interrupted``."""
    return plan_of(find_interrupted(facts), request, facts)


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
    if lock and lock.run != plan.run:
        break_lock(transport, plan.store, lock)
    runner = Runner(
        plan, transport, emit,
        secrets=secrets, registry_password=registry_password, reconnect=reconnect,
    )  # fmt: skip
    runner.take_over(interrupted)
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
    plan = replace(plan_of(interrupted, request, facts), package=package)
    if interrupted.undoing:
        raise SlipwayError(
            _("This run was being taken back when it was interrupted."),
            _("It can't be resumed any more."),
            _("Finish that with “slipway rollback”, then deploy anew."),
        )
    runner = _take_over(
        interrupted,
        plan, transport, facts, emit, secrets=secrets, registry_password=registry_password,
        reconnect=reconnect,
    )  # fmt: skip
    return runner.go_on(interrupted, cancel)
