"""Push an image to a registry over the Distribution HTTP API, without Docker."""

from __future__ import annotations

import base64
import hashlib
import ipaddress
import json
import re
import ssl
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import urljoin, urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from app import tarstream
from app.errors import AuthError, ConnectError, ProfileError, SlipwayError
from app.i18n import _
from app.image import LAYER_TYPE, MANIFEST_TYPE, Image, Layer, make_manifest
from app.reasons import reason
from app.transport import CancelToken, OnBytes, Secret, ignore_bytes

_TIMEOUT = (10.0, 60.0)  # seconds to connect, and to wait for an answer
_HUB = "docker.io"
_HUB_API = "registry-1.docker.io"
_PARAMETER = re.compile(r'(\w+)="([^"]*)"')


def reference(image: Image, registry: str) -> str:
    """Return the name that ``push`` gives an image in a registry: ``host:port/…/NAME:tag``.

    ``registry`` is ``host[:port]`` (the image becomes ``slipway/NAME`` there) or
    ``host[:port]/namespace`` (``namespace/NAME``). The tag is made of the image's content.
    Raises ProfileError.
    """
    host, repository = _address(image, registry)
    return f"{host}/{repository}:{image.tag.rpartition(':')[2]}"


def push(
    image: Image,
    registry: str,
    user: str = "",
    password: Secret | None = None,
    *,
    on_bytes: OnBytes = ignore_bytes,
    cancel: CancelToken | None = None,
) -> str:
    """Push ``image`` as ``reference`` names it, only the blobs that the registry lacks.

    Returns it by digest, ``host:port/…/NAME@sha256:…``. ``on_bytes`` counts what is uploaded.
    Plain HTTP is spoken to loopback addresses only. Raises AuthError, ConnectError, SlipwayError,
    Cancelled.
    """
    host, repository = _address(image, registry)
    token = cancel or CancelToken()
    with tempfile.TemporaryDirectory(prefix="slipway-") as folder:
        blobs = [_pack(layer, Path(folder) / str(n), token) for n, layer in enumerate(image.layers)]
        layers = [(f"{LAYER_TYPE}+gzip", blob.digest, blob.size) for blob in blobs]
        manifest = json.dumps(make_manifest(image.config, layers), sort_keys=True).encode()
        config = Path(folder) / "config"
        config.write_bytes(image.config)
        blobs.append(_Blob(config, image.config_digest, len(image.config)))
        with _connected(host, repository, user, password) as client:
            client.push_blobs(blobs, on_bytes, token)
            client.push_manifest(manifest, image.tag.rpartition(":")[2])
    return f"{host}/{repository}@sha256:{hashlib.sha256(manifest).hexdigest()}"


@dataclass(frozen=True, slots=True)
class _Blob:
    path: Path
    digest: str
    size: int


