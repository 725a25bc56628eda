"""The command line, for real: Go builds, a process on this computer, HTTP answers, exit codes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app import demo, profile, queries, sample, supervise
from app.cli import main, make_parser
from app.console import Console, JsonView, TextView, table
from app.errors import HealthCheckFailed
from app.events import Line, Outcome, Progress, RunEnded, StepChanged, StepState
from app.history import History
from app.releases import Store, take_lock
from app.request import (
    BuildOptions,
    DeployOptions,
    DeployRequest,
    HealthOptions,
    ProjectOptions,
    Target,
)
from app.shapes import EXIT_CODES
from app.transport.local import LocalTransport
from tests.command_line import ROOT, begin, converse

PROJECTS = ROOT / "tests" / "projects"
posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX only: signals and terminals")


@dataclass(frozen=True)
class Answer:
    """What a command did: exit code, stdout, stderr."""

    code: int
    out: str
    err: str

    @property
    def shapes(self) -> list[dict[str, Any]]:
        """Each line of stdout as JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


Run = Callable[..., Answer]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run one command in this process."""

    def command(*arguments: str | Path) -> Answer:
        capfd.readouterr()
        code = main([str(argument) for argument in arguments])
        return Answer(code, *capfd.readouterr())

    return command


@dataclass
class Service:
    """A profile for a project on this computer, and what answers there."""

    file: Path
    root: Path
    port: int
    request: DeployRequest

    @property
    def place(self) -> Path:
        return self.root / self.request.name

    def change(self, project: str, version: str, **deploy: Any) -> Service:
        """Choose another project and version for the next command."""
        self.request = replace(
            self.request,
            project=ProjectOptions(PROJECTS / project),
            build=replace(self.request.build, version=version),
            deploy=replace(self.request.deploy, **deploy),
        )
        profile.save(self.request, self.file)
        return self

    def page(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
            page: dict[str, Any] = json.load(answer)
            return page

    def health(self, **values: Any) -> HealthOptions:
        return replace(self.request.deploy.health, **values)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """A service that is not deployed yet; whatever runs is stopped in the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    root = tmp_path / "services"
    request = DeployRequest(
        name="good",
        build=BuildOptions(version="v1", stamp="main.version"),
        deploy=DeployOptions(
            kind="process",
            env={"PORT": str(port)},
            root=root.as_posix(),
            health=HealthOptions(http=f"http://127.0.0.1:{port}/health", timeout=10.0, stable=0.2),
        ),
        targets=(Target("localhost", "local"),),
    )
    made = Service(tmp_path / "slipway.toml", root, port, request).change("good", "v1")
    yield made
    assert supervise.stop(made.place, 2.0) == 0


# -- what is typed -----------------------------------------------------------------------------


def test_no_command_shows_the_help(run: Run) -> None:
    answer = run()
    assert answer.code == 2
    assert "rollback" in answer.err


