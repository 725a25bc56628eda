"""What the WinRM server can be told to do wrong, and what it counts: its control port.

Plain HTTP, JSON in and out:

    GET  /counters     {"requests", "connections", "bytes_in", "bytes_out", "auths",
                        "commands": [...], "actions": {"Send": {"requests", "bytes"}, …}}
    POST /reset        counters to 0, all orders forgotten
    POST /order        one order, below; it is carried out once (or "times" times), then forgotten

An order: {"do": …, "at": 1, "action": "", "times": 1, …}. ``at``: at the n-th request from now on;
``action``: count only Create, Command, Send, Receive, Signal or Delete ("" counts every request on
the wire, those of the login too). ``do``:

    drop          the connection ends before the request is looked at
    drop-after    the request is carried out, then the connection ends instead of the answer
    status        answers HTTP ``status`` (401, 413, 500, …)
    fault         answers the fault ``code`` (2150858793 time out, 2150858843 lost, 2150859173 and
                  2150859174 quotas, 5 access denied, …)
    lose-shell    forgets the shell (its processes end), then goes on: the request finds it gone
    slow          waits ``seconds`` first
    trickle       from now on, every Receive gives at most ``bytes`` bytes of each stream
"""

from __future__ import annotations

import json
import threading
from dataclasses import asdict, dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(slots=True)
class Order:
    """What to do wrong, and when; ``at`` counts down."""

    do: str
    at: int = 1
    action: str = ""
    times: int = 1
    status: int = 500
    code: int = 0
    seconds: float = 0.0
    bytes: int = 1


@dataclass(slots=True)
class Counters:
    """What came in and went out, bodies only; ``commands`` are the command lines that were run."""

    requests: int = 0
    connections: int = 0
    auths: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    actions: dict[str, dict[str, int]] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)


class Misbehaviour:
    """The orders that wait and the counters; safe to use from all of the server's threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._orders: list[Order] = []
        self.counters = Counters()
        self.trickle = 0

    def reset(self) -> None:
        """Forget all orders and counts."""
        with self._lock:
            self._orders.clear()
            self.counters = Counters()
            self.trickle = 0

    def add(self, order: Order) -> None:
        """Take an order."""
        with self._lock:
            if order.do == "trickle":
                self.trickle = order.bytes
            else:
                self._orders.append(order)

    def due(self, action: str) -> Order | None:
        """Count a request; return the order that it is due for."""
        with self._lock:
            for order in self._orders:
                if order.action != action:
                    continue
                order.at -= 1
                if order.at <= 0:
                    order.times -= 1
                    if order.times <= 0:
                        self._orders.remove(order)
                    return order
        return None

    def count(self, **added: int) -> None:
        """Add to counters."""
        with self._lock:
            for name, number in added.items():
                setattr(self.counters, name, getattr(self.counters, name) + number)

    def count_action(self, action: str, size: int) -> None:
        """Count a request that was understood; ``size`` is its envelope's, in bytes."""
        with self._lock:
            counted = self.counters.actions.setdefault(action, {"requests": 0, "bytes": 0})
            counted["requests"] += 1
            counted["bytes"] += size

    def note(self, line: str) -> None:
        """Remember a command line that is run."""
        with self._lock:
            self.counters.commands.append(line)

    def told(self) -> dict[str, Any]:
        """Return the counters as JSON."""
        with self._lock:
            return asdict(self.counters)


def serve_control(address: str, port: int, misbehaviour: Misbehaviour) -> ThreadingHTTPServer:
    """Start the control port; return its server."""

    class Control(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

        def do_GET(self) -> None:
            self._answer(misbehaviour.told())

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.path == "/reset":
                misbehaviour.reset()
            else:
                misbehaviour.add(Order(**json.loads(body)))
            self._answer({})

        def _answer(self, value: object) -> None:
            body = json.dumps(value).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = ThreadingHTTPServer((address, port), Control)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server
