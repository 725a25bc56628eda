"""A WinRM server for the lab: real logins, real sealing, real processes, and orders to misbehave.

    python winrm_server.py CONFIG.json        prints "ready" when it listens

Needs pyspnego (and on Windows what it needs there). CONFIG.json:

    address       where to listen, default 127.0.0.1
    http, https   ports; 0 or absent: none
    certificate   PEM file with certificate and private key, for https
    control       port of the orders and counters, see misbehaviour.py; 0 or absent: none
    users         {"name": "password"}: any text but no colon and no line end
    script        resources/scripts/receive.ps1; default: beside this file, else the checkout's
    drive         on Linux only: the folder that stands for drive C

NTLM over http is sealed, and nothing unsealed is accepted there; over https NTLM and Basic.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
import os
import re
import ssl
import struct
import sys
import tempfile
import threading
import time
import traceback
import xml.etree.ElementTree as ET
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import spnego
from misbehaviour import Misbehaviour, Order, serve_control
from spnego.exceptions import SpnegoError
from winrs import NAMES, Service

MOST_ENVELOPE = 500 * 1024
SEALED = re.compile(
    rb"--Encrypted Boundary\r\n\t?Content-Type: [^\r]+\r\n"
    rb"\t?OriginalContent: type=[^;]+;charset=UTF-8;Length=(\d+)\r\n"
    rb"--Encrypted Boundary\r\n\t?Content-Type: application/octet-stream\r\n"
)
END = b"--Encrypted Boundary--\r\n"
SEALED_TYPE = (
    'multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";'
    'boundary="Encrypted Boundary"'
)
PLAIN_TYPE = "application/soap+xml;charset=UTF-8"
HERE = Path(__file__).resolve().parent
# Python's own NTLM on every system: Windows' would want accounts of its own.
OPTIONS = spnego.NegotiateOptions.use_negotiate | spnego.NegotiateOptions.use_ntlm


class Dropped(Exception):
    """The connection ends here."""


@dataclass(frozen=True, slots=True)
class Site:
    """What all connections share."""

    service: Service
    misbehaviour: Misbehaviour
    users: dict[str, str]
    encrypted: bool  # TLS below: nothing else is needed


class Connection(BaseHTTPRequestHandler):
    """One TCP connection; the login belongs to it."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = "Microsoft-HTTPAPI/2.0", ""
    disable_nagle_algorithm = True
    site: Site

    def setup(self) -> None:
        super().setup()
        self._context: spnego.ContextProxy | None = None
        self._sealing = False
        self.site.misbehaviour.count(connections=1)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass

    def do_POST(self) -> None:
        try:
            body = self._body()
            self.site.misbehaviour.count(requests=1, bytes_in=len(body))
            if not self._obey(self.site.misbehaviour.due("")):
                self._serve(body)
        except (Dropped, OSError):
            self.close_connection = True

    def _body(self) -> bytes:
        size = int(self.headers.get("Content-Length") or 0)
        body = self.rfile.read(size)
        if len(body) < size:
            raise Dropped
        return body

    def _serve(self, body: bytes) -> None:
        told: list[tuple[str, str]] = []
        if not self._logged_in(told):
            return
        if not body:
            self._reply(200, headers=told)
            return
        if len(body) > MOST_ENVELOPE + 1024:
            self._reply(413)
            return
        soap = self._opened(body)
        if soap is None:
            return
        if len(soap) > MOST_ENVELOPE:
            self._reply(413)
            return
        self._carry_out(soap, told)

    def _carry_out(self, soap: bytes, told: list[tuple[str, str]]) -> None:
        root = ET.fromstring(soap)
        action = (root.findtext("s:Header/a:Action", "", NAMES)).strip()
        order = self.site.misbehaviour.due(action.rsplit("/", 1)[-1])
        if order is not None and order.do == "lose-shell":
            self.site.service.lose(root)
        elif order is not None and order.do == "fault":
            related = root.findtext("s:Header/a:MessageID", "", NAMES).strip()
            self._answer(*self.site.service.fault(order.code, related), told)
            return
        elif self._obey(order):
            return
        status, envelope = self.site.service.answer(soap, action, root)
        if order is not None and order.do == "drop-after":
            raise Dropped
        self._answer(status, envelope, told)

    def _obey(self, order: Order | None) -> bool:
        """Do what needs no look into the request; return whether it is answered."""
        if order is None:
            return False
        if order.do == "drop":
            raise Dropped
        if order.do == "slow":
            time.sleep(order.seconds)
        if order.do != "status":
            return False
        self._reply(order.status, headers=self._ways() if order.status == 401 else ())
        return True

    def _ways(self) -> list[tuple[str, str]]:
        ways = [("WWW-Authenticate", "Negotiate")]
        return [*ways, ("WWW-Authenticate", 'Basic realm="WSMAN"')] if self.site.encrypted else ways

    def _logged_in(self, told: list[tuple[str, str]]) -> bool:
        """Go on with the login; where it is not done yet, answer that."""
        scheme, _blank, word = (self.headers.get("Authorization") or "").partition(" ")
        if scheme == "Basic":
            if self.site.encrypted and self._password_fits(word):
                return True
            self._reply(401, headers=self._ways())
            return False
        if scheme and not self._step(word, told):
            return False
        if self._context is None or not self._context.complete:
            self._reply(401, headers=self._ways())
            return False
        return True

    def _step(self, word: str, told: list[tuple[str, str]]) -> bool:
        if self._context is None or self._context.complete:
            self._context = spnego.server(protocol="negotiate", options=OPTIONS)
        try:
            token = self._context.step(base64.b64decode(word))
        except (SpnegoError, ValueError):
            # a wrong password, or the end of another connection's login
            self._context = None
            self._reply(401, headers=self._ways())
            return False
        if token:
            told.append(("WWW-Authenticate", f"Negotiate {base64.b64encode(token).decode()}"))
        if self._context.complete:
            self.site.misbehaviour.count(auths=1)
            return True
        self._reply(401, headers=told)
        return False

    def _password_fits(self, word: str) -> bool:
        try:
            user, _colon, password = base64.b64decode(word).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return False
        expected = self.site.users.get(user.rpartition("\\")[2])
        return expected is not None and hmac.compare_digest(expected.encode(), password.encode())

    def _opened(self, body: bytes) -> bytes | None:
        """Return the envelope; None, with the answer given, if it was not sealed as it must be."""
        self._sealing = "multipart/encrypted" in self.headers.get("Content-Type", "")
        if not self._sealing:
            if self.site.encrypted:
                return body
            self._reply(401, headers=self._ways())  # AllowUnencrypted is false
            return None
        found = SEALED.match(body)
        try:
            if found is None or self._context is None:
                raise ValueError("not sealed")
            blob = body[found.end() : -len(END)]
            size = struct.unpack("<I", blob[:4])[0]
            soap = self._context.unwrap_winrm(blob[4 : 4 + size], blob[4 + size :])
        except (SpnegoError, ValueError, struct.error):
            self._reply(400)
            return None
        return bytes(soap)

    def _answer(self, status: int, envelope: bytes, told: list[tuple[str, str]]) -> None:
        if not self._sealing or self._context is None:
            self._reply(status, envelope, PLAIN_TYPE, told)
            return
        header, data, _padding = self._context.wrap_winrm(envelope)
        body = (
            b"--Encrypted Boundary\r\n"
            b"\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n"
            b"\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n"
            b"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n" % len(envelope)
        )
        body += struct.pack("<I", len(header)) + header + data + END
        self._reply(status, body, SEALED_TYPE, told)

    def _reply(
        self,
        status: int,
        body: bytes = b"",
        kind: str = "",
        headers: list[tuple[str, str]] | tuple[()] = (),
    ) -> None:
        self.send_response(status)
        if kind:
            self.send_header("Content-Type", kind)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        self.site.misbehaviour.count(bytes_out=len(body))


