"""Something the wizard finds out in the background; asked again, only the last answer counts."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, Signal

from app.errors import SlipwayError

if TYPE_CHECKING:
    from ui.worker import Job, Worker


class TaskState(StrEnum):
    """Where a task stands."""

    IDLE = "idle"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class Stopped(SlipwayError):
    """The user ended it: nothing is wrong."""


class Task(QObject):
    """One job at a time off the GUI thread, for one ``key``; a new start drops the former.

    ``key`` says what the result depends on: ``expect`` with another one drops the result.
    ``changed`` is emitted whenever ``state`` changes, ``drained`` with what the job emitted.
    """

    changed = Signal()
    drained = Signal(object)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.state = TaskState.IDLE
        self.error: SlipwayError | None = None
        self.result: Any = None
        self._key: object = None
        self._worker: Worker | None = None

    @property
    def running(self) -> bool:
        """Whether the job is at work."""
        return self.state is TaskState.RUNNING

    def expect(self, key: object) -> None:
        """Drop what is there or under way unless it was made for ``key``."""
        if key != self._key:
            self.drop()
            self._key = key

    def start(self, job: Job) -> None:
        """Run ``job(emit, cancel)``; whatever ran before is cancelled and no longer heard."""
        from ui.worker import Worker

        self._let_go()
        worker = Worker(job, self)
        self._worker = worker
        worker.drained.connect(self.drained)
        worker.succeeded.connect(self._succeeded)
        worker.failed.connect(self._failed)
        worker.ended.connect(self._ended)
        worker.ended.connect(worker.deleteLater)
        self._enter(TaskState.RUNNING)
        worker.start()

    def stop(self, error: Stopped) -> None:
        """End the job at the user's wish: the task has failed with ``error``, which says so."""
        if self.running:
            self._let_go()
            self._enter(TaskState.FAILED, error=error)

    def drop(self) -> None:
        """Forget the result and whatever is under way."""
        self._let_go()
        if self.state is not TaskState.IDLE:
            self._enter(TaskState.IDLE)

    def settle(self, result: Any) -> None:
        """Take ``result`` as if a job had just returned it."""
        self._let_go()
        self._enter(TaskState.DONE, result)

    @property
    def workers(self) -> list[Worker]:
        """Threads that still run, those no longer heard included."""
        from ui.worker import Worker

        return [each for each in self.findChildren(Worker) if each.running]

    def _let_go(self) -> None:
        worker, self._worker = self._worker, None
        if worker is None or not worker.running:
            return
        worker.drained.disconnect(self.drained)
        worker.succeeded.disconnect(self._succeeded)
        worker.failed.disconnect(self._failed)
        worker.ended.disconnect(self._ended)
        worker.cancel()

    def _succeeded(self, result: Any) -> None:
        self._enter(TaskState.DONE, result)

    def _failed(self, error: SlipwayError) -> None:
        self._enter(TaskState.FAILED, error=error)

    def _ended(self) -> None:
        self._worker = None
        if self.running:
            self._enter(TaskState.IDLE)

    def _enter(
        self, state: TaskState, result: Any = None, error: SlipwayError | None = None
    ) -> None:
        self.state, self.result, self.error = state, result, error
        self.changed.emit()
