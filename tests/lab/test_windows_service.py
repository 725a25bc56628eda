"""Windows services on the lab's Windows: deployed, replaced, taken back, adopted, given back."""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from app.artifact import Artifact
from app.events import Event, Outcome, StepChanged, StepState
from app.plan import readiness
from app.prepare import prepare
from app.releases import take_lock
from app.service import control, follow_logs, status
from app.transport import CancelToken, Secret
from tests.lab.windows_desk import WindowsDesk, windows_request
from tests.lab.windows_host import Control, WindowsHost

numbers = itertools.count()
WAYS = ("windows-winrm", "windows-ssh")
CUTS = 8
NSSM = r"C:\tools\nssm.exe"
ROOT_FOLDER = Path(__file__).resolve().parent.parent.parent


def make_desk(host: WindowsHost, folder: Path) -> WindowsDesk:
    number = next(numbers)
    name = f"svc-{os.getpid() % 10000}-{number}"
    return WindowsDesk(host, windows_request(host, name, 21000 + number, folder), folder)


# Commands travel the same way whatever runs the program: the long trips go over WinRM, where
# answers can be lost, and a plain program's over SSH too. test_transport.py compares both.
@pytest.fixture
def distant(windows_hosts: dict[str, WindowsHost], tmp_path: Path) -> Iterator[WindowsDesk]:
    """A service of its own over WinRM."""
    desk = make_desk(windows_hosts["windows-winrm"], tmp_path)
    yield desk
    desk.clean_up()


@pytest.fixture(params=WAYS)
def desk(
    request: pytest.FixtureRequest, windows_hosts: dict[str, WindowsHost], tmp_path: Path
) -> Iterator[WindowsDesk]:
    """A service of its own over each transport."""
    desk = make_desk(windows_hosts[request.param], tmp_path)
    yield desk
    desk.clean_up()


@pytest.fixture
def one(windows_hosts: dict[str, WindowsHost], tmp_path: Path) -> Iterator[WindowsDesk]:
    """A service of its own over SSH, where the transport makes no difference."""
    desk = make_desk(windows_hosts["windows-ssh"], tmp_path)
    yield desk
    desk.clean_up()


def in_order(desk: WindowsDesk) -> bool:
    """Whether a service is as its records say, and nothing is under way."""
    records = desk.facts().records
    try:
        version = desk.version
    except OSError:
        return False
    current = records.current
    open_runs = (records.lock, records.interrupted)
    return open_runs == (None, None) and current is not None and current.version == version


@pytest.fixture(scope="module")
def kept(
    windows_hosts: dict[str, WindowsHost], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[], WindowsDesk]]:
    """Give the service that tests hand on to each other; another one if one left it in disorder."""
    made: list[WindowsDesk] = []

    def kept() -> WindowsDesk:
        if not made or not in_order(made[-1]):
            made.append(make_desk(windows_hosts["windows-ssh"], tmp_path_factory.mktemp("kept")))
            assert made[-1].deploy("v1") is Outcome.SUCCEEDED, made[-1].events[-1]
        return made[-1]

    yield kept
    for desk in made:
        desk.clean_up()


@pytest.fixture
def serving(kept: Callable[[], WindowsDesk]) -> WindowsDesk:
    """A service that serves some version, as the test before left it: that it does is its proof."""
    desk = kept()
    build = replace(desk.request.build, version=desk.version)
    return WindowsDesk(desk.host, replace(desk.request, build=build), desk.folder, held=desk.held)


@pytest.fixture
def other(serving: WindowsDesk, tmp_path: Path) -> Iterator[WindowsDesk]:
    """Another desktop, which knows nothing of what was done from the first."""
    other = WindowsDesk(serving.host, serving.request, tmp_path / "other")
    yield other
    other.hang_up()


def after(version: str) -> str:
    """The version that is deployed after one."""
    return f"v{int(version[1:]) + 1}"


def assert_clean(desk: WindowsDesk) -> None:
    """Nothing is left half done on the server."""
    facts = desk.facts()
    assert facts.records.lock is None
    assert facts.records.interrupted is None


