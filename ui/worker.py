"""Run the engine off the GUI thread; its events come back in order and in small portions."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from queue import Empty, Full, Queue
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal
from shiboken6 import isValid

from app.errors import Cancelled, SlipwayError
from app.transport import CancelToken

PORTION = 500
INTERVAL = 50  # milliseconds
QUEUED = 5000  # a job that emits faster than the window can show has to wait

Job = Callable[[Callable[[Any], None], CancelToken], Any]


class Worker(QObject):
    """One engine call on a thread of its own.

    ``job(emit, cancel)`` runs there; what it emits arrives in ``drained`` on the GUI thread, at
    most 500 objects every 50 ms, in order. Then exactly one of ``succeeded`` (its result),
    ``failed`` (a SlipwayError) or ``cancelled`` is emitted, and ``ended`` after it. Any other
    exception is a bug: it goes to ``sys.excepthook``, and only ``ended`` is emitted.
    """

    drained = Signal(object)
    succeeded = Signal(object)
    failed = Signal(object)
    cancelled = Signal()
    ended = Signal()

    def __init__(self, job: Job, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._job = job
        self._token = CancelToken()
        self._queue: Queue[Any] = Queue(QUEUED)
        self._deserted = False
        self._result: Any = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="slipway-worker", daemon=True)
        self._timer = QTimer(self)
        self._timer.setInterval(INTERVAL)
        self._timer.timeout.connect(self._drain)

    def start(self) -> None:
        """Start the job; once."""
        self._thread.start()
        self._timer.start()

    def cancel(self) -> None:
        """Ask the job to end; it ends with ``cancelled`` or as it would have."""
        self._token.cancel()

    def wait(self, seconds: float) -> None:
        """Hold up the calling thread until the job has ended, at most so long."""
        self._deserted = True  # the GUI thread takes nothing while it waits
        self._thread.join(seconds)

    @property
    def cancelling(self) -> bool:
        """Whether the job was asked to end."""
        return self._token.cancelled

    @property
    def running(self) -> bool:
        """Whether the job still runs or its last events are still on their way."""
        return self._timer.isActive()

    def _work(self) -> None:
        try:
            self._result = self._job(self._put, self._token)
        except BaseException as error:  # noqa: BLE001 - the GUI thread sorts it
            self._error = error

    def _put(self, item: Any) -> None:
        while not self._deserted and isValid(self):
            try:
                self._queue.put(item, timeout=0.2)
            except Full:
                continue
            return

    def _drain(self) -> None:
        # Asked before the queue is emptied: what is put in between comes with the next portion.
        finished = not self._thread.is_alive()
        portion: list[Any] = []
        try:
            while len(portion) < PORTION:
                portion.append(self._queue.get_nowait())
        except Empty:
            pass
        if portion:
            self.drained.emit(portion)
        if finished and len(portion) < PORTION:
            self._timer.stop()
            self._conclude()

    def _conclude(self) -> None:
        error = self._error
        if error is None:
            self.succeeded.emit(self._result)
        elif isinstance(error, Cancelled):
            self.cancelled.emit()
        elif isinstance(error, SlipwayError):
            self.failed.emit(error)
        else:
            sys.excepthook(type(error), error, error.__traceback__)
        self.ended.emit()
