"""What the user says and ``~/.ssh/config`` together make of a target; keys and how they load."""

from __future__ import annotations

import getpass
import subprocess
from pathlib import Path

import pytest

from app.errors import AuthError, ConnectError
from app.request import Target
from app.transport import Secret
from app.transport.ssh_config import Endpoint, resolve
from app.transport.ssh_keys import KeyRing, LockedKey, UnusableKey, load_key


def resolved(tmp_path: Path, text: str, target: Target) -> Endpoint:
    path = tmp_path / "config"
    path.write_text(text, encoding="utf-8")
    return resolve(target, path)


def test_without_a_configuration(tmp_path: Path) -> None:
    endpoint = resolve(Target("example.org"), tmp_path / "none")
    assert endpoint == Endpoint("example.org", 22, getpass.getuser(), "example.org")


def test_first_value_counts(tmp_path: Path) -> None:
    text = """
        Host web-*
            HostName %h.example.org
            User deploy
            IdentityFile ~/.ssh/web
            IdentitiesOnly yes
        Host *
            User other
            Port 2222
            IdentityFile /keys/%r
    """
    endpoint = resolved(tmp_path, text, Target("web-1"))
    assert (endpoint.host, endpoint.port, endpoint.user) == ("web-1.example.org", 2222, "deploy")
    assert endpoint.keys == (Path.home() / ".ssh" / "web", Path("/keys/deploy"))
    assert endpoint.identities_only
    assert not endpoint.key_chosen


def test_the_user_wins(tmp_path: Path) -> None:
    text = "Host a\n Port 1\n User x\n IdentityFile /k\n ProxyCommand nc %h %p %r\n"
    target = Target("a", port=99, user="me", key="/mine")
    endpoint = resolved(tmp_path, text, target)
    assert (endpoint.port, endpoint.user, endpoint.keys) == (99, "me", (Path("/mine"),))
    assert endpoint.key_chosen
    assert endpoint.proxy_command == "nc a 99 me"


def test_addresses_of_version_six(tmp_path: Path) -> None:
    assert resolved(tmp_path, "", Target("[2001:db8::1]")).host == "2001:db8::1"


def test_jumps(tmp_path: Path) -> None:
    text = """
        Host inner
            ProxyJump me@one:2200,ssh://two:22
        Host two
            HostName two.example.org
            ProxyJump none
        Host six
            ProxyJump [2001:db8::1]:2022
        Host *
            User all
    """
    first, second = resolved(tmp_path, text, Target("inner")).hops
    assert (first.host, first.port, first.user) == ("one", 2200, "me")
    assert (second.host, second.port, second.user) == ("two.example.org", 22, "all")
    (six,) = resolved(tmp_path, text, Target("six")).hops
    assert (six.host, six.port) == ("2001:db8::1", 2022)
    assert resolved(tmp_path, text, Target("two")).hops == ()


def test_jumps_in_a_circle(tmp_path: Path) -> None:
    with pytest.raises(ConnectError) as caught:
        resolved(tmp_path, "Host *\n ProxyJump again\n", Target("a"))
    assert "circle" in caught.value.detail


def test_no_proxy_after_all(tmp_path: Path) -> None:
    text = "Host a\n ProxyCommand none\nHost *\n ProxyCommand nc %h %p\n"
    assert resolved(tmp_path, text, Target("a")).proxy_command == ""


def test_included_files(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "a.conf").write_text("Host a\n Port 1234\n")
    (tmp_path / "more" / "b.conf").write_text("Host b\n HostName b.example.org\nInclude a.conf\n")
    assert resolved(tmp_path, "Include more/*.conf\n", Target("a")).port == 1234
    assert resolved(tmp_path, "include=more/b.conf\n", Target("b")).host == "b.example.org"


def test_a_file_that_includes_itself(tmp_path: Path) -> None:
    assert resolved(tmp_path, "Include config\nHost a\n Port 5\n", Target("a")).port == 5


