"""Real sockets for what is not one: an SSH channel, a proxy program's input and output."""

from __future__ import annotations

import collections
import contextlib
import os
import socket
import threading
from collections.abc import Callable
from typing import IO

import paramiko

from app.processes import ProcessTree

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
        with contextlib.suppress(OSError, EOFError):  # the connection may be gone by now
            channel.close()

    sender = _start(outward)
    _start(inward)
    return ours


class Proxy:
    """A ProxyCommand under way: ``socket`` leads through it to the server."""

    def __init__(self, command: str) -> None:
        # The user's own configuration, meant for a shell, as ssh runs it.
        self._tree = ProcessTree(command, stdin=True)
        process = self._tree.process
        self._said: collections.deque[bytes] = collections.deque(maxlen=20)
        self.socket, self._inner = socket.socketpair()
        _start(lambda: self._outward(_pipe(process.stdin)))
        _start(lambda: self._inward(_pipe(process.stdout)))
        self._listener = _start(lambda: self._said.extend(_pipe(process.stderr)))

    def complaint(self) -> str:
        """Return the last lines that the program wrote to stderr."""
        self._listener.join(0.5)
        return b"".join(self._said).decode("utf-8", "replace").strip()

    def close(self) -> None:
        """End the program and what it started."""
        with contextlib.suppress(OSError):
            self._inner.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        self._tree.kill()
        self._tree.close()

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
