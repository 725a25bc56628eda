"""Pushing to real registries: with a password, with tokens, over TLS, and all that goes wrong."""

import base64
import datetime as dt
import http.server
import json
import os
import secrets
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.x509.oid import NameOID

from app.artifact import Artifact
from app.build import host_platform
from app.errors import AuthError, Cancelled, ConnectError, ProfileError, SlipwayError
from app.image import Image, make_image
from app.registry import push, reference
from app.toolchain import find_toolchain
from app.transport import CancelToken, Secret
from tests.lab.hosts import LabEngine, LabRegistry

PROGRAM = 'package main\n\nfunc main() { print("pulled ", version) }\n\nvar version string\n'
PASSWORD = "it's a secret 密码"


@dataclass
class Uploads:
    """Progress as it was reported."""

    done: int = 0
    total: int = 0

    def __call__(self, done: int, total: int) -> None:
        assert self.done <= done <= total
        self.done, self.total = done, total


@pytest.fixture(scope="module")
def binaries(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("program")
    (folder / "main.go").write_text(PROGRAM)
    (folder / "go.mod").write_text("module example.com/pulled\n\ngo 1.22\n")
    go = str(find_toolchain().go)
    first, second = folder / "1" / "pulled", folder / "2" / "pulled"
    for path in (first, second):
        flags = f"-s -w -X main.version={path.parent.name}"
        command = [go, "build", "-trimpath", "-ldflags", flags, "-o", str(path), "."]
        environment = {**os.environ, "CGO_ENABLED": "0", "GOOS": "linux", "GOFLAGS": ""}
        subprocess.run(command, cwd=folder, env=environment, check=True)
    return first, second


@pytest.fixture
def images(binaries: tuple[Path, Path], tmp_path: Path) -> tuple[Image, Image]:
    """Two versions of an image that no registry has seen before."""
    zoneinfo = tmp_path / "zoneinfo.zip"
    zoneinfo.write_bytes(secrets.token_bytes(100_000))
    name = f"pulled-{secrets.token_hex(4)}"
    first, second = (make_image(_artifact(path), name, zoneinfo) for path in binaries)
    return first, second


def _artifact(path: Path) -> Artifact:
    return Artifact(
        path=path,
        binary="pulled",
        platform=host_platform(),
        sha256="",
        size=path.stat().st_size,
        static=True,
        go_version="",
        module="example.com/pulled",
        package=".",
        version=path.parent.name,
        commit="",
        commit_time=0,
        dirty=False,
        options={},
    )


@pytest.fixture
def trusted(registry: LabRegistry, monkeypatch: pytest.MonkeyPatch) -> LabRegistry:
    """The lab's registry, its authority trusted by this computer."""
    monkeypatch.setenv("SSL_CERT_FILE", registry.ca)
    return registry


def test_a_pushed_image_is_pulled_by_its_digest_and_runs(
    images: tuple[Image, Image], trusted: LabRegistry, engine: LabEngine
) -> None:
    image, newer = images
    uploads = Uploads()
    pushed = push(image, trusted.address, trusted.user, Secret(trusted.password), on_bytes=uploads)
    name, _, digest = pushed.partition("@")
    assert name == f"{trusted.address}/slipway/{image.name}"
    assert uploads.done == uploads.total > 100_000

    tagged = reference(image, trusted.address)
    assert tagged == f"{name}:{image.tag.partition(':')[2]}"
    for system, wanted in (("bookworm", pushed), ("trixie", pushed), ("trixie", tagged)):
        _pull(engine, system, trusted, wanted)
        ran = engine.run("exec", system, "docker", "run", "--rm", "--network", "none", wanted)
        assert (ran.returncode, ran.stderr) == (0, b"pulled 1")
        inspected = engine.docker("exec", system, "docker", "image", "inspect", wanted)
        [known] = json.loads(inspected)
        assert known["RootFS"]["Layers"] == [layer.digest for layer in image.layers]
        assert known["Id"] in {image.config_digest, digest}
        engine.docker("exec", system, "docker", "rmi", wanted)

    # What the registry has is not sent again.
    again = Uploads()
    login = Secret(trusted.password)
    assert push(image, trusted.address, trusted.user, login, on_bytes=again) == pushed
    assert again == Uploads()
    push(newer, trusted.address, trusted.user, login, on_bytes=again)
    assert 0 < again.total < uploads.total - 100_000


def _pull(engine: LabEngine, system: str, registry: LabRegistry, wanted: str) -> None:
    login = ["docker", "login", "-u", registry.user, "--password-stdin", registry.address]
    engine.docker("exec", "-i", system, *login, input=registry.password.encode())
    engine.docker("exec", system, "docker", "pull", "-q", wanted)


def test_a_namespace_may_be_named(images: tuple[Image, Image], trusted: LabRegistry) -> None:
    image, address = images[0], f"{trusted.address}/team/a"
    pushed = push(image, address, trusted.user, Secret(trusted.password))
    assert pushed.startswith(f"{address}/{image.name}@sha256:")
    assert reference(image, address).startswith(f"{address}/{image.name}:")


@pytest.mark.parametrize(
    ("user", "password", "said"),
    [
        ("slipway", Secret(PASSWORD), "refused the login"),
        ("nobody", Secret(PASSWORD), "refused the login"),
        ("", None, "wants a login"),
    ],
)
def test_a_wrong_login_is_said_without_the_password(
    images: tuple[Image, Image],
    trusted: LabRegistry,
    user: str,
    password: Secret | None,
    said: str,
) -> None:
    with pytest.raises(AuthError, match=said) as caught:
        push(images[0], trusted.address, user, password)
    assert "401" in caught.value.detail
    assert caught.value.hint
    _assert_hidden(caught, PASSWORD)


def _assert_hidden(caught: pytest.ExceptionInfo[SlipwayError], password: str) -> None:
    """Neither the error nor a value of the frames that it came through shows the password."""
    told = [str(caught.value), str(caught.value.__cause__)]
    for entry in caught.traceback:
        if entry.path.parent.name == "app":
            told += [repr(value) for value in entry.frame.f_locals.values()]
    encoded = base64.b64encode(f"slipway:{password}".encode()).decode()
    assert len(told) > 5
    assert not [text for text in told if password in text or encoded in text]


def test_a_stranger_s_certificate_is_not_trusted(
    images: tuple[Image, Image], registry: LabRegistry
) -> None:
    with pytest.raises(ConnectError, match="can't be trusted") as caught:
        push(images[0], registry.address, registry.user, Secret(registry.password))
    assert "certificate" in caught.value.detail
    assert "SSL_CERT_FILE" in caught.value.hint
    _assert_hidden(caught, registry.password)


def test_nothing_is_sent_in_the_clear_to_another_machine(
    images: tuple[Image, Image], registry: LabRegistry
) -> None:
    with pytest.raises(ConnectError, match="over TLS") as caught:
        push(images[0], registry.plain_address, registry.user, Secret(registry.password))
    assert "plain HTTP" in caught.value.hint


def test_cancelling_ends_an_upload(images: tuple[Image, Image], trusted: LabRegistry) -> None:
    cancel = CancelToken()

    def stop(done: int, total: int) -> None:
        if done > 50_000:
            cancel.cancel()

    login = Secret(trusted.password)
    with pytest.raises(Cancelled):
        push(images[0], trusted.address, trusted.user, login, on_bytes=stop, cancel=cancel)
    # What was begun does no harm to the next try.
    assert push(images[0], trusted.address, trusted.user, login)


def test_an_address_where_nothing_listens_is_said(images: tuple[Image, Image]) -> None:
    address = f"127.0.0.1:{_free_port()}"
    with pytest.raises(ConnectError, match="can't be reached") as caught:
        push(images[0], address, "", None)
    assert address in caught.value.title
    assert "refused" in caught.value.detail.lower()


@pytest.mark.parametrize("address", ["", "https://registry.example.com", "u:p@localhost:5000"])
def test_an_address_that_is_none_is_named(images: tuple[Image, Image], address: str) -> None:
    with pytest.raises(ProfileError) as caught:
        push(images[0], address, "", None)
    assert caught.value.key == "deploy.docker.registry"


def test_a_web_server_that_is_no_registry_is_said(images: tuple[Image, Image]) -> None:
    with _serving(http.server.BaseHTTPRequestHandler) as port:
        with pytest.raises(SlipwayError, match="not a registry") as caught:
            push(images[0], f"localhost:{port}", "", None)
        assert "501" in caught.value.detail


# --- a registry of its own that gives its login away to a token server ------------------------


class TokenServer(http.server.BaseHTTPRequestHandler):
    """Signs what the registry of a test asks for, as large registries do it."""

    key: rsa.RSAPrivateKey
    certificate: x509.Certificate
    allowed: tuple[str, ...] = ("pull", "push")
    lifetime = 300

    def do_GET(self) -> None:
        expected = "Basic " + base64.b64encode(f"slipway:{PASSWORD}".encode()).decode()
        if self.headers.get("Authorization") != expected:
            self._answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "who are you"}]})
            return
        query = parse_qs(urlsplit(self.path).query)
        [scope] = query["scope"]
        kind, repository, actions = scope.split(":")
        access = [action for action in actions.split(",") if action in self.allowed]
        now = int(time.time())
        claims = {
            "iss": "lab",
            "aud": query["service"][0],
            "sub": "slipway",
            "iat": now - 60,
            "nbf": now - 60,
            "exp": now + self.lifetime,
            "jti": secrets.token_hex(8),
            "access": [{"type": kind, "name": repository, "actions": access}],
        }
        self._answer(200, {"token": self._signed(claims)})

    def _signed(self, claims: dict[str, object]) -> str:
        der = self.certificate.public_bytes(serialization.Encoding.DER)
        head = {"typ": "JWT", "alg": "RS256", "x5c": [base64.b64encode(der).decode()]}
        text = ".".join(_base64url(json.dumps(part).encode()) for part in (head, claims))
        signature = self.key.sign(text.encode(), padding.PKCS1v15(), hashes.SHA256())
        return f"{text}.{_base64url(signature)}"

    def _answer(self, status: int, content: dict[str, object]) -> None:
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def _serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[int]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        server.server_close()


