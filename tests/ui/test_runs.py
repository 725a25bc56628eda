"""Review, Deploy and the run dialog: from golden plans, scripted runs and real ones."""

import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QLabel, QPlainTextEdit, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.amounts import local_text
from app.errors import ConnectError, HealthCheckFailed, SlipwayError
from app.events import Emit, Line, Outcome, Progress, RunEnded, StepChanged, StepState
from app.history import History
from app.image import Image
from app.plan import make_plan, make_rollback_plan
from app.releases import Interrupted
from app.request import DeployRequest, HealthOptions, Target
from app.transport import CancelToken
from app.winhost import Tell
from tests.unit.test_plan import SECRETS, after, facts, image, request, two_releases
from ui.dialogs import ConfirmDialog
from ui.draft import Draft
from ui.history_window import RunModel, ended_later
from ui.pages.deploy import DeployPage, back_words, browser_url
from ui.release_page import ReleasePage
from ui.report import outcome_text
from ui.run import Access, Run, RunState, Task
from ui.run_dialog import RunDialog
from ui.widgets.basics import Notice, NoticeArea
from ui.widgets.command_view import CommandView, commands_text
from ui.widgets.outcome import say_outcome
from ui.widgets.plan_view import PlanView

__all__ = ["image"]  # the fixture of the golden plans


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(tmp_path / "history.db", tmp_path / "logs")


class Scripted:
    """Emits what a test says; cancelling puts everything back."""

    def __init__(self, emit: Emit, steps: int, fails: SlipwayError | None = None) -> None:
        self.emit = emit
        self.steps = steps
        self.fails = fails
        self.release = threading.Event()
        self.can_roll_back = False
        self.rolled_back = False

    def run(self, cancel: CancelToken) -> Outcome:
        self.can_roll_back = True
        for index in range(self.steps):
            self.emit(StepChanged(index, StepState.RUNNING))
            self.emit(Line(index, "stdout", f"working on {index}"))
            self.emit(Progress(index, 5, 10))
            while index == 1 and not self.release.wait(0.01):
                if cancel.cancelled:
                    self.emit(StepChanged(index, StepState.CANCELLED))
                    self.emit(StepChanged(0, StepState.UNDONE))
                    self.can_roll_back = False
                    return self.end(Outcome.CANCELLED)
            if self.fails and index == self.steps - 1:
                self.emit(StepChanged(index, StepState.FAILED))
                return self.end(Outcome.FAILED_RESTORED, self.fails)
            self.emit(StepChanged(index, StepState.DONE))
        return self.end(Outcome.SUCCEEDED)

    def roll_back(self) -> Outcome:
        self.rolled_back = True
        self.can_roll_back = False
        self.emit(StepChanged(0, StepState.UNDOING))
        self.emit(StepChanged(0, StepState.UNDONE))
        return self.end(Outcome.ROLLED_BACK)

    def end(self, outcome: Outcome, error: SlipwayError | None = None) -> Outcome:
        self.emit(RunEnded(outcome, error, switched=True))
        return outcome


class Stage:
    """A task whose run a test holds and lets go."""

    def __init__(self, history: History, fails: SlipwayError | None = None) -> None:
        self.actor: Scripted | None = None
        self.fails = fails
        rows = ("Lock", "Send", "Switch")
        wanted = DeployRequest("hello", targets=(Target("localhost", "local"),))
        self.task = Task(
            "Deploy hello", rows, self.begin, lambda: history.begin(wanted, "Deploy hello", rows),
            serving="v1.3.0",
        )  # fmt: skip

    def begin(self, emit: Emit) -> Scripted:
        self.actor = Scripted(emit, 3, self.fails)
        return self.actor

    def let_go(self) -> None:
        assert self.actor is not None
        self.actor.release.set()


@pytest.fixture
def page(qtbot: QtBot, draft: Draft) -> Iterator[DeployPage]:
    made = DeployPage(draft)
    qtbot.addWidget(made)
    made.resize(1000, 700)
    made.show()
    yield made
    if made.run is not None:
        made.run.cancel()
        qtbot.waitUntil(lambda: not made.busy)


def begun(qtbot: QtBot, page: DeployPage, stage: Stage) -> Run:
    page.begin(stage.task)
    assert page.run is not None
    rows = page.view.steps.steps.rows
    qtbot.waitUntil(lambda: rows[1].state is StepState.RUNNING)
    return page.run


