"""Containers on real servers: deployed, replaced, taken back, whatever goes wrong."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Self

import pytest

from app.artifact import Artifact
from app.errors import LockHeld, SlipwayError
from app.events import Event, Line, Outcome, StepChanged, StepState
from app.image import Image
from app.kinds.docker_adopting import adopt
from app.kinds.image_steps import SendImage
from app.plan import make_plan, make_rollback_plan, readiness
from app.prepare import prepare
from app.recovery import recover
from app.releases import Store, break_lock, take_lock
from app.request import BuildOptions, ProjectOptions
from app.service import control, follow_logs, status
from app.transport import CancelToken, Secret
from tests.lab.desk import Desk, build_request
from tests.lab.hosts import LabHost, LabRegistry

numbers = itertools.count()
ROOT_FOLDER = Path(__file__).resolve().parent.parent.parent


def make_desk(host: LabHost, folder: Path) -> Desk:
    number = next(numbers)
    name = f"svc-{os.getpid() % 10000}-{number}"
    return Desk(host, build_request(host, name, 20000 + number, folder), folder)


@pytest.fixture
def desk(host: LabHost, tmp_path: Path) -> Iterator[Desk]:
    """A service of its own on each kind of host."""
    desk = make_desk(host, tmp_path)
    yield desk
    desk.clean_up()


@pytest.fixture
def one(hosts: dict[str, LabHost], tmp_path: Path) -> Iterator[Desk]:
    """A service of its own on one host, where the host makes no difference."""
    desk = make_desk(hosts["bookworm-root"], tmp_path)
    yield desk
    desk.clean_up()


@pytest.fixture
def system(root_host: LabHost, tmp_path: Path) -> Iterator[Desk]:
    """A service of its own on each image store: classic and containerd's."""
    desk = make_desk(root_host, tmp_path)
    yield desk
    desk.clean_up()


def assert_clean(desk: Desk) -> None:
    """Nothing is left half done on the server."""
    facts = desk.facts()
    assert facts.records.lock is None
    assert facts.records.interrupted is None
    assert not [name for name in desk.containers() if name.endswith((".rehearsal", ".proof"))]
    assert desk.host.root(f"ls {facts.root}/incoming").stdout == ""


# -- the trip ------------------------------------------------------------------------------------


def test_a_whole_trip(desk: Desk) -> None:
    assert desk.deploy("v1") is Outcome.SUCCEEDED
    assert desk.serves("v1")
    assert "it's 你好" in desk.answer()
    assert desk.deploy("v2") is Outcome.SUCCEEDED
    assert desk.serves("v2")
    assert desk.plan().empty
    assert desk.roll_back() is Outcome.SUCCEEDED
    assert desk.serves("v1")
    assert_clean(desk)
    records = desk.facts().records
    assert [item.version for item in records.releases] == ["v1", "v2"]
    with pytest.raises(SlipwayError, match="no earlier release"):
        desk.roll_back()
    assert desk.roll_back(records.releases[1].id) is Outcome.SUCCEEDED
    assert desk.serves("v2")


def test_rehearsal_happens_beside_the_old_version(system: Desk) -> None:
    system.with_docker(rehearse=True)
    assert system.deploy("v1") is Outcome.SUCCEEDED
    began = system.host.docker("inspect", "-f", "{{.State.StartedAt}}", system.name)
    system.with_health(timeout=3)
    assert system.deploy("v2", "never-healthy") is Outcome.FAILED_RESTORED
    assert "500" in system.error.detail
    assert system.host.docker("inspect", "-f", "{{.State.StartedAt}}", system.name) == began
    assert system.serves("v1")
    assert_clean(system)


def test_undo_after_success_gives_the_old_container_back(one: Desk) -> None:
    one.deploy("v1")
    identity = one.host.docker("inspect", "-f", "{{.Id}}", one.name)
    one.request = replace(one.request, build=replace(one.request.build, version="v2"))
    runner = one.runner(one.plan())
    assert runner.run(CancelToken()) is Outcome.SUCCEEDED
    assert one.serves("v2")
    assert runner.roll_back() is Outcome.ROLLED_BACK
    assert one.host.docker("inspect", "-f", "{{.Id}}", one.name) == identity
    assert one.serves("v1")
    assert list(one.containers()) == [one.name]
    assert_clean(one)
    assert not runner.can_roll_back


