"""Keeps a program running on this computer: started anew when it crashes, stopped on request.

Runs by itself, with the standard library only, and outlives the wizard:
``supervise.py start|stop|status|log|watch FOLDER …``. The folder holds ``run.json`` (what to run),
``status.json`` (how it is), ``stop`` (a request), ``alive`` (locked while the supervisor lives),
``turn`` (locked by a start or stop under way) and ``log/``. ``start`` and ``status`` print one
JSON object.

Nothing starts the supervisor itself again: not after the computer was restarted, and not after
it was killed. A program that outlived it is found by its process id and the time it began, and
the next start or stop ends it.
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
START_SECONDS = 20.0
TURN_SECONDS = 30.0
GRACE_SECONDS = 10.0
KILL_SECONDS = 5.0
DRAIN_SECONDS = 1.0
SHARING_SECONDS = 1.0
LOG_BYTES = 10_000_000
LOG_FILES = 3
PIECE_BYTES = 64 * 1024
# states in which a supervisor is there, unless it was killed
LIVING = ("running", "waiting", "stopping")


def main(arguments: list[str]) -> int:
    """Carry out one verb; 0 if it did what it says."""
    verb, folder, *rest = arguments
    place = Path(folder)
    try:
        if verb == "start":
            return start(place, rest[0])
        if verb == "stop":
            return stop(place, float(rest[0]))
        if verb == "status":
            print(json.dumps(status(place)))
        elif verb == "log":
            since = int(status(place).get("log", 0)) if "--since-start" in rest else None
            show_log(place / "log" / "output.log", int(rest[0]), since, follow="follow" in rest)
        else:
            watch(place)
    except OSError as problem:
        return refuse(f"{problem.strerror or problem}: {problem.filename or place}")
    return 0


def refuse(reason: str) -> int:
    """Say why a verb was not carried out; return its exit code."""
    print(reason, file=sys.stderr)
    return 1


def start(place: Path, release: str) -> int:
    """Start a release under a supervisor of its own, detached from this process.

    Settings come from the release's ``run.json``; secrets as a JSON object on stdin, kept in a
    file that only this account can read, so that a crash or a rollback can start it again.
    Where that release runs already nothing is touched; where another one does, it is refused.
    """
    given = sys.stdin.read()
    folder = place / "releases" / release
    there = bool(release) and (folder / "run.json").is_file()
    if not there and not alive(place):
        return refuse(f"nothing to start: the files of release “{release}” are not in {place}")
    with held(place / "turn", TURN_SECONDS) as mine:
        if not mine:
            return refuse("another start or stop is under way")
        if alive(place):
            return already(place, release)
        if not end_lost(place, GRACE_SECONDS):
            return refuse("the program that lost its supervisor does not end")
        if given.strip():
            replace_file(folder / "secrets.json", given)
        run = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        replace_file(place / "run.json", json.dumps(run | {"folder": str(folder)}))
        (place / "stop").unlink(missing_ok=True)
        (place / "status.json").unlink(missing_ok=True)
        return await_start(place, release, detach(place))


def already(place: Path, release: str) -> int:
    """Answer a start while a supervisor is there: fine if it keeps that very release running."""
    found = status(place)
    if found.get("release") != release or found["state"] not in ("running", "waiting"):
        return refuse(f"release “{found.get('release', '')}” is {found['state']}: stop it first")
    print(json.dumps(found))
    return 0


def detach(place: Path) -> subprocess.Popen[bytes]:
    """Start the supervisor: no terminal, no open file, no secret and no folder of ours in it."""
    command = [*own_words(), "watch", str(place)]
    environment = clean_environment()
    quiet = subprocess.DEVNULL
    for keywords in ways_out():
        with contextlib.suppress(PermissionError):
            return subprocess.Popen(
                command, cwd=place, env=environment, stdin=quiet, stdout=quiet, stderr=quiet,
                **keywords,
            )  # fmt: skip
    raise PermissionError(None, "the supervisor may not be started", str(place))


def ways_out() -> list[dict[str, Any]]:
    """Return what makes a process independent of ours, in the order in which to try."""
    if sys.platform == "win32":
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        # a terminal may end its whole job when it closes; not every job lets go of a process
        leaving = flags | subprocess.CREATE_BREAKAWAY_FROM_JOB
        ways: list[dict[str, Any]] = [{"creationflags": leaving}, {"creationflags": flags}]
    else:
        ways = [{"start_new_session": True}]
    return ways


def await_start(place: Path, release: str, supervisor: subprocess.Popen[bytes]) -> int:
    """Wait until the supervisor has started the program; one that doesn't is ended."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        over = supervisor.poll() is not None
        found = status(place)
        if found["state"] in ("running", "waiting"):  # waiting: it ran, and ended at once
            print(json.dumps(found))
            return 0
        if found["state"] == "failed" or over:
            break
        time.sleep(POLL_SECONDS)
    supervisor.terminate()  # it ends what it has started
    try:
        supervisor.wait(GRACE_SECONDS + KILL_SECONDS)
    except subprocess.TimeoutExpired:
        supervisor.kill()
        supervisor.wait()
    end_lost(place, 0)
    found = status(place)
    if found["state"] != "failed":
        found = {"state": "failed", "release": release, "problem": "the supervisor did not start"}
        replace_file(place / "status.json", json.dumps(found))
    return refuse(str(found.get("problem")))


