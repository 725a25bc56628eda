"""Screenshots of every page for the docs, from the real program deploying on this computer.

``python -m tests.shots [FOLDER]`` writes them to docs/images, or to FOLDER: each in light and dark
and in every language, like project.png, project-dark.png, project.zh.png. ``--language zh_CN``
makes those of one language, ``--scale 2`` draws for a screen of twice the density, ``--dark``
everything in dark.
"""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app.i18n import LANGUAGES, language, use_language

if TYPE_CHECKING:
    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QApplication, QWidget

    from ui.draft import Draft
    from ui.server_window import ServerWindow
    from ui.wizard import Wizard

ROOT = Path(__file__).parent.parent
SUFFIXES = {"en": "", "zh_CN": ".zh"}  # of the files' names
PATIENCE = 120.0  # seconds


def main() -> int:
    """Take the screenshots; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tests.shots")
    parser.add_argument("folder", nargs="?", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--scale", default="1")
    parser.add_argument("--dark", action="store_true")
    parser.add_argument("--language", choices=LANGUAGES)
    options = parser.parse_args()
    if options.language is None:  # a program has one language
        command = [sys.executable, "-m", "tests.shots", *sys.argv[1:], "--language"]
        return max(subprocess.call([*command, language]) for language in LANGUAGES)
    options.folder.mkdir(parents=True, exist_ok=True)
    # of two kinds of platforms this one draws the same everywhere
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    os.environ["QT_SCALE_FACTOR"] = options.scale
    use_language(options.language)
    with _fresh_home(options.language) as home:
        Photographer(options.folder, home, dark=options.dark).work()
    return 0


@contextmanager
def _fresh_home(language: str) -> Iterator[Path]:
    """Keep the developer's own settings, history and keyring out of the pictures."""
    go = {
        name: subprocess.check_output(["go", "env", name], text=True).strip()
        for name in ("GOCACHE", "GOMODCACHE", "GOPATH")
    }
    home = Path(tempfile.mkdtemp(prefix="slipway-shots-"))
    names = ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
    os.environ.update(go | {"HOME": str(home), "LANGUAGE": language})
    os.environ.update({name: str(home / f".{name[4:9].lower()}") for name in names})
    os.environ["PYTHON_KEYRING_BACKEND"] = "keyring.backends.null.Keyring"
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


