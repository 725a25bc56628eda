"""The whole wizard: a real project, really deployed on this computer, by keyboard alone."""

import json
import os
import socket
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPlainTextEdit,
    QPushButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.errors import SlipwayError
from app.events import Outcome, RunEnded
from app.history import History
from app.request import DeployRequest, HealthOptions, Target
from app.runner import Runner
from tests.command_line import begin
from ui import __main__ as program
from ui.crash import CrashReporter, crash_report
from ui.crash_dialog import CrashDialog
from ui.dialogs import ConfirmDialog
from ui.history_window import HistoryWindow
from ui.pages.project import ProjectPage
from ui.pages.review import ReviewPage
from ui.run import RunState
from ui.run_dialog import RunDialog
from ui.server_window import ServerWindow
from ui.settings import BegunRun, Settings
from ui.task import Task
from ui.unsaved import UnsavedDialog
from ui.widgets.basics import Notice
from ui.wizard import SERVER, Wizard

PATIENCE = 60_000  # milliseconds
CONTROLS = (QAbstractButton, QLineEdit, QComboBox, QPlainTextEdit, QAbstractItemView)


@pytest.fixture
def wizard(qtbot: QtBot) -> Iterator[Wizard]:
    made = program.make_wizard()
    qtbot.addWidget(made)
    made.show()
    made.activateWindow()
    with qtbot.waitActive(made):
        pass
    qtbot.waitUntil(lambda: len(made._pages) == 6, timeout=PATIENCE)
    yield made
    run = made._pages[made.last].run  # type: ignore[attr-defined]
    if run is not None and run.running:
        run.cancel()
        qtbot.waitUntil(lambda: not run.running, timeout=PATIENCE)
    made.close()
    draft = made.draft
    qtbot.waitUntil(
        lambda: not any(task.workers for task in draft.findChildren(Task)), timeout=PATIENCE
    )


@pytest.fixture
def port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def answers(request: DeployRequest, port: int) -> DeployRequest:
    deploy = replace(
        request.deploy,
        kind="process",
        env={"PORT": str(port), "GREETING": "one"},
        health=HealthOptions(http=f"http://127.0.0.1:{port}/health", timeout=15, stable=0.2),
    )
    here = Target("localhost", transport="local")
    return replace(request, name="hello", deploy=deploy, targets=(here,))


@pytest.fixture
def ready(
    qtbot: QtBot, wizard: Wizard, project: Callable[[str], Path], port: int
) -> Iterator[Wizard]:
    """Return a wizard with all answers given; what it deployed is stopped afterwards."""
    draft = wizard.draft
    wizard.open(project("good"))
    qtbot.waitUntil(lambda: draft.project is not None, timeout=PATIENCE)
    draft.update(answers(draft.request, port))
    qtbot.waitUntil(lambda: wizard.reachable() == wizard.last - 1, timeout=PATIENCE)
    request = draft.request
    yield wizard
    from app import service
    from app.host import probe
    from app.transport.local import LocalTransport

    local = LocalTransport()
    local.open()
    found = probe(local, request, request.targets[0])
    if found.records.state.current:
        service.control(local, request, found, "stop")


def get(port: int) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
        return str(answer.read().decode())


def press(qtbot: QtBot, window: QWidget, key: Qt.Key, alt: bool = False) -> None:
    focus = QApplication.focusWidget() or window
    modifier = Qt.KeyboardModifier.AltModifier if alt else Qt.KeyboardModifier.NoModifier
    qtbot.keyClick(focus, key, modifier)


def tab_to(qtbot: QtBot, window: QWidget, wanted: QWidget) -> None:
    """Press Tab until the focus is there."""
    for _time in range(200):
        if QApplication.focusWidget() is wanted:
            return
        press(qtbot, window, Qt.Key.Key_Tab)
    raise AssertionError(f"Tab never comes to {wanted}")


# The way


def test_next_is_off_exactly_while_something_is_missing(qtbot: QtBot, wizard: Wizard) -> None:
    assert not wizard.next_button.isEnabled()
    assert not wizard.back_button.isEnabled()
    assert wizard.page.problems()
    places = [item.entry.place for item in wizard.side_bar.items]
    assert places == ["current", "locked", "locked", "locked", "locked", "locked"]
    wizard.next()
    assert wizard.index == 0
    wizard.side_bar.chosen.emit(3)
    assert wizard.index == 0