def _certificate(key: rsa.RSAPrivateKey) -> x509.Certificate:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "lab token server")])
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(hours=1))
        .not_valid_after(now + dt.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )


@dataclass(frozen=True)
class TokenRegistry:
    """A docker-registry that believes the tokens of ``tokens``."""

    address: str
    tokens: type[TokenServer]


@pytest.fixture(scope="module")
def signer() -> type[TokenServer]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return type("Signer", (TokenServer,), {"key": key, "certificate": _certificate(key)})


@pytest.fixture
def token_registry(signer: type[TokenServer], tmp_path: Path) -> Iterator[TokenRegistry]:
    tokens = type("Tokens", (signer,), {})
    bundle = tmp_path / "token.pem"
    bundle.write_bytes(tokens.certificate.public_bytes(serialization.Encoding.PEM))
    address = f"127.0.0.1:{_free_port()}"
    with _serving(tokens) as port:
        config = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {"filesystem": {"rootdirectory": str(tmp_path / "registry")}},
            "http": {"addr": address},
            "auth": {
                "token": {
                    "realm": f"http://127.0.0.1:{port}/token",
                    "service": "lab-registry",
                    "issuer": "lab",
                    "rootcertbundle": str(bundle),
                }
            },
        }
        (tmp_path / "registry.yml").write_text(json.dumps(config))
        with (tmp_path / "registry.log").open("wb") as log:
            process = subprocess.Popen(
                ["docker-registry", "serve", str(tmp_path / "registry.yml")],
                stdout=log,
                stderr=log,
            )
        try:
            _wait_for(address, tmp_path / "registry.log")
            yield TokenRegistry(address, tokens)
        finally:
            process.terminate()
            process.wait(10)


