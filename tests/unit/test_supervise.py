"""The supervisor as it runs: processes of its own, ended for good after each test."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import desk, supervise
from tests.waiting import KILL, SLEEPS, alive, parent_of, wait_until

SAYS_WHO_IT_IS = """
import json, os, pathlib
pathlib.Path("said.json").write_text(json.dumps({"pid": os.getpid(), "env": dict(os.environ)}))
"""
LIVES = SAYS_WHO_IT_IS + "import time\nprint('begins', flush=True)\ntime.sleep(120)\n"
# Not that of a virtual environment: there another process stands before it on Windows.
PYTHON = getattr(sys, "_base_executable", sys.executable)
posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX only: signals and sessions")
CRASHES = "print('cannot reach the database', flush=True)\nraise SystemExit(3)\n"


@dataclass
class Place:
    """A folder under the supervisor."""

    path: Path

    def release(self, name: str, source: str, **options: Any) -> str:
        folder = self.path / "releases" / name
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "program").write_text(source)
        run = {"release": name, "binary": PYTHON, "args": ["-I", "program"], "env": {}} | options
        (folder / "run.json").write_text(json.dumps(run))
        return name

    def verb(self, *words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        """Carry out one verb in a process of its own, as the transports do."""
        verb, *rest = words
        return subprocess.run(
            [*supervise.own_words(), verb, str(self.path), *rest],
            input=stdin, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def start(self, name: str, stdin: str = "") -> dict[str, Any]:
        done = self.verb("start", name, stdin=stdin)
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def status(self) -> dict[str, Any]:
        return supervise.status(self.path)

    def said(self, name: str) -> dict[str, Any]:
        """What a program that is LIVES has said of itself."""
        file = self.path / "releases" / name / "said.json"
        assert wait_until(lambda: file.exists() and file.read_text().endswith("}"))
        found: dict[str, Any] = json.loads(file.read_text())
        return found

    def log(self, *words: str) -> str:
        return self.verb("log", "30", *words).stdout

    def supervisor(self) -> int:
        """The supervisor's process id: it is the program's parent."""
        return parent_of(self.status()["pid"])

    def kill_supervisor(self) -> None:
        os.kill(self.supervisor(), KILL)
        assert wait_until(lambda: self.status()["state"] == "lost")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    made = Place(tmp_path / "service")
    made.path.mkdir()
    yield made
    assert made.verb("stop", "1").returncode == 0
    assert made.status()["state"] not in supervise.LIVING


# -- start and stop ----------------------------------------------------------------------------


@pytest.mark.slow
def test_start_and_stop(place: Place) -> None:
    found = place.start(place.release("v1", LIVES))
    assert (found["state"], found["release"], found["restarts"]) == ("running", "v1", 0)
    assert place.verb("stop", "2").returncode == 0
    assert not alive(found["pid"])
    assert place.status()["state"] == "stopped"
    assert place.verb("stop", "2").returncode == 0


@pytest.mark.slow
def test_a_second_start_of_what_runs_changes_nothing(place: Place) -> None:
    first = place.start(place.release("v1", LIVES), stdin='{"KEY": "one"}')
    second = place.start("v1", stdin='{"KEY": "two"}')
    assert second == first == place.status()
    secrets = place.path / "releases" / "v1" / "secrets.json"
    assert json.loads(secrets.read_text()) == {"KEY": "one"}
    if os.name == "posix":
        assert secrets.stat().st_mode & 0o077 == 0


@pytest.mark.slow
def test_another_release_is_not_started_over_one_that_runs(place: Place) -> None:
    first = place.start(place.release("v1", LIVES))
    refused = place.verb("start", place.release("v2", LIVES))
    assert refused.returncode == 1
    assert "“v1” is running: stop it first" in refused.stderr
    assert place.status() == first
    assert json.loads((place.path / "run.json").read_text())["release"] == "v1"


@pytest.mark.slow
def test_two_starts_at_once_start_one_program(place: Place) -> None:
    place.release("v1", "open('begun', 'a').write('x')\n" + LIVES)
    done: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: done.append(place.start("v1"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    place.said("v1")
    assert [found["pid"] for found in done] == [place.status()["pid"]] * 3
    assert (place.path / "releases" / "v1" / "begun").read_text() == "x"


@pytest.mark.parametrize("release", ["", "v9"])
def test_start_of_what_is_not_there_says_so(place: Place, release: str) -> None:
    refused = place.verb("start", release)
    assert refused.returncode == 1
    assert refused.stderr.startswith("nothing to start")
    assert place.status() == {"state": "missing"}


def test_start_and_stop_where_there_is_no_folder(tmp_path: Path) -> None:
    nowhere = Place(tmp_path / "nowhere")
    assert nowhere.verb("start", "v1").returncode == 1
    assert nowhere.verb("stop", "1").returncode == 0
    assert nowhere.verb("status").stdout.strip() == '{"state": "missing"}'
    assert not nowhere.path.exists()


@pytest.mark.slow
def test_a_program_that_cannot_be_run_is_a_failed_start(place: Place) -> None:
    place.release("v1", LIVES, binary="absent")
    refused = place.verb("start", "v1")
    assert refused.returncode == 1
    assert "absent" in refused.stderr
    assert place.status()["state"] == "failed"
    # what failed is gone: the next one starts
    assert place.start(place.release("v2", LIVES))["state"] == "running"


@pytest.mark.slow
def test_stop_while_it_waits_to_start_again(place: Place) -> None:
    place.start(place.release("v1", CRASHES))
    # the third pause is longer than the slowest machine needs to ask for a stop
    assert wait_until(lambda: waits(place.status(), restarts=3), 20)
    begun = time.monotonic()
    assert place.verb("stop", "5").returncode == 0
    assert time.monotonic() - begun < 3
    assert place.status()["state"] == "stopped"
    assert place.status()["exit_code"] == 3


def waits(found: dict[str, Any], restarts: int) -> bool:
    return bool(found["state"] == "waiting" and found["restarts"] >= restarts)


@pytest.mark.slow
def test_a_crash_starts_it_again_without_what_it_left_behind(place: Place) -> None:
    source = f"import subprocess, time\nchild = subprocess.Popen({SLEEPS})\n"
    source += "open('children', 'a').write(f'{child.pid}\\n')\nraise SystemExit(1)\n"
    place.start(place.release("v1", source))
    children = place.path / "releases" / "v1" / "children"
    assert wait_until(lambda: place.status()["restarts"] >= 1)
    first = int(children.read_text().split()[0])
    assert wait_until(lambda: not alive(first))


@pytest.mark.slow
def test_a_program_that_does_not_listen_is_killed_after_the_grace(place: Place) -> None:
    polite = "SIGBREAK" if sys.platform == "win32" else "SIGTERM"
    source = f"import signal\nsignal.signal(signal.{polite}, signal.SIG_IGN)\n{LIVES}"
    found = place.start(place.release("v1", source))
    place.said("v1")
    assert place.verb("stop", "0.3").returncode == 0
    assert not alive(found["pid"])


@posix_only
def test_sigterm_to_the_supervisor_stops_the_program(place: Place) -> None:
    found = place.start(place.release("v1", LIVES))
    os.kill(place.supervisor(), signal.SIGTERM)
    assert wait_until(lambda: not supervise.alive(place.path))
    assert not alive(found["pid"])
    assert place.status()["state"] == "stopped"


# -- a supervisor that was killed --------------------------------------------------------------


@pytest.mark.slow
def test_stop_ends_a_program_whose_supervisor_was_killed(place: Place) -> None:
    found = place.start(place.release("v1", LIVES))
    place.kill_supervisor()
    assert alive(found["pid"])
    assert place.status()["pid"] == found["pid"]
    assert place.verb("stop", "2").returncode == 0
    assert not alive(found["pid"])
    assert place.status()["state"] == "stopped"


@pytest.mark.slow
def test_start_ends_a_program_whose_supervisor_was_killed(place: Place) -> None:
    old = place.start(place.release("v1", LIVES))
    place.kill_supervisor()
    new = place.start(place.release("v2", LIVES))
    assert not alive(old["pid"])
    assert (new["state"], new["release"]) == ("running", "v2")


@pytest.mark.slow
def test_what_ended_with_its_supervisor_is_lost_without_a_pid(place: Place) -> None:
    found = place.start(place.release("v1", LIVES))
    place.kill_supervisor()
    os.kill(found["pid"], KILL)
    assert wait_until(lambda: place.status()["pid"] == 0)
    assert place.status()["state"] == "lost"
    assert place.start("v1")["state"] == "running"


def test_another_process_that_got_the_number_is_left_alone(place: Place) -> None:
    bystander = subprocess.Popen(SLEEPS, start_new_session=True)
    try:
        status = {"state": "running", "release": "v1", "pid": bystander.pid, "born": "yesterday"}
        (place.path / "status.json").write_text(json.dumps(status))
        (place.path / "alive").touch()
        assert place.status() == status | {"state": "lost", "pid": 0}
        assert place.verb("stop", "1").returncode == 0
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


@pytest.mark.parametrize(
    "ask", [supervise.born, pytest.param(supervise.born_by_ps, marks=posix_only)]
)
def test_when_a_process_began_is_its_own(ask: Any) -> None:
    process = subprocess.Popen(SLEEPS)
    began = ask(process.pid)
    assert began
    assert ask(process.pid) == began
    process.kill()
    # also before its exit code is read: it holds nothing any more
    assert wait_until(lambda: ask(process.pid) == "")
    process.wait()
    assert ask(process.pid) == ""


# -- what the program and the supervisor get ---------------------------------------------------


def test_slipways_own_secrets_reach_neither_program_nor_supervisor(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLIPWAY_SUDO_PASSWORD", "geheim")
    monkeypatch.setenv("SLIPWAY_SECRET_KEY", "geheim")
    monkeypatch.setenv("ORDINARY", "kept")
    place.release("v1", LIVES, env={"SLIPWAY_IN_PROFILE": "wanted"})
    place.start("v1", stdin='{"KEY": "value"}')
    given = place.said("v1")["env"]
    assert (given["ORDINARY"], given["KEY"]) == ("kept", "value")
    assert [name for name in given if name.startswith("SLIPWAY_")] == ["SLIPWAY_IN_PROFILE"]
    if sys.platform == "linux":
        assert b"geheim" not in Path(f"/proc/{place.supervisor()}/environ").read_bytes()


def test_a_packaged_slipway_supervises_by_a_verb(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setattr(sys, "executable", str(Path("/there/slipway")))
    assert supervise.own_words() == [str(Path("/there/slipway")), "supervise"]


def test_the_wizard_of_windows_supervises_with_the_console_program(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "frozen", True, raising=False)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(sys, "executable", str(Path("/there/Slipway Wizard.exe")))
    assert supervise.own_words() == [str(Path("/there/slipway.exe")), "supervise"]


@pytest.mark.slow
def test_the_verb_of_the_packaged_application(place: Place) -> None:
    root = Path(supervise.__file__).parent.parent
    code = "import sys; from app.cli import main; sys.exit(main())"
    done = subprocess.run(
        [sys.executable, "-c", code, "supervise", "status", str(place.path)],
        cwd=root, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"state": "missing"}\n', "")


@posix_only
def test_the_supervisor_holds_nothing_of_who_started_it(place: Place, tmp_path: Path) -> None:
    place.release("v1", LIVES)
    lock = (tmp_path / "a lock of the wizard").open("a")
    os.set_inheritable(lock.fileno(), True)
    with lock:
        done = subprocess.run(
            [*supervise.own_words(), "start", str(place.path), "v1"],
            input=b"", capture_output=True, close_fds=False, start_new_session=True, timeout=30,
            check=True,
        )  # fmt: skip
    # communicate() would not have returned while anybody held the pipes
    found = json.loads(done.stdout)
    supervisor = place.supervisor()
    assert os.getsid(supervisor) == supervisor
    os.kill(supervisor, signal.SIGHUP)
    if sys.platform == "linux":
        assert Path(f"/proc/{supervisor}/cwd").resolve() == place.path.resolve()
        for pid in (supervisor, found["pid"]):
            held = {str(file.resolve()) for file in Path(f"/proc/{pid}/fd").iterdir()}
            assert str(tmp_path / "a lock of the wizard") not in held
    time.sleep(3 * supervise.POLL_SECONDS)
    assert place.status() == found


# -- status and log ----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_log_since_this_start_has_nothing_of_the_version_before(place: Place) -> None:
    place.start(place.release("v1", "print('of the old one', flush=True)\n" + LIVES))
    place.said("v1")
    assert place.verb("stop", "2").returncode == 0
    place.start(place.release("v2", CRASHES))
    assert wait_until(lambda: place.status()["state"] == "waiting")
    assert "of the old one" in place.log()
    assert set(place.log("--since-start").splitlines()) == {"cannot reach the database"}


def test_the_last_words_are_there_once_the_end_is_told(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = supervise.Log._write

    def slowly(log: supervise.Log, piece: bytes) -> None:
        time.sleep(0.3)
        write(log, piece)

    monkeypatch.setattr(supervise.Log, "_write", slowly)
    folder = place.path / "releases" / place.release("v1", CRASHES)
    run = json.loads((folder / "run.json").read_text()) | {"folder": str(folder)}
    thread = threading.Thread(target=supervise.Supervisor(place.path, run).run)
    thread.start()
    try:
        assert wait_until(lambda: supervise.read_status(place.path)["state"] == "waiting")
        said = (place.path / "log" / "output.log").read_text()
    finally:
        (place.path / "stop").write_text("1")
        thread.join()
    assert said == "cannot reach the database\n"


def test_a_log_is_renamed_when_full_and_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "LOG_BYTES", 1000)
    path = tmp_path / "log" / "output.log"
    log = supervise.Log(path)
    reader = supervise.LogReader(path)
    read = b""
    lines = [b"line %03d of many\n" % number for number in range(300)]
    for number, line in enumerate(lines):
        log._write(line)
        if number % 30 == 0:
            read += reader.fresh()
    read += reader.fresh()
    assert read == b"".join(lines)
    kept = sorted(file.name for file in path.parent.iterdir())
    assert kept == ["output.1.log", "output.2.log", "output.3.log", "output.log"]
    # cut at the end of a line; the newest may not have got one yet
    assert all(file.read_bytes()[:5] in (b"line ", b"") for file in path.parent.iterdir())
    assert log.began == 0


def test_a_line_without_an_end_neither_fills_the_memory_nor_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervise, "LOG_BYTES", 100_000)
    path = tmp_path / "output.log"
    log = supervise.Log(path)
    reading, writing = os.pipe()
    log.keep(os.fdopen(reading, "rb", buffering=0))
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        pipe.write(b"begun")
        # what was said is there at once, not only at the end of a line
        assert wait_until(lambda: path.exists() and path.read_bytes() == b"begun")
        for _ in range(100):
            pipe.write(b"x" * 10_000)
    log.drain()
    sizes = [file.stat().st_size for file in tmp_path.iterdir()]
    assert len(sizes) == supervise.LOG_FILES + 1
    assert max(sizes) <= supervise.LOG_BYTES + 2 * supervise.PIECE_BYTES


def test_output_that_cannot_be_written_is_dropped(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    folder.touch()
    path = folder / "output.log"
    log = supervise.Log(path)
    reading, writing = os.pipe()
    log.keep(os.fdopen(reading, "rb", buffering=0))
    with os.fdopen(writing, "wb", buffering=0) as pipe:
        for _ in range(100):
            pipe.write(b"x" * 10_000)  # BrokenPipeError, had the reader gone
        folder.unlink()
        pipe.write(b"there is room again\n")
        log_has_it = wait_until(lambda: path.exists() and b"room again" in path.read_bytes())
    log.drain()
    assert log_has_it


if sys.platform == "linux":

    def test_a_full_disk_does_not_disturb_the_program(tmp_path: Path) -> None:
        path = tmp_path / "output.log"
        path.symlink_to("/dev/full")
        log = supervise.Log(path)
        reading, writing = os.pipe()
        log.keep(os.fdopen(reading, "rb", buffering=0))
        with os.fdopen(writing, "wb", buffering=0) as pipe:
            for _ in range(100):
                pipe.write(b"x" * 10_000)
        log.drain()


def test_a_status_that_cannot_be_written_is_told_later(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    supervisor = supervise.Supervisor(place.path, {"release": "v1"})
    with monkeypatch.context() as full:
        full.setattr(supervise, "replace_file", _no_space)
        supervisor._tell("waiting", exit_code=3)
    assert place.status()["state"] == "missing"
    supervisor._keep_told()
    assert supervise.read_status(place.path)["exit_code"] == 3


def _no_space(path: Path, text: str) -> None:
    raise OSError(28, "No space left on device", str(path))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '"running"'])
def test_a_status_that_is_no_status_is_none(place: Place, text: str) -> None:
    (place.path / "status.json").write_text(text)
    assert place.status() == {"state": "missing"}


def test_a_status_that_another_program_holds_is_read_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    (place.path / "status.json").write_text('{"state": "stopped"}')
    read, left = Path.read_text, [True, True]

    def shared(path: Path, *args: Any, **keywords: Any) -> str:
        if left:
            left.pop()
            raise PermissionError(13, "sharing violation", str(path))
        return read(path, *args, **keywords)

    monkeypatch.setattr(Path, "read_text", shared)
    assert place.status() == {"state": "stopped"}


def test_a_follower_ends_with_whoever_asked(place: Place) -> None:
    place.start(place.release("v1", LIVES))
    command = [*supervise.own_words(), "log", str(place.path), "9", "follow"]
    code = f"import subprocess, time; p = subprocess.Popen({command!r}); print(p.pid, flush=True)"
    wizard = subprocess.Popen(
        [sys.executable, "-c", f"{code}; time.sleep(60)"], stdout=subprocess.PIPE, text=True
    )
    with wizard:
        assert wizard.stdout
        follower = int(wizard.stdout.readline())
        assert wizard.stdout.readline() == "begins\n"
        wizard.kill()
        with contextlib.suppress(BrokenPipeError):
            assert wait_until(lambda: not alive(follower))


# -- locks -------------------------------------------------------------------------------------


def test_a_lock_ends_with_its_holder(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    assert not supervise.is_held(path)
    with supervise.held(path) as mine:
        assert mine
        assert supervise.is_held(path)
        with supervise.held(path, patience=0) as another:
            assert not another
    assert not supervise.is_held(path)
    assert path.exists()


def test_a_run_that_ended_is_not_mistaken_for_one_that_was_killed() -> None:
    with desk.present("run-1"):
        assert not desk.was_here("run-1")
    assert not desk.was_here("run-1")
    # asking leaves no trace which would look like a killed run
    assert not desk._place("run-1").exists()
    desk._place("run-2").touch()
    assert desk.was_here("run-2")
    assert not desk.was_here("")