def test_undo_of_the_first_deployment_leaves_nothing(one: Desk) -> None:
    runner = one.runner(one.plan())
    assert runner.run(CancelToken()) is Outcome.SUCCEEDED
    assert runner.roll_back() is Outcome.ROLLED_BACK
    assert one.containers() == {}
    assert one.facts().records.releases == ()
    assert_clean(one)


def test_the_container_is_confined(one: Desk) -> None:
    one.deploy()
    (found,) = json.loads(one.host.docker("inspect", one.name))
    assert found["HostConfig"]["ReadonlyRootfs"]
    assert found["HostConfig"]["CapDrop"] == ["ALL"]
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert found["HostConfig"]["LogConfig"]["Config"] == {"max-size": "10m", "max-file": "3"}
    assert "no-new-privileges" in found["HostConfig"]["SecurityOpt"]
    assert found["Config"]["User"] == "65532:65532" or found["Config"]["User"] == "65532"


def test_old_releases_are_pruned_but_never_current_or_previous(one: Desk) -> None:
    one.with_deploy(keep=2)
    for version in ("v1", "v2", "v3", "v4"):
        assert one.deploy(version) is Outcome.SUCCEEDED
    records = one.facts().records
    assert [item.version for item in records.releases] == ["v3", "v4"]
    assert len(one.containers()) == 2
    images = one.host.docker("images", "-q", f"slipway/{one.name}").splitlines()
    assert len(images) == 2
    assert one.roll_back() is Outcome.SUCCEEDED
    assert one.serves("v3")


def test_a_removed_container_is_made_again_from_its_image(one: Desk) -> None:
    one.deploy("v1")
    one.deploy("v2")
    kept = next(name for name in one.containers() if "v1" in name)
    one.host.docker("rm", kept)
    assert one.roll_back() is Outcome.SUCCEEDED
    assert one.serves("v1")


def test_a_container_of_another_program_is_refused_before_anything_stops(one: Desk) -> None:
    one.deploy("v1")
    one.deploy("v2")
    kept = next(name for name in one.containers() if "v1" in name)
    image = one.host.docker("inspect", "-f", "{{.Config.Image}}", one.name)
    labels = one.host.docker("inspect", "-f", "{{json .Config.Labels}}", kept)
    words = [
        w for k, v in json.loads(labels).items() if "sha" not in k for w in ("--label", f"{k}={v}")
    ]
    one.host.docker("rm", kept)
    one.host.docker("create", "--name", kept, *words, image)
    assert one.roll_back() is Outcome.FAILED_RESTORED
    assert "another program" in one.error.title
    assert one.serves("v2")
    assert_clean(one)


# -- bad versions --------------------------------------------------------------------------------

BAD = {
    "never-healthy": "500",
    "crashes-at-start": "output",
    "crashes-after-healthy": "",
    "exits-zero": "",
    "wrong-port": "",
    "slow-healthy": "",
}


@pytest.mark.parametrize("project", BAD)
def test_a_bad_version_is_taken_back(one: Desk, project: str) -> None:
    assert one.deploy("v1") is Outcome.SUCCEEDED
    identity = one.host.docker("inspect", "-f", "{{.Id}}", one.name)
    one.with_health(timeout=4, stable=5)
    assert one.deploy("bad", project) is Outcome.FAILED_RESTORED
    assert one.serves("v1")
    assert one.host.docker("inspect", "-f", "{{.Id}}", one.name) == identity
    assert list(one.containers()) == [one.name]
    assert BAD[project] in one.error.detail
    assert one.error.hint
    assert_clean(one)
    records = one.facts().records
    assert len(records.state.bad) == 1
    assert records.state.bad[0] not in records.state.verified
    # a bad release is never chosen
    with pytest.raises(SlipwayError):
        make_rollback_plan(one.request, one.facts())


def test_the_last_output_of_a_crashed_version_is_shown(one: Desk) -> None:
    assert one.deploy("bad", "crashes-at-start") is Outcome.FAILED_RESTORED
    assert one.containers() == {}  # only what was shown is left
    assert "Its last output" in one.error.detail


def test_a_slow_version_is_waited_for(one: Desk) -> None:
    one.with_health(timeout=20)
    assert one.deploy("slow", "slow-healthy") is Outcome.SUCCEEDED


