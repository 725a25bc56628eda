"""What is special to SSH, against the lab's real sshd: trust, login, ways there, broken ways."""

from __future__ import annotations

import base64
import hashlib
import os
import secrets
import shlex
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import paramiko
import pytest

from app.credentials import Credentials, KnownHosts, Prompts
from app.errors import (
    AuthError,
    Cancelled,
    CommandFailed,
    ConnectError,
    ConnectionLost,
    SlipwayError,
    UntrustedHost,
)
from app.request import Target
from app.transport import CancelToken, Command, Secret, ssh_connection
from app.transport.reading import Reading
from app.transport.ssh import SshTransport
from tests.lab.hosts import LabHost

Open = Callable[..., SshTransport]


@dataclass(frozen=True, slots=True)
class Server:
    """An sshd of a test's own on a lab host, with options of its own."""

    host: LabHost
    port: int

    @property
    def target(self) -> Target:
        return Target(self.host.ip, port=self.port, user="root", key=str(self.host.root_key))


@pytest.fixture
def box(hosts: dict[str, LabHost]) -> LabHost:
    return hosts["bookworm-root"]


@pytest.fixture
def known(tmp_path: Path, hosts: dict[str, LabHost]) -> KnownHosts:
    """Know every lab host at every address and port, as an OpenSSH client would write it."""
    lines = []
    for name in ("bookworm-root", "trixie-root"):
        keys = host_keys(hosts[name])
        lines += [f"[{hosts[name].address}]:{hosts[name].port} {key}" for key in keys]
        lines += [f"[{hosts[name].ip}]:*,{hosts[name].ip} {key}" for key in keys]
    path = tmp_path / "known_hosts"
    path.write_text("\n".join(lines) + "\n")
    return KnownHosts(tmp_path / "own_known_hosts", others=[path])


@pytest.fixture
def connect(tmp_path: Path, known: KnownHosts) -> Iterator[Open]:
    """Give opened transports that end with the test."""
    made: list[SshTransport] = []

    def connect(
        target: Target,
        credentials: Credentials | None = None,
        *,
        config: str = "",
        known: KnownHosts = known,
    ) -> SshTransport:
        (tmp_path / "config").write_text(config)
        transport = SshTransport(
            target, credentials or Credentials(), known, config=tmp_path / "config"
        )
        made.append(transport)
        transport.open()
        return transport

    yield connect
    for transport in made:
        transport.close()


@pytest.fixture
def serve(box: LabHost) -> Iterator[Callable[..., Server]]:
    """Start further servers on the host; they end with the test."""
    pids: list[str] = []

    def serve(*options: str) -> Server:
        port = 20000 + secrets.randbelow(20000)
        pid_file = f"/run/sshd-{port}.pid"
        keys = "AuthorizedKeysFile=.ssh/authorized_keys /etc/ssh/lab_keys/%u"
        words = [f"-o{option}" for option in (f"PidFile={pid_file}", keys, *options)]
        box.root(shlex.join(["/usr/sbin/sshd", "-f", "/dev/null", "-p", str(port), *words]))
        for _try in range(50):
            pid = box.root(f"cat {pid_file}", check=False).stdout.strip()
            if pid:
                pids.append(pid)
                return Server(box, port)
            time.sleep(0.1)
        raise AssertionError("sshd did not start")

    yield serve
    if pids:
        box.root(f"kill {' '.join(pids)}", check=False)


@pytest.fixture
def account(box: LabHost) -> Iterator[Callable[[str], LabHost]]:
    """Make accounts with a password and rules for sudo; they go with the test."""
    made: list[str] = []

    def account(rules: str) -> LabHost:
        name, password = f"t{secrets.token_hex(4)}", secrets.token_hex(8)
        made.append(name)
        box.root(f"useradd -m -s /bin/bash {name} && echo {name}:{password} | chpasswd")
        if rules:
            box.root(
                f"umask 227; cat > /etc/sudoers.d/{name}", data=rules.format(name=name).encode()
            )
        return replace(box, user=name, password=password, key="", sudo="password")

    yield account
    for name in made:
        box.root(f"rm -f /etc/sudoers.d/{name}; userdel -rf {name}", check=False)


def host_keys(host: LabHost) -> list[str]:
    return [
        " ".join(line.split()[:2])
        for line in host.root("cat /etc/ssh/ssh_host_*_key.pub").stdout.splitlines()
    ]


def target_of(host: LabHost) -> Target:
    return Target(host.address, port=host.port, user=host.user, key=host.key)


def credentials_of(host: LabHost) -> Credentials:
    return Credentials(password=Secret(host.password) if host.password else None)


def answers_as(transport: SshTransport, user: str) -> None:
    assert transport.run(Command(("id", "-un"))).stdout == f"{user}\n"


