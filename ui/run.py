"""One run as the window sees it: its thread, its events, how it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Protocol

from PySide6.QtCore import QObject, Signal

from app.errors import ConnectionLost, SlipwayError
from app.events import Emit, Event, Line, Outcome, RunEnded, StepChanged, StepState
from app.history import History, Record
from app.host import HostFacts
from app.i18n import _
from app.outcomes import RESTORED, not_restored, what_runs
from app.plan import Plan
from app.recovery import recover, resume
from app.request import DeployRequest
from app.runner import Runner
from app.step import Package
from app.transport import CancelToken, Secret, Transport
from ui.jobs import Visit, ask_nobody
from ui.worker import Worker


class RunState(StrEnum):
    """Where a run stands for its buttons."""

    READY = "ready"
    RUNNING = "running"
    CANCELLING = "cancelling"
    RESTORING = "restoring"
    ROLLING_BACK = "rolling_back"
    ENDED = "ended"


class Runnable(Protocol):
    """What a run does, on its thread; ``app.runner.Runner`` is one."""

    @property
    def can_roll_back(self) -> bool:
        """Whether there is something to put back."""

    def run(self, cancel: CancelToken) -> Outcome:
        """Do it; the last event is RunEnded."""

    def roll_back(self) -> Outcome:
        """Put it back; the last event is RunEnded."""


@dataclass(frozen=True, slots=True)
class Task:
    """What shall run: its title and rows, and how to begin, on the run's own thread.

    ``version`` is the one that runs once it has succeeded, ``serving`` the one that runs before it,
    both "" where that isn't known. Then ``current`` may be the one that is recorded. ``first``:
    nothing of that name is there before. ``cannot`` is what rolling back does not restore.
    """

    title: str
    rows: tuple[str, ...]
    begin: Callable[[Emit], Runnable]
    record: Callable[[], Record]
    version: str = ""
    serving: str = ""
    current: str = ""
    first: bool = False
    cannot: tuple[str, ...] = ()


class Run(QObject):
    """Runs one task off the GUI thread and, if asked, takes it back.

    ``happened`` carries events in order, ``changed`` follows every change of ``state``.
    """

    happened = Signal(object)
    changed = Signal()

    def __init__(self, task: Task, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.task = task
        self.state = RunState.READY
        self.when = datetime.now(UTC)
        self.end: RunEnded | None = None
        self.rolled_back = False
        self._tape: _Tape | None = None
        self._runnable: Runnable | None = None
        self._put: Emit | None = None
        self._worker: Worker | None = None
        self._began = 0.0
        self._entered = 0.0
        self._took = 0.0

    @property
    def outcome(self) -> Outcome | None:
        """How it ended; None before that, and if a fault of Slipway ended it."""
        return self.end.outcome if self.end else None

    @property
    def error(self) -> SlipwayError | None:
        """What went wrong, if anything did."""
        return self.end.error if self.end else None

    @property
    def restored(self) -> str:
        """What runs again, or still, after it put back what it did, and what is lost; in words."""
        if self.end is None or self.end.outcome not in RESTORED:
            return ""
        lost = not_restored(self.task.cannot) if self.end.switched else ""
        return "\n".join(filter(None, (what_runs(self.end, self.task), lost)))

    @property
    def running(self) -> bool:
        """Whether anything is under way."""
        return self.state not in (RunState.READY, RunState.ENDED)

    @property
    def can_roll_back(self) -> bool:
        """Whether Roll back has something to do now."""
        ended = self.state is RunState.ENDED
        return ended and self._runnable is not None and self._runnable.can_roll_back

    @property
    def can_cancel(self) -> bool:
        """Whether what is under way can be cancelled."""
        return self.state is RunState.RUNNING

    @property
    def seconds(self) -> float:
        """How long what was done last took; while it runs, how long it has been in ``state``."""
        return time.monotonic() - self._entered if self.running else self._took

    def start(self) -> None:
        """Begin."""
        self._go(RunState.RUNNING, self._first)

    def cancel(self) -> None:
        """Ask what is under way to end; what was done is put back."""
        if self._worker is not None and self.can_cancel:
            self._worker.cancel()
            self._enter(RunState.CANCELLING)

    def roll_back(self) -> None:
        """Put back what the run did."""
        if self.can_roll_back:
            self.rolled_back = True
            self._go(RunState.ROLLING_BACK, self._back)

    def _go(self, state: RunState, job: Callable[[Emit, CancelToken], Outcome]) -> None:
        self.end = None
        self._began = time.monotonic()
        worker = Worker(job, self)
        self._worker = worker
        worker.drained.connect(self._drained)
        worker.ended.connect(self._ended)
        worker.ended.connect(worker.deleteLater)
        self._enter(state)
        worker.start()

    # on the worker's thread

    def _first(self, emit: Emit, cancel: CancelToken) -> Outcome:
        self._put = emit
        self._tape = _Tape(self.task.record, self._pass_on)
        try:
            self._runnable = self.task.begin(self._tape)
        except SlipwayError as problem:
            self._tape(RunEnded(Outcome.FAILED_RESTORED, problem))
            return Outcome.FAILED_RESTORED
        try:
            return self._runnable.run(cancel)
        except SlipwayError as problem:  # what was interrupted was not begun with
            self._tape(RunEnded(Outcome.FAILED_NOT_RESTORED, problem))
            return Outcome.FAILED_NOT_RESTORED

    def _back(self, emit: Emit, cancel: CancelToken) -> Outcome:
        if self._runnable is None:
            raise RuntimeError("nothing was run")
        self._put = emit
        return self._runnable.roll_back()

    def _pass_on(self, event: Event) -> None:
        """Put an event where the worker of the moment takes it from: the runner outlives one."""
        if self._put is not None:
            self._put(event)

    # on the GUI thread

    def _drained(self, events: list[Any]) -> None:
        for event in events:
            if isinstance(event, RunEnded):
                self.end = event
            elif isinstance(event, StepChanged):
                self._step_changed(event)
        self.happened.emit(events)

    def _step_changed(self, event: StepChanged) -> None:
        """Know whether it is being put back; a resumed run goes on after undoing one step."""
        releasing = event.index == len(self.task.rows) - 1  # the lock, after putting back too
        if event.state is StepState.UNDOING and self.can_cancel:
            self._enter(RunState.RESTORING)
        elif (
            event.state is StepState.RUNNING and self.state is RunState.RESTORING and not releasing
        ):
            self._enter(RunState.RUNNING)

    def _ended(self) -> None:
        known = self._tape.seconds if self._tape and not self.rolled_back else 0.0
        self._took = known or time.monotonic() - self._began
        self._worker = None
        self._enter(RunState.ENDED)

    def _enter(self, state: RunState) -> None:
        self.state = state
        self._entered = time.monotonic()
        self.changed.emit()


class _Tape:
    """Writes events to the history and passes them on; a full disk does not end a run."""

    def __init__(self, record: Callable[[], Record], emit: Emit) -> None:
        self._emit = emit
        self._record: Record | None = None
        try:
            self._record = record()
        except SlipwayError as problem:
            self._complain(problem)

    @property
    def seconds(self) -> float:
        """How long the run took, 0 if the history does not know."""
        return self._record.seconds if self._record else 0.0

    def __call__(self, event: Event) -> None:
        if self._record is not None:
            try:
                self._record.write(event)
            except SlipwayError as problem:
                self._record = None
                self._complain(problem)
        self._emit(event)

    def _complain(self, problem: SlipwayError) -> None:
        text = _("This run is not in the history: {problem}").format(problem=problem)
        self._emit(Line(0, "note", " ".join(text.splitlines())))


@dataclass(frozen=True, slots=True)
class Access:
    """How a run gets to the server: by another connection like ``transport``, or a new one."""

    visit: Visit
    transport: Transport | None = None

    def open(self) -> Transport:
        """Return an open transport for the calling thread; no question is asked."""
        if self.transport is not None:
            try:
                return self.transport.another()
            except ConnectionLost:
                pass
        return self.visit.look(None, ask_nobody, CancelToken()).transport

    def look(self) -> tuple[Transport, HostFacts]:
        """Return an open transport for the calling thread, and the server's facts now."""
        found = self.visit.look(self.open(), ask_nobody, CancelToken())
        return found.transport, found.facts


