"""Plans for Windows services: what is chosen, what is sent, what is refused; golden files."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import winhost
from app.artifact import Artifact, IncludedFile
from app.errors import SlipwayError
from app.host import HostFacts, PortHolder, read_windows_host
from app.kinds.service_definition import command_line
from app.kinds.windows_host import choose_host
from app.kinds.windows_steps import ENDED_BY_ITSELF, SwitchService, event_line, how_it_ended
from app.plan import Plan, make_plan, make_rollback_plan, readiness
from app.releases import Records, Release, State
from app.request import DeployOptions, DeployRequest, HealthOptions, Target, WindowsOptions
from app.rules import problems
from app.step import step_from_json, step_to_json
from app.transport import Secret
from app.windows_facts import WindowsFacts, WindowsService, read_service
from tests.unit.test_plan import golden

TOOL_PATH = r"C:\Program Files\Slipway\slipway-host-0123456789ab.exe"
ROOT = r"C:\Services\hello"


def artifact(**more: object) -> Artifact:
    known = Artifact(
        path=Path("hello.exe"), binary="hello.exe", platform="windows/amd64", sha256="ab" * 32,
        size=12, static=True, go_version="go1.26.8", module="example.com/hello", package=".",
        version="v2.0.0", commit="c0ffee", commit_time=1_700_000_000, dirty=False, options={},
    )  # fmt: skip
    return replace(known, **more)  # type: ignore[arg-type]


def request(windows: WindowsOptions | None = None, **deploy: object) -> DeployRequest:
    options = DeployOptions(
        kind="windows-service",
        args=("-config", "a file.yaml"),
        env={"PORT": "8080"},
        health=HealthOptions(http="http://localhost:8080/health"),
        windows=windows or WindowsOptions(description="Says hello"),
    )
    return DeployRequest(
        name="hello",
        deploy=replace(options, **deploy),  # type: ignore[arg-type]
        targets=(Target("10.0.0.5", "winrm", user="Administrator"),),
    )


def facts(service: WindowsService | None = None, **more: object) -> HostFacts:
    windows = WindowsFacts(TOOL_PATH, service=service)
    known = HostFacts(
        target=Target("10.0.0.5", "winrm"), system="windows", arch="amd64",
        os_name="Windows Server 2022", hostname="SERVER", user=r"SERVER\Administrator",
        clock=1_800_000_000, root=ROOT, nonce="0a0b", windows=windows,
        records=Records(key=Secret("k" * 64)),
    )  # fmt: skip
    return replace(known, **more)  # type: ignore[arg-type]


def foreign(**more: object) -> WindowsService:
    known = WindowsService(
        "hello", "Hello", binary_path=r'"D:\old\hello.exe" -v', program=r"D:\old\hello.exe",
        arguments=("-v",), account=r"CORP\svc$", start="delayed-auto", state="running", pid=7,
        process=7, env={"DB_PASSWORD": Secret("hunter2")},
    )  # fmt: skip
    return replace(known, **more)  # type: ignore[arg-type]


def test_an_exit_code_is_told_in_the_users_language() -> None:
    """The service host's own words for it are English; its source must begin them so."""
    source = (winhost.SOURCES / "host_windows.go").read_text(encoding="utf-8")
    assert f'"{ENDED_BY_ITSELF} exit code %d"' in source
    ended = foreign(state="stopped", problem=f"{ENDED_BY_ITSELF} exit code 3", exit_code=3)
    assert how_it_ended(ended) == "Exit code 3."
    assert how_it_ended(replace(ended, problem="no such program")) == "no such program"


def switch(plan: Plan) -> SwitchService:
    return next(step for step in plan.steps if isinstance(step, SwitchService))


def order(plan: Plan) -> dict[str, Any]:
    return switch(plan).order


def served(plan: Plan, **more: object) -> HostFacts:
    """What the server says after a plan was carried out with the service host."""
    records = [step.release for step in plan.steps if type(step).__name__ == "RecordRelease"]  # type: ignore[attr-defined]
    state = State()
    for record in records:
        state = state.now_serving(record.id)
    run = rf"{ROOT}\releases\{records[-1].id}\run.json"
    service = WindowsService(
        "hello", program=run, kind="wrapped", state="running", pid=1, process=2
    )
    known = Records(tuple(records), state, key=Secret("k" * 64), key_stored=True)
    return facts(replace(service, **more), records=known)  # type: ignore[arg-type]


def test_the_first_deployment_is_wrapped() -> None:
    golden("windows_first", make_plan(request(), artifact(), facts()))


def test_a_program_that_speaks_to_windows_is_run_by_windows() -> None:
    made = make_plan(request(), artifact(windows_service=True), facts())
    definition = order(made)["definition"]
    release = rf"{ROOT}\releases\{made.release}"
    assert definition["binary_path"] == rf'"{release}\hello.exe" -config "a file.yaml"'
    assert definition["environment"] == ["PORT=8080"]
    assert definition["non_crash"] is True


