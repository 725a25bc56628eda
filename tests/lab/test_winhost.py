"""slipway-host.exe on the lab's Windows machine: real services, processes, registry and files."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import winhost
from app.toolchain import find_toolchain
from tests.lab.windows_host import WindowsWitness
from tests.lab.winhost_machine import ARGUMENTS, PORT, ROOT, TOOL, Host, built, definition

PROJECTS = Path(__file__).parent.parent / "projects"
PYTHON = r"C:\py\python.exe"
# A program that does not end when it is asked to.
STUBBORN = (
    "import http.server, signal; signal.signal(signal.SIGINT, signal.SIG_IGN);"
    f"http.server.HTTPServer(('', {PORT}), http.server.SimpleHTTPRequestHandler).serve_forever()"
)


@pytest.fixture(scope="module")
def machine(
    windows_machine: WindowsWitness, tmp_path_factory: pytest.TempPathFactory
) -> WindowsWitness:
    """The machine with the tool and the programs that are made services of."""
    windows_machine.renew()
    folder = tmp_path_factory.mktemp("programs")
    windows_machine.write(TOOL, winhost.program("amd64").read_bytes())
    for project in ("good", "crashes-at-start"):
        program = built(PROJECTS / project, folder / f"{project}.exe")
        windows_machine.write(rf"C:\test programs\{project}.exe", program)
    # Wine runs all processes in session 1, by which x/sys takes none of them for a service
    asks = shutil.copytree(PROJECTS / "scm", folder / "scm") / "service_windows.go"
    text = asks.read_text("utf-8")
    assert "svc.IsWindowsService()" in text
    asks.write_text(text.replace("svc.IsWindowsService()", "true, error(nil)"), "utf-8")
    windows_machine.write(r"C:\test programs\scm.exe", built(asks.parent, folder / "scm.exe"))
    locked = Host(windows_machine)
    locked.store("lock", content=b'{"token": "one", "who": "tests"}')
    locked.store("write", "none.json", content=b"null")
    return windows_machine


@pytest.fixture
def host(machine: WindowsWitness) -> Iterator[Host]:
    """The tool, and a service's folder whose lock it holds, with nothing in it."""
    host = Host(machine)
    yield host
    for name in host.services:
        host.switch(name, snapshot="none.json", grace=1)
    host.store("remove", "releases", "saved", "logs", "secrets.json")


def test_the_go_tests_on_windows(machine: WindowsWitness, tmp_path: Path) -> None:
    go = find_toolchain()
    out = tmp_path / "host-tests.exe"
    environment = go.environment({"GOOS": "windows", "GOARCH": "amd64", "CGO_ENABLED": "0"})
    subprocess.run(
        [go.go, "test", "-c", "-o", out, "."], cwd=winhost.SOURCES, env=environment, check=True
    )
    machine.write(r"C:\test programs\host-tests.exe", out.read_bytes())
    done = machine.wine(r"C:\test programs\host-tests.exe", "-test.timeout=3m", check=False)
    assert done.returncode == 0, done.stdout.decode()


def test_facts(host: Host) -> None:
    host.store("beat")
    facts = host.answer("facts", ROOT, "no-such-service")
    assert (facts["system"], facts["arch"], facts["root"]) == ("windows", "amd64", ROOT)
    assert facts["os_name"].endswith("(10.0.19043)")
    assert facts["elevated"] is facts["writable"] is facts["readable"] is True
    assert abs(facts["clock"] - time.time()) < 60
    assert facts["disk_free"] > 1_000_000
    assert facts["code_page"] == 1252
    assert facts["tool"].lower() == TOOL.lower()
    assert r"C:\tools\nssm.exe" in facts["nssm"]
    assert facts["service"] is None
    assert json.loads(facts["lock"]["owner"])["token"] == "one"
    assert facts["lock"]["age"] < 60
    assert host.answer("facts", r"%SystemRoot%\x", "x")["root"].lower() == r"c:\windows\x"


