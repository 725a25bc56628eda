"""WinRM over HTTP: the login, the certificate, and what breaks on the way.

All that pywinrm, requests and what lies below them raise becomes one of the few things below, or an
error with a remedy, in this file.
"""

from __future__ import annotations

import contextlib
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterator
from typing import NoReturn, TypeVar

import requests
import requests.auth
import winrm.transport
from spnego.exceptions import SpnegoError
from winrm.exceptions import (
    InvalidCredentialsError,
    WinRMError,
    WinRMOperationTimeoutError,
    WinRMTransportError,
    WSManFaultError,
)
from winrm.protocol import Protocol

from app.credentials import Credentials, KnownHosts
from app.errors import AuthError, ConnectError, UntrustedHost
from app.request import Target
from app.transport import certificate, winrm_errors
from app.transport.certificate import Trust

CONNECT_SECONDS = 15.0
# How long the server keeps one question open; networks forget silent connections after minutes.
OPERATION_SECONDS = 20
READ_SECONDS = 30
PORTS = {"https": 5986, "http": 5985}
PAUSES = (0.1, 0.5, 1.0, 2.0, 4.0, 8.0, 8.0)
TOO_LARGE = 413
BAD_REQUEST = 400
ACCESS_DENIED = 5
_T = TypeVar("_T")


class Quiet(Exception):
    """Nothing happened within OPERATION_SECONDS: go on listening."""


class Dropped(Exception):
    """The connection broke; ``unclear``: the server may have carried the request out, or not."""

    def __init__(self, reason: str, *, unclear: bool) -> None:
        super().__init__(reason)
        self.unclear = unclear


class TooLarge(ConnectError):
    """The server takes no envelope of this size; it did not look at it."""


class Faulted(Exception):
    """The server refused the request, by number."""

    def __init__(self, number: int, reason: str) -> None:
        super().__init__(reason)
        self.number = number


class Site:
    """A server, why its certificate is trusted, who logs in: what connections are made of.

    ``proven``: a login has succeeded, so what fails from then on is the connection.
    """

    def __init__(self, target: Target, credentials: Credentials, known_hosts: KnownHosts) -> None:
        self.target = target
        self.port = target.port or PORTS[target.scheme]
        self.proven = False
        self._credentials = credentials
        self._known_hosts = known_hosts
        self._lock = threading.Lock()
        self._trust: Trust | None = None

    def __str__(self) -> str:
        return str(self.target)

    def protocol(self) -> Protocol:
        """Return a new connection's protocol, for one thread.

        Raises UntrustedHost before anything is sent, ConnectError, or what pywinrm raises.
        """
        target = self.target
        self._check()
        trust = self._trusted()
        password = self._password()
        protocol = Protocol(
            f"{target.scheme}://{_bracketed(target.address)}:{self.port}/wsman",
            transport=target.auth,
            username=target.user or None,
            password=password,
            server_cert_validation="ignore" if trust and trust.pinned else "validate",
            ca_trust_path=target.ca or certificate.AUTHORITIES,
            message_encryption="always" if target.scheme == "http" else "auto",
            operation_timeout_sec=OPERATION_SECONDS,
            read_timeout_sec=READ_SECONDS,
            proxy=None,
        )
        # requests takes the two apart, pywinrm only does not say so
        protocol.transport.read_timeout_sec = (CONNECT_SECONDS, READ_SECONDS)  # type: ignore[assignment]
        session = protocol.transport.build_session()
        if trust is not None:
            session.mount("https://", trust.adapter())
        if target.auth == "basic":
            # requests alone would only know Latin-1
            session.auth = requests.auth.HTTPBasicAuth(target.user.encode(), password.encode())
        return protocol

    def judge_again(self) -> None:
        """Look at the certificate anew; raises UntrustedHost if it is not the one it was."""
        self._trust = None
        self._trusted()

    def _check(self) -> None:
        """Raise what stands in the way before there is any connection."""
        target = self.target
        if target.scheme == "http" and target.auth == "basic":
            raise winrm_errors.unprotected(self)
        have = {
            "kerberos": winrm.transport.HAVE_KERBEROS,
            "credssp": winrm.transport.HAVE_CREDSSP,
        }
        if not have.get(target.auth, True):
            raise winrm_errors.no_extra(self, target.auth)
        if target.auth != "kerberos" and not target.user:
            raise winrm_errors.user_missing(self)

    def _trusted(self) -> Trust | None:
        target = self.target
        if target.scheme == "http":
            return None
        with self._lock:
            if self._trust is None:
                self._trust = certificate.judge(
                    target.address, self.port, target.ca, self._known_hosts, CONNECT_SECONDS
                )
            return self._trust

    def _password(self) -> str:
        if self.target.auth == "kerberos":
            return ""  # a ticket takes its place
        if self._credentials.password is None:
            raise winrm_errors.password_missing(self)
        return self._credentials.password.reveal()


