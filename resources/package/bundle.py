"""What build_installer.spec asks: which files to pack, which to leave out."""

from __future__ import annotations

import gzip
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from resources.package import icu
from resources.package.icons import write_icons
from resources.package.installer import version_numbers
from resources.package.licences import GoPart, write_licences

__all__ = [
    "UNUSED_MODULES",
    "documents",
    "resources",
    "stripped",
    "used",
    "version_resource",
    "windows_hosts",
    "write_icons",
    "write_licences",
]

FOR_DEVELOPERS = ("at-windows", "benchmarks", "package", "windows-desktop")
_PICTURE = re.compile(r"\((images/[^)]+)\)")
Entry = tuple[str, str, str]  # where it goes in the package, where it lies now, PyInstaller's kind

# What libraries only mention, or fall back on where Python lacks its own parts in C.
UNUSED_MODULES = [
    "PySide6.QtNetwork",
    "_pydatetime",
    "_pydecimal",
    "asyncio",
    "bz2",
    "cffi",
    "doctest",
    "ftplib",
    "lzma",
    "multiprocessing",
    "pkg_resources",
    "pycparser",
    "pydoc",
    "setuptools",
    "smtplib",
    "statistics",
    "tkinter",
    "unittest",
    "xmlrpc",
]
# Of Qt's plugins only these are for what Slipway does: windows on each system, typing Chinese,
# pictures in SVG, the system's colours.
QT_PLUGINS = {
    "iconengines": ("qsvgicon",),
    "imageformats": ("qsvg", "qico") + (("qicns",) if sys.platform == "darwin" else ()),
    "platforminputcontexts": (
        "composeplatforminputcontextplugin",
        "ibusplatforminputcontextplugin",
    ),
    "platforms": ("qcocoa", "qwayland", "qwindows", "qxcb")
    + (("qoffscreen",) if sys.platform == "linux" else ()),
    "platformthemes": ("qxdgdesktopportal",),
    "styles": ("qmacstyle",),
    "wayland-decoration-client": ("adwaita", "bradient"),
    "wayland-shell-integration": ("qt-shell", "xdg-shell"),
}
QT_TRANSLATIONS = ("qtbase_zh_CN.qm", "qtbase_en.qm")
TRANSLATORS_FILES = (".po", ".pot")
# drawn by the processor: Qt's stand-ins for a graphics card's driver on Windows
QT_DRIVERS = ("opengl32sw.dll", "d3dcompiler_47.dll")
RUNTIME = "msvcp140.dll"
# What every Linux with a desktop has, and what must be its own: others would not fit its fonts,
# its services, its graphics card's driver.
DESKTOP_LIBRARIES = (
    "libdbus-1.", "libfontconfig.", "libfreetype.", "libgcc_s.", "libglib-2.0.", "libgthread-2.0.",
    "libstdc++.",
)  # fmt: skip


def resources(folder: Path) -> list[tuple[str, str]]:
    """Return all resources and where they go, but for what only packaging needs."""
    return [
        (str(path), path.parent.relative_to(folder.parent).as_posix())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and _wanted(path.relative_to(folder))
    ]


def documents(folder: Path, *, pictures: bool) -> list[tuple[str, str]]:
    """Return the documentation for users, perhaps with what it shows, and where it goes."""
    pages = [page for page in sorted(folder.glob("*.md")) if page.stem not in FOR_DEVELOPERS]
    texts = [page.read_text(encoding="utf-8") for page in pages]
    shown = {name for text in texts for name in _PICTURE.findall(text) if pictures}
    return [
        *((str(page), "docs") for page in pages),
        *((str(folder / name), "docs/images") for name in sorted(shown)),
    ]


def _wanted(path: Path) -> bool:
    unwanted = {"__pycache__", "prebuilt", "vendor"}  # what is made of them is inside
    if path.parts[0] in ("installer", "package") or path.suffix in TRANSLATORS_FILES:
        return False
    return not unwanted & set(path.parts)


def used(binaries: list[Entry], datas: list[Entry]) -> tuple[list[Entry], list[Entry]]:
    """Leave out what is for things that Slipway does not do, and links to that."""
    kept = list(_once(_reachable([entry for entry in binaries if not _unused(entry[0])])))
    others = [entry for entry in datas if not _unused(entry[0])]
    names = {entry[0] for entry in (*kept, *others)}
    gone = {entry[0] for entry in (*binaries, *datas)} - names

    def leads_somewhere(entry: Entry) -> bool:
        place, target, kind = entry
        return kind != "SYMLINK" or (PurePosixPath(place).parent / target).as_posix() not in gone

    return list(filter(leads_somewhere, kept)), list(filter(leads_somewhere, others))


def _unused(name: str) -> bool:
    """Return whether a file of Qt's is for something that Slipway does not do."""
    path = PurePosixPath(name.replace("\\", "/"))
    if path.parts[0] != "PySide6":
        return path.name == "RECORD" or "sboms" in path.parts
    if path.name in QT_DRIVERS:
        return True
    if "translations" in path.parts:
        return path.name not in QT_TRANSLATIONS
    if "plugins" in path.parts:
        return path.stem.removeprefix("lib") not in QT_PLUGINS.get(path.parent.name, ())
    return False