def test_a_file_is_received_or_not_there(host: Host) -> None:
    data = bytes(range(256)) * 10_000
    dest, part = rf"{ROOT}\incoming\程序 x.exe", rf"{ROOT}\incoming\.x.part"
    words = ["receive", "take", part, str(len(data)), hashlib.sha256(data).hexdigest(), dest]
    host.call(*words, "gzip", stdin=gzip.compress(data, 1))
    assert host.witness.read(dest) == data
    host.call(*words, stdin=data[:-1], code=74)
    host.call(*words, stdin=data[:-1] + b"x", code=65)
    host.call(*words, "gzip", stdin=gzip.compress(data)[:500], code=74)
    assert not host.witness.exists(part)
    assert host.witness.read(dest) == data


def test_a_program_runs_as_a_service(host: Host) -> None:
    host.store("write", "secrets.json", content=b'{"GREETING": "s3cr\\"t"}')
    line = host.run_json("r1", secrets=rf"{ROOT}\secrets.json")
    answer = host.switch("hello", definition=definition(line), start=True, grace=5, expect="")
    assert answer["stopped"] == "none"
    assert json.loads(host.witness.wait_for_http(PORT)) == {
        "version": "dev", "greeting": 's3cr"t', "args": ARGUMENTS,
    }  # fmt: skip
    service = host.query()
    assert service["pid"] == answer["pid"] != service["host"]["pid"]
    assert (service["state"], service["kind"], service["start"]) == ("running", "wrapped", "auto")
    assert (service["display_name"], service["description"]) == ("Hello 服务", "says 你好")
    assert service["binary_path"] == line
    assert service["arguments"] == ["serve", rf"{ROOT}\releases\r1\run.json"]
    assert {
        "port": PORT,
        "pid": service["host"]["pid"],
        "program": r"C:\test programs\good.exe",
    } in (host.answer("facts", ROOT, "hello")["ports"])
    assert host.answer("probe", "http", f"http://localhost:{PORT}/health", "5")["status"] == 200
    assert host.answer("service", "stop", "hello", "5") == {"stopped": "asked"}
    assert host.answer("service", "stop", "hello", "5") == {"stopped": "was-stopped"}
    assert not host.listens()
    assert "stopped" in host.log()
    host.answer("service", "start", "hello")
    host.answer("service", "start", "hello")
    assert host.answer("service", "restart", "hello", "5")["stopped"] == "asked"
    assert host.witness.wait_for_http(PORT)


def test_a_switch_and_back_exactly(host: Host) -> None:
    first, second = host.run_json("r1"), host.run_json("r2")
    host.switch("hello", definition=definition(first), start=True, grace=5)
    before = host.save("hello")
    wanted = definition(second, description="new", start="demand", environment=["A=1"])
    host.switch(
        "hello", definition=wanted, start=True, grace=5, expect=first, save="saved/after.json"
    )
    assert json.loads(host.witness.wait_for_http(PORT))["greeting"] == "r2"
    after = json.loads(host.store("read", "saved/after.json"))
    assert (after["description"], after["start"], after["environment"]) == (
        "new",
        "demand",
        ["A=1"],
    )
    # once more is no harm; another one's change is not overwritten
    host.switch("hello", definition=wanted, start=True, grace=5, expect=first)
    error = host.switch("hello", 1, definition=definition(first), expect="something else")
    assert "somebody has changed it" in error["error"]["system"]
    for _again in range(2):
        host.switch("hello", snapshot="saved/service.json", grace=5)
    assert json.loads(host.witness.wait_for_http(PORT))["greeting"] == "r1"
    now = host.query()
    fleeting = ("pid", "started", "host")
    assert {key: now[key] for key in now if key not in fleeting} == {
        key: before[key] for key in before if key not in fleeting
    }


def test_who_does_not_hold_the_lock_switches_nothing(host: Host) -> None:
    line = host.run_json("r1")
    host.services.add("hello")
    order = json.dumps({"definition": definition(line), "start": True}).encode()
    done = host.call("service", "switch", "hello", ROOT, "two", stdin=order, code=75)
    assert json.loads(done.stdout)["token"] == "one"
    host.call("service", "save", "hello", ROOT, "two", "x.json", code=75)
    host.call("service", "query", "hello", code=66)


