"""Certificates: those that an authority vouches for, and those that a person has confirmed."""

from __future__ import annotations

import base64
import hashlib
import socket
import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import certifi
import requests.adapters

from app.credentials import CERTIFICATE, KnownHosts
from app.errors import ConnectError
from app.i18n import _
from app.reasons import reason

AUTHORITIES = certifi.where()


@dataclass(frozen=True, slots=True)
class Trust:
    """Why a server's certificate is trusted: an authority, or ``pinned``, the certificate itself.

    ``pinned`` is its SHA-256 in hexadecimal digits, "" where the authority decides.
    """

    context: ssl.SSLContext
    pinned: str = ""

    def adapter(self) -> requests.adapters.HTTPAdapter:
        """Return what makes a requests session check just that, at every connection."""
        return _TrustAdapter(self)


class _TrustAdapter(requests.adapters.HTTPAdapter):
    def __init__(self, trust: Trust) -> None:
        self._trust = trust
        super().__init__()

    def init_poolmanager(self, *args: Any, **options: Any) -> None:
        """Give urllib3 the context, and the one certificate if there is one."""
        options["ssl_context"] = self._trust.context
        if self._trust.pinned:
            # the name does not matter: it is this very certificate or none
            options |= {"assert_fingerprint": self._trust.pinned, "assert_hostname": False}
        super().init_poolmanager(*args, **options)


def judge(host: str, port: int, ca: str, known_hosts: KnownHosts, seconds: float) -> Trust:
    """Look at a server's certificate, nothing said yet; return why it is trusted.

    ``ca`` is a PEM file of the authority to trust instead of the system's. Raises UntrustedHost,
    ConnectError, or OSError if there is no connection at all.
    """
    context = _context(ca)
    try:
        _certificate(host, port, context, seconds)
    except ssl.SSLCertVerificationError:
        shown = _certificate(host, port, _unchecked(), seconds)
        known_hosts.check(host, port, CERTIFICATE, base64.b64encode(shown).decode())
        return Trust(_unchecked(), hashlib.sha256(shown).hexdigest())
    return Trust(context)


def _context(ca: str) -> ssl.SSLContext:
    try:
        if ca:
            return ssl.create_default_context(cafile=Path(ca).expanduser())
        context = ssl.create_default_context()
        context.load_verify_locations(AUTHORITIES)
    except OSError as problem:
        raise ConnectError(
            _("The authority's certificate {path} can't be used.").format(path=ca),
            reason(problem),
            _("Choose the PEM file (-----BEGIN CERTIFICATE-----) of the authority."),
        ) from problem
    return context


def _unchecked() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _certificate(host: str, port: int, context: ssl.SSLContext, seconds: float) -> bytes:
    with (
        socket.create_connection((host, port), seconds) as stream,
        context.wrap_socket(stream, server_hostname=host) as secured,
    ):
        certificate = secured.getpeercert(binary_form=True)
    if certificate is None:
        raise ssl.SSLError(_("It shows no certificate."))
    return certificate