def test_a_stubborn_old_version_is_ended_after_its_grace(one: Desk) -> None:
    assert one.deploy("v1", "ignores-sigterm") is Outcome.SUCCEEDED
    assert one.deploy("v2", "good") is Outcome.SUCCEEDED
    assert one.serves("v2")


def test_a_flood_of_log_lines_hurts_nobody(one: Desk) -> None:
    assert one.deploy("v1", "floods-log") is Outcome.SUCCEEDED
    assert_clean(one)


# -- adopting ------------------------------------------------------------------------------------


def start_foreign(desk: Desk) -> str:
    """Run the good program as somebody else's container; return its id."""
    image = prepare_foreign(desk)
    port = desk.request.deploy.docker.ports[0].split(":")[0]
    return desk.host.docker(
        "run", "-d", "--name", desk.name, "--restart", "always", "-p", f"{port}:8080",
        "-e", "GREETING=foreign", "-e", "DB_PASSWORD=old-secret", image,
    )  # fmt: skip


def prepare_foreign(desk: Desk) -> str:
    other = Desk(desk.host, replace(desk.request, name=f"{desk.name}-maker"), desk.folder)
    other.deploy("foreign")
    form = "{{.Config.Image}}"
    image = desk.host.docker("inspect", "-f", form, other.name)
    desk.host.docker("tag", image, f"foreign/{desk.name}:1")
    other.clean_up()
    return f"foreign/{desk.name}:1"


def test_a_foreign_container_is_adopted_and_given_back_exactly(system: Desk) -> None:
    identity = start_foreign(system)
    before = json.loads(system.host.docker("inspect", identity))[0]
    facts = system.facts()
    assert facts.docker is not None
    assert facts.docker.service is not None
    assert not facts.docker.service.ours
    problems = readiness(system.request, facts)
    assert [item.blocking for item in problems] == [False]
    taken = adopt(facts.docker.service, system.request.deploy)
    assert taken.options.env == {"GREETING": "foreign"}
    assert taken.secrets["DB_PASSWORD"].reveal() == "old-secret"
    system.with_deploy(env=taken.options.env, secrets=taken.options.secrets)
    system.secrets = dict(taken.secrets)
    assert system.deploy("v2") is Outcome.SUCCEEDED
    assert system.serves("v2")
    assert "foreign" in system.answer()
    written = system.host.root(f"grep -r old-secret {facts.root}", check=False)
    assert (written.returncode, written.stdout) == (1, "")
    assert system.roll_back() is Outcome.SUCCEEDED
    assert system.serves("foreign")
    after = json.loads(system.host.docker("inspect", identity))[0]
    assert after["Name"] == before["Name"]
    assert after["HostConfig"] == before["HostConfig"]
    assert after["Config"] == before["Config"]
    assert after["State"]["Running"]
    assert_clean(system)


def test_a_bad_version_gives_a_foreign_container_back(one: Desk) -> None:
    identity = start_foreign(one)
    assert one.deploy("bad", "crashes-at-start") is Outcome.FAILED_RESTORED
    assert one.serves("foreign")
    assert one.host.docker("inspect", "-f", "{{.Id}}", one.name) == identity
    policy = one.host.docker("inspect", "-f", "{{.HostConfig.RestartPolicy.Name}}", one.name)
    assert policy == "always"


# -- secrets -------------------------------------------------------------------------------------


def test_secrets_reach_the_program_and_nothing_else(desk: Desk) -> None:
    value = "geheim 'x\" $HOME `id`\nzweite Zeile 中文\n"
    desk.secrets = {"API_TOKEN": Secret(value), "GREETING": Secret("hello from a secret")}
    desk.with_deploy(secrets=("API_TOKEN", "GREETING"), env={})
    watcher = Watcher(desk.host, "geheim")
    plan = desk.plan()
    with watcher:
        assert desk.run(plan) is Outcome.SUCCEEDED
    assert "hello from a secret" in desk.answer()
    env = json.loads(desk.host.docker("inspect", "-f", "{{json .Config.Env}}", desk.name))
    assert f"API_TOKEN={value}" in env
    assert watcher.seen == ""
    everything = desk.host.root(f"cat {plan.store.root}/*.json; grep -r . {plan.store.root}").stdout
    for text in (everything, desk.output, repr(plan), repr(desk.events), str(plan.rows)):
        assert "geheim" not in text
        assert "from a secret" not in text
    assert desk.plan().empty
    desk.secrets["API_TOKEN"] = Secret("another")
    assert [change.what for change in desk.plan().changes] == ["Secret API_TOKEN"]