class Photographer:
    """Leads the wizard through a deployment and a roll back, and takes pictures on the way."""

    def __init__(self, folder: Path, home: Path, *, dark: bool) -> None:
        from PySide6.QtCore import Qt
        from PySide6.QtWidgets import QApplication

        from ui.__main__ import make_wizard, prepare
        from ui.theme import theme

        self.folder = folder
        self.project = home / "hello"
        shutil.copytree(ROOT / "tests" / "projects" / "good", self.project)
        _as_git(self.project)
        self.application: QApplication = QApplication(sys.argv[:1])
        prepare(self.application)
        self.schemes = {"": Qt.ColorScheme.Dark if dark else Qt.ColorScheme.Light}
        if not dark:
            self.schemes["-dark"] = Qt.ColorScheme.Dark
        self.theme = theme()
        self.theme.force(self.schemes[""])
        self.wizard: Wizard = make_wizard()
        self.wizard.resize(1180, 800)
        self.draft: Draft = self.wizard.draft

    def work(self) -> None:
        """Take all pictures."""
        self.wizard.show()
        self.take("welcome", self.wizard)
        self.wizard.open(self.project)
        self.until(lambda: self.draft.project is not None)
        self._windows_server()
        self._answer()
        self.until(lambda: self.draft.package is not None)
        self.wizard.go_to(0)
        for name in ("project", "build", "method", "server"):
            self.settle()
            self.take(name, self.wizard)
            self.until(self.wizard.next_button.isEnabled)
            self.wizard.next()
        self.until(lambda: self.draft.plan is not None)
        self.wizard.review.view.steps[2].set_opened(True)
        self.take("review", self.wizard)
        self._deploy()
        self._second_version()
        self._windows()
        self._stop()
        self.wizard.close()

    def _windows_server(self) -> None:
        """Show what is asked for a Windows service; no server is reached for it."""
        from app.request import HealthOptions, Target, WindowsOptions
        from ui.pages.setup_help import SetupHelp
        from ui.widgets.basics import bring_into_sight

        request = self.draft.request
        deploy = replace(
            request.deploy,
            kind="windows-service",
            env={"PORT": "8080"},
            health=HealthOptions(http="http://localhost:8080/health"),
            windows=WindowsOptions(account="virtual", firewall=(8080,)),
        )
        target = Target("server.example.com", transport="winrm", user="Administrator")
        self.draft.update(replace(request, name="hello", deploy=deploy, targets=(target,)))
        self.until(lambda: self.draft.package is not None)
        for index, name in ((2, "method-windows"), (3, "server-windows")):
            self.until(lambda index=index: self.wizard.reachable() >= index)
            self.wizard.go_to(index)
            self.settle()
            self.take(name, self.wizard)
        prepare = self.wizard.page.findChildren(SetupHelp)[0]
        prepare.set_opened(True)
        self.settle()
        bring_into_sight(prepare)
        self.settle()
        self.take("prepare-windows", self.wizard)

    def _answer(self) -> None:
        from app.request import HealthOptions, Target

        port = _free_port()
        request = self.draft.request
        health = HealthOptions(http=f"http://localhost:{port}/health", stable=3.0)
        deploy = replace(
            request.deploy,
            kind="process",
            env={"PORT": str(port), "GREETING": "Hello, harbour"},
            args=("-v",),
            health=health,
        )
        build = replace(request.build, stamp="main.version", checks=("vet", "test"))
        target = Target("localhost", transport="local")
        self.draft.update(
            replace(request, name="hello", build=build, deploy=deploy, targets=(target,))
        )

    def _deploy(self) -> None:
        self.until(self.wizard.next_button.isEnabled)
        self.wizard.next()
        rows = self.wizard.deploy.view.steps.steps.rows
        self.until(lambda: rows[4].state == "running")
        self.wait(0.3)
        self.take("deploying", self.wizard)
        self.until(lambda: not self.wizard.deploy.busy)
        self.settle()
        self.take("deployed", self.wizard)

    def _second_version(self) -> None:
        """Deploy a change, so that Review has differences and there is a way back."""
        from ui.dialogs import ConfirmDialog

        env = self.draft.request.deploy.env | {"GREETING": "Hello again"}
        self.wizard.go_to(2)
        self.draft.set("deploy.env", env)
        self.until(lambda: self.draft.package is not None)
        self.until(lambda: self.wizard.reachable() == self.wizard.last - 1)
        self.wizard.go_to(self.wizard.last - 1)
        self.until(lambda: self.draft.plan is not None)
        self.settle()
        self.take("review-change", self.wizard)
        self.until(self.wizard.next_button.isEnabled)
        self.wizard.next()
        self.until(lambda: not self.wizard.deploy.busy)
        self.wizard.deploy.roll_back_button.click()
        self.wizard.findChildren(ConfirmDialog)[0].accept()
        self.until(lambda: not self.wizard.deploy.busy)
        self.settle()
        self.take("rolled-back", self.wizard)

        self.wizard.deploy.again_button.click()
        self.until(lambda: self.draft.plan is not None)
        self.until(self.wizard.next_button.isEnabled)
        self.wizard.next()
        self.until(lambda: not self.wizard.deploy.busy)

    def _windows(self) -> None:
        from ui.run_dialog import RunDialog

        windows = self.wizard.windows
        self.wizard.show_server()
        server: ServerWindow = windows.shown()[0]  # type: ignore[assignment]
        self.until(lambda: bool(server.log.shown))
        self.until(lambda: server.releases.rowCount() > 0)
        self.settle()
        self.take("server-window", server)
        server.show_releases()
        server.releases.selectRow(server.releases.rowCount() - 1)
        self.settle()
        self.take("releases", server)
        self.until(server.roll_back_button.isEnabled)
        server.roll_back_button.click()
        self.settle()
        preview = server.findChildren(RunDialog)[0]
        self.take("roll-back-preview", preview)
        preview.close()
        windows.show_history()
        history = windows.shown()[0]
        self.wait(0.5)
        self.settle()
        self.take("history", history)

    def _stop(self) -> None:
        from app import service

        transport, facts = self.draft.transport, self.draft.facts
        if transport is not None and facts is not None:
            service.control(transport, self.draft.request, facts, "stop")

    # The camera

    def take(self, name: str, window: QWidget) -> None:
        """Take a picture in each scheme, with few colours: the docs' repository stays small."""
        for suffix, scheme in self.schemes.items():
            self.theme.force(scheme)
            self.wait(0.1)
            picture = with_few_colours(window.grab().toImage())
            file = f"{name}{suffix}{SUFFIXES[language()]}.png"
            picture.save(str(self.folder / file), quality=1)
        self.theme.force(self.schemes[""])

    def until(self, condition: Callable[[], bool]) -> None:
        """Let the program work until ``condition`` holds; raises TimeoutError."""
        end = time.monotonic() + PATIENCE
        while not condition():
            if time.monotonic() > end:
                problems = [problem.text for problem in self.wizard.page.problems()]
                raise TimeoutError(f"{self.wizard.page.title}: {problems}")
            self.wait(0.05)

    def settle(self) -> None:
        """Let what was just found out be shown."""
        self.wait(0.7)

    def wait(self, seconds: float) -> None:
        """Let the program work for a while."""
        from PySide6.QtCore import QEventLoop, QTimer

        loop = QEventLoop()
        QTimer.singleShot(round(seconds * 1000), loop.quit)
        loop.exec()


def with_few_colours(picture: QImage) -> QImage:
    """Keep the 256 colours that it has most of: a quarter of the size, and nobody sees it."""
    from PySide6.QtCore import Qt
    from PySide6.QtGui import QImage

    picture = picture.convertToFormat(QImage.Format.Format_RGB32)
    pixels = memoryview(picture.constBits()).cast("B").cast("I")
    colours = [colour for colour, _count in Counter(pixels).most_common(256)]
    plain = Qt.ImageConversionFlag.ThresholdDither
    return picture.convertToFormat(QImage.Format.Format_Indexed8, colours, plain)


def _as_git(folder: Path) -> None:
    """Make a repository of it: versions in the pictures come from its tag."""
    who = ("-c", "user.name=Slipway", "-c", "user.email=slipway@localhost")
    for words in (
        ("init", "-q"),
        ("add", "-A"),
        ("commit", "-qm", "First"),
        ("tag", "-am", "v1.4.2", "v1.4.2"),
    ):
        subprocess.run(["git", *who, *words], cwd=folder, check=True)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    sys.exit(main())
