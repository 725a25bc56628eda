"""Other processes: whether they live, who started them, and waiting for what they do."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

# What ends a process at once and without its consent; on Windows every os.kill() does.
KILL = signal.SIGTERM if sys.platform == "win32" else signal.SIGKILL
SLEEPS = (getattr(sys, "_base_executable", sys.executable), "-Ic", "import time; time.sleep(120)")


def alive(pid: int) -> bool:
    """Whether a process still runs; one that only waits for its exit code to be read does not."""
    if sys.platform == "win32":
        return _alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    stat = Path(f"/proc/{pid}/stat")
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return not Path("/proc/self").exists()


def parent_of(pid: int) -> int:
    """Return the process id of who started a process."""
    if sys.platform == "win32":
        return _parent_on_windows(pid)
    return int(subprocess.check_output(["ps", "-o", "ppid=", "-p", str(pid)]))


def wait_until(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Return whether the condition comes true in time."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.02)
    return condition()


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _SYNCHRONIZE = 0x100000
    _WAIT_TIMEOUT = 0x102
    _PROCESSES = 0x2
    _kernel = ctypes.WinDLL("kernel32")
    _kernel.OpenProcess.restype = wintypes.HANDLE
    _kernel.CreateToolhelp32Snapshot.restype = wintypes.HANDLE
    _kernel.WaitForSingleObject.argtypes = (wintypes.HANDLE, wintypes.DWORD)
    _kernel.Process32FirstW.argtypes = (wintypes.HANDLE, wintypes.LPVOID)
    _kernel.Process32NextW.argtypes = (wintypes.HANDLE, wintypes.LPVOID)
    _kernel.CloseHandle.argtypes = (wintypes.HANDLE,)

    class _Entry(ctypes.Structure):
        _fields_ = (
            ("size", wintypes.DWORD),
            ("usage", wintypes.DWORD),
            ("pid", wintypes.DWORD),
            ("heap", ctypes.c_size_t),
            ("module", wintypes.DWORD),
            ("threads", wintypes.DWORD),
            ("parent", wintypes.DWORD),
            ("priority", wintypes.LONG),
            ("flags", wintypes.DWORD),
            ("program", wintypes.WCHAR * 260),
        )

    def _alive_on_windows(pid: int) -> bool:
        handle = _kernel.OpenProcess(_SYNCHRONIZE, False, pid)
        if not handle:
            return False
        try:
            return bool(_kernel.WaitForSingleObject(handle, 0) == _WAIT_TIMEOUT)
        finally:
            _kernel.CloseHandle(handle)

    def _parent_on_windows(pid: int) -> int:
        entry = _Entry(size=ctypes.sizeof(_Entry))
        listing = _kernel.CreateToolhelp32Snapshot(_PROCESSES, 0)
        try:
            more = _kernel.Process32FirstW(listing, ctypes.byref(entry))
            while more:
                if entry.pid == pid:
                    return int(entry.parent)
                more = _kernel.Process32NextW(listing, ctypes.byref(entry))
        finally:
            _kernel.CloseHandle(listing)
        raise ProcessLookupError(pid)