def test_nssm() -> None:
    options = WindowsOptions(host="nssm", nssm=r"C:\tools\nssm.exe", restart=())
    golden("windows_nssm", make_plan(request(options), artifact(), facts()))


def test_nssm_that_is_nowhere_and_nssm_that_is_found() -> None:
    wanted = request(WindowsOptions(host="nssm"))
    [problem] = [item for item in readiness(wanted, facts()) if item.blocking]
    assert problem.field == "deploy.windows.nssm"
    with pytest.raises(SlipwayError, match=r"no nssm\.exe"):
        make_plan(wanted, artifact(), facts())
    found = facts(windows=WindowsFacts(TOOL_PATH, nssm=(r"D:\nssm.exe",)))
    assert not [item for item in readiness(wanted, found) if item.blocking]
    assert order(make_plan(wanted, artifact(), found))["definition"]["binary_path"] == (
        r'"D:\nssm.exe"'
    )


def test_nssm_sent_from_this_computer_lies_beside_the_program() -> None:
    wanted = request(WindowsOptions(host="nssm", nssm_file="tools/nssm.exe"))
    made = make_plan(wanted, artifact(), facts())
    place = rf"{ROOT}\releases\{made.release}\nssm.exe"
    assert "SendNssm" in [type(step).__name__ for step in made.steps]
    assert order(made)["definition"]["binary_path"] == f'"{place}"'


def test_the_classic_mistake_is_impossible() -> None:
    with pytest.raises(SlipwayError, match="by itself") as caught:
        make_plan(request(WindowsOptions(host="native")), artifact(), facts())
    assert "1053" in caught.value.detail
    with pytest.raises(SlipwayError, match="by itself"):
        make_plan(request(), artifact(), facts(foreign()))


def test_a_foreign_service_gets_only_the_new_program() -> None:
    made = make_plan(request(), artifact(windows_service=True), facts(foreign()))
    golden("windows_hotfix", made)
    assert "hunter2" not in json.dumps([step_to_json(step) for step in made.steps])
    assert "definition" not in order(made)


def test_the_hotfix_of_a_hotfix_keeps_the_settings_too() -> None:
    speaking = artifact(windows_service=True)
    made = make_plan(request(), speaking, facts(foreign()))
    record = next(
        step.release  # type: ignore[attr-defined]
        for step in made.steps
        if type(step).__name__ == "RecordRelease" and not step.release.adopted  # type: ignore[attr-defined]
    )
    ours = foreign(program=rf"{ROOT}\releases\{record.id}\hello.exe")
    records = Records((record,), State().now_serving(record.id), key=Secret("k"), key_stored=True)
    again = make_plan(request(), replace(speaking, sha256="cd" * 32), facts(ours, records=records))
    assert order(again)["snapshot"] == f"journal/{again.run}.before.json"
    assert make_plan(request(), speaking, facts(ours, records=records)).empty


def test_the_profiles_settings_replace_those_of_a_foreign_service_if_asked() -> None:
    wanted = request(WindowsOptions(settings="profile", account="LocalService"))
    made = make_plan(wanted, artifact(), facts(foreign()))
    assert order(made)["definition"]["account"] == "LocalService"
    assert any(change.what == "Account" for change in made.changes)


def test_secrets_are_named_never_shown() -> None:
    wanted = request(secrets=("DB_PASSWORD",))
    made = make_plan(wanted, artifact(), facts(), {"DB_PASSWORD": Secret("hunter2")})
    text = json.dumps([step_to_json(step) for step in made.steps])
    text += "".join(str(command) for row in made.rows for command in row.commands)
    assert "hunter2" not in text
    assert "WriteSecrets" in text
    assert r"releases\\" in json.dumps(order(made))


def test_an_account_with_a_password_wants_it() -> None:
    wanted = request(WindowsOptions(account=r"CORP\svc", grant_logon=True))
    with pytest.raises(SlipwayError, match="ACCOUNT_PASSWORD"):
        make_plan(wanted, artifact(), facts())
    made = make_plan(wanted, artifact(), facts(), {"ACCOUNT_PASSWORD": Secret("hunter2")})
    assert made.secrets == ("ACCOUNT_PASSWORD",)
    assert switch(made).password
    assert "hunter2" not in json.dumps(order(made))


def test_the_same_again_is_nothing_to_do_and_a_changed_setting_is_something() -> None:
    made = make_plan(request(), artifact(), facts())
    assert make_plan(request(), artifact(), served(made)).empty
    other = request(WindowsOptions(description="Says hello", start="demand"))
    changed = make_plan(other, artifact(), served(made))
    assert [(item.what, item.old, item.new) for item in changed.changes] == [
        ("Start it", "When Windows starts", "Only by hand")
    ]
    stopped = served(made, state="stopped", process=0)
    assert not make_plan(request(), artifact(), stopped).empty


