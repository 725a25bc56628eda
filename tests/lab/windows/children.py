"""Real processes for the two servers: on Windows through CreateProcess, each in a job of its own.

On Linux, where the servers run while one works on them, /bin/sh takes the place of cmd.exe and a
folder that of drive C.
"""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO

WINDOWS = sys.platform == "win32"
READ_BYTES = 32 * 1024
MOST_CHARACTERS = 8191  # of a command line, for cmd.exe
POWERSHELL = Path(__file__).resolve().with_name("powershell.py")
CREATE_SUSPENDED = 0x4
CREATE_NO_WINDOW = 0x0800_0000
KILL_ON_JOB_CLOSE = 0x2000

Take = Callable[[str, bytes], None]

_consoles = threading.Lock()
_code_page = 0


class Child:
    """A process under way; ``take(name, data)`` gets what it prints, b"" at each stream's end."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self._job = _put_into_job(process)
        self._ending = threading.Lock()
        self._threads: list[threading.Thread] = []

    def listen(self, take: Take) -> None:
        """Have its output taken from now on, in threads."""
        for name, pipe in (("stdout", self.process.stdout), ("stderr", self.process.stderr)):
            thread = threading.Thread(target=_pump, args=(name, pipe, take), daemon=True)
            thread.start()
            self._threads.append(thread)

    def feed(self, data: bytes, *, end: bool) -> None:
        """Give it input; what it does not take any more is dropped, as by a pipe nobody reads."""
        pipe = self.process.stdin
        if pipe is None or pipe.closed:
            return
        try:
            pipe.write(data)
            pipe.flush()
            if end:
                pipe.close()
        except OSError:
            return

    def end_shell(self) -> None:
        """End the process itself; what it started goes on."""
        if self.process.poll() is None:
            self.process.kill()
        self.feed(b"", end=True)

    def end_tree(self) -> None:
        """End it and all that it started."""
        if WINDOWS:
            # Two threads may end it at once. A handle that is closed twice is somebody else's by
            # then, like the socket that the server listens at.
            with self._ending:
                job, self._job = self._job, 0
            _close_job(job)
            return
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            return


def start(
    line: str, *, drive: str = "", env: dict[str, str] | None = None, code_page: int = 0
) -> Child:
    """Run a command line as ``cmd /c`` does, in a console of this code page (0: in none)."""
    if len(line) > MOST_CHARACTERS:
        line = "echo The command line is too long.>&2& exit 1"
    if not WINDOWS:
        return start_program(["/bin/sh", "-c", _for_sh(line, drive)], env=env)
    # cmd takes the outer quotes away and the rest as it is.
    words = f'cmd /c "{line}"'
    if not code_page:
        return start_program(words, env=env)
    with _consoles:
        _use_console(code_page)
        return start_program(words, env=env)


def start_program(words: Sequence[str] | str, *, env: dict[str, str] | None = None) -> Child:
    """Run a program with pipes at its three streams."""
    process = subprocess.Popen(
        words,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(env or {})},
        start_new_session=not WINDOWS,
        creationflags=CREATE_SUSPENDED if WINDOWS else 0,
    )
    return Child(process)


def _use_console(code_page: int) -> None:
    """Have a console of this code page that nobody sees, for this process and what it starts.

    As in winrshost.exe, the commands share one. Another is made only for another code page:
    making one takes two programs, as many as a command itself.
    """
    global _code_page
    if sys.platform != "win32" or code_page == _code_page:
        return
    import ctypes

    kernel = ctypes.windll.kernel32
    with subprocess.Popen(
        f"cmd /c chcp {code_page} & set /p line=",
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        creationflags=CREATE_NO_WINDOW,
    ) as first:
        assert first.stdin is not None
        assert first.stdout is not None
        first.stdout.readline()
        kernel.FreeConsole()
        if not kernel.AttachConsole(first.pid):
            raise ctypes.WinError()
        _code_page = code_page
        first.stdin.close()


def start_powershell(script: str, *, drive: str = "") -> Child:
    """Run the stand-in for powershell.exe, which knows one script."""
    return start_program([sys.executable, str(POWERSHELL), script, drive])


def _pump(name: str, pipe: IO[bytes] | None, take: Take) -> None:
    while pipe is not None:
        try:
            data = os.read(pipe.fileno(), READ_BYTES)
        except OSError:
            data = b""
        take(name, data)
        if not data:
            return


def _for_sh(line: str, drive: str) -> str:
    """Turn the few things that our command lines hold into their like for sh."""

    def path(found: re.Match[str]) -> str:
        return drive + found[1].replace("\\", "/")

    line = re.sub(r"C:([\\/][^\"'&|<>]*)", path, line)
    line = line.replace("%PROCESSOR_ARCHITECTURE%", "AMD64")
    return line.replace("& exit", "; exit")


def _put_into_job(process: subprocess.Popen[bytes]) -> int:
    """Put a suspended process into a job that ends with its handle, then let it run."""
    if sys.platform != "win32":
        return 0
    import ctypes
    from ctypes import wintypes

    kernel, ntdll = ctypes.windll.kernel32, ctypes.windll.ntdll
    kernel.CreateJobObjectW.restype = wintypes.HANDLE
    handle = wintypes.HANDLE(int(process._handle))
    job = wintypes.HANDLE(kernel.CreateJobObjectW(None, None))
    # JOBOBJECT_EXTENDED_LIMIT_INFORMATION: LimitFlags after two 64-bit times, 144 bytes in all
    limits = ctypes.create_string_buffer(144)
    limits[16:20] = KILL_ON_JOB_CLOSE.to_bytes(4, "little")
    if not kernel.SetInformationJobObject(job, 9, limits, len(limits)):
        raise ctypes.WinError()
    if not kernel.AssignProcessToJobObject(job, handle):
        raise ctypes.WinError()
    ntdll.NtResumeProcess(handle)
    return int(job.value or 0)


def _close_job(job: int) -> None:
    if sys.platform == "win32" and job:
        import ctypes
        from ctypes import wintypes

        ctypes.windll.kernel32.TerminateJobObject(wintypes.HANDLE(job), 1)
        ctypes.windll.kernel32.CloseHandle(wintypes.HANDLE(job))
