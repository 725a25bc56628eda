"""The installed application does what a user's first minutes at Windows ask of it, in order."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

import pytest

import dev
from resources.package.archive import project_version
from tests.package.screen import Picture
from tests.windows_package.conftest import (
    DATA,
    FOLDER,
    OLD_VERSION,
    PROGRAMS,
    UNINSTALL_KEY,
    Computer,
)

VERSION = project_version()
BUILT = dev.WINDOWS_DIST / "slipway"
MOST_BYTES, MOST_INSTALLER_BYTES = 90_000_000, 40_000_000
SIDEBAR = (18, 40, 61)  # the dark blue of the window's side bar
WINDOW = rf"{FOLDER}\Slipway Wizard.exe"
COMMAND = rf"{FOLDER}\slipway.exe"
RUNS = 32


@pytest.fixture(scope="module")
def installed(computer: Computer, old_setup: str, setup: str) -> Iterator[Computer]:
    """Return the computer with this version on it, installed over an older one."""
    assert computer.run(old_setup, "/S", "/PATH").returncode == 0
    done = computer.run(setup, "/S")
    assert done.returncode == 0, done.stdout + done.stderr
    yield computer
    if computer.exists(COMMAND):
        computer.uninstall()


def shows_the_wizard(picture: Picture) -> bool:
    """Return whether the window is there with text in it: an empty one has a handful of colours."""
    colours = picture.colours()
    return len(colours) > 100 and colours[SIDEBAR] > 10_000


def keep(picture: Picture, name: str) -> None:
    """Keep what was seen, for somebody to look at."""
    folder = dev.ROOT / "shots" / "windows-package"
    folder.mkdir(parents=True, exist_ok=True)
    picture.save(folder / f"{name}.png")


def test_it_is_small() -> None:
    files = [path for path in BUILT.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
    (setup,) = dev.WINDOWS_DIST.glob("slipway-*-setup.exe")
    assert setup.stat().st_size < MOST_INSTALLER_BYTES


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_says_where_it_comes_from_and_what_it_expects(name: str) -> None:
    content = (BUILT / name).read_bytes()
    for setting in (b"PerMonitorV2", b">UTF-8<", b"longPathAware", b"asInvoker"):
        assert setting in content
    for text in ("ProductVersion", VERSION, name, "Apache-2.0"):
        assert text.encode("utf-16le") in content
    header = int.from_bytes(content[60:64], "little")
    console, windowed = 3, 2
    subsystem = int.from_bytes(content[header + 92 : header + 94], "little")
    assert subsystem == (console if name == "slipway.exe" else windowed)


def test_it_comes_with_licences_and_the_programs_for_servers() -> None:
    inside = BUILT / "_internal"
    listed = (inside / "licences" / "LIST.txt").read_text(encoding="utf-8")
    for name in ("Python ", "PySide6_Essentials ", "paramiko ", "Go "):
        assert f"\n{name}" in listed
    for architecture in ("amd64", "arm64"):
        name = f"slipway-host-{architecture}.exe.gz"
        packed = inside / "resources" / "winhost" / "prebuilt" / name
        assert gzip.decompress(packed.read_bytes())[:2] == b"MZ"


def test_the_older_version_is_gone(installed: Computer) -> None:
    assert not installed.exists(rf"{FOLDER}\_internal\old.txt")
    version = installed.value(UNINSTALL_KEY, "DisplayVersion")
    assert version == f'"{VERSION}"'
    assert version != f'"{OLD_VERSION}"'


def test_the_doctor_finds_all_that_is_needed(installed: Computer) -> None:
    done = installed.run("cmd", "/c", "slipway doctor --json")  # by the PATH that it was put on
    assert done.returncode == 0, done.stdout + done.stderr
    found = {line["name"]: line for line in map(json.loads, done.stdout.splitlines())}
    for name in ("Go", "Qt", "Settings", "Data", "Logs"):
        assert found[name]["there"], found[name]
    assert DATA.lower() in found["Data"]["found"].lower()


@pytest.mark.timeout(900)
def test_the_demonstration_runs_to_its_end(installed: Computer) -> None:
    """Builds, starts by its own supervisor, breaks, takes back, rolls back."""
    done = installed.run(COMMAND, "demo", "--headless", timeout=850)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "v1 → v2-broken → v1" in done.stdout


def test_it_speaks_chinese(installed: Computer) -> None:
    done = installed.run(COMMAND, "--language", "zh_CN", "--help")
    assert done.returncode == 0
    assert "选项" in done.stdout or "命令" in done.stdout, done.stdout


def test_the_window_opens(installed: Computer) -> None:
    with installed.running(WINDOW) as process:
        keep(installed.screen.wait_for(shows_the_wizard, 120), "window")
        assert process.poll() is None


def test_open_with_opens_the_profile(installed: Computer) -> None:
    """Starts what the registry says, as the desktop does."""
    project = r"C:\users\Public\项目 one"
    for file in (dev.ROOT / "tests" / "projects" / "good").rglob("*"):
        if file.is_file():
            name = file.relative_to(dev.ROOT / "tests" / "projects" / "good").as_posix()
            installed.write(rf"{project}\{name}", file.read_bytes())
    with installed.running(WINDOW, "open", project):
        keep(installed.screen.wait_for(shows_the_wizard, 120), "open")


def test_an_update_while_it_runs_asks_to_close_it(installed: Computer, setup: str) -> None:
    with installed.running(WINDOW):
        installed.screen.wait_for(shows_the_wizard, 120)
        for attempt in (lambda: installed.run(setup, "/S"), installed.uninstall):
            done = attempt()
            assert done.returncode == RUNS
            assert "Slipway Wizard.exe is running. Close Slipway" in done.stdout
    assert installed.run(COMMAND, "--version").returncode == 0
    assert installed.run(setup, "/S").returncode == 0


def test_uninstalling_leaves_the_users_data_alone(installed: Computer) -> None:
    """The last: nothing of it is there afterwards."""
    assert installed.exists(DATA)
    done = installed.uninstall()
    assert done.returncode == 0
    assert DATA in done.stdout
    assert installed.exists(DATA)
    assert not installed.exists(COMMAND)
    assert not installed.exists(rf"{FOLDER}\_internal")
    assert installed.export(UNINSTALL_KEY) == ""