def encrypted(host: LabHost, folder: Path, passphrase: str = "open sesame") -> Path:
    path = folder / "encrypted"
    shutil.copy(host.root_key, path)
    path.chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", passphrase, "-f", path], check=True)
    return path


# Trust


def test_unknown_key(box: LabHost, connect: Open, tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "folder" / "mine", others=[])
    with pytest.raises(UntrustedHost) as caught:
        connect(target_of(box), known=known)
    error = caught.value
    assert error.fingerprint == box.host_keys[error.key_type]
    assert error.fingerprint in str(error)
    assert (error.host, error.port, error.changed) == (box.address, box.port, False)
    known.trust(error)
    answers_as(connect(target_of(box), known=KnownHosts(known.path, others=[])), "root")


def test_changed_key_blocks(box: LabHost, connect: Open, tmp_path: Path) -> None:
    other = base64.b64encode(
        b"\0\0\0\x0bssh-ed25519\0\0\0 " + hashlib.sha256(b"another server").digest()
    )
    users = tmp_path / "users"
    users.write_text(f"[{box.address}]:{box.port} ssh-ed25519 {other.decode()}\n")
    known = KnownHosts(tmp_path / "mine", others=[users])
    with pytest.raises(UntrustedHost) as caught:
        connect(target_of(box), known=known)
    error = caught.value
    told = subprocess.run(
        ["ssh-keygen", "-lf", "-"], input=b"ssh-ed25519 " + other, capture_output=True, check=True
    )
    assert error.changed
    assert error.expected == (told.stdout.decode().split()[1],)
    assert error.fingerprint == box.host_keys["ssh-ed25519"]
    assert error.fingerprint in str(error)
    assert error.expected[0] in str(error)
    assert f"{users}, line 1" in str(error)
    with pytest.raises(UntrustedHost):
        known.trust(error)
    assert not known.path.exists()


@pytest.mark.parametrize("key_type", ["ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-rsa"])
def test_the_known_type_is_asked_for(
    box: LabHost, connect: Open, tmp_path: Path, key_type: str
) -> None:
    """A server with three keys of which one is known: the others must not look like a change."""
    users = tmp_path / "users"
    key = next(key for key in host_keys(box) if key.startswith(key_type))
    users.write_text(f"[{box.address}]:{box.port} {key}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", users], check=True, capture_output=True)
    assert box.address not in users.read_text()
    before = users.read_bytes()
    answers_as(connect(target_of(box), known=KnownHosts(tmp_path / "mine", others=[users])), "root")
    assert users.read_bytes() == before


def test_revoked_key(box: LabHost, connect: Open, tmp_path: Path, known: KnownHosts) -> None:
    revoked = tmp_path / "revoked"
    revoked.write_text("".join(f"@revoked * {key}\n" for key in host_keys(box)))
    with pytest.raises(UntrustedHost) as caught:
        connect(target_of(box), known=KnownHosts(tmp_path / "known_hosts", others=[revoked]))
    assert caught.value.changed
    assert "revoked" in str(caught.value)


class Eavesdropper(paramiko.ServerInterface):
    """A server that lets nobody in and writes down what it is told."""

    def __init__(self, rounds: list[tuple[str, list[tuple[str, bool]]]] | None = None) -> None:
        self.told: list[object] = []
        self.rounds = rounds or []
        self.expect: list[list[str]] = []

    def get_allowed_auths(self, username: str) -> str:
        return "keyboard-interactive" if self.rounds else "publickey,password,keyboard-interactive"

    def check_auth_none(self, username: str) -> int:
        self.told.append(("none", username))
        return paramiko.AUTH_FAILED

    def check_auth_password(self, username: str, password: str) -> int:
        self.told.append(password)
        return paramiko.AUTH_FAILED

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        self.told.append(key)
        return paramiko.AUTH_FAILED

    def check_auth_interactive(
        self, username: str, submethods: str
    ) -> int | paramiko.InteractiveQuery:
        return self._ask(0) if self.rounds else paramiko.AUTH_FAILED

    def check_auth_interactive_response(
        self, responses: list[str]
    ) -> int | paramiko.InteractiveQuery:
        self.expect.append(list(responses))
        if len(self.expect) < len(self.rounds):
            return self._ask(len(self.expect))
        return paramiko.AUTH_SUCCESSFUL

    def _ask(self, number: int) -> paramiko.InteractiveQuery:
        instructions, prompts = self.rounds[number]
        return paramiko.InteractiveQuery("", instructions, *prompts)

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED


