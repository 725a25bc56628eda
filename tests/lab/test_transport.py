"""The contract of every transport, on this computer and on each kind of lab host."""

from __future__ import annotations

import hashlib
import http.client
import os
import queue
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.credentials import Credentials, KnownHosts
from app.errors import AuthError, Cancelled, CommandFailed, SlipwayError
from app.request import Target
from app.transport import MASK, CancelToken, Command, Secret, Transport
from app.transport.local import LocalTransport
from app.transport.ssh import SshTransport
from tests.lab.conftest import ONE_OF_EACH
from tests.lab.hosts import LabHost

TRICKY = (
    "",
    " ",
    "a b",
    "'",
    '"',
    "\\",
    "\\'",
    "$HOME `id` $(id)",
    "*",
    "~",
    "!!",
    "-n",
    "--",
    "a\nb",
    "trailing\n\n",
    "\r\n",
    "\t",
    "中文 😀",
    "%s\\n",
    "#x",
    "a=b; echo c & d | e > f < g",
    "{1,2}",
    "\x01\x7f",
)


def ssh_to(host: LabHost, folder: Path) -> SshTransport:
    known = KnownHosts(folder / "known_hosts", others=())
    lines = host.root("cat /etc/ssh/ssh_host_*_key.pub").stdout.splitlines()
    (folder / "known_hosts").write_text(
        "".join(f"[{host.address}]:{host.port} {line}\n" for line in lines)
    )
    target = Target(host.address, port=host.port, user=host.user, key=host.key)
    password = Secret(host.password) if host.password else None
    return SshTransport(
        target, Credentials(password=password), known, config=folder / "no-such-config"
    )


@pytest.fixture(params=["local", *ONE_OF_EACH])
def machine(
    request: pytest.FixtureRequest, hosts: dict[str, LabHost], tmp_path: Path
) -> Iterator[Transport]:
    transport: Transport = LocalTransport()
    if request.param != "local":
        transport = ssh_to(hosts[request.param], tmp_path)
    transport.open()
    yield transport
    transport.close()


@pytest.fixture
def root_rights(machine: Transport, request: pytest.FixtureRequest) -> bool:
    return "trixie-dock" not in request.node.name


@pytest.fixture
def folder(machine: Transport) -> Iterator[str]:
    path = machine.run(Command(("mktemp", "-d"))).check("mktemp").stdout.strip()
    yield path
    machine.run(Command(("rm", "-rf", path)))


def sh(text: str, *, stdin: bytes | Secret | None = None, sudo: bool = False) -> Command:
    return Command(("sh", "-c", text), stdin=stdin, sudo=sudo)


def running(machine: Transport, words: str) -> int:
    """Count the processes with these words in their command line, but this search itself."""
    hidden = f"{words[:-1]}[{words[-1]}]"
    text = f"cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -c -e '{hidden}'"
    return int(machine.run(sh(text)).stdout)


def test_streams_and_exit_code(machine: Transport) -> None:
    result = machine.run(sh("echo out; echo err >&2; exit 3"))
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "err\n")


def test_any_text_survives(machine: Transport) -> None:
    result = machine.run(Command(("printf", "%s\\0", *TRICKY)))
    assert result.stdout.split("\0")[:-1] == list(TRICKY)


def test_lines_arrive_while_the_command_runs(machine: Transport) -> None:
    seen: list[tuple[str, str, float]] = []
    start = time.monotonic()
    machine.run(
        sh("echo first; echo second >&2; sleep 1; printf 'third\\r\\nrest'"),
        on_line=lambda stream, text: seen.append((stream, text, time.monotonic() - start)),
    )
    assert min(seen[:2])[:2] == ("stderr", "second")
    assert [text for stream, text, _when in seen if stream == "stdout"] == [
        "first",
        "third",
        "rest",
    ]
    assert seen[1][2] < 0.8
    assert seen[2][2] >= 1


