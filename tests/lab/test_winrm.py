"""What is special to WinRM: broken connections, quotas, limits, certificates, the wire itself."""

from __future__ import annotations

import hashlib
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pypsrp.shell import Process, SignalCode, WinRS
from pypsrp.wsman import WSMan

from app.credentials import Credentials, KnownHosts, hex_fingerprint
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
from app.transport import TOOL, CancelToken, Command, Secret, winrm_shell
from app.transport.winrm import WinRmTransport
from app.winhost import WindowsTool
from tests.lab.vocabulary import Windows
from tests.lab.windows_host import Control, WindowsHost, WindowsWitness

DONE = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Done"
LOST, QUOTA_SHELLS, QUOTA_OPERATIONS = 2150858843, 2150859173, 2150859174
TIMED_OUT, BUSY, DENIED = 2150858793, 170, 5
Open = Callable[..., WinRmTransport]


@pytest.fixture(params=["windows-winrm-http", "windows-winrm"])
def host(request: pytest.FixtureRequest, windows_hosts: dict[str, WindowsHost]) -> WindowsHost:
    """Return WinRM with sealed messages over http, and over https."""
    return windows_hosts[request.param]


@pytest.fixture
def secured(windows_hosts: dict[str, WindowsHost]) -> WindowsHost:
    return windows_hosts["windows-winrm"]


@pytest.fixture
def control(windows_hosts: dict[str, WindowsHost]) -> Iterator[Control]:
    control = Control(windows_hosts["windows-winrm"])
    control.reset()
    yield control
    control.reset()


@pytest.fixture
def known(tmp_path: Path) -> KnownHosts:
    return KnownHosts(tmp_path / "known_hosts", others=())


def transport_to(
    host: WindowsHost,
    known: KnownHosts,
    *,
    password: str = "",
    ca: str | None = None,
    **other: Any,
) -> WinRmTransport:
    target = Target(
        host.address,
        transport="winrm",
        port=host.port,
        user=host.user,
        scheme="http" if host.scheme == "http" else "https",
        ca=(host.ca if host.scheme == "https" else "") if ca is None else ca,
    )
    secret = Secret(password or host.password)
    return WinRmTransport(
        replace(target, **other), Credentials(password=secret), known, WindowsTool()
    )


@pytest.fixture
def connect(known: KnownHosts) -> Iterator[Open]:
    """Give opened transports that end with the test."""
    made: list[WinRmTransport] = []

    def connect(host: WindowsHost, *, known: KnownHosts = known, **other: Any) -> WinRmTransport:
        transport = transport_to(host, known, **other)
        made.append(transport)
        transport.open()
        return transport

    yield connect
    for transport in made:
        transport.close()


@pytest.fixture(scope="module")
def opened() -> Iterator[dict[str, WinRmTransport]]:
    """Keep one transport to each host whose tool is known to be there."""
    opened: dict[str, WinRmTransport] = {}
    yield opened
    for transport in opened.values():
        transport.close()


@pytest.fixture
def machine(
    host: WindowsHost, opened: dict[str, WinRmTransport], known: KnownHosts
) -> Iterator[WinRmTransport]:
    """Return a transport with a shell and connections of its own, which nobody has used yet."""
    if host.name not in opened:
        opened[host.name] = transport_to(host, known)
        opened[host.name].open()
    machine = opened[host.name].another()
    yield machine
    machine.close()


@pytest.fixture
def words(machine: WinRmTransport, twin: str) -> Windows:
    return Windows(machine, twin)


@pytest.fixture
def folder(machine: WinRmTransport, words: Windows) -> str:
    return words.make_folder(machine)


def noise(folder: Path, size: int) -> Path:
    """Return a file that can't be packed."""
    source = folder / "noise"
    source.write_bytes(os.urandom(size))
    return source


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# --- the server itself is what it says, judged by a client that none of us wrote


