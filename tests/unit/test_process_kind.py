"""The process kind on this computer: a real Go program, deployed, taken back, interrupted.

Run as a program this file is a desktop that is killed in the middle of a deployment.
"""

from __future__ import annotations

import json
import os
import pickle
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from app import service, supervise
from app.artifact import Artifact
from app.errors import CommandFailed, HealthCheckFailed, SlipwayError
from app.events import Event, Line, Outcome, RunEnded, StepChanged, StepState
from app.host import HostFacts, probe
from app.kinds.process import CheckProcess, SwitchProcess
from app.outcomes import what_runs
from app.plan import Plan, make_plan, make_rollback_plan, readiness
from app.prepare import prepare
from app.recovery import recover, resume
from app.releases import Store
from app.request import (
    BuildOptions,
    DeployOptions,
    DeployRequest,
    HealthOptions,
    ProjectOptions,
    Target,
)
from app.runner import Runner
from app.step import RunContext
from app.transport import CancelToken, Command, CommandResult, Secret
from app.transport.local import LocalTransport
from tests.waiting import KILL, alive, parent_of, wait_until

ROOT = Path(__file__).resolve().parent.parent.parent
TARGET = Target("localhost", "local")

pytestmark = pytest.mark.slow


@dataclass
class Desktop:
    """One service on this computer, deployed the way the wizard does it."""

    request: DeployRequest
    transport: LocalTransport = field(default_factory=LocalTransport)
    secrets: dict[str, Secret] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    runner: Runner | None = None

    @property
    def place(self) -> Path:
        return Path(self.request.deploy.root) / self.request.name

    @property
    def port(self) -> int:
        return int(self.request.deploy.env["PORT"])

    def facts(self) -> HostFacts:
        return probe(self.transport, self.request, TARGET)

    def run(self, plan: Plan) -> Outcome:
        self.events.clear()
        self.runner = Runner(plan, self.transport, self.emit, secrets=self.secrets)
        return self.runner.run(CancelToken())

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def plan(self, package: Artifact) -> Plan:
        facts = self.facts()
        assert [item for item in readiness(self.request, facts) if item.blocking] == []
        return make_plan(self.request, package, facts, self.secrets)

    def deploy(self, package: Artifact) -> Outcome:
        plan = self.plan(package)
        assert not plan.empty
        return self.run(plan)

    def take_back(self) -> Outcome:
        assert self.runner
        return self.runner.roll_back()

    def control(self, action: service.Action) -> None:
        service.control(self.transport, self.request, self.facts(), action)

    def serves(self) -> str:
        """The version that answers, "" if nothing does."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/", timeout=5) as answer:
                return str(json.load(answer)["version"])
        except OSError:
            return ""

    def served_by(self) -> int:
        return int(supervise.status(self.place)["pid"])

    @property
    def ended(self) -> RunEnded:
        ended = self.events[-1]
        assert isinstance(ended, RunEnded)
        return ended

    @property
    def error(self) -> SlipwayError:
        assert self.ended.error
        return self.ended.error

    @property
    def steps(self) -> list[tuple[int, StepState]]:
        return [
            (event.index, event.state) for event in self.events if isinstance(event, StepChanged)
        ]

    @property
    def lines(self) -> list[str]:
        return [event.text for event in self.events if isinstance(event, Line)]

    def kill_supervisor(self) -> int:
        """Kill the supervisor; return the program's process id."""
        program = self.served_by()
        os.kill(parent_of(program), KILL)
        assert wait_until(lambda: not supervise.alive(self.place))
        return program


def begin_desktop(folder: Path) -> Iterator[Desktop]:
    """A service that is not deployed yet; whatever runs is ended in the end."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    request = DeployRequest(
        name="good",
        deploy=DeployOptions(
            kind="process",
            env={"PORT": str(port)},
            root=(folder / "services").as_posix(),
            health=HealthOptions(http=f"http://127.0.0.1:{port}/health", timeout=5, stable=0.2),
        ),
        targets=(TARGET,),
    )
    desktop = Desktop(request)
    yield desktop
    assert supervise.stop(desktop.place, 2.0) == 0
    assert desktop.serves() == ""


@pytest.fixture
def desktop(tmp_path: Path) -> Iterator[Desktop]:
    yield from begin_desktop(tmp_path)


Build = Callable[..., Artifact]


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Return a version of a sample project; each is built once."""
    known: dict[tuple[str, str], Artifact] = {}

    def build(version: str, project: str = "good") -> Artifact:
        if (version, project) not in known:
            request = DeployRequest(
                name=project,
                project=ProjectOptions(ROOT / "tests" / "projects" / project),
                build=BuildOptions(version=version, stamp="main.version"),
                deploy=DeployOptions(kind="process"),
            )
            platform = probe(LocalTransport(), request, TARGET).platform
            package = prepare(request, platform, tmp_path_factory.mktemp("built"))
            assert isinstance(package, Artifact)
            known[version, project] = package
        return known[version, project]

    return build