@pytest.mark.parametrize(
    "text", ["Host a\n  Port many\n", "Match nonsense\n", "Host 'a\n", "Port\n"]
)
def test_configuration_that_makes_no_sense(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConnectError) as caught:
        resolved(tmp_path, text, Target("a"))
    assert str(tmp_path / "config") in caught.value.title
    assert caught.value.hint


@pytest.mark.parametrize(
    "target",
    [
        Target("a b"),
        Target("-oProxyCommand=x"),
        Target("a;reboot"),
        Target("a\nProxyCommand reboot"),
        Target("a", user="x\nProxyCommand reboot"),
        Target("a", user="-l"),
        Target("a", user="$(reboot)"),
        Target("a\\b"),
    ],
    ids=str,
)
def test_names_that_are_more_than_names(tmp_path: Path, target: Target) -> None:
    with pytest.raises(ConnectError) as caught:
        resolved(tmp_path, "", target)
    assert "can't be" in caught.value.title


def test_user_of_a_domain(tmp_path: Path) -> None:
    assert resolved(tmp_path, "", Target("a", user="CORP\\me")).user == "CORP\\me"


# Keys


def keygen(path: Path, kind: str, passphrase: str = "", form: str = "RFC4716") -> Path:
    words = ["-q", "-t", kind, "-N", passphrase, "-m", form, "-C", "x", "-f", str(path)]
    subprocess.run(["ssh-keygen", *words], check=True)
    return path


@pytest.mark.parametrize("passphrase", ["", "öpen"])
@pytest.mark.parametrize("form", ["RFC4716", "PEM", "PKCS8"])
@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_keys_of_every_form(tmp_path: Path, kind: str, form: str, passphrase: str) -> None:
    path = keygen(tmp_path / "key", kind, passphrase, form)
    public = (tmp_path / "key.pub").read_text().split()[1]
    assert load_key(path, Secret("öpen")).get_base64() == public
    if passphrase:
        for wrong in (None, Secret("wrong")):
            with pytest.raises(LockedKey):
                load_key(path, wrong)
    else:
        assert load_key(path, None).get_base64() == public


def test_files_that_are_no_keys(tmp_path: Path) -> None:
    key = keygen(tmp_path / "key", "ed25519")
    with pytest.raises(UnusableKey):
        load_key(Path(f"{key}.pub"), None)
    putty = tmp_path / "key.ppk"
    putty.write_text("PuTTY-User-Key-File-3: ssh-ed25519\n")
    with pytest.raises(UnusableKey, match="PuTTYgen"):
        load_key(putty, None)


def test_certificate_beside_the_key(tmp_path: Path) -> None:
    authority, key = keygen(tmp_path / "ca", "ed25519"), keygen(tmp_path / "key", "ed25519")
    words = ["-q", "-s", str(authority), "-I", "id", "-n", "root", f"{key}.pub"]
    subprocess.run(["ssh-keygen", *words], check=True)
    blob = load_key(key, None).public_blob
    assert blob is not None
    assert blob.key_type == "ssh-ed25519-cert-v01@openssh.com"


def ring(keys: tuple[Path, ...], *, chosen: bool) -> KeyRing:
    return KeyRing(Endpoint("h", 22, "u", "h", keys=keys, key_chosen=chosen), None)


def test_a_chosen_key_must_work(tmp_path: Path) -> None:
    locked = keygen(tmp_path / "locked", "ed25519", "secret")
    for path, needs in ((locked, "passphrase"), (tmp_path / "gone", ""), (tmp_path, "")):
        with pytest.raises(AuthError) as caught:
            list(ring((path,), chosen=True).candidates())
        assert caught.value.needs == needs
        assert str(path) in caught.value.title
        assert caught.value.hint


def test_keys_of_the_configuration_are_tried_one_by_one(tmp_path: Path) -> None:
    good = keygen(tmp_path / "good", "ed25519")
    locked = keygen(tmp_path / "locked", "ed25519", "secret")
    keys = ring((tmp_path / "gone", locked, good), chosen=False)
    assert len(list(keys.candidates())) == 1
    assert keys.locked == [locked]
    assert keys.names == [str(good)]
