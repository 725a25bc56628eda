"""Keeps a program running on this computer: started anew when it crashes, stopped on request.

Runs by itself, with the standard library only, and outlives the wizard:
``supervise.py start|stop|status|log|watch FOLDER …``. The folder holds ``run.json`` (what to run),
``status.json`` (how it is), ``stop`` (a request), ``alive`` (locked while the supervisor lives)
and ``log/``. ``start`` and ``status`` print one JSON object.
"""

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
from pathlib import Path
from typing import IO, Any

POLL_SECONDS = 0.1
FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
SETTLED_SECONDS = 30.0
LOG_BYTES = 10_000_000
LOG_FILES = 3


def main(arguments: list[str]) -> int:
    """Carry out one verb; 0 if it did what it says."""
    verb, folder, *rest = arguments
    place = Path(folder)
    if verb == "start":
        return start(place, rest[0])
    if verb == "stop":
        return stop(place, float(rest[0]))
    if verb == "status":
        print(json.dumps(status(place)))
        return 0
    if verb == "log":
        show_log(place / "log" / "output.log", int(rest[0]), follow=rest[1:] == ["follow"])
        return 0
    watch(place)
    return 0


def start(place: Path, release: str) -> int:
    """Start a release under a supervisor of its own, detached from this process.

    Settings come from the release's ``run.json``; secrets as a JSON object on stdin, kept in a
    file that only this account can read, so that a crash or a rollback can start it again.
    """
    folder = place / "releases" / release
    secrets = folder / "secrets.json"
    given = sys.stdin.read()
    if given.strip():
        private(secrets, given)
    run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    replace_file(place / "run.json", json.dumps(run | {"folder": str(folder)}))
    (place / "stop").unlink(missing_ok=True)
    (place / "status.json").unlink(missing_ok=True)
    log = place / "log"
    log.mkdir(parents=True, exist_ok=True)
    quiet = subprocess.DEVNULL
    command = [sys.executable, *own_words(), "watch", str(place)]
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, creationflags=flags)
    else:
        subprocess.Popen(command, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = status(place)
        if found["state"] in ("running", "waiting"):  # waiting: it ran, and ended at once
            print(json.dumps(found))
            return 0
        if found["state"] == "failed":
            break
        time.sleep(POLL_SECONDS)
    print(status(place).get("problem") or "the supervisor did not start", file=sys.stderr)
    return 1


def own_words() -> list[str]:
    """Return the words that run this module: a script from source, a verb when frozen."""
    return ["supervise"] if getattr(sys, "frozen", False) else [str(Path(__file__).resolve())]


def stop(place: Path, grace: float) -> int:
    """Ask the program to end, wait, then end its whole tree; 0 once the supervisor is gone."""
    if not alive(place):
        return 0
    replace_file(place / "stop", str(grace))
    deadline = time.monotonic() + grace + 10
    while time.monotonic() < deadline:
        if not alive(place):
            return 0
        time.sleep(POLL_SECONDS)
    print("the supervisor did not end", file=sys.stderr)
    return 1


def status(place: Path) -> dict[str, Any]:
    """Return how the program is: state, pid, release, since, restarts, exit code."""
    try:
        known: dict[str, Any] = json.loads((place / "status.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {"state": "missing"}
    if not alive(place) and known["state"] in ("running", "waiting", "stopping"):
        known["state"] = "lost"
    return known


def show_log(path: Path, lines: int, *, follow: bool) -> None:
    """Print the log's last lines, and if asked go on with what comes, also after a rotation."""
    out = sys.stdout.buffer
    if path.exists():
        for line in path.read_bytes().splitlines(keepends=True)[-lines:]:
            out.write(line)
    out.flush()
    position = path.stat().st_size if path.exists() else 0
    while follow:
        time.sleep(POLL_SECONDS)
        if not path.exists():
            continue
        if path.stat().st_size < position:
            position = 0
        with path.open("rb") as file:
            file.seek(position)
            fresh = file.read()
        position += len(fresh)
        out.write(fresh)
        out.flush()


def watch(place: Path) -> None:
    """Be the supervisor: run the program until asked to stop."""
    with held(place / "alive") as mine:
        if not mine:
            return  # another supervisor runs here already
        run = json.loads((place / "run.json").read_text(encoding="utf-8"))
        Supervisor(place, run).run()


class Supervisor:
    """Runs one program, again and again, with a growing pause between crashes."""

    def __init__(self, place: Path, run: dict[str, Any]) -> None:
        self.place = place
        self.run_options = run
        self.restarts = 0

    def run(self) -> None:
        """Run until asked to stop."""
        pause = FIRST_PAUSE_SECONDS
        while True:
            begun = time.monotonic()
            try:
                process = self._spawn()
            except OSError as problem:
                self._tell("failed", problem=f"{problem.strerror}: {problem.filename}")
                return
            self._tell("running", pid=process.pid, since=time.time())
            code = self._wait(process)
            if code is None:
                self._tell("stopped")
                return
            if time.monotonic() - begun > SETTLED_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            self.restarts += 1
            self._tell("waiting", exit_code=code)
            if self._pause(pause):
                self._tell("stopped", exit_code=code)
                return
            pause = min(pause * 2, LONGEST_PAUSE_SECONDS)

    def _tell(self, state: str, **more: Any) -> None:
        facts = {"state": state, "release": self.run_options["release"], "restarts": self.restarts}
        replace_file(self.place / "status.json", json.dumps(facts | more))

    def _spawn(self) -> subprocess.Popen[bytes]:
        folder = Path(self.run_options["folder"])
        secrets = folder / "secrets.json"
        hidden = json.loads(secrets.read_text(encoding="utf-8")) if secrets.exists() else {}
        environment = dict(os.environ) | self.run_options["env"] | hidden
        command = [str(folder / self.run_options["binary"]), *self.run_options["args"]]
        keywords: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
            keywords = {"creationflags": flags}
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **keywords,
        )  # fmt: skip
        log = self.place / "log" / "output.log"
        if process.stdout:
            threading.Thread(target=keep_log, args=(process.stdout, log), daemon=True).start()
        return process

    def _asked_to_stop(self) -> float | None:
        try:
            return float((self.place / "stop").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _wait(self, process: subprocess.Popen[bytes]) -> int | None:
        """Return the exit code of a program that ended by itself, None if it was stopped."""
        while (grace := self._asked_to_stop()) is None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_SECONDS)
        self._tell("stopping", pid=process.pid)
        ask_to_end(process)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(grace)
        end_tree(process)
        process.wait()
        return None

    def _pause(self, seconds: float) -> bool:
        """Wait before starting again; True if asked to stop meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._asked_to_stop() is not None:
                return True
            time.sleep(POLL_SECONDS)
        return False


def ask_to_end(process: subprocess.Popen[bytes]) -> None:
    """Ask a program to end: SIGTERM, or Ctrl-Break on Windows."""
    if sys.platform == "win32":
        with contextlib.suppress(OSError):
            process.send_signal(signal.CTRL_BREAK_EVENT)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """End a program and everything it started."""
    if sys.platform == "win32":
        command = ["taskkill", "/T", "/F", "/PID", str(process.pid)]
        flags = subprocess.CREATE_NO_WINDOW
        subprocess.run(command, capture_output=True, creationflags=flags, check=False)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


def keep_log(source: IO[bytes], path: Path) -> None:
    """Write a program's output to a file that is renamed to .1, .2 … when it is full."""
    file = path.open("ab")
    with source:
        for line in source:
            if file.tell() > LOG_BYTES:
                file.close()
                for number in range(LOG_FILES - 1, 0, -1):
                    older = path.with_suffix(f".{number}.log")
                    if older.exists():
                        older.replace(path.with_suffix(f".{number + 1}.log"))
                path.replace(path.with_suffix(".1.log"))
                file = path.open("ab")
            file.write(line)
            file.flush()
    file.close()


def replace_file(path: Path, text: str) -> None:
    """Replace a file's content atomically."""
    part = path.with_name(path.name + ".part")
    part.write_text(text, encoding="utf-8")
    part.replace(path)


def private(path: Path, text: str) -> None:
    """Write a file that only this account can read."""
    path.unlink(missing_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


@contextlib.contextmanager
def held(path: Path) -> Iterator[bool]:
    """Hold an operating system's lock on a file, which ends with this process, however it ends."""
    with path.open("a+b") as file:
        deadline = time.monotonic() + 2
        # whoever only asks whether we live holds the lock for a moment
        while not (mine := lock_file(file)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        yield mine


def lock_file(file: IO[bytes], *, shared: bool = False) -> bool:
    """Try to lock a file for this process, or with others who only look."""
    try:
        if sys.platform == "win32":
            import msvcrt

            file.seek(0)
            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def alive(place: Path) -> bool:
    """Return whether a supervisor holds the folder."""
    path = place / "alive"
    if not path.exists():
        return False
    with path.open("a+b") as file:
        return not lock_file(file, shared=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