# -- there and back ----------------------------------------------------------------------------


def test_versions_come_and_go(desktop: Desktop, built: Build) -> None:
    assert desktop.deploy(built("v1")) is Outcome.SUCCEEDED
    assert desktop.serves() == "v1"
    assert desktop.plan(built("v1")).empty
    assert desktop.deploy(built("v2")) is Outcome.SUCCEEDED
    assert desktop.serves() == "v2"

    assert desktop.run(make_rollback_plan(desktop.request, desktop.facts())) is Outcome.SUCCEEDED
    assert desktop.serves() == "v1"
    assert desktop.take_back() is Outcome.ROLLED_BACK
    assert desktop.serves() == "v2"

    records = desktop.facts().records
    assert records.find(records.state.current)
    assert [item.version for item in records.releases] == ["v1", "v2"]
    assert records.lock is records.interrupted is None


def test_undo_of_the_first_deployment_leaves_nothing(desktop: Desktop, built: Build) -> None:
    desktop.deploy(built("v1"))
    program = desktop.served_by()
    assert desktop.take_back() is Outcome.ROLLED_BACK
    assert not alive(program)
    assert list((desktop.place / "releases").iterdir()) == []
    assert desktop.facts().records.state.current == ""


def test_a_bad_version_is_taken_back_with_its_own_last_words(
    desktop: Desktop, built: Build
) -> None:
    desktop.deploy(built("v1"))
    assert desktop.deploy(built("v2", "crashes-at-start")) is Outcome.FAILED_RESTORED
    assert isinstance(desktop.error, HealthCheckFailed)
    assert "cannot reach the database" in desktop.error.detail
    # what the version before had said is not laid to the new one's charge
    assert "listens on port" not in desktop.error.detail + "\n".join(desktop.lines)
    assert desktop.serves() == "v1"
    state = desktop.facts().records.state
    assert [item.endswith("v2") for item in state.bad] == [True]
    assert state.current.endswith("v1")
    assert desktop.ended.switched
    undone = [row for row, state in desktop.steps if state is StepState.UNDONE]
    assert undone == [3, 2, 1], "of the health check there is nothing to put back"


def test_a_failure_before_the_switch_says_that_what_runs_was_not_touched(
    desktop: Desktop, built: Build
) -> None:
    desktop.deploy(built("v1"))
    program = desktop.served_by()
    plan = desktop.plan(built("v2"))
    (desktop.place / "releases" / plan.release).write_text("in the way")
    assert desktop.run(plan) is Outcome.FAILED_RESTORED
    assert not desktop.ended.switched
    assert desktop.served_by() == program
    assert what_runs(desktop.ended, plan) == (
        "v1 was not interrupted: this run did not come to the switch."
    )


def test_a_plan_of_before_is_refused_with_what_to_do(desktop: Desktop, built: Build) -> None:
    old = desktop.plan(built("v1"))
    desktop.deploy(built("v2"))
    assert desktop.run(old) is Outcome.FAILED_RESTORED
    assert "Another release serves now" in desktop.error.detail
    assert "Begin again: the plan is made anew then." in desktop.error.hint
    assert desktop.serves() == "v2"


def test_the_way_back_says_what_it_cannot_bring_back(desktop: Desktop, built: Build) -> None:
    plan = desktop.plan(built("v1"))
    assert any("files that the program wrote to" in text for text in plan.cannot)
    assert (plan.first, plan.serving) == (True, "")
    desktop.deploy(built("v1"))
    plan = desktop.plan(built("v2"))
    assert (plan.first, plan.serving) == (False, "v1")


def test_a_record_of_a_later_version_can_be_rolled_back_to(desktop: Desktop, built: Build) -> None:
    desktop.deploy(built("v1"))
    desktop.deploy(built("v2"))
    file = next((desktop.place / "releases").glob("*v1")) / "release.json"
    record = json.loads(file.read_text())
    record["health"] |= {"patience": 3}
    file.write_text(json.dumps(record))
    assert desktop.run(make_rollback_plan(desktop.request, desktop.facts())) is Outcome.SUCCEEDED
    assert desktop.serves() == "v1"


def test_secrets_are_hidden_in_commands_and_survive_a_rollback(
    desktop: Desktop, built: Build
) -> None:
    deploy = replace(desktop.request.deploy, secrets=("GREETING",))
    desktop.request = replace(desktop.request, deploy=deploy)
    desktop.secrets = {"GREETING": Secret("geheim")}
    desktop.transport = told = Telling()
    desktop.deploy(built("v1"))
    desktop.deploy(built("v2"))
    assert any("start" in command.argv for command in told.commands)
    assert "geheim" not in repr(told.commands)
    desktop.run(make_rollback_plan(desktop.request, desktop.facts()))
    with urllib.request.urlopen(f"http://127.0.0.1:{desktop.port}/", timeout=5) as answer:
        assert json.load(answer)["greeting"] == "geheim"