def plan_task(
    plan: Plan,
    request: DeployRequest,
    access: Access,
    history: History,
    *,
    secrets: Mapping[str, Secret] | None = None,
    registry_password: Callable[[], Secret | None] = lambda: None,
) -> Task:
    """Return the task that carries out a plan."""
    rows = tuple(row.title for row in plan.rows)

    def begin(emit: Emit) -> Runnable:
        return Runner(
            plan,
            access.open(),
            emit,
            secrets=secrets,
            registry_password=registry_password(),
            reconnect=replace(access, transport=None).open,
        )

    def record() -> Record:
        return history.begin(request, plan.title, rows, release=plan.release, version=plan.version)

    return Task(
        plan.title, rows, begin, record,
        version=plan.version, serving=plan.serving, first=plan.first, cannot=plan.cannot,
    )  # fmt: skip


class _Rest:
    """What is left of an interrupted run: taken back, or finished."""

    can_roll_back = False

    def __init__(self, run: Callable[[CancelToken], Outcome]) -> None:
        self._run = run

    def run(self, cancel: CancelToken) -> Outcome:
        """Do it."""
        return self._run(cancel)

    def roll_back(self) -> Outcome:
        """Never offered: ``can_roll_back`` is false."""
        raise RuntimeError("an interrupted run is taken back by recover()")


