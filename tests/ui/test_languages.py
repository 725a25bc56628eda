"""Nothing is cut: in the smallest window in every language, in the usual one with 40 % more."""

from __future__ import annotations

import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtCore import QTranslator
from PySide6.QtGui import QFontMetricsF
from PySide6.QtWidgets import (
    QAbstractButton,
    QApplication,
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QLabel,
    QLineEdit,
    QMessageBox,
    QPushButton,
    QVBoxLayout,
    QWidget,
)
from pytestqt.qtbot import QtBot

from app import i18n, service
from app.errors import UntrustedHost
from app.host import probe
from app.i18n import LANGUAGES, use_language
from app.request import KINDS, DeployRequest, HealthOptions, Target
from app.transport.local import LocalTransport
from tests.texts import TEMPLATE, read
from tests.ui.cut_texts import Stretched, cut_texts, stretched
from ui import __main__ as program
from ui import dialogs
from ui.crash_dialog import CrashDialog
from ui.dialogs import ask
from ui.history_window import read_log
from ui.jobs import Question
from ui.language import LanguageMenu, translate_qt
from ui.settings import Settings
from ui.task import Task
from ui.theme import monospace
from ui.widgets.basics import Disclosure
from ui.wizard import Wizard

PATIENCE = 60_000  # milliseconds
Open = Callable[[], Wizard]


