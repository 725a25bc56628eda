"""The lab's Windows desktop: Slipway's Python packages, Qt and Go, laid over the lab's Windows."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from tests.lab import windows_images
from tests.lab.images import Say
from tests.lab.kept import keep, run
from tests.lab.windows_images import PREFIX, ROOT, install_wheels, run_wine

REQUIREMENTS = (ROOT / "requirements" / "dev.txt", ROOT / "requirements" / "go.txt")
ICU_SOURCE = Path(__file__).resolve().parent / "windows" / "icuuc.s"
# Checks that run on Linux, and programs that pip would have put elsewhere.
UNUSED_PACKAGES = ("bin", "mypy", "mypyc")


def recipe() -> str:
    """Return a short hash of everything that goes into the image."""
    files = (Path(__file__), ICU_SOURCE, *REQUIREMENTS)
    text = windows_images.recipe().encode() + b"".join(file.read_bytes() for file in files)
    return hashlib.sha256(text).hexdigest()[:12]


def archive_path(cache: Path) -> Path:
    """Return where the image's layer is kept, whether it is there or not."""
    return cache / f"desktop-{recipe()}.tar"


def cached_layer(cache: Path, say: Say) -> Path:
    """Return the tar file that makes the lab's Windows a desktop, made now if need be."""
    archive = archive_path(cache)
    base = windows_images.cached_image(cache, say)
    if not archive.is_file():
        say("desktop: adding Qt, Go and what Slipway needs to Windows (once; about two minutes)")
        keep(archive, "desktop-*.tar", lambda work: make_layer(work, base))
    return archive


def make_layer(work: Path, base: Path) -> Path:
    """Make the layer's files in a work folder, as they lie in the root file system."""
    root = work / "root"
    root.mkdir()
    run("tar", "-C", str(root), "-xf", str(base))
    drive = root / PREFIX / "drive_c"
    packages = drive / "py" / "Lib" / "site-packages"
    # What the servers need is not what a desktop has.
    shutil.rmtree(packages)
    for requirements in REQUIREMENTS:
        install_wheels(requirements, drive / "py")
    for unused in UNUSED_PACKAGES:
        shutil.rmtree(packages / unused)
    make_icu(packages / "PySide6" / "Qt6Core.dll", drive / "windows" / "system32" / "icuuc.dll")
    go = drive / "Program Files" / "Go"
    (packages / "go").rename(go)
    compile_all = ("-m", "compileall", "-q", r"C:\py\Lib\site-packages")
    run_wine(root, "wine", r"C:\py\python.exe", *compile_all)
    layer = work / "layer"
    for path in (packages, go, drive / "windows" / "system32" / "icuuc.dll"):
        moved = layer / path.relative_to(root)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)
    return layer


def make_icu(qt: Path, library: Path) -> None:
    """Make the icuuc.dll that a Qt library imports and Wine lacks: it knows no converter."""
    imports = run("x86_64-w64-mingw32-objdump", "-p", str(qt)).partition("DLL Name: icuuc.dll")[2]
    names = re.findall(r"\b(?:ucnv|UCNV)_\w+", imports.partition("DLL Name:")[0])
    exports = "".join(
        f"  {name}\n" if name == "ucnv_open" else f"  {name} = nothing\n" for name in names
    )
    definition, code = library.with_suffix(".def"), library.with_suffix(".o")
    definition.write_text(f"LIBRARY icuuc\nEXPORTS\n{exports}")
    run("x86_64-w64-mingw32-as", "-o", str(code), str(ICU_SOURCE))
    run(
        *("x86_64-w64-mingw32-ld", "-shared", "-e", "0", "-o", str(library)),
        *(str(definition), str(code)),
    )
    definition.unlink()
    code.unlink()
