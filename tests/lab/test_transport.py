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
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.credentials import Credentials, KnownHosts
from app.errors import AuthError, Cancelled, CommandFailed, SlipwayError, UntrustedHost
from app.host import connect
from app.request import Target
from app.transport import MASK, CancelToken, Command, Secret, Transport
from app.transport.local import LocalTransport
from app.transport.ssh import SshTransport
from app.transport.winrm import WinRmTransport
from tests.lab.conftest import ONE_OF_EACH
from tests.lab.hosts import LabHost
from tests.lab.vocabulary import Posix, Vocabulary, Windows, sh
from tests.lab.windows_host import WindowsHost
from tests.lab.windows_machines import PORTS

ON_WINDOWS = (
    "windows-winrm",
    "windows-winrm-http",
    "windows-ssh",
)
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


def to_windows(host: WindowsHost, folder: Path) -> Transport:
    known = KnownHosts(folder / "known_hosts", others=())
    target = Target(
        host.address,
        transport="winrm" if host.transport == "winrm" else "ssh",
        port=host.port,
        user=host.user,
        scheme="http" if host.scheme == "http" else "https",
        auth="basic" if host.auth == "basic" else "ntlm",
    )
    credentials = Credentials(password=Secret(host.password))
    try:
        return connect(target, credentials, known)
    except UntrustedHost as stranger:
        if stranger.fingerprint not in (host.fingerprint, host.host_key):
            raise
        known.trust(stranger)
        return connect(target, credentials, known)


@pytest.fixture(scope="module")
def connections() -> Iterator[dict[str, Transport]]:
    """Keep one connection to each way to Windows: each login starts programs there."""
    connections: dict[str, Transport] = {}
    yield connections
    for transport in connections.values():
        transport.close()


@pytest.fixture
def open_machine(
    hosts: dict[str, LabHost],
    windows_hosts: dict[str, WindowsHost],
    connections: dict[str, Transport],
    tmp_path: Path,
) -> Iterator[Callable[[str], Transport]]:
    made: list[Transport] = []

    def open_machine(name: str) -> Transport:
        if name in windows_hosts:
            if name not in connections:
                connections[name] = to_windows(windows_hosts[name], tmp_path)
            transport = connections[name].another()
        else:
            transport = LocalTransport() if name == "local" else ssh_to(hosts[name], tmp_path)
            transport.open()
        made.append(transport)
        return transport

    yield open_machine
    for transport in made:
        transport.close()


@pytest.fixture(params=["local", *ONE_OF_EACH, *ON_WINDOWS])
def machine(request: pytest.FixtureRequest, open_machine: Callable[[str], Transport]) -> Transport:
    return open_machine(request.param)


@pytest.fixture(params=["local", *ONE_OF_EACH])
def unix(request: pytest.FixtureRequest, open_machine: Callable[[str], Transport]) -> Transport:
    """Return each machine where root, modes and signals mean something."""
    return open_machine(request.param)


@pytest.fixture(params=ON_WINDOWS)
def windows(request: pytest.FixtureRequest, open_machine: Callable[[str], Transport]) -> Transport:
    return open_machine(request.param)


@pytest.fixture
def words(machine: Transport, request: pytest.FixtureRequest) -> Vocabulary:
    if machine.system == "posix":
        return Posix()
    return Windows(machine, request.getfixturevalue("twin"))


@pytest.fixture
def root_rights(request: pytest.FixtureRequest) -> bool:
    return "trixie-dock" not in request.node.name


@pytest.fixture
def folder(machine: Transport, words: Vocabulary) -> Iterator[str]:
    path = words.make_folder(machine)
    yield path
    machine.run(words.remove(path))


def mark() -> str:
    """Return what marks a process: a number of seconds that nobody else sleeps."""
    return f"9{secrets.randbelow(10**6):06}"


def test_streams_and_exit_code(machine: Transport, words: Vocabulary) -> None:
    result = machine.run(words.streams())
    assert (result.exit_code, result.stdout, result.stderr) == (3, "out\n", "err\n")


def test_any_text_survives(machine: Transport, words: Vocabulary) -> None:
    result = machine.run(words.arguments(*TRICKY))
    assert result.stdout.split("\0")[:-1] == list(TRICKY)


