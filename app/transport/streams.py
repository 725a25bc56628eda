"""Real sockets for what is not one: an SSH channel, a proxy program's input and output."""

from __future__ import annotations

import collections
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from typing import IO

import paramiko

PIECE_BYTES = 32 * 1024


def bridge_channel(channel: paramiko.Channel) -> socket.socket:
    """Return a socket whose other end is the channel; closing it closes the channel."""
    ours, theirs = socket.socketpair()

    def outward() -> None:
        with contextlib.suppress(OSError, EOFError):
            while data := theirs.recv(PIECE_BYTES):
                channel.sendall(data)
            channel.shutdown_write()

    def inward() -> None:
        with contextlib.suppress(OSError, EOFError):
            while data := channel.recv(PIECE_BYTES):
                theirs.sendall(data)
        with contextlib.suppress(OSError):
            theirs.shutdown(socket.SHUT_WR)
        sender.join()
        theirs.close()
        channel.close()

    sender = _start(outward)
    _start(inward)
    return ours


class Proxy:
    """A ProxyCommand under way: ``socket`` leads through it to the server."""

    def __init__(self, command: str) -> None:
        # The user's own configuration, meant for a shell, as ssh runs it.
        self._process = subprocess.Popen(  # noqa: S602
            command if sys.platform == "win32" else f"exec {command}",
            shell=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=sys.platform != "win32",
        )
        self._said: collections.deque[bytes] = collections.deque(maxlen=20)
        self.socket, self._inner = socket.socketpair()
        _start(lambda: self._outward(_pipe(self._process.stdin)))
        _start(lambda: self._inward(_pipe(self._process.stdout)))
        self._listener = _start(lambda: self._said.extend(_pipe(self._process.stderr)))

    def complaint(self) -> str:
        """Return the last lines that the program wrote to stderr."""
        self._listener.join(0.5)
        return b"".join(self._said).decode("utf-8", "replace").strip()

    def close(self) -> None:
        """End the program and what it started."""
        with contextlib.suppress(OSError):
            self._inner.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        with contextlib.suppress(OSError):
            if sys.platform == "win32":
                self._process.terminate()
            else:
                os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()

    def _outward(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError), pipe:
            while data := self._inner.recv(PIECE_BYTES):
                rest = memoryview(data)
                while rest:
                    rest = rest[os.write(pipe.fileno(), rest) :]

    def _inward(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError), pipe:
            while data := os.read(pipe.fileno(), PIECE_BYTES):
                self._inner.sendall(data)
        with contextlib.suppress(OSError):
            self._inner.shutdown(socket.SHUT_WR)


def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
    if pipe is None:
        raise AssertionError
    return pipe


def _start(target: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=target, name="ssh stream", daemon=True)
    thread.start()
    return thread
