"""Known host keys as OpenSSH writes them; the keyring, there or not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keyring
import keyring.backends.fail
import pytest

from app.credentials import Credentials, KnownHosts, PasswordStore, fingerprint
from app.errors import SlipwayError, UntrustedHost
from app.request import Target
from app.transport import Secret


@pytest.fixture
def key(tmp_path: Path) -> tuple[str, str]:
    return make_key(tmp_path / "key")


def make_key(path: Path) -> tuple[str, str]:
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    kind, data = Path(f"{path}.pub").read_text().split()[:2]
    return kind, data


def known(tmp_path: Path, text: str) -> KnownHosts:
    users = tmp_path / "users"
    users.write_text(text)
    return KnownHosts(tmp_path / "config" / "known_hosts", others=[users])


def test_fingerprint_as_ssh_keygen_says_it(tmp_path: Path, key: tuple[str, str]) -> None:
    told = subprocess.run(
        ["ssh-keygen", "-lf", tmp_path / "key.pub"], capture_output=True, text=True, check=True
    )
    assert fingerprint(key[1]) == told.stdout.split()[1]


@pytest.mark.parametrize(
    ("names", "host", "port", "trusted"),
    [
        ("example.org", "example.org", 22, True),
        ("example.org", "EXAMPLE.org", 22, True),
        ("example.org", "example.org", 2222, False),
        ("[example.org]:2222", "example.org", 2222, True),
        ("[example.org]:2222", "example.org", 22, False),
        ("other,10.0.0.*", "10.0.0.7", 22, True),
        ("*.example.org,!bad.example.org", "good.example.org", 22, True),
        ("*.example.org,!bad.example.org", "bad.example.org", 22, False),
        ("[*]:2222", "x", 2222, True),
        ("2001:db8::1", "2001:db8::1", 22, True),
        ("[2001:db8::1]:2222", "2001:db8::1", 2222, True),
        ("# example.org", "example.org", 22, False),
        ("@cert-authority example.org", "example.org", 22, False),
    ],
)
def test_names(
    tmp_path: Path, key: tuple[str, str], names: str, host: str, port: int, trusted: bool
) -> None:
    hosts = known(tmp_path, f"garbage\n\n{names} {key[0]} {key[1]} comment\n")
    if trusted:
        hosts.check(host, port, *key)
        assert hosts.key_types(host, port) == (key[0],)
    else:
        with pytest.raises(UntrustedHost) as caught:
            hosts.check(host, port, *key)
        assert not caught.value.changed
        assert hosts.key_types(host, port) == ()


@pytest.mark.parametrize(("name", "port"), [("example.org", 22), ("[example.org]:2222", 2222)])
def test_hashed_names(tmp_path: Path, key: tuple[str, str], name: str, port: int) -> None:
    hosts = known(tmp_path, f"{name} {key[0]} {key[1]}\n")
    users = tmp_path / "users"
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", users], check=True, capture_output=True)
    assert users.read_text().startswith("|1|")
    hosts.check("example.org", port, *key)
    with pytest.raises(UntrustedHost):
        hosts.check("example.com", port, *key)


def test_trust_is_remembered_in_our_own_file(tmp_path: Path, key: tuple[str, str]) -> None:
    hosts = known(tmp_path, "")
    for port in (22, 2222):
        with pytest.raises(UntrustedHost) as caught:
            hosts.check("example.org", port, *key)
        hosts.trust(caught.value)
    again = KnownHosts(hosts.path, others=[])
    again.check("example.org", 22, *key)
    again.check("example.org", 2222, *key)
    assert (tmp_path / "users").read_text() == ""
    found = subprocess.run(
        ["ssh-keygen", "-F", "[example.org]:2222", "-f", hosts.path],
        capture_output=True,
        text=True,
        check=True,
    )
    assert key[1] in found.stdout
    if sys.platform != "win32":
        assert hosts.path.stat().st_mode & 0o777 == 0o600


def test_changed_key(tmp_path: Path, key: tuple[str, str]) -> None:
    hosts = known(tmp_path, f"\nexample.org {key[0]} {key[1]}\n")
    other = make_key(tmp_path / "other")
    with pytest.raises(UntrustedHost) as caught:
        hosts.check("example.org", 22, *other)
    error = caught.value
    assert error.changed
    assert error.expected == (fingerprint(key[1]),)
    assert error.fingerprint == fingerprint(other[1])
    assert f"{tmp_path / 'users'}, line 2" in error.detail
    with pytest.raises(UntrustedHost):
        hosts.trust(error)
    assert not hosts.path.exists()


def test_another_type_of_key_is_a_change_too(tmp_path: Path, key: tuple[str, str]) -> None:
    """Else whoever stands in between would only have to offer another type."""
    hosts = known(tmp_path, f"example.org ssh-rsa {key[1]}\n")
    other = make_key(tmp_path / "other")
    with pytest.raises(UntrustedHost) as caught:
        hosts.check("example.org", 22, *other)
    assert caught.value.changed


def test_revoked_key(tmp_path: Path, key: tuple[str, str]) -> None:
    line = f"{key[0]} {key[1]}\n"
    hosts = known(tmp_path, f"example.org {line}@revoked * {line}")
    with pytest.raises(UntrustedHost) as caught:
        hosts.check("example.org", 22, *key)
    assert caught.value.changed
    hosts = known(tmp_path, f"@revoked * {line}")
    with pytest.raises(UntrustedHost) as caught:
        hosts.check("example.org", 22, *key)
    assert caught.value.changed


def test_key_that_cannot_be_remembered(tmp_path: Path, key: tuple[str, str]) -> None:
    (tmp_path / "config").write_text("a file where the folder should be")
    hosts = KnownHosts(tmp_path / "config" / "known_hosts", others=[])
    with pytest.raises(UntrustedHost) as caught:
        hosts.check("example.org", 22, *key)
    with pytest.raises(SlipwayError) as failed:
        hosts.trust(caught.value)
    assert str(hosts.path) in failed.value.hint


def test_the_users_own_file_is_read(
    tmp_path: Path, key: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    (tmp_path / ".ssh" / "known_hosts").write_text(f"example.org {key[0]} {key[1]}\n")
    KnownHosts(tmp_path / "own").check("example.org", 22, *key)


def test_credentials_never_show() -> None:
    credentials = Credentials(Secret("hush1"), Secret("hush2"), Secret("hush3"))
    assert "hush" not in repr(credentials)
    assert credentials.secrets == (Secret("hush1"), Secret("hush2"), Secret("hush3"))


def test_keyring_remembers_and_forgets() -> None:
    store = PasswordStore()
    assert store.available() == ""
    target, other = Target("h", port=22, user="u"), Target("h", port=23, user="u")
    assert store.get(target, "password") is None
    store.set(target, "password", Secret("pass wörd"))
    store.set(target, "sudo", Secret("sudo"))
    store.set_secret("hello", "DB_PASSWORD", Secret("db"))
    assert store.get(target, "password") == Secret("pass wörd")
    assert store.get(target, "sudo") == Secret("sudo")
    assert store.get(target, "passphrase") is None
    assert store.get(other, "password") is None
    assert store.get_secret("hello", "DB_PASSWORD") == Secret("db")
    assert store.get_secret("other", "DB_PASSWORD") is None
    for _twice in range(2):
        store.delete(target, "password")
        store.delete_secret("hello", "DB_PASSWORD")
    assert store.get(target, "password") is None
    assert store.get(target, "sudo") == Secret("sudo")
    assert store.get_secret("hello", "DB_PASSWORD") is None


def test_no_keyring() -> None:
    before = keyring.get_keyring()
    keyring.set_keyring(keyring.backends.fail.Keyring())
    try:
        store = PasswordStore()
        assert store.available() != ""
        with pytest.raises(SlipwayError) as caught:
            store.set(Target("h"), "password", Secret("hush"))
        assert caught.value.hint
        assert "hush" not in str(caught.value)
    finally:
        keyring.set_keyring(before)


def test_import_does_not_start_the_keyring() -> None:
    """Finding a keyring takes time: nobody pays for it who does not use it."""
    code = "import sys, app.credentials; sys.exit('keyring' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env=dict(os.environ))