def ended(qtbot: QtBot, run: Run) -> None:
    qtbot.waitUntil(lambda: run.state is RunState.ENDED)


def test_a_resumed_run_goes_on_after_the_step_that_was_under_way_is_undone(
    qtbot: QtBot, page: DeployPage, tmp_path: Path
) -> None:
    stage = Stage(History(tmp_path / "history.db", tmp_path / "logs"))
    run = begun(qtbot, page, stage)
    run._drained([StepChanged(1, StepState.UNDOING)])
    assert run.state is RunState.RESTORING
    run._drained([StepChanged(2, StepState.RUNNING)])
    assert run.state is RunState.RESTORING, "the lock is released after putting back, too"
    run._drained([StepChanged(1, StepState.UNDONE), StepChanged(1, StepState.RUNNING)])
    assert run.state is RunState.RUNNING
    assert run.can_cancel
    stage.let_go()
    ended(qtbot, run)


# Review


def words_of(view: PlanView) -> str:
    return "\n".join(each.text().replace("\u200b", "") for each in view.findChildren(QLabel))


def test_review_shows_the_whole_plan(qtbot: QtBot, image: Image) -> None:
    first = make_plan(request(), image, facts(), SECRETS)
    changed = request(env={"PORT": "81"})
    plan = make_plan(changed, image, after(first, request()), SECRETS)
    view = PlanView()
    qtbot.addWidget(view)
    view.show_plan(plan)
    assert plan.changes
    words = words_of(view)
    for change in plan.changes:
        assert change.what in words
        assert change.new in words
    for text in (plan.title, plan.outage, *plan.restores, *plan.cannot):
        assert text in words
    commands = [each.text for each in view.findChildren(CommandView)]
    assert commands == [commands_text(row.commands) for row in plan.rows if row.commands]
    assert len(view.steps) == len(plan.rows)
    assert "hunter2" not in "".join(commands)


@pytest.mark.parametrize(
    ("text", "scrolls"),
    [("one\n港口 two\nthree", False), ("x" * 300, False), ("line\n" * 30, True)],
    ids=["as other letters need it", "as it is wrapped", "most"],
)
def test_commands_are_as_high_as_their_lines(qtbot: QtBot, text: str, scrolls: bool) -> None:
    view = CommandView("commands", text)
    qtbot.addWidget(view)
    view.resize(500, 600)
    with qtbot.waitExposed(view):
        view.show()
    bar = view.findChildren(QPlainTextEdit)[0].verticalScrollBar()
    assert (bar.maximum() > 0) is scrolls


def test_steps_open_and_their_commands_are_copied(qtbot: QtBot, image: Image) -> None:
    plan = make_plan(request(), image, facts(), SECRETS)
    view = PlanView()
    qtbot.addWidget(view)
    view.show_plan(plan)
    assert not any(step.opened for step in view.steps)
    opener = next(each for each in view.findChildren(QPushButton) if "all" in each.text())
    opener.click()
    assert all(step.opened for step in view.steps)
    assert opener.text().replace("&", "") == "Close all"
    opener.click()
    assert not any(step.opened for step in view.steps)
    assert opener.text().replace("&", "") == "Open all"
    shown = view.findChildren(CommandView)[0]
    shown.copy()
    assert QGuiApplication.clipboard().text() == shown.text
    view.copy_all()
    copied = QGuiApplication.clipboard().text()
    assert all(str(command) in copied for row in plan.rows for command in row.commands)
    assert "hunter2" not in copied


def test_an_empty_plan_says_so(qtbot: QtBot, image: Image) -> None:
    first = make_plan(request(), image, facts(), SECRETS)
    plan = make_plan(request(), image, after(first, request()), SECRETS)
    assert plan.empty
    view = PlanView()
    qtbot.addWidget(view)
    view.show_plan(plan)
    assert "There is nothing to do" in words_of(view)
    assert view.steps == []