@pytest.mark.slow
def test_deploying_and_rolling_back_by_keyboard(qtbot: QtBot, ready: Wizard, port: int) -> None:
    for _page in range(4):
        qtbot.waitUntil(ready.next_button.isEnabled, timeout=PATIENCE)
        before = ready.index
        focus = QApplication.focusWidget()
        assert focus is not None
        assert ready.isAncestorOf(focus)
        tab_to(qtbot, ready, ready.next_button)
        press(qtbot, ready, Qt.Key.Key_Space)
        assert ready.index == before + 1
    assert ready.page is ready.review
    qtbot.waitUntil(ready.next_button.isEnabled, timeout=PATIENCE)
    assert ready.next_button.text() == "&Deploy"
    plan = ready.draft.plan
    assert plan is not None
    tab_to(qtbot, ready, ready.next_button)
    press(qtbot, ready, Qt.Key.Key_Space)
    assert ready.page is ready.deploy
    assert not ready.back_button.isVisible()
    ready.back()
    ready.go_to(0)
    assert ready.page is ready.deploy
    assert QApplication.focusWidget() is ready.deploy.view.steps
    run = ready.deploy.run
    assert run is not None
    qtbot.waitUntil(lambda: run.state is RunState.ENDED, timeout=PATIENCE)
    assert (run.outcome, str(run.error or "")) == (Outcome.SUCCEEDED, "")
    assert [row.title for row in ready.deploy.view.steps.steps.rows] == [r.title for r in plan.rows]
    assert '"greeting":"one"' in get(port)

    # the same again is an empty plan: nothing to deploy
    ready.deploy.again_button.click()
    qtbot.waitUntil(lambda: ready.draft.plan is not None, timeout=PATIENCE)
    assert ready.draft.plan is not None
    assert ready.draft.plan.empty
    assert not ready.next_button.isEnabled()

    # another greeting, then back to the first by Roll back
    env = ready.draft.request.deploy.env | {"GREETING": "two"}
    ready.go_to(2)
    ready.draft.set("deploy.env", env)
    ready.go_to(ready.last)  # the last run can still be looked at
    assert ready.page is ready.deploy
    assert ready.deploy.run is run
    qtbot.waitUntil(lambda: ready.reachable() == ready.last - 1, timeout=PATIENCE)
    ready.go_to(ready.last - 1)
    qtbot.waitUntil(ready.next_button.isEnabled, timeout=PATIENCE)
    ready.next()
    second = ready.deploy.run
    assert second is not None
    qtbot.waitUntil(lambda: second.state is RunState.ENDED, timeout=PATIENCE)
    assert '"greeting":"two"' in get(port)
    tab_to(qtbot, ready, ready.deploy.roll_back_button)
    press(qtbot, ready, Qt.Key.Key_Space)
    question = ready.findChildren(ConfirmDialog)[0]
    qtbot.waitUntil(question.isActiveWindow)
    assert second.outcome is Outcome.SUCCEEDED  # not before it was asked
    question.findChildren(QPushButton)[0].click()
    qtbot.waitUntil(lambda: second.outcome is Outcome.ROLLED_BACK, timeout=PATIENCE)
    assert '"greeting":"one"' in get(port)
    _windows_beside(qtbot, ready, port)


