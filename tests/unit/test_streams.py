"""A channel as a socket, when the connection beneath it breaks."""

from __future__ import annotations

import threading

import pytest

from app.transport.streams import bridge_channel


class BrokenChannel:
    """Does what paramiko's does on a connection that was cut: even saying goodbye fails."""

    def __init__(self) -> None:
        self.closed = threading.Event()

    def recv(self, _size: int) -> bytes:
        return b""

    def shutdown_write(self) -> None:
        raise EOFError

    def close(self) -> None:
        self.closed.set()
        raise EOFError


def test_a_cut_connection_ends_quietly(monkeypatch: pytest.MonkeyPatch) -> None:
    faults: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", faults.append)
    channel, before = BrokenChannel(), threading.active_count()
    with bridge_channel(channel) as socket:  # type: ignore[arg-type]
        assert socket.recv(1) == b""
    assert channel.closed.wait(5)
    for thread in threading.enumerate():
        if thread.name == "ssh stream":
            thread.join(5)
    assert threading.active_count() <= before
    assert faults == []