@pytest.fixture
def impostor() -> Iterator[Callable[[Eavesdropper], int]]:
    """Serve SSH with a key nobody knows; returns the port."""
    sockets: list[socket.socket] = []
    transports: list[paramiko.Transport] = []

    def start(server: Eavesdropper) -> int:
        listener = socket.create_server(("127.0.0.1", 0))
        sockets.append(listener)
        key = paramiko.ECDSAKey.generate()

        def accept() -> None:
            while True:
                try:
                    client, _address = listener.accept()
                except OSError:
                    return
                transport = paramiko.Transport(client)
                transports.append(transport)
                transport.add_server_key(key)
                # with an event it does not wait, nor raise: guests may leave as they like
                transport.start_server(threading.Event(), server)

        threading.Thread(target=accept, daemon=True).start()
        return int(listener.getsockname()[1])

    yield start
    for listener in sockets:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
    for transport in transports:
        transport.close()


def test_nothing_is_said_to_a_stranger(
    impostor: Callable[[Eavesdropper], int], connect: Open, agent: Path, box: LabHost
) -> None:
    server = Eavesdropper()
    port = impostor(server)
    credentials = Credentials(password=Secret("never"), passphrase=Secret("ever"))
    with pytest.raises(UntrustedHost):
        connect(Target("127.0.0.1", port=port, user="somebody"), credentials)
    assert server.told == []


# Login