def own_words() -> list[str]:
    """Return the command that runs this module: a script from source, a verb when packaged."""
    if getattr(sys, "frozen", False):
        program = Path(sys.executable)
        if sys.platform == "win32":
            # the wizard there is a program without a console, whose output nobody can read
            program = program.with_name("slipway.exe")
        return [str(program), "supervise"]
    # isolated: nothing beside this file is imported in place of the standard library
    return [sys.executable, "-I", str(Path(__file__).resolve())]


def clean_environment() -> dict[str, str]:
    """Return the environment without what concerns Slipway alone: its passwords."""
    own = "SLIPWAY_"
    return {name: text for name, text in os.environ.items() if not name.upper().startswith(own)}


def stop(place: Path, grace: float) -> int:
    """Ask the program to end, wait, then end its whole tree; 0 once nothing runs.

    A program whose supervisor was killed is ended too.
    """
    if not place.is_dir():
        return 0
    with held(place / "turn", TURN_SECONDS) as mine:
        if not mine:
            return refuse("another start or stop is under way")
        if alive(place):
            replace_file(place / "stop", str(grace))
        deadline = time.monotonic() + grace + 2 * KILL_SECONDS
        while alive(place):
            if time.monotonic() > deadline:
                return refuse("the supervisor did not end")
            time.sleep(POLL_SECONDS)
        if not end_lost(place, grace):
            return refuse("the program that lost its supervisor does not end")
    return 0


def status(place: Path) -> dict[str, Any]:
    """Return how the program is: state, pid, release, since, restarts, exit code.

    ``lost`` is one whose supervisor was killed; its pid is 0 if it does not run any more.
    """
    known = read_status(place)
    if known["state"] not in LIVING or alive(place):
        return known
    known = read_status(place)  # it may have ended in good order between the two looks
    if known["state"] in LIVING:
        known["state"] = "lost"
        if not lives(known):
            known["pid"] = 0
    return known


def read_status(place: Path) -> dict[str, Any]:
    """Return what status.json says; on Windows it can't be read while it is being replaced."""
    deadline = time.monotonic() + SHARING_SECONDS
    while True:
        try:
            known = json.loads((place / "status.json").read_text(encoding="utf-8"))
        except PermissionError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS / 5)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return {"state": "missing"}
        else:
            return known if isinstance(known, dict) and "state" in known else {"state": "missing"}


def show_log(path: Path, lines: int, since: int | None = None, *, follow: bool = False) -> None:
    """Print the log's last lines, and if asked go on with what comes, also after a rotation.

    ``since`` is the byte after which lines count; None shows the file before a rotation too.
    """
    out = sys.stdout.buffer
    reader, parent = LogReader(path), os.getppid()
    began = born(parent)
    content = reader.fresh()[since or 0 :]
    if since is None and content.count(b"\n") < lines:
        with contextlib.suppress(OSError):
            content = path.with_suffix(".1.log").read_bytes() + content
    out.write(b"".join(content.splitlines(keepends=True)[-lines:]))
    out.flush()
    # a reader that was killed leaves an orphan, which would look at a silent log for ever
    while follow and not orphaned(parent, began):
        time.sleep(POLL_SECONDS)
        out.write(reader.fresh())
        out.flush()


def orphaned(parent: int, began: str) -> bool:
    """Return whether who started us, at the time ``began``, has ended."""
    if sys.platform == "win32":
        # a process keeps the number of its parent for ever
        gone = born(parent) != began
    else:
        gone = os.getppid() != parent
    return gone


