"""The packaged application does what a user's first minutes ask of it."""

from __future__ import annotations

import gzip
import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import PySide6
import pytest

import dev
from tests.package.conftest import BUILT, Application, environment
from tests.package.screen import Picture, Screen

NOBODY = 65534
MOST_BYTES = 120_000_000
SIDEBAR = (18, 40, 61)  # the dark blue of the window's side bar
GO = dev.ROOT / "tests" / "projects" / "good"
# A session bus with a keyring on it, unlocked, as a desktop has it.
KEYRING = """
printf 'a password' | gnome-keyring-daemon --unlock --components=secrets >/dev/null
exec "$@"
"""

Window = Callable[..., subprocess.Popen[bytes]]


def findings(done: subprocess.CompletedProcess[str]) -> dict[str, dict[str, object]]:
    """Return what the doctor said about each thing."""
    assert done.stderr == ""
    return {found["name"]: found for found in map(json.loads, done.stdout.splitlines())}


def shows_the_wizard(picture: Picture) -> bool:
    """Return whether a window with text is there: an empty one has a handful of colours."""
    return len(picture.colours()) > 100


def test_the_doctor_finds_all_that_is_needed(application: Application) -> None:
    done = application.run("doctor", "--json")
    found = findings(done)
    assert done.returncode == 0
    for name in ("Go", "Qt", "Settings", "Data", "Logs"):
        assert found[name]["there"], found[name]


def test_the_keyring_of_the_desktop_is_found(application: Application) -> None:
    before = ["dbus-run-session", "--", "sh", "-c", KEYRING, "sh"]
    done = application.run("doctor", "--json", before=before)
    lines = [line for line in done.stdout.splitlines() if "Keyring" in line]
    assert [json.loads(line)["found"] for line in lines] == ["answers"], done.stderr