def test_a_switch_cut_short_or_wrong_changes_nothing(host: Host) -> None:
    line = host.run_json("r1")
    order = json.dumps({"definition": definition(line), "start": True}).encode()
    words = ("service", "switch", "hello", ROOT, "one")
    host.services.add("hello")
    host.call(*words, stdin=order[:-20], code=64)
    host.call(*words, stdin=b'{"definition": {"other": 1}}', code=64)
    host.call(*words, stdin=b"{}", code=64)
    host.switch("hello", 66, snapshot="saved/missing.json")
    host.switch("hello", 64, snapshot="../outside.json")
    proof = {"path": rf"{ROOT}\releases\r1\run.json", "sha256": "0" * 64}
    host.switch("hello", 65, definition=definition(line), proof=proof)
    host.switch("hello", 66, definition=definition(line), proof=proof | {"path": r"C:\no.exe"})
    host.call("service", "query", "hello", code=66)


def test_a_switch_ends_what_it_began_when_its_caller_is_gone(host: Host) -> None:
    stubborn = host.run_json("r1", program=PYTHON, args=["-c", STUBBORN], grace=4)
    host.switch("hello", definition=definition(stubborn), start=True, grace=5)
    host.witness.wait_for_http(PORT)
    line = host.run_json("r2")
    order = json.dumps({"definition": definition(line), "start": True, "grace": 5}).encode()
    request = json.dumps({"argv": ["service", "switch", "hello", ROOT, "one"]}).encode()
    killer = (
        "import subprocess, sys, time;"
        "child = subprocess.Popen([sys.argv[1], '-'], stdin=subprocess.PIPE);"
        "child.stdin.write(sys.stdin.buffer.read()); child.stdin.close();"
        "time.sleep(2); child.kill(); print(child.wait())"
    )
    assert host.witness.python(killer, TOOL, input=request + b"\n" + order).strip() != "0"
    # the next one waits for it
    answer = host.switch("hello", definition=definition(line), start=True, grace=5, expect=line)
    assert json.loads(host.witness.wait_for_http(PORT))["greeting"] == "r2"
    assert answer["stopped"] == "asked"


def test_what_does_not_end_is_ended_and_that_is_said(host: Host) -> None:
    stubborn = host.run_json("r1", program=PYTHON, args=["-c", STUBBORN], grace=1)
    host.switch("hello", definition=definition(stubborn), start=True, grace=5)
    host.witness.wait_for_http(PORT)
    answer = host.switch("hello", definition=definition(host.run_json("r2")), start=True, grace=2)
    assert answer["stopped"] == "killed"
    assert "did not end within 1 s and is ended" in host.log()
    # a host that does not end either is ended from outside
    stubborn = host.run_json("r1", program=PYTHON, args=["-c", STUBBORN], grace=300)
    host.switch("hello", definition=definition(stubborn), start=True, grace=5)
    host.witness.wait_for_http(PORT)
    assert host.answer("service", "stop", "hello", "1") == {"stopped": "killed"}
    assert not host.listens()
    answer = host.switch("hello", definition=definition(host.run_json("r2")), start=True, grace=2)
    assert host.witness.wait_for_http(PORT)


def test_a_program_that_crashes_on_and_on_is_given_up(host: Host) -> None:
    line = host.run_json("r1", program=r"C:\test programs\crashes-at-start.exe", args=[])
    # it runs when it is looked at, or has ended already
    host.switch("hello", code=None, definition=definition(line), start=True, grace=5)
    deadline = time.monotonic() + 30
    while (service := host.query())["state"] != "stopped":
        assert time.monotonic() < deadline
        time.sleep(0.3)
    assert (service["exit_code"], service["service_exit_code"]) == (1066, 1)
    assert service["host"]["restarts"] == 2
    assert "3 times in a row" in service["host"]["problem"]
    assert host.log().count("cannot reach the database") == 3


def test_a_program_that_is_killed_is_started_again(host: Host) -> None:
    host.switch("hello", definition=definition(host.run_json("r1")), start=True, grace=5)
    first = host.query()
    host.witness.wait_for_http(PORT)
    host.witness.wine("taskkill", "/F", "/PID", str(first["host"]["pid"]))
    deadline = time.monotonic() + 20
    while (now := host.query())["host"]["restarts"] != 1 or not now["host"]["pid"]:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    assert now["pid"] == first["pid"]
    assert now["host"]["pid"] != first["host"]["pid"]