def test_a_rollback_is_read_before_it_runs(qtbot: QtBot, history: History) -> None:
    plan = make_rollback_plan(request(), two_releases())
    stage = Stage(history)
    parent = QLabel()
    qtbot.addWidget(parent)
    dialog = RunDialog(parent, plan, stage.task, "&Roll back")
    dialog.show()
    assert plan.title in [each.text() for each in dialog.findChildren(QLabel)]
    assert plan.outage in words_of(dialog.plan_view)
    assert stage.actor is None
    dialog.start_button.click()
    qtbot.waitUntil(lambda: dialog.run.running and stage.actor is not None)
    dialog.close()  # asks instead
    assert dialog.isVisible()
    stage.let_go()
    with qtbot.waitSignal(dialog.done_running):
        pass
    assert "healthy" in dialog.notice.text
    dialog.close()
    assert not dialog.isVisible()


# Deploy


def test_history_tells_how_an_interrupted_run_was_ended_later(history: History) -> None:
    def add(release: str, outcome: Outcome | None, name: str = "hello") -> int:
        target = Target("localhost", "local")
        made = history.add(DeployRequest(name, targets=(target,)), "Run", release)
        if outcome is not None:
            history.finish(made.id, outcome)
        return made.id

    first = add("one", None)
    add("one", Outcome.SUCCEEDED)
    second = add("two", None)
    add("two", Outcome.FAILED_NOT_RESTORED)
    add("two", Outcome.ROLLED_BACK)
    third = add("three", None)
    add("four", Outcome.SUCCEEDED)
    add("three", Outcome.SUCCEEDED, "another")
    runs = history.runs()
    assert ended_later(runs) == {first: Outcome.SUCCEEDED, second: Outcome.ROLLED_BACK}
    model = RunModel()
    model.show_runs(runs)
    told = {run.id: model.data(model.index(row, 3)) for row, run in enumerate(runs)}
    assert told[first] == "interrupted, finished later"
    assert told[second] == "interrupted, taken back later"
    assert told[third] == "interrupted"


def test_success_then_roll_back(qtbot: QtBot, page: DeployPage, history: History) -> None:
    stage = Stage(history)
    run = begun(qtbot, page, stage)
    assert page.cancel_button.isVisible()
    assert page.cancel_button.isEnabled()
    assert not page.roll_back_button.isVisible()
    stage.let_go()
    ended(qtbot, run)
    assert run.outcome is Outcome.SUCCEEDED
    assert not page.cancel_button.isVisible()
    assert page.roll_back_button.isEnabled()
    assert page.notice.text.startswith("Done")
    assert history.runs()[0].seconds == run.seconds, "the page and the history name one time"
    page.roll_back_button.click()
    assert run.outcome is Outcome.SUCCEEDED  # it asks first
    page.findChildren(ConfirmDialog)[0].accept()
    qtbot.waitUntil(lambda: run.outcome is Outcome.ROLLED_BACK and not run.running)
    assert not page.roll_back_button.isEnabled()
    assert page.view.steps.steps.rows[0].state is StepState.UNDONE
    assert page.notice.text == "Rolled back; all is as it was before\nv1.3.0 runs again."
    assert "▸ Undo: Lock" in page.view.log.all_lines
    kept = history.runs()[0]
    assert kept.outcome is Outcome.ROLLED_BACK
    assert "working on 1" in kept.log.read_text(encoding="utf-8")


def test_the_last_run_is_told_as_it_was_whatever_is_answered_since(
    qtbot: QtBot, page: DeployPage, draft: Draft, history: History
) -> None:
    draft.set("deploy.health.http", "http://localhost:8080/health")
    draft.set("targets", (Target("first"),))
    stage = Stage(history)
    run = begun(qtbot, page, stage)
    stage.let_go()
    ended(qtbot, run)
    told = page.notice.text
    assert "http://first:8080/" in told
    draft.set("targets", (Target("second"),))
    page.refresh()
    assert page.notice.text == told
    with qtbot.waitSignal(page.show_server) as wanted:
        page.server_button.click()
    assert [str(target) for target in wanted.args[0].targets] == ["first"]