class LogReader:
    """Reads what was added to a log, which may be renamed and begun anew meanwhile.

    It is not kept open: on Windows that would forbid renaming it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = 0
        self.position = 0

    def fresh(self) -> bytes:
        """Return what was added since the last call."""
        with contextlib.suppress(OSError), self.path.open("rb") as file:
            found = os.fstat(file.fileno())
            rest = b""
            if found.st_ino != self.file or found.st_size < self.position:
                rest = self._rest_of_renamed()
                self.file, self.position = found.st_ino, 0
            file.seek(self.position)
            content = file.read()
            self.position += len(content)
            return rest + content
        return b""

    def _rest_of_renamed(self) -> bytes:
        with contextlib.suppress(OSError), self.path.with_suffix(".1.log").open("rb") as file:
            if self.file and os.fstat(file.fileno()).st_ino == self.file:
                file.seek(self.position)
                return file.read()
        return b""


def watch(place: Path) -> None:
    """Be the supervisor: run the program until asked to stop."""
    with held(place / "alive") as mine:
        if not mine:
            return  # another supervisor runs here already
        run = json.loads((place / "run.json").read_text(encoding="utf-8"))
        supervisor = Supervisor(place, run)
        signal.signal(signal.SIGTERM, supervisor.end)
        if sys.platform != "win32":
            # handled, not ignored: the program would inherit an ignored signal
            signal.signal(signal.SIGHUP, lambda _number, _frame: None)
        supervisor.run()


class Supervisor:
    """Runs one program, again and again, with a growing pause between crashes."""

    def __init__(self, place: Path, run: dict[str, Any]) -> None:
        self.place = place
        self.run_options = run
        self.restarts = 0
        self.log = Log(place / "log" / "output.log")
        self.process: subprocess.Popen[bytes] | None = None
        self._job = 0
        self._facts: dict[str, Any] = {}
        self._told: dict[str, Any] = {}
        self._ending = False

    def end(self, _number: int, _frame: object) -> None:
        """Take SIGTERM for a request to stop."""
        self._ending = True

    def run(self) -> None:
        """Run until asked to stop."""
        try:
            self._run()
        except Exception as problem:
            self._tell("failed", problem=f"the supervisor failed: {problem!r}")
            raise
        finally:
            if self.process and self.process.poll() is None:
                end_tree(self.process.pid)

    def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            begun = time.monotonic()
            try:
                process = self._spawn()
            except OSError as problem:
                program = problem.filename or self.run_options["binary"]
                self._tell("failed", problem=f"{problem.strerror}: {program}")
                return
            this = {"pid": process.pid, "born": born(process.pid), "since": time.time()}
            self._tell("running", **this)
            code = self._wait(process, this)
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
        release, restarts = self.run_options["release"], self.restarts
        self._facts = {"state": state, "release": release, "restarts": restarts, **more}
        self._keep_told()

    def _keep_told(self) -> None:
        """Write how it is, unless that is written already; a full disk is tried again later."""
        facts = self._facts | {"log": self.log.began}
        if facts != self._told:
            with contextlib.suppress(OSError):
                replace_file(self.place / "status.json", json.dumps(facts))
                self._told = facts

    def _spawn(self) -> subprocess.Popen[bytes]:
        folder = Path(self.run_options["folder"])
        secrets = folder / "secrets.json"
        hidden = json.loads(secrets.read_text(encoding="utf-8")) if secrets.exists() else {}
        environment = clean_environment() | self.run_options["env"] | hidden
        command = [str(folder / self.run_options["binary"]), *self.run_options["args"]]
        keywords: dict[str, Any] = {"start_new_session": True}
        if sys.platform == "win32":
            # Ctrl-Break reaches only those who share our console, which has no window
            flags = 0 if has_console() else subprocess.CREATE_NO_WINDOW
            flags |= subprocess.CREATE_NEW_PROCESS_GROUP | _CREATE_SUSPENDED
            keywords = {"creationflags": flags}
        self.process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, bufsize=0,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **keywords,
        )  # fmt: skip
        if sys.platform == "win32":
            self._job = hold_together(self.process)
        if self.process.stdout:
            self.log.keep(self.process.stdout)
        return self.process

    def _asked_to_stop(self) -> float | None:
        if self._ending:
            return GRACE_SECONDS
        try:
            return float((self.place / "stop").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _wait(self, process: subprocess.Popen[bytes], this: dict[str, Any]) -> int | None:
        """Return the exit code of a program that ended by itself, None if it was stopped."""
        grace = None
        while process.poll() is None and (grace := self._asked_to_stop()) is None:
            self._keep_told()
            time.sleep(POLL_SECONDS)
        if grace is not None:
            self._tell("stopping", **this)
            ask_to_end(process.pid)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(grace)
        # also what it has left behind: that would hold its port against its successor
        self._end_all(process)
        code = process.wait()
        self.log.drain()
        return code if grace is None else None

    def _end_all(self, process: subprocess.Popen[bytes]) -> None:
        if sys.platform == "win32":
            end_job(self._job)
        else:
            end_tree(process.pid)

    def _pause(self, seconds: float) -> bool:
        """Wait before starting again; True if asked to stop meanwhile."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if self._asked_to_stop() is not None:
                return True
            self._keep_told()
            time.sleep(POLL_SECONDS)
        return False


