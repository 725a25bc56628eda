"""The wizard for Windows services: the form, WinRM, what is found there, and the Server window."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QApplication,
    QComboBox,
    QLabel,
    QLineEdit,
    QPushButton,
    QRadioButton,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app.errors import AuthError, ConnectError, UntrustedHost
from app.host import HostFacts
from app.request import Target
from app.transport import Secret
from app.transport.local import LocalTransport
from app.windows_facts import Recovery, WindowsFacts, WindowsService
from app.windows_rules import ACCOUNT_PASSWORD
from tests.memory_keyring import MemoryKeyring
from ui.dialogs import ConfirmDialog, HostKeyDialog
from ui.draft import Draft
from ui.jobs import Found
from ui.pages.method import MethodPage
from ui.pages.server import ServerPage
from ui.server_words import process_id
from ui.targets import THIS_COMPUTER, fitting, over
from ui.task import TaskState
from ui.widgets.basics import Elided
from ui.widgets.command_view import CommandView
from ui.widgets.form import Field

WAIT = 30_000


@pytest.fixture
def method(qtbot: QtBot, draft: Draft) -> MethodPage:
    draft.set("name", "hello")
    draft.set("deploy.kind", "windows-service")
    made = MethodPage(draft)
    qtbot.addWidget(made)
    made.resize(860, 2400)
    made.show()
    made.enter()
    return made


@pytest.fixture
def server(qtbot: QtBot, draft: Draft) -> ServerPage:
    draft.set("name", "hello")
    draft.set("deploy.kind", "windows-service")
    made = ServerPage(draft)
    qtbot.addWidget(made)
    made.resize(860, 1600)
    made.show()
    made.enter()
    return made


def field(page: QWidget, key: str) -> Field:
    return next(each for each in page.findChildren(Field) if each.key == key)


def radio(page: QWidget, text: str) -> QRadioButton:
    return next(each for each in page.findChildren(QRadioButton) if each.text() == text)


# The form


def test_the_host_is_explained_by_what_the_program_is(
    qtbot: QtBot, method: MethodPage, draft: Draft, project: Callable[[str], Path]
) -> None:
    chosen = radio(method, "Slipway chooses")
    assert "once the project was understood" in chosen.accessibleDescription()
    draft.open(project("good"))
    qtbot.waitUntil(lambda: draft.project is not None, timeout=WAIT)
    draft.set("deploy.kind", "windows-service")
    assert "error 1053" in chosen.accessibleDescription()
    assert "service host runs it" in chosen.accessibleDescription()
    native = radio(method, "The program is a service itself")
    native.setFocus()
    qtbot.keyClick(native, Qt.Key.Key_Space)
    assert draft.request.deploy.windows.host == "native"
    assert "no service by itself" in field(method, "deploy.windows.host").problem
    assert any(each.blocking for each in method.problems())
    nssm = radio(method, "NSSM runs it")
    assert not field(method, "deploy.windows.nssm").isVisible()
    nssm.click()
    assert field(method, "deploy.windows.nssm").isVisible()
    assert field(method, "deploy.windows.host").problem == ""


def test_numbers_are_typed_with_blanks(qtbot: QtBot, method: MethodPage, draft: Draft) -> None:
    ports = field(method, "deploy.windows.firewall").control
    assert isinstance(ports, QLineEdit)
    ports.setFocus()
    qtbot.keyClicks(ports, "8080, x8443")
    assert draft.request.deploy.windows.firewall == (8080, 8443)
    assert ports.text() == "8080, 8443"
    again = field(method, "deploy.windows.restart").control
    assert isinstance(again, QLineEdit)
    assert again.text() == "5 5 60"
    again.setFocus()
    again.selectAll()
    qtbot.keyClicks(again, "0.5 10")
    assert draft.request.deploy.windows.restart == (0.5, 10.0)
    again.selectAll()
    qtbot.keyClick(again, Qt.Key.Key_Delete)
    assert draft.request.deploy.windows.restart == ()


def test_an_account_with_a_password(
    qtbot: QtBot, method: MethodPage, draft: Draft, memory_keyring: MemoryKeyring
) -> None:
    account = field(method, "deploy.windows.account")
    assert isinstance(account.control, QComboBox)
    assert account.control.currentText() == "LocalSystem"
    assert not field(method, "deploy.windows.grant-logon").isVisible()
    account.control.setFocus()
    account.control.setEditText("CORP\\svc-hello")
    assert draft.request.deploy.windows.account == "CORP\\svc-hello"
    assert field(method, "deploy.windows.grant-logon").isVisible()
    assert "password of CORP\\svc-hello is missing" in account.problem
    draft.set_secret(ACCOUNT_PASSWORD, Secret("geheim"), keep=True)
    assert account.problem == ""
    assert draft.secrets[ACCOUNT_PASSWORD].reveal() == "geheim"
    qtbot.waitUntil(lambda: not draft.values.keeping.running, timeout=WAIT)
    assert "geheim" in str(memory_keyring.__dict__)
    account.control.setEditText("CORP\\gmsa$")
    assert account.problem == ""
    assert not method._forms[1]._set_password.isVisible()  # type: ignore[attr-defined]


# WinRM


def test_only_ways_that_fit_are_offered_and_targets_follow(
    qtbot: QtBot, server: ServerPage, draft: Draft
) -> None:
    ways = server.address.ways
    assert [way for way, each in ways.items() if each.isVisible()] == ["winrm", "ssh"]
    assert ways["winrm"].isChecked()
    server.address.address.setFocus()
    qtbot.keyClicks(server.address.address, "win1")
    server.address.user.setFocus()
    qtbot.keyClicks(server.address.user, "CORP\\me")
    assert draft.target == Target("win1", "winrm", user="CORP\\me")
    assert server.address.port.text() == "usual (5986)"
    server.address.scheme.setCurrentIndex(1)
    assert server.address.port.text() == "usual (5985)"
    assert not field(server, "targets.ca").isVisible()
    assert not field(server, "targets.key").isVisible()
    server.address.auth.setCurrentIndex(3)
    assert "readable by everybody" in field(server, "targets.auth").problem
    ways["ssh"].click()
    assert draft.target == Target("win1", user="CORP\\me")
    assert field(server, "targets.key").isVisible()
    assert server.address.port.text() == "usual (22)"


def test_the_way_stays_chosen_before_there_is_an_address(
    qtbot: QtBot, server: ServerPage, draft: Draft
) -> None:
    server.address.ways["ssh"].click()
    assert draft.target is None
    assert server.address.ways["ssh"].isChecked()
    assert field(server, "targets.key").isVisible()
    draft.choose_kind("docker")
    draft.choose_kind("windows-service")
    assert server.address.ways["winrm"].isChecked(), "the way of the method that was looked at"


def test_other_kinds_take_their_targets_along() -> None:
    winrm = Target("win1", "winrm", 5986, "me", ca="a.pem")
    assert fitting("docker", (winrm, Target("b")), {}) == (Target("b"),)
    seen = {Target("b"): "linux/arm64", Target("win2"): "windows/amd64"}
    assert fitting("docker", (Target("win2"), Target("b")), seen) == (Target("b"),)
    assert fitting("windows-service", (Target("b"), winrm), seen) == (winrm,)
    there = {Target("nat", port=2201): "linux/amd64", over(Target("nat"), "winrm"): "windows/amd64"}
    assert fitting("windows-service", tuple(there), there) == (over(Target("nat"), "winrm"),)
    assert fitting("docker", tuple(there), there) == (Target("nat", port=2201),)
    assert fitting("docker", (THIS_COMPUTER,), seen) == (THIS_COMPUTER,)
    assert fitting("windows-service", (winrm, Target("b")), {}) == (winrm, Target("b"))
    assert fitting("windows-service", (THIS_COMPUTER,), {}) == ()
    assert fitting("process", (winrm,), {}) == (THIS_COMPUTER,)
    assert over(winrm, "winrm") is winrm


def test_a_failure_shows_what_to_do_on_the_server(
    qtbot: QtBot, server: ServerPage, draft: Draft
) -> None:
    draft.set("targets", (Target("win1", "winrm", user="me"),))
    assert server._help.isVisible()
    assert not server._help.opened

    def ask(_emit: object, _cancel: object) -> None:
        raise AuthError("me@win1 asks for a password.", needs="password")

    server._dialog = ConfirmDialog(server, "", "", "")  # no second one comes up
    draft.connecting.start(ask)
    qtbot.waitUntil(lambda: draft.connecting.state is TaskState.FAILED, timeout=WAIT)
    assert not server._help.opened  # the server is prepared, or it would not ask
    server._dialog = None

    def fail(_emit: object, _cancel: object) -> None:
        raise ConnectError("win1 does not answer.")

    draft.connecting.start(fail)
    qtbot.waitUntil(lambda: draft.connecting.running, timeout=WAIT)
    qtbot.waitUntil(lambda: draft.connecting.state is TaskState.FAILED, timeout=WAIT)
    assert server._help.opened
    lines = server._help.findChildren(CommandView)[0]
    assert "'win1'" in lines.text
    lines.copy()
    assert QApplication.clipboard().text() == lines.text
    server._help.set_opened(False)
    draft.changed.emit()
    assert not server._help.opened  # not opened again and again


def test_a_certificate_is_confirmed_in_its_own_words(qtbot: QtBot, server: ServerPage) -> None:
    error = UntrustedHost(
        "The certificate is not known yet", host="win1", port=5986, key_type="certificate",
        key_base64="AAAA", fingerprint="SHA256:x",
    )  # fmt: skip
    dialog = HostKeyDialog(server, error)
    qtbot.addWidget(dialog)
    dialog.show()
    texts = [each.text() for kind in (QLabel, QPushButton) for each in dialog.findChildren(kind)]
    assert "&Trust this certificate and connect" in texts
    assert not any("key" in text.lower() for text in texts)
    lines = dialog.findChildren(CommandView)[0]
    assert lines.isVisible()
    layout = dialog.layout()
    assert layout is not None
    qtbot.waitUntil(lambda: dialog.height() == layout.heightForWidth(dialog.width()))
    assert lines.height() < 120  # a few of its lines, the others by scrolling
    assert "CertificateThumbprint" in lines.text


# What is found


def foreign() -> WindowsService:
    return WindowsService(
        "hello", binary_path=r'"D:\old\hello.exe" -v', program=r"D:\old\hello.exe",
        arguments=("-v",), account="CORP\\svc$", start="delayed-auto", state="running",
        pid=41, process=42, recovery=Recovery(86400, (("restart", 5.0), ("none", 0.0))),
        env={"DB_PASSWORD": Secret("hunter2")}, dependencies=("Tcpip",), kind="nssm",
    )  # fmt: skip


def windows_facts(service: WindowsService | None) -> HostFacts:
    windows = WindowsFacts("slipway-host.exe", service=service, nssm=(r"C:\tools\nssm.exe",))
    target = Target("win1", "winrm", user="me")
    return HostFacts(
        target, "windows", "amd64", "Windows Server 2022", "WIN1", "WIN1\\me", 1_800_000_000,
        r"C:\Services\hello", windows=windows,
    )  # fmt: skip


def test_a_foreign_service_is_shown_whole_and_its_settings_kept_or_not(
    qtbot: QtBot, server: ServerPage, draft: Draft
) -> None:
    draft.set("targets", (Target("win1", "winrm", user="me"),))
    draft.connecting.settle(Found(LocalTransport(), windows_facts(foreign())))
    draft.changed.emit()
    facts = {name: words for name, words, _more in server._found._facts.facts}
    assert facts["Runs now"] == r"service hello, running: D:\old\hello.exe"
    assert facts["NSSM"] == r"C:\tools\nssm.exe"
    assert not server._help.isVisible()
    card = server._found.existing
    assert card.isVisible()
    shown = {name: words for name, words, _more in card.facts.facts}
    assert shown["Run by"] == "NSSM"
    assert shown["Account"] == "CORP\\svc$"
    assert shown["Start"] == "A little later, when Windows has started"
    assert shown["After a crash"] == "start it again after 5 s, then nothing"
    assert shown["Environment"] == "DB_PASSWORD"
    assert "hunter2" not in str(card.facts.facts)
    keep, replace_ = card.findChildren(QRadioButton)
    assert keep.isChecked()
    replace_.click()
    assert draft.request.deploy.windows.settings == "profile"
    keep.click()
    assert draft.request.deploy.windows.settings == "keep"
    plain = replace(windows_facts(None), windows=WindowsFacts("slipway-host.exe"))
    draft.connecting.settle(Found(LocalTransport(), plain))
    draft.changed.emit()
    assert not card.isVisible()


def test_the_process_that_serves() -> None:
    assert process_id(windows_facts(foreign())) == 42
    assert process_id(windows_facts(None)) == 0


def test_a_long_path_gives_up_its_middle(qtbot: QtBot) -> None:
    path = "/home/anna/" + "projects/" * 30 + "hello"
    line = Elided(path)
    qtbot.addWidget(line)
    line.resize(200, 20)
    line.show()
    assert "…" in line.text()
    assert line.text().startswith("/home")
    assert line.text().endswith("hello")
    assert line.toolTip() == line.accessibleName() == path
    line.actions()[0].trigger()
    assert QApplication.clipboard().text() == path