def interrupted_rows(titles: Sequence[str]) -> tuple[str, ...]:
    """Return the rows of an interrupted run's plan."""
    return (_("Take the lock, open the journal"), *titles, _("Release the lock"))


def recover_task(
    request: DeployRequest, facts: HostFacts, access: Access, history: History
) -> Task:
    """Return the task that takes back the interrupted run that ``facts`` found."""
    return _rest_task(_("Take back “{title}”"), request, facts, history, _recover(request, access))


def resume_task(
    request: DeployRequest,
    facts: HostFacts,
    package: Package | None,
    access: Access,
    history: History,
    secrets: dict[str, Secret],
    registry_password: Callable[[], Secret | None] = lambda: None,
) -> Task:
    """Return the task that finishes the interrupted run that ``facts`` found."""

    def begin(emit: Emit) -> Runnable:
        def finish(cancel: CancelToken) -> Outcome:
            transport, now = access.look()
            return resume(
                transport, request, package, now, emit, cancel, secrets,
                registry_password=registry_password(),
                reconnect=replace(access, transport=None).open,
            )  # fmt: skip

        return _Rest(finish)

    return _rest_task(_("Finish “{title}”"), request, facts, history, begin)


def _recover(request: DeployRequest, access: Access) -> Callable[[Emit], Runnable]:
    def begin(emit: Emit) -> Runnable:
        def take_back(_cancel: CancelToken) -> Outcome:
            transport, now = access.look()
            reconnect = replace(access, transport=None).open
            return recover(transport, request, now, emit, reconnect=reconnect)

        return _Rest(take_back)

    return begin


def _rest_task(
    words: str,
    request: DeployRequest,
    facts: HostFacts,
    history: History,
    begin: Callable[[Emit], Runnable],
) -> Task:
    interrupted = facts.records.interrupted
    rows = interrupted_rows(interrupted.titles if interrupted else ())
    known = interrupted.title if interrupted else request.name
    release = interrupted.release if interrupted else ""
    version = facts.records.version_of(release)

    def record() -> Record:
        return history.begin(request, known, rows, release=release, version=version)

    current = facts.records.version_before(release)
    title = words.format(title=known)
    return Task(title, rows, begin, record, version=version, current=current)