class Watcher:
    """Looks at the host's command lines all the time for a word."""

    def __init__(self, host: LabHost, word: str) -> None:
        self.host = host
        self.word = word
        self.seen = ""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        # the brackets keep the watcher's own command line from matching
        word = f"[{self.word[0]}]{self.word[1:]}"
        look = f"for i in $(seq 40); do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' ' ' | grep -a -o '{word}' && break; sleep 0.02; done; true"  # noqa: E501
        while not self._over.is_set():
            self.seen += self.host.root(look).stdout.strip()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()


def test_a_secret_that_the_program_prints_is_masked(one: Desk) -> None:
    one.secrets = {"SAY": Secret("very-secret-word")}
    one.with_deploy(secrets=("SAY",), args=("-complain-about", "x"))
    one.deploy()
    assert "very-secret-word" not in one.output


# -- cancel, kill, lost connections ----------------------------------------------------------------


def rows_of(desk: Desk) -> int:
    return len(desk.plan().rows)


@pytest.fixture
def serving(one: Desk) -> Desk:
    """v1 serves, and the next run rehearses: every step there is."""
    assert one.deploy("v1") is Outcome.SUCCEEDED
    one.with_docker(rehearse=True)
    return one


STEPS = range(9)


@pytest.mark.parametrize("row", STEPS)
def test_cancel_at_any_step_restores(serving: Desk, row: int) -> None:
    before = serving.containers()
    identity = serving.host.docker("inspect", "-f", "{{.Id}}", serving.name)

    def cancel(event: Event) -> None:
        if event == StepChanged(row, StepState.RUNNING):
            serving.cancel.cancel()

    serving.on_event = cancel
    assert serving.deploy("v2") is Outcome.CANCELLED
    serving.on_event = None
    assert serving.serves("v1")
    assert serving.containers() == before
    assert serving.host.docker("inspect", "-f", "{{.Id}}", serving.name) == identity
    assert len(serving.facts().records.releases) == 1
    if row:
        assert_clean(serving)


