"""Programs run on this computer: output line by line while they run, ended as a whole tree."""

from __future__ import annotations

import codecs
import contextlib
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

from app.transport import CancelToken, OnLine, ignore_line

# A line longer than this is reported in pieces, so that a program which never ends a line
# can neither hide its output nor fill the memory.
LONGEST_LINE = 64 * 1024
POLL_SECONDS = 0.05
GRACE_SECONDS = 1.0
# How long output is awaited after the program itself has ended: something it left behind may
# hold the pipes open for ever.
LINGER_SECONDS = 1.0

Source = Literal["stdout", "stderr"]
Chunk = tuple[Source, str, list[str]]


@dataclass(frozen=True, slots=True)
class ProcessResult:
    """How a program ended. Ended by signal N, its exit code is -N, as in ``subprocess``."""

    exit_code: int
    stdout: str
    stderr: str


class LineSplitter:
    """Bytes in as they come, whole lines out; bytes that are not UTF-8 become U+FFFD."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._rest = ""

    def feed(self, data: bytes, *, final: bool = False) -> tuple[str, list[str]]:
        """Return the decoded text and the lines that it completed, without their line ends."""
        text = self._decoder.decode(data, final)
        *lines, self._rest = (self._rest + text).split("\n")
        while len(self._rest) >= LONGEST_LINE:
            lines.append(self._rest[:LONGEST_LINE])
            self._rest = self._rest[LONGEST_LINE:]
        if final and self._rest:
            lines.append(self._rest)
            self._rest = ""
        return text, [line.removesuffix("\r") for line in lines]


def run_process(
    argv: Sequence[str | Path],
    *,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    stdin: bytes | None = None,
    on_line: OnLine = ignore_line,
    cancel: CancelToken | None = None,
    timeout: float | None = None,
    capture: bool = True,
) -> ProcessResult:
    """Run a program to its end; ``on_line`` is called in the caller's thread for each line.

    ``env`` is the whole environment, None means ours; ``timeout`` is in seconds. With
    ``capture`` off the result holds no text. Raises OSError if the program cannot be started,
    Cancelled or TimeoutError after its whole process tree was ended, within 2 s.
    """
    if cancel is not None:
        cancel.check()
    tree = ProcessTree(argv, cwd=cwd, env=env, stdin=stdin is not None)
    pump = _Pump(tree.process, stdin)
    try:
        _report(tree, pump, on_line, cancel, timeout, capture)
    except BaseException:
        tree.kill()
        raise
    finally:
        pump.close()
        tree.close()
    return ProcessResult(tree.process.returncode, pump.text("stdout"), pump.text("stderr"))


def _report(
    tree: ProcessTree,
    pump: _Pump,
    on_line: OnLine,
    cancel: CancelToken | None,
    timeout: float | None,
    capture: bool,
) -> None:
    """Pass lines on until the program has ended and its output is read."""
    deadline = None if timeout is None else time.monotonic() + timeout
    for chunk in _chunks(tree, pump):
        if chunk is not None:
            source, text, lines = chunk
            if capture:
                pump.keep(source, text)
            for line in lines:
                on_line(source, line)
        if cancel is not None:
            cancel.check()
        if deadline is not None and time.monotonic() > deadline:
            raise TimeoutError(f"{timeout} s")


def _chunks(tree: ProcessTree, pump: _Pump) -> Iterator[Chunk | None]:
    """Yield output as it comes, and None every moment that there is none."""
    ended_at: float | None = None
    while True:
        chunk = pump.next()
        yield chunk
        if pump.finished:
            # Both pipes can be closed long before the program ends.
            if tree.wait(POLL_SECONDS):
                return
        elif chunk is None and tree.wait(0):
            now = time.monotonic()
            ended_at = ended_at or now
            if now - ended_at > LINGER_SECONDS:
                return


class _Pump:
    """Reads both streams in threads of its own and hands chunks over one at a time."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes | None) -> None:
        # Bounded: a program that floods its output is slowed down to the speed of the reader.
        self._chunks: queue.Queue[Chunk | None] = queue.Queue(64)
        self._kept: dict[Source, list[str]] = {"stdout": [], "stderr": []}
        self._open = 0
        self._closed = threading.Event()
        if process.stdout is not None:
            self._read_in_thread("stdout", process.stdout)
        if process.stderr is not None:
            self._read_in_thread("stderr", process.stderr)
        if stdin is not None and process.stdin is not None:
            threading.Thread(target=_feed, args=(process.stdin, stdin), daemon=True).start()

    @property
    def finished(self) -> bool:
        """Whether both streams have ended and everything was handed over."""
        return self._open == 0

    def next(self) -> Chunk | None:
        """Return the next chunk, or None if there was none for a moment."""
        if self.finished:
            return None
        try:
            chunk = self._chunks.get(timeout=POLL_SECONDS)
        except queue.Empty:
            return None
        if chunk is None:
            self._open -= 1
        return chunk

    def keep(self, source: Source, text: str) -> None:
        """Remember text for the result."""
        self._kept[source].append(text)

    def text(self, source: Source) -> str:
        """Return what was kept of a stream."""
        return "".join(self._kept[source])

    def close(self) -> None:
        """Let the readers go; they end with the pipes at the latest."""
        self._closed.set()

    def _read_in_thread(self, source: Source, pipe: IO[bytes]) -> None:
        self._open += 1
        threading.Thread(target=self._read, args=(source, pipe), daemon=True).start()

    def _read(self, source: Source, pipe: IO[bytes]) -> None:
        splitter = LineSplitter()
        with pipe:
            while data := os.read(pipe.fileno(), 65536):
                if not self._hand_over((source, *splitter.feed(data))):
                    return
        self._hand_over((source, *splitter.feed(b"", final=True)))
        self._hand_over(None)

    def _hand_over(self, chunk: Chunk | None) -> bool:
        while not self._closed.is_set():
            with contextlib.suppress(queue.Full):
                self._chunks.put(chunk, timeout=POLL_SECONDS)
                return True
        return False


