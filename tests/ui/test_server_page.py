"""The Server page without a server: addresses, this computer, failures, and its dialogs."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QApplication, QCheckBox, QPushButton, QScrollArea
from pytestqt.qtbot import QtBot

from app.docker_facts import Container
from app.errors import AuthError, ConnectError, UntrustedHost
from app.kinds.docker_adopting import adopt
from app.releases import Entry, Interrupted
from app.request import DeployRequest, Target
from app.transport import Secret
from app.winhost import Tell
from ui.dialogs import HostKeyDialog, SecretsDialog, password_dialog
from ui.draft import Draft
from ui.jobs import Found, ssh_hosts
from ui.pages.interrupted import interrupted_words
from ui.pages.method import MethodPage
from ui.pages.server import ServerPage
from ui.proposals import with_value
from ui.settings import Settings
from ui.targets import THIS_COMPUTER
from ui.task import TaskState

WAIT = 30_000
Copy = Callable[..., Path]
KEY = "SHA256:" + "a" * 43


@pytest.fixture
def page(qtbot: QtBot, draft: Draft) -> ServerPage:
    draft.set("name", "hello")
    made = ServerPage(draft)
    qtbot.addWidget(made)
    made.resize(860, 900)
    made.show()
    made.enter()
    return made


@pytest.fixture
def closed_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def untrusted(*expected: str) -> UntrustedHost:
    return UntrustedHost(
        "web1 is not known yet",
        host="web1",
        port=22,
        key_type="ssh-ed25519",
        key_base64="AAAA",
        fingerprint=KEY,
        expected=expected,
    )


def button(page: object, text: str) -> QPushButton:
    found = page.findChildren(QPushButton)  # type: ignore[attr-defined]
    return next(each for each in found if each.text().replace("&", "") == text)


def test_an_address_is_taken_apart_and_a_refusal_explained(
    qtbot: QtBot, page: ServerPage, draft: Draft, closed_port: int
) -> None:
    assert "Choose a server." in page._test_field.problem
    page.address.address.setFocus()
    place = page.address.user.mapTo(page, QPoint())
    qtbot.keyClicks(page.address.address, f"deploy@127.0.0.1:{closed_port}")
    qtbot.keyClick(page.address.address, Qt.Key.Key_Return)
    assert draft.target == Target("127.0.0.1", port=closed_port, user="deploy")
    assert draft.connecting.running
    assert page._spinner.isVisible()
    assert page.busy
    qtbot.waitUntil(lambda: draft.connecting.state is TaskState.FAILED, timeout=WAIT)
    assert "refuses connections" in page.notice.text
    assert "sshd" in page.notice.text
    assert not page._answer.isVisible()
    assert any(problem.blocking for problem in page.problems())
    page.address.user.setFocus()
    qtbot.wait(50)  # for the box to have its place
    assert page.address.user.mapTo(page, QPoint()) == place, "it moved what is filled in"
    qtbot.keyClicks(page.address.user, "x")
    assert draft.connecting.state is TaskState.IDLE
    assert page.notice.text == ""
    assert "not been looked at" in page._test_field.problem


def test_why_connecting_failed_comes_into_sight(
    qtbot: QtBot, page: ServerPage, draft: Draft, closed_port: int
) -> None:
    frame = QScrollArea()
    qtbot.addWidget(frame)
    frame.setWidgetResizable(True)
    frame.setWidget(page)
    frame.resize(860, 300)
    frame.show()
    draft.set("targets", (Target("127.0.0.1", port=closed_port),))
    draft.test_connection()
    qtbot.waitUntil(lambda: draft.connecting.state is TaskState.FAILED, timeout=WAIT)
    qtbot.waitUntil(lambda: page.notice.visibleRegion().boundingRect() == page.notice.rect())
    frame.takeWidget()  # whoever made the page ends it


def test_this_computer_is_looked_at_by_itself(
    qtbot: QtBot, page: ServerPage, draft: Draft, settings: Settings
) -> None:
    draft.set("deploy.kind", "process")
    assert not page.address.ways["ssh"].isVisible()
    page.enter()
    assert draft.request.targets == (THIS_COMPUTER,)
    assert not page.address.address.isVisible()
    qtbot.waitUntil(lambda: draft.facts is not None, timeout=WAIT)
    facts = {name: words for name, words, _more in page._found._facts.facts}
    assert facts["Runs now"] == "nothing yet"
    assert facts["Releases"] == "none yet"
    assert not any(problem.blocking for problem in page.problems())
    assert settings.targets == (THIS_COMPUTER,)
    assert page.note == "this computer"


def test_what_the_server_lacks_blocks_here_and_warns_at_its_field(
    qtbot: QtBot, page: ServerPage, draft: Draft
) -> None:
    method = MethodPage(draft)
    qtbot.addWidget(method)
    draft.set("deploy.kind", "process")
    draft.set("targets", (THIS_COMPUTER,))
    qtbot.waitUntil(lambda: draft.facts is not None, timeout=WAIT)
    found: Found = draft.connecting.result
    draft.connecting.settle(Found(found.transport, replace(found.facts, writable=False)))
    assert [each.field for each in page.problems() if each.blocking] == ["deploy.root"]
    assert "may not write" in page._found._notices[0].text
    here = [each for each in method.problems() if each.field == "deploy.root"]
    assert [each.blocking for each in here] == [False]


def test_recent_servers_fill_the_fields(
    qtbot: QtBot, page: ServerPage, draft: Draft, settings: Settings
) -> None:
    known = Target("web1", port=2222, user="deploy", key="/keys/id")
    settings.remember_target(known)
    draft.changed.emit()
    assert page.address.recent.isVisible()
    assert "deploy@web1:2222" in page.address.names.stringList()
    page.address.name_completed("deploy@web1:2222")
    assert draft.target == known
    assert page.address.target() == known


def test_a_connection_under_way_can_be_stopped(
    qtbot: QtBot, page: ServerPage, draft: Draft
) -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        draft.set("targets", (Target("127.0.0.1", port=silent.getsockname()[1], user="x"),))
        qtbot.mouseClick(page._test_button, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(page._stop_button.isVisible, timeout=WAIT)
        qtbot.mouseClick(page._stop_button, Qt.MouseButton.LeftButton)
        assert "stopped" in page.notice.text
        assert page.notice.property("role") == "info"  # nothing is wrong
        assert page._test_button.isVisible()


def test_the_focus_moves_only_from_what_goes_away(
    qtbot: QtBot, page: ServerPage, draft: Draft
) -> None:
    draft.set("targets", (Target("web1", user="x"),))

    def ask(_emit: object, _cancel: object) -> None:
        raise AuthError("x@web1 asks for a password.", needs="password")

    page._dialog = HostKeyDialog(page, untrusted())  # no second one comes up
    draft.connecting.start(ask)
    qtbot.waitUntil(lambda: draft.connecting.error is not None, timeout=WAIT)
    page._answer.setFocus()
    draft.changed.emit()
    assert page.window().focusWidget() is page._answer
    draft.connecting.drop()
    assert page.window().focusWidget() is page._test_button
    page._dialog = None


def test_enter_and_escape_never_trust_an_unknown_key(qtbot: QtBot, page: ServerPage) -> None:
    for key in (Qt.Key.Key_Return, Qt.Key.Key_Escape):
        dialog = HostKeyDialog(page, untrusted())
        dialog.show()
        focus = QApplication.focusWidget()
        assert focus is not None
        assert focus.property("role") != "primary"
        qtbot.keyClick(dialog, key)
        assert not dialog.isVisible()
        assert dialog.result() == HostKeyDialog.DialogCode.Rejected
    dialog = HostKeyDialog(page, untrusted())
    dialog.show()
    qtbot.mouseClick(button(dialog, "Trust this key and connect"), Qt.MouseButton.LeftButton)
    assert dialog.result() == HostKeyDialog.DialogCode.Accepted


def test_a_changed_key_can_only_be_left_alone(qtbot: QtBot, page: ServerPage) -> None:
    dialog = HostKeyDialog(page, untrusted("SHA256:old"))
    dialog.show()
    texts = [each.text() for each in dialog.findChildren(type(page._state))]
    assert KEY in texts
    assert "SHA256:old" in texts
    answers = [each.text() for each in dialog.findChildren(QPushButton)]
    assert answers == ["&Close"]


def test_without_a_server_one_begins_at_its_address(
    qtbot: QtBot, page: ServerPage, draft: Draft
) -> None:
    page.activateWindow()
    qtbot.waitUntil(page.isActiveWindow)  # Windows may still be at the dialog of another test
    page.enter()
    for begin in (page.focus_first, page.show_problem):
        page._help.setFocus()
        begin()
        assert QApplication.focusWidget() is page.address.address
    draft.set("targets", (Target("web1"),))
    page.focus_first()
    assert QApplication.focusWidget() is page._test_button


def test_the_list_of_known_servers_closes_once_one_is_named(
    qtbot: QtBot, page: ServerPage, draft: Draft
) -> None:
    """It would take the next click, wherever that goes."""
    draft.settings.remember_target(Target("web1.example.com", user="deploy"))
    page.enter()
    edit = page.address.address
    edit.setFocus()
    popup = edit.completer().popup()
    assert popup is not None
    qtbot.keyClicks(edit, "web1.example.co")
    assert popup.isVisible()
    qtbot.keyClicks(edit, "m")
    qtbot.waitUntil(lambda: not popup.isVisible())


def test_a_password_is_not_shown_and_remembered_only_on_request(
    qtbot: QtBot, page: ServerPage
) -> None:
    dialog = password_dialog(page, Target("web1", user="deploy"), "password", "why")
    dialog.show()
    qtbot.keyClicks(dialog._edits[0], "hunter2")
    assert dialog._edits[0].displayText() != "hunter2"
    show = next(each for each in dialog.findChildren(QCheckBox) if each.text() == "&Show")
    show.click()
    assert dialog._edits[0].displayText() == "hunter2"
    assert not dialog.remember
    qtbot.keyClick(dialog._edits[0], Qt.Key.Key_Return)
    assert dialog.result() == SecretsDialog.DialogCode.Accepted
    assert dialog.secrets[0].reveal() == "hunter2"
    assert "hunter2" not in repr(dialog.secrets)


def test_names_of_the_ssh_configuration(tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text("Host web1 web2 *.lan !no\n  HostName 10.0.0.1\nhost=db\nHost *\n")
    assert ssh_hosts(config) == ("web1", "web2", "db")
    assert ssh_hosts(tmp_path / "none") == ()


def test_settings_of_a_foreign_container_are_taken_over() -> None:
    container = Container(
        id="1",
        name="hello",
        image="acme/hello:1",
        image_id="sha256:1",
        running=True,
        status="running",
        started="",
        restarts=0,
        exit_code=0,
        restart_policy="no",
        auto_remove=False,
        env={"PORT": Secret("80"), "DB_PASSWORD": Secret("s3cret")},
        ports=("80:80",),
        volumes=("/srv:/data",),
        network="web",
    )
    before = with_value(DeployRequest(name="hello"), "deploy.health.tcp", 8080)
    taken = adopt(container, before.deploy)
    request = replace(before, deploy=taken.options)
    assert request.deploy.health.tcp == 80
    assert request.deploy.docker.ports == ("80:80",)
    assert request.deploy.docker.volumes == ("/srv:/data",)
    assert request.deploy.docker.network == "web"
    assert request.deploy.docker.restart == "unless-stopped"
    assert request.deploy.env == {"PORT": "80"}
    assert request.deploy.secrets == ("DB_PASSWORD",)
    assert taken.secrets["DB_PASSWORD"].reveal() == "s3cret"
    assert "s3cret" not in repr(request)


def test_an_interrupted_run_says_what_is_done_and_what_is_not() -> None:
    run = Interrupted(
        "r",
        "Deploy hello v2",
        "rel",
        "anna@desk",
        ({}, {}, {}),
        ("Load the image", "Stop the old one", "Start the new one"),
        (Entry(0, {}, done=True), Entry(1, {})),
    )
    words = interrupted_words(run)
    assert "Done: Load the image" in words
    assert "perhaps half done: Stop the old one" in words
    assert "Not begun: Start the new one" in words


def test_what_takes_its_time_while_connecting_is_said(
    qtbot: QtBot, page: ServerPage, draft: Draft, monkeypatch: pytest.MonkeyPatch
) -> None:
    go_on = threading.Event()

    def connect(_target: Target, _credentials: object, _known: object, tell: Tell) -> None:
        tell("Building the tool…")
        go_on.wait(WAIT / 1000)
        raise ConnectError("It went away")

    monkeypatch.setattr("app.host.connect", connect)
    draft.set("targets", (Target("server", user="deploy"),))
    draft.test_connection()
    assert page._state.text() == "Connecting to deploy@server…"
    qtbot.waitUntil(lambda: page._state.text() == "Building the tool…", timeout=WAIT)
    go_on.set()
    qtbot.waitUntil(lambda: not draft.connecting.running, timeout=WAIT)
    assert page._state.text() == ""
    draft.test_connection()
    assert page._state.text() == "Connecting to deploy@server…"