def die_at(desk: Desk, row: int, state: StepState) -> None:
    """Deploy v2 in a process that is killed there."""
    wanted = {
        "host": desk.host.name, "name": desk.name, "folder": str(desk.folder), "version": "v2",
        "port": int(desk.request.deploy.docker.ports[0].split(":")[0]), "rehearse": True,
        "at": [row, state.value],
    }  # fmt: skip
    command = [sys.executable, "-m", "tests.lab.deploy_and_die", json.dumps(wanted)]
    done = subprocess.run(command, cwd=ROOT_FOLDER, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


KILLS = [
    *((row, StepState.DONE) for row in range(8)),
    *((row, StepState.RUNNING) for row in (5, 6, 7)),
]


@pytest.mark.parametrize(("row", "state"), KILLS)
def test_a_killed_desktop_is_put_right_by_another(
    serving: Desk, tmp_path: Path, row: int, state: StepState
) -> None:
    before = serving.containers()
    identity = serving.host.docker("inspect", "-f", "{{.Id}}", serving.name)
    die_at(serving, row, state)
    other = Desk(serving.host, serving.request, tmp_path / "other")
    facts = other.facts()
    assert facts.records.interrupted is not None
    assert [item.field for item in readiness(other.request, facts)] == ["run"]
    assert other.recover() is Outcome.ROLLED_BACK
    assert other.serves("v1")
    assert other.host.docker("inspect", "-f", "{{.Id}}", other.name) == identity
    assert other.containers() == before
    assert len(other.facts().records.releases) == 1
    assert_clean(other)
    assert other.deploy("v3") is Outcome.SUCCEEDED


@pytest.mark.parametrize(("row", "state"), [(0, StepState.DONE), *KILLS[2:7]])
def test_a_killed_run_is_resumed(serving: Desk, row: int, state: StepState) -> None:
    die_at(serving, row, state)
    serving.request = replace(serving.request, build=replace(serving.request.build, version="v2"))
    assert serving.resume() is Outcome.SUCCEEDED
    assert serving.serves("v2")
    assert_clean(serving)
    assert serving.plan().empty


def test_a_living_lock_is_respected_and_a_dead_one_can_be_broken(one: Desk) -> None:
    one.deploy("v1")
    facts = one.facts()
    store = Store(facts.root, facts.sudo)
    one.host.root(
        f'mkdir {facts.root}/lock && echo \'{{"run": "r", "who": "anna@desk"}}\' '
        f"> {facts.root}/lock/owner.json && touch {facts.root}/lock/heartbeat"
    )
    facts = one.facts()
    assert facts.records.lock is not None
    assert not facts.records.lock.abandoned
    (problem,) = readiness(one.request, facts)
    assert "anna@desk" in problem.text
    plan = make_plan_anyway(one)
    assert one.run(plan) is Outcome.FAILED_RESTORED
    assert isinstance(one.error, LockHeld)
    assert "anna@desk" in one.error.detail
    assert one.serves("v1")
    transport = one.connect()
    break_lock(transport, store, facts.records.lock)
    transport.close()
    assert one.deploy("v2") is Outcome.SUCCEEDED


def make_plan_anyway(desk: Desk):  # type: ignore[no-untyped-def]

    desk.request = replace(desk.request, build=replace(desk.request.build, version="v2"))
    facts = desk.facts()
    return make_plan(desk.request, desk.package(facts), facts)


def test_the_lock_beats_while_a_run_is_on(one: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.runner.HEARTBEAT_SECONDS", 0.2)
    one.with_health(stable=3)
    ages: list[float] = []

    def look(event: Event) -> None:
        if isinstance(event, Line) and "stay so" in event.text:
            time.sleep(1.5)
            lock = one.facts().records.lock
            assert lock is not None
            ages.append(lock.age)

    one.on_event = look
    assert one.deploy() is Outcome.SUCCEEDED
    assert ages
    assert max(ages) <= 2


# ends every session of root's but this one, as a network does that drops its connections
CUT = """for pid in $(pgrep -f '^sshd: root'); do [ "$pid" = "$PPID" ] || kill -9 "$pid"; done"""


@pytest.mark.parametrize("row", [1, 4, 6])
def test_a_cut_connection_is_made_again_and_all_put_back(serving: Desk, row: int) -> None:
    def cut(event: Event) -> None:
        if event == StepChanged(row, StepState.RUNNING):
            serving.host.root(
                "pkill -f '^sshd: root@notty$' || pkill -f 'sshd: root' || true", check=False
            )

    serving.on_event = cut
    outcome = serving.deploy("v2")
    serving.on_event = None
    assert outcome in (Outcome.FAILED_RESTORED, Outcome.SUCCEEDED)
    assert outcome is Outcome.FAILED_RESTORED
    assert serving.serves("v1")
    assert_clean(serving)


def test_a_switch_cut_while_the_old_version_is_stopping_ends_with_the_old_one(one: Desk) -> None:
    """The script on the server goes on alone: putting back waits for it."""
    one.with_docker(stop_timeout=6)
    assert one.deploy("v1", "ignores-sigterm") is Outcome.SUCCEEDED
    identity = one.host.docker("inspect", "-f", "{{.Id}}", one.name)

    def cut(event: Event) -> None:
        if event == StepChanged(4, StepState.RUNNING):
            threading.Timer(2.0, lambda: one.host.root(CUT, check=False)).start()

    one.on_event = cut
    assert one.deploy("v2", "good") is Outcome.FAILED_RESTORED
    one.on_event = None
    time.sleep(7)
    assert one.host.docker("inspect", "-f", "{{.Id}} {{.State.Running}}", one.name) == (
        f"{identity} true"
    )
    assert list(one.containers()) == [one.name]
    assert_clean(one)


def test_a_run_of_root_s_is_put_right_by_an_account_with_sudo(
    serving: Desk, hosts: dict[str, LabHost], tmp_path: Path
) -> None:
    die_at(serving, 6, StepState.DONE)
    colleague = hosts["bookworm-nopass"]
    request = build_request(colleague, serving.name, 1, tmp_path / "other")
    request = replace(serving.request, targets=request.targets)
    other = Desk(colleague, request, tmp_path / "other")
    other.break_dead_lock()
    assert other.recover() is Outcome.ROLLED_BACK
    assert serving.serves("v1")
    assert_clean(other)


def test_two_desktops_never_put_the_same_run_right_at_once(
    serving: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    die_at(serving, 5, StepState.DONE)
    first = Desk(serving.host, serving.request, tmp_path / "first")
    second = Desk(serving.host, serving.request, tmp_path / "second")
    seen = second.facts()

    def meanwhile(event: Event) -> None:
        if event == StepChanged(0, StepState.DONE):
            with pytest.raises(LockHeld):
                second.recover()
            # the other one had looked before, when the lock seemed abandoned
            monkeypatch.setattr("app.desk.was_here", lambda run: True)
            outcome = recover(second.connect(), second.request, seen, second.emit)
            assert outcome is Outcome.FAILED_NOT_RESTORED
            assert isinstance(second.error, LockHeld)

    first.on_event = meanwhile
    assert first.recover() is Outcome.ROLLED_BACK, first.output
    assert serving.serves("v1")
    assert_clean(serving)


def test_a_run_whose_lock_was_taken_over_stops_at_once(one: Desk) -> None:
    one.deploy("v1")
    thief = replace(one.request, targets=one.request.targets)
    other = Desk(one.host, thief, one.folder)

    def steal(event: Event) -> None:
        if event == StepChanged(2, StepState.DONE):
            facts = other.facts()
            assert facts.records.lock is not None
            store = Store(facts.root, facts.sudo, "thief")
            take_lock(other.connect(), store, {"who": "thief"}, facts.records.lock.token)

    one.on_event = steal
    assert one.deploy("v2") is Outcome.FAILED_NOT_RESTORED
    one.on_event = None
    assert "thief" in one.error.detail
    assert one.serves("v1")


def test_a_plan_made_before_somebody_else_s_deployment_is_not_run(
    one: Desk, tmp_path: Path
) -> None:
    one.deploy("v1")
    one.request = replace(one.request, build=replace(one.request.build, version="v3"))
    stale = one.plan()
    other = Desk(one.host, one.request, tmp_path / "other")
    assert other.deploy("v2") is Outcome.SUCCEEDED
    assert one.run(stale) is Outcome.FAILED_RESTORED
    assert "changed" in one.error.title
    assert one.serves("v2")
    assert_clean(one)


def test_undo_is_refused_after_somebody_else_s_deployment(one: Desk, tmp_path: Path) -> None:
    one.deploy("v1")
    one.request = replace(one.request, build=replace(one.request.build, version="v2"))
    runner = one.runner(one.plan())
    assert runner.run(CancelToken()) is Outcome.SUCCEEDED
    other = Desk(one.host, one.request, tmp_path / "other")
    assert other.deploy("v3") is Outcome.SUCCEEDED
    assert runner.roll_back() is Outcome.SUCCEEDED  # it is as the run left it
    assert "since this run" in one.error.title
    assert one.serves("v3")
    assert_clean(one)
    assert one.roll_back() is Outcome.SUCCEEDED
    assert one.serves("v2")


def test_an_undo_after_success_that_is_killed_is_finished_by_another(
    one: Desk, tmp_path: Path
) -> None:
    one.deploy("v1")
    one.request = replace(one.request, build=replace(one.request.build, version="v2"))
    runner = one.runner(one.plan())
    assert runner.run(CancelToken()) is Outcome.SUCCEEDED

    class Died(BaseException):
        pass

    def die(event: Event) -> None:
        if event == StepChanged(4, StepState.UNDONE):
            raise Died

    one.on_event = die
    with pytest.raises(Died):
        runner.roll_back()
    other = Desk(one.host, one.request, tmp_path / "other")
    other.break_dead_lock()
    assert other.facts().records.interrupted is not None
    assert other.recover() is Outcome.ROLLED_BACK
    assert other.serves("v1")
    assert_clean(other)


def test_tidying_up_that_fails_takes_nothing_back(one: Desk) -> None:
    one.with_deploy(keep=2)
    for version in ("v1", "v2"):
        one.deploy(version)
    kept = next(name for name in one.containers() if "v1" in name)
    one.host.docker("rm", kept)
    one.host.docker("tag", one.host.docker("inspect", "-f", "{{.Config.Image}}", one.name), "x:1")
    # a container that runs under the name of an old release can't be removed
    one.host.docker("run", "-d", "--name", kept, "--label", f"io.slipway.name={one.name}",
                    "--label", f"io.slipway.release={kept.partition('.')[2]}", "x:1")  # fmt: skip
    assert one.deploy("v3") is Outcome.SUCCEEDED
    assert one.serves("v3")
    assert "left:" in one.output
    assert kept in one.containers()


def test_a_container_that_always_restarts_stays_aside(one: Desk) -> None:
    one.with_docker(restart="always")
    one.deploy("v1")
    one.deploy("v2")
    aside = next(name for name in one.containers() if "v1" in name)
    form = "{{.HostConfig.RestartPolicy.Name}}"
    assert one.host.docker("inspect", "-f", form, aside) == "no"
    assert one.host.docker("inspect", "-f", form, one.name) == "always"
    runner = one.runner(make_rollback_plan(one.request, one.facts()))
    assert runner.run(CancelToken()) is Outcome.SUCCEEDED
    assert one.host.docker("inspect", "-f", form, one.name) == "always"
    assert runner.roll_back() is Outcome.ROLLED_BACK
    assert one.host.docker("inspect", "-f", form, one.name) == "always"
    assert one.host.docker("inspect", "-f", form, aside) == "no"


# -- other ways to the server ----------------------------------------------------------------------


def test_through_a_registry(
    system: Desk, registry: LabRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", registry.ca)
    monkeypatch.setenv("SSL_CERT_FILE", registry.ca)
    system.with_docker(registry=registry.address, registry_user=registry.user)
    system.registry_password = Secret(registry.password)
    look = "cat /root/.docker/config.json 2>/dev/null || true"
    logins = system.host.root(look).stdout
    assert system.deploy("v1") is Outcome.SUCCEEDED
    assert system.serves("v1")
    assert registry.password not in system.output
    assert system.host.root(look).stdout == logins
    assert system.deploy("v2") is Outcome.SUCCEEDED
    assert system.roll_back() is Outcome.SUCCEEDED
    assert system.serves("v1")


def test_the_project_s_own_dockerfile(system: Desk, tmp_path: Path) -> None:
    # no image can be pulled in the lab: the context brings a program that was built before
    folder = tmp_path / "project"
    folder.mkdir()
    artifact = replace(system.request, deploy=replace(system.request.deploy, kind="process"))
    built = prepare(artifact, "linux/amd64", tmp_path / "out")
    assert isinstance(built, Artifact)
    (folder / "server").write_bytes(built.path.read_bytes())
    (folder / "server").chmod(0o755)
    (folder / "Dockerfile").write_text(
        'FROM scratch\nCOPY server /server\nENTRYPOINT ["/server"]\n'
    )
    system.request = replace(system.request, project=ProjectOptions(folder), build=BuildOptions())
    system.with_docker(base="dockerfile")
    assert system.run(system.plan()) is Outcome.SUCCEEDED
    assert system.serves("v1")
    assert "Step" in system.output or "#" in system.output
    assert system.plan().empty
    (folder / "Dockerfile").write_text("FROM scratch\nCOPY nothing /server\n")
    assert system.run(system.plan()) is Outcome.FAILED_RESTORED
    assert system.serves("v1")


def test_layers_the_server_lost_are_sent_again(system: Desk) -> None:
    """The plan leaves layers out that are gone by the time they are needed: all is sent."""
    # a program that the server has never seen
    build = replace(system.request.build, version=f"only-{system.name}")
    system.request = replace(system.request, build=build)
    plan = system.plan()
    image = plan.package
    assert isinstance(image, Image)
    omit = tuple(layer.digest for layer in image.layers)
    steps = tuple(
        replace(step, omit=omit) if isinstance(step, SendImage) else step for step in plan.steps
    )
    assert steps != plan.steps
    assert system.run(replace(plan, steps=steps)) is Outcome.SUCCEEDED
    assert "sending the whole image" in system.output
    assert system.serves(build.version)


# -- what runs -------------------------------------------------------------------------------------


def test_status_control_and_log(desk: Desk) -> None:
    assert status(desk.connect(), desk.request, desk.facts()).state == "missing"
    desk.deploy("v1")
    transport, facts = desk.connect(), desk.facts()
    found = status(transport, desk.request, facts)
    assert (found.state, found.healthy, found.version) == ("running", True, "v1")
    control(transport, desk.request, facts, "stop")
    assert status(transport, desk.request, desk.facts()).state == "exited"
    assert status(transport, desk.request, desk.facts()).healthy is None
    control(transport, desk.request, facts, "start")
    control(transport, desk.request, facts, "restart")
    lines: list[str] = []
    follow_logs(
        transport, desk.request, facts, follow=False,
        on_line=lambda stream, text: lines.append(text), cancel=CancelToken(),
    )  # fmt: skip
    assert lines
    transport.close()