@pytest.mark.parametrize(
    "words", [["fly"], ["inspect"], ["deploy", "x", "--fast"], ["logs", "x", "--lines", "a"]]
)
def test_words_that_mean_nothing(words: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2


def test_a_missing_profile_ends_with_2(run: Run, tmp_path: Path) -> None:
    answer = run("deploy", tmp_path / "none.toml", "--yes")
    assert answer.code == 2
    assert "none.toml" in answer.err


def test_without_a_file_the_profile_of_the_current_folder_is_used(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(service.file.parent)
    (shape,) = run("status", "--json").shapes
    assert (shape["target"], shape["name"]) == ("localhost", "good")
    monkeypatch.chdir(service.file.parent.parent)
    for words in (["deploy", "--yes"], ["rollback"], ["logs", "-f", "--lines", "5"]):
        answer = run(*words)
        assert answer.code == 2
        assert "slipway.toml can't be read" in answer.err


@pytest.mark.parametrize("place", [1, 2, 4, 5])
def test_a_file_stands_before_between_or_after_the_options(place: int) -> None:
    words = ["logs", "-f", "--lines", "5", "--json"]
    options = make_parser().parse_args([*words[:place], "x.toml", *words[place:]])
    assert (options.file, options.follow, options.lines) == ("x.toml", True, 5)


def test_a_bad_key_is_named(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "slipway.toml"
    file.write_text('name = "a"\n[deploy]\nkeeps = 3\n')
    answer = run("plan", file, "--json")
    assert answer.code == 2
    assert "deploy.keeps" in answer.err
    (shape,) = answer.shapes
    assert shape["event"] == "error"
    assert shape["key"] == "deploy.keeps"
    assert "keep" in shape["hint"]


def test_an_unknown_target_is_named(run: Run, service: Service) -> None:
    answer = run("status", service.file, "--target", "elsewhere")
    assert answer.code == 2
    assert "localhost" in answer.err


def test_every_outcome_has_its_exit_code() -> None:
    assert {outcome: EXIT_CODES[outcome] for outcome in Outcome} == {
        Outcome.SUCCEEDED: 0,
        Outcome.ROLLED_BACK: 0,
        Outcome.FAILED_RESTORED: 1,
        Outcome.FAILED_NOT_RESTORED: 3,
        Outcome.CANCELLED: 130,
    }


def test_a_bug_is_called_a_bug(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def broken(*_words: object) -> None:
        raise RuntimeError("forgot something")

    monkeypatch.setattr(queries, "open_project", broken)
    answer = run("inspect", PROJECTS / "good")
    assert answer.code == 70
    assert "bug in Slipway" in answer.err
    log = Path(answer.err.strip().rpartition(": ")[2])
    assert "forgot something" in log.read_text()


# -- looking -----------------------------------------------------------------------------------


def test_inspect(run: Run) -> None:
    answer = run("inspect", PROJECTS / "good")
    assert answer.code == 0
    assert "example.com/good" in answer.out
    (shape,) = run("inspect", PROJECTS / "good", "--json").shapes
    assert shape["module"] == "example.com/good"
    assert [main["path"] for main in shape["mains"]] == ["."]
    assert shape["mains"][0]["stamps"] == ["main.version"]


def test_inspect_of_a_folder_without_go(run: Run, tmp_path: Path) -> None:
    answer = run("inspect", tmp_path)
    assert answer.code == 2
    assert "Traceback" not in answer.err


def test_version(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert re.fullmatch(r"slipway (\d+\.\d+\.\d+|from source)\n", capfd.readouterr().out)


def test_doctor(run: Run) -> None:
    answer = run("doctor", "--json")
    findings = {shape["name"]: shape for shape in answer.shapes}
    assert answer.code == 0
    assert findings["Go"]["there"]
    assert {"Keyring", "Docker here", "Qt", "SSH keys", "Settings"} <= set(findings)
    assert all(shape["hint"] for shape in findings.values() if not shape["there"])


def test_doctor_without_a_folder_for_its_data(run: Run) -> None:
    History().path.parent.write_text("in the way")
    answer = run("doctor")
    assert answer.code == 1
    assert "✗ Data" in answer.out


@pytest.mark.slow
def test_what_is_not_there_yet(run: Run, service: Service) -> None:
    (shape,) = run("status", service.file, "--json").shapes
    assert (shape["state"], shape["release"], shape["healthy"]) == ("missing", "", None)
    (shape,) = run("releases", service.file, "--json").shapes
    assert shape == {"target": "localhost", "name": "good", "releases": []}
    assert run("unlock", service.file).code == 0
    assert run("resume", service.file).code == 0
    answer = run("rollback", service.file, "--yes")
    assert answer.code == 2
    assert "no earlier release" in answer.err
    assert "--to" not in answer.err, "there is none to name"


# -- deploying ---------------------------------------------------------------------------------


def test_without_a_terminal_nothing_happens_unless_agreed(run: Run, service: Service) -> None:
    answer = run("deploy", service.file)
    assert answer.code == 2
    assert "--yes" in answer.err
    assert not service.root.exists()


@pytest.mark.slow
def test_plan_changes_nothing_and_shows_all(run: Run, service: Service) -> None:
    answer = run("plan", service.file)
    assert answer.code == 0
    for words in ("Steps:", "Health check", "$ ", "Interruption:", "can't restore"):
        assert words in answer.out
    (shape,) = run("plan", service.file, "--json").shapes
    assert shape["target"] == "localhost"
    assert shape["rows"][0]["commands"]
    assert shape["changes"][0] == {"what": "Version", "old": "", "new": "v1"}
    assert not any(change["old"] for change in shape["changes"])
    assert not shape["empty"]
    assert not service.root.exists()


def states(run: Run, service: Service) -> list[str]:
    """What ``releases`` says of each release, the newest first."""
    table, _stop, _interrupted = run("releases", service.file).out.partition("Interrupted:")
    _connecting, head, *lines = table.splitlines()
    return [re.split(",|  ", line[head.index("State") :])[0] for line in lines]


@pytest.mark.slow
def test_deploy_again_next_and_back(run: Run, service: Service) -> None:
    answer = run("deploy", service.file, "--yes")
    assert answer.code == 0, answer.err
    assert service.page()["version"] == "v1"
    assert "Health check" in answer.out

    again = run("deploy", service.file, "--yes")
    assert again.code == 0
    assert "Nothing to do" in again.out
    again = run("deploy", service.file.parent, "--yes", "--json")
    assert [shape["event"] for shape in again.shapes[-2:]] == ["plan", "end"]
    assert again.shapes[-2]["empty"]

    service.change("good", "v2", args=("-x", "two words"))
    answer = run("deploy", service.file, "--yes", "--json")
    assert answer.code == 0, answer.err
    assert service.page() == {"version": "v2", "greeting": "", "args": ["-x", "two words"]}
    events = [shape["event"] for shape in answer.shapes]
    assert events[0] == "build"
    assert events[-1] == "end"
    assert {"plan", "step", "line"} <= set(events)
    assert answer.shapes[-1] == {
        "event": "end",
        "outcome": "succeeded",
        "error": None,
        "switched": True,
        "exit_code": 0,
    }
    (plan,) = [shape for shape in answer.shapes if shape["event"] == "plan"]
    titles = [row["title"] for row in plan["rows"]]
    done = [shape for shape in answer.shapes if shape.get("state") in ("done", "skipped")]
    assert [shape["title"] for shape in done] == titles

    (shape,) = run("status", service.file, "--json").shapes
    assert shape["target"] == "localhost"
    assert (shape["kind"], shape["version"], shape["state"]) == ("process", "v2", "running")
    assert shape["healthy"] is True
    assert "v2" in run("status", service.file).out

    (shape,) = run("releases", service.file, "--json").shapes
    newest, oldest = shape["releases"]
    assert (newest["version"], newest["current"], newest["verified"]) == ("v2", True, True)
    assert (oldest["version"], oldest["previous"], oldest["available"]) == ("v1", True, True)
    assert states(run, service) == ["serves now", "next to roll back to"]

    logs = run("logs", service.file)
    assert logs.code == 0
    assert "version v2 listens" in logs.out
    assert run("logs", service.file, "--json", "--lines", "1").shapes[0]["event"] == "log"

    answer = run("rollback", service.file, "--yes")
    assert answer.code == 0, answer.err
    assert service.page()["version"] == "v1"
    assert service.page()["args"] == []
    assert states(run, service) == ["served earlier", "serves now"]
    (shape,) = run("releases", service.file, "--json").shapes
    assert not any(each["previous"] for each in shape["releases"]), "nothing to go back to"
    answer = run("rollback", service.file, "--yes", "--to", newest["id"])
    assert answer.code == 0, answer.err
    assert service.page()["version"] == "v2"
    answer = run("rollback", service.file, "--yes", "--to", "20000101-000000-none")
    assert answer.code == 2

    titles = [made.title for made in History().runs()]
    assert len(titles) == 4
    assert titles[-1].startswith("Deploy good v1")
    assert {made.outcome for made in History().runs()} == {Outcome.SUCCEEDED}
    assert [made.version for made in History().runs()] == ["v2", "v1", "v2", "v1"]


@pytest.mark.slow
def test_a_failed_deployment_ends_with_1_and_the_old_version_serves(
    run: Run, service: Service
) -> None:
    assert run("deploy", service.file, "--yes").code == 0
    service.change("never-healthy", "v2", health=service.health(timeout=1.0))
    answer = run("deploy", service.file, "--yes", "--json")
    assert answer.code == 1
    assert service.page()["version"] == "v1"
    end = answer.shapes[-1]
    assert (end["outcome"], end["exit_code"]) == ("failed_restored", 1)
    assert end["error"]["title"]
    assert "All is as it was before" in answer.err
    (made, _first) = History().runs()
    assert made.outcome is Outcome.FAILED_RESTORED
    assert made.error
    assert "failed" in made.log.read_text()


@pytest.mark.slow
def test_what_does_not_build_touches_nothing(run: Run, service: Service) -> None:
    answer = run("deploy", service.change("compile-error", "v1").file, "--yes", "--json")
    assert answer.code == 2
    assert answer.shapes[-1]["event"] == "error"
    assert answer.shapes[-1]["diagnostics"][0]["line"] > 0
    assert not service.root.exists()


@pytest.mark.slow
def test_secrets_stay_out_of_sight(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.change("good", "v1", secrets=("GREETING",))
    answer = run("deploy", service.file, "--yes")
    assert answer.code == 2
    assert "SLIPWAY_SECRET_GREETING" in answer.err
    monkeypatch.setenv("SLIPWAY_SECRET_GREETING", "rosebud-17")
    answer = run("deploy", service.file, "--yes", "--json")
    assert answer.code == 0, answer.err
    assert service.page()["greeting"] == "rosebud-17"
    (made,) = History().runs()
    everything = answer.out + answer.err + made.log.read_text() + made.profile
    assert "rosebud-17" not in everything


@pytest.mark.slow
def test_a_secret_may_come_from_the_keyring(
    run: Run, service: Service, memory_keyring: Any
) -> None:
    memory_keyring.set_password("slipway/service/good", "GREETING", "from the ring")
    service.change("good", "v1", secrets=("GREETING",))
    assert run("deploy", service.file, "--yes").code == 0
    assert service.page()["greeting"] == "from the ring"


def test_several_targets_stop_at_the_first_that_fails(run: Run, service: Service) -> None:
    targets = (Target("localhost", "local"), Target("127.0.0.1", "local"))
    service.request = replace(service.request, targets=targets)
    with socket.create_server(("127.0.0.1", service.port)):
        answer = run("deploy", service.change("good", "v1").file, "--yes")
    assert answer.code == 2
    assert "in use" in answer.err
    assert "1 further target was not touched" in answer.err
    shapes = run("status", service.file, "--json").shapes
    assert [shape["target"] for shape in shapes] == ["localhost", "127.0.0.1"]
    shapes = run("status", service.file, "--json", "--target", "127.0.0.1").shapes
    assert [shape["target"] for shape in shapes] == ["127.0.0.1"]


@pytest.mark.slow
def test_a_history_that_cannot_be_written_disturbs_nothing(run: Run, service: Service) -> None:
    History().path.mkdir(parents=True)
    answer = run("deploy", service.file, "--yes")
    assert answer.code == 0, answer.err
    assert "Warning" in answer.err


# -- the lock ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_lock_is_named_kept_and_released(run: Run, service: Service) -> None:
    assert run("deploy", service.file, "--yes").code == 0
    transport = LocalTransport()
    transport.open()
    owner = {"run": "r1", "who": "ann@desk", "when": "today", "why": "a test"}
    store = Store(service.place.as_posix(), False, "r1", windows=os.name == "nt")
    take_lock(transport, store, owner)
    for words in (["deploy", "--yes"], ["rollback", "--yes"], ["unlock", "--yes"]):
        answer = run(words[0], service.file, *words[1:])
        assert answer.code == 2
        assert "ann@desk" in answer.err
    (shape,) = run("status", service.file, "--json").shapes
    assert shape["lock"]["who"] == "ann@desk"
    assert "Locked by" in run("status", service.file).out
    old = time.time() - 3600
    os.utime(service.place / "lock" / "heartbeat", (old, old))
    assert run("unlock", service.file).code == 2
    answer = run("unlock", service.file, "--yes", "--json")
    assert answer.code == 0, answer.err
    assert answer.shapes[-1]["lock"]["who"] == "ann@desk"
    assert not (service.place / "lock").exists()


# -- interrupted -------------------------------------------------------------------------------


def begun(service: Service, waits_for: str) -> subprocess.Popen[str]:
    """Start a deployment in a process of its own; return when it says ``waits_for``."""
    return begin("deploy", service.file, "--yes", waits_for=waits_for)


@posix_only
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_cancelling_puts_the_old_version_back_and_ends_with_130(
    run: Run, service: Service, number: signal.Signals
) -> None:
    assert run("deploy", service.file, "--yes").code == 0
    service.change("never-healthy", "v2", health=service.health(timeout=60.0))
    process = begun(service, "[5/8]")
    process.send_signal(number)
    assert process.stderr
    assert any("is put back" in line for line in process.stderr)
    process.send_signal(number)
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Still at it" in err
    assert "Cancelled" in err
    assert service.page()["version"] == "v1"
    assert History().runs()[0].outcome is Outcome.CANCELLED
    assert not (service.place / "lock").exists()


@posix_only
def test_cancelling_the_build_touches_nothing(service: Service) -> None:
    process = begun(service, "Building")
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "nothing was changed" in err
    assert not service.root.exists()


@pytest.mark.slow
def test_what_cannot_be_restored_ends_with_3(run: Run, service: Service) -> None:
    assert run("deploy", service.file, "--yes").code == 0
    (old,) = (service.place / "releases").iterdir()
    service.change("never-healthy", "v2", health=service.health(timeout=3.0))
    process = begun(service, "[5/8]")
    (old / "run.json").unlink()
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 3
    assert "NOT" in err
    assert History().runs()[0].outcome is Outcome.FAILED_NOT_RESTORED


@pytest.mark.slow
@pytest.mark.parametrize("way", ["rollback", "resume"])
def test_a_killed_run_is_told_and_finished(
    run: Run, service: Service, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(service.file.parent)
    assert run("deploy", service.file, "--yes").code == 0
    service.change("good", "v2", health=service.health(stable=5.0))
    process = begun(service, "must stay so")
    process.kill()
    process.communicate()
    (shape,) = run("status", service.file, "--json").shapes
    assert shape["interrupted"]["under_way"].startswith("Health check")
    assert shape["interrupted"]["done"]
    told = run("status", service.file.name).out
    assert "Interrupted" in told
    assert "“slipway rollback slipway.toml” takes it back" in told
    assert "“slipway resume slipway.toml” goes on" in told
    assert "“slipway rollback” takes it back, “slipway resume” goes on." in run("status").out
    assert "“slipway resume" in run("releases", service.file).out
    new, old = states(run, service)
    assert (new, old) == ("runs now", "current")  # not “serves now”
    assert "Lock left by" in told
    assert "Locked by" not in told
    answer = run("deploy", service.file, "--yes")
    assert answer.code == 2
    assert "slipway resume" in answer.err
    assert "under way, perhaps half done: Health check" in answer.err
    answer = run(way, service.file)
    assert answer.code == 2
    assert "--yes" in answer.err
    answer = run(way, service.file, "--yes")
    assert answer.code == 0, answer.err
    assert service.page()["version"] == {"rollback": "v1", "resume": "v2"}[way]
    (shape,) = run("status", service.file, "--json").shapes
    assert shape["interrupted"] is None
    assert shape["lock"] is None
    assert History().runs()[0].version == "v2"


def test_a_command_to_go_on_with_names_the_target_where_there_are_several(
    run: Run, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    targets = (Target("localhost", "local"), Target("127.0.0.1", "local"))
    service.request = replace(service.request, targets=targets)
    monkeypatch.chdir(service.file.parent)
    folder = Path("a folder")
    folder.mkdir()
    service.file = folder / "slipway.toml"
    service.change("good", "v1")
    header = {"run": "r1", "title": "Deploy", "release": "1", "by": "ann@desk"}
    lines = [header | {"titles": ["Send"], "steps": [{}]}, {"step": 0, "before": {}}]
    journal = service.place / "journal" / "r1.jsonl"
    journal.parent.mkdir(parents=True)
    journal.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    quoted = '"a folder"' if os.name == "nt" else "'a folder'"
    one = f"“slipway rollback {quoted} --target 127.0.0.1”"
    told = run("status", folder, "--target", "127.0.0.1").out
    assert f"{one} takes it back, “slipway resume" in told
    with journal.open("a", encoding="utf-8") as open_journal:
        open_journal.write('{"undoing": true}\n')
    told = run("status", folder, "--target", "127.0.0.1").out
    assert f"{one} finishes that." in told
    assert "resume" not in told


@pytest.mark.slow
def test_a_reader_that_goes_away_does_not_end_the_run(service: Service) -> None:
    process = begun(service, "[1/8]")
    assert process.stdout
    process.stdout.close()
    assert process.wait(timeout=30) == 0
    assert service.page()["version"] == "v1"


@pytest.mark.parametrize("verb", ["deploy", "rollback"])
def test_that_nobody_can_be_asked_is_said_before_anything_is_done(
    run: Run, service: Service, verb: str
) -> None:
    answer = run(verb, service.file)
    assert answer.code == 2
    assert "--yes" in answer.err
    assert answer.out == ""


@posix_only
@pytest.mark.parametrize(("answer", "code"), [("n", 130), ("", 130), ("y", 0)])
def test_a_person_is_asked(service: Service, answer: str, code: int) -> None:
    ended, said = converse(["deploy", service.file], [("Deploy now?", answer)])
    assert ended == code, said
    assert service.place.exists() == (code == 0)


@posix_only
def test_following_logs_ends_with_ctrl_c(run: Run, service: Service) -> None:
    assert run("deploy", service.file, "--yes").code == 0
    process = begin("logs", service.file, "-f", waits_for="listens")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=10)
    assert process.returncode == 0


# -- what is shown -----------------------------------------------------------------------------


def test_without_a_terminal_progress_is_sparse(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    view = TextView(Console(), ["Lock", "Send"])
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    view.show(StepChanged(1, StepState.RUNNING))
    for done in range(120):
        now += 0.1
        view.show(Progress(1, done, 120))
    view.show(StepChanged(1, StepState.DONE))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "[2/2] Send"
    assert len([line for line in lines if " of 120 bytes" in line]) == 2
    assert "done in 12.0 s" in lines[-1]
    view.show(StepChanged(0, StepState.DONE))
    assert capsys.readouterr().out == "", "it was done in the run that was interrupted"


def test_json_progress_is_at_most_ten_a_second(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    view = JsonView(Console(as_json=True), ["Send"])
    now = 100.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for done in range(101):
        now += 0.01
        view.show(Progress(0, done, 100))
    view.show(Line(0, "note", "sent"))
    view.show(RunEnded(Outcome.CANCELLED))
    shapes = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    progress = [shape for shape in shapes if shape["event"] == "progress"]
    assert 9 <= len(progress) <= 12
    assert progress[-1] == {"event": "progress", "row": 0, "done": 100, "total": 100}
    assert shapes[-2] == {"event": "line", "row": 0, "stream": "note", "text": "sent"}
    assert shapes[-1]["exit_code"] == 130


# -- demo --------------------------------------------------------------------------------------


@pytest.mark.slow
def test_the_demo_observes_what_it_claims(run: Run, home: Path) -> None:
    answer = run("demo", "--headless")
    assert answer.code == 0, answer.out + answer.err
    for words in ("shows v1", "v1 → v2-broken → v1", "shows v2.", "answers no more"):
        assert words in answer.out
    assert History().runs() == ()


def test_the_demo_believes_only_what_it_sees(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    story = demo.Story(None, None, "http://127.0.0.1:9/")  # type: ignore[arg-type]
    with pytest.raises(HealthCheckFailed, match="not v2"):
        story._observe("v2")
    with pytest.raises(HealthCheckFailed, match="did not change"):
        story._expect_seen(["v1", "v2-broken"], ["v1", "v2-broken", "v1"])


def test_the_demo_opens_a_window_only_where_one_can_be_seen(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.setenv("DISPLAY", ":0")
    assert demo.window_wanted(["demo"])
    assert not demo.window_wanted(["demo", "--headless"])
    assert not demo.window_wanted(["deploy", "x"])
    monkeypatch.delenv("DISPLAY")
    assert not demo.window_wanted(["demo"])


def test_the_sample_is_ready_to_deploy(tmp_path: Path) -> None:
    file = sample.sample_profile(tmp_path / "sample")
    request = profile.load(file)
    assert request.project.path == tmp_path / "sample"
    assert request.deploy.kind == "process"
    (tmp_path / "sample" / "main.go").write_text("package main // mine")
    assert sample.sample_profile(tmp_path / "sample") == file
    assert profile.load(file) == request
    assert "mine" in (tmp_path / "sample" / "main.go").read_text()


def test_open_is_a_command_with_help_of_its_own(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["open", "--help"])
    assert ended.value.code == 0
    said = capfd.readouterr().out
    assert "slipway open" in said
    assert "open the wizard's window, filled in" in said
    assert "FILE" in said
    opened: list[tuple[Path, str]] = []
    words = ["open", str(tmp_path), "--language", "zh_CN"]
    assert main(words, lambda file, language: opened.append((file, language)) or 0) == 0
    assert opened == [(tmp_path, "zh_CN")]
    assert main(["open", str(tmp_path), "--language", "en"]) == 2  # there is no window here


@pytest.mark.parametrize("words", [["--language", "de_DE", "status"], ["status", "--language=xx"]])
def test_a_language_that_there_is_not_is_told_in_that_of_the_system(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str]
) -> None:
    monkeypatch.setenv("LANGUAGE", "zh_CN")
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    said = capfd.readouterr().err
    assert "en, zh_CN" in said
    assert "用法" in said


def test_the_place_in_a_broken_profile_is_told_in_words(run: Run, tmp_path: Path) -> None:
    file = tmp_path / "slipway.toml"
    file.write_text('name = "a"\nkeep 3\n')
    answer = run("plan", file)
    assert answer.code == 2
    assert f"{file}: line 2, column 6: Expected '='" in answer.err


def test_a_table_stands_in_columns_whatever_letters_it_has() -> None:
    assert table((("Name", "By"), ("发布", "me"), ("longer", ""))) == [
        "Name    By",
        "发布    me",
        "longer",
    ]