class Server(ThreadingHTTPServer):
    """Listens at one port; the TLS handshake happens in each connection's own thread."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(
        self, address: tuple[str, int], site: Site, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(address, type("Of", (Connection,), {"site": site}))
        self._tls = context

    def finish_request(self, request: object, client_address: object) -> None:
        if self._tls is not None:
            try:
                request = self._tls.wrap_socket(request, server_side=True)  # type: ignore[arg-type]
            except OSError:
                return  # somebody who only wanted to see the certificate
        super().finish_request(request, client_address)  # type: ignore[arg-type]

    def handle_error(self, request: object, client_address: object) -> None:
        traceback.print_exc()
        sys.stderr.flush()


def main(path: str) -> None:
    """Serve what a configuration says, for ever."""
    config = json.loads(Path(path).read_text(encoding="utf-8"))
    _give_passwords(config["users"])
    misbehaviour = Misbehaviour()
    service = Service(misbehaviour, _script(config), config.get("drive", ""))
    address = config.get("address", "127.0.0.1")
    if config.get("http"):
        site = Site(service, misbehaviour, config["users"], encrypted=False)
        _start(Server((address, config["http"]), site, None))
    if config.get("https"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(config["certificate"])
        site = Site(service, misbehaviour, config["users"], encrypted=True)
        _start(Server((address, config["https"]), site, context))
    if config.get("control"):
        serve_control(address, config["control"], misbehaviour)
    print("ready", flush=True)
    threading.Event().wait()


def _give_passwords(users: dict[str, str]) -> None:
    """Put the users where pyspnego looks for them."""
    handle, name = tempfile.mkstemp(text=False)
    with os.fdopen(handle, "wb") as file:
        file.writelines(f":{user}:{password}\n".encode() for user, password in users.items())
    os.environ["NTLM_USER_FILE"] = name


def _script(config: dict[str, str]) -> Path:
    if config.get("script"):
        return Path(config["script"])
    beside = HERE / "receive.ps1"
    return beside if beside.exists() else HERE.parents[2] / "resources" / "scripts" / beside.name


def _start(server: Server) -> None:
    threading.Thread(target=server.serve_forever, daemon=True).start()


if __name__ == "__main__":
    main(sys.argv[1])