def _windows_beside(qtbot: QtBot, ready: Wizard, port: int) -> None:
    """Look at what runs, restart it, find the runs in the history, stop it."""
    ready.show_server()
    server = next(each for each in ready.windows.shown() if isinstance(each, ServerWindow))
    qtbot.waitUntil(lambda: "listens on port" in server.log.shown, timeout=PATIENCE)
    assert "Running and healthy" in server._state.text()
    assert server.releases.rowCount() == 1
    server.releases.selectRow(0)
    assert not server.roll_back_button.isEnabled()  # it serves already
    assert_accessible(server)
    server._failed(SlipwayError("It went away."))
    assert server._state.text() == "Not known"
    server.look()
    qtbot.waitUntil(lambda: "Running and healthy" in server._state.text(), timeout=PATIENCE)
    count = server.log.shown.count("listens on port")
    server.restart_button.click()
    server.findChildren(ConfirmDialog)[0].findChildren(QPushButton)[0].click()
    qtbot.waitUntil(lambda: not server.findChildren(ConfirmDialog))
    qtbot.waitUntil(lambda: server.log.shown.count("listens on port") > count, timeout=PATIENCE)
    ready.show_history()
    history = next(each for each in ready.windows.shown() if isinstance(each, HistoryWindow))
    qtbot.waitUntil(lambda: history.model.rowCount() == 2)
    assert [run.outcome for run in history.model.runs] == [Outcome.ROLLED_BACK, Outcome.SUCCEEDED]
    qtbot.waitUntil(lambda: "rolled back" in history.log.shown)
    history.filter.setText("succeeded")
    assert history.shown.rowCount() == 1
    assert history.chosen == history.model.runs[1]
    history.filter.setText("nowhere")
    assert "No run matches" in history.notice.text
    qtbot.keyClick(history.filter, Qt.Key.Key_Escape)
    assert history.filter.text() == ""
    assert history.isVisible()
    assert history.notice.isHidden()
    assert history.chosen == history.model.runs[1]  # as before
    assert_accessible(history)
    history.table.selectRow(0)
    history.server_button.click()
    assert server.tabs.currentWidget() is server.release_page  # the same window again
    qtbot.waitUntil(server.stop_button.isEnabled, timeout=PATIENCE)
    server.stop_button.click()
    stop, cancel = server.findChildren(ConfirmDialog)[0].findChildren(QPushButton)
    assert [stop.text(), cancel.text()] == ["&Stop it", "&Cancel"]
    stop.click()
    qtbot.waitUntil(server.start_button.isEnabled, timeout=PATIENCE)
    with pytest.raises(urllib.error.URLError) as refused:
        get(port)
    assert isinstance(refused.value.reason, ConnectionRefusedError)
    history.close()
    server.close()
    assert ready.windows.shown() == ()


@pytest.mark.slow
def test_rolling_back_to_a_release_from_the_server_window(
    qtbot: QtBot, ready: Wizard, port: int
) -> None:
    for greeting in ("one", "two"):
        ready.draft.set("deploy.env", {"PORT": str(port), "GREETING": greeting})
        deploy(qtbot, ready)
    assert '"greeting":"two"' in get(port)
    ready.show_server()
    server = next(each for each in ready.windows.shown() if isinstance(each, ServerWindow))
    qtbot.waitUntil(lambda: server.releases.rowCount() == 2, timeout=PATIENCE)
    server.releases.selectRow(1)
    qtbot.waitUntil(server.roll_back_button.isEnabled, timeout=PATIENCE)
    server.roll_back_button.click()
    dialog = server.findChildren(RunDialog)[0]
    assert '"greeting":"two"' in get(port)
    assert_accessible(dialog)
    with qtbot.waitSignal(dialog.done_running, timeout=PATIENCE):
        dialog.start_button.click()
    assert dialog.run.outcome is Outcome.SUCCEEDED
    assert '"greeting":"one"' in get(port)
    assert ready.deploy.notice.text.startswith("A later run changed the service")
    assert not ready.deploy.roll_back_button.isEnabled(), "it would take back what is past"
    dialog.close()
    qtbot.waitUntil(lambda: server._dialog is None)
    server.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("button", "consent", "greeting"),
    [("Take it ba&ck…", "&Take it back", "one"), ("Finis&h it…", "&Finish it", "two")],
)
def test_an_interrupted_run_is_gone_on_with_only_when_asked(
    qtbot: QtBot, ready: Wizard, port: int, tmp_path: Path, button: str, consent: str, greeting: str
) -> None:
    deploy(qtbot, ready)
    request = ready.draft.request
    ready.draft.set("deploy.health", replace(request.deploy.health, stable=5.0))
    ready.draft.set("deploy.env", {"PORT": str(port), "GREETING": "two"})
    ready.save_as(tmp_path / "slipway.toml")
    killed = begin("deploy", tmp_path / "slipway.toml", "--yes", waits_for="must stay so")
    killed.kill()
    killed.communicate()
    ready.draft.look_again()
    qtbot.waitUntil(lambda: ready.reachable() == ready.last - 1, timeout=PATIENCE)
    ready.go_to(ready.last - 1)
    buttons = ready.review.findChildren(QPushButton)
    chosen = next(each for each in buttons if each.text() == button)
    qtbot.waitUntil(chosen.isVisible, timeout=PATIENCE)
    assert not ready.review.notice.isVisible(), "it sends one to the command line"
    assert ready._reason.isVisible()
    assert not ready.next_button.isEnabled()
    for answer in (1, 0):
        chosen.click()
        asked = ready.findChildren(ConfirmDialog)[-1]
        assert any(
            "“Deploy " in each.text().replace("\u200b", "") for each in asked.findChildren(QLabel)
        )
        answers = asked.findChildren(QPushButton)
        assert [each.text() for each in answers] == [consent, "&Cancel"]
        assert not ready.deploying
        ready.draft.look_again()  # what is asked stands, whatever is found out meanwhile
        answers[answer].click()
    assert ready.deploying
    qtbot.waitUntil(lambda: not ready.deploying, timeout=PATIENCE)
    assert f'"greeting":"{greeting}"' in get(port)


