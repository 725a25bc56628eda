"""Secrets planted everywhere are found nowhere: files, logs, reports, what is printed."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from PySide6.QtWidgets import QApplication, QPlainTextEdit, QPushButton
from pytestqt.qtbot import QtBot

from app.credentials import Credentials
from app.errors import SlipwayError
from app.events import Outcome
from app.request import HealthOptions, Target
from app.transport import Secret
from app.windows_rules import ACCOUNT_PASSWORD
from tests.memory_keyring import MemoryKeyring
from ui import __main__ as program
from ui.crash import CrashReporter
from ui.run import RunState
from ui.targets import THIS_COMPUTER
from ui.task import Task, TaskState
from ui.widgets.error_box import tell_error
from ui.wizard import Wizard

PATIENCE = 60_000  # milliseconds
PLANTED = {
    name: f"planted-{name}-5ecr3t"
    for name in (
        "program", "account", "registry", "login", "passphrase", "sudo", "address", "typed", "bug",
    )
}  # fmt: skip

# Prints all that it is given, as careless programs do, and can't start.
CARELESS = """\
package main

import (
\t"fmt"
\t"os"
)

func main() {
\tfmt.Println("environment:", os.Environ())
\tfmt.Fprintln(os.Stderr, "panic: can't log in with", os.Getenv("DB_PASSWORD"))
\tos.Exit(3)
}
"""


@pytest.fixture
def wizard(qtbot: QtBot) -> Iterator[Wizard]:
    made = program.make_wizard()
    qtbot.addWidget(made)
    made.show()
    qtbot.waitUntil(lambda: len(made._pages) == 6, timeout=PATIENCE)
    yield made
    made.close()
    draft = made.draft
    qtbot.waitUntil(
        lambda: not any(task.workers for task in draft.findChildren(Task)), timeout=PATIENCE
    )


@pytest.mark.slow
def test_planted_secrets_are_found_nowhere(
    qtbot: QtBot,
    wizard: Wizard,
    home: Path,
    tmp_path: Path,
    memory_keyring: MemoryKeyring,
    capfd: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "careless"
    folder.mkdir()
    (folder / "go.mod").write_text("module example.com/careless\n\ngo 1.21\n")
    (folder / "main.go").write_text(CARELESS)
    draft = wizard.draft
    wizard.open(folder)
    qtbot.waitUntil(lambda: draft.project is not None, timeout=PATIENCE)
    said = [_log_in_in_vain(qtbot, wizard), *_run_in_vain(qtbot, wizard)]
    said += [_report_of_a_bug(qtbot), _report_of_a_box(qtbot, wizard)]
    wizard.save_as(tmp_path / "slipway.toml")
    said.append((tmp_path / "slipway.toml").read_text())
    wizard.show_history()
    history = wizard.windows.shown()[0]
    qtbot.waitUntil(lambda: bool(history.log.lines), timeout=PATIENCE)  # type: ignore[attr-defined]
    said += history.log.all_lines  # type: ignore[attr-defined]
    said += list(capfd.readouterr())
    text = "\n".join(said)
    assert "environment:" in text  # the program did talk
    found = {name for name, value in PLANTED.items() if value in text}
    assert not found - {"bug"}, text  # whoever started it sees a bug's own words on stderr
    assert PLANTED["bug"] not in "\n".join(said[:-1])
    kept = {file.name for file in _files(home) if b"careless" in _read(file)}
    assert {"window.json", "history.sqlite"} & kept, kept  # else this looks in the wrong place
    leaks = [
        (str(file), name)
        for file in _files(home)
        for name, value in PLANTED.items()
        if value.encode() in _read(file)
    ]
    # on the server, for its account's eyes only: what it is given, and what it printed itself
    assert {(Path(file).name, name) for file, name in leaks} <= {
        ("secrets.json", "program"),
        ("output.log", "program"),
    }, leaks
    for file, _name in leaks:
        assert sys.platform == "win32" or Path(file).stat().st_mode & 0o077 == 0
    assert PLANTED["program"] in str(memory_keyring.__dict__)


def _log_in_in_vain(qtbot: QtBot, wizard: Wizard) -> str:
    """Give all that a login may need to a server that doesn't answer; returns the report."""
    draft = wizard.draft
    draft.set("targets", (Target("127.0.0.1", port=1, user="deploy"),))
    given = Credentials(
        Secret(PLANTED["login"]), Secret(PLANTED["passphrase"]), Secret(PLANTED["sudo"])
    )
    draft.test_connection(given, keep=frozenset({"password"}))
    qtbot.waitUntil(lambda: draft.connecting.state is TaskState.FAILED, timeout=PATIENCE)
    wizard._show(3)
    notice = wizard.page.notice
    assert notice._copy is not None
    notice._copy.click()
    return notice.text + QApplication.clipboard().text()


