"""Keeps the order of what paramiko sends: nothing for a channel after the end of it."""

from __future__ import annotations

from typing import Any

import paramiko
from paramiko.common import MSG_CHANNEL_CLOSE, MSG_CHANNEL_REQUEST, MSG_CHANNEL_WINDOW_ADJUST


class OrderlyTransport(paramiko.Transport):
    """A transport that sends no more for a channel once it has sent its CLOSE.

    paramiko makes a message under the channel's lock and sends it after that. When the server
    closes a channel just then, paramiko's reading thread answers with CLOSE in between, and OpenSSH
    ends the whole connection over what then comes for a channel that it has freed ("ieof packet
    referred to nonexistent channel"): paramiko's issues 1115, 1584 and 1705, open in 5.1. What is
    late by so much that the server uses the number for another channel again is not recognized.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._ended: set[int] = set()  # the server's numbers of channels whose CLOSE was sent
        super().__init__(*arguments, **options)

    def _send_message(self, data: paramiko.Message) -> None:
        """Send, or drop what comes too late; for channels' messages a lock of paramiko is held."""
        raw = data.asbytes()
        if MSG_CHANNEL_WINDOW_ADJUST <= raw[0] <= MSG_CHANNEL_REQUEST:
            channel = int.from_bytes(raw[1:5], "big")
            if channel in self._ended:
                return
            if raw[0] == MSG_CHANNEL_CLOSE:
                self._ended.add(channel)
        super()._send_message(data)  # type: ignore[misc]  # private: the stubs don't know it

    def _parse_channel_open_success(self, m: paramiko.Message) -> None:
        """Take a new channel, for which the server may use a number again."""
        fields = paramiko.Message(m.asbytes())
        fields.get_int()
        self._ended.discard(fields.get_int())
        super()._parse_channel_open_success(m)  # type: ignore[misc]  # private as well
