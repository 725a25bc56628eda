"""What is given away: one file for each system, and its checksum."""

from __future__ import annotations

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
DESKTOP_FILES = (
    HERE / "slipway.desktop",
    HERE / "install.sh",
    HERE.parent / "icons" / "slipway.svg",
)


def finish(dist: Path, version: str) -> Path:
    """Pack what PyInstaller has left in ``dist``; returns the archive, its .sha256 beside it."""
    machine = {"amd64": "x86_64", "aarch64": "arm64"}.get(platform.machine().lower())
    machine = machine or platform.machine().lower()
    name = f"slipway-{version}-{SYSTEMS.get(sys.platform, sys.platform)}-{machine}"
    archive = PACKERS.get(sys.platform, _linux)(dist, name)
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    line = f"{digest}  {archive.name}\n"
    archive.with_name(archive.name + ".sha256").write_text(line, encoding="ascii", newline="\n")
    return archive


def _linux(dist: Path, name: str) -> Path:
    for file in DESKTOP_FILES:
        shutil.copy(file, dist / "slipway" / file.name)
    (dist / "slipway" / "install.sh").chmod(0o755)
    archive = dist / f"{name}.tar.gz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(dist / "slipway", name, filter=_owned_by_root)
    return archive


def _owned_by_root(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def _windows(dist: Path, name: str) -> Path:
    return Path(shutil.make_archive(str(dist / name), "zip", dist, "slipway"))


def _macos(dist: Path, name: str) -> Path:
    archive = dist / f"{name}.zip"
    # keeps the links and permissions of an application, which Python's zipfile does not
    command = ["ditto", "-c", "-k", "--sequesterRsrc", "--keepParent"]
    subprocess.run([*command, dist / "Slipway.app", archive], check=True)
    return archive


SYSTEMS = {"win32": "windows", "darwin": "macos"}
PACKERS = {"win32": _windows, "darwin": _macos}
