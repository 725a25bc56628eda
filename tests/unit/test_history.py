"""The history of this desktop: kept, read back, safe from several threads."""

from __future__ import annotations

import sqlite3
import threading
import time
from pathlib import Path

import pytest

from app import history
from app.errors import HealthCheckFailed, SlipwayError
from app.events import Line, Outcome, Progress, RunEnded, StepChanged, StepState
from app.history import History
from app.request import DeployOptions, DeployRequest, ProjectOptions, Target

REQUEST = DeployRequest(
    name="hello",
    project=ProjectOptions(Path("/src/hello").absolute(), "./cmd/hello"),
    deploy=DeployOptions(env={"PORT": "8080"}),
    targets=(Target("10.0.0.5", user="deploy"),),
)


@pytest.fixture
def past(tmp_path: Path) -> History:
    return History(tmp_path / "data" / "history.db", tmp_path / "logs")


def test_a_run_is_kept_with_all_its_events(past: History) -> None:
    record = past.begin(REQUEST, "Deploy hello 1.2", ["Lock", "Send"], release="r2", version="1.2")
    (begun,) = past.runs()
    assert begun.outcome is None
    record.write(StepChanged(1, StepState.RUNNING))
    record.write(Line(1, "stderr", "no space\nleft"))
    record.write(Progress(1, 5, 10))
    record.write(RunEnded(Outcome.FAILED_RESTORED, HealthCheckFailed("Not healthy.", "why")))
    (run,) = past.runs()
    assert (run.name, run.target, run.kind) == ("hello", "deploy@10.0.0.5", "docker")
    assert (run.title, run.release, run.version) == ("Deploy hello 1.2", "r2", "1.2")
    assert run.outcome is Outcome.FAILED_RESTORED
    assert run.error == "Not healthy.\nwhy"
    assert run.seconds > 0
    assert run.request == REQUEST
    text = run.log.read_text()
    for words in ("Deploy hello 1.2", "[2/2] running: Send", "! no space", "failed_restored"):
        assert words in text
    assert "Progress" not in text


def test_rolling_back_the_same_run_goes_into_the_same_log(past: History) -> None:
    began = time.monotonic()
    record = past.begin(REQUEST, "Deploy", ["Lock"])
    record.write(RunEnded(Outcome.SUCCEEDED))
    time.sleep(0.5)  # somebody looks at it
    record.write(StepChanged(0, StepState.UNDOING))
    time.sleep(0.2)
    record.write(StepChanged(0, StepState.UNDONE))
    record.write(RunEnded(Outcome.ROLLED_BACK))
    (run,) = past.runs()
    assert run.outcome is Outcome.ROLLED_BACK
    assert 0.2 <= run.seconds <= time.monotonic() - began - 0.5
    assert "succeeded" in run.log.read_text()
    assert "undone" in run.log.read_text()


def test_runs_come_newest_first_and_can_be_chosen(past: History) -> None:
    other = DeployRequest(name="other", targets=(Target("localhost", "local"),))
    for request in (REQUEST, other, REQUEST):
        past.add(request, f"Deploy {request.name}")
    assert [run.name for run in past.runs()] == ["hello", "other", "hello"]
    assert [run.target for run in past.runs(name="other")] == ["localhost"]
    assert len(past.runs(target="deploy@10.0.0.5")) == 2
    assert len(past.runs(limit=1)) == 1


def test_several_threads_may_write_at_once(past: History) -> None:
    def work() -> None:
        for _round in range(5):
            record = past.begin(REQUEST, "Deploy", ["Lock"])
            record.write(Line(0, "stdout", "x"))
            record.write(RunEnded(Outcome.SUCCEEDED))

    threads = [threading.Thread(target=work) for _thread in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    runs = past.runs()
    assert len(runs) == 20
    assert {run.outcome for run in runs} == {Outcome.SUCCEEDED}
    assert len({run.log for run in runs}) == 20


def test_the_oldest_are_forgotten_with_their_logs(
    past: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "KEPT_RUNS", 2)
    first = past.begin(REQUEST, "first", []).run
    assert first.log.exists()
    for title in ("second", "third"):
        past.begin(REQUEST, title, [])
    assert [run.title for run in past.runs()] == ["third", "second"]
    assert not first.log.exists()


def test_a_newer_file_is_left_alone(past: History) -> None:
    past.add(REQUEST, "Deploy")
    with sqlite3.connect(past.path) as database:
        database.execute("PRAGMA user_version = 99")
    with pytest.raises(SlipwayError, match="newer"):
        past.runs()


def test_a_broken_file_is_said_so(past: History) -> None:
    past.path.parent.mkdir(parents=True)
    past.path.write_text("this is no database, however long it may be " * 30)
    with pytest.raises(SlipwayError, match="can't be used") as caught:
        past.add(REQUEST, "Deploy")
    assert caught.value.hint


def test_an_unwritable_log_is_said_so(past: History) -> None:
    past.logs.write_text("in the way")
    with pytest.raises(SlipwayError, match="log"):
        past.begin(REQUEST, "Deploy", [])