def test_what_connecting_tells_is_no_question_to_answer(
    draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A run that connects again has nobody to ask, and may hear that a tool is sent."""

    def connect(_target: Target, _credentials: object, _known: object, tell: Tell) -> None:
        tell("Sending the tool…")
        raise ConnectError("It is gone")

    monkeypatch.setattr("app.host.connect", connect)
    visit = draft.sign_ins.visit(request(), Target("server"))
    with pytest.raises(ConnectError):
        Access(visit).open()


def test_cancel(qtbot: QtBot, page: DeployPage, history: History) -> None:
    run = begun(qtbot, page, Stage(history))
    qtbot.waitUntil(lambda: run.seconds > 1.1)  # the history begins a moment later
    page.cancel_button.click()
    assert run.state is RunState.CANCELLING
    assert run.seconds < 1.0  # since the click
    assert not page.cancel_button.isEnabled()
    ended(qtbot, run)
    assert run.outcome is Outcome.CANCELLED
    assert run.seconds > 1.0  # all of it
    assert page.notice.text.startswith("Cancelled")


def test_a_failure_is_told_and_can_be_passed_on(
    qtbot: QtBot, page: DeployPage, history: History
) -> None:
    error = HealthCheckFailed("It did not become healthy.", "refused <b>", "Look at its log.")
    stage = Stage(history, error)
    run = begun(qtbot, page, stage)
    stage.let_go()
    ended(qtbot, run)
    what = ["v1.3.0 runs again.", "", error.title, error.detail, error.hint]
    assert page.notice.text.splitlines()[1:] == what
    page.copy_report()
    report = QGuiApplication.clipboard().text()
    began = f"Began {local_text(run.when.isoformat())}, took"
    for part in ("Deploy hello", began, what[0], str(error), "working on 2", "PySide6"):
        assert part in report


def test_what_one_reads_does_not_jump_when_the_run_ends(
    qtbot: QtBot, page: DeployPage, history: History
) -> None:
    stage = Stage(history)
    run = begun(qtbot, page, stage)
    place = page.view.mapTo(page, QPoint(0, 0))
    stage.let_go()
    ended(qtbot, run)
    qtbot.waitUntil(lambda: page.notice.height() > 40)
    assert page.view.mapTo(page, QPoint(0, 0)) == place
    page._copy.setFocus()
    qtbot.keyClick(page._copy, Qt.Key.Key_Tab)
    assert page.server_button.hasFocus(), "Tab goes downwards"


def test_a_long_failure_is_not_cut_in_a_small_window(
    qtbot: QtBot, page: DeployPage, history: History
) -> None:
    output = "\n".join(f"line {number} of its last output" for number in range(40))
    stage = Stage(history, HealthCheckFailed("It did not become healthy.", output, "Look at it."))
    run = begun(qtbot, page, stage)
    page.resize(760, 560)
    stage.let_go()
    ended(qtbot, run)
    notice = page.notice
    qtbot.waitUntil(lambda: notice.height() >= notice.heightForWidth(notice.width()))
    assert page.height() == 560
    assert page.view.height() >= 150
    (area,) = page.findChildren(NoticeArea)
    area.setFocus()
    assert page._copy.visibleRegion().isEmpty()
    qtbot.keyClick(area, Qt.Key.Key_Tab)
    assert page._copy.hasFocus()
    assert not page._copy.visibleRegion().isEmpty()


def test_no_connection_is_a_failure_that_changed_nothing(
    qtbot: QtBot, page: DeployPage, history: History
) -> None:
    def begin(_emit: Emit) -> Scripted:
        raise SlipwayError("Can't connect", "refused", "Start it")

    task = Stage(history).task
    page.begin(replace(task, begin=begin))
    assert page.run is not None
    ended(qtbot, page.run)
    assert page.run.outcome is Outcome.FAILED_RESTORED
    assert "Can't connect" in page.notice.text
    assert "v1.3.0 was not interrupted" in page.notice.text
    assert not page.roll_back_button.isEnabled()


def test_a_full_disk_does_not_end_a_run(qtbot: QtBot, page: DeployPage, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    broken = History(tmp_path / "file" / "history.db", tmp_path / "logs")
    stage = Stage(broken)
    run = begun(qtbot, page, stage)
    stage.let_go()
    ended(qtbot, run)
    assert run.outcome is Outcome.SUCCEEDED
    assert any("not in the history" in line for line in page.view.log.all_lines)


def test_a_refused_roll_back_leaves_what_was_said_of_the_run(
    qtbot: QtBot, history: History
) -> None:
    notice = Notice()
    holder = QWidget()
    notice.setParent(holder)
    qtbot.addWidget(holder)
    run = Run(Stage(history).task, holder)
    why = SlipwayError("Somebody has deployed since.", "v3 serves.", "Look at the releases.")
    run.end = RunEnded(Outcome.SUCCEEDED, why)
    say_outcome(notice, run, "It answers.")
    assert notice.text.splitlines() == [
        "Not rolled back",
        "Somebody has deployed since.",
        "v3 serves.",
        "Look at the releases.",
    ]
    assert outcome_text(Outcome.SUCCEEDED, why) == "not rolled back"
    assert outcome_text(Outcome.SUCCEEDED) == "succeeded"
    run.end = RunEnded(Outcome.SUCCEEDED)
    say_outcome(notice, run, "It answers.")
    assert notice.text.splitlines() == ["Done: it runs and is healthy", "It answers."]


@pytest.mark.parametrize(
    ("serving", "first", "asked", "told"),
    [
        ("v1", False, "v1, which ran before, runs again.", "v1 runs again."),
        ("", True, "Nothing of that name ran before", "Nothing of that name runs, as before."),
        ("", False, "What was there before is there again.", "Not restored"),
    ],
)
def test_rolling_back_says_what_runs_then(
    qtbot: QtBot, history: History, serving: str, first: bool, asked: str, told: str
) -> None:
    task = Stage(history).task
    task = replace(task, serving=serving, first=first, cannot=("databases",))
    assert back_words(task).startswith(asked)
    assert ("Releases" in back_words(task)) is bool(serving), "there may be none to go back to"
    holder = QWidget()
    qtbot.addWidget(holder)
    run = Run(task, holder)
    run.end = RunEnded(Outcome.ROLLED_BACK, switched=True)
    assert run.restored.startswith(told)
    assert run.restored.endswith("Not restored: databases.")
    run.end = RunEnded(Outcome.CANCELLED)
    assert "Not restored" not in run.restored, "the new version has not run"


@pytest.mark.parametrize(
    ("url", "target", "shown"),
    [
        ("http://localhost:8080/health", Target("10.0.0.5"), "http://10.0.0.5:8080/"),
        ("http://127.0.0.1/", Target("host"), "http://host/"),
        ("http://localhost:1/", Target("localhost", "local"), "http://localhost:1/"),
        ("https://hello.example/", Target("host"), "https://hello.example/"),
        ("http://localhost:8080/", Target("fd00::1"), "http://[fd00::1]:8080/"),
        ("", Target("host"), ""),
    ],
)
def test_where_the_browser_goes(url: str, target: Target, shown: str) -> None:
    wanted = request(health=HealthOptions(http=url))
    assert browser_url(DeployRequest("a", deploy=wanted.deploy, targets=(target,))) == shown


# Accessibility of what these pages add


def test_every_button_has_a_name(qtbot: QtBot, page: DeployPage) -> None:
    for each in page.findChildren(QPushButton):
        assert each.text() or each.accessibleName()


def test_nothing_is_rolled_back_to_while_a_run_is_interrupted(qtbot: QtBot) -> None:
    listed = ReleasePage(request())
    qtbot.addWidget(listed)
    there = two_releases()
    listed.set_idle(True)
    listed.show_releases(there)
    listed.table.selectRow(1)
    assert listed.roll_back_button.isEnabled()
    run = Interrupted("r", "Deploy", "1", "anna@desk", (), (), ())
    listed.show_releases(replace(there, records=replace(there.records, interrupted=run)))
    assert not listed.roll_back_button.isEnabled()
    assert "An interrupted run has to be taken back" in listed._words.text()


def test_a_release_whose_image_is_gone_does_not_lie_on_the_server(qtbot: QtBot) -> None:
    listed = ReleasePage(request())
    qtbot.addWidget(listed)
    there = two_releases()
    listed.show_releases(there)
    assert listed._words.text() == "2 releases, 1 can be rolled back to"
    listed.table.selectRow(0)
    assert "The current release can't be" in listed._words.text()
    listed.table.clearSelection()
    assert there.docker is not None
    listed.show_releases(replace(there, docker=replace(there.docker, kept=())))
    assert listed._words.text() == "2 releases, 0 can be rolled back to"
    assert [row[2] for row in listed._rows()] == ["serves now", "its files are gone"]
