"""The installer and the application for Windows, in the lab's Windows without its Python."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

import dev
from resources.package import installer
from resources.package.archive import ICON
from tests.lab import desktop_image
from tests.lab.desktop import USER, Desktop, make_image, started, unix_path
from tests.lab.machines import Lab
from tests.lab.windows_machines import WESTERN
from tests.package.screen import Screen

DESKTOP = Desktop("desktop-installing", WESTERN, "Windows, code page 1252")
PROFILE = rf"C:\users\{USER}"
FOLDER = rf"{PROFILE}\AppData\Local\Programs\Slipway"
DATA = rf"{PROFILE}\AppData\Local\slipway"
ENVIRONMENT_KEY = r"HKCU\Environment"
UNINSTALL_KEY = r"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall\Slipway"
# where an installer may leave something; Wine keeps more elsewhere of what it does itself
KEYS = (
    r"HKCU\Environment",
    r"HKCU\Software\Classes",
    r"HKCU\Software\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKCU\Software\Slipway",
    r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall",
    r"HKLM\Software\Slipway",
    r"HKLM\System\CurrentControlSet\Control\Session Manager\Environment",
)
GO_CACHE = rf"C:\{desktop_image.GO_CACHE}"
PATIENCE = 170.0
OLD_VERSION = "0.0.1"
PROGRAMS = ("slipway.exe", "Slipway Wizard.exe")


@dataclass(frozen=True)
class Computer:
    """A Windows computer with a user, a screen and Go, and without a Python."""

    lab: Lab
    screen: Screen
    name: str

    def command(self, *words: str, **changes: str) -> list[str]:
        """Return the command that runs a Windows program there, as the user."""
        names = {"DISPLAY": self.screen.display, "GOCACHE": GO_CACHE} | changes
        return [
            *("docker", "-H", f"unix://{self.lab.socket}", "exec", "-i"),
            *(self.name, "sh", "-c", '. /lab/environment; exec env "$@"', "sh"),
            *(*(f"{name}={text}" for name, text in names.items()), "wine", *words),
        ]

    def run(
        self, *words: str, timeout: float = PATIENCE, **changes: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a Windows program to its end; ``changes`` are variables of its environment."""
        return subprocess.run(
            self.command(*words, **changes),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )

    def line(self, line: str, **changes: str) -> subprocess.CompletedProcess[str]:
        """Run a command line as it is: NSIS wants what comes last without quotes around it."""
        return self.run("cmd", "/c", line, **changes)

    @contextmanager
    def running(self, *words: str, **changes: str) -> Iterator[subprocess.Popen[bytes]]:
        """Keep a Windows program running; at the end it is killed there."""
        process = subprocess.Popen(self.command(*words, **changes), stdin=subprocess.PIPE)
        try:
            yield process
        finally:
            name = words[0].rpartition("\\")[2]
            self.run("taskkill", "/f", "/im", name)
            assert process.stdin
            process.stdin.close()
            process.wait(30)

    def sh(self, script: str, *words: str, data: bytes | None = None) -> str:
        return self.lab.docker(
            "exec", "-i", self.name, "sh", "-ec", script, "sh", *words, data=data
        )

    def exists(self, path: str) -> bool:
        return bool(self.sh('if [ -e "$1" ]; then echo there; fi', unix_path(path)))

    def write(self, path: str, content: bytes) -> None:
        self.sh('mkdir -p "${1%/*}"; cat >"$1"', unix_path(path), data=content)

    def remove(self, path: str) -> None:
        self.sh('rm -rf "$1"', unix_path(path))

    def value(self, key: str, name: str) -> str:
        """Return the type and the text of a value in the registry; "" if there is none."""
        done = self.export(key)
        match = re.search(rf'^"{re.escape(name)}"=(.*)$', done, re.MULTILINE)
        return match[1] if match else ""

    def export(self, key: str) -> str:
        """Return the values in the registry below a key, one on one line, under their keys."""
        file = r"C:\windows\temp\export.reg"
        self.remove(file)
        self.run("reg", "export", key, file, "/y")
        if not self.exists(file):
            return ""
        # UTF-16; long values go over several lines
        encoded = self.sh('base64 "$1"', unix_path(file))
        text = base64.b64decode(encoded).decode("utf-16")
        text = re.sub(r"\\\r\n\s*", "", text).replace("\r\n", "\n")
        keys = [key for key in text.split("\n\n") if "\n" in key.strip()]
        return "\n\n".join(keys)

    def files(self) -> set[str]:
        """Return all files and folders of drive C:, but for what Windows itself keeps."""
        found = self.sh("cd /wine/drive_c; find . -path ./windows -prune -o -print")
        return set(found.splitlines())

    def state(self) -> tuple[set[str], dict[str, str]]:
        """Return what an uninstaller must leave as it was."""
        return self.files(), {key: self.export(key) for key in KEYS}

    def wait_for(self, what: str, *, there: bool) -> None:
        """Wait until a path is there, or gone."""
        deadline = time.monotonic() + 60
        while self.exists(what) is not there:
            assert time.monotonic() < deadline, f"{what} there: {not there}"
            time.sleep(0.3)

    def uninstall(self, folder: str = FOLDER, **changes: str) -> subprocess.CompletedProcess[str]:
        """Uninstall silently to the end, from a copy, as the uninstaller itself would."""
        copy = r"C:\windows\temp\uninstall.exe"
        self.sh('cp "$1" "$2"', unix_path(rf"{folder}\uninstall.exe"), unix_path(copy))
        return self.line(f"{copy} /S _?={folder}", **changes)