class Log:
    """A program's output in a file that is renamed to .1, .2 … when it is full.

    ``began`` is where this supervisor's part of the file begins, in bytes. What can't be written
    is dropped, for a program whose output nobody takes any more would stop or die.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.began = 0
        self._reader: threading.Thread | None = None
        self._writing = threading.Lock()
        self._file: IO[bytes] | None = None
        with contextlib.suppress(OSError):
            self.began = path.stat().st_size

    def keep(self, source: IO[bytes]) -> None:
        """Write all that comes from ``source``, in a thread of its own."""
        self._reader = threading.Thread(target=self._keep, args=(source,), daemon=True)
        self._reader.start()

    def drain(self) -> None:
        """Wait until all that was said is written, unless something left behind holds the pipe."""
        if self._reader:
            self._reader.join(DRAIN_SECONDS)

    def _keep(self, source: IO[bytes]) -> None:
        with source:
            while piece := os.read(source.fileno(), PIECE_BYTES):
                with self._writing, contextlib.suppress(OSError):
                    self._write(piece)

    def _write(self, piece: bytes) -> None:
        file = self._open()
        if file.tell() >= LOG_BYTES:
            line, end, piece = piece.partition(b"\n")
            file.write(line + end)
            self._rotate()
            file = self._open()
        file.write(piece)

    def _open(self) -> IO[bytes]:
        if self._file is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # programs print what nobody else on the machine should read
            flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
            descriptor = os.open(self.path, flags, 0o600)
            self._file = os.fdopen(descriptor, "ab", buffering=0)
        return self._file

    def _rotate(self) -> None:
        if self._file:
            self._file.close()
            self._file = None
        for number in range(LOG_FILES - 1, 0, -1):
            older = self.path.with_suffix(f".{number}.log")
            if older.exists():
                older.replace(self.path.with_suffix(f".{number + 1}.log"))
        self.path.replace(self.path.with_suffix(".1.log"))
        self.began = 0


# -- processes ---------------------------------------------------------------------------------


def born(pid: int) -> str:
    """Return when a process began, which tells it from others of its number; "" if it has ended."""
    if sys.platform == "win32":
        began = born_on_windows(pid)
    elif sys.platform == "linux":
        began = born_on_linux(pid)
    else:
        began = born_by_ps(pid)
    return began


def born_on_linux(pid: int) -> str:
    """Return which boot and how many ticks after it a process began; "" if it has ended."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].decode().split()
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return ""
    return "" if stat[0] in "ZX" else f"{boot} {stat[19]}"