def test_rolling_back_restores_what_was_saved() -> None:
    first = make_plan(request(), artifact(), facts())
    found = served(first)
    old = Release.from_json(
        {
            **json.loads(found.records.releases[0].to_json()),
            "id": "20250101-000000-v1",
            "version": "v1",
        }
    )
    state = State("x", "", (old.id, "x"))
    known = replace(found.records, releases=(old, *found.records.releases), state=state)
    golden("windows_rollback", make_rollback_plan(request(), replace(found, records=known)))


def test_steps_survive_the_journal() -> None:
    wanted = request(WindowsOptions(smoke=("--version",)), secrets=("A",))
    made = make_plan(wanted, artifact(), facts(foreign(kind="nssm")), {"A": Secret("x")})
    for step in made.steps:
        assert step_from_json(json.loads(json.dumps(step_to_json(step)))) == step


def test_readiness() -> None:
    def lacks(found: HostFacts, wanted: DeployRequest | None = None) -> list[str]:
        return [item.field for item in readiness(wanted or request(), found) if item.blocking]

    assert lacks(facts()) == []
    assert lacks(facts(windows=WindowsFacts(TOOL_PATH, elevated=False))) == ["target"]
    assert lacks(facts(windows=None, system="linux")) == ["deploy.kind"]
    assert lacks(facts(disk_free=1000)) == ["target"]
    held = (PortHolder(8080, "w3wp.exe", 99),)
    assert lacks(facts(ports=held)) == ["deploy.health.http"]
    assert lacks(facts(foreign(process=99), ports=held)) == []
    assert lacks(facts(foreign(type=32))) == ["name"]
    assert lacks(facts(foreign(start="disabled"))) == ["deploy.windows.settings"]
    other = request(WindowsOptions(settings="profile"))
    assert lacks(facts(foreign(account=r"CORP\person")), other) == ["deploy.windows.account"]


def test_an_included_file_may_not_take_the_place_of_ours() -> None:
    included = (IncludedFile(Path("x"), "Run.json", executable=False),)
    with pytest.raises(SlipwayError, match=r"run\.json"):
        make_plan(request(), artifact(included=included), facts())


def test_who_runs_the_program() -> None:
    options = WindowsOptions()
    assert choose_host(options, speaks=True) == "native"
    assert choose_host(options, speaks=False) == "wrapped"


def unquoted(line: str) -> list[str]:
    """Take a command line apart as CommandLineToArgvW documents it, written apart from ours."""
    words: list[str] = []
    at, program_end = 0, line.index('"', 1)
    words.append(line[1:program_end])
    at = program_end + 1
    word, quoted, begun = "", False, False
    while at < len(line):
        slashes = 0
        while at < len(line) and line[at] == "\\":
            slashes, at = slashes + 1, at + 1
        if at < len(line) and line[at] == '"':
            word += "\\" * (slashes // 2)
            begun = True
            if slashes % 2:
                word += '"'
            elif quoted and line[at + 1 : at + 2] == '"':
                word, at = word + '"', at + 1
            else:
                quoted = not quoted
            at += 1
            continue
        word += "\\" * slashes
        begun = begun or slashes > 0
        if at >= len(line):
            break
        if line[at] in " \t" and not quoted:
            if begun:
                words.append(word)
            word, begun = "", False
        else:
            word, begun = word + line[at], True
        at += 1
    return [*words, word] if begun else words


@given(st.lists(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))))
def test_any_argument_survives_the_command_line(arguments: list[str]) -> None:
    program = r"C:\Services\a b\程序.exe"
    assert unquoted(command_line(program, tuple(arguments))) == [program, *arguments]


def test_rules() -> None:
    def fields(**windows: object) -> list[str]:
        wanted = request(WindowsOptions(**windows))  # type: ignore[arg-type]
        return [item.field for item in problems(wanted) if item.field != "project.path"]

    key = "deploy.windows."
    assert fields() == []
    assert fields(account="bob") == [key + "account"]
    assert fields(account=r"CORP\bob") == [key + "grant-logon"]
    assert fields(account=r"CORP\gmsa$") == []
    assert fields(account="virtual") == []
    assert fields(description="a\nb") == [key + "description"]
    assert fields(restart=(-1.0,)) == [key + "restart"]
    assert fields(restart=(1.0,) * 11) == [key + "restart"]
    assert fields(stop_timeout=0.0) == [key + "stop-timeout"]
    assert fields(log_max_size="10") == [key + "log-max-size"]
    assert fields(nssm="nssm.exe", host="nssm") == [key + "nssm"]
    assert fields(nssm=r"C:\nssm.exe") == [key + "nssm"]
    assert fields(nssm=r"C:\a.exe", nssm_file="b", host="nssm") == [key + "nssm-file"]
    assert fields(dependencies=("a/b",)) == [key + "dependencies"]