def test_lines_arrive_while_the_command_runs(machine: Transport, words: Vocabulary) -> None:
    seen: list[tuple[str, str, float]] = []
    machine.run(
        words.slowly(),
        on_line=lambda stream, text: seen.append((stream, text, time.monotonic())),
    )
    assert min(seen[:2])[:2] == ("stderr", "second")
    assert [text for stream, text, _when in seen if stream == "stdout"] == [
        "first",
        "third",
        "rest",
    ]
    assert seen[2][2] - seen[1][2] > 0.7


def test_characters_cut_in_pieces_and_broken_ones(machine: Transport, words: Vocabulary) -> None:
    lines: list[str] = []
    result = machine.run(
        words.pieces(b"\xe4", b"\xbd\xa0\n\xff!\n"),
        on_line=lambda _stream, text: lines.append(text),
    )
    assert lines == ["你", f"{words.broken_byte}!"]
    assert result.stdout == f"你\n{words.broken_byte}!\n"


def test_a_flood_arrives_whole_and_in_order(machine: Transport, words: Vocabulary) -> None:
    lines: dict[str, list[int]] = {"stdout": [], "stderr": []}
    machine.run(words.flood(), on_line=lambda stream, text: lines[stream].append(int(text)))
    assert lines == {"stdout": list(range(1, 100_001)), "stderr": list(range(1, 1001))}


def test_input_while_both_streams_flood(machine: Transport, words: Vocabulary) -> None:
    data = os.urandom(3_000_000).hex().encode()
    result = machine.run(words.both(data), timeout=60)
    assert result.stdout.encode() == data
    assert result.stderr.encode() == data


def test_binary_input_arrives_as_it_is(machine: Transport, words: Vocabulary) -> None:
    data = bytes(range(256)) * 1000
    result = machine.run(words.checksum(data))
    assert result.stdout.strip() == hashlib.sha256(data).hexdigest()


def test_input_that_nobody_reads(machine: Transport, words: Vocabulary) -> None:
    assert machine.run(words.nothing(b"x" * 5_000_000), timeout=20).exit_code == 0


def test_no_input_is_an_end(machine: Transport, words: Vocabulary) -> None:
    assert machine.run(words.copy(), timeout=10).exit_code == 0


def test_secrets_never_show(machine: Transport, words: Vocabulary) -> None:
    secret, typed = Secret("s3cr\\et 'x"), Secret("line one\nline two")
    lines: list[str] = []
    result = machine.run(
        words.secrets(secret, typed), on_line=lambda _stream, text: lines.append(text)
    )
    assert sorted(lines) == sorted([f"<{MASK}>", MASK, MASK, MASK, MASK])
    assert result.stdout == "<s3cr\\et 'x>\nline one\nline two"
    assert result.tail() == MASK
    assert "s3cr" not in repr(result) + str(result.command)


def test_secrets_never_show_when_time_runs_out(machine: Transport, words: Vocabulary) -> None:
    with pytest.raises(CommandFailed) as caught:
        machine.run(words.hang(Secret("hush-hush"), mark()), timeout=3)
    assert "hush" not in str(caught.value) + repr(caught.value.result)
    assert MASK in str(caught.value)


def test_time_runs_out(machine: Transport, words: Vocabulary) -> None:
    seconds = mark()
    start = time.monotonic()
    with pytest.raises(CommandFailed) as caught:
        machine.run(words.hang("begun", seconds), timeout=2)
    assert time.monotonic() - start < 7
    assert caught.value.result.stdout.strip() == "begun"
    assert caught.value.hint
    assert words.running(machine, seconds) == 0


@pytest.mark.parametrize("sudo", [False, True])
def test_cancel_leaves_no_process(
    machine: Transport, words: Vocabulary, root_rights: bool, sudo: bool
) -> None:
    if sudo and not root_rights:
        with pytest.raises(AuthError):
            machine.run(sh("true", sudo=True))
        return
    seconds = mark()
    cancel = CancelToken()
    ready: list[float] = []
    other = machine.another()

    def on_line(_stream: str, _text: str) -> None:
        assert words.running(other, seconds) > 0
        ready.append(time.monotonic())
        cancel.cancel()

    with pytest.raises(Cancelled):
        machine.run(words.stubborn(seconds, sudo=sudo), on_line=on_line, cancel=cancel)
    other.close()
    assert time.monotonic() - ready[0] < 4
    assert words.running(machine, seconds) == 0


def test_cancelled_before_it_began(machine: Transport, words: Vocabulary, folder: str) -> None:
    cancel = CancelToken()
    cancel.cancel()
    with pytest.raises(Cancelled):
        machine.run(words.write(words.path(folder, "x"), ""), cancel=cancel)
    assert machine.run(words.files(folder)).stdout == ""