@pytest.fixture(params=["stretched", *LANGUAGES])
def language(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Switch to a language for one test."""
    if request.param == "stretched":
        monkeypatch.setattr(i18n, "_translations", Stretched(read(TEMPLATE)))
    else:
        use_language(request.param)
    yield str(request.param)
    use_language("en")


@pytest.fixture
def wizard(qtbot: QtBot, language: str) -> Iterator[Wizard]:
    made = program.make_wizard()
    qtbot.addWidget(made)
    if language != "stretched":
        made.resize(made.minimumSize())
    made.show()
    qtbot.waitUntil(lambda: len(made._pages) == 6, timeout=PATIENCE)
    yield made
    made.close()
    draft = made.draft
    qtbot.waitUntil(
        lambda: not any(task.workers for task in draft.findChildren(Task)), timeout=PATIENCE
    )


def ready(request: DeployRequest) -> DeployRequest:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port = sock.getsockname()[1]
    deploy = replace(
        request.deploy,
        kind="process",
        env={"PORT": str(port), "GREETING": "one"},
        health=HealthOptions(http=f"http://127.0.0.1:{port}/health", timeout=15, stable=0.2),
    )
    here = Target("localhost", transport="local")
    return replace(request, name="hello", deploy=deploy, targets=(here,))


class Walk:
    """Goes through windows and remembers where a text was cut."""

    def __init__(self, qtbot: QtBot) -> None:
        self.qtbot = qtbot
        self.cut: dict[str, list[str]] = {}

    def look(self, scene: str, window: QWidget) -> None:
        """Open what can be opened, and look."""
        for each in window.findChildren(Disclosure):
            each.set_opened(True)
        for _time in range(20):  # a busy machine lays out later
            self.qtbot.wait(50)
            found = cut_texts(window)
            if not found:
                return
        self.cut[scene] = found

    def until(self, condition: Callable[[], bool]) -> None:
        self.qtbot.waitUntil(condition, timeout=PATIENCE)


@pytest.mark.slow
def test_nothing_is_cut_on_any_page(
    qtbot: QtBot, wizard: Wizard, project: Callable[[str], Path]
) -> None:
    walk = Walk(qtbot)
    draft = wizard.draft
    walk.look("welcome", wizard)
    wizard.open(project("good"))
    walk.until(lambda: draft.project is not None)
    draft.update(ready(draft.request))
    walk.until(lambda: wizard.reachable() == wizard.last - 1)
    for index in range(wizard.last):
        wizard.go_to(index)
        walk.until(wizard.next_button.isEnabled)
        walk.look(wizard.page.title, wizard)
    wizard.next()
    walk.until(lambda: wizard.index == wizard.last)
    walk.look("running", wizard)
    walk.until(lambda: not wizard.deploying)
    walk.look("ran", wizard)
    try:
        _look_at_windows(walk, wizard)
    finally:
        _stop(wizard)
    assert walk.cut == {}


def _look_at_windows(walk: Walk, wizard: Wizard) -> None:
    wizard.show_server()
    server = wizard.windows._servers.popitem()[1]
    walk.until(lambda: server.releases.rowCount() > 0)
    walk.look("server", server)
    server.show_releases()
    walk.look("releases", server)
    server.close()
    wizard.deploy.roll_back_button.click()
    (question,) = wizard.findChildren(dialogs.ConfirmDialog)
    walk.look("roll back now", question)
    question.accept()
    walk.until(lambda: not wizard.deploying)
    walk.look("rolled back", wizard)
    wizard.windows.show_history()
    history = wizard.windows.shown()[0]
    walk.look("history", history)
    history.close()


def _stop(wizard: Wizard) -> None:
    local = LocalTransport()
    local.open()
    request = wizard.draft.request
    found = probe(local, request, request.targets[0])
    if found.records.state.current:
        service.control(local, request, found, "stop")


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_cut_with_any_kind(
    qtbot: QtBot, wizard: Wizard, project: Callable[[str], Path], kind: str
) -> None:
    """Nothing is answered: every page has something to complain about."""
    walk = Walk(qtbot)
    draft = wizard.draft
    wizard.open(project("good"))
    walk.until(lambda: draft.project is not None)
    deploy = replace(draft.request.deploy, kind=kind, secrets=("DB_PASSWORD",))
    draft.update(replace(draft.request, name="Bad name", deploy=deploy, targets=(Target(""),)))
    for index in range(4):
        wizard._show(index)
        walk.look(wizard.page.title, wizard)
    assert walk.cut == {}


KEY = "SHA256:zy2WX1Yl0hYpwrNKVBSNlp3OpwxQzRFkLI3u6nRD0l8"
TARGET = Target("web1.example.com", user="deploy", port=2222)


def _dialogs(parent: QWidget) -> Iterator[QDialog]:
    for expected in ((), (KEY,)):
        yield dialogs.HostKeyDialog(
            parent,
            UntrustedHost(
                i18n._("{host} is not known yet: nothing was sent.").format(host=TARGET),
                i18n._("It shows the {key_type} key {offered}.").format(
                    key_type="ssh-ed25519", offered=KEY
                ),
                i18n._("Compare the fingerprint with the one the server's owner gives you, "
                       "then trust it."),
                host=TARGET.address,
                port=TARGET.port,
                key_type="ssh-ed25519",
                fingerprint=KEY,
                expected=expected,
                key_base64="",
            ),
        )  # fmt: skip
    why = i18n._("{target} did not accept this password.").format(target=TARGET)
    for needs in ("password", "passphrase", "sudo"):
        yield dialogs.password_dialog(parent, TARGET, needs, why)
    yield dialogs.question_dialog(parent, TARGET, Question("", (("Code:", True),)))
    yield dialogs.SecretValueDialog(parent, "", ("DB_PASSWORD",))
    yield dialogs.ConfirmDialog(
        parent, i18n._("Release the lock?"), why, i18n._("&Release the lock")
    )
    yield CrashDialog("Traceback")
    yield ask(parent, i18n._("A run is under way"), why, i18n._("&Cancel the run and close"), str)


def test_nothing_is_cut_in_any_dialog(qtbot: QtBot, language: str) -> None:
    walk = Walk(qtbot)
    parent = QWidget()
    qtbot.addWidget(parent)
    for dialog in _dialogs(parent):
        dialog.show()
        walk.look(f"{type(dialog).__name__} {dialog.windowTitle()}", dialog)
        dialog.close()
    assert walk.cut == {}


# What finds it


def test_cut_texts_are_found(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(300, 300)
    narrow = QLabel("much too long for this", window)
    narrow.setGeometry(0, 0, 40, 20)
    low = QLabel("much too long for this", window)
    low.setWordWrap(True)
    low.setGeometry(0, 30, 60, 15)
    small = QPushButton("much too long for this", window)
    small.setGeometry(0, 60, 40, 30)
    beyond = QPushButton("half outside", window)
    beyond.setGeometry(250, 100, 150, 30)
    example = QLineEdit(window)
    example.setPlaceholderText("much too long for this")
    example.setGeometry(0, 140, 60, 30)
    window.show()
    found = "\n".join(cut_texts(window))
    assert len(cut_texts(window)) == 5, found
    assert "half outside" in found


def test_what_fits_is_not_found(qtbot: QtBot) -> None:
    window = QWidget()
    qtbot.addWidget(window)
    column = QVBoxLayout(window)
    wrapped = QLabel("some words that are wrapped into several lines")
    wrapped.setWordWrap(True)
    for widget in (QLabel("short"), wrapped, QPushButton("&Press"), QLineEdit("x" * 200)):
        column.addWidget(widget)
    window.resize(200, 300)
    window.show()
    assert cut_texts(window) == []


def test_stretched_texts_keep_their_places() -> None:
    assert stretched("{done} of {total}").startswith("{done} öf {total} ")
    assert stretched("&Next").startswith("&Néxt ")
    assert stretched("Browse…").endswith("…")
    assert len(stretched("A sentence of usual length.")) >= 37
    assert stretched("· {x}\n– ") == "· {x}\n– "


# Qt's words, and the choice


def test_qt_speaks_the_language(qtbot: QtBot, qapp: QApplication) -> None:
    font = qapp.font()
    use_language("zh_CN")
    translate_qt(qapp)
    try:
        box = QDialogButtonBox(
            QDialogButtonBox.StandardButton.Cancel | QDialogButtonBox.StandardButton.Save
        )
        qtbot.addWidget(box)
        texts = [each.text() for each in box.findChildren(QAbstractButton)]
        assert all(re.search("[\u4e00-\u9fff]", text) for text in texts), texts
        files = QFileDialog()
        files.setOption(QFileDialog.Option.DontUseNativeDialog)
        qtbot.addWidget(files)
        words = [each.text() for kind in (QLabel, QPushButton) for each in files.findChildren(kind)]
        assert len(words) >= 4
        assert all(re.search("[\u4e00-\u9fff]", text) for text in words if text), words
        assert "Noto Sans CJK SC" in qapp.font().families()
        widths = [QFontMetricsF(monospace()).horizontalAdvance(text) for text in ("iiii", "WWWW")]
        assert widths[0] == pytest.approx(widths[1])  # in a fingerprint every letter counts
    finally:
        for each in qapp.findChildren(QTranslator):
            qapp.removeTranslator(each)
            each.deleteLater()
        qapp.setFont(font)


def test_a_log_is_shown_in_the_language(tmp_path: Path) -> None:
    """On the disk it is for programs too."""
    lines = [
        "    0.10  [1/2] running: 复制 a",
        "    0.20  [1/2] done: 复制 a",
        "    0.30  succeeded",
    ]
    log = tmp_path / "run.log"
    log.write_text("\n".join([*lines, "    0.40      | done: mine", "failed"]), encoding="utf-8")
    assert [text for _sort, text in read_log(log)][1] == "    0.20  [1/2] 复制 a: done"
    use_language("zh_CN")
    assert read_log(log) == [
        ("heading", "    0.10  [1/2] 复制 a：进行中"),
        ("stdout", "    0.20  [1/2] 复制 a：已完成"),
        ("stdout", "    0.30  成功"),
        ("stdout", "    0.40      | done: mine"),
        ("stdout", "failed"),
    ]


def test_a_language_is_chosen_and_remembered(qtbot: QtBot, settings: Settings) -> None:
    parent = QWidget()
    qtbot.addWidget(parent)
    menu = LanguageMenu(parent, settings)
    actions = menu.actions()
    assert [each.text() for each in actions] == ["As the system: English", "English", "简体中文"]
    assert [each.isChecked() for each in actions] == [True, False, False]
    actions[2].trigger()
    assert Settings(settings.path).language == "zh_CN"
    told = parent.findChildren(QMessageBox)
    assert [each.text() for each in told] == ["Slipway 将在下次启动时使用简体中文。"]
    told[0].close()
    again = LanguageMenu(parent, Settings(settings.path))
    assert [each.isChecked() for each in again.actions()] == [False, False, True]
    actions[1].trigger()  # what is spoken already needs no words
    assert settings.language == "en"
    actions[0].trigger()
    assert settings.language == ""
    assert len(parent.findChildren(QMessageBox)) <= 1


def test_the_window_starts_in_the_language_that_was_chosen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    Settings().remember_language("zh_CN")
    monkeypatch.setattr(program, "_no_display", lambda: True)
    assert program.main([]) == 2
    assert i18n.language() == "zh_CN"


def test_a_language_that_is_not_there_is_not_kept(settings: Settings) -> None:
    settings.remember_language("tlh")
    assert Settings(settings.path).language == ""