def settled(registered: str) -> str:
    """The registry's text without what Windows counts up by itself."""
    return re.sub(r"(?m)^.*(DeleteFlag|FailureActionsOnNonCrashFailures).*\n", "", registered)


# -- the trip ------------------------------------------------------------------------------------


def whole_trip(desk: WindowsDesk) -> None:
    """v1, v2, a broken v3 that is taken back by itself, back to v1."""
    assert desk.deploy("v1") is Outcome.SUCCEEDED, desk.events[-1]
    assert desk.serves("v1")
    assert desk.deploy("v2") is Outcome.SUCCEEDED, desk.events[-1]
    assert desk.serves("v2")
    assert desk.plan().empty
    good = desk.request
    desk.with_deploy(args=("1",), env={"PORT": "1"})  # a port that nobody asks
    desk.with_health(timeout=4)
    assert desk.deploy("v3") is Outcome.FAILED_RESTORED
    assert desk.serves("v2")
    desk.request = good
    assert desk.roll_back() is Outcome.SUCCEEDED, desk.events[-1]
    assert desk.serves("v1")
    assert_clean(desk)
    records = desk.facts().records
    assert [item.version for item in records.releases] == ["v1", "v2", "v3"]
    assert len(records.state.bad) == 1


def test_a_plain_program_is_wrapped(desk: WindowsDesk) -> None:
    whole_trip(desk)
    assert "slipway-host" in desk.registered()
    windows = desk.facts().windows
    assert windows is not None
    assert windows.service is not None
    assert windows.service.program.endswith("\\good.exe"), "it is the program that is named"


@pytest.mark.parametrize("project", ["scm", "kardianos"])
def test_a_program_that_speaks_runs_natively(distant: WindowsDesk, project: str) -> None:
    distant.speaking(project)
    whole_trip(distant)
    assert "slipway-host" not in distant.registered()


def test_under_nssm(distant: WindowsDesk) -> None:
    distant.with_windows(host="nssm", nssm=NSSM)
    whole_trip(distant)
    assert "nssm.exe" in distant.registered()


def test_environment_arguments_and_secrets_reach_a_wrapped_program(desk: WindowsDesk) -> None:
    value = "geheim 'x\" %PATH% ^& 中文"
    desk.secrets = {"GREETING": Secret(value)}
    desk.with_deploy(
        args=('a "quoted" b', "trailing\\", "%PATH%", "中文", ""),
        env={"PORT": str(desk.port)},
        secrets=("GREETING",),
    )
    plan = desk.plan()
    assert desk.run(plan) is Outcome.SUCCEEDED, desk.events[-1]
    answer = json.loads(desk.answer())
    assert answer["greeting"] == value
    assert answer["args"] == ['a "quoted" b', "trailing\\", "%PATH%", "中文", ""]
    root = f"/wine/drive_c/Services/{desk.name}"
    spread = desk.host.witness.sh(f"grep -rl geheim '{root}' || true").decode().split()
    assert [Path(path).name for path in spread] == ["secrets.json"]
    for text in (desk.output, repr(plan), repr(desk.events), str(plan.rows), desk.registered()):
        assert "geheim" not in text
    assert desk.plan().empty
    desk.secrets["GREETING"] = Secret("another")
    assert [change.what for change in desk.plan().changes] == ["Secret GREETING"]


def test_undo_of_the_first_deployment_leaves_nothing(one: WindowsDesk) -> None:
    runner = one.runner(one.plan())
    assert runner.run(CancelToken()) is Outcome.SUCCEEDED
    assert runner.roll_back() is Outcome.ROLLED_BACK
    assert one.registered() == ""
    assert one.facts().records.releases == ()
    assert_clean(one)


def test_undo_after_success_gives_the_old_version_back(one: WindowsDesk) -> None:
    one.deploy("v1")
    before = one.registered()
    one.request = replace(one.request, build=replace(one.request.build, version="v2"))
    one.with_windows(description="changed", start="demand")
    runner = one.runner(one.plan())
    assert runner.run(CancelToken()) is Outcome.SUCCEEDED
    assert "changed" in one.registered()
    assert runner.roll_back() is Outcome.ROLLED_BACK
    assert one.serves("v1")
    assert settled(one.registered()) == settled(before)