@pytest.mark.parametrize(
    ("target", "field"),
    [
        (Target("h", "winrm", user="A", auth="basic", scheme="http"), "targets.auth"),
        (Target("h", "winrm", user="A", key="id"), "targets.key"),
        (Target("h", "winrm"), "targets.user"),
        (Target("h", "winrm", user="A", scheme="http", ca="x.pem"), "targets.ca"),
        (Target("h", "ssh", user="A", ca="x.pem"), "targets.transport"),
        (Target("localhost", "local"), "targets.transport"),
    ],
)
def test_rules_of_targets(target: Target, field: str) -> None:
    wanted = replace(request(), targets=(target,))
    assert field in [item.field for item in problems(wanted)]


def test_winrm_is_for_windows_services_only() -> None:
    wanted = replace(request(), deploy=DeployOptions(kind="docker"))
    assert "targets.transport" in [item.field for item in problems(wanted)]


FACTS: dict[str, Any] = {
    "system": "windows", "arch": "amd64", "os_name": "Windows Server 2022 (10.0.20348)",
    "hostname": "SERVER", "user": r"SERVER\Administrator", "elevated": True, "clock": 1_800_000_000,
    "root": ROOT, "writable": True, "readable": True, "disk_free": 5, "code_page": 936,
    "tool": TOOL_PATH, "ports": [{"port": 80, "pid": 4, "program": r"C:\x\w3wp.exe"}],
    "state": '{"current": "a", "verified": ["a"]}', "key": "kk",
    "releases": ['{"id": "a", "name": "hello", "kind": "windows-service"}'],
    "lock": {"owner": '{"who": "bob", "token": "t"}', "age": 3.5},
    "journals": {"r.jsonl": [
        '{"run": "r", "title": "T", "release": "a", "by": "b", "steps": [], "titles": []}'
    ]},
    "service": None, "vcruntime": True, "nssm": [],
}  # fmt: skip


def test_facts_are_read() -> None:
    found = read_windows_host(FACTS, Target("h", "winrm"))
    assert found.platform == "windows/amd64"
    assert found.ports == (PortHolder(80, "w3wp.exe", 4),)
    assert found.records.state.current == "a"
    assert found.records.key.reveal() == "kk"
    assert found.records.lock is not None
    assert (found.records.lock.who, found.records.lock.age) == ("bob", 3.5)
    assert found.records.interrupted is not None
    assert found.records.find("a") is not None
    empty = FACTS | {"state": "", "key": "", "releases": None, "lock": None, "journals": None}
    bare = read_windows_host(empty, Target("h", "winrm"))
    assert bare.records.releases == ()
    assert not bare.records.key_stored


def test_a_service_is_read_as_its_host_runs_it() -> None:
    base = {
        "name": "hello", "display_name": "Hello", "description": "", "binary_path": "…",
        "program": TOOL_PATH, "arguments": ["serve", "x"], "start": "auto",
        "account": "LocalSystem", "type": 16, "recovery": None, "environment": ["A=1"],
        "state": "running", "pid": 5, "exit_code": 0, "service_exit_code": 0,
    }  # fmt: skip
    run = rf"{ROOT}\releases\r1\run.json"
    wrapped = read_service(
        base | {"kind": "wrapped", "run": run, "host": {"pid": 6, "restarts": 2, "problem": ""}}
    )
    assert wrapped.release(ROOT.lower()) == "r1"
    assert (wrapped.process, wrapped.restarts, wrapped.running) == (6, 2, True)
    program = rf"{ROOT}\releases\r1\hello.exe"
    named = read_service(base | {"kind": "wrapped", "run": run, "runs": program})
    assert (named.program, named.release(ROOT)) == (program, "r1")
    waiting = read_service(base | {"kind": "wrapped", "run": run, "host": {"pid": 0}})
    assert waiting.up
    assert not waiting.running
    tree = {"keys": {"Parameters": {"values": {"AppEnvironmentExtra": {"data": ["B=2"]}}}}}
    nssm = {"application": r"D:\x.exe", "pid": 9}
    under = read_service(base | {"kind": "nssm", "nssm": nssm, "tree": tree})
    assert under.program == r"D:\x.exe"
    assert sorted(under.env) == ["A", "B"]
    assert under.release(ROOT) == ""
    plain = read_service(base | {"kind": "plain"})
    assert plain.arguments == ("serve", "x")


def test_events_are_told_in_a_line() -> None:
    event = {"time": "T", "id": 7034, "level": "error", "source": "SCM", "text": "a\n  b"}
    assert event_line(json.dumps(event)) == "T SCM 7034 a b"
    assert event_line("not json") == "not json"