@pytest.mark.parametrize("name", ["windows-winrm", "windows-winrm-http"])
def test_another_client_finds_a_real_remote_shell(
    windows_hosts: dict[str, WindowsHost], name: str
) -> None:
    host = windows_hosts[name]
    secured = host.scheme == "https"
    wsman = WSMan(
        host.address,
        port=host.port,
        ssl=secured,
        auth="ntlm",
        username=host.user,
        password=host.password,
        cert_validation=False,
        encryption="auto" if secured else "always",
    )
    with WinRS(wsman, codepage=65001, environment={"WORD": "ü中文"}) as shell:
        process = Process(shell, r"C:\py\python.exe", ["-c", '"import sys; print(input())"'])
        process.console_mode_stdin = False
        process.begin_invoke()
        process.send(b"typed\r\n", end=True)
        while process.state != DONE:
            process.poll_invoke()
        assert (process.rc, process.stdout, process.stderr) == (0, b"typed\r\n", b"")
        process.signal(SignalCode.TERMINATE)
        process = Process(shell, "echo %WORD%& exit 3")
        process.invoke()
        assert (process.rc, process.stdout) == (3, "ü中文\r\n".encode())
        process.signal(SignalCode.TERMINATE)


# --- broken connections


@pytest.mark.parametrize("do", ["drop", "drop-after"])
@pytest.mark.parametrize("action", ["Create", "Command", "Send", "Receive", "Signal"])
def test_a_connection_that_breaks_during_a_command(
    host: WindowsHost, connect: Open, twin: str, control: Control, do: str, action: str
) -> None:
    """Either it is known to be whole, or it is said to be lost; nothing runs twice."""
    machine = connect(host)
    words = Windows(machine, twin)
    log = words.path(words.make_folder(machine), "log")
    if action == "Create":
        machine.close()
    control.order(do, action=action)
    append = words.append(log, "once\n")
    if (do, action) == ("drop-after", "Receive"):
        with pytest.raises(ConnectionLost, match="part of what it said"):
            machine.run(append)
    else:
        result = machine.run(append)
        assert (result.exit_code, result.stdout) == (0, "done\n")
    control.reset()
    assert machine.run(words.content(log)).stdout == "once\n"


@pytest.mark.parametrize("number", range(1, 13))
def test_a_connection_that_breaks_at_any_request_on_the_wire(
    host: WindowsHost, connect: Open, control: Control, number: int
) -> None:
    """The login's own requests are among them: nothing is half-open afterwards."""
    control.order("drop", at=number)
    with_error = None
    try:
        machine = connect(host)
        assert machine.run(Command((TOOL, "version"))).exit_code == 0
    except ConnectError as problem:
        with_error = problem
    control.reset()
    machine = connect(host)
    assert machine.run(Command((TOOL, "version"))).exit_code == 0
    assert with_error is None or with_error.hint


@pytest.mark.parametrize("do", ["drop", "drop-after"])
@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_a_connection_that_breaks_during_an_upload(
    machine: WinRmTransport,
    words: Windows,
    folder: str,
    control: Control,
    tmp_path: Path,
    do: str,
    number: int,
) -> None:
    source = noise(tmp_path, 1_300_000)  # four Sends
    dest = words.path(folder, "file")
    control.order(do, action="Send", at=number)
    seen: list[int] = []
    machine.put(source, dest, on_bytes=lambda done, _total: seen.append(done))
    assert machine.run(words.file_checksum(dest)).stdout.strip() == sha256(source)
    assert machine.run(words.files(folder)).stdout == "file\n"
    assert seen == sorted(seen)
    assert seen[-1] == source.stat().st_size


@pytest.mark.parametrize("action", ["Command", "Receive", "Signal"])
def test_an_upload_survives_the_other_requests_too(
    machine: WinRmTransport,
    words: Windows,
    folder: str,
    control: Control,
    tmp_path: Path,
    action: str,
) -> None:
    source = noise(tmp_path, 900_000)
    dest = words.path(folder, "file")
    control.order("drop-after", action=action)
    machine.put(source, dest)
    assert machine.run(words.file_checksum(dest)).stdout.strip() == sha256(source)


