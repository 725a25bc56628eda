"""The installer for Windows, made by NSIS, and the hook that signs what Windows is to trust."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

SCRIPT = Path(__file__).resolve().parent.parent / "installer" / "slipway.nsi"
SIGN = "SLIPWAY_SIGN"
# where NSIS' own installer puts itself, which leaves the PATH alone
USUAL_PLACE = Path("C:/Program Files (x86)/NSIS/makensis.exe")


def find_makensis() -> str | None:
    """Return NSIS' compiler, or None where it is not installed."""
    return shutil.which("makensis") or (str(USUAL_PLACE) if USUAL_PLACE.is_file() else None)


def make(programs: Path, icon: Path, version: str, setup: Path) -> None:
    """Make the installer ``setup`` of all that is in the folder ``programs``, signed if it can be.

    Raises FileNotFoundError without NSIS, CalledProcessError if it or the signing fails.
    """
    makensis = find_makensis()
    if makensis is None:
        raise FileNotFoundError("The installer needs NSIS: its program makensis")
    size = sum(path.stat().st_size for path in programs.rglob("*") if path.is_file())
    defines = {
        "SOURCE": programs.resolve(),
        "OUTPUT": setup.resolve(),
        "ICON": icon.resolve(),
        "VERSION": version,
        "VERSION_NUMBERS": ".".join(map(str, version_numbers(version))),
        "KILOBYTES": size // 1024,
    }
    if os.environ.get(SIGN):  # the uninstaller is signed while it is made
        defines["SIGN"] = os.environ[SIGN]
    words = [f"-D{name}={value}" for name, value in defines.items()]
    # a warning is an error
    command = [makensis, "-V2", "-WX", "-INPUTCHARSET", "UTF8", *words, SCRIPT]
    subprocess.run(command, check=True)
    sign(setup)


def version_numbers(version: str) -> tuple[int, ...]:
    """Return a version as the four numbers that Windows wants."""
    return tuple([*map(int, re.findall(r"\d+", version)), 0, 0, 0][:4])


def sign(file: Path) -> None:
    """Sign a program with the command in SLIPWAY_SIGN, which gets its path; without it, don't."""
    if command := os.environ.get(SIGN):
        subprocess.run(f'{command} "{file}"', shell=True, check=True)
