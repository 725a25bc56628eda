"""The Server page against a real host: its key, its password, its keyring, what runs there."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from keyring.backends import fail
from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import QApplication, QPushButton, QWidget
from pytestqt.qtbot import QtBot

from app.credentials import KnownHosts
from app.history import History
from tests.lab.hosts import LabHost
from tests.memory_keyring import MemoryKeyring
from ui.dialogs import ConfirmDialog, HostKeyDialog, SecretsDialog
from ui.draft import Draft
from ui.pages.server import ServerPage
from ui.settings import Settings
from ui.task import Task, TaskState
from ui.windows import Windows

WAIT = 60_000
pytestmark = pytest.mark.qt_log_ignore("propagateSizeHints", r"raise\(\)", extend=True)


@pytest.fixture
def draft(qtbot: QtBot, tmp_path: Path) -> Iterator[Draft]:
    made = Draft(Settings(tmp_path / "window.json"), KnownHosts(tmp_path / "known_hosts", ()))
    made.set("name", "adopted")
    yield made
    made.close()
    qtbot.waitUntil(lambda: not any(t.workers for t in made.findChildren(Task)), timeout=WAIT)


@pytest.fixture
def page(qtbot: QtBot, draft: Draft) -> ServerPage:
    made = ServerPage(draft)
    qtbot.addWidget(made)
    made.resize(860, 1200)
    made.show()
    made.enter()
    return made


def press(qtbot: QtBot, parent: QWidget, text: str) -> None:
    button = next(
        each for each in parent.findChildren(QPushButton) if each.text().replace("&", "") == text
    )
    assert button.isVisible()
    qtbot.mouseClick(button, Qt.MouseButton.LeftButton)


def enter_address(qtbot: QtBot, page: ServerPage, host: LabHost) -> None:
    page.address.address.setFocus()
    qtbot.keyClicks(page.address.address, f"{host.user}@{host.address}:{host.port}")
    if host.key:
        page.address.key.setFocus()
        qtbot.keyClicks(page.address.key, host.key)
    qtbot.keyClick(page.address.key, Qt.Key.Key_Return)


def host_key_dialog(qtbot: QtBot, page: ServerPage) -> HostKeyDialog:
    qtbot.waitUntil(lambda: isinstance(page._dialog, HostKeyDialog), timeout=WAIT)
    assert isinstance(page._dialog, HostKeyDialog)
    return page._dialog


def password_dialog(qtbot: QtBot, page: ServerPage) -> SecretsDialog:
    qtbot.waitUntil(lambda: isinstance(page._dialog, SecretsDialog), timeout=WAIT)
    assert isinstance(page._dialog, SecretsDialog)
    return page._dialog


def found(qtbot: QtBot, draft: Draft) -> None:
    ended = (TaskState.DONE, TaskState.FAILED)
    qtbot.waitUntil(lambda: draft.connecting.state in ended, timeout=WAIT)
    assert draft.connecting.error is None


def test_from_a_stranger_to_a_remembered_server(
    qtbot: QtBot,
    page: ServerPage,
    draft: Draft,
    hosts: dict[str, LabHost],
    memory_keyring: MemoryKeyring,
) -> None:
    host = hosts["bookworm-deploy"]
    enter_address(qtbot, page, host)
    first = host_key_dialog(qtbot, page)
    assert first.error.fingerprint in host.host_keys.values()
    qtbot.keyClick(first, Qt.Key.Key_Return)
    assert draft.connecting.state is TaskState.FAILED
    assert not draft.sign_ins.known_hosts.path.exists()
    press(qtbot, page, "Compare the key…")
    press(qtbot, host_key_dialog(qtbot, page), "Trust this key and connect")
    wrong = password_dialog(qtbot, page)
    qtbot.keyClicks(wrong._edits[0], "wrong")
    qtbot.keyClick(wrong._edits[0], Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: page._dialog not in (None, wrong), timeout=WAIT)
    right = password_dialog(qtbot, page)
    right._edits[0].setText(host.password)
    right.keeping.box.setChecked(True)
    qtbot.keyClick(right._edits[0], Qt.Key.Key_Return)
    found(qtbot, draft)
    assert draft.facts is not None
    assert draft.facts.docker is not None
    assert draft.facts.docker.version
    assert draft.facts.sudo
    assert host.password in memory_keyring.entries.values()
    assert host.password not in draft.settings.path.read_text(encoding="utf-8")
    facts = {name: words for name, words, _more in page._found._facts.facts}
    assert "linux/amd64" in facts["System"]
    assert "by sudo" in facts["Docker"]

    again = Draft(draft.settings, draft.sign_ins.known_hosts)
    again.set("name", "adopted")
    again.set("targets", draft.settings.targets[:1])
    again.test_connection()
    found(qtbot, again)
    assert again.facts is not None
    again.close()


def test_without_a_keyring_one_gets_in_all_the_same(
    qtbot: QtBot,
    page: ServerPage,
    draft: Draft,
    hosts: dict[str, LabHost],
) -> None:
    keyring.set_keyring(fail.Keyring())
    host = hosts["bookworm-deploy"]
    enter_address(qtbot, page, host)
    press(qtbot, host_key_dialog(qtbot, page), "Trust this key and connect")
    dialog = password_dialog(qtbot, page)
    assert page.notice.text.endswith("asks for a password.")
    dialog._edits[0].setText(host.password)
    dialog.keeping.box.setChecked(True)
    qtbot.keyClick(dialog._edits[0], Qt.Key.Key_Return)
    found(qtbot, draft)
    assert page.notice.text.startswith("Connected, but the password was not remembered")
    assert "There is none on this computer." in page.notice.text
    draft.look_again()
    found(qtbot, draft)
    assert draft.facts is not None


def test_a_password_typed_in_the_server_window_holds_for_the_page(
    qtbot: QtBot, page: ServerPage, draft: Draft, hosts: dict[str, LabHost], tmp_path: Path
) -> None:
    keyring.set_keyring(fail.Keyring())
    host = hosts["bookworm-deploy"]
    enter_address(qtbot, page, host)
    press(qtbot, host_key_dialog(qtbot, page), "Trust this key and connect")
    password_dialog(qtbot, page).reject()
    windows = Windows(draft, History(tmp_path / "history.db", tmp_path / "logs"))
    window = windows.show_server(draft.request)
    qtbot.addWidget(window)
    qtbot.waitUntil(lambda: window._refused is not None, timeout=WAIT)
    press(qtbot, window, "Enter password…")
    assert window._asking is not None
    window._asking._edits[0].setText(host.password)
    qtbot.keyClick(window._asking._edits[0], Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: window._seen is not None, timeout=WAIT)
    draft.test_connection()
    found(qtbot, draft)
    assert draft.facts is not None


def test_a_changed_key_blocks(
    qtbot: QtBot, page: ServerPage, draft: Draft, hosts: dict[str, LabHost]
) -> None:
    host, other = hosts["bookworm-root"], hosts["trixie-root"]
    lines = other.ssh("cat /etc/ssh/ssh_host_*_key.pub").stdout.splitlines()
    draft.sign_ins.known_hosts.path.write_text(
        "".join(f"[{host.address}]:{host.port} {line}\n" for line in lines)
    )
    enter_address(qtbot, page, host)
    dialog = host_key_dialog(qtbot, page)
    assert dialog.error.changed
    texts = [each.text() for each in dialog.findChildren(QPushButton)]
    assert texts == ["&Close"]  # nothing to trust it with
    qtbot.keyClick(dialog, Qt.Key.Key_Return)
    assert draft.facts is None
    assert any(problem.blocking for problem in page.problems())
    assert "has changed" in page.notice.text


@pytest.fixture
def foreign(hosts: dict[str, LabHost]) -> Iterator[LabHost]:
    """Have a container that Slipway did not make, from an image that holds nothing."""
    host = hosts["bookworm-root"]
    host.root("tar -C / -c etc/hostname | docker import - nothing:1")
    host.docker(
        "create", "--name", "adopted", "-p", "127.0.0.1:18999:80", "-e", "PORT=80",
        "-e", "DB_PASSWORD=s3cret", "-v", "/srv/adopted:/data", "nothing:1", "/server",
    )  # fmt: skip
    yield host
    host.docker("rm", "-f", "adopted")
    host.docker("rmi", "nothing:1")


def test_a_foreign_container_is_shown_and_its_settings_taken_over(
    qtbot: QtBot, page: ServerPage, draft: Draft, foreign: LabHost
) -> None:
    enter_address(qtbot, page, foreign)
    press(qtbot, host_key_dialog(qtbot, page), "Trust this key and connect")
    found(qtbot, draft)
    assert page._found._adopt.isVisible()
    facts = {name: words for name, words, _more in page._found._adopt_facts.facts}
    assert facts["Image"] == "nothing:1"
    assert facts["Ports"] == "127.0.0.1:18999:80"
    assert facts["Volumes"] == "/srv/adopted:/data"
    assert "DB_PASSWORD" in facts["Environment"]
    assert "s3cret" not in str(facts)
    press(qtbot, page, "Take these settings over")
    deploy = draft.request.deploy
    assert deploy.docker.ports == ("127.0.0.1:18999:80",)
    assert deploy.env == {"PORT": "80"}
    assert deploy.secrets == ("DB_PASSWORD",)
    assert draft.secrets["DB_PASSWORD"].reveal() == "s3cret"
    assert draft.facts is not None


def test_a_lock_left_behind_is_released(
    qtbot: QtBot, page: ServerPage, draft: Draft, hosts: dict[str, LabHost]
) -> None:
    host = hosts["bookworm-root"]
    draft.set("name", "locked")
    owner = json.dumps({"who": "anna@desk", "when": "today", "why": "Deploy", "run": "gone"})
    lock = "/opt/locked/lock"
    host.root(f"mkdir -p {lock} && echo {shlex.quote(owner)} > {lock}/owner.json")
    try:
        enter_address(qtbot, page, host)
        press(qtbot, host_key_dialog(qtbot, page), "Trust this key and connect")
        found(qtbot, draft)
        assert "anna@desk" in page._found._locked.text

        def consent() -> None:
            dialog = QApplication.activeModalWidget()
            assert isinstance(dialog, ConfirmDialog)
            press(qtbot, dialog, "Release the lock")

        QTimer.singleShot(100, consent)
        press(qtbot, page, "Release the lock…")
        qtbot.waitUntil(
            lambda: draft.facts is not None and draft.facts.records.lock is None, timeout=WAIT
        )
        assert page._found._locked.text == ""
        assert host.root(f"test -e {lock}", check=False).returncode == 1
    finally:
        host.root("rm -rf /opt/locked")