def test_much_input_that_breaks_off_is_not_given_twice(
    machine: WinRmTransport, words: Windows, control: Control
) -> None:
    control.order("drop-after", action="Send", at=3)
    with pytest.raises(ConnectionLost) as caught:
        machine.run(words.checksum(os.urandom(2_000_000)))
    assert caught.value.hint


def test_output_goes_on_after_a_break(
    machine: WinRmTransport, words: Windows, control: Control
) -> None:
    """A connection that breaks while nothing is said loses nothing."""
    lines: list[str] = []

    def on_line(_stream: str, text: str) -> None:
        lines.append(text)
        if text == "first":
            control.order("drop", action="Receive")

    result = machine.run(words.slowly(), on_line=on_line)
    assert sorted(lines) == ["first", "rest", "second", "third"]
    assert result.exit_code == 0


def test_the_server_comes_back_after_a_while(machine: WinRmTransport, control: Control) -> None:
    control.order("drop", times=6)
    start = time.monotonic()
    assert machine.run(Command((TOOL, "version"))).exit_code == 0
    assert time.monotonic() - start < 30


def test_the_server_stays_away(
    machine: WinRmTransport, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.transport.winrm_connection.PAUSES", (0.1, 0.1))
    control.order("drop", times=1000)
    with pytest.raises(ConnectionLost) as caught:
        machine.run(Command((TOOL, "version")))
    assert "is lost" in caught.value.title


# --- refusals


@pytest.mark.parametrize("status", [400, 401, 500, 503])
@pytest.mark.parametrize("action", ["Command", "Send", "Receive"])
def test_an_answer_that_is_none(
    machine: WinRmTransport,
    words: Windows,
    folder: str,
    control: Control,
    status: int,
    action: str,
) -> None:
    log = words.path(folder, "log")
    control.order("status", action=action, status=status)
    result = machine.run(words.append(log, "once\n"))
    assert (result.exit_code, result.stdout) == (0, "done\n")
    assert machine.run(words.content(log)).stdout == "once\n"


def test_envelopes_that_are_too_large_become_smaller(
    machine: WinRmTransport, words: Windows, folder: str, control: Control, tmp_path: Path
) -> None:
    source = noise(tmp_path, 1_300_000)
    dest = words.path(folder, "file")
    control.reset()
    control.order("status", action="Send", status=413)
    machine.put(source, dest)
    assert control.requests("Send") == 14  # three large ones in four each, the rest in two
    assert machine.run(words.file_checksum(dest)).stdout.strip() == sha256(source)


def test_a_server_that_takes_no_size_at_all(
    machine: WinRmTransport, words: Windows, control: Control
) -> None:
    control.order("status", action="Send", status=413, times=100)
    with pytest.raises(ConnectError) as caught:
        machine.run(words.checksum(os.urandom(400_000)))
    assert "MaxEnvelopeSizekb" in caught.value.hint


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("Command", LOST),
        ("Command", QUOTA_SHELLS),
        ("Command", QUOTA_OPERATIONS),
        ("Command", TIMED_OUT),
        ("Create", QUOTA_SHELLS),
        ("Send", BUSY),
        ("Receive", TIMED_OUT),
    ],
)
def test_faults_that_a_new_shell_or_patience_answers(
    machine: WinRmTransport, words: Windows, control: Control, action: str, code: int
) -> None:
    if action == "Create":
        machine.close()
    control.order("fault", action=action, code=code)
    assert machine.run(words.arguments("x")).stdout == "x\0"