def test_a_bug_in_the_taker_of_lines_ends_the_command(
    machine: Transport, words: Vocabulary
) -> None:
    seconds = mark()

    def on_line(_stream: str, _text: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        machine.run(words.hang("x", seconds), on_line=on_line)
    assert words.running(machine, seconds) == 0


def test_killed_by_a_signal(unix: Transport) -> None:
    assert unix.run(sh("kill -9 $$")).exit_code == 128 + 9
    assert unix.run(sh("kill -15 $$")).exit_code == 128 + 15


def test_exit_codes_of_32_bits(windows: Transport, twin: str) -> None:
    words = Windows(windows, twin)
    codes = [0, 1, 255, 256, 0xC0000005, 0xFFFFFFFF]
    assert [windows.run(words.exit(code)).exit_code for code in codes] == codes


def test_unknown_program(machine: Transport, words: Vocabulary) -> None:
    result = machine.run(Command(("no-such-program", "x")))
    assert result.exit_code == words.unknown_program
    assert "no-such-program" in result.stderr


def test_what_stays_in_the_background_does_not_hold_the_command(
    machine: Transport, words: Vocabulary
) -> None:
    start = time.monotonic()
    result = machine.run(words.leave_behind())
    assert result.stdout == "done\n"
    assert time.monotonic() - start < 6


def test_root_rights(unix: Transport, root_rights: bool) -> None:
    data = b"x" * 300_000 + b"\nend\n"
    command = sh("id -u; wc -c; echo note >&2", stdin=data, sudo=True)
    if not root_rights:
        with pytest.raises(AuthError) as caught:
            unix.run(command)
        assert caught.value.hint
        return
    result = unix.run(command)
    assert result.stdout.split() == ["0", str(len(data))]
    assert result.stderr == "note\n"


def put_source(folder: Path, size: int) -> Path:
    source = folder / "source file 中文"
    source.write_bytes(os.urandom(size))
    return source


@pytest.mark.parametrize("size", [0, 1, 5_000_000])
def test_put(machine: Transport, words: Vocabulary, folder: str, tmp_path: Path, size: int) -> None:
    source = put_source(tmp_path, size)
    dest = words.path(folder, "it's 中文 $x")
    machine.run(words.write(dest, "old")).check("write")
    seen: list[tuple[int, int]] = []
    machine.put(source, dest, on_bytes=lambda done, total: seen.append((done, total)))
    told = machine.run(words.file_checksum(dest)).stdout.strip()
    assert told == hashlib.sha256(source.read_bytes()).hexdigest()
    assert machine.run(words.files(folder)).stdout == "it's 中文 $x\n"
    assert seen == sorted(seen)
    assert size == 0 or seen[-1] == (size, size)


def test_put_with_a_mode(unix: Transport, tmp_path: Path) -> None:
    folder = Posix().make_folder(unix)
    unix.put(put_source(tmp_path, 10), f"{folder}/x", mode=0o750)
    assert unix.run(Command(("stat", "-c", "%a", f"{folder}/x"))).stdout == "750\n"
    unix.run(Posix().remove(folder))


def test_put_needs_the_folder(
    machine: Transport, words: Vocabulary, folder: str, tmp_path: Path
) -> None:
    missing = words.path(folder, "missing")
    with pytest.raises(SlipwayError) as caught:
        machine.put(put_source(tmp_path, 10), words.path(missing, "file"))
    assert caught.value.hint
    assert missing in str(caught.value)


def test_put_does_not_fall_into_a_folder(
    machine: Transport, words: Vocabulary, folder: str, tmp_path: Path
) -> None:
    below = words.path(folder, "sub")
    machine.run(words.folder(below)).check("folder")
    with pytest.raises(SlipwayError):
        machine.put(put_source(tmp_path, 10), below)
    assert machine.run(words.files(folder)).stdout == ""


def test_put_cancelled_leaves_the_old_file(
    machine: Transport, words: Vocabulary, folder: str, tmp_path: Path
) -> None:
    cancel = CancelToken()
    dest = words.path(folder, "file")
    machine.run(words.write(dest, "old")).check("write")
    with pytest.raises(Cancelled):
        machine.put(
            put_source(tmp_path, 30_000_000),
            dest,
            cancel=cancel,
            on_bytes=lambda done, _total: cancel.cancel() if done else None,
        )
    assert machine.run(words.files(folder)).stdout == "file\n"
    assert machine.run(words.content(dest)).stdout == "old"


def test_put_with_root_rights(unix: Transport, root_rights: bool, tmp_path: Path) -> None:
    if not root_rights:
        with pytest.raises(SlipwayError):
            unix.put(put_source(tmp_path, 10), "/opt/slipway-test", sudo=True)
        return
    dest = f"/opt/slipway-test-{secrets.token_hex(4)}"
    source = put_source(tmp_path, 100_000)
    try:
        unix.put(source, dest, sudo=True, mode=0o600)
        told = unix.run(sh(f"sha256sum < {dest}; stat -c '%U %a' {dest}; ls -A /opt", sudo=True))
        digest = hashlib.sha256(source.read_bytes()).hexdigest()
        assert told.stdout.split()[:4] == [digest, "-", "root", "600"]
        assert "part" not in told.stdout
    finally:
        unix.run(Command(("rm", "-f", dest), sudo=True))


def test_put_of_a_missing_file_is_the_callers_affair(
    machine: Transport, words: Vocabulary, folder: str
) -> None:
    with pytest.raises(FileNotFoundError):
        machine.put(Path("/no/such/file"), words.path(folder, "file"))
    assert machine.run(words.files(folder)).stdout == ""


@pytest.fixture
def port(machine: Transport, words: Vocabulary) -> Iterator[int]:
    """Serve "hello" over HTTP there, as seen from the machine itself only, at a port it chose."""
    server, cancel = machine.another(), CancelToken()
    said: queue.SimpleQueue[str] = queue.SimpleQueue()
    command = words.serve()

    def run() -> None:
        try:
            server.run(
                command,
                on_line=lambda _stream, text: said.put(text),
                cancel=cancel,
                timeout=600,
            )
        except Cancelled:
            server.close()

    thread = threading.Thread(target=run)
    thread.start()
    yield int(said.get(timeout=20))
    cancel.cancel()
    thread.join(20)


def test_http_through_the_connection(machine: Transport, port: int) -> None:
    if isinstance(machine, WinRmTransport):
        assert machine.connect_tcp(port) is None
        return
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
    if isinstance(machine, WinRmTransport):
        assert machine.connect_tcp(1) is None
        return
    with pytest.raises(ConnectionRefusedError):
        machine.connect_tcp(1)


def test_two_threads(machine: Transport, words: Vocabulary) -> None:
    def work(transport: Transport, name: str, out: list[str]) -> None:
        out += [transport.run(words.arguments(name)).stdout for _again in range(5)]

    results: dict[str, list[str]] = {name: [] for name in "abcd"}
    others = {name: machine.another() for name in results}
    threads = [
        threading.Thread(target=work, args=(others[name], name, out))
        for name, out in results.items()
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert results == {name: [f"{name}\0"] * 5 for name in results}
    for other in others.values():
        other.close()
    assert machine.run(words.arguments("still")).stdout == "still\0"


def test_the_last_one_out_closes(machine: Transport, words: Vocabulary) -> None:
    twin = machine.another()
    machine.close()
    machine.close()
    assert twin.run(words.arguments("x")).stdout == "x\0"
    machine.open()
    twin.close()
    twin.close()


def test_open_twice(machine: Transport, words: Vocabulary) -> None:
    machine.open()
    assert machine.run(words.nothing()).exit_code == 0


@pytest.mark.parametrize("shell", ["powershell", "bash"])
def test_other_shells_of_windows(
    windows_hosts: dict[str, WindowsHost], twin: str, tmp_path: Path, shell: str
) -> None:
    machine = to_windows(replace(windows_hosts["windows-ssh"], port=PORTS[shell]), tmp_path)
    words = Windows(machine, twin)
    assert machine.run(words.arguments(*TRICKY)).stdout.split("\0")[:-1] == list(TRICKY)
    data = bytes(range(256)) * 20_000
    result = machine.run(words.checksum(data))
    assert result.stdout.strip() == hashlib.sha256(data).hexdigest()
    assert machine.run(words.exit(3_000_000_000)).exit_code == 3_000_000_000
    machine.close()


def test_basic_over_https(windows_hosts: dict[str, WindowsHost], tmp_path: Path) -> None:
    machine = to_windows(replace(windows_hosts["windows-winrm"], auth="basic"), tmp_path)
    assert machine.run(Command(("cmd", "/c", "echo 中文"))).stdout == "中文\r\n"
    machine.close()