class Lane:
    """One connection for one thread at a time, made anew whenever it broke."""

    def __init__(self, site: Site) -> None:
        self._site = site
        self._protocol: Protocol | None = None

    def ask(self, question: Callable[[Protocol], _T]) -> _T:
        """Ask once.

        Raises Quiet, Dropped, TooLarge, Faulted; while connecting ConnectError, AuthError or
        UntrustedHost.
        """
        fresh = self._protocol is None
        if self._protocol is None:
            with self._explained(asking=False, fresh=True):
                self._protocol = self._site.protocol()
        with self._explained(asking=True, fresh=fresh):
            answer = question(self._protocol)
        self._site.proven = True
        return answer

    def insist(self, question: Callable[[Protocol], _T], broken: Callable[[], bool]) -> _T:
        """Ask what may be asked twice, again over a new connection as often as one breaks.

        ``broken`` is told each time, and says whether to give up. Raises ConnectionLost then, or if
        no connection stands within half a minute, and what ``ask`` raises but Dropped.
        """
        for pause in (*PAUSES, None):
            try:
                return self.ask(question)
            except (AuthError, UntrustedHost):
                raise
            except (Dropped, ConnectError) as problem:
                if isinstance(problem, ConnectError) and not self._site.proven:
                    raise
                if broken() or pause is None:
                    raise winrm_errors.lost(self._site, str(problem)) from problem
                time.sleep(pause)
        raise AssertionError

    def drop(self) -> None:
        """Close the connection; only for the thread that uses it."""
        protocol, self._protocol = self._protocol, None
        if protocol is not None:
            protocol.transport.close_session()

    @contextlib.contextmanager
    def _explained(self, *, asking: bool, fresh: bool) -> Iterator[None]:
        try:
            yield
        except WinRMOperationTimeoutError as problem:
            raise Quiet from problem
        except WSManFaultError as problem:
            raise self._faulted(problem) from problem
        except InvalidCredentialsError as problem:
            self.drop()
            raise self._refused(fresh=fresh) from problem
        except WinRMTransportError as problem:
            self.drop()
            raise self._answered(problem.code, fresh=fresh) from problem
        except requests.RequestException as problem:
            self.drop()
            self._raise_broken(problem, asking=asking)
        except (KeyError, PermissionError, SpnegoError, WinRMError) as problem:
            # what the login makes of an answer that is none
            self.drop()
            if isinstance(problem, KeyError) and problem.args != ("www-authenticate",):
                raise
            raise Dropped(repr(problem), unclear=False) from problem
        except (ET.ParseError, StopIteration) as problem:
            self.drop()
            raise winrm_errors.not_winrm(self._site, str(problem)) from problem
        except OSError as problem:
            self.drop()
            raise winrm_errors.unreachable(self._site, self._site.port, problem) from problem

    def _faulted(self, problem: WSManFaultError) -> Exception:
        number = problem.wsman_fault_code or 0
        if number == ACCESS_DENIED:
            return winrm_errors.access_denied(self._site)
        return Faulted(number, problem.reason)

    def _refused(self, *, fresh: bool) -> Exception:
        if fresh:
            return winrm_errors.login_refused(self._site, self._site.target.auth)
        # what was good before: one more login shows whether it still is
        return Dropped("HTTP 401", unclear=False)

    def _answered(self, status: int, *, fresh: bool) -> Exception:
        """Say what an HTTP status means that is not an answer of the remote shell."""
        if status == TOO_LARGE:
            return TooLarge(*winrm_errors.too_large(self._site))
        if status == BAD_REQUEST and not fresh:
            # sealed for a connection that is gone: the server could not even read it
            return Dropped("HTTP 400", unclear=False)
        if not self._site.proven:
            return winrm_errors.not_winrm(self._site, f"HTTP {status}")
        return Dropped(f"HTTP {status}", unclear=True)

    def _raise_broken(self, problem: requests.RequestException, *, asking: bool) -> NoReturn:
        site = self._site
        if isinstance(problem, requests.exceptions.SSLError):
            site.judge_again()
        broken = (
            requests.ConnectionError,
            requests.Timeout,
            requests.exceptions.ChunkedEncodingError,
        )
        if not isinstance(problem, broken):
            raise winrm_errors.login_broke(site, site.target.auth, problem) from problem
        if winrm_errors.never_sent(problem) and not site.proven:
            raise winrm_errors.unreachable(site, site.port, problem) from problem
        unclear = asking and not winrm_errors.never_sent(problem)
        raise Dropped(str(problem), unclear=unclear) from problem


def _bracketed(address: str) -> str:
    return f"[{address}]" if ":" in address else address
