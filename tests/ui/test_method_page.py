"""The Method page: kinds, rows, health check, secrets, and what is folded away."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keyring
import pytest
from keyring.backends.fail import Keyring as NoKeyring
from keyring.errors import PasswordSetError
from PySide6.QtCore import QPoint, QPointF, Qt, QTimer
from PySide6.QtGui import QWheelEvent
from PySide6.QtWidgets import QApplication, QComboBox, QLabel, QLineEdit, QSpinBox, QWidget
from pytestqt.qtbot import QtBot

from app.transport import Secret
from tests.memory_keyring import MemoryKeyring
from ui.dialogs import SecretValueDialog
from ui.draft import Draft
from ui.pages.health_card import likely_port
from ui.pages.method import MethodPage
from ui.proposals import with_value
from ui.targets import THIS_COMPUTER
from ui.task import TaskState
from ui.widgets.form import Field
from ui.widgets.rows import RowsEditor

WAIT = 20_000


@pytest.fixture
def page(qtbot: QtBot, draft: Draft) -> MethodPage:
    draft.set("name", "hello")
    made = MethodPage(draft)
    qtbot.addWidget(made)
    made.resize(860, 2000)
    made.show()
    made.enter()
    return made


def field(page: QWidget, key: str) -> Field:
    return next(each for each in page.findChildren(Field) if each.key == key)


def rows(page: QWidget, key: str) -> RowsEditor:
    editor = field(page, key).control
    assert isinstance(editor, RowsEditor)
    return editor


def add_row(qtbot: QtBot, editor: RowsEditor, *texts: str) -> None:
    editor._add.setFocus()
    qtbot.keyClick(editor._add, Qt.Key.Key_Space)
    qtbot.waitUntil(lambda: isinstance(QApplication.focusWidget(), QLineEdit), timeout=WAIT)
    for text in texts:
        edit = QApplication.focusWidget()
        assert isinstance(edit, QLineEdit)
        qtbot.keyClicks(edit, text)
        qtbot.keyClick(edit, Qt.Key.Key_Tab)


def test_a_process_runs_on_this_computer(qtbot: QtBot, page: MethodPage, draft: Draft) -> None:
    card = page._kinds._cards["process"]
    qtbot.mouseClick(card, Qt.MouseButton.LeftButton, pos=QPoint(20, card.height() - 8))
    assert draft.request.deploy.kind == "process"
    assert draft.request.targets == (THIS_COMPUTER,)
    assert not field(page, "deploy.docker.ports").isVisible()
    assert field(page, "deploy.args").isVisible()
    qtbot.keyClick(card.radio, Qt.Key.Key_Left)
    assert draft.request.deploy.kind == "windows-service"
    assert draft.request.targets == ()
    assert field(page, "deploy.windows.host").isVisible()
    qtbot.keyClick(page._kinds._cards["windows-service"].radio, Qt.Key.Key_Left)
    assert draft.request.deploy.kind == "docker"
    assert not field(page, "deploy.windows.host").isVisible()
    assert field(page, "deploy.docker.ports").isVisible()


def test_rows_are_typed_by_keyboard(qtbot: QtBot, page: MethodPage, draft: Draft) -> None:
    add_row(qtbot, rows(page, "deploy.docker.ports"), "127.0.0.1:80", "8080/tcp")
    assert draft.request.deploy.docker.ports == ("127.0.0.1:80:8080/tcp",)
    add_row(qtbot, rows(page, "deploy.docker.volumes"), "/srv/hello", "/data:ro")
    assert draft.request.deploy.docker.volumes == ("/srv/hello:/data:ro",)
    add_row(qtbot, rows(page, "deploy.args"), "-name=a b")
    add_row(qtbot, rows(page, "deploy.args"), "-v")
    assert draft.request.deploy.args == ("-name=a b", "-v")
    add_row(qtbot, rows(page, "deploy.env"), "PORT", "80 80 ")
    assert draft.request.deploy.env == {"PORT": "80 80 "}


def test_what_is_being_typed_is_never_taken_away(
    qtbot: QtBot, page: MethodPage, draft: Draft
) -> None:
    editor = rows(page, "deploy.env")
    add_row(qtbot, editor, "AB", "1")
    add_row(qtbot, editor, "A", "2")
    second = editor._rows[1][0][0]
    second.setFocus()
    second.end(False)
    qtbot.keyClicks(second, "B")
    assert second.text() == "AB"
    assert len(editor.values()) == 2
    qtbot.keyClicks(second, "C")
    assert draft.request.deploy.env == {"AB": "1", "ABC": "2"}


def test_problems_stand_at_their_field(qtbot: QtBot, page: MethodPage, draft: Draft) -> None:
    name = field(page, "name").control
    assert isinstance(name, QLineEdit)
    name.setFocus()
    qtbot.keyClicks(name, " X")
    assert "can't be a service's name" in field(page, "name").problem
    page.focus_first()
    assert QApplication.focusWidget() is name
    draft.set("name", "hello")
    assert field(page, "name").problem == ""
    assert name.text() == "hello"
    assert not page._more.opened
    draft.set("deploy.docker.restart", "sometimes")
    assert page._more.opened
    assert "can't be used" in field(page, "deploy.docker.restart").problem


def choose(qtbot: QtBot, box: QComboBox, text: str) -> None:
    box.setFocus()
    qtbot.keyClicks(box, text)


def test_the_health_check_brings_its_fields_and_its_address(
    qtbot: QtBot, page: MethodPage, draft: Draft
) -> None:
    draft.set("deploy.docker.ports", ("9000:8080",))
    how = field(page, "deploy.health").control
    assert isinstance(how, QComboBox)
    assert how.currentText() == "Only that it stays up"
    for text, visible in (("Connect", "deploy.health.tcp"), ("Ask", "deploy.health.http")):
        how.setCurrentIndex(how.findText(text, Qt.MatchFlag.MatchStartsWith))
        how.activated.emit(how.currentIndex())
        shown = [
            f for f in ("deploy.health.tcp", "deploy.health.http") if field(page, f).isVisible()
        ]
        assert shown == [visible]
    health = draft.request.deploy.health
    assert (health.http, health.tcp) == ("http://localhost:9000/", 0)
    address = field(page, "deploy.health.http").control
    assert isinstance(address, QLineEdit)
    address.setFocus()
    address.selectAll()
    qtbot.keyClick(address, Qt.Key.Key_Delete)
    assert draft.request.deploy.health.http == ""
    assert field(page, "deploy.health.http").isVisible()
    qtbot.keyClicks(address, "ftp://x")
    assert "is not an HTTP address" in field(page, "deploy.health.http").problem


def test_the_focus_comes_back_to_a_secret_that_got_its_value(
    qtbot: QtBot, page: MethodPage, draft: Draft, memory_keyring: MemoryKeyring
) -> None:
    draft.set("deploy.secrets", ("DB_PASSWORD",))

    def changes() -> list[QWidget]:
        name = "Set the value of DB_PASSWORD"
        shown = (each for each in page._secrets.findChildren(QWidget) if each.isVisible())
        return [each for each in shown if each.accessibleName() == name]

    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, SecretValueDialog)
        qtbot.keyClicks(dialog._value, "s3cret")
        qtbot.keyClick(dialog._value, Qt.Key.Key_Return)

    qtbot.waitUntil(lambda: len(changes()) == 1)
    (before,) = changes()
    before.setFocus()
    QTimer.singleShot(50, answer)
    qtbot.keyClick(before, Qt.Key.Key_Space)
    assert draft.secrets["DB_PASSWORD"].reveal() == "s3cret"
    qtbot.waitUntil(lambda: changes() not in ([], [before]))  # its row was made anew
    assert [page.window().focusWidget()] == changes()


def test_secrets_are_asked_for_and_never_shown(
    qtbot: QtBot, page: MethodPage, draft: Draft, memory_keyring: MemoryKeyring
) -> None:
    asked: list[SecretValueDialog] = []

    def answer() -> None:
        dialog = page.findChild(SecretValueDialog) or QApplication.activeModalWidget()
        assert isinstance(dialog, SecretValueDialog)
        asked.append(dialog)
        assert not dialog._accept.isEnabled()
        qtbot.keyClicks(dialog._name, "1BAD")
        qtbot.keyClicks(dialog._value, "s3cret")
        assert not dialog._accept.isEnabled()
        dialog._name.selectAll()
        qtbot.keyClicks(dialog._name, "DB_PASSWORD")
        assert dialog._value.echoMode() == QLineEdit.EchoMode.Password
        qtbot.keyClick(dialog._value, Qt.Key.Key_Return)

    QTimer.singleShot(50, answer)
    qtbot.keyClick(page._secrets._add, Qt.Key.Key_Space)
    assert asked
    assert draft.request.deploy.secrets == ("DB_PASSWORD",)
    assert draft.secrets["DB_PASSWORD"].reveal() == "s3cret"
    assert "s3cret" not in repr(draft.request)
    qtbot.waitUntil(
        lambda: ("slipway/service/hello", "DB_PASSWORD") in memory_keyring.entries, timeout=WAIT
    )
    assert field(page, "deploy.secrets").problem == ""
    remove = next(
        each
        for each in page._secrets.findChildren(QWidget)
        if each.property("secret") == "DB_PASSWORD" and each.accessibleName().startswith("Remove")
    )
    qtbot.mouseClick(remove, Qt.MouseButton.LeftButton)
    assert draft.request.deploy.secrets == ()


def test_the_wheel_over_a_control_changes_nothing(
    qtbot: QtBot, page: MethodPage, draft: Draft
) -> None:
    draft.set("deploy.health.tcp", 8080)
    box = field(page, "deploy.health.tcp").control
    assert isinstance(box, QSpinBox)
    place = QPointF(10, 10)
    wheel: list[Any] = [
        place,
        QPointF(box.mapToGlobal(place.toPoint())),
        QPoint(0, 0),
        QPoint(0, 120),
        Qt.MouseButton.NoButton,
        Qt.KeyboardModifier.NoModifier,
        Qt.ScrollPhase.NoScrollPhase,
        False,
    ]
    for focus in (page._kinds._cards["docker"].radio, box):
        focus.setFocus()
        QApplication.sendEvent(box, QWheelEvent(*wheel))
        assert draft.request.deploy.health.tcp == 8080


def test_every_control_has_a_name_to_be_read_out(page: MethodPage) -> None:
    page._more.set_opened(True)
    for kind in (QLineEdit, QComboBox, QSpinBox):
        for widget in page.findChildren(kind):
            inner = isinstance(widget.parent(), QSpinBox | QComboBox) or (
                "spinbox" in widget.objectName()
            )
            assert inner or widget.accessibleName(), widget
    for each in page.findChildren(Field):
        assert each.control.accessibleName(), each.key


@pytest.mark.parametrize(
    ("key", "value", "port"),
    [
        ("deploy.health.tcp", 7000, 7000),
        ("deploy.health.http", "http://localhost:7001/x", 7001),
        ("deploy.docker.ports", ("127.0.0.1:7002:80",), 7002),
        ("deploy.docker.ports", ("80",), 8080),
        ("deploy.health.http", "http://localhost:x/", 8080),
    ],
)
def test_the_likely_port(draft: Draft, key: str, value: object, port: int) -> None:
    assert likely_port(with_value(draft.request, key, value)) == port


def test_a_check_of_a_port_that_is_not_published_is_none_to_propose(draft: Draft) -> None:
    request = with_value(draft.request, "deploy.kind", "docker")
    request = with_value(request, "deploy.docker.ports", ("7002:8080",))
    assert likely_port(with_value(request, "deploy.health.tcp", 8080)) == 7002


@pytest.mark.parametrize(
    ("key", "at"), [("tcp", lambda port: port), ("http", "http://localhost:{}/health".format)]
)
def test_a_check_follows_the_port_while_it_is_typed(
    draft: Draft, key: str, at: Callable[[int], object]
) -> None:
    draft.set("deploy.kind", "docker")
    draft.set("deploy.docker.ports", ("8080:8080",))
    draft.set(f"deploy.health.{key}", at(8080))
    for port in ("808:8080", ":8080", "1:8080", "18:8080", "127.0.0.1:18:8080"):
        draft.set("deploy.docker.ports", (port,))
    assert getattr(draft.request.deploy.health, key) == at(18)
    draft.set(f"deploy.health.{key}", at(9999))  # the user's own
    draft.set("deploy.docker.ports", ("19:8080",))
    assert getattr(draft.request.deploy.health, key) == at(9999)


def test_a_folder_is_no_secret(tmp_path: Path, page: MethodPage, draft: Draft) -> None:
    draft.set("deploy.env", {"API_TOKEN": "x"})
    assert "looks like a secret" in field(page, "deploy.env").problem


def test_without_a_keyring_nothing_is_offered_to_be_kept_in_it(
    qtbot: QtBot, page: MethodPage, draft: Draft
) -> None:
    keyring.set_keyring(NoKeyring())
    asked: list[tuple[bool, str, list[str]]] = []

    def answer() -> None:
        dialog = QApplication.activeModalWidget()
        assert isinstance(dialog, SecretValueDialog)
        QTimer.singleShot(WAIT, dialog.reject)  # a failed assertion would leave it open for good
        box = dialog.keeping.box
        qtbot.waitUntil(lambda: not box.isEnabled(), timeout=WAIT // 2)
        words = [each.text() for each in dialog.keeping.findChildren(QLabel) if each.isVisible()]
        layout = dialog.layout()
        assert layout is not None
        needed = layout.heightForWidth(dialog.width())
        qtbot.waitUntil(lambda: dialog.height() >= needed, timeout=WAIT // 4)  # nothing is squeezed
        asked.append((box.isChecked(), dialog.keeping.toolTip(), words))
        qtbot.keyClicks(dialog._name, "DB_PASSWORD")
        qtbot.keyClicks(dialog._value, "s3cret")
        qtbot.keyClick(dialog._value, Qt.Key.Key_Return)

    QTimer.singleShot(50, answer)
    qtbot.keyClick(page._secrets._add, Qt.Key.Key_Space)
    [(checked, tip, words)] = asked
    assert not checked
    assert words == [tip]
    assert "There is none on this computer." in tip
    assert draft.secrets["DB_PASSWORD"].reveal() == "s3cret"
    assert draft.values.keeping.state is TaskState.IDLE
    assert page.notice.text == ""


def test_a_value_that_the_keyring_refuses_is_told_at_its_field_while_it_is_there(
    qtbot: QtBot,
    page: MethodPage,
    draft: Draft,
    memory_keyring: MemoryKeyring,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_words: str) -> None:
        raise PasswordSetError("the disk is full")

    monkeypatch.setattr(memory_keyring, "set_password", refuse)
    draft.set("deploy.secrets", ("DB_PASSWORD",))
    draft.set_secret("DB_PASSWORD", Secret("s3cret"), keep=True)
    secrets = field(page, "deploy.secrets")
    qtbot.waitUntil(lambda: "the disk is full" in secrets.problem, timeout=WAIT)
    assert not secrets.blocked
    assert page.notice.text == ""
    draft.set("deploy.secrets", ())
    assert secrets.problem == ""
    draft.set("deploy.secrets", ("DB_PASSWORD",))
    draft.set_secret("DB_PASSWORD", Secret("another"), keep=False)
    assert secrets.problem == ""


def test_an_example_does_not_look_like_what_is_set(page: MethodPage, draft: Draft) -> None:
    right = field(page, "deploy.docker.cap-add").control
    assert isinstance(right, QLineEdit)
    assert right.placeholderText() == "none, like NET_BIND_SERVICE"
    editor = rows(page, "deploy.docker.ports")
    editor.set_values((("", ""),))
    edits = [edit for edits, _remove in editor._rows for edit in edits]
    assert {edit.placeholderText() for edit in edits} == {"like 8080"}
