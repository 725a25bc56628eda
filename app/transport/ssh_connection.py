"""One SSH connection: the way there, host keys before anything secret, login.

All that paramiko and the sockets below it raise becomes an error with a remedy in this file.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import paramiko

from app.credentials import Credentials, KnownHosts
from app.errors import AuthError, ConnectError, ConnectionLost
from app.i18n import _
from app.reasons import reason
from app.transport.ssh_config import Endpoint
from app.transport.ssh_login import Login
from app.transport.ssh_order import OrderlyTransport
from app.transport.streams import Proxy, bridge_channel

CONNECT_SECONDS = 15.0
FREEING_SECONDS = 1.0
CHANNEL_SECONDS = 15.0
KEEPALIVE_SECONDS = 15
# A network that swallows everything is noticed after so long, not after TCP's quarter of an hour.
SILENCE_SECONDS = 45
WINDOW_BYTES = 8 * 1024 * 1024
ADMINISTRATIVELY_PROHIBITED = 1
RSA = "ssh-rsa"

# paramiko would print its log and its threads' tracebacks to stderr if nobody took them.
logging.getLogger("paramiko").addHandler(logging.NullHandler())


SudoMode = Literal["root", "none", "nopasswd", "password"]


@dataclass(frozen=True, slots=True)
class RootAccess:
    """What becoming root takes; ``problem`` is what the server said if it can't be done."""

    mode: SudoMode
    problem: str


