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
from app.errors import Cancelled, ConnectionLost, LockHeld, LockLost, SlipwayError
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
from app.i18n import _
from app.journal import Journal
from app.plan import Plan
from app.releases import (
    HEARTBEAT_SECONDS,
    Interrupted,
    State,
    parse_state,
    take_lock,
)  # fmt: skip
from app.step import Before, RunContext, Step
from app.transport import CancelToken, Secret, Transport
from app.transport.output import Mask

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
        self._found: list[tuple[int, StepState]] = []  # what another desktop had begun
        self._failed = False
        self._switched = False
        self._over = ""
        self._outcome: Outcome | None = None
        self._left: State | None = None
        own = [registry_password] if registry_password else []
        self._mask = Mask([*self._secrets.values(), *plan.hidden, *own])

    @property
    def can_roll_back(self) -> bool:
        """Whether this run changed something that it has not put back."""
        return bool(self._done)

    def run(self, cancel: CancelToken) -> Outcome:
        """Carry out the plan; the last event is RunEnded."""
        return self._guarded(lambda: self._run(cancel, None))

    def roll_back(self) -> Outcome:
        """Put back what ``run`` did, also after it succeeded; can't be cancelled."""
        return self._guarded(self._roll_back)

    def go_on(self, interrupted: Interrupted, cancel: CancelToken) -> Outcome:
        """Go on with an interrupted run: what was under way is undone, then done again."""
        return self._guarded(lambda: self._run(cancel, interrupted))

    def take_over(self, interrupted: Interrupted, over: str) -> None:
        """Learn from the journal what another desktop had begun; ``over`` is its lock's token."""
        self._over = over
        begun = sorted(interrupted.entries, key=lambda entry: entry.index)
        known = {entry.index for entry in begun}
        last = max(known, default=0)
        self._found = [(i + 1, StepState.SKIPPED) for i in range(last) if i not in known]
        for entry in begun:
            step = self.plan.steps[entry.index]
            self._switched |= step.switches
            if entry.undone:
                state = StepState.UNDONE
            else:
                self._done.append(Done(entry.index, step, entry.before))
                state = StepState.DONE if entry.done else StepState.CANCELLED
            self._found.append((entry.index + 1, state))

    # -- one run ---------------------------------------------------------------------------------

    def _run(self, cancel: CancelToken, interrupted: Interrupted | None) -> Outcome:
        self._state(0, StepState.RUNNING)
        try:
            cancel.check()
            self._take_lock()
            with self._beating():
                self._open(interrupted)
                self._state(0, StepState.DONE)
                return self._carry_out(cancel, interrupted)
        except Cancelled:
            self._state(0, StepState.CANCELLED)
            return self._end(Outcome.CANCELLED)
        except LockHeld as problem:
            self._state(0, StepState.FAILED)
            return self._end(self._untouched(), problem)
        except SlipwayError as problem:
            self._state(0, StepState.FAILED)
            self._release_lock()
            return self._end(self._untouched(), problem)

    def _untouched(self) -> Outcome:
        """Return how a run ends that did nothing: an interrupted one stays as it was left."""
        return Outcome.FAILED_NOT_RESTORED if self._done else Outcome.FAILED_RESTORED

    def _carry_out(self, cancel: CancelToken, interrupted: Interrupted | None) -> Outcome:
        try:
            finished = self._again(interrupted) if interrupted else frozenset()
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

    def _again(self, interrupted: Interrupted) -> frozenset[int]:
        """Undo what was under way; return the steps that need not be done again.

        What proves the new version is done again as long as it was not recorded.
        """
        recorded = {entry.index for entry in interrupted.entries if entry.done}
        proofs = {index for index, step in enumerate(self.plan.steps) if step.proves}
        last = max(recorded, default=-1)
        finished = {index for index in recorded if index not in proofs or index < last}
        for begun in [item for item in self._done if item.index not in finished]:
            self._undo(begun)
            self._done.remove(begun)
        for index in finished:
            self._state(index + 1, StepState.DONE)
        return frozenset(finished)

    def _take_lock(self) -> None:
        take_lock(self._transport, self.plan.store, owner(self.plan), self._over)

    def _open(self, interrupted: Interrupted | None) -> None:
        """See that all is as it was when the plan was made, then open the journal."""
        ctx = self._context(0, CancelToken())
        state, journals = self._look(ctx)
        if interrupted is None and (journals or state != self.plan.state):
            raise self._changed(journals)
        if self.plan.key:
            key = self.plan.store.write("key", self.plan.key.reveal().encode())
            ctx.run(key, _("The service's key can't be written."), quiet=True)
        if interrupted is None:
            self._journal.begin(ctx, self.plan, owner(self.plan)["who"])

    def _look(self, ctx: RunContext) -> tuple[State, list[str]]:
        title = _("The records on the server can't be read.")
        text = ctx.run(self.plan.store.look(), title, quiet=True).stdout
        first, *names = text.splitlines() or [""]
        return parse_state(first), [name for name in names if name != f"{self.plan.run}.jsonl"]

    def _changed(self, journals: list[str]) -> SlipwayError:
        if journals:
            detail = _("Another run was interrupted meanwhile: {names}.").format(
                names=", ".join(journals)
            )
        else:
            detail = _("Another release serves now than when this plan was made.")
        return SlipwayError(
            _("The server has changed since it was looked at."),
            detail,
            _("Nothing was changed. Begin again: the plan is made anew then."),
        )

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
            self._switched |= step.switches
            step.apply(ctx, before)
            self._journal.done(index)
        except LockLost:
            self._state(row, StepState.FAILED)
            raise
        except SlipwayError as problem:
            self._state(row, StepState.FAILED)
            if not step.housekeeping:
                raise
            ctx.note(_("left: {problem}").format(problem=problem))
            return
        except Cancelled:
            self._state(row, StepState.CANCELLED)
            raise
        except BaseException:
            self._state(row, StepState.FAILED)
            raise
        self._state(row, StepState.DONE)

    # -- putting back ----------------------------------------------------------------------------

    def _roll_back(self) -> Outcome:
        refused = self._outcome or Outcome.FAILED_NOT_RESTORED  # then all stays as the run left it
        self._state(0, StepState.RUNNING)
        try:
            self._connected(self._take_lock)
            with self._beating():
                self._connected(self._check_unchanged)
                refused = Outcome.FAILED_NOT_RESTORED
                self._state(0, StepState.DONE)
                for row, state in self._found:
                    self._state(row, state)
                return self._restore(Outcome.ROLLED_BACK, None)
        except LockHeld as problem:
            self._state(0, StepState.FAILED)
            return self._end(refused, problem)
        except SlipwayError as problem:
            self._state(0, StepState.FAILED)
            self._release_lock()
            return self._end(refused, problem)

    def _check_unchanged(self) -> None:
        """Refuse to undo a run after which somebody else has deployed."""
        state, journals = self._look(self._context(0, CancelToken()))
        if journals or (self._left is not None and state != self._left):
            raise SlipwayError(
                _("Somebody has deployed or rolled back since this run."),
                _("What this run did is no longer what serves: {current} does.").format(
                    current=state.current
                ),
                _("Nothing was changed. Use History or “slipway rollback” to choose a release."),
            )

    def _restore(self, outcome: Outcome, problem: SlipwayError | None) -> Outcome:
        """Undo in reverse, each step even if another one's undo failed."""
        ctx = self._context(0, CancelToken())
        if problem:
            ctx.note(problem.title)
        if isinstance(problem, LockLost):
            return self._end(Outcome.FAILED_NOT_RESTORED, problem)
        ctx.note(_("putting back what was there before"))
        first: Exception | None = None
        try:
            self._connected(lambda: self._journal.undoing(self._context(0, CancelToken())))
        except SlipwayError as failed:
            first = failed
        left = []
        for done in reversed(self._done):
            try:
                if isinstance(first, (ConnectionLost, LockLost)):
                    raise first
                self._undo(done)
            except Exception as failed:  # noqa: BLE001 # a bug in one undo must not stop the others
                self._state(done.index + 1, StepState.UNDO_FAILED)
                self._context(done.index + 1, CancelToken()).note(str(failed))
                first = first or failed
                left.append(done)
        self._done = list(reversed(left))
        if left or isinstance(first, LockLost):
            return self._not_restored(problem, first)
        return self._close(outcome, problem)

    def _undo(self, done: Done) -> None:
        row = done.index + 1
        if done.step.leaves_something:
            self._state(row, StepState.UNDOING)
        self._connected(lambda: done.step.undo(self._context(row, CancelToken()), done.before))
        try:
            self._connected(
                lambda: self._journal.undone(self._context(row, CancelToken()), done.index)
            )
        except (LockLost, ConnectionLost):
            raise
        except SlipwayError as problem:
            # an undo can be done twice: that it is not written down does no harm
            self._context(row, CancelToken()).note(str(problem))
        if done.step.leaves_something:
            self._state(row, StepState.UNDONE)

    def _not_restored(self, problem: SlipwayError | None, failed: Exception | None) -> Outcome:
        """Say what is wrong on both accounts; the journal stays open for another try."""
        self._release_lock()
        parts = [str(item) for item in (problem, failed) if item]
        error = SlipwayError(
            _("The previous version could not be restored completely."),
            "\n\n".join(dict.fromkeys(parts)),
            _(
                "Nothing was thrown away: what was under way is written down on the server. "
                "When the cause is mended, run “slipway rollback” or “slipway resume”."
            ),
        )
        outcome = self._end(Outcome.FAILED_NOT_RESTORED, error)
        if failed is not None and not isinstance(failed, SlipwayError):
            raise failed
        return outcome

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
            self._left, _journals = self._look(self._context(row, CancelToken()))
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
                    other.run(self.plan.store.beat())
                finally:
                    other.close()

    def _unlock(self) -> None:
        title = _("The lock could not be released.")
        self._connected(lambda: _void(self._transport.run(self.plan.store.unlock()).check(title)))

    def _release_lock(self) -> None:
        """Release the lock if it is ours and the server can be reached."""
        with contextlib.suppress(SlipwayError):
            self._connected(lambda: _void(self._transport.run(self.plan.store.unlock())))

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
            event = replace(event, text=self._mask(event.text))
        self._emit_event(event)

    def _state(self, row: int, state: StepState) -> None:
        self._emit(StepChanged(row, state))

    def _end(self, outcome: Outcome, problem: SlipwayError | None = None) -> Outcome:
        if problem:
            problem.title = self._mask(problem.title)
            problem.detail = self._mask(problem.detail)
            problem.hint = self._mask(problem.hint)
        self._outcome = outcome
        self._emit(RunEnded(outcome, problem, self._switched))
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
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "why": plan.title,
    }
