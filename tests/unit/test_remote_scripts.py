"""The transports' scripts under every shell that is here; busybox with only its own tools."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from app.transport import Script

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX only")
NAMES = [name for name in ("sh", "dash", "bash", "busybox") if shutil.which(name)]


@dataclass(frozen=True, slots=True)
class Shell:
    argv: tuple[str, ...]
    path: str

    def run(
        self, script: str, *words: str, stdin: bytes = b""
    ) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run(
            [*self.argv, "-c", Script(script).text, script, *words],
            input=stdin,
            capture_output=True,
            env={"PATH": self.path},
            check=False,
        )


@pytest.fixture(params=NAMES)
def shell(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    if request.param != "busybox":
        return Shell((request.param,), os.environ["PATH"])
    tools = tmp_path / "tools"
    tools.mkdir()
    subprocess.run(["busybox", "--install", "-s", tools], check=True)
    return Shell((str(tools / "sh"),), str(tools))


def test_receive(shell: Shell, tmp_path: Path) -> None:
    data, part, dest = os.urandom(100_000), tmp_path / "it's .part", tmp_path / "-dest 中文"
    digest = hashlib.sha256(data).hexdigest()
    words = ("take", str(part), str(len(data)), digest, str(dest), "750")
    taken = shell.run("receive.sh", *words, stdin=data)
    assert taken.returncode == 0, taken.stderr
    assert dest.read_bytes() == data
    assert dest.stat().st_mode & 0o777 == 0o750
    assert not part.exists()


@pytest.mark.parametrize(
    ("part", "dest", "size", "digest", "code"),
    [
        ("part", "dest", "5", hashlib.sha256(b"half").hexdigest(), 74),
        ("part", "dest", "4", hashlib.sha256(b"full").hexdigest(), 65),
        ("missing/part", "missing/dest", "4", hashlib.sha256(b"half").hexdigest(), 66),
        ("part", "folder", "4", hashlib.sha256(b"half").hexdigest(), 73),
    ],
)
def test_receive_nothing(
    shell: Shell, tmp_path: Path, part: str, dest: str, size: str, digest: str, code: int
) -> None:
    place = tmp_path / "place"
    (place / "folder").mkdir(parents=True)
    words = ("take", str(place / part), size, digest, str(place / dest), "644")
    taken = shell.run("receive.sh", *words, stdin=b"half")
    assert taken.returncode == code
    assert taken.stderr
    assert [path.name for path in place.rglob("*")] == ["folder"]


def test_drop(shell: Shell, tmp_path: Path) -> None:
    part = tmp_path / "part"
    part.touch()
    assert shell.run("receive.sh", "drop", str(part)).returncode == 0
    assert not part.exists()


def test_end_group(shell: Shell) -> None:
    text = "trap '' TERM; sleep 77 & echo ready; while :; do sleep 77; done"
    process = subprocess.Popen(["sh", "-c", text], stdout=subprocess.PIPE, start_new_session=True)
    assert process.stdout is not None
    process.stdout.readline()
    start = time.monotonic()
    ended = shell.run("end_group.sh", str(process.pid))
    assert ended.returncode == 0, ended.stderr
    assert ended.stderr == b""
    process.wait(1)
    # the pipe's last holder was the sleep in the background
    assert process.stdout.read() == b""
    assert time.monotonic() - start < 4
    process.stdout.close()


def test_sudo_mode(shell: Shell) -> None:
    word = shell.run("sudo_mode.sh").stdout.decode().split("\n", 1)[0]
    assert word in (["root"] if os.geteuid() == 0 else ["none", "nopasswd", "password"])