@pytest.fixture
def agent(box: LabHost, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Run a real ssh-agent that holds the lab's key."""
    path = tmp_path / "agent"
    process = subprocess.Popen(
        ["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    monkeypatch.setenv("SSH_AUTH_SOCK", str(path))
    for _try in range(100):
        if path.exists():
            break
        time.sleep(0.05)
    subprocess.run(["ssh-add", "-q", box.root_key], check=True, capture_output=True)
    yield path
    process.terminate()
    process.wait()


def test_agent(agent: Path, box: LabHost, connect: Open) -> None:
    answers_as(connect(replace(target_of(box), key="")), "root")


def test_agent_is_left_out_on_request(agent: Path, box: LabHost, connect: Open) -> None:
    with pytest.raises(AuthError) as caught:
        connect(replace(target_of(box), key=""), config="Host *\n  IdentitiesOnly yes\n")
    assert "nothing" in caught.value.detail


def test_agent_that_the_configuration_names(
    agent: Path, box: LabHost, connect: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = replace(target_of(box), key="")
    with pytest.raises(AuthError):
        connect(target, config="IdentityAgent none\n")
    monkeypatch.delenv("SSH_AUTH_SOCK")
    with pytest.raises(AuthError):
        connect(target)
    answers_as(connect(target, config=f'IdentityAgent "{agent}"\n'), "root")


def test_encrypted_key_in_the_agent_needs_no_passphrase(
    agent: Path, box: LabHost, connect: Open, tmp_path: Path
) -> None:
    answers_as(connect(replace(target_of(box), key=str(encrypted(box, tmp_path)))), "root")


def test_agent_with_too_many_keys(
    agent: Path, box: LabHost, connect: Open, hosts: dict[str, LabHost], tmp_path: Path
) -> None:
    subprocess.run(["ssh-add", "-q", "-D"], check=True, capture_output=True)
    for number in range(8):
        path = tmp_path / f"key{number}"
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
        subprocess.run(["ssh-add", "-q", path], check=True, capture_output=True)
    deploy = hosts["bookworm-deploy"]
    answers_as(connect(target_of(deploy), credentials_of(deploy)), "deploy")
    with pytest.raises(AuthError) as caught:
        connect(replace(target_of(box), key=""))
    assert "choose the right key" in caught.value.hint


def test_encrypted_key(box: LabHost, connect: Open, tmp_path: Path) -> None:
    target = replace(target_of(box), key=str(encrypted(box, tmp_path)))
    with pytest.raises(AuthError) as missing:
        connect(target)
    assert missing.value.needs == "passphrase"
    assert target.key in missing.value.title
    with pytest.raises(AuthError) as wrong:
        connect(target, Credentials(passphrase=Secret("close sesame")))
    assert wrong.value.needs == "passphrase"
    assert "close" not in str(wrong.value)
    assert "does not fit" in wrong.value.title
    answers_as(connect(target, Credentials(passphrase=Secret("open sesame"))), "root")


def test_encrypted_key_among_the_usual_ones(
    box: LabHost, connect: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".ssh").mkdir()
    encrypted(box, tmp_path).rename(tmp_path / ".ssh" / "id_ed25519")
    target = replace(target_of(box), key="")
    with pytest.raises(AuthError) as caught:
        connect(target)
    assert caught.value.needs == "passphrase"
    answers_as(connect(target, Credentials(passphrase=Secret("open sesame"))), "root")


def test_missing_key_file(box: LabHost, connect: Open, tmp_path: Path) -> None:
    with pytest.raises(AuthError) as caught:
        connect(replace(target_of(box), key=str(tmp_path / "nope")))
    assert "nope" in caught.value.title


def test_wrong_password(hosts: dict[str, LabHost], connect: Open) -> None:
    deploy = hosts["bookworm-deploy"]
    with pytest.raises(AuthError) as caught:
        connect(target_of(deploy), Credentials(password=Secret("wr0ng-one")))
    assert caught.value.needs == "password"
    assert "wr0ng" not in str(caught.value)
    with pytest.raises(AuthError) as nothing:
        connect(target_of(deploy))
    assert nothing.value.needs == "password"


def test_wrong_key(box: LabHost, connect: Open, tmp_path: Path) -> None:
    path = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "rsa", "-N", "", "-f", path], check=True)
    with pytest.raises(AuthError) as caught:
        connect(replace(target_of(box), key=str(path)))
    assert str(path) in caught.value.detail
    assert caught.value.hint


def test_interactive_questions_of_pam(
    serve: Callable[..., Server], connect: Open, account: Callable[[str], LabHost]
) -> None:
    user = account("")
    server = serve("UsePAM=yes", "PasswordAuthentication=no", "KbdInteractiveAuthentication=yes")
    target = Target(server.host.ip, port=server.port, user=user.user)
    answers_as(connect(target, credentials_of(user)), user.user)
    with pytest.raises(AuthError) as caught:
        connect(target, Credentials(password=Secret("wr0ng")))
    assert caught.value.needs == "password"
    asked: list[tuple[str, Prompts]] = []

    def answer(instructions: str, prompts: Prompts) -> tuple[Secret, ...]:
        asked.append((instructions, prompts))
        return (Secret(user.password),)

    answers_as(connect(target, Credentials(answer=answer)), user.user)
    assert [(prompt.strip(), echo) for _i, prompts in asked for prompt, echo in prompts] == [
        ("Password:", False)
    ] or "assword" in asked[0][1][0][0]


def test_a_wrong_answer_is_told_before_anything_is_asked_again(
    serve: Callable[..., Server], connect: Open, account: Callable[[str], LabHost]
) -> None:
    user = account("")
    server = serve("UsePAM=yes", "PasswordAuthentication=yes", "KbdInteractiveAuthentication=yes")
    target = Target(server.host.ip, port=server.port, user=user.user)
    asked: list[Prompts] = []

    def answer(_instructions: str, prompts: Prompts) -> tuple[Secret, ...]:
        asked.append(prompts)
        return (Secret("wr0ng"),)

    with pytest.raises(AuthError) as caught:
        connect(target, Credentials(answer=answer))
    assert caught.value.needs == "password"
    assert len(asked) == 1


def test_key_and_password_both_wanted(
    serve: Callable[..., Server], connect: Open, account: Callable[[str], LabHost], box: LabHost
) -> None:
    user = account("")
    box.root(
        f"install -d -o {user.user} -m 700 ~{user.user}/.ssh && "
        f"install -o {user.user} -m 600 /etc/ssh/lab_keys/root ~{user.user}/.ssh/authorized_keys"
    )
    server = serve(
        "UsePAM=yes",
        "KbdInteractiveAuthentication=yes",
        "AuthenticationMethods=publickey,keyboard-interactive",
    )
    target = replace(server.target, user=user.user)
    answers_as(connect(target, credentials_of(user)), user.user)
    with pytest.raises(AuthError) as caught:
        connect(target)
    assert caught.value.needs == "password"


def test_several_questions_in_several_rounds(
    impostor: Callable[[Eavesdropper], int], connect: Open, tmp_path: Path
) -> None:
    server = Eavesdropper(
        [
            ("", [("Password: ", False)]),
            ("Your token:", [("Verification code: ", False), ("Device: ", True)]),
            ("Welcome", []),
        ]
    )
    target = Target("127.0.0.1", port=impostor(server), user="somebody")
    known = KnownHosts(tmp_path / "mine", others=[])
    asked: list[tuple[str, Prompts]] = []

    def answer(instructions: str, prompts: Prompts) -> tuple[Secret, ...]:
        asked.append((instructions, prompts))
        return (Secret("123456"), Secret("phone"))

    credentials = Credentials(password=Secret("pass"), answer=answer)
    with pytest.raises(UntrustedHost) as caught:
        connect(target, credentials, known=known)
    known.trust(caught.value)
    connect(target, credentials, known=known)
    assert server.expect == [["pass"], ["123456", "phone"], []]
    assert asked == [("Your token:", (("Verification code: ", False), ("Device: ", True)))]


def test_cancelled_while_asked(
    impostor: Callable[[Eavesdropper], int], connect: Open, tmp_path: Path
) -> None:
    server = Eavesdropper([("", [("Code: ", False)]), ("", [("Again: ", False)])])
    target = Target("127.0.0.1", port=impostor(server), user="somebody")
    known = KnownHosts(tmp_path / "mine", others=[])

    def answer(instructions: str, prompts: Prompts) -> tuple[Secret, ...]:
        raise Cancelled

    with pytest.raises(UntrustedHost) as caught:
        connect(target, known=known)
    known.trust(caught.value)
    with pytest.raises(Cancelled):
        connect(target, Credentials(answer=answer), known=known)


# The way there


def test_config_names_host_port_user_and_key(box: LabHost, connect: Open) -> None:
    config = (
        f"Host box\n  HostName {box.address}\n  Port {box.port}\n  User root\n"
        f"  IdentityFile {box.root_key}\nHost *\n  User nobody\n  Port 1\n"
    )
    answers_as(connect(Target("box"), config=config), "root")


def test_what_the_user_says_wins_over_config(hosts: dict[str, LabHost], connect: Open) -> None:
    nopass = hosts["bookworm-nopass"]
    config = f"Host {nopass.address}\n  Port 1\n  User nobody\n  IdentityFile /no/such/key\n"
    answers_as(connect(target_of(nopass), config=config), "nopass")


def jump_config(hosts: dict[str, LabHost]) -> str:
    """Reach the second system's sshd at its inner address, over the first, twice if asked."""
    first, second = hosts["bookworm-root"], hosts["trixie-root"]
    return (
        f"Host first\n  HostName {first.address}\n  Port {first.port}\n"
        f"Host again\n  HostName {first.ip}\n"
        f"Host second twice\n  HostName {second.ip}\n"
        f"Host second\n  ProxyJump root@first\n"
        f"Host twice\n  ProxyJump first,ssh://root@again:22\n"
        f"Host *\n  User root\n  IdentityFile {first.root_key}\n"
    )


@pytest.mark.parametrize("name", ["second", "twice"])
def test_proxy_jump(hosts: dict[str, LabHost], connect: Open, name: str) -> None:
    transport = connect(Target(name), config=jump_config(hosts))
    expected = hosts["trixie-root"].root("hostname").stdout
    assert transport.run(Command(("hostname",))).stdout == expected
    transport.close()
    with pytest.raises(ConnectionLost):
        transport.run(Command(("true",)))


def test_each_hop_is_checked(hosts: dict[str, LabHost], connect: Open, tmp_path: Path) -> None:
    known = KnownHosts(tmp_path / "mine", others=[])
    seen = []
    while True:
        try:
            connect(Target("second"), config=jump_config(hosts), known=known)
        except UntrustedHost as error:
            seen.append((error.host, error.port, error.fingerprint))
            known.trust(error)
        else:
            break
    first, second = hosts["bookworm-root"], hosts["trixie-root"]
    assert seen == [
        (first.address, first.port, first.host_keys["ssh-ed25519"]),
        (second.ip, 22, second.host_keys["ssh-ed25519"]),
    ]


def test_the_password_is_for_the_target_only(
    impostor: Callable[[Eavesdropper], int], connect: Open, tmp_path: Path
) -> None:
    server = Eavesdropper()
    known = KnownHosts(tmp_path / "mine", others=[])
    config = f"Host inner\n  ProxyJump spy@127.0.0.1:{impostor(server)}\n"
    credentials = Credentials(password=Secret("for the target"))
    with pytest.raises(UntrustedHost) as caught:
        connect(Target("inner"), credentials, config=config, known=known)
    known.trust(caught.value)
    with pytest.raises(AuthError):
        connect(Target("inner"), credentials, config=config, known=known)
    assert server.told == [("none", "spy")]


def test_jumps_in_a_circle(connect: Open) -> None:
    with pytest.raises(ConnectError) as caught:
        connect(Target("a"), config="Host a\n  ProxyJump b\nHost b\n  ProxyJump a\n")
    assert "circle" in str(caught.value)


def test_proxy_command(box: LabHost, connect: Open, tmp_path: Path) -> None:
    config = (
        "Host inside\n  HostName 127.0.0.1\n  Port 22\n  User root\n"
        f"  IdentityFile {box.root_key}\n  HostKeyAlias {box.ip}\n"
        f"  ProxyCommand ssh -F none -i {box.root_key} "
        f"-o UserKnownHostsFile={tmp_path}/known_hosts -p {box.port} -W '%h:%p' %r@{box.address}\n"
    )
    transport = connect(Target("inside"), config=config)
    answers_as(transport, "root")
    needle = f"-p {box.port} -W 127.0.0.1:22"
    assert processes(needle) == 1
    transport.close()
    assert processes(needle) == 0


def processes(words: str) -> int:
    found = 0
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            found += words in path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
    return found


def test_proxy_command_that_fails(connect: Open) -> None:
    config = "Host inside\n  ProxyCommand echo no way there >&2; exit 3\n"
    with pytest.raises(ConnectError) as caught:
        connect(Target("inside"), config=config)
    assert caught.value.detail == "no way there"


def test_name_that_does_not_exist(connect: Open) -> None:
    with pytest.raises(ConnectError) as caught:
        connect(Target("no-such-host.invalid"))
    assert "no-such-host.invalid" in caught.value.title
    assert caught.value.hint


def test_nobody_listens(connect: Open) -> None:
    with pytest.raises(ConnectError) as caught:
        connect(Target("127.0.0.1", port=1))
    assert "refuses" in caught.value.title


def test_something_else_listens(connect: Open) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def web_server() -> None:
            client, _address = listener.accept()
            client.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            client.close()

        threading.Thread(target=web_server, daemon=True).start()
        with pytest.raises(ConnectError) as caught:
            connect(Target("127.0.0.1", port=listener.getsockname()[1]))
    assert "No SSH server" in caught.value.title
    assert "Check address and port" in caught.value.hint


def test_nobody_says_a_word(connect: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ssh_connection, "CONNECT_SECONDS", 1.0)
    start = time.monotonic()
    with (
        socket.create_server(("127.0.0.1", 0)) as listener,
        pytest.raises(ConnectError) as caught,
    ):
        connect(Target("127.0.0.1", port=listener.getsockname()[1]))
    assert "No SSH server" in caught.value.title
    assert time.monotonic() - start < 5


def test_no_common_encryption(serve: Callable[..., Server], connect: Open) -> None:
    with pytest.raises(ConnectError) as caught:
        connect(serve("Ciphers=chacha20-poly1305@openssh.com").target)
    assert "no common encryption" in caught.value.title


def test_server_that_hangs_up_at_the_first_wrong_key(
    serve: Callable[..., Server], connect: Open, tmp_path: Path
) -> None:
    path = tmp_path / "stranger"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    with pytest.raises(AuthError) as caught:
        connect(replace(serve("MaxAuthTries=1").target, key=str(path)))
    assert "choose the right key" in caught.value.hint


# While it runs


def test_connection_dies_under_a_command(box: LabHost, connect: Open) -> None:
    transport = connect(target_of(box))

    def cut(_stream: str, text: str) -> None:
        # the shell's parent is the sshd process of this one connection
        box.root(f"kill -9 {text}")

    start = time.monotonic()
    with pytest.raises(ConnectionLost) as caught:
        transport.run(
            Command(("sh", "-c", "cut -d' ' -f4 /proc/$PPID/stat; sleep 60")), on_line=cut
        )
    assert time.monotonic() - start < 10
    assert caught.value.hint
    for use in (
        lambda: transport.run(Command(("true",))),
        transport.another,
        lambda: transport.connect_tcp(22),
    ):
        with pytest.raises(ConnectionLost):
            use()

    transport.open()
    answers_as(transport, "root")


@pytest.mark.parametrize(
    "late", [paramiko.common.MSG_CHANNEL_EOF, paramiko.common.MSG_CHANNEL_DATA]
)
def test_what_is_sent_after_the_end_of_a_command_does_not_end_the_connection(
    box: LabHost, connect: Open, monkeypatch: pytest.MonkeyPatch, late: int
) -> None:
    """With paramiko alone the server ends it whenever this race is lost."""
    send = paramiko.Transport._send_user_message  # type: ignore[attr-defined]
    held = []

    def slowly(self: paramiko.Transport, message: paramiko.Message) -> None:
        if message.asbytes()[0] == late and threading.current_thread() is not self:
            held.append(message)
            time.sleep(0.5)  # the command ends meanwhile, and the channel with it
        send(self, message)

    monkeypatch.setattr(paramiko.Transport, "_send_user_message", slowly)
    transport = connect(target_of(box))
    for _again in range(3):  # the server uses the channel's number again
        transport.run(Command(("true",), stdin=b"it reads none of this"))
    assert len(held) == 3
    monkeypatch.undo()
    answers_as(transport, "root")


def test_network_that_swallows_everything(
    serve: Callable[..., Server], connect: Open, box: LabHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TCP by itself would wait for a quarter of an hour."""
    monkeypatch.setattr(ssh_connection, "KEEPALIVE_SECONDS", 1)
    monkeypatch.setattr(ssh_connection, "SILENCE_SECONDS", 3)
    server = serve()
    transport = connect(server.target)
    rule = f"INPUT -p tcp --dport {server.port} -j DROP"

    def unplug(_stream: str, _text: str) -> None:
        box.root(f"iptables -I {rule}")

    start = time.monotonic()
    try:
        with pytest.raises(ConnectionLost):
            transport.run(Command(("sh", "-c", "echo x; sleep 300")), on_line=unplug, timeout=120)
    finally:
        box.root(f"iptables -D {rule}")
    assert time.monotonic() - start < 20


def test_connection_dies_under_an_upload(
    box: LabHost, connect: Open, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(40_000_000))
    folder = f"/var/tmp/{secrets.token_hex(4)}"
    box.root(f"mkdir {folder}")
    transport = connect(target_of(box))
    # both of the server's processes for this connection: one outlives the other for a moment
    words = "echo $PPID $(cut -d' ' -f4 /proc/$PPID/stat)"
    servers = transport.run(Command(("sh", "-c", words))).stdout
    start = time.monotonic()
    gone = threading.Event()
    pieces = Reading.pieces

    def held(reading: Reading) -> Iterator[bytes]:
        for number, piece in enumerate(pieces(reading)):
            yield piece
            if number == 1:  # the rest could arrive faster than the server's processes go
                gone.wait(10)

    def cut(done: int, _total: int) -> None:
        if done:
            box.root(f"kill -9 {servers}", check=False)
            gone.set()

    monkeypatch.setattr(Reading, "pieces", held)
    with pytest.raises(ConnectionLost):
        transport.put(source, f"{folder}/file", on_bytes=cut)
    assert time.monotonic() - start < 10
    for _try in range(50):
        left = box.root(f"ls -A {folder}").stdout
        if not left:
            break
        time.sleep(0.1)
    assert left == ""
    box.root(f"rm -rf {folder}")


def test_upload_to_a_full_disk(box: LabHost, connect: Open, tmp_path: Path) -> None:
    source = tmp_path / "source"
    source.write_bytes(os.urandom(3_000_000))
    folder = f"/mnt/{secrets.token_hex(4)}"
    box.root(f"mkdir -p {folder} && mount -t tmpfs -o size=1m none {folder}")
    try:
        with pytest.raises(CommandFailed) as caught:
            connect(target_of(box)).put(source, f"{folder}/file")
        assert "No space left" in caught.value.detail
        assert "room" in caught.value.hint
        assert box.root(f"ls -A {folder}").stdout == ""
    finally:
        box.root(f"umount {folder}; rmdir {folder}")


def test_upload_that_arrives_damaged(
    connect: Open, account: Callable[[str], LabHost], tmp_path: Path
) -> None:
    user = account("")
    user.ssh(
        "mkdir bin; printf '#!/bin/sh\\ncat >/dev/null; echo 00ff\\n' > bin/openssl; "
        "chmod 755 bin/openssl; "
        "echo 'PATH=$HOME/bin:$PATH' > .bashrc; mkdir there"
    )
    source = tmp_path / "source"
    source.write_bytes(b"content")
    with pytest.raises(SlipwayError) as caught:
        connect(target_of(user), credentials_of(user)).put(source, "there/file")
    assert "00ff" in caught.value.detail
    assert hashlib.sha256(b"content").hexdigest() in caught.value.detail
    assert user.ssh("ls -A there").stdout == ""


def test_upload_where_one_may_not_write(
    hosts: dict[str, LabHost], connect: Open, tmp_path: Path
) -> None:
    deploy = hosts["bookworm-deploy"]
    source = tmp_path / "source"
    source.write_bytes(b"x")
    with pytest.raises(CommandFailed) as caught:
        connect(target_of(deploy), credentials_of(deploy)).put(source, "/etc/slipway-test")
    assert "right to write" in caught.value.hint


def test_server_that_forbids_forwarding(serve: Callable[..., Server], connect: Open) -> None:
    transport = connect(serve("AllowTcpForwarding=no").target)
    assert transport.connect_tcp(22) is None
    answers_as(transport, "root")


def test_server_with_few_sessions(serve: Callable[..., Server], connect: Open) -> None:
    transport = connect(serve("MaxSessions=1").target)
    other = transport.another()

    def second(_stream: str, _text: str) -> None:
        with pytest.raises(ConnectError) as caught:
            other.run(Command(("true",)))
        assert "MaxSessions" in caught.value.hint

    assert transport.run(Command(("sh", "-c", "echo x; sleep 2")), on_line=second).exit_code == 0
    answers_as(other, "root")


def test_noise_of_the_shells_start_files(connect: Open, account: Callable[[str], LabHost]) -> None:
    user = account("")
    user.ssh("printf 'echo NOISE; echo NOISE >&2\\n' > .bashrc")
    assert "NOISE" in user.ssh("true").stdout
    result = connect(target_of(user), credentials_of(user)).run(Command(("echo", "x")))
    assert (result.stdout, result.stderr) == ("x\n", "")


@pytest.mark.parametrize("shell", ["/usr/sbin/nologin"])
def test_account_without_a_shell(
    box: LabHost, connect: Open, account: Callable[[str], LabHost], shell: str
) -> None:
    user = account("")
    box.root(f"usermod -s {shell} {user.user}")
    result = connect(target_of(user), credentials_of(user)).run(Command(("true",)))
    assert result.exit_code != 0
    assert "not available" in result.stdout + result.stderr


# Root's rights

MAY_ALL = "{name} ALL=(ALL) ALL\n"


def test_sudo_password(connect: Open, account: Callable[[str], LabHost]) -> None:
    user = account(MAY_ALL)
    transport = connect(target_of(user), credentials_of(user))
    assert transport.sudo == "password"
    told: list[str] = []
    who = Command(("sh", "-c", "id -un; cat; ps -o args= $PPID >&2"), stdin=b"in\n", sudo=True)
    result = transport.run(who, on_line=lambda _stream, text: told.append(text))
    assert result.stdout == "root\nin\n"
    assert user.password not in result.stderr + "".join(told)


def test_sudo_password_of_its_own(
    connect: Open, account: Callable[[str], LabHost], box: LabHost
) -> None:
    other = account("")
    # runaspw asks for the password of another account than the login's
    user = account(f"Defaults:{{name}} runaspw, runas_default={other.user}\n" + MAY_ALL)
    who = Command(("id", "-un"), sudo=True)
    credentials = replace(credentials_of(user), sudo_password=Secret(other.password))
    assert connect(target_of(user), credentials).run(who).stdout == f"{other.user}\n"


def test_wrong_sudo_password(connect: Open, account: Callable[[str], LabHost]) -> None:
    user = account(MAY_ALL)
    credentials = replace(credentials_of(user), sudo_password=Secret("wr0ng"))
    with pytest.raises(AuthError) as caught:
        connect(target_of(user), credentials).run(Command(("true",), sudo=True))
    assert caught.value.needs == "sudo"
    assert "wr0ng" not in str(caught.value)
    assert "refused the password" in caught.value.title


def test_sudo_without_a_password_given(connect: Open, hosts: dict[str, LabHost]) -> None:
    dock = hosts["trixie-dock"]
    transport = connect(target_of(dock))
    assert transport.sudo == "ask"
    with pytest.raises(AuthError) as caught:
        transport.run(Command(("true",), sudo=True))
    assert caught.value.needs == "sudo"


def test_user_who_may_not_use_sudo(connect: Open, account: Callable[[str], LabHost]) -> None:
    user = account("")
    with pytest.raises(AuthError) as caught:
        connect(target_of(user), credentials_of(user)).run(Command(("true",), sudo=True))
    assert "sudoers" in caught.value.detail
    assert "sudoers" in caught.value.hint


def test_user_who_may_sudo_something_else(connect: Open, account: Callable[[str], LabHost]) -> None:
    user = account("{name} ALL=(ALL) /usr/bin/uptime\n")
    with pytest.raises(AuthError) as caught:
        connect(target_of(user), credentials_of(user)).run(Command(("true",), sudo=True))
    assert "not allowed" in caught.value.detail
    assert "sudoers" in caught.value.hint


def test_sudo_that_wants_a_terminal(connect: Open, account: Callable[[str], LabHost]) -> None:
    user = account("Defaults:{name} requiretty\n" + MAY_ALL)
    with pytest.raises(AuthError) as caught:
        connect(target_of(user), credentials_of(user)).run(Command(("true",), sudo=True))
    assert "requiretty" in caught.value.hint


def test_sudo_with_a_lecture(connect: Open, account: Callable[[str], LabHost]) -> None:
    user = account("Defaults:{name} lecture=always\n" + MAY_ALL)
    result = connect(target_of(user), credentials_of(user)).run(Command(("id", "-u"), sudo=True))
    assert (result.stdout, result.stderr) == ("0\n", "")


def test_sudo_in_a_terminal_of_its_own_is_ended_too(
    connect: Open, account: Callable[[str], LabHost], box: LabHost
) -> None:
    user = account("Defaults:{name} use_pty\n" + MAY_ALL)
    transport = connect(target_of(user), credentials_of(user))
    cancel = CancelToken()
    seconds = f"9{secrets.randbelow(10**6):06}"
    command = Command(("sh", "-c", f"echo x; sleep {seconds}; true"), sudo=True)
    with pytest.raises(Cancelled):
        transport.run(command, on_line=lambda _s, _t: cancel.cancel(), cancel=cancel)
    assert box.root(f"pgrep -fc 'sleep [{seconds[0]}]{seconds[1:]}'", check=False).stdout == "0\n"


def test_no_secret_in_any_command_line(
    connect: Open, account: Callable[[str], LabHost], box: LabHost
) -> None:
    user = account(MAY_ALL)
    transport = connect(target_of(user), credentials_of(user))
    seen: list[str] = []

    def look(_stream: str, _text: str) -> None:
        lines = "cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ 2>/dev/null | tr '\\0' ' '"
        seen.append(box.root(lines, check=False).stdout)
        cancel.cancel()

    cancel = CancelToken()
    command = Command(("sh", "-c", "echo x; sleep 31"), stdin=Secret("typed-secret"), sudo=True)
    with pytest.raises(Cancelled):
        transport.run(command, on_line=look, cancel=cancel)
    assert "sleep 31" in seen[0]
    assert user.password not in seen[0]
    assert "typed-secret" not in seen[0]


def test_errors_are_slipways(box: LabHost, connect: Open) -> None:
    with pytest.raises(SlipwayError) as caught:
        connect(Target("bad host", user="root"))
    assert caught.value.hint
