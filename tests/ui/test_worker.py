"""Engine threads and the GUI: order, portions, how a job ends, and where slots run."""

import sys
import threading
import time
from collections.abc import Callable

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from app.errors import SlipwayError
from app.transport import CancelToken
from ui.worker import PORTION, Worker


class Listener(QObject):
    def __init__(self, worker: Worker) -> None:
        super().__init__()
        self.portions: list[list[int]] = []
        self.ends: list[object] = []
        self.threads: set[threading.Thread] = set()
        worker.drained.connect(self.take)
        worker.succeeded.connect(self.end)
        worker.failed.connect(self.end)
        worker.cancelled.connect(self.gave_up)
        worker.ended.connect(self.over)

    def take(self, portion: list[int]) -> None:
        self.threads.add(threading.current_thread())
        self.portions.append(portion)

    def end(self, what: object) -> None:
        self.threads.add(threading.current_thread())
        self.ends.append(what)

    def gave_up(self) -> None:
        self.ends.append("cancelled")

    def over(self) -> None:
        self.ends.append("ended")


def run(qtbot: QtBot, job: Callable[[Callable[[int], None], CancelToken], object]) -> Listener:
    worker = Worker(job)
    listener = Listener(worker)
    with qtbot.waitSignal(worker.ended, timeout=10_000):
        worker.start()
    assert not worker.running
    return listener


def test_all_arrives_in_order_in_small_portions_on_the_gui_thread(qtbot: QtBot) -> None:
    def job(emit: Callable[[int], None], _cancel: CancelToken) -> str:
        assert threading.current_thread() is not threading.main_thread()
        for number in range(5 * PORTION + 3):
            emit(number)
        return "result"

    listener = run(qtbot, job)
    assert [n for portion in listener.portions for n in portion] == list(range(5 * PORTION + 3))
    assert max(map(len, listener.portions)) == PORTION
    assert listener.ends == ["result", "ended"]
    assert listener.threads == {threading.main_thread()}


def test_events_before_a_failure_come_first(qtbot: QtBot) -> None:
    def job(emit: Callable[[int], None], _cancel: CancelToken) -> None:
        emit(1)
        raise SlipwayError("title", "detail", "hint")

    listener = run(qtbot, job)
    assert listener.portions == [[1]]
    error = listener.ends[0]
    assert isinstance(error, SlipwayError)
    assert str(error) == "title\ndetail\nhint"
    assert listener.ends[1:] == ["ended"]


def test_cancel_reaches_the_job(qtbot: QtBot) -> None:
    def job(_emit: Callable[[int], None], cancel: CancelToken) -> None:
        cancel.wait(30)

    worker = Worker(job)
    listener = Listener(worker)
    worker.start()
    began = time.monotonic()
    with qtbot.waitSignal(worker.ended, timeout=5000):
        worker.cancel()
    assert worker.cancelling
    assert listener.ends == ["cancelled", "ended"]
    assert time.monotonic() - began < 1


def test_a_bug_goes_to_the_excepthook_and_is_no_users_error(
    qtbot: QtBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[BaseException] = []
    monkeypatch.setattr(sys, "excepthook", lambda _kind, error, _trace: seen.append(error))

    def job(_emit: Callable[[int], None], _cancel: CancelToken) -> None:
        raise KeyError("ours")

    listener = run(qtbot, job)
    assert [type(error) for error in seen] == [KeyError]
    assert listener.ends == ["ended"]