def test_the_program_dies_with_its_host(host: Host) -> None:
    host.switch("hello", definition=definition(host.run_json("r1")), start=True, grace=5)
    host.witness.wait_for_http(PORT)
    host.witness.wine("taskkill", "/F", "/PID", str(host.query()["pid"]))
    deadline = time.monotonic() + 20
    while host.listens():
        assert time.monotonic() < deadline
        time.sleep(0.2)


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        (rf'"{TOOL}" serve "{ROOT}\releases\r1\run.json"', 3, r"C:\no\such.exe"),
        (rf'"{TOOL}" serve "{ROOT}\releases\missing\run.json"', 2, ""),
        (r'"C:\no such\program.exe"', 2, ""),
        (r'"C:\test programs\good.exe"', 1053, ""),
    ],
)
def test_why_a_start_fails(host: Host, line: str, code: int, words: str) -> None:
    host.run_json("r1", program=r"C:\no\such.exe")
    error = host.switch("hello", 1, definition=definition(line), start=True, grace=2)["error"]
    assert error["code"] in ((2, 3) if code in (2, 3) else (code,))
    assert words in error["system"]
    assert error["cause"]
    assert error["remedy"]
    # what is put back is what was there: nothing
    host.store("write", "none.json", content=b"null")
    host.switch("hello", snapshot="none.json", grace=2)
    host.call("service", "query", "hello", code=66)


def test_a_program_of_its_own_is_hotfixed(host: Host) -> None:
    line = rf'"C:\test programs\scm.exe" {PORT} "two words" "a \"b\"" 中文'
    environment = ["GREETING=你好"]
    made = definition(line, environment=environment, restrict=True)
    host.switch("native", definition=made, start=True, grace=5)
    service = host.query("native")
    assert (service["kind"], service["environment"]) == ("plain", environment)
    expected = [str(PORT), "two words", 'a "b"', "中文"]
    assert service["arguments"] == expected
    assert json.loads(host.witness.wait_for_http(PORT))["args"] == expected
    host.save("native")
    program = host.witness.read(r"C:\test programs\scm.exe")
    host.witness.write(r"C:\fix of it\scm.exe", program)
    proof = {"path": r"C:\fix of it\scm.exe", "sha256": hashlib.sha256(program).hexdigest()}
    answer = host.switch(
        "native", snapshot="saved/service.json", program=proof["path"], proof=proof, grace=5
    )
    now = host.query("native")
    assert (now["program"], now["arguments"]) == (proof["path"], expected)
    assert now["environment"] == environment
    assert answer["pid"] == now["pid"] != service["pid"]
    host.switch("native", snapshot="saved/service.json", grace=5)
    assert host.query("native")["binary_path"] == line


def test_nssm_through_the_registry_alone(host: Host) -> None:
    def text(data: str) -> dict[str, str]:
        return {"type": "REG_SZ", "data": data}

    values = {
        "Application": text(r"C:\test programs\good.exe"),
        "AppParameters": text('"two words" 中文'),
        "AppDirectory": text(ROOT),
        "AppStdout": text(rf"{ROOT}\logs\nssm.log"),
        "AppStderr": text(rf"{ROOT}\logs\nssm.log"),
        "AppRestartDelay": {"type": "REG_DWORD", "data": 1000},
    }
    keys = {"AppExit": {"values": {"": text("Restart")}, "keys": {}}}
    tree = {"values": {}, "keys": {"Parameters": {"values": values, "keys": keys}}}
    host.store("folder", "logs")
    host.store("write", "secrets.json", content=b'{"GREETING": "from a secret"}')
    made = definition(
        r'"C:\tools\nssm.exe"', tree=tree, environment=[f"PORT={PORT}"],
        secrets=rf"{ROOT}\secrets.json", restrict=True,
    )  # fmt: skip
    host.switch("under-nssm", definition=made, start=True, grace=10)
    answer = json.loads(host.witness.wait_for_http(PORT))
    assert (answer["greeting"], answer["args"]) == ("from a secret", ["two words", "中文"])
    service = host.query("under-nssm")
    assert service["kind"] == "nssm"
    assert service["nssm"]["application"] == r"C:\test programs\good.exe"
    assert service["nssm"]["pid"] not in (0, service["pid"])
    assert service["environment"] == []
    before = host.save("under-nssm")
    host.switch(
        "under-nssm", snapshot="saved/service.json", program=r"C:\x\new.exe", start=False, grace=10
    )
    assert host.query("under-nssm")["nssm"]["application"] == r"C:\x\new.exe"
    host.switch("under-nssm", definition=definition(host.run_json("r1")), start=True, grace=10)
    assert host.query("under-nssm")["tree"] == {"values": {}, "keys": {}}
    host.switch("under-nssm", snapshot="saved/service.json", grace=10)
    assert host.query("under-nssm")["tree"] == before["tree"]
    assert json.loads(host.witness.wait_for_http(PORT))["greeting"] == "from a secret"