def _feed(pipe: IO[bytes], data: bytes) -> None:
    # A program may end or close its input without having read all of it: not an error here.
    rest = memoryview(data)
    with contextlib.suppress(OSError), pipe:
        while rest:
            rest = rest[os.write(pipe.fileno(), rest) :]


class _Tree:
    """What is the same on every system."""

    process: subprocess.Popen[bytes]

    def wait(self, seconds: float) -> bool:
        """Return whether the program itself ends within ``seconds``."""
        try:
            self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return False
        return True


if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    _CREATE_SUSPENDED = 0x4

    _kernel32 = ctypes.WinDLL("kernel32", use_last_error=True)
    _kernel32.CreateJobObjectW.argtypes = (wintypes.LPVOID, wintypes.LPCWSTR)
    _kernel32.CreateJobObjectW.restype = wintypes.HANDLE
    _kernel32.AssignProcessToJobObject.argtypes = (wintypes.HANDLE, wintypes.HANDLE)
    _kernel32.TerminateJobObject.argtypes = (wintypes.HANDLE, wintypes.UINT)
    _kernel32.CloseHandle.argtypes = (wintypes.HANDLE,)
    _ntdll = ctypes.WinDLL("ntdll")
    _ntdll.NtResumeProcess.argtypes = (wintypes.HANDLE,)

    class ProcessTree(_Tree):
        """A program, or a shell's command, and whatever it starts: together in a job object."""

        def __init__(
            self,
            argv: Sequence[str | Path] | str,
            *,
            cwd: Path | None = None,
            env: Mapping[str, str] | None = None,
            stdin: bool = False,
        ) -> None:
            # Suspended until it is in the job: else its first children could be outside of it.
            self.process = subprocess.Popen(
                argv if isinstance(argv, str) else [str(word) for word in argv],
                shell=isinstance(argv, str),
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                creationflags=subprocess.CREATE_NO_WINDOW | _CREATE_SUSPENDED,
            )
            self._job = _kernel32.CreateJobObjectW(None, None)
            # Not public, but the only way to it; subprocess itself has no job objects.
            handle = int(self.process._handle)  # type: ignore[attr-defined]  # noqa: SLF001
            if not _kernel32.AssignProcessToJobObject(self._job, handle):
                error = ctypes.WinError(ctypes.get_last_error())
                self.process.kill()
                self.close()
                raise error
            _ntdll.NtResumeProcess(handle)

        def kill(self) -> None:
            """End everything at once: there is no polite way that reaches windowless programs."""
            _kernel32.TerminateJobObject(self._job, 1)
            self.wait(GRACE_SECONDS)

        def close(self) -> None:
            """Close the job's handle; processes still in the job live on."""
            _kernel32.CloseHandle(self._job)

else:

    class ProcessTree(_Tree):
        """A program, or a shell's command, and whatever it starts: in a session of its own."""

        def __init__(
            self,
            argv: Sequence[str | Path] | str,
            *,
            cwd: Path | None = None,
            env: Mapping[str, str] | None = None,
            stdin: bool = False,
        ) -> None:
            self.process = subprocess.Popen(
                argv if isinstance(argv, str) else [str(word) for word in argv],
                shell=isinstance(argv, str),
                cwd=cwd,
                env=None if env is None else dict(env),
                stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )

        def kill(self) -> None:
            """End everything: with SIGTERM, and after GRACE_SECONDS with SIGKILL."""
            if self._signal(signal.SIGTERM):
                deadline = time.monotonic() + GRACE_SECONDS
                while time.monotonic() < deadline and self._signal(0):
                    self.process.poll()
                    time.sleep(POLL_SECONDS / 5)
                self._signal(signal.SIGKILL)
            self.wait(GRACE_SECONDS / 2)

        def close(self) -> None:
            """Do nothing: the session ends with its last process."""

        def _signal(self, number: int) -> bool:
            """Return whether anybody in the group was there to get it."""
            try:
                os.killpg(self.process.pid, number)
            except ProcessLookupError:
                return False
            except PermissionError:
                # macOS says so when only zombies are left.
                return self.process.poll() is None
            return True