@pytest.mark.timeout(600)
def test_the_demonstration_runs_to_its_end(application: Application, tmp_path: Path) -> None:
    """Builds, starts by its own supervisor, breaks, takes back, rolls back."""
    done = application.run("demo", "--headless", cwd=tmp_path, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "v1 → v2-broken → v1" in done.stdout
    assert list(tmp_path.iterdir()) == []


def test_what_it_starts_sees_the_environment_of_the_user(
    application: Application, tmp_path: Path
) -> None:
    """A go that leaves word of its environment stands in for every program of the user's."""
    go = tmp_path / "bin" / "go"
    go.parent.mkdir()
    seen = tmp_path / "seen"
    go.write_text(f"#!/bin/sh\nenv >'{seen}'\nexec '{shutil.which('go')}' \"$@\"\n")
    go.chmod(0o755)
    changes = {"PATH": f"{go.parent}:{os.environ['PATH']}", "LD_LIBRARY_PATH": "/usr/local/lib"}
    done = application.run("inspect", GO, env=environment(changes))
    assert done.returncode == 0, done.stderr
    lines = seen.read_text().splitlines()
    assert "LD_LIBRARY_PATH=/usr/local/lib" in lines
    assert [line for line in lines if line.startswith(("_PYI", "LD_LIBRARY_PATH_ORIG"))] == []
    assert str(application.folder) not in seen.read_text()


def test_it_speaks_chinese(application: Application) -> None:
    done = application.run("--language", "zh_CN", "--help")
    assert done.returncode == 0
    assert re.search(r"[\u4e00-\u9fff]", done.stdout), done.stdout


def test_the_window_opens(open_window: Window, screen: Screen) -> None:
    process = open_window()
    picture = screen.wait_for(shows_the_wizard)
    assert picture.colours()[SIDEBAR] > 10_000
    assert process.poll() is None


def test_the_window_opens_a_project(open_window: Window, screen: Screen) -> None:
    open_window()
    welcome = screen.wait_for(shows_the_wizard)
    open_window("open", GO)
    opened = screen.wait_for(lambda picture: picture.pixels != welcome.pixels)
    assert shows_the_wizard(opened)


def test_the_window_speaks_chinese(open_window: Window, screen: Screen) -> None:
    english = open_window()
    before = screen.wait_for(shows_the_wizard)
    english.terminate()
    english.wait()
    screen.wait_for(lambda picture: not shows_the_wizard(picture))
    open_window(LANGUAGE="zh_CN", LANG="zh_CN.UTF-8")
    assert screen.wait_for(shows_the_wizard).pixels != before.pixels


def test_the_demonstration_opens_its_window(open_window: Window, screen: Screen) -> None:
    open_window("demo")
    screen.wait_for(shows_the_wizard)


def test_without_a_display_it_says_what_to_do(application: Application) -> None:
    changed = environment()
    changed.pop("DISPLAY", None)
    changed.pop("WAYLAND_DISPLAY", None)
    done = application.run(env=changed)
    assert done.returncode == 2
    assert "slipway --help" in done.stderr


@pytest.fixture
def stranger(application: Application) -> Iterator[Callable[..., list[str]]]:
    """Return what begins a command as a user who owns a home folder and nothing else here."""
    home = Path(tempfile.mkdtemp(prefix="slipway-stranger-"))
    as_user: list[str] = []
    if os.geteuid() == 0:
        os.chown(home, NOBODY, NOBODY)
        as_user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    else:
        set_writable(application.folder, on=False)
    folders = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")

    def command(**changes: str) -> list[str]:
        own = dict.fromkeys(folders, str(home)) | {"GOCACHE": str(home), "GOPATH": str(home)}
        return ["env", *(f"{name}={text}" for name, text in (own | changes).items()), *as_user]

    yield command
    if os.geteuid() != 0:
        set_writable(application.folder, on=True)
    shutil.rmtree(home)


def set_writable(folder: Path, *, on: bool) -> None:
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            mode = path.stat().st_mode
            path.chmod(mode | stat.S_IWUSR if on else mode & ~0o222)


def test_somebody_who_cannot_write_to_its_folder_uses_it(
    application: Application, stranger: Callable[..., list[str]]
) -> None:
    refused = subprocess.run(
        [*stranger(), "touch", application.folder / "x"], capture_output=True, check=False
    )
    assert refused.returncode != 0
    done = application.run("doctor", "--json", before=stranger())
    found = findings(done)
    assert all(found[name]["there"] for name in ("Qt", "Settings", "Data", "Logs")), found


def test_somebody_who_cannot_write_to_its_folder_sees_its_window(
    application: Application, stranger: Callable[..., list[str]], screen: Screen
) -> None:
    command = [*stranger(DISPLAY=screen.display), application.program]
    process = subprocess.Popen(command, cwd="/", env=environment())
    try:
        screen.wait_for(shows_the_wizard)
    finally:
        process.terminate()
        process.wait()


def test_it_comes_with_the_licences_of_its_parts(application: Application) -> None:
    licences = application.folder / "_internal" / "licences"
    listed = (licences / "LIST.txt").read_text(encoding="utf-8")
    for name in ("Python", "PySide6_Essentials", "paramiko", "cryptography", "keyring"):
        assert re.search(rf"^{name} ", listed, re.MULTILINE)
        assert any((licences / name).iterdir())
    qt = (licences / "PySide6_Essentials" / "LGPL-3.0.txt").read_text(encoding="utf-8")
    assert "GNU LESSER GENERAL PUBLIC LICENSE" in qt


def test_all_resources_are_inside(application: Application) -> None:
    source = dev.ROOT / "resources"
    inside = application.folder / "_internal" / "resources"
    wanted = [path.relative_to(source) for path in source.rglob("*") if path.is_file()]
    missing = [
        path.as_posix()
        for path in wanted
        if not {"installer", "package", "vendor", "__pycache__"} & set(path.parts)
        and path.suffix not in (".po", ".pot")
        and not (inside / path).is_file()
    ]
    assert missing == []


def test_the_guide_is_inside(application: Application) -> None:
    inside = application.folder / "_internal" / "docs"
    for name in ("guide.md", "guide.zh-CN.md", "errors.md"):
        assert (inside / name).read_bytes() == (dev.ROOT / "docs" / name).read_bytes()
    assert (inside / "images" / "project.png").is_file()


def test_the_program_for_windows_servers_is_inside(application: Application) -> None:
    prebuilt = application.folder / "_internal" / "resources" / "winhost" / "prebuilt"
    # what the header of a Windows program says it is for
    machines = {"amd64": b"\x64\x86", "arm64": b"\x64\xaa"}
    for architecture, machine in machines.items():
        packed = prebuilt / f"slipway-host-{architecture}.exe.gz"
        content = gzip.decompress(packed.read_bytes())
        header = int.from_bytes(content[60:64], "little")
        assert content[:2] == b"MZ"
        assert content[header : header + 6] == b"PE\0\0" + machine


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_it_installs_into_the_menu(application: Application, home: Path) -> None:
    script = application.folder / "install.sh"
    done = subprocess.run([script], env=environment(), capture_output=True, text=True, check=True)
    assert done.stderr == ""
    entry = home / ".local" / "share" / "applications" / "slipway.desktop"
    assert f'\nExec="{application.program}"\n' in entry.read_text(encoding="utf-8")
    command = home / ".local" / "bin" / "slipway"
    said = subprocess.run([command, "--help"], env=environment(), capture_output=True, check=True)
    assert b"slipway" in said.stdout
    subprocess.run([script, "remove"], env=environment(), check=True)
    assert not entry.exists()
    assert not command.is_symlink()


@pytest.mark.skipif(sys.platform != "linux", reason="Linux only")
def test_what_is_left_of_icu_answers_as_all_of_it_does(application: Application) -> None:
    installed = Path(PySide6.__file__).parent / "Qt" / "lib"
    packed = application.folder / "_internal" / "PySide6" / "Qt" / "lib"
    (data,) = installed.glob("libicudata.so.*")
    answers = [
        subprocess.run(
            [sys.executable, Path(__file__).with_name("icu_answers.py"), data.suffix[1:]],
            env=environment({"LD_LIBRARY_PATH": str(folder)}), capture_output=True, check=True,
        ).stdout
        for folder in (packed, installed)
    ]  # fmt: skip
    assert answers[0] == answers[1]
    assert json.loads(answers[0])["order"] == [-1, 1, 1]
    assert (packed / data.name).stat().st_size < data.stat().st_size / 2


def test_it_is_small() -> None:
    files = [path for path in BUILT.rglob("*") if path.is_file() and not path.is_symlink()]
    assert sum(path.stat().st_size for path in files) < MOST_BYTES