def test_a_log_is_followed_and_its_secrets_hidden(host: Host) -> None:
    printer = (
        "import sys, time\n"
        "for number in range(300):\n"
        "    sys.stdout.buffer.write(f'line {number} hunter2 中文\\n'.encode())\n"
        "    sys.stdout.flush()\n"
        "time.sleep(600)\n"
    )
    host.store("write", "releases/r1/secrets.json", content=b'{"P": "hunter2"}')
    host.store("folder", "logs")
    line = host.run_json(
        "r1", program=PYTHON, args=["-u", "-c", printer], log_max_size=2_000, log_max_files=8
    )
    request = {"argv": ["log", rf"{ROOT}\logs", "10", "follow"], "announce": True}
    socket = f"unix://{host.witness.engine.socket}"
    words = ["exec", "-i", host.witness.machine, "sh", "/lab/wine.sh", TOOL, "-"]
    with subprocess.Popen(
        ["docker", "-H", socket, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as following:  # fmt: skip
        assert following.stdin
        assert following.stdout
        assert following.stderr
        following.stdin.write(json.dumps(request).encode() + b"\n")
        following.stdin.close()
        process = json.loads(following.stderr.readline())["process"]
        seen: list[str] = []
        reader = threading.Thread(
            target=lambda: seen.extend(item.decode().rstrip() for item in following.stdout or ())
        )
        reader.start()
        began = int(time.time())
        host.switch("hello", definition=definition(line), start=True, grace=1)
        deadline = time.monotonic() + 60
        while not seen or not seen[-1].startswith("line 299 "):
            assert time.monotonic() < deadline, seen[-1:]
            time.sleep(0.2)
        host.call("kill", process)
        reader.join(timeout=20)
        assert following.wait(timeout=20) != 0
    assert seen == [f"line {number} •••••• 中文" for number in range(300)]
    assert host.log().splitlines()[-1] == "line 299 •••••• 中文"
    assert host.log("since", str(began + 3600)) == ""
    listed = host.call("tree", "list", rf"{ROOT}\logs").stdout.decode().splitlines()
    logs = [item for item in map(json.loads, listed) if item["path"].endswith(".log")]
    assert 3 <= len(logs) <= 5
    # whoever reads a file may be in the way of its rotation, which is put off by a tenth then
    assert all(item["size"] <= 2_400 for item in logs)


def test_events_of_a_service_that_nobody_wrote(host: Host) -> None:
    assert host.call("events", "no-such-service", "10").stdout == b""


def test_rights_are_given_to_accounts(host: Host) -> None:
    host.store("folder", "releases/r1")
    for account in (r"NT SERVICE\hello", "LocalService"):
        host.call("tree", "acl", rf"{ROOT}\releases\r1", account, "read")
        host.call("tree", "acl", rf"{ROOT}\releases\r1", account, "modify")
    host.call("tree", "acl", rf"{ROOT}\releases\r1", r"NOWHERE\nobody", "read", code=1)
    host.call("tree", "acl", rf"{ROOT}\nothing", "LocalService", "read", code=1)