class Connection:
    """A logged-in connection, shared by transports and counted: the last one ends it."""

    def __init__(
        self, endpoint: Endpoint, credentials: Credentials, known_hosts: KnownHosts
    ) -> None:
        self.endpoint = endpoint
        self._known_hosts = known_hosts
        self._users = 1
        self._lock = threading.Lock()
        self.root_lock = threading.Lock()
        self.root_access: RootAccess | None = None
        self._below: list[Callable[[], None]] = []
        self._proxy: Proxy | None = None
        try:
            self.transport = self._connect(endpoint, credentials)
        except BaseException:
            self._close_below()
            raise

    def shared(self) -> Connection:
        """Count one more user of this connection; raises ConnectionLost if it is broken."""
        if not self.alive:
            raise self.lost()
        with self._lock:
            self._users += 1
        return self

    def release(self) -> None:
        """Count one user less, and close with the last."""
        with self._lock:
            self._users -= 1
            if self._users:
                return
        self.transport.close()
        self._close_below()

    @property
    def alive(self) -> bool:
        """Whether it is open, as far as one knows."""
        return self.transport.is_active()

    def session(self, timeout: float) -> paramiko.Channel:
        """Return a channel for one command; raises ConnectionLost or ConnectError."""
        with self.explained():
            return self._open_session(min(timeout, CHANNEL_SECONDS))

    def _open_session(self, timeout: float) -> paramiko.Channel:
        """Open a session; a server of few frees one only a moment after its command has ended."""
        deadline = time.monotonic() + FREEING_SECONDS
        while True:
            try:
                return self.transport.open_session(timeout=timeout)
            except paramiko.ChannelException:
                if time.monotonic() > deadline:
                    raise
                time.sleep(FREEING_SECONDS / 10)

    def open_port(self, host: str, port: int) -> socket.socket | None:
        """Return a socket to ``host:port`` as the server sees it, None if its policy forbids it.

        Raises ConnectionRefusedError when nothing listens there, TimeoutError when nothing
        answers within CHANNEL_SECONDS, ConnectionLost.
        """
        try:
            channel = self.transport.open_channel(
                "direct-tcpip", (host, port), ("127.0.0.1", 0), timeout=CHANNEL_SECONDS
            )
        except paramiko.ChannelException as problem:
            if problem.code == ADMINISTRATIVELY_PROHIBITED:
                return None
            raise ConnectionRefusedError(errno.ECONNREFUSED, f"{host}:{port}") from problem
        except (paramiko.SSHException, OSError, EOFError) as problem:
            if self.transport.is_active():
                raise TimeoutError(f"{host}:{port}") from problem
            raise self.lost(problem) from problem
        return bridge_channel(channel)

    @contextlib.contextmanager
    def explained(self) -> Iterator[None]:
        """Turn what breaks while the connection is in use into errors with a remedy."""
        try:
            yield
        except TimeoutError:
            raise
        except paramiko.ChannelException as problem:
            raise ConnectError(
                _("{endpoint} opens no further channel.").format(endpoint=self.endpoint),
                str(problem),
                _("Raise MaxSessions in its sshd_config, or close other windows to it."),
            ) from problem
        except (paramiko.SSHException, EOFError, ConnectionError) as problem:
            raise self.lost(problem) from problem
        except OSError as problem:
            if self.transport.is_active() and not str(problem).startswith("Socket is closed"):
                raise
            raise self.lost(problem) from problem

    def lost(self, problem: BaseException | None = None) -> ConnectionLost:
        """Return the error for this connection having broken."""
        why = problem or self.transport.get_exception()
        return ConnectionLost(
            _("The connection to {endpoint} is lost.").format(endpoint=self.endpoint),
            _reason(why) if why else _("The server closed it."),
            _(
                "What ran there may have ended or not. "
                "Connect again: Slipway then says what is done."
            ),
        )

    def _close_below(self) -> None:
        while self._below:
            self._below.pop()()

    def _connect(self, endpoint: Endpoint, credentials: Credentials) -> paramiko.Transport:
        """Return a logged-in transport, through whatever stands in between."""
        return self._log_in(self._way_to(endpoint, credentials), endpoint, credentials)

    def _way_to(self, endpoint: Endpoint, credentials: Credentials) -> Any:
        """Return a socket, or what serves paramiko as one, to a server's SSH port."""
        if endpoint.hops:
            return self._over_hops(endpoint, credentials)
        if endpoint.proxy_command:
            self._proxy = Proxy(endpoint.proxy_command)
            self._below.append(self._proxy.close)
            return self._proxy.socket
        try:
            stream = socket.create_connection((endpoint.host, endpoint.port), CONNECT_SECONDS)
        except OSError as problem:
            raise _unreachable(endpoint, problem) from problem
        self._below.append(stream.close)
        _tune(stream)
        return stream

    def _over_hops(self, endpoint: Endpoint, credentials: Credentials) -> paramiko.Channel:
        # The password is the target's: a server in between never sees it.
        for_hops = Credentials(passphrase=credentials.passphrase, answer=credentials.answer)
        first, *others = endpoint.hops
        transport, here = self._connect(first, for_hops), first
        for hop in others:
            channel = _channel_over(transport, here, hop)
            transport, here = self._log_in(channel, hop, for_hops), hop
        return _channel_over(transport, here, endpoint)

    def _log_in(
        self, stream: Any, endpoint: Endpoint, credentials: Credentials
    ) -> paramiko.Transport:
        try:
            transport = OrderlyTransport(stream, default_window_size=WINDOW_BYTES)
            self._below.append(transport.close)
            _prefer_fast_ciphers(transport)
            self._prefer_known_keys(transport, endpoint)
            transport.banner_timeout = transport.handshake_timeout = CONNECT_SECONDS
            # only a net: it ends without a word, the two above say what was missing
            transport.start_client(timeout=3 * CONNECT_SECONDS)
            key = transport.get_remote_server_key()
        except (paramiko.SSHException, OSError, EOFError) as problem:
            complaint = self._proxy.complaint() if self._proxy else ""
            raise _no_ssh(endpoint, problem, complaint) from problem
        self._known_hosts.check(endpoint.known_as, endpoint.port, key.get_name(), key.get_base64())
        try:
            Login(transport, endpoint, credentials).run()
        except (paramiko.SSHException, OSError, EOFError) as problem:
            raise _login_broke(endpoint, problem) from problem
        transport.set_keepalive(KEEPALIVE_SECONDS)
        return transport

    def _prefer_known_keys(self, transport: paramiko.Transport, endpoint: Endpoint) -> None:
        """Ask for a key of a type that is known: another one would look like a changed key."""
        options = transport.get_security_options()
        known = self._known_hosts.key_types(endpoint.known_as, endpoint.port)
        options.key_types = sorted(
            options.key_types,
            key=lambda name: (RSA if name.startswith("rsa-") else name) not in known,
        )


