"""Is it healthy? Asked of the server's own ports, through the connection to it."""

from __future__ import annotations

import http.client
import json
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from app.errors import HealthCheckFailed
from app.i18n import _
from app.reasons import reason
from app.request import HealthOptions
from app.step import RunContext
from app.transport import TOOL, Command, Script

PROBE_SECONDS = 5.0
INTERVAL_SECONDS = 0.25
PATIENT_SECONDS = 3.0  # how long nothing is said of a service that does not answer yet


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where to knock, as seen from the server."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class Liveness:
    """Whether the service's process runs; ``identity`` changes when it was started anew."""

    running: bool
    identity: str
    detail: str = ""


def check_title(health: HealthOptions) -> str:
    """Return what is checked, in a few words."""
    if health.http:
        return _("Health check: {url}").format(url=health.http)
    if health.tcp:
        return _("Health check: port {port}").format(port=health.tcp)
    return _("Health check: it stays up for {seconds:.0f} s").format(seconds=health.stable)


def endpoint(health: HealthOptions) -> Endpoint | None:
    """Return where the health check knocks, or None if it has no address."""
    if health.http:
        url = urlsplit(health.http)
        return Endpoint(url.hostname or "localhost", url.port or default_port(url.scheme))
    return Endpoint("localhost", health.tcp) if health.tcp else None


def default_port(scheme: str) -> int:
    """Return a scheme's own port."""
    return 443 if scheme == "https" else 80


def probe_command(health: HealthOptions, at: Endpoint) -> Command:
    """Return the command that knocks from the server itself, where SSH may not forward."""
    if health.http:
        url = urlsplit(health.http)
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        target = f"{url.scheme}://{_bracketed(at.host)}:{at.port}{path}"
        return Command(("sh", Script("probe.sh"), "http", target, url.netloc))
    return Command(("sh", Script("probe.sh"), "tcp", at.host, str(at.port)))


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def probe(ctx: RunContext, health: HealthOptions, at: Endpoint) -> str:
    """Knock once; return "" if the answer is the expected one, else what was wrong with it."""
    if ctx.transport.system == "windows":
        return _probe_from_windows(ctx, health, at)
    try:
        connection = _connect(ctx, at)
    except ConnectionRefusedError:
        return _("port {port} refuses connections").format(port=at.port)
    except TimeoutError:
        return _("port {port} does not answer").format(port=at.port)
    if connection is None:
        return _probe_from_server(ctx, health, at)
    try:
        if not health.http:
            return ""
        return _judge(_http_status(connection, health), health)
    except (OSError, http.client.HTTPException) as problem:
        return _no_answer(health, at, reason(problem))
    finally:
        connection.close()


def _connect(ctx: RunContext, at: Endpoint) -> socket.socket | None:
    if at.host != "localhost":
        return ctx.transport.connect_tcp(at.port, at.host)
    try:
        return ctx.transport.connect_tcp(at.port, "127.0.0.1")
    except (ConnectionRefusedError, TimeoutError):
        return ctx.transport.connect_tcp(at.port, "::1")


def _http_status(connection: socket.socket, health: HealthOptions) -> int:
    connection.settimeout(PROBE_SECONDS)
    url = urlsplit(health.http)
    if url.scheme == "https":
        # the certificate names the public host, not the server's own loopback: only life is asked
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        connection = context.wrap_socket(connection, server_hostname=url.hostname)
    client = http.client.HTTPConnection(url.netloc, timeout=PROBE_SECONDS)
    client.sock = connection
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    client.request("GET", path, headers={"User-Agent": "slipway", "Connection": "close"})
    return client.getresponse().status


def _no_answer(health: HealthOptions, at: Endpoint, problem: str) -> str:
    problem = problem.rstrip(".。")
    if health.http:
        words = _("no HTTP answer from {url}: {problem}")
        return words.format(url=health.http, problem=problem)
    return _("port {port}: {problem}").format(port=at.port, problem=problem)


def _judge(status: int, health: HealthOptions) -> str:
    if status == health.expect:
        return ""
    return _("answered {status} instead of {expected}").format(
        status=status, expected=health.expect
    )