def _pack(layer: Layer, path: Path, cancel: CancelToken) -> _Blob:
    """Compress a layer: a registry stores and sends it as it comes."""
    size = tarstream.write_gzip(layer.stream(cancel), path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return _Blob(path, f"sha256:{digest}", size)


class _Body:
    """A file as the body of a request: reports what is read of it, and stops when cancelled."""

    def __init__(
        self,
        file: BinaryIO,
        size: int,
        before: int,
        total: int,
        on_bytes: OnBytes,
        cancel: CancelToken,
    ) -> None:
        self._file = file
        self._size = size
        self._done = before
        self._total = total
        self._on_bytes = on_bytes
        self._cancel = cancel

    def __len__(self) -> int:
        return self._size

    def read(self, size: int = -1) -> bytes:
        self._cancel.check()
        piece = self._file.read(size)
        self._done += len(piece)
        self._on_bytes(self._done, self._total)
        return piece


class _SystemTrust(HTTPAdapter):
    """Trusts, beside certifi's roots, what the system trusts: a company's own authority."""

    def init_poolmanager(
        self, connections: int, maxsize: int, block: bool = False, **pool_kwargs: Any
    ) -> None:
        context = ssl.create_default_context()
        super().init_poolmanager(connections, maxsize, block, ssl_context=context, **pool_kwargs)


class _Authorization(AuthBase):
    """Sends one header, or none: given as ``auth``, it keeps ~/.netrc out of play."""

    def __init__(self, value: str = "") -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._value:
            request.headers["Authorization"] = self._value
        return request


@dataclass(slots=True)
class _Client:
    """One repository of one registry; asks for a token when the registry wants one."""

    host: str
    repository: str
    user: str
    password: Secret | None
    session: requests.Session
    base: str = ""
    authorization: str = field(default="", repr=False)

    def open(self) -> None:
        """Find out how the registry is spoken to, and log in if it wants that."""
        api = _HUB_API if self.host == _HUB else self.host
        self.base = f"https://{api}"
        try:
            answer = self._send("GET", f"{self.base}/v2/")
        except requests.exceptions.ConnectionError as error:
            # A certificate that isn't trusted is no reason to speak in the clear.
            if not _is_loopback(api) or isinstance(_cause(error), ssl.SSLCertVerificationError):
                raise
            self.base = f"http://{api}"
            answer = self._send("GET", f"{self.base}/v2/")
        if answer.status_code == requests.codes.unauthorized:
            self._log_in(answer)
        elif not _succeeded(answer):
            raise self._refused(answer, _("{registry} is not a registry").format(registry=api))

    def push_blobs(self, blobs: list[_Blob], on_bytes: OnBytes, cancel: CancelToken) -> None:
        """Upload those blobs that the repository lacks."""
        lacking = []
        for blob in blobs:
            cancel.check()
            if not self._has(blob):
                lacking.append(blob)
        total = sum(blob.size for blob in lacking)
        done = 0
        for blob in lacking:
            self._upload(blob, done, total, on_bytes, cancel)
            done += blob.size

    def push_manifest(self, manifest: bytes, tag: str) -> None:
        """Make the uploaded blobs an image."""
        answer = self._request(
            "PUT", self._url(f"manifests/{tag}"), data=manifest, content_type=MANIFEST_TYPE
        )
        if not _succeeded(answer):
            raise self._refused(answer, _("The registry did not take the image's manifest"))

    def _has(self, blob: _Blob) -> bool:
        answer = self._request("HEAD", self._url(f"blobs/{blob.digest}"))
        if _succeeded(answer):
            return True
        if answer.status_code == requests.codes.not_found:
            return False
        raise self._refused(answer, _("The registry did not say what it has"))

    def _upload(
        self, blob: _Blob, before: int, total: int, on_bytes: OnBytes, cancel: CancelToken
    ) -> None:
        cancel.check()
        url = self._upload_url(blob)
        with blob.path.open("rb") as file:
            body = _Body(file, blob.size, before, total, on_bytes, cancel)
            answer = self._send("PUT", url, data=body, content_type="application/octet-stream")
        if not _succeeded(answer):
            raise self._refused(answer, _("The registry did not take a layer"))

    def _upload_url(self, blob: _Blob) -> str:
        answer = self._request("POST", self._url("blobs/uploads/"))
        location = answer.headers.get("Location", "")
        if not _succeeded(answer) or not location:
            raise self._refused(answer, _("The registry does not accept uploads"))
        url = urljoin(answer.url, location)
        return f"{url}{'&' if urlsplit(url).query else '?'}digest={blob.digest}"

    def _url(self, path: str) -> str:
        return f"{self.base}/v2/{self.repository}/{path}"

    def _request(
        self, method: str, url: str, *, data: bytes | None = None, content_type: str = ""
    ) -> requests.Response:
        """Send a request; log in once more if the registry asks for it."""
        answer = self._send(method, url, data=data, content_type=content_type)
        if answer.status_code == requests.codes.unauthorized:
            self._log_in(answer)
            answer = self._send(method, url, data=data, content_type=content_type)
        return answer

    def _send(
        self,
        method: str,
        url: str,
        *,
        data: bytes | _Body | None = None,
        content_type: str = "",
    ) -> requests.Response:
        # An upload may lead to another machine, which must not see the login.
        own = urlsplit(url)[:2] == urlsplit(self.base)[:2]
        return self.session.request(
            method,
            url,
            data=data,
            headers={"Content-Type": content_type} if content_type else {},
            auth=_Authorization(self.authorization if own else ""),
            timeout=_TIMEOUT,
            # A body that was read can't be sent a second time.
            allow_redirects=method != "PUT",
        )

    def _log_in(self, answer: requests.Response) -> None:
        scheme, parameters = _challenge(answer.headers.get("WWW-Authenticate", ""))
        if scheme == "bearer":
            self.authorization = f"Bearer {self._token(parameters)}"
        elif scheme == "basic" and self.user:
            # The base is https or loopback, so this is never readable on the way.
            self.authorization = self._basic()
        else:
            raise self._refused(answer, "")

    def _token(self, parameters: dict[str, str]) -> str:
        realm = parameters.get("realm", "")
        if urlsplit(realm).scheme != "https" and not _is_loopback(urlsplit(realm).netloc):
            raise AuthError(
                _("The login of {registry} is not encrypted").format(registry=self.host),
                _("It asks for the password at {realm}.").format(realm=realm),
                _("Let the registry's administrator set up TLS for its login."),
            )
        query = {"scope": f"repository:{self.repository}:pull,push"}
        if "service" in parameters:
            query["service"] = parameters["service"]
        login = _Authorization(self._basic() if self.user else "")
        answer = self.session.get(realm, params=query, auth=login, timeout=_TIMEOUT)
        if not _succeeded(answer):
            raise self._refused(answer, _("The registry gave no token"))
        content = answer.json()
        return str(content.get("token") or content.get("access_token"))

    def _basic(self) -> str:
        login = f"{self.user}:{self.password.reveal() if self.password else ''}"
        return f"Basic {base64.b64encode(login.encode()).decode()}"

    def _refused(self, answer: requests.Response, title: str) -> SlipwayError:
        """Return the error for an answer that isn't what was hoped for."""
        status = answer.status_code
        detail = _("{registry} answered {status}: {reason}").format(
            registry=self.host, status=status, reason=_reason(answer)
        )
        forbidden = "insufficient_scope" in answer.headers.get("WWW-Authenticate", "")
        if status == requests.codes.forbidden or forbidden:
            return AuthError(
                _("The login may not push to {repository}").format(repository=self.repository),
                detail,
                _("Ask for the right to push there, or name another namespace in the registry."),
            )
        if status == requests.codes.unauthorized:
            return AuthError(
                _("The registry {registry} refused the login").format(registry=self.host)
                if self.user
                else _("The registry {registry} wants a login").format(registry=self.host),
                detail,
                _("Check the registry's user and password; for many registries it is a token."),
            )
        if status == requests.codes.not_found:
            hint = _("Check the registry's address: host:port, or host:port/namespace.")
        else:
            hint = _("Try again; if it stays so, ask the registry's administrator.")
        return SlipwayError(title, detail, hint)


@contextmanager
def _connected(host: str, repository: str, user: str, password: Secret | None) -> Iterator[_Client]:
    """Yield a logged-in client; what the HTTP library raises becomes an error with a remedy."""
    with requests.Session() as session:
        # A proxy could not reach this computer's own addresses.
        session.trust_env = not _is_loopback(host)
        session.mount("https://", _SystemTrust())
        client = _Client(host, repository, user, password, session)
        try:
            client.open()
            yield client
        except requests.exceptions.SSLError as error:
            raise _untrusted(host, error) from error
        except requests.exceptions.RequestException as error:
            raise ConnectError(
                _("The registry {registry} can't be reached").format(registry=host),
                _words(error),
                _("Check its address, that it runs, and that no firewall or proxy stands between."),
            ) from error


def _untrusted(host: str, error: requests.exceptions.SSLError) -> ConnectError:
    if isinstance(_cause(error), ssl.SSLCertVerificationError):
        return ConnectError(
            _("The registry {registry} can't be trusted").format(registry=host),
            _words(error),
            _(
                "If it has a certificate of your company's own authority, add that authority to "
                "this computer's trusted ones, or name its file in SSL_CERT_FILE."
            ),
        )
    return ConnectError(
        _("The registry {registry} can't be spoken to over TLS").format(registry=host),
        _words(error),
        _(
            "Give the registry a certificate: like Docker, Slipway sends images and passwords "
            "over plain HTTP to this computer's own addresses only."
        ),
    )


def _address(image: Image, registry: str) -> tuple[str, str]:
    """Return host and repository."""
    host, _slash, namespace = registry.strip("/").partition("/")
    if not host or "://" in registry or "@" in registry:
        raise ProfileError(
            "deploy.docker.registry",
            _("This is not the address of a registry"),
            _("An address is a host, a port if needed, and a namespace if wanted."),
            _("Write it like registry.example.com or registry.example.com:5000/team."),
        )
    return host, f"{namespace or 'slipway'}/{image.name}"


def _is_loopback(netloc: str) -> bool:
    host = urlsplit(f"//{netloc}").hostname or ""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _challenge(header: str) -> tuple[str, dict[str, str]]:
    """Return the scheme, in small letters, and parameters of what a registry asks for."""
    for scheme in ("bearer", "basic"):
        found = re.search(rf"\b{scheme}\s+(.*)", header, re.IGNORECASE | re.DOTALL)
        if found:
            return scheme, dict(_PARAMETER.findall(found.group(1)))
    return "", {}


def _succeeded(answer: requests.Response) -> bool:
    return answer.status_code // 100 == 2


def _reason(answer: requests.Response) -> str:
    """Return why a registry refused, in its own words where it has some."""
    try:
        errors = answer.json()["errors"]
        return "; ".join(str(error.get("message") or error["code"]) for error in errors)
    except (ValueError, LookupError, TypeError, AttributeError):
        return answer.reason


def _cause(error: BaseException) -> BaseException:
    """Return what lies below the layers of the HTTP library's exceptions."""
    below = (getattr(error, "reason", None), *error.args[:1], error.__cause__)
    for inner in below:
        if isinstance(inner, BaseException):
            return _cause(inner)
    return error


def _words(error: BaseException) -> str:
    cause = _cause(error)
    if isinstance(cause, ssl.SSLCertVerificationError):
        return cause.verify_message
    return reason(cause)