def _wait_for(address: str, log: Path) -> None:
    host, port = address.split(":")
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection((host, int(port)), 1).close()
        except OSError:
            assert time.monotonic() < deadline, log.read_text()
            time.sleep(0.05)
        else:
            return


def test_a_token_is_fetched_where_the_registry_sends_us(
    images: tuple[Image, Image], token_registry: TokenRegistry
) -> None:
    pushed = push(images[0], token_registry.address, "slipway", Secret(PASSWORD))
    assert pushed.startswith(f"{token_registry.address}/slipway/{images[0].name}@sha256:")
    uploads = Uploads()
    push(images[0], token_registry.address, "slipway", Secret(PASSWORD), on_bytes=uploads)
    assert uploads == Uploads()


def test_a_wrong_password_gets_no_token(
    images: tuple[Image, Image], token_registry: TokenRegistry
) -> None:
    with pytest.raises(AuthError, match="refused the login") as caught:
        push(images[0], token_registry.address, "slipway", Secret("wrong " + PASSWORD))
    assert "who are you" in caught.value.detail
    _assert_hidden(caught, "wrong " + PASSWORD)


def test_a_login_that_may_only_read_is_told_so(
    images: tuple[Image, Image], token_registry: TokenRegistry
) -> None:
    token_registry.tokens.allowed = ("pull",)
    with pytest.raises(AuthError, match="may not push") as caught:
        push(images[0], token_registry.address, "slipway", Secret(PASSWORD))
    assert "namespace" in caught.value.hint


def test_a_token_that_runs_out_is_renewed(
    images: tuple[Image, Image], token_registry: TokenRegistry
) -> None:
    # docker-registry believes a token for a minute longer than it says: this one for two seconds.
    token_registry.tokens.lifetime = -58

    def dawdle(done: int, total: int) -> None:
        if token_registry.tokens.lifetime < 0:
            token_registry.tokens.lifetime = 300
            time.sleep(3)

    assert push(images[0], token_registry.address, "slipway", Secret(PASSWORD), on_bytes=dawdle)
    assert token_registry.tokens.lifetime == 300


def test_the_image_is_the_same_through_any_registry(
    images: tuple[Image, Image], token_registry: TokenRegistry, trusted: LabRegistry
) -> None:
    one = push(images[0], token_registry.address, "slipway", Secret(PASSWORD))
    other = push(images[0], trusted.address, trusted.user, Secret(trusted.password))
    assert one.rpartition("@")[2] == other.rpartition("@")[2]