@pytest.mark.slow
def test_a_half_done_run_is_taken_back_without_the_secrets_it_was_begun_with(
    qtbot: QtBot, ready: Wizard, port: int, tmp_path: Path
) -> None:
    deploy(qtbot, ready)
    draft, path = ready.draft, ready.draft.request.project.path
    draft.set("deploy.health", replace(draft.request.deploy.health, stable=5.0))
    draft.set("deploy.env", {"PORT": str(port), "GREETING": "two"})
    ready.save_as(tmp_path / "slipway.toml")
    killed = begin("deploy", tmp_path / "slipway.toml", "--yes", waits_for="must stay so")
    killed.kill()
    killed.communicate()
    draft.set("deploy.secrets", ("DB_PASSWORD",))
    ready._seen.clear()  # as after a new start
    ready._show(0)
    ready.go_to(SERVER)
    assert ready.index == 0
    draft.settings.remember_run(path, BegunRun("Deploy", draft.request.name, str(draft.target)))
    ready.go_to(SERVER)
    assert ready.index == SERVER
    draft.look_again()
    qtbot.waitUntil(
        lambda: draft.facts is not None and draft.facts.records.interrupted is not None,
        timeout=PATIENCE,
    )
    ready._show(0)
    told = [each.text for each in ready.page.findChildren(Notice) if each.isVisible()]
    assert any("may be half done" in words for words in told), "until it is not any more"
    ready.show_server()
    server = next(each for each in ready.windows.shown() if isinstance(each, ServerWindow))
    qtbot.waitUntil(lambda: "was interrupted" in server.notice.text, timeout=PATIENCE)
    server._notice_action.click()
    assert ready.index == SERVER
    server.close()
    ready.finish()
    assert ready.page.title == "Method", "the value of the secret is missing"
    assert not ready.findChildren(ConfirmDialog)
    ready.take_back()
    ready.findChildren(ConfirmDialog)[-1].accept()
    qtbot.waitUntil(lambda: not ready.deploying, timeout=PATIENCE)
    assert ready.deploy.notice.text.splitlines() == [
        "Taken back; all is as it was before",
        f"{draft.facts.records.version_before('')} is the current release again.",
    ]
    assert '"greeting":"one"' in get(port)


@pytest.mark.slow
def test_a_run_that_could_not_put_everything_back_is_told_at_the_next_start(
    qtbot: QtBot, ready: Wizard
) -> None:
    deploy(qtbot, ready)
    settings, run = ready.draft.settings, ready.deploy.run
    assert run is not None
    assert [each.run for each in settings.projects] == [None]
    run.end = RunEnded(Outcome.FAILED_NOT_RESTORED)
    run.changed.emit()
    (kept,) = [each.run for each in settings.projects]
    assert kept is not None
    assert kept.title == run.task.title


@pytest.mark.slow
def test_deploying_again_leads_to_a_secret_without_a_value(qtbot: QtBot, ready: Wizard) -> None:
    deploy(qtbot, ready)
    ready.draft.set("deploy.secrets", ("DB_PASSWORD",))
    ready.deploy.start_over.emit()
    assert ready.page.title == "Method"


def test_the_server_window_leads_to_a_server_that_is_looked_at(
    qtbot: QtBot, wizard: Wizard
) -> None:
    target = Target("nowhere.invalid", user="deploy")
    wizard.draft.update(replace(wizard.draft.request, name="hello", targets=(target,)))
    wizard.windows.wizard_wanted.emit(wizard.draft.request)
    assert wizard.index == SERVER
    assert wizard.draft.connecting.running
    qtbot.waitUntil(lambda: wizard.draft.connecting.error is not None, timeout=PATIENCE)