class Telling(LocalTransport):
    """This computer, and what it was told to run."""

    def __init__(self) -> None:
        super().__init__()
        self.commands: list[Command] = []

    def run(self, command: Command, **keywords: Any) -> CommandResult:
        self.commands.append(command)
        return super().run(command, **keywords)


# -- start, stop, and what went wrong in between -----------------------------------------------


def test_stop_and_start(desktop: Desktop, built: Build) -> None:
    desktop.deploy(built("v1"))
    desktop.control("stop")
    assert desktop.serves() == ""
    stopped = desktop.facts()
    assert stopped.process.state == "stopped"  # type: ignore[union-attr]
    status = service.status(desktop.transport, desktop.request, stopped)
    assert (status.state, status.since) == ("stopped", "")
    (release,) = stopped.records.releases
    clean = replace(release, dirty=False)  # whatever the checkout is that this is run in
    words = service.release_words(desktop.request, stopped, clean)
    assert words == "current, but not running"
    words = service.release_words(desktop.request, stopped, replace(release, dirty=True))
    assert words == "current, but not running, uncommitted changes"
    desktop.control("start")
    assert wait_until(lambda: desktop.serves() == "v1")
    program = desktop.served_by()
    desktop.control("start")
    assert desktop.served_by() == program
    desktop.control("restart")
    assert not alive(program)
    assert wait_until(lambda: desktop.serves() == "v1")


def test_start_of_what_was_never_deployed_says_why(desktop: Desktop) -> None:
    with pytest.raises(CommandFailed, match="nothing to start"):
        desktop.control("start")


def test_start_after_its_files_are_gone_says_why(desktop: Desktop, built: Build) -> None:
    desktop.deploy(built("v1"))
    desktop.control("stop")
    (next((desktop.place / "releases").iterdir()) / "run.json").unlink()
    with pytest.raises(CommandFailed, match="nothing to start"):
        desktop.control("start")


def test_start_after_the_status_was_lost(desktop: Desktop, built: Build) -> None:
    desktop.deploy(built("v1"))
    desktop.control("stop")
    (desktop.place / "status.json").unlink()
    assert desktop.facts().process.state == "missing"  # type: ignore[union-attr]
    desktop.control("start")
    assert wait_until(lambda: desktop.serves() == "v1")


def test_a_deployment_ends_what_lost_its_supervisor(desktop: Desktop, built: Build) -> None:
    desktop.deploy(built("v1"))
    old = desktop.kill_supervisor()
    assert desktop.serves() == "v1"
    assert desktop.facts().process.state == "lost"  # type: ignore[union-attr]
    assert desktop.deploy(built("v2")) is Outcome.SUCCEEDED
    assert not alive(old)
    assert desktop.serves() == "v2"


def test_what_lost_its_supervisor_serves_again_after_a_failure(
    desktop: Desktop, built: Build
) -> None:
    desktop.deploy(built("v1"))
    desktop.kill_supervisor()
    assert desktop.deploy(built("v2", "crashes-at-start")) is Outcome.FAILED_RESTORED
    assert desktop.serves() == "v1"
    assert desktop.facts().process.running  # type: ignore[union-attr]


def test_what_did_not_run_is_not_started_by_a_failure(desktop: Desktop, built: Build) -> None:
    desktop.deploy(built("v1"))
    os.kill(desktop.kill_supervisor(), KILL)
    assert wait_until(lambda: desktop.serves() == "")
    assert desktop.deploy(built("v2", "crashes-at-start")) is Outcome.FAILED_RESTORED
    assert desktop.serves() == ""


def test_the_health_check_leaves_a_slow_machine_time_to_itself(tmp_path: Path) -> None:
    """Half of the time at most is spent on asking the supervisor."""
    transport = Slow()
    store = Store(str(tmp_path), sudo=False)
    ctx = RunContext(transport, store, lambda *_: None, lambda *_: None, CancelToken())
    CheckProcess(str(tmp_path), HealthOptions(stable=0.01, timeout=1)).apply(ctx, {})
    pairs = zip(transport.asked, transport.asked[1:], strict=False)
    assert len(transport.asked) >= 2
    assert all(later - earlier >= 2 * Slow.SECONDS for earlier, later in pairs)