def test_quotas_that_stay_exhausted(
    machine: WinRmTransport, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    control.order("fault", action="Command", code=QUOTA_OPERATIONS, times=100)
    with pytest.raises(ConnectError) as caught:
        machine.run(Command((TOOL, "version")))
    assert "MaxShellsPerUser" in caught.value.hint


@pytest.mark.parametrize("action", ["Command", "Send"])
def test_a_shell_that_is_lost_before_anything_ran(
    machine: WinRmTransport, words: Windows, control: Control, action: str
) -> None:
    control.order("lose-shell", action=action)
    assert machine.run(words.arguments("x")).stdout == "x\0"


def test_a_shell_that_is_lost_while_something_runs(
    machine: WinRmTransport, words: Windows, control: Control
) -> None:
    def on_line(_stream: str, text: str) -> None:
        if text == "first":
            control.order("lose-shell", action="Receive")

    with pytest.raises(ConnectionLost):
        machine.run(words.slowly(), on_line=on_line)
    assert machine.run(words.arguments("x")).stdout == "x\0"


def test_an_upload_whose_shell_is_lost_begins_again(
    machine: WinRmTransport, words: Windows, folder: str, control: Control, tmp_path: Path
) -> None:
    source = noise(tmp_path, 1_300_000)
    dest = words.path(folder, "file")
    control.order("lose-shell", action="Send", at=3)
    machine.put(source, dest)
    assert machine.run(words.file_checksum(dest)).stdout.strip() == sha256(source)


def test_an_account_that_may_not_run_anything(
    host: WindowsHost, connect: Open, control: Control
) -> None:
    control.order("fault", action="Create", code=DENIED)
    with pytest.raises(AuthError) as caught:
        connect(host)
    assert "LocalAccountTokenFilterPolicy" in caught.value.hint
    assert caught.value.needs == ""


# --- time


def test_slow_answers(machine: WinRmTransport, words: Windows, control: Control) -> None:
    control.order("slow", action="Command", seconds=1.5)
    control.order("slow", action="Send", seconds=1.5)
    control.order("slow", action="Receive", seconds=1.5)
    assert machine.run(words.arguments("x")).stdout == "x\0"


def test_an_answer_that_never_comes(
    machine: WinRmTransport,
    words: Windows,
    control: Control,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.transport.winrm_connection.READ_SECONDS", 3)
    monkeypatch.setattr("app.transport.winrm_connection.OPERATION_SECONDS", 2)
    machine.close()
    control.order("slow", action="Receive", seconds=8)
    assert machine.run(words.arguments("x")).stdout == "x\0"


def test_silence_is_not_an_end(
    machine: WinRmTransport,
    words: Windows,
    control: Control,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("app.transport.winrm_connection.OPERATION_SECONDS", 1)
    machine.close()
    control.reset()
    result = machine.run(words.pieces(b"a\n", *[b""] * 12, b"b\n"), timeout=60)
    assert result.stdout == "a\nb\n"
    assert control.requests("Receive") >= 4


def test_cancel_while_nothing_is_heard(
    machine: WinRmTransport, words: Windows, control: Control
) -> None:
    """Cancel does not wait for the Receive that is under way."""
    cancel = CancelToken()
    ready: list[float] = []

    def on_line(_stream: str, _text: str) -> None:
        ready.append(time.monotonic())
        threading.Timer(0.5, cancel.cancel).start()

    with pytest.raises(Cancelled):
        machine.run(words.stubborn("9123456"), on_line=on_line, cancel=cancel)
    assert time.monotonic() - ready[0] < 6
    assert words.running(machine, "9123456") == 0
    assert machine.run(words.arguments("x")).stdout == "x\0"


def test_cancel_in_the_middle_of_an_upload(
    machine: WinRmTransport, words: Windows, folder: str, control: Control, tmp_path: Path
) -> None:
    cancel = CancelToken()
    dest = words.path(folder, "file")
    machine.run(words.write(dest, "old")).check("write")
    control.order("slow", action="Send", at=3, seconds=2)
    with pytest.raises(Cancelled):
        machine.put(
            noise(tmp_path, 20_000_000),
            dest,
            cancel=cancel,
            on_bytes=lambda done, _total: cancel.cancel() if done > 1_000_000 else None,
        )
    assert machine.run(words.files(folder)).stdout == "file\n"
    assert machine.run(words.content(dest)).stdout == "old"


# --- output


def test_five_megabytes_of_output(
    machine: WinRmTransport, words: Windows, folder: str, tmp_path: Path
) -> None:
    source = tmp_path / "lines"
    source.write_text("".join(f"{number:07} 中文中文中文\n" for number in range(190_000)))
    assert source.stat().st_size > 5_000_000
    dest = words.path(folder, "file")
    machine.put(source, dest)
    assert machine.run(words.content(dest)).stdout == source.read_text()


def test_characters_split_at_every_byte(
    machine: WinRmTransport, words: Windows, control: Control
) -> None:
    text = "前中文\n字 ü 😀\nx"
    control.order("trickle", bytes=1)
    lines: list[str] = []
    result = machine.run(
        words.pieces(text.encode()), on_line=lambda _stream, line: lines.append(line)
    )
    assert result.stdout == text
    assert lines == text.split("\n")


# --- trust and login


def test_the_authority_vouches_for_the_certificate(
    secured: WindowsHost, connect: Open, known: KnownHosts
) -> None:
    connect(secured)
    assert not known.path.exists()


def test_an_unknown_certificate_is_shown_before_anything_is_sent(
    secured: WindowsHost, connect: Open, known: KnownHosts, control: Control
) -> None:
    with pytest.raises(UntrustedHost) as caught:
        connect(secured, ca="")
    error = caught.value
    assert not error.changed
    assert error.fingerprint == secured.fingerprint
    assert hex_fingerprint(error.key_base64) in error.hint
    assert control.counters()["requests"] == 0
    known.trust(error)
    machine = connect(secured, ca="")
    assert machine.run(Command((TOOL, "version"))).exit_code == 0
    again = KnownHosts(known.path, others=())
    assert connect(secured, ca="", known=again).another().run(Command((TOOL, "version")))


def test_a_changed_certificate_blocks(
    secured: WindowsHost, connect: Open, known: KnownHosts, control: Control
) -> None:
    other = "MIIB" + "A" * 40
    known.path.write_text(f"[{secured.address}]:{secured.port} certificate {other}\n")
    with pytest.raises(UntrustedHost) as caught:
        connect(secured, ca="")
    error = caught.value
    assert error.changed
    assert error.fingerprint == secured.fingerprint
    assert error.expected[0] in error.detail
    assert error.fingerprint in error.detail
    with pytest.raises(UntrustedHost):
        known.trust(error)
    assert control.counters()["requests"] == 0


def test_the_pinned_certificate_is_checked_at_every_connection(
    secured: WindowsHost, connect: Open, known: KnownHosts, control: Control
) -> None:
    with pytest.raises(UntrustedHost) as caught:
        connect(secured, ca="")
    known.trust(caught.value)
    machine = connect(secured, ca="")
    before = control.counters()["requests"]
    # The server is the same, so let the pin be that of another one from now on.
    trust = machine._site._trusted()
    assert trust is not None
    machine._site._trust = replace(trust, pinned="0" * 64)
    known.path.write_text(f"[{secured.address}]:{secured.port} certificate MIIBAAAA\n")
    machine._shell.main.drop()
    with pytest.raises(UntrustedHost) as changed:
        machine.run(Command((TOOL, "version")))
    assert changed.value.changed
    assert control.counters()["requests"] == before


def test_a_wrong_password(host: WindowsHost, connect: Open) -> None:
    with pytest.raises(AuthError) as caught:
        connect(host, password="wrong")
    assert caught.value.needs == "password"
    assert caught.value.hint


def test_a_wrong_password_over_basic(secured: WindowsHost, connect: Open) -> None:
    with pytest.raises(AuthError) as caught:
        connect(secured, password="wrong", auth="basic")
    assert caught.value.needs == "password"


def test_http_refuses_basic(
    windows_hosts: dict[str, WindowsHost], connect: Open, control: Control
) -> None:
    with pytest.raises(ConnectError) as caught:
        connect(windows_hosts["windows-winrm-http"], auth="basic")
    assert "https" in caught.value.hint
    assert control.counters()["requests"] == 0


def test_no_user(host: WindowsHost, connect: Open) -> None:
    with pytest.raises(AuthError):
        connect(host, user="")


@pytest.mark.parametrize("auth", ["kerberos", "credssp"])
def test_authentication_without_its_library(
    host: WindowsHost, connect: Open, control: Control, auth: str
) -> None:
    with pytest.raises(ConnectError) as caught:
        connect(host, auth=auth)
    assert f"pywinrm[{auth}]" in caught.value.hint
    assert control.counters()["requests"] == 0


def test_nothing_listens_there(host: WindowsHost, connect: Open) -> None:
    with pytest.raises(ConnectError) as caught:
        connect(replace(host, port=5), ca="")
    assert "Prepare the server" in caught.value.hint


def test_something_else_listens_there(windows_hosts: dict[str, WindowsHost], connect: Open) -> None:
    host = windows_hosts["windows-winrm-http"]
    with pytest.raises(ConnectError) as caught:
        connect(replace(host, port=host.control))
    assert caught.value.hint


# --- the tool


def put_away(witness: WindowsWitness, path: str) -> None:
    """Have a program no longer where it lay: one that still runs can be renamed, not removed."""
    aside = f"{path}.{secrets.token_hex(4)}.old"
    witness.wine("cmd", "/c", "move", path, aside)
    witness.wine("cmd", "/c", "del", aside, check=False)
    assert not witness.exists(path)


def test_the_tool_is_brought_where_it_is_missing(
    host: WindowsHost, connect: Open, control: Control
) -> None:
    """Also when the connection breaks in the middle; nothing but the tool is left."""
    path = WindowsTool().path
    witness = host.witness
    put_away(witness, path)
    control.reset()
    control.order("drop-after", action="Send", at=4)
    machine = connect(host)
    assert machine.run(Command((TOOL, "version"))).exit_code == 0
    left = witness.wine("cmd", "/c", "dir", "/b", path.rpartition("\\")[0]).stdout.decode()
    assert ".part" not in left
    assert control.counters()["actions"]["Send"]["requests"] > 10


def test_no_word_of_a_user_meets_the_shell(
    machine: WinRmTransport, words: Windows, control: Control
) -> None:
    control.reset()
    secret = Secret("hush & echo %PATH%")
    machine.run(Command((*words.arguments("a&b", "%PATH%").argv, secret)))
    assert control.counters()["commands"] == [f'"{WindowsTool().path}" -']


def test_a_failed_command_is_told_in_words(machine: WinRmTransport) -> None:
    result = machine.run(Command((TOOL, "service", "start", "no-such-service")))
    with pytest.raises(CommandFailed) as caught:
        result.check("It can't be started.")
    assert "1060" in str(caught.value)
    assert "{" not in str(caught.value)


def test_shells_are_given_back(machine: WinRmTransport, control: Control) -> None:
    control.reset()
    for _again in range(3):
        twin = machine.another()
        twin.run(Command((TOOL, "version")))
        twin.close()
        twin.close()
    assert control.requests("Create") == control.requests("Delete") == 3


def test_times_are_kept_when_the_end_itself_fails(
    machine: WinRmTransport, words: Windows, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(winrm_shell, "END_SECONDS", 1.0)

    def on_line(_stream: str, _text: str) -> None:
        control.order("drop", action="Signal", times=50)
        control.order("drop", action="Command", times=50)

    start = time.monotonic()
    with pytest.raises(SlipwayError):
        machine.run(words.hang("x", "9234567"), on_line=on_line, timeout=4)
    assert time.monotonic() - start < 20