def test_a_folder_without_a_project_leaves_no_tick_at_what_was_answered(
    qtbot: QtBot, ready: Wizard, tmp_path: Path
) -> None:
    ready._show(2)
    assert ready.side_bar.items[1].entry.place == "done"
    ready.open(tmp_path / "nothing here")
    ready._seen.add(1)
    qtbot.waitUntil(lambda: ready.draft.inspection.error is not None, timeout=PATIENCE)
    assert ready.side_bar.items[1].entry.place != "done"


@pytest.mark.slow
def test_the_last_run_is_not_that_of_another_project(
    qtbot: QtBot, ready: Wizard, project: Callable[[str], Path]
) -> None:
    deploy(qtbot, ready)
    first = ready.draft.request.project.path
    assert ready.side_bar.items[ready.last].entry.place == "done"
    ready.draft.set("targets", ())
    ready.deploy.start_over.emit()
    assert ready.page.title == "Server", "it would wait on Review for a server that is not named"
    ready.open(project("modules"))
    ready.go_to(ready.last)
    assert ready.page is not ready.deploy
    assert not ready.side_bar.items[ready.last].isEnabled()
    ready.open(first)
    ready.go_to(ready.last)
    assert ready.page is ready.deploy


def deploy(qtbot: QtBot, wizard: Wizard) -> None:
    """Go on to Review and deploy."""
    qtbot.waitUntil(lambda: wizard.reachable() == wizard.last - 1, timeout=PATIENCE)
    wizard.go_to(wizard.last - 1)
    qtbot.waitUntil(wizard.next_button.isEnabled, timeout=PATIENCE)
    wizard.next()
    qtbot.waitUntil(lambda: not wizard.deploying, timeout=PATIENCE)
    wizard.go_to(2)