def _probe_from_server(ctx: RunContext, health: HealthOptions, at: Endpoint) -> str:
    result = ctx.attempt(probe_command(health, at), timeout=3 * PROBE_SECONDS)
    if result.exit_code == 69:
        raise HealthCheckFailed(
            _("The health check can't reach the server's ports."),
            _("SSH forwarding is refused there, and it has neither curl nor wget."),
            _("Allow AllowTcpForwarding in sshd_config, or install curl on the server."),
        )
    if result.exit_code != 0:
        return result.tail(1) or _("port {port} does not answer").format(port=at.port)
    return _judge(int(result.stdout.strip() or 0), health) if health.http else ""


def windows_probe_command(health: HealthOptions, at: Endpoint) -> Command:
    """Return the command that knocks from a Windows server itself."""
    seconds = f"{PROBE_SECONDS:g}"
    if health.http:
        return Command((TOOL, "probe", "http", health.http, seconds))
    return Command((TOOL, "probe", "tcp", at.host, str(at.port), seconds))


def _probe_from_windows(ctx: RunContext, health: HealthOptions, at: Endpoint) -> str:
    result = ctx.attempt(windows_probe_command(health, at), timeout=3 * PROBE_SECONDS)
    result.check(_("The health check can't be asked there."))
    answer = json.loads(result.stdout)
    if answer["refused"]:
        return _("port {port} refuses connections").format(port=at.port)
    if problem := answer["problem"]:
        if problem == "no answer in time":  # all others are Windows' own words
            problem = _("Nothing answered in time.")
        return _no_answer(health, at, problem)
    return _judge(answer["status"], health) if health.http else ""


def wait_healthy(
    ctx: RunContext,
    health: HealthOptions,
    at: Endpoint | None,
    alive: Callable[[], Liveness],
    *,
    stable: float,
) -> None:
    """Wait until the service answers as expected and then stays so for ``stable`` seconds.

    ``alive`` tells of the process itself: a process that is gone or was started anew fails the
    check at once. Raises HealthCheckFailed, Cancelled.
    """
    began = time.monotonic()
    deadline, silent = began + health.timeout, True
    first = now = alive()
    while True:
        _still_same(now, first)
        problem = probe(ctx, health, at) if at else ""
        if not problem:
            break
        if time.monotonic() >= deadline:
            raise HealthCheckFailed(
                _("The new version did not become healthy within {seconds:.0f} s.").format(
                    seconds=health.timeout
                ),
                _("Last try: {problem}.").format(problem=problem),
                _(
                    "Its last output may say why; if it only needs longer, raise Wait at most on "
                    "the Method page (deploy.health.timeout)."
                ),
            )
        if silent and time.monotonic() >= began + PATIENT_SECONDS:
            silent = False
            ctx.note(
                _("not yet: {problem}; asked again until {seconds:.0f} s are over").format(
                    problem=problem, seconds=health.timeout
                )
            )
        ctx.cancel.wait(INTERVAL_SECONDS)
        now = alive()
    ctx.note(_("healthy; must stay so for {seconds:.0f} s").format(seconds=stable))
    until = time.monotonic() + stable
    while time.monotonic() < until:
        ctx.cancel.wait(min(INTERVAL_SECONDS * 2, max(0.0, until - time.monotonic())))
        _still_same(alive(), now)
        problem = probe(ctx, health, at) if at else ""
        if problem:
            raise HealthCheckFailed(
                _("The new version did not stay healthy."),
                _("It answered well at first, then: {problem}.").format(problem=problem),
                _("Look at its last output."),
            )


def _still_same(now: Liveness, first: Liveness) -> Liveness:
    if not now.running:
        raise HealthCheckFailed(
            _("The new version ended by itself."),
            now.detail,
            _("Look at its last output: it says why it ended."),
        )
    if now.identity != first.identity:
        raise HealthCheckFailed(
            _("The new version crashed and was started again."),
            now.detail,
            _("Look at its last output: it says why it ended."),
        )
    return now