def _run_in_vain(qtbot: QtBot, wizard: Wizard) -> list[str]:
    """Deploy the careless program; returns what the window shows and copies."""
    draft = wizard.draft
    request = draft.request
    docker = replace(request.deploy.docker, registry="localhost:5000", registry_user="me")
    windows = replace(request.deploy.windows, account="CORP\\hello", grant_logon=True)
    deploy = replace(
        request.deploy, kind="process", secrets=("DB_PASSWORD",), docker=docker, windows=windows,
        health=HealthOptions(timeout=3, stable=0.5),
    )  # fmt: skip
    address = f"https://me:{PLANTED['address']}@127.0.0.1:1,off"
    build = replace(request.build, env={"GOPROXY": address}, checks=("vet",))
    wanted = replace(request, name="careless", deploy=deploy, targets=(THIS_COMPUTER,))
    draft.update(replace(wanted, build=build))
    [problem] = [each for each in draft.problems() if each.field == "build.env"]
    assert problem.blocking  # it would stand in slipway.toml
    assert PLANTED["address"] not in f"{problem.text} {problem.hint}"
    draft.update(wanted)
    draft.set_secret("DB_PASSWORD", Secret(PLANTED["program"]), keep=True)
    draft.set_secret(ACCOUNT_PASSWORD, Secret(PLANTED["account"]), keep=True)
    draft.values.set_registry_password(draft.request, Secret(PLANTED["registry"]), keep=True)
    qtbot.waitUntil(lambda: wizard.reachable() == wizard.last - 1, timeout=PATIENCE)
    wizard.go_to(wizard.last - 1)
    qtbot.waitUntil(wizard.next_button.isEnabled, timeout=PATIENCE)
    commands = wizard.review.view
    texts = [each.toPlainText() for each in commands.findChildren(QPlainTextEdit)]
    wizard.next()
    run = wizard.deploy.run
    assert run is not None
    qtbot.waitUntil(lambda: run.state is RunState.ENDED, timeout=PATIENCE)
    assert run.outcome is Outcome.FAILED_RESTORED
    wizard.deploy.copy_report()
    build_page = wizard.page_at(1)
    built = [each.toPlainText() for each in build_page.findChildren(QPlainTextEdit)]
    return [*texts, *built, *wizard.deploy.view.log.all_lines, wizard.deploy.notice.text,
            QApplication.clipboard().text()]  # fmt: skip


def _report_of_a_bug(qtbot: QtBot) -> str:
    reporter = CrashReporter(QApplication.instance() or QApplication([]))
    try:
        raise ValueError(PLANTED["bug"])
    except ValueError as error:
        reporter.report(type(error), error, error.__traceback__)
    qtbot.waitUntil(lambda: reporter.dialog is not None)
    assert reporter.dialog is not None
    reporter.dialog.copy()
    shown = reporter.dialog._text.toPlainText()
    reporter.dialog.close()
    return shown + QApplication.clipboard().text()


def _report_of_a_box(qtbot: QtBot, wizard: Wizard) -> str:
    from ui.report import conceal

    conceal(Secret(PLANTED["typed"]))
    error = SlipwayError("It failed", f"because of {PLANTED['typed']}", "Try again.")
    box = tell_error(wizard, error)
    [copy] = [each for each in box.findChildren(QPushButton) if "port" in each.text()]
    copy.click()
    assert box.isVisible()
    box.close()
    return QApplication.clipboard().text()


def _files(folder: Path) -> list[Path]:
    return [
        Path(where, name)
        for where, folders, names in os.walk(folder)
        for name in names
        if not Path(where, name).is_symlink() and "go-build" not in where
    ]


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""
