"""The licences of everything that is packed into the application."""

from __future__ import annotations

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

HERE = Path(__file__).resolve().parent
WORDS = ("licen", "copying", "notice", "copyright")
QT = {"PySide6_Essentials", "shiboken6"}


@dataclass(frozen=True, slots=True)
class GoPart:
    """Something that is in a Go program: a module, or what comes with Go itself."""

    name: str
    version: str
    licence: Path


def write_licences(packed: Iterable[Path], go: Iterable[GoPart], folder: Path) -> None:
    """Write the licence texts of all that the ``packed`` files came from, and a list of them.

    ``go`` is what slipway-host.exe is made of. Raises LookupError for a file
    whose origin or licence can't be found: nothing is given away without its licence.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    rows = [
        ("Python", sys.version.split()[0], "PSF-2.0", _copy("Python", python_licence(), folder))
    ]
    files = {path.resolve() for path in packed}
    for found, own in _by_distribution(files).items():
        files -= own
        rows.append(_from_distribution(found, folder))
    rows += _from_system(_outside(files), folder)
    for part in go:
        name = part.name.replace("/", "-")
        rows.append((name, part.version, "BSD-3-Clause", _copy(name, [part.licence], folder)))
    _write_list(rows, folder)


def _by_distribution(files: set[Path]) -> dict[Distribution, set[Path]]:
    """Return which of the files came with which installed Python package."""
    owned = {}
    for found in distributions():
        listed = {Path(str(found.locate_file(name))).resolve() for name in found.files or ()}
        own = listed & files
        if own and found.name != "slipway":
            owned[found] = own
    return owned


def _from_distribution(found: Distribution, folder: Path) -> tuple[str, str, str, str]:
    texts = [
        Path(str(found.locate_file(name)))
        for name in found.files or ()
        if any(word in name.name.lower() for word in WORDS) and name.suffix not in (".py", ".pyc")
    ]
    if found.name in QT:  # their wheels have no texts
        texts = sorted((HERE / "licences").iterdir())
    licence = found.metadata.get("License-Expression") or found.metadata.get("License") or ""
    licence = licence.splitlines()[0] if licence else ""
    return found.name, found.version, licence, _copy(found.name, texts, folder)


def _outside(files: set[Path]) -> set[Path]:
    """Return the files that came from the system: neither from Python nor from this project."""
    ours = [Path(sysconfig.get_path("stdlib")), Path(sys.prefix), HERE.parent.parent]
    if sys.base_prefix != "/usr":
        ours.append(Path(sys.base_prefix))
    return {path for path in files if not any(path.is_relative_to(folder) for folder in ours)}


def _from_system(files: set[Path], folder: Path) -> list[tuple[str, str, str, str]]:
    """Take over what Debian says about the libraries that are packed from the system.

    The few that other systems add are parts of themselves, given away under their own terms.
    """
    if not shutil.which("dpkg-query"):
        return [(path.name, "", "part of the operating system", "") for path in sorted(files)]
    rows = {}
    for path in sorted(files):
        package = _debian_package(path)
        text = Path("/usr/share/doc") / package / "copyright"
        if not package or not text.is_file():
            raise LookupError(f"Nobody knows the licence of {path}")
        version = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Version}", package],
            check=True, capture_output=True, text=True,
        ).stdout  # fmt: skip
        rows[package] = (package, version, "", _copy(package, [text], folder))
    return list(rows.values())


def _debian_package(path: Path) -> str:
    """Return the package that a file belongs to, or "".

    A file under /usr may be known under the name that it had before /lib moved there.
    """
    names = [path]
    if path.is_relative_to("/usr"):
        names.append(Path("/") / path.relative_to("/usr"))
    for name in names:
        found = subprocess.run(
            ["dpkg-query", "-S", name], check=False, capture_output=True, text=True
        )
        if not found.returncode:
            return found.stdout.split(":")[0]
    return ""


def python_licence() -> list[Path]:
    """Return where the text of this Python's licence is; empty if it came without."""
    places = (
        Path(sysconfig.get_path("stdlib")) / "LICENSE.txt",
        Path(sys.base_prefix) / "LICENSE.txt",
        Path(f"/usr/share/doc/python3.{sys.version_info.minor}/copyright"),
    )
    return [path for path in places if path.is_file()][:1]


def _copy(name: str, texts: list[Path], folder: Path) -> str:
    """Copy licence texts into a folder of their own; return its name."""
    if not texts:
        raise LookupError(f"{name} comes without the text of its licence")
    for text in texts:
        place = folder / name / text.name
        while place.exists():
            place = place.with_stem(place.stem + "-2")
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(text, place)
    return name


def _write_list(rows: list[tuple[str, str, str, str]], folder: Path) -> None:
    lines = [
        "Slipway is licensed under the Apache License 2.0. This program contains the following",
        "software of others; each one's licence is in the folder of its name.",
        "",
    ]
    for name, version, licence, _place in sorted(rows, key=lambda row: row[0].lower()):
        lines.append("  ".join((f"{name:<28}", f"{version:<16}", licence)).rstrip())
    lines += [
        "",
        "Qt, PySide6 and shiboken6 are used under the GNU Lesser General Public License,",
        "version 3. They lie beside the program as shared libraries, unchanged, and may be",
        "replaced by versions of your own. Their source:",
        "https://download.qt.io/official_releases/QtForPython/",
        "Of ICU, which comes with them, the data of other languages are left out.",
        "",
    ]
    (folder / "LIST.txt").write_text("\n".join(lines), encoding="utf-8")
