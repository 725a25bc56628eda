"""What is given away: one file for each system, for Windows its installer too, and their checksums.

Runs with what dev.py has put into .venv: ``python -m resources.package.archive FOLDER SYSTEM``.
"""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from pathlib import Path

from resources.package import installer
from resources.package.icons import write_icons

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parent.parent / "pyproject.toml"
ICON = HERE.parent / "icons" / "slipway.svg"
DESKTOP_FILES = (HERE / "slipway.desktop", HERE / "install.sh", ICON)
MACHINES = {"amd64": "x86_64", "aarch64": "arm64"}
SYSTEMS = {"win32": "windows", "darwin": "macos"}


def finish(dist: Path, system: str) -> list[Path]:
    """Pack what PyInstaller has left in ``dist`` for a system, as ``sys.platform`` names it.

    Returns what was made; beside each is its .sha256.
    """
    machine = platform.machine().lower()
    machine = MACHINES.get(machine, machine)
    name = f"slipway-{project_version()}-{SYSTEMS.get(system, system)}-{machine}"
    made = PACKERS.get(system, _linux)(dist, name)
    for file in made:
        digest = hashlib.sha256(file.read_bytes()).hexdigest()
        line = f"{digest}  {file.name}\n"
        file.with_name(file.name + ".sha256").write_text(line, encoding="ascii", newline="\n")
    return made


def project_version() -> str:
    """Return the version that pyproject.toml says."""
    return str(tomllib.loads(PROJECT.read_text(encoding="utf-8"))["project"]["version"])


def _linux(dist: Path, name: str) -> list[Path]:
    for file in DESKTOP_FILES:
        shutil.copy(file, dist / "slipway" / file.name)
    (dist / "slipway" / "install.sh").chmod(0o755)
    archive = dist / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(dist / "slipway", name, filter=_owned_by_root)
    return [archive]


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def _windows(dist: Path, name: str) -> list[Path]:
    for program in (dist / "slipway").glob("*.exe"):
        installer.sign(program)
    archive = Path(shutil.make_archive(str(dist / name), "zip", dist, "slipway"))
    if not installer.find_makensis():
        sys.stdout.write("NSIS is not installed here: no installer was made.\n")
        return [archive]
    setup = dist / f"{name}-setup.exe"
    with tempfile.TemporaryDirectory() as icons:
        write_icons(ICON, Path(icons))
        installer.make(dist / "slipway", Path(icons) / "slipway.ico", project_version(), setup)
    return [archive, setup]


def _macos(dist: Path, name: str) -> list[Path]:
    archive = dist / f"{name}.zip"
    # keeps the links and permissions of an application, which Python's zipfile does not
    command = ["ditto", "-c", "-k", "--sequesterRsrc", "--keepParent"]
    subprocess.run([*command, dist / "Slipway.app", archive], check=True)
    return [archive]


PACKERS = {"win32": _windows, "darwin": _macos}


if __name__ == "__main__":
    for made in finish(Path(sys.argv[1]), sys.argv[2]):
        sys.stdout.write(f"{made.as_posix()}\n")