def test_old_releases_are_pruned_but_never_current_or_previous(one: WindowsDesk) -> None:
    one.with_deploy(keep=2)
    for version in ("v1", "v2", "v3", "v4"):
        assert one.deploy(version) is Outcome.SUCCEEDED, one.events[-1]
    records = one.facts().records
    assert [item.version for item in records.releases] == ["v3", "v4"]
    assert one.roll_back() is Outcome.SUCCEEDED
    assert one.serves("v3")


def test_a_damaged_release_is_refused_before_anything_stops(one: WindowsDesk) -> None:
    one.deploy("v1")
    one.deploy("v2")
    old = one.facts().records.releases[0]
    place = f"/wine/drive_c/Services/{one.name}/releases/{old.id}/good.exe"
    one.host.witness.sh(f"printf x >> '{place}'")
    service = one.facts().windows
    assert one.roll_back() is Outcome.FAILED_RESTORED
    assert one.serves("v2")
    again = one.facts().windows
    assert service is not None
    assert again is not None
    assert service.service is not None
    assert again.service is not None
    assert service.service.process == again.service.process
    assert_clean(one)


def test_a_trial_run_that_fails_stops_nothing(one: WindowsDesk) -> None:
    one.deploy("v1")
    one.with_windows(smoke=("x",))
    assert one.deploy("bad", "crashes-at-start") is Outcome.FAILED_RESTORED
    assert "trial run" in one.error.title
    assert one.serves("v1")
    assert_clean(one)


# -- bad versions --------------------------------------------------------------------------------

BAD = ("never-healthy", "crashes-at-start", "crashes-after-healthy", "exits-zero", "wrong-port",
       "slow-healthy")  # fmt: skip


@pytest.mark.parametrize("project", BAD)
def test_a_bad_version_is_taken_back(serving: WindowsDesk, project: str) -> None:
    known = serving.facts().records.state
    version = serving.version
    serving.with_health(timeout=4, stable=5)
    assert serving.deploy("bad", project) is Outcome.FAILED_RESTORED
    assert serving.serves(version)
    assert "Its last output" in serving.error.detail or "said nothing" in serving.error.detail
    assert serving.error.hint
    assert_clean(serving)
    state = serving.facts().records.state
    assert (state.current, state.verified) == (known.current, known.verified)
    assert len(state.bad) == len(known.bad) + 1


def test_a_stubborn_old_version_is_ended_after_its_grace(one: WindowsDesk) -> None:
    one.with_windows(stop_timeout=1.0)
    assert one.deploy("v1", "ignores-sigterm") is Outcome.SUCCEEDED
    assert one.deploy("v2", "good") is Outcome.SUCCEEDED
    assert one.serves("v2")


# -- adopting ------------------------------------------------------------------------------------


def start_foreign(desk: WindowsDesk, *, nssm: bool) -> None:
    r"""Install the scm program as somebody else would, by sc or nssm, under D:\old."""
    desk.speaking("scm")
    built = prepare(desk.request, "windows/amd64", desk.folder / "foreign")
    assert isinstance(built, Artifact)
    witness = desk.host.witness
    program = rf"C:\old {desk.name}\server.exe"
    witness.write(program, built.path.read_bytes())
    if nssm:
        witness.wine(NSSM, "install", desk.name, program, str(desk.port))
        witness.wine(NSSM, "set", desk.name, "AppEnvironmentExtra", "GREETING=foreign")
        witness.wine(NSSM, "set", desk.name, "DisplayName", f"Old 服务 {desk.name}")
        witness.wine(NSSM, "start", desk.name, check=False)
    else:
        path = f'"{program}" {desk.port}'
        witness.wine(
            "sc", "create", desk.name, "binPath=", path, "DisplayName=", f"Old 服务 {desk.name}"
        )
        witness.wine("sc", "start", desk.name, check=False)
    witness.wait_for_http(desk.port)