@pytest.fixture(scope="session")
def computer() -> Iterator[Computer]:
    """Return a computer where nothing of Slipway is installed."""
    if not dev.is_packaged(dev.WINDOWS_DIST):
        pytest.fail("dist/windows is not made from these sources: dev.py package --windows")
    lab = Lab(dev.ROOT / ".lab")
    lab.start_engine()
    with Screen() as screen, started(lab, DESKTOP, make_image(lab)):
        made = Computer(lab, screen, DESKTOP.name)
        made.remove(r"C:\py")
        yield made


@pytest.fixture(scope="session")
def icon(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("icons")
    # in a process of its own: the Qt application that draws them would stay, one without widgets
    draw = "import sys, pathlib; from resources.package.icons import write_icons as write"
    draw += "; write(*map(pathlib.Path, sys.argv[1:]))"
    subprocess.run([sys.executable, "-c", draw, str(ICON), str(folder)], cwd=dev.ROOT, check=True)
    return folder / "slipway.ico"


def programs_of(folder: Path, files: Mapping[str, str]) -> Path:
    """Lay a small version of Slipway: programs that wait for input, and other files."""
    host = "slipway/_internal/resources/winhost/prebuilt/slipway-host-amd64.exe.gz"
    program = gzip.decompress((dev.WINDOWS_DIST / host).read_bytes())
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_bytes(program)
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture(scope="session")
def old_setup(computer: Computer, icon: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return where the installer of an older and smaller version lies on the computer."""
    folder = tmp_path_factory.mktemp("old")
    programs = programs_of(folder / "slipway", {"_internal/old.txt": "old"})
    installer.make(programs, icon, OLD_VERSION, folder / "slipway-setup.exe")
    computer.write(r"C:\setup\old.exe", (folder / "slipway-setup.exe").read_bytes())
    return r"C:\setup\old.exe"


@pytest.fixture(scope="session")
def setup(computer: Computer) -> str:
    """Return where the real installer lies on the computer."""
    (made,) = dev.WINDOWS_DIST.glob("slipway-*-setup.exe")
    computer.write(r"C:\setup\slipway.exe", made.read_bytes())
    return r"C:\setup\slipway.exe"