def born_by_ps(pid: int) -> str:
    """Return the time at which a process began, as POSIX's ps tells it; "" if it has ended."""
    command = ["ps", "-o", "stat=", "-o", "lstart=", "-p", str(pid)]
    fixed = os.environ | {"LC_ALL": "C", "TZ": "UTC"}
    said = subprocess.run(command, capture_output=True, text=True, env=fixed, check=False)
    state, _space, began = said.stdout.strip().partition(" ")
    return "" if state.startswith("Z") else began.strip()


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _CREATE_SUSPENDED = 0x4
    _QUERY_LIMITED_INFORMATION = 0x1000
    _STILL_ACTIVE = 259

    def has_console() -> bool:
        """Return whether this process has a console, be it without a window."""
        return bool(ctypes.WinDLL("kernel32").GetConsoleCP())

    def hold_together(process: subprocess.Popen[bytes]) -> int:
        """Put a suspended program into a job, with all that it will start, and let it run."""
        kernel, ntdll = ctypes.WinDLL("kernel32"), ctypes.WinDLL("ntdll")
        kernel.CreateJobObjectW.restype = wintypes.HANDLE
        kernel.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
        ntdll.NtResumeProcess.argtypes = (wintypes.HANDLE,)
        handle = int(process._handle)  # type: ignore[attr-defined]  # noqa: SLF001
        job: int = kernel.CreateJobObjectW(None, None)
        kernel.AssignProcessToJobObject(job, handle)
        ntdll.NtResumeProcess(handle)
        return job

    def end_job(job: int) -> None:
        """End whatever still runs in a job, also after the program itself has ended."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
        kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
        kernel.TerminateJobObject(job, 1)
        kernel.CloseHandle(job)

    def born_on_windows(pid: int) -> str:
        """Return a process's creation time; "" if it has ended."""
        kernel = ctypes.WinDLL("kernel32")
        kernel.OpenProcess.restype = wintypes.HANDLE
        kernel.OpenProcess.argtypes = (wintypes.DWORD, wintypes.BOOL, wintypes.DWORD)
        kernel.GetProcessTimes.argtypes = (wintypes.HANDLE, *[wintypes.LPVOID] * 4)
        kernel.GetExitCodeProcess.argtypes = (wintypes.HANDLE, wintypes.LPVOID)
        kernel.CloseHandle.argtypes = (wintypes.HANDLE,)
        handle = kernel.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
        if not handle:
            return ""
        times = [wintypes.FILETIME() for _time in range(4)]
        code = wintypes.DWORD()
        try:
            known = kernel.GetProcessTimes(handle, *map(ctypes.byref, times))
            known = known and kernel.GetExitCodeProcess(handle, ctypes.byref(code))
        finally:
            kernel.CloseHandle(handle)
        if not known or code.value != _STILL_ACTIVE:
            return ""
        return f"{times[0].dwHighDateTime}:{times[0].dwLowDateTime}"


def lives(known: dict[str, Any]) -> bool:
    """Return whether the very program that a status names runs, and not just one of its number."""
    return bool(known.get("pid") and known.get("born")) and born(known["pid"]) == known["born"]


def end_lost(place: Path, grace: float) -> bool:
    """End a program whose supervisor was killed; False if it does not end."""
    known = status(place)
    if known["state"] != "lost":
        return True
    if known.get("pid"):
        ask_to_end(known["pid"])
        if not ended(known, grace) or sys.platform != "win32":
            # a group keeps its number while anybody is left in it; on Windows numbers come again
            end_tree(known["pid"])
        if not ended(known, KILL_SECONDS):
            return False
    replace_file(place / "status.json", json.dumps(known | {"state": "stopped", "pid": 0}))
    return True


def ended(known: dict[str, Any], seconds: float) -> bool:
    """Return whether a program ends within some seconds."""
    deadline = time.monotonic() + seconds
    while lives(known):
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def ask_to_end(pid: int) -> None:
    """Ask a program to end: SIGTERM, or Ctrl-Break on Windows."""
    with contextlib.suppress(OSError):
        if sys.platform == "win32":
            os.kill(pid, signal.CTRL_BREAK_EVENT)
        else:
            os.killpg(pid, signal.SIGTERM)


def end_tree(pid: int) -> None:
    """End a program and everything it started."""
    if sys.platform == "win32":
        command = ["taskkill", "/T", "/F", "/PID", str(pid)]
        flags = subprocess.CREATE_NO_WINDOW
        subprocess.run(command, capture_output=True, creationflags=flags, check=False)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)


# -- files -------------------------------------------------------------------------------------


def replace_file(path: Path, text: str) -> None:
    """Replace a file's content atomically; only this account can read it."""
    part = path.with_name(path.name + ".part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
    deadline = time.monotonic() + SHARING_SECONDS
    while True:
        try:
            part.replace(path)
            return
        except PermissionError:  # on Windows, while somebody reads it
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS / 5)


@contextlib.contextmanager
def held(path: Path, patience: float = 2.0) -> Iterator[bool]:
    """Hold an operating system's lock on a file, which ends with this process, however it ends.

    Yields whether it was had within ``patience`` seconds: whoever only asks whether we live holds
    it for a moment.
    """
    with path.open("a+b") as file:
        deadline = time.monotonic() + patience
        while not (mine := lock_file(file)) and time.monotonic() < deadline:
            time.sleep(POLL_SECONDS)
        yield mine


def is_held(path: Path) -> bool:
    """Return whether a process holds the lock on a file; False if there is no such file."""
    # Windows knows no shared locks here: another one who only asks must not count
    for _attempt in range(3 if sys.platform == "win32" else 1):
        try:
            with path.open("rb") as file:
                if lock_file(file, shared=True):
                    return False
        except (FileNotFoundError, NotADirectoryError):
            return False
        if sys.platform == "win32":
            time.sleep(POLL_SECONDS / 5)
    return True


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
    return is_held(place / "alive")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
