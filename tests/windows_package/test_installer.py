"""The installer does what it says, and takes all of it back; tried with small programs inside."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from resources.package import installer
from tests.windows_package.conftest import (
    DATA,
    ENVIRONMENT_KEY,
    FOLDER,
    OLD_VERSION,
    PROFILE,
    PROGRAMS,
    UNINSTALL_KEY,
    Computer,
    programs_of,
)

RUNS, OCCUPIED, FAILED = 32, 145, 2
MENU_ENTRY = rf"{PROFILE}\AppData\Roaming\Microsoft\Windows\Start Menu\Programs\Slipway.lnk"
CLASSES = r"HKCU\Software\Classes"


@pytest.fixture(autouse=True)
def nothing_installed(computer: Computer) -> Iterator[None]:
    yield
    if computer.exists(rf"{FOLDER}\uninstall.exe"):
        computer.uninstall()
    computer.remove(FOLDER)
    computer.remove(DATA)


def installed(computer: Computer, setup: str, *words: str) -> None:
    done = computer.run(setup, "/S", *words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_it_installs_for_this_user_without_questions(computer: Computer, old_setup: str) -> None:
    installed(computer, old_setup)
    for name in (*PROGRAMS, "uninstall.exe", r"_internal\old.txt"):
        assert computer.exists(rf"{FOLDER}\{name}")
    assert computer.exists(MENU_ENTRY)
    assert computer.value(UNINSTALL_KEY, "DisplayVersion") == f'"{OLD_VERSION}"'
    assert computer.value(ENVIRONMENT_KEY, "Path") == ""


def test_it_is_offered_for_profiles_and_takes_no_file_type_over(
    computer: Computer, old_setup: str
) -> None:
    computer.run("reg", "add", rf"{CLASSES}\.toml", "/ve", "/d", "editor", "/f")
    try:
        installed(computer, old_setup)
        classes = computer.export(CLASSES)
        command = rf'"{FOLDER}\Slipway Wizard.exe" open "%1"'.replace("\\", "\\\\")
        command = "@=" + '"' + command.replace('"', '\\"') + '"'
        assert classes.count(command) == 3  # from the list, from the class, for profiles alone
        assert '"AppliesTo"="System.FileName:=\\"slipway.toml\\""' in classes
        assert '"Slipway.Profile"=""' in classes
        computer.uninstall()
        assert computer.value(rf"{CLASSES}\.toml", "Slipway.Profile") == ""
        assert '@="editor"' in computer.export(rf"{CLASSES}\.toml")
    finally:
        computer.run("reg", "delete", rf"{CLASSES}\.toml", "/f")


@pytest.mark.parametrize("everybody", [False, True], ids=["this user", "all users"])
def test_nothing_is_left_of_it(computer: Computer, old_setup: str, everybody: bool) -> None:
    before = computer.state()
    installed(computer, old_setup, "/PATH", *(["/ALLUSERS"] if everybody else []))
    assert computer.state() != before
    folder = r"C:\Program Files\Slipway" if everybody else FOLDER
    assert computer.exists(rf"{folder}\slipway.exe")
    done = computer.uninstall(folder)
    assert (done.returncode, done.stdout) == (0, "")
    computer.remove(rf"{folder}\uninstall.exe")  # what runs from a copy lets it stay
    after = computer.state()
    assert after[1] == before[1]
    assert {path for path in after[0] - before[0] if "Slipway" in path} == set()


def test_the_uninstaller_removes_itself(computer: Computer, old_setup: str) -> None:
    installed(computer, old_setup)
    computer.run(rf"{FOLDER}\uninstall.exe", "/S")
    computer.wait_for(FOLDER, there=False)


def test_uninstalling_keeps_the_users_data_and_says_where(
    computer: Computer, old_setup: str
) -> None:
    installed(computer, old_setup)
    computer.write(rf"{DATA}\history.db", b"history")
    done = computer.uninstall()
    assert done.returncode == 0
    assert DATA in done.stdout
    assert "Credential Manager" in done.stdout
    assert computer.exists(rf"{DATA}\history.db")


@pytest.mark.parametrize("kind", ["REG_SZ", "REG_EXPAND_SZ"])
def test_a_long_path_is_kept_whole(computer: Computer, old_setup: str, kind: str) -> None:
    """An NSIS string ends at 1024 characters; this one is more than twice as long."""
    path = ";".join([r"%USERPROFILE%\bin", *(rf"C:\folder {n}\{'程' * 20}" for n in range(70))])
    assert len(path) > 2100
    computer.run("reg", "add", ENVIRONMENT_KEY, "/v", "Path", "/t", kind, "/d", path, "/f")
    try:
        before = computer.value(ENVIRONMENT_KEY, "Path")
        assert before
        installed(computer, old_setup, "/PATH")
        once = computer.value(ENVIRONMENT_KEY, "Path")
        assert once != before
        installed(computer, old_setup)  # keeps what was chosen, and does not add it twice
        assert computer.value(ENVIRONMENT_KEY, "Path") == once
        computer.uninstall()
        assert computer.value(ENVIRONMENT_KEY, "Path") == before
    finally:
        computer.run("reg", "delete", ENVIRONMENT_KEY, "/v", "Path", "/f")


def test_the_command_is_found_on_the_path(computer: Computer, old_setup: str) -> None:
    installed(computer, old_setup, "/PATH")
    done = computer.run("cmd", "/c", "slipway version")
    assert '"protocol"' in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_waits_for_what_is_running(computer: Computer, old_setup: str, program: str) -> None:
    installed(computer, old_setup)
    with computer.running(rf"{FOLDER}\{program}", "-"):
        for attempt in (lambda: computer.run(old_setup, "/S"), computer.uninstall):
            done = refused_while_running(attempt)
            assert done.returncode == RUNS
            assert f"{program} is running. Close Slipway" in done.stdout
            assert computer.exists(rf"{FOLDER}\_internal\old.txt")
    installed(computer, old_setup)


def refused_while_running(attempt):
    """Try until the program has started: until then nothing keeps the installer from its work."""
    for _attempt in range(20):
        done = attempt()
        if done.returncode:
            return done
    raise AssertionError("it was never refused")


def test_a_folder_with_something_else_in_it_is_left_alone(
    computer: Computer, old_setup: str
) -> None:
    computer.write(r"C:\my files\letter.txt", b"dear")
    done = computer.line(rf"{old_setup} /S /D=C:\my files")
    assert done.returncode == OCCUPIED
    assert "my files holds something else" in done.stdout
    assert computer.files() >= {"./my files/letter.txt"}
    assert not computer.exists(r"C:\my files\slipway.exe")
    computer.remove(r"C:\my files")


def test_an_update_that_fails_leaves_the_old_version(
    computer: Computer, old_setup: str, icon: Path, tmp_path: Path
) -> None:
    programs = programs_of(tmp_path / "slipway", {"_internal/new.txt": "", "zz-blocked": ""})
    installer.make(programs, icon, "0.0.2", tmp_path / "slipway-setup.exe")
    computer.write(r"C:\setup\blocked.exe", (tmp_path / "slipway-setup.exe").read_bytes())
    installed(computer, old_setup)
    computer.write(rf"{FOLDER}\zz-blocked\folder", b"where the update wants a file")
    done = computer.run(r"C:\setup\blocked.exe", "/S")
    assert done.returncode == FAILED
    assert computer.exists(rf"{FOLDER}\_internal\old.txt")
    assert not computer.exists(rf"{FOLDER}\_internal\new.txt")
    assert not computer.exists(rf"{FOLDER}\before-update")
    assert '"protocol"' in computer.run(rf"{FOLDER}\slipway.exe", "version").stdout
    assert computer.value(UNINSTALL_KEY, "DisplayVersion") == f'"{OLD_VERSION}"'


def test_it_speaks_chinese(computer: Computer, old_setup: str) -> None:
    installed(computer, old_setup)
    computer.write(rf"{DATA}\history.db", b"history")
    done = computer.uninstall(LC_ALL="zh_CN.UTF-8", LANG="zh_CN.UTF-8")
    assert done.stdout.startswith("Slipway 已卸载。")
    assert DATA in done.stdout


def test_everything_is_signed_that_windows_asks_about(
    icon: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A command that keeps a list stands in for one with a certificate."""
    sign = tmp_path / "sign.py"
    sign.write_text("import sys\nopen(sys.argv[1], 'a').write(sys.argv[2] + '\\n')\n")
    seen = tmp_path / "signed"
    command = shlex.join([sys.executable, str(sign), str(seen)])
    monkeypatch.setenv("SLIPWAY_SIGN", command)
    programs = programs_of(tmp_path / "slipway", {})
    setup = tmp_path / "set up.exe"
    installer.make(programs, icon, OLD_VERSION, setup)
    uninstaller, last = seen.read_text().splitlines()
    assert last == str(setup)
    assert uninstaller != last
    monkeypatch.setenv("SLIPWAY_SIGN", "false")
    with pytest.raises(Exception, match="makensis"):
        installer.make(programs, icon, OLD_VERSION, setup)