class Slow(LocalTransport):
    """A computer on which every command takes its time."""

    SECONDS = 0.3

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[float] = []

    def run(self, command: Command, **_keywords: Any) -> CommandResult:
        self.asked.append(time.monotonic())
        time.sleep(self.SECONDS)
        return CommandResult(command, 0, '{"state": "running", "pid": 1}', "")


# -- a desktop that is killed ------------------------------------------------------------------

# each step as it begins, and the switch with the old version stopped and the new one not begun
BEFORE_THE_SWITCH = ("1 running", "2 running", "3 running")
MOMENTS = [*(f"{row} running" for row in range(1, 8)), "start", "3 done"]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory, built: Build) -> Iterator[Desktop]:
    """A service whose v1 serves, before and after each test."""
    for desktop in begin_desktop(tmp_path_factory.mktemp("serving")):
        assert desktop.deploy(built("v1")) is Outcome.SUCCEEDED
        yield desktop


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_killed_desktop_is_taken_back(serving: Desktop, built: Build, moment: str) -> None:
    before = serving.facts().records
    die(serving, built("v2"), moment)
    facts = serving.facts()
    assert facts.records.interrupted
    outcome = recover(serving.transport, serving.request, facts, serving.emit)
    assert outcome is Outcome.ROLLED_BACK
    assert serving.ended.switched is (moment not in BEFORE_THE_SWITCH)
    current = facts.records.version_before(facts.records.interrupted.release)
    assert current == "v1"
    states = dict(serving.steps)
    begun = {entry.index + 1 for entry in facts.records.interrupted.entries}
    assert begun <= states.keys(), "none of them is told as not begun"
    assert StepState.UNDOING not in states.values()
    assert serving.serves() == "v1"
    after = serving.facts()
    assert after.records.state == before.state
    assert after.records.releases == before.releases
    assert after.records.interrupted is after.records.lock is None
    assert serving.plan(built("v1")).empty


def test_a_desktop_killed_while_putting_back_is_helped_to_the_end(
    desktop: Desktop, built: Build
) -> None:
    desktop.deploy(built("v1"))
    die(desktop, built("v2", "crashes-at-start"), "3 undone")
    outcome = recover(desktop.transport, desktop.request, desktop.facts(), desktop.emit)
    assert outcome is Outcome.ROLLED_BACK
    assert desktop.serves() == "v1"
    assert dict(desktop.steps)[3] is StepState.UNDONE
    assert desktop.ended.switched, "what was undone before had been switched too"


@pytest.mark.parametrize("moment", ["2 running", "start", "4 running"])
def test_a_killed_desktop_goes_on(desktop: Desktop, built: Build, moment: str) -> None:
    desktop.deploy(built("v1"))
    die(desktop, built("v2"), moment)
    outcome = resume(
        desktop.transport, desktop.request, built("v2"), desktop.facts(), desktop.emit,
        CancelToken(), {},
    )  # fmt: skip
    assert outcome is Outcome.SUCCEEDED
    assert desktop.serves() == "v2"
    assert desktop.facts().records.state.current.endswith("v2")


def test_undo_is_safe_twice(desktop: Desktop, built: Build) -> None:
    desktop.deploy(built("v1"))
    desktop.deploy(built("v2"))
    assert desktop.runner
    plan = desktop.runner.plan
    switch = next(step for step in plan.steps if isinstance(step, SwitchProcess))
    ctx = RunContext(desktop.transport, plan.store, lambda *_: None, lambda *_: None, CancelToken())
    before = {"release": desktop.facts().records.state.previous, "running": True}
    for _time in range(2):
        switch.undo(ctx, before)
        assert wait_until(lambda: desktop.serves() == "v1")


def die(desktop: Desktop, package: Artifact, moment: str) -> None:
    """Deploy from another desktop, which is killed at a moment."""
    done = subprocess.run(
        [sys.executable, __file__],
        input=pickle.dumps((desktop.request, package, moment)),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        cwd=ROOT,
        timeout=60,
        check=False,
    )
    assert done.returncode == (KILL if os.name == "nt" else -KILL)


class Mortal(LocalTransport):
    """This computer, until the supervisor shall start something."""

    def run(self, command: Command, **keywords: Any) -> CommandResult:
        if "start" in command.argv:
            os.kill(os.getpid(), KILL)
        return super().run(command, **keywords)


def main() -> None:
    """Deploy, and be killed as a row of the plan enters a state, or before a start."""
    request, package, moment = pickle.loads(sys.stdin.buffer.read())
    desktop = Desktop(request, Mortal() if moment == "start" else LocalTransport())

    def emit(event: Event) -> None:
        if isinstance(event, StepChanged) and f"{event.index} {event.state}" == moment:
            os.kill(os.getpid(), KILL)

    desktop.emit = emit  # type: ignore[method-assign]
    desktop.deploy(package)


if __name__ == "__main__":
    main()
