"""The packaged application, as somebody else has it: copied elsewhere, started by its file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

import dev
from tests.package.screen import Screen

BUILT = dev.ROOT / "dist" / "slipway"
PATIENCE = 170.0


@dataclass(frozen=True)
class Application:
    """The packaged application in some folder, started in an environment without a Python."""

    folder: Path

    @property
    def program(self) -> Path:
        return self.folder / ("slipway.exe" if sys.platform == "win32" else "slipway")

    def run(
        self, *words: str | Path, before: Sequence[str] = (), **options: object
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*before, self.program, *words],
            **{"env": environment(), "cwd": "/", "timeout": PATIENCE} | options,
            capture_output=True, text=True, encoding="utf-8", check=False,
        )  # fmt: skip


def environment(changes: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return what a user's session has: nothing that says where a Python is, or which Qt to use."""
    python = ("PYTHON", "QT_", "VIRTUAL_ENV")
    kept = {name: text for name, text in os.environ.items() if not name.startswith(python)}
    own = str(dev.BIN)
    paths = [path for path in kept["PATH"].split(os.pathsep) if path != own]
    return kept | {"PATH": os.pathsep.join(paths)} | dict(changes or {})


@pytest.fixture(scope="session")
def place() -> Iterator[Path]:
    """Return a folder that every user can reach, with blanks and Chinese characters in its path."""
    top = Path(tempfile.mkdtemp(prefix="slipway-package-"))
    top.chmod(0o755)
    folder = top / "部署 向导 and more"
    folder.mkdir()
    yield folder
    shutil.rmtree(top)


@pytest.fixture(scope="session")
def application(place: Path) -> Application:
    """Return the application in a folder that is not the one where it was made."""
    if not dev.is_packaged():
        pytest.fail("dist/slipway is not made from these sources: run python3 dev.py package")
    return Application(Path(shutil.copytree(BUILT, place / "Slipway", symlinks=True)))


@pytest.fixture
def screen() -> Iterator[Screen]:
    """Return a screen that nothing else is on."""
    with Screen() as made:
        yield made


@pytest.fixture
def open_window(
    application: Application, screen: Screen
) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Return what starts the application on the screen; it is ended with the test."""
    started = []

    def start(*words: str | Path, **changes: str) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [application.program, *words],
            cwd="/",
            env=environment({"DISPLAY": screen.display} | changes),
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.terminate()
        process.wait(30)