def _reachable(entries: list[Entry]) -> list[Entry]:
    """Leave out the libraries that only something unused asked for, and on Linux the desktop's.

    What stays is what Python itself, its extension modules and Qt's plugins are linked with.
    """
    if sys.platform not in LINKED_WITH:
        return entries
    linked_with = LINKED_WITH[sys.platform]
    libraries = {_file_name(place): source for place, source, kind in entries if kind != "SYMLINK"}
    asked: set[str] = set()
    left = [name for name in libraries if name.startswith(("libpython", "python3"))]
    left += [
        _file_name(place)
        for place, _source, kind in entries
        if kind == "EXTENSION" or "/plugins/" in place.replace("\\", "/")
    ]
    while left:
        name = left.pop()
        if name in asked or name not in libraries or name.startswith(DESKTOP_LIBRARIES):
            continue
        asked.add(name)
        left += linked_with(Path(libraries[name]))
    return [entry for entry in entries if _file_name(entry[0]) in asked]


def _once(entries: list[Entry]) -> Iterator[Entry]:
    """Put the C++ runtime that several packages bring beside Python's own, where all find it."""
    found = False
    for place, source, kind in entries:
        if _file_name(place) != RUNTIME:
            yield place, source, kind
        elif not found:
            found = True
            yield PurePosixPath(place.replace("\\", "/")).name, source, kind


def _file_name(place: str) -> str:
    name = PurePosixPath(place.replace("\\", "/")).name
    return name.lower() if sys.platform == "win32" else name


def _linked_on_linux(library: Path) -> list[str]:
    shown = subprocess.run(["objdump", "-p", library], check=True, capture_output=True, text=True)
    return re.findall(r"^\s+NEEDED\s+(\S+)$", shown.stdout, re.MULTILINE)


def _linked_on_windows(library: Path) -> list[str]:
    import pefile  # part of PyInstaller, on Windows only

    names = ("IMAGE_DIRECTORY_ENTRY_IMPORT", "IMAGE_DIRECTORY_ENTRY_DELAY_IMPORT")
    kinds = [pefile.DIRECTORY_ENTRY[name] for name in names]
    with pefile.PE(library, fast_load=True) as read:
        read.parse_data_directories(kinds, import_dllnames_only=True)
        found = [
            *getattr(read, "DIRECTORY_ENTRY_IMPORT", ()),
            *getattr(read, "DIRECTORY_ENTRY_DELAY_IMPORT", ()),
        ]
    return [entry.dll.decode("ascii").lower() for entry in found]


LINKED_WITH = {"linux": _linked_on_linux, "win32": _linked_on_windows}


def stripped(entries: list[Entry], folder: Path) -> list[Entry]:
    """Drop the symbols for debuggers from what has some, on Linux, and what ICU is not asked for.

    Qt comes without symbols.
    """
    strip = shutil.which("strip")
    if sys.platform != "linux" or not strip:
        return entries
    shutil.rmtree(folder, ignore_errors=True)
    smaller = []
    for place, source, kind in entries:
        if kind != "SYMLINK" and icu.LIBRARY.search(place):
            smaller.append((place, str(icu.smaller(Path(source), folder)), kind))
            continue
        if kind == "SYMLINK" or place.startswith("PySide6/"):
            smaller.append((place, source, kind))
            continue
        copy = folder / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        subprocess.run([strip, "--strip-unneeded", "-o", copy, source], check=True)
        smaller.append((place, str(copy), kind))
    return smaller


def windows_hosts(source: Path, folder: Path) -> tuple[list[Path], list[GoPart]]:
    """Build slipway-host.exe for every architecture of Windows from the Go module ``source``.

    Returns the programs, compressed to less than half, each with the id of its sources beside it,
    and what of Go's is in them.
    """
    from app import winhost
    from app.toolchain import find_toolchain

    toolchain = find_toolchain()
    made = []
    for architecture in winhost.ARCHITECTURES:
        program = folder / f"slipway-host-{architecture}.exe"
        winhost.build_program(architecture, program, toolchain)
        packed = program.with_name(f"{program.name}.gz")
        packed.write_bytes(gzip.compress(program.read_bytes(), mtime=0))
        stamp = program.with_suffix(".id")
        stamp.write_text(winhost.source_id(), encoding="utf-8")
        made += [packed, stamp]
    vendored = source / "vendor"
    modules = re.findall(
        r"^# (\S+) (v\S+)$", (vendored / "modules.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    parts = [GoPart(name, version, vendored / name / "LICENSE") for name, version in modules]
    # Debian keeps Go's own elsewhere: the same words of the same people
    texts = (toolchain.goroot / "LICENSE", *(part.licence for part in parts))
    text = next(path for path in texts if path.is_file())
    return made, [GoPart("Go", toolchain.version, text), *parts]


def version_resource(name: str, project: Mapping[str, Any], file: Path) -> str:
    """Write what Windows shows of a program's origin, as PyInstaller reads it; return its path."""
    numbers = version_numbers(project["version"])
    texts = {
        "CompanyName": "Slipway",
        "FileDescription": "Slipway" if " " in name else "Slipway command line",
        "FileVersion": project["version"],
        "InternalName": name,
        "LegalCopyright": f"{project['license']}; see the folder licences",
        "OriginalFilename": f"{name}.exe",
        "ProductName": "Slipway",
        "ProductVersion": project["version"],
    }
    rows = ", ".join(f"StringStruct({key!r}, {text!r})" for key, text in texts.items())
    file.write_text(
        f"VSVersionInfo(ffi=FixedFileInfo(filevers={numbers}, prodvers={numbers}), kids=["
        # American English in UTF-16, as the next line says once more
        f"StringFileInfo([StringTable('040904B0', [{rows}])]),"
        " VarFileInfo([VarStruct('Translation', [1033, 1200])])])\n",
        encoding="utf-8",
    )
    return str(file)
