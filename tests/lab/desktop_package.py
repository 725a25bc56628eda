"""The application for Windows, made by Windows Python in the lab's Windows desktop."""

from __future__ import annotations

import shutil
from pathlib import Path

from resources.package.licences import python_licence
from tests.lab.desktop import CHECKOUT, Desktop, copy_checkout, make_image, started, unix_path
from tests.lab.machines import Lab
from tests.lab.windows_machines import WESTERN

DESKTOP = Desktop("desktop-packaging", WESTERN, "Windows, code page 1252")
PYTHON = r"C:\py"
GO = r"C:\Program Files\Go\bin"


def make_package(lab: Lab, root: Path, dist: Path) -> int:
    """Have PyInstaller make ``dist``/slipway of a checkout; returns 0, or raises RuntimeError.

    Starts the lab's engine, not its hosts.
    """
    lab.start_engine()
    image = make_image(lab)
    with started(lab, DESKTOP, image):
        copy_checkout(lab, DESKTOP, root)
        # the lab's Python came without its licence, whose words are the same everywhere
        (licence,) = python_licence()
        lab.docker("cp", str(licence), f"{DESKTOP.name}:{unix_path(PYTHON)}/LICENSE.txt")
        lab.say("packaging under Windows Python (some minutes)")
        # the package tells its version by its metadata
        _python(lab, "pip", "install", "-q", "--no-deps", "--no-build-isolation", "--no-index",
                "--no-warn-script-location", "--editable", ".")  # fmt: skip
        _python(lab, "PyInstaller", "--noconfirm", "--log-level", "WARN", "build_installer.spec")
        shutil.rmtree(dist, ignore_errors=True)
        dist.mkdir(parents=True)
        lab.docker("cp", f"{DESKTOP.name}:{unix_path(CHECKOUT)}/dist/slipway", str(dist))
    return 0


def _python(lab: Lab, module: str, *words: str) -> None:
    """Run a module of the desktop's Python in the checkout; raises RuntimeError if it fails."""
    lab.docker(
        *("exec", "-w", unix_path(CHECKOUT), f"--env=WINEPATH={GO}", "--env=PYTHONUTF8=1"),
        *(DESKTOP.name, "sh", "/lab/wine.sh", rf"{PYTHON}\python.exe", "-m", module, *words),
    )