def test_characters_cut_in_pieces_and_broken_ones(machine: Transport) -> None:
    lines: list[str] = []
    result = machine.run(
        sh("printf '\\344'; sleep 0.3; printf '\\275\\240\\n\\377!\\n'"),
        on_line=lambda _stream, text: lines.append(text),
    )
    assert lines == ["你", "\ufffd!"]
    assert result.stdout == "你\n\ufffd!\n"


def test_a_flood_arrives_whole_and_in_order(machine: Transport) -> None:
    lines: list[str] = []
    machine.run(sh("seq 1 100000; seq 1 1000 >&2"), on_line=lambda stream, text: lines.append(text))
    assert len(lines) == 101_000
    numbers = [int(line) for line in lines]
    assert sum(numbers) == 100_000 * 100_001 // 2 + 1000 * 1001 // 2


def test_input_while_both_streams_flood(machine: Transport) -> None:
    data = os.urandom(3_000_000).hex().encode()
    result = machine.run(sh("tee /dev/stderr", stdin=data), timeout=60)
    assert result.stdout.encode() == data
    assert result.stderr.encode() == data


def test_binary_input_arrives_as_it_is(machine: Transport) -> None:
    data = bytes(range(256)) * 1000
    result = machine.run(Command(("sha256sum",), stdin=data))
    assert result.stdout.split()[0] == hashlib.sha256(data).hexdigest()


def test_input_that_nobody_reads(machine: Transport) -> None:
    assert machine.run(Command(("true",), stdin=b"x" * 5_000_000), timeout=20).exit_code == 0


def test_no_input_is_an_end(machine: Transport) -> None:
    assert machine.run(Command(("cat",)), timeout=10).exit_code == 0


def test_secrets_never_show(machine: Transport) -> None:
    secret, typed = Secret("s3cr\\et 'x"), Secret("line one\nline two")
    lines: list[str] = []
    result = machine.run(
        Command(("sh", "-c", 'printf "<%s>\\n" "$1"; cat; cat >&2', "-", secret), stdin=typed),
        on_line=lambda _stream, text: lines.append(text),
    )
    assert lines == [f"<{MASK}>", MASK, MASK]
    assert result.stdout == "<s3cr\\et 'x>\nline one\nline two"
    assert result.tail() == f"<{MASK}>\n{MASK}"
    assert "s3cr" not in repr(result) + str(result.command)


def test_secrets_never_show_when_time_runs_out(machine: Transport) -> None:
    command = Command(("sh", "-c", 'echo "$1"; echo "$1" >&2; sleep 60', "-", Secret("hush-hush")))
    with pytest.raises(CommandFailed) as caught:
        machine.run(command, timeout=1)
    assert "hush" not in str(caught.value) + repr(caught.value.result)
    assert MASK in str(caught.value)


def test_time_runs_out(machine: Transport) -> None:
    seconds = f"9{secrets.randbelow(10**6):06}"
    start = time.monotonic()
    with pytest.raises(CommandFailed) as caught:
        machine.run(sh(f"echo begun; sleep {seconds}"), timeout=1)
    assert time.monotonic() - start < 5
    assert caught.value.result.stdout.strip() == "begun"
    assert caught.value.hint
    assert running(machine, f"sleep {seconds}") == 0


@pytest.mark.parametrize("sudo", [False, True])
def test_cancel_leaves_no_process(machine: Transport, root_rights: bool, sudo: bool) -> None:
    if sudo and not root_rights:
        with pytest.raises(AuthError):
            machine.run(sh("true", sudo=True))
        return
    seconds = f"9{secrets.randbelow(10**6):06}"
    stubborn = f"trap '' TERM; sleep {seconds} & echo ready; while :; do sleep {seconds}; done"
    cancel = CancelToken()
    ready: list[float] = []
    other = machine.another()

    def on_line(_stream: str, _text: str) -> None:
        assert running(other, f"sleep {seconds}") > 0
        ready.append(time.monotonic())
        cancel.cancel()

    with pytest.raises(Cancelled):
        machine.run(sh(stubborn, sudo=sudo), on_line=on_line, cancel=cancel)
    other.close()
    assert time.monotonic() - ready[0] < 4
    assert running(machine, f"sleep {seconds}") == 0