@pytest.mark.parametrize(
    ("desk", "nssm"), [("windows-ssh", False), ("windows-winrm", True)], indirect=["desk"]
)
def test_a_foreign_service_is_adopted_hotfixed_and_given_back(
    desk: WindowsDesk, nssm: bool
) -> None:
    start_foreign(desk, nssm=nssm)
    before = desk.registered()
    found = desk.facts().windows
    assert found is not None
    assert found.service is not None
    assert found.service.kind == ("nssm" if nssm else "plain")
    assert found.service.display_name == f"Old 服务 {desk.name}"
    problems = readiness(desk.request, desk.facts())
    assert [item.blocking for item in problems] == [False]
    assert desk.deploy("hotfix") is Outcome.SUCCEEDED, desk.events[-1]
    assert desk.serves("hotfix")
    fixed = desk.facts().windows
    assert fixed is not None
    assert fixed.service is not None
    assert fixed.service.display_name == f"Old 服务 {desk.name}"
    if nssm:
        assert json.loads(desk.answer())["greeting"] == "foreign"
    assert desk.roll_back() is Outcome.SUCCEEDED, desk.events[-1]
    assert settled(desk.registered()) == settled(before)
    assert desk.serves("v1")
    assert_clean(desk)


def test_a_bad_hotfix_gives_a_foreign_service_back(one: WindowsDesk) -> None:
    start_foreign(one, nssm=True)
    before = one.registered()
    one.with_health(timeout=4)
    assert one.deploy("bad", "crashes-at-start") is Outcome.FAILED_RESTORED
    assert settled(one.registered()) == settled(before)
    one.host.witness.wait_for_http(one.port)


# -- cancel, kill, lost connections ----------------------------------------------------------------


# the rows of a deployment: lock, record, files, rights, switch, check, state, prune, close
ROWS = range(8)
SWITCH, CHECK, CLOSE = 4, 5, 8


@pytest.mark.parametrize("row", ROWS)
def test_cancel_at_any_step_restores(serving: WindowsDesk, row: int) -> None:
    version, releases = serving.version, serving.facts().records.releases
    before = serving.registered()

    def cancel(event: Event) -> None:
        if event == StepChanged(row, StepState.RUNNING):
            serving.cancel.cancel()

    serving.on_event = cancel
    outcome = serving.deploy(after(version))
    serving.on_event = None
    assert outcome is Outcome.CANCELLED
    assert serving.serves(version)
    assert settled(serving.registered()) == settled(before)
    assert serving.facts().records.releases == releases
    if row:
        assert_clean(serving)