@pytest.mark.slow
def test_closing_while_running_asks_cancels_and_waits(
    qtbot: QtBot, ready: Wizard, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    hold = threading.Event()
    take = Runner._take

    def slow(self: Runner, index: int, step: object, cancel: object) -> None:
        if index == 2:
            while not hold.wait(0.02):
                cancel.check()  # type: ignore[attr-defined]
        take(self, index, step, cancel)  # type: ignore[arg-type]

    monkeypatch.setattr(Runner, "_take", slow)
    ready.go_to(ready.last - 1)
    qtbot.waitUntil(ready.next_button.isEnabled, timeout=PATIENCE)
    ready.next()
    run = ready.deploy.run
    assert run is not None
    qtbot.waitUntil(lambda: ready.deploy.view.steps.steps.rows[2].state == "done", timeout=PATIENCE)
    begun = Settings().projects[0].run
    assert begun is not None  # should the window be killed now
    assert (begun.title, begun.target) == (run.task.title, "localhost")
    ready.close()
    assert ready.isVisible()
    close, stay = ready.findChildren(ConfirmDialog)[0].findChildren(QPushButton)
    assert [close.text(), stay.text()] == ["&Cancel the run and close", "&Keep running"]
    stay.click()
    assert run.running
    assert run.state is not RunState.CANCELLING
    ready.close()
    ready.findChildren(ConfirmDialog)[-1].findChildren(QPushButton)[0].click()
    assert run.state is RunState.CANCELLING
    assert ready.isVisible()
    qtbot.waitUntil(lambda: not ready.isVisible(), timeout=PATIENCE)
    assert run.outcome is Outcome.CANCELLED
    assert History().runs()[0].outcome is Outcome.CANCELLED
    assert Settings().projects[0].run is None


@pytest.mark.slow
def test_the_question_about_a_run_goes_with_the_run(
    qtbot: QtBot, ready: Wizard, monkeypatch: pytest.MonkeyPatch, port: int
) -> None:
    hold = threading.Event()
    take = Runner._take

    def slow(self: Runner, index: int, step: object, cancel: object) -> None:
        hold.wait(PATIENCE / 1000)
        take(self, index, step, cancel)  # type: ignore[arg-type]

    monkeypatch.setattr(Runner, "_take", slow)
    ready.go_to(ready.last - 1)
    qtbot.waitUntil(ready.next_button.isEnabled, timeout=PATIENCE)
    ready.next()
    ready.close()
    (question,) = ready.findChildren(ConfirmDialog)
    assert question.isVisible()
    gone = []
    question.destroyed.connect(lambda: gone.append(True))
    hold.set()
    qtbot.waitUntil(lambda: not ready.deploying, timeout=PATIENCE)
    qtbot.waitUntil(lambda: bool(gone))
    assert ready.isVisible()
    run = ready.deploy.run
    assert run is not None
    assert run.outcome is Outcome.SUCCEEDED


@pytest.mark.slow
def test_review_says_that_the_changed_source_does_not_compile(qtbot: QtBot, ready: Wizard) -> None:
    ready.go_to(ready.last - 1)
    qtbot.waitUntil(ready.next_button.isEnabled, timeout=PATIENCE)
    ready.go_to(0)
    source = ready.draft.request.project.path / "main.go"
    whole = source.read_text(encoding="utf-8")
    source.write_text(whole + "\nfunc broken() { return 1 }\n", encoding="utf-8")
    ready.go_to(ready.last - 1)
    page = ready.page
    assert isinstance(page, ReviewPage)
    qtbot.waitUntil(lambda: ready.draft.building.error is not None, timeout=PATIENCE)
    assert ready.draft.building.error is not None
    title = ready.draft.building.error.title
    assert page.notice.isVisible()
    assert page.notice.text.startswith(title)
    assert page.problems()[0].text == title
    assert page._again.isVisible()
    assert not page._spinner.isVisible()
    source.write_text(whole, encoding="utf-8")
    page._again.click()
    qtbot.waitUntil(ready.next_button.isEnabled, timeout=PATIENCE)
    assert not page.notice.isVisible()


@pytest.mark.slow
def test_a_profile_is_saved_and_opened(qtbot: QtBot, ready: Wizard, tmp_path: Path) -> None:
    file = tmp_path / "slipway.toml"
    ready.save_as(file)
    assert ready.side_bar.told == "Saved: slipway.toml"
    ready.open(file)
    qtbot.waitUntil(lambda: ready.draft.profile_path == file, timeout=PATIENCE)
    assert ready.draft.request.deploy.env["GREETING"] == "one"
    (tmp_path / "no").write_text("")
    ready.save_as(tmp_path / "no" / "slipway.toml")
    assert ready.findChildren(QMessageBox)[0].text()


def closing(wizard: Wizard) -> UnsavedDialog:
    wizard.close()
    assert wizard.isVisible()
    return shown(wizard)


def shown(wizard: Wizard) -> UnsavedDialog:
    return next(each for each in wizard.findChildren(UnsavedDialog) if each.isVisible())


def choose(dialog: QWidget, text: str) -> None:
    next(each for each in dialog.findChildren(QPushButton) if each.text() == text).click()


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["&Save", "&Don't save"])
def test_closing_asks_what_becomes_of_unsaved_changes(
    ready: Wizard, tmp_path: Path, answer: str
) -> None:
    file = tmp_path / "slipway.toml"
    ready.save_as(file)
    assert not ready.draft.unsaved
    ready.draft.set("deploy.env", {"GREETING": "changed"})
    choose(closing(ready), "&Cancel")
    assert ready.isVisible()
    choose(closing(ready), answer)
    assert not ready.isVisible()
    assert ("changed" in file.read_text("utf-8")) is (answer == "&Save")
    kept = ready.draft.settings.answers(ready.draft.request.project.path)
    assert ("changed" in kept) is (answer == "&Save")


@pytest.mark.slow
def test_another_project_waits_until_changes_are_settled(
    qtbot: QtBot, ready: Wizard, tmp_path: Path, project: Callable[[str], Path]
) -> None:
    file = tmp_path / "slipway.toml"
    ready.save_as(file)
    ready.draft.set("deploy.env", {"GREETING": "changed"})
    first, other = ready.draft.request.project.path, project("modules")
    ready.open(other)
    choose(shown(ready), "&Cancel")
    assert ready.draft.request.project.path == first
    ready.go_to(0)
    page = ready.page
    assert isinstance(page, ProjectPage)
    page._open(other)
    assert page._path.text() == str(first)
    choose(shown(ready), "&Save")
    assert "changed" in file.read_text("utf-8")
    assert ready.draft.request.project.path == other
    assert page._path.text() == str(other)