def test_cancelled_before_it_began(machine: Transport, folder: str) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        machine.run(sh(f"touch {folder}/x"), cancel=cancel)
    assert machine.run(Command(("ls", folder))).stdout == ""


def test_a_bug_in_the_taker_of_lines_ends_the_command(machine: Transport) -> None:
    seconds = f"9{secrets.randbelow(10**6):06}"

    def on_line(_stream: str, _text: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        machine.run(sh(f"echo x; sleep {seconds}"), on_line=on_line)
    assert running(machine, f"sleep {seconds}") == 0


def test_killed_by_a_signal(machine: Transport) -> None:
    assert machine.run(sh("kill -9 $$")).exit_code == 128 + 9
    assert machine.run(sh("kill -15 $$")).exit_code == 128 + 15


def test_unknown_program(machine: Transport) -> None:
    result = machine.run(Command(("no-such-program", "x")))
    assert result.exit_code == 127
    assert "no-such-program" in result.stderr


def test_what_stays_in_the_background_does_not_hold_the_command(machine: Transport) -> None:
    start = time.monotonic()
    result = machine.run(sh("sleep 8 & echo done"))
    assert result.stdout == "done\n"
    assert time.monotonic() - start < 4


def test_root_rights(machine: Transport, root_rights: bool) -> None:
    data = b"x" * 300_000 + b"\nend\n"
    command = sh("id -u; wc -c; echo note >&2", stdin=data, sudo=True)
    if not root_rights:
        with pytest.raises(AuthError) as caught:
            machine.run(command)
        assert caught.value.hint
        return
    result = machine.run(command)
    assert result.stdout.split() == ["0", str(len(data))]
    assert result.stderr == "note\n"


def put_source(folder: Path, size: int) -> Path:
    source = folder / "source file 中文"
    source.write_bytes(os.urandom(size))
    return source


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_put(machine: Transport, folder: str, tmp_path: Path, size: int) -> None:
    source = put_source(tmp_path, size)
    dest = f"{folder}/it's 中文 $x"
    machine.run(Command(("sh", "-c", 'echo old > "$1"', "-", dest)))
    seen: list[tuple[int, int]] = []
    machine.put(source, dest, mode=0o750, on_bytes=lambda done, total: seen.append((done, total)))
    there = machine.run(Command(("sha256sum",), stdin=None)).exit_code
    assert there == 0
    told = machine.run(Command(("sh", "-c", 'sha256sum < "$1"; stat -c %a "$1"', "-", dest)))
    assert told.stdout.split() == [hashlib.sha256(source.read_bytes()).hexdigest(), "-", "750"]
    assert machine.run(Command(("ls", "-A", folder))).stdout.count("\n") == 1
    assert seen == sorted(seen)
    assert size == 0 or seen[-1] == (size, size)


def test_put_needs_the_folder(machine: Transport, folder: str, tmp_path: Path) -> None:
    with pytest.raises(SlipwayError) as caught:
        machine.put(put_source(tmp_path, 10), f"{folder}/missing/file")
    assert caught.value.hint
    assert f"{folder}/missing" in str(caught.value)


def test_put_does_not_fall_into_a_folder(machine: Transport, folder: str, tmp_path: Path) -> None:
    machine.run(Command(("mkdir", f"{folder}/sub")))
    with pytest.raises(SlipwayError):
        machine.put(put_source(tmp_path, 10), f"{folder}/sub")
    assert machine.run(Command(("find", folder, "-type", "f"))).stdout == ""


def test_put_cancelled_leaves_the_old_file(machine: Transport, folder: str, tmp_path: Path) -> None:
    cancel = CancelToken()
    machine.run(sh(f"echo old > {folder}/file"))
    with pytest.raises(Cancelled):
        machine.put(
            put_source(tmp_path, 30_000_000),
            f"{folder}/file",
            cancel=cancel,
            on_bytes=lambda done, _total: cancel.cancel() if done else None,
        )
    assert machine.run(sh(f"cd {folder}; ls -A; cat file")).stdout == "file\nold\n"


def test_put_with_root_rights(machine: Transport, root_rights: bool, tmp_path: Path) -> None:
    if not root_rights:
        with pytest.raises(SlipwayError):
            machine.put(put_source(tmp_path, 10), "/opt/slipway-test", sudo=True)
        return
    dest = f"/opt/slipway-test-{secrets.token_hex(4)}"
    source = put_source(tmp_path, 100_000)
    try:
        machine.put(source, dest, sudo=True, mode=0o600)
        told = machine.run(sh(f"sha256sum < {dest}; stat -c '%U %a' {dest}; ls -A /opt", sudo=True))
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        assert told.stdout.split()[:4] == [digest, "-", "root", "600"]
        assert "part" not in told.stdout
    finally:
        machine.run(Command(("rm", "-f", dest), sudo=True))


def test_put_of_a_missing_file_is_the_callers_affair(machine: Transport, folder: str) -> None:
    with pytest.raises(FileNotFoundError):
        machine.put(Path("/no/such/file"), f"{folder}/file")
    assert machine.run(Command(("ls", "-A", folder))).stdout == ""


@pytest.fixture
def port(machine: Transport) -> Iterator[int]:
    """Serve one answer after the other on the machine's loopback, with what each host has."""
    serve = (
        "use IO::Socket::INET; my $s = IO::Socket::INET->new(LocalAddr => '127.0.0.1', "
        "Listen => 5) or die; $| = 1; print $s->sockport, qq(\\n); "
        "while (my $c = $s->accept) { my $first = <$c>; while (<$c>) { last if /^\\r/ } "
        "print $c qq(HTTP/1.0 200 OK\\r\\nContent-Length: 5\\r\\n\\r\\nhello); close $c }"
    )
    server, cancel = machine.another(), CancelToken()
    said: queue.SimpleQueue[str] = queue.SimpleQueue()

    def run() -> None:
        try:
            server.run(
                Command(("perl", "-e", serve)),
                on_line=lambda _stream, text: said.put(text),
                cancel=cancel,
            )
        except Cancelled:
            server.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield int(said.get(timeout=10))
    cancel.cancel()
    thread.join(10)


def test_http_through_the_connection(machine: Transport, port: int) -> None:
    for _again in range(2):
        connection = machine.connect_tcp(port)
        assert isinstance(connection, socket.socket)
        client = http.client.HTTPConnection("localhost", port)
        client.sock = connection
        client.request("GET", "/")
        answer = client.getresponse()
        assert (answer.status, answer.read()) == (200, b"hello")
        client.close()


def test_nothing_listens(machine: Transport) -> None:
    with pytest.raises(ConnectionRefusedError):
        machine.connect_tcp(1)


def test_two_threads(machine: Transport) -> None:
    def work(transport: Transport, name: str, out: list[str]) -> None:
        out += [transport.run(Command(("echo", name))).stdout for _again in range(5)]

    results: dict[str, list[str]] = {name: [] for name in "abcd"}
    others = {name: machine.another() for name in results}
    threads = [
        threading.Thread(target=work, args=(others[name], name, out))
        for name, out in results.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == {name: [f"{name}\n"] * 5 for name in results}
    for other in others.values():
        other.close()
    assert machine.run(Command(("echo", "still"))).stdout == "still\n"


def test_the_last_one_out_closes(machine: Transport) -> None:
    twin = machine.another()
    machine.close()
    machine.close()
    assert twin.run(Command(("echo", "x"))).stdout == "x\n"
    twin.close()
    twin.close()


def test_open_twice(machine: Transport) -> None:
    machine.open()
    assert machine.run(Command(("true",))).exit_code == 0