def die_at(
    desk: WindowsDesk,
    row: int,
    state: StepState,
    *,
    seconds: float = 0.0,
    cancel: int = -1,
    unwritten: int = -1,
) -> None:
    """Deploy the next version in a process that is killed there, or so many seconds later.

    It cancels as the row ``cancel`` begins, and can't write down that ``unwritten`` is undone.
    """
    wanted = {
        "host": desk.host.name, "name": desk.name, "folder": str(desk.folder),
        "version": after(desk.version), "port": desk.port, "at": [row, state.value],
        "seconds": seconds, "cancel": cancel, "unwritten": unwritten,
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.lab.deploy_windows_and_die", json.dumps(wanted)]
    done = subprocess.run(command, cwd=ROOT_FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


# Between two steps: nothing happens between the end of one and the beginning of the next. And in
# the midst of what takes its time: files, switch, check.
KILLS = [
    *((row, StepState.DONE, 0.0) for row in range(7)),
    *((row, StepState.RUNNING, 1.0) for row in (2, SWITCH, CHECK)),
]


@pytest.mark.parametrize(("row", "state", "seconds"), KILLS)
def test_a_killed_desktop_is_put_right_by_another(
    serving: WindowsDesk, other: WindowsDesk, row: int, state: StepState, seconds: float
) -> None:
    version, releases = serving.version, serving.facts().records.releases
    before = serving.registered()
    die_at(serving, row, state, seconds=seconds)
    facts = other.facts()
    assert facts.records.interrupted is not None
    assert [item.field for item in readiness(other.request, facts) if item.blocking] == ["run"]
    other.break_dead_lock()
    assert other.recover() is Outcome.ROLLED_BACK, other.output
    assert other.serves(version)
    assert settled(other.registered()) == settled(before)
    assert other.facts().records.releases == releases
    assert_clean(other)


@pytest.mark.parametrize(("row", "state", "seconds"), [KILLS[0], *KILLS[2:6]])
def test_a_killed_run_is_resumed(
    serving: WindowsDesk, row: int, state: StepState, seconds: float
) -> None:
    version = after(serving.version)
    die_at(serving, row, state, seconds=seconds)
    serving.request = replace(
        serving.request, build=replace(serving.request.build, version=version)
    )
    serving.break_dead_lock()
    assert serving.resume() is Outcome.SUCCEEDED, serving.output
    assert serving.serves(version)
    assert_clean(serving)
    assert serving.plan().empty


def test_an_undo_that_could_not_be_written_down_is_done_again(
    serving: WindowsDesk, other: WindowsDesk
) -> None:
    version, releases = serving.version, serving.facts().records.releases
    before = serving.registered()
    die_at(serving, CLOSE, StepState.RUNNING, cancel=CHECK, unwritten=SWITCH)
    records = other.facts().records
    assert records.interrupted is not None
    # all else was taken back and written down: the new release's folder is gone
    entries = records.interrupted.entries
    assert [entry.index + 1 for entry in entries if not entry.undone] == [SWITCH]
    assert records.releases == releases
    other.break_dead_lock()
    assert other.recover() is Outcome.ROLLED_BACK, other.output
    assert other.serves(version)
    assert settled(other.registered()) == settled(before)
    assert_clean(other)


@pytest.mark.parametrize("row", [2, 4, 5])
def test_a_cut_connection_is_made_again_and_nothing_is_left_half_done(
    windows_hosts: dict[str, WindowsHost], tmp_path: Path, row: int
) -> None:
    host = windows_hosts["windows-winrm"]
    control, desk = Control(host), make_desk(host, tmp_path)
    control.reset()

    def cut(event: Event) -> None:
        if event == StepChanged(row, StepState.RUNNING):
            control.reset()
            control.order("drop", times=CUTS)

    try:
        assert desk.deploy("v1") is Outcome.SUCCEEDED
        desk.on_event = cut
        outcome = desk.deploy("v2")
        desk.on_event = None
        # each cut costs a connection: it was really cut
        assert control.counters()["connections"] >= CUTS
        control.reset()
        assert outcome in (Outcome.FAILED_RESTORED, Outcome.SUCCEEDED), desk.output
        assert desk.serves("v1" if outcome is Outcome.FAILED_RESTORED else "v2")
        assert_clean(desk)
    finally:
        control.reset()
        desk.clean_up()


def test_a_run_whose_lock_was_taken_over_stops_at_once(one: WindowsDesk) -> None:
    one.deploy("v1")
    other = WindowsDesk(one.host, one.request, one.folder, held=one.held)

    def steal(event: Event) -> None:
        if event == StepChanged(2, StepState.DONE):
            facts = other.facts()
            assert facts.records.lock is not None
            store = facts.store("thief")
            take_lock(other.connected(), store, {"who": "thief"}, facts.records.lock.token)

    one.on_event = steal
    assert one.deploy("v2") is Outcome.FAILED_NOT_RESTORED
    one.on_event = None
    assert "thief" in one.error.detail
    assert one.serves("v1")


# -- what runs -------------------------------------------------------------------------------------


def test_status_control_and_log(desk: WindowsDesk) -> None:
    assert status(desk.connected(), desk.request, desk.facts()).state == "missing"
    desk.deploy("v1")
    transport, facts = desk.connected(), desk.facts()
    found = status(transport, desk.request, facts)
    assert (found.state, found.healthy, found.version) == ("running", True, "v1")
    control(transport, desk.request, facts, "stop")
    assert status(transport, desk.request, desk.facts()).state == "stopped"
    control(transport, desk.request, facts, "start")
    control(transport, desk.request, facts, "restart")
    lines: list[str] = []
    follow_logs(
        transport, desk.request, facts, follow=False,
        on_line=lambda stream, text: lines.append(text), cancel=CancelToken(),
    )  # fmt: skip
    assert any("version v1 listens" in line for line in lines)
    transport.close()