def _prefer_fast_ciphers(transport: paramiko.Transport) -> None:
    # One pass over the data instead of two, encryption and authentication: half as fast again.
    options = transport.get_security_options()
    options.ciphers = sorted(options.ciphers, key=lambda name: "gcm" not in name)


def _tune(stream: socket.socket) -> None:
    # Without it each command waits 40 ms for nothing: small packets are held back by default.
    stream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    stream.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    # How long sent data may stay unanswered; Python has names for Linux only.
    options = {"linux": (18, 1000), "darwin": (0x80, 1), "win32": (5, 1)}
    if sys.platform in options:
        option, per_second = options[sys.platform]
        with contextlib.suppress(OSError):
            stream.setsockopt(socket.IPPROTO_TCP, option, SILENCE_SECONDS * per_second)


def _channel_over(
    transport: paramiko.Transport, hop: Endpoint, endpoint: Endpoint
) -> paramiko.Channel:
    try:
        return transport.open_channel(
            "direct-tcpip",
            (endpoint.host, endpoint.port),
            ("127.0.0.1", 0),
            timeout=CHANNEL_SECONDS,
        )
    except (paramiko.SSHException, OSError, EOFError) as problem:
        raise ConnectError(
            _("{endpoint} can't be reached through {hop}.").format(endpoint=endpoint, hop=hop),
            _reason(problem),
            _("Check address and port, and that {hop} may forward (AllowTcpForwarding).").format(
                hop=hop
            ),
        ) from problem


def _reason(problem: BaseException) -> str:
    if isinstance(problem, EOFError):
        return _("The other side closed the connection.")
    return reason(problem)


def _unreachable(endpoint: Endpoint, problem: OSError) -> ConnectError:
    place = f"{endpoint.host}:{endpoint.port}"
    if isinstance(problem, socket.gaierror):
        return ConnectError(
            _("The name {host} is not known.").format(host=endpoint.host),
            _reason(problem),
            _("Check the address, and whether you need a VPN to see it."),
        )
    if isinstance(problem, ConnectionRefusedError):
        return ConnectError(
            _("{place} refuses connections.").format(place=place),
            _("The machine is there, but nothing listens on this port."),
            _("Check the port, and that sshd runs on the server."),
        )
    if isinstance(problem, TimeoutError):
        return ConnectError(
            _("{place} does not answer.").format(place=place),
            _("No connection within {seconds:.0f} s.").format(seconds=CONNECT_SECONDS),
            _("Check the address, whether the server is on, firewalls, and your VPN."),
        )
    return ConnectError(
        _("{place} can't be reached.").format(place=place),
        _reason(problem),
        _("Check the address and your network or VPN."),
    )


def _no_ssh(endpoint: Endpoint, problem: Exception, complaint: str) -> ConnectError:
    place = f"{endpoint.host}:{endpoint.port}"
    if complaint:
        return ConnectError(
            _("The ProxyCommand to {place} failed.").format(place=place),
            complaint,
            _("Try it in a terminal: {command}").format(command=endpoint.proxy_command),
        )
    if isinstance(problem, paramiko.ssh_exception.IncompatiblePeer):
        return ConnectError(
            _("{place} and Slipway have no common encryption.").format(place=place),
            str(problem),
            _(
                "Have the server allow what is usual today, like curve25519-sha256, ssh-ed25519 "
                "and aes256-gcm@openssh.com; a very old one must be updated."
            ),
        )
    if "banner" in str(problem):
        return ConnectError(
            _("No SSH server answers at {place}.").format(place=place),
            str(problem),
            _(
                "Check address and port: another program may listen there, or the server is "
                "overloaded."
            ),
        )
    return ConnectError(
        _("{place} ended the conversation before the login.").format(place=place),
        _reason(problem),
        _(
            "Wait a moment and try again; "
            "if it stays so, ask whether the server blocks your address."
        ),
    )


def _login_broke(endpoint: Endpoint, problem: Exception) -> ConnectError:
    return AuthError(
        _("{endpoint} broke off the login.").format(endpoint=endpoint),
        _reason(problem),
        _(
            "It may have counted too many tries: choose the right key for this target, wait a "
            "moment, try again."
        ),
    )