@pytest.mark.slow
def test_no_empty_space_between_the_cards_of_the_project(qtbot: QtBot, ready: Wizard) -> None:
    ready.go_to(0)
    page = ready.page
    assert isinstance(page, ProjectPage)
    folder, found = page._folder.parentWidget(), page._understood
    assert folder is not None
    qtbot.waitUntil(found.isVisible, timeout=PATIENCE)
    qtbot.waitUntil(lambda: 0 < found.y() - folder.geometry().bottom() < 40)


# Accessibility


def assert_accessible(window: QWidget) -> None:
    """Every control that the keyboard reaches says what it is."""
    nameless = [
        each
        for each in window.findChildren(QWidget)
        if isinstance(each, CONTROLS)
        and each.focusPolicy() != Qt.FocusPolicy.NoFocus
        and not _inside(each)
        and not (each.accessibleName() or getattr(each, "text", lambda: "")())
    ]
    assert not nameless, [(type(each), each.parent()) for each in nameless]


def _inside(widget: QWidget) -> bool:
    """Return whether it is a part of another control, which has the name."""
    above = widget.parent()
    while above is not None:
        if isinstance(above, QComboBox | QAbstractSpinBox):
            return True
        above = above.parent()
    return widget.objectName().startswith("qt_")


def test_every_control_of_every_page_has_a_name(wizard: Wizard) -> None:
    for index in range(6):
        assert_accessible(wizard.page_at(index))


@pytest.mark.slow
def test_every_button_of_a_page_has_its_own_letter(ready: Wizard) -> None:
    """Two controls with one mnemonic on a page would make Alt+letter ambiguous."""
    fixed = [ready.back_button, ready.next_button]
    for index in range(6):
        texts: list[str] = []
        page = ready.page_at(index)
        for each in (*page.findChildren(QPushButton), *fixed):
            if each.isVisibleTo(page) or each in fixed:
                texts += [each.text()]
        letters = [text[text.index("&") + 1].lower() for text in texts if "&" in text]
        assert len(letters) == len(set(letters)), (page.title, sorted(letters), texts)


def test_the_window_fits_a_small_screen(tmp_path: Path) -> None:
    tests = Path(__file__).parents[1]
    screens = json.loads((tests / "screen.json").read_text("utf-8"))
    screens["screens"][0] |= {"width": 960, "height": 540}  # 1920 × 1080 at 200 %
    (tmp_path / "screen.json").write_text(json.dumps(screens), encoding="utf-8")
    code = (
        "from PySide6.QtWidgets import QApplication as A; app = A([])\n"
        "from ui.__main__ import make_wizard\n"
        "wizard = make_wizard(); wizard.show(); print(wizard.width(), wizard.height())"
    )
    # by its name alone: a colon would end the option
    env = {"QT_QPA_PLATFORM": "offscreen:configfile=screen.json", "PYTHONPATH": str(tests.parent)}
    said = subprocess.check_output(
        [sys.executable, "-c", code], cwd=tmp_path, env=os.environ | env, text=True
    )
    assert said.split() == ["960", "540"]


# The entry point


def test_without_a_display_it_says_what_to_do(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delitem(os.environ, name, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    assert program.main([]) == 2
    assert "command line" in capsys.readouterr().err


def test_a_missing_file_is_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert program.main(["open", str(tmp_path / "no.toml")]) == 2
    assert "no.toml" in capsys.readouterr().err


def test_a_bug_is_shown_with_a_report_without_its_words(
    qtbot: QtBot, capsys: pytest.CaptureFixture[str]
) -> None:
    reporter = CrashReporter(QApplication.instance() or QApplication([]))

    def broken() -> None:
        raise ValueError("hunter2 is the password")

    def work() -> None:
        try:
            broken()
        except ValueError as error:
            reporter.report(type(error), error, error.__traceback__)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    qtbot.waitUntil(lambda: reporter.dialog is not None)
    dialog = reporter.dialog
    assert isinstance(dialog, CrashDialog)
    dialog.copy()
    report = QApplication.clipboard().text()
    assert "ValueError" in report
    assert "broken" in report
    assert "hunter2" not in report
    assert "ValueError: hunter2" in capsys.readouterr().err  # for whoever started it
    assert_accessible(dialog)
    dialog.close()
    assert "hunter2" not in crash_report(ValueError, ValueError("hunter2"), None)
