"""From request and facts to commands: the plans a user reviews, held as golden files.

After a change that is meant, write them anew with WRITE_GOLDEN=yes, and read the difference.
"""

import os
from dataclasses import replace
from pathlib import Path

import pytest

from app import desk
from app.artifact import Artifact
from app.docker_facts import Container, DockerCli, DockerFacts, ImageOnServer
from app.errors import ConnectError, SlipwayError
from app.host import HostFacts, PortHolder, read_facts
from app.image import Image, make_image
from app.kinds.docker_adopting import adopt
from app.plan import Plan, make_plan, make_rollback_plan, readiness
from app.process_facts import ProcessFacts
from app.releases import Interrupted, Lock, Records, Release, State
from app.request import DeployOptions, DeployRequest, DockerOptions, HealthOptions, Target
from app.service import release_words
from app.transport import Command, CommandResult, Secret

GOLDEN = Path(__file__).parent / "golden"
WRITE = os.environ.get("WRITE_GOLDEN") == "yes"
SECRETS = {"DB_PASSWORD": Secret("hunter2")}


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Image:
    folder = tmp_path_factory.mktemp("image")
    binary = folder / "hello"
    binary.write_bytes(b"\x7fELF program")
    zoneinfo = folder / "zoneinfo.zip"
    zoneinfo.write_bytes(b"zones")
    artifact = Artifact(
        path=binary, binary="hello", platform="linux/amd64", sha256="ab" * 32, size=12,
        static=True, go_version="go1.26.8", module="example.com/hello", package=".",
        version="v2.0.0", commit="c0ffee", commit_time=1_700_000_000, dirty=False, options={},
    )  # fmt: skip
    return make_image(artifact, "hello", zoneinfo)


def request(**deploy: object) -> DeployRequest:
    docker = DockerOptions(ports=("8080:80",), volumes=("/srv/hello:/data",))
    options = DeployOptions(
        args=("-config", "it's a file.yaml"),
        env={"PORT": "80"},
        secrets=("DB_PASSWORD",),
        health=HealthOptions(http="http://localhost:8080/health"),
        docker=docker,
    )
    return DeployRequest(
        name="hello",
        deploy=replace(options, **deploy),  # type: ignore[arg-type]
        targets=(Target("10.0.0.5"),),
    )


def facts(docker: DockerFacts | None = None, **more: object) -> HostFacts:
    known = HostFacts(
        target=Target("10.0.0.5"), system="linux", arch="amd64", os_name="Debian 12",
        hostname="server", user="deploy", clock=1_800_000_000, root="/opt/hello", nonce="0a0b",
        sudo=True, docker=docker or DockerFacts(DockerCli("/usr/bin/docker", "", sudo=True), "28"),
        records=Records(key=Secret("k" * 64)),
    )  # fmt: skip
    return replace(known, **more)  # type: ignore[arg-type]


def container(name: str, **more: object) -> Container:
    known = Container(
        id="c" * 64, name=name, image="slipway/hello:1", image_id="sha256:1", running=True,
        status="running", started="", restarts=0, exit_code=0, restart_policy="unless-stopped",
        auto_remove=False,
    )  # fmt: skip
    return replace(known, **more)  # type: ignore[arg-type]


def foreign() -> Container:
    env = {"PORT": Secret("80"), "DB_PASSWORD": Secret("old secret")}
    return container("hello", image="nginx:1", ports=("8080:80",), env=env, restart_policy="always")


def text(plan: Plan) -> str:
    run = plan.run.split("-")
    host = "-".join(run[2:-1])
    lines = [plan.title, ""]
    for row in plan.rows:
        lines += [row.title, *(f"    {command}" for command in row.commands)]
    lines += ["", "changes:", *(f"    {c.what}: {c.old!r} -> {c.new!r}" for c in plan.changes)]
    lines += [f"outage: {plan.outage}", *(f"restores: {item}" for item in plan.restores)]
    lines += [f"cannot: {item}" for item in plan.cannot]
    lines += [f"warning: {item}" for item in plan.warnings]
    return "\n".join(lines).replace(host, "HOST") + "\n"


def golden(name: str, plan: Plan) -> None:
    path = GOLDEN / f"{name}.txt"
    if WRITE:
        path.write_text(text(plan), encoding="utf-8")
    assert text(plan) == path.read_text(encoding="utf-8")


def after(plan: Plan, request_: DeployRequest, *, running: bool = True) -> HostFacts:
    """What the server says after a plan was carried out."""
    record = next(step.release for step in plan.steps if type(step).__name__ == "RecordRelease")  # type: ignore[attr-defined]
    serving = container(
        "hello",
        running=running,
        labels={"io.slipway.name": "hello", "io.slipway.release": record.id,
                "io.slipway.root": "/opt/hello"},
        ports=request_.deploy.docker.ports,
    )  # fmt: skip
    old = facts().docker
    assert old is not None
    return facts(
        replace(old, service=serving),
        records=Records((record,), State().now_serving(record.id), key=Secret("k" * 64),
                        key_stored=True),
    )  # fmt: skip


def test_first_deployment(image: Image) -> None:
    golden("docker_first", make_plan(request(), image, facts(), SECRETS))


def test_over_a_foreign_container(image: Image) -> None:
    docker = facts().docker
    assert docker is not None
    found = facts(replace(docker, service=foreign()))
    plan = make_plan(request(), image, found, SECRETS)
    golden("docker_adopt", plan)
    assert "old secret" not in text(plan)


def test_next_release_sends_only_what_is_new(image: Image) -> None:
    first = make_plan(request(), image, facts(), SECRETS)
    found = after(first, request())
    assert found.docker is not None
    layers = tuple(layer.digest for layer in image.layers)
    known = ImageOnServer("sha256:1", ("slipway/hello:1",), (layers[0], "sha256:other"))
    found = replace(found, docker=replace(found.docker, images=(known,)), clock=1_800_000_060)
    plan = make_plan(request(env={"PORT": "81"}), image, found, SECRETS)
    golden("docker_next", plan)
    send = next(step for step in plan.steps if type(step).__name__ == "SendImage")
    assert send.omit == (layers[0],)  # type: ignore[attr-defined]


def test_that_another_program_has_the_name_is_told(image: Image) -> None:
    one, other = (
        replace(image, artifact=replace(image.artifact, package=f"example.com/{name}"))
        for name in ("hello", "shop")
    )
    first = make_plan(request(), one, facts(), SECRETS)
    served = after(first, request())
    assert make_plan(request(args=("-v",)), one, served, SECRETS).warnings == first.warnings
    told, *rest = make_plan(request(), other, served, SECRETS).warnings
    assert "another program: example.com/hello, not example.com/shop." in told
    assert rest == list(first.warnings)


def test_a_release_that_runs_though_another_is_current_is_told(image: Image) -> None:
    served = after(make_plan(request(), image, facts(), SECRETS), request())
    (ran,) = served.records.releases
    assert release_words(request(), served, ran) == "serves now"
    older = replace(ran, id="20200101-000000-v1")
    records = replace(served.records, releases=(older, ran), state=State().now_serving(older.id))
    begun = replace(served, records=records)
    assert release_words(request(), begun, ran) == "runs now"
    assert release_words(request(), begun, older) == "current, but not running"
    failed = replace(records, state=replace(records.state, bad=(ran.id,)))
    words = release_words(request(), replace(begun, records=failed), ran)
    assert words == "runs now, though it failed"


@pytest.mark.parametrize(
    ("part", "options", "what"),
    [
        ("health", {"expect": 418}, "Expected status"),
        ("health", {"http": "http://localhost:8080/ready"}, "Health check"),
        ("docker", {"stop_timeout": 9.0}, "Time to stop"),
        ("docker", {"log_max_size": "1m"}, "Log, each file"),
        ("docker", {"log_max_file": 2}, "Log, files"),
    ],
)
def test_every_setting_that_makes_a_new_release_is_named(
    image: Image, part: str, options: dict[str, object], what: str
) -> None:
    there = after(make_plan(request(), image, facts(), SECRETS), request())
    deploy = request().deploy
    changed = replace(getattr(deploy, part), **options)
    other = replace(request(), deploy=replace(deploy, **{part: changed}))
    plan = make_plan(other, image, there, SECRETS)
    assert [change.what for change in plan.changes] == [what]


def test_how_long_is_waited_for_health_makes_no_new_release(image: Image) -> None:
    there = after(make_plan(request(), image, facts(), SECRETS), request())
    patient = replace(request().deploy.health, timeout=99.0)
    other = replace(request(), deploy=replace(request().deploy, health=patient))
    assert make_plan(other, image, there, SECRETS).empty


def test_while_a_run_is_interrupted_none_is_next_to_roll_back_to() -> None:
    there = two_releases()
    older = there.records.releases[0]
    assert release_words(request(), there, older) == "next to roll back to"
    run = Interrupted("r", "Deploy", "later", "me", (), (), ())
    interrupted = replace(there, records=replace(there.records, interrupted=run))
    assert release_words(request(), interrupted, older) == "served earlier"


def test_the_same_again_is_an_empty_plan(image: Image) -> None:
    first = make_plan(request(), image, facts(), SECRETS)
    assert make_plan(request(), image, after(first, request()), SECRETS).empty
    assert make_plan(request(), image, after(first, request()), SECRETS).rows == ()


@pytest.mark.parametrize(
    "changed",
    [
        {"env": {"PORT": "81"}},
        {"args": ()},
        {"docker": DockerOptions(ports=("8081:80",))},
        {"secrets": ()},
    ],
)
def test_any_changed_setting_is_a_new_release(image: Image, changed: dict[str, object]) -> None:
    first = make_plan(request(), image, facts(), SECRETS)
    plan = make_plan(request(**changed), image, after(first, request()), SECRETS)
    assert not plan.empty
    assert plan.changes


def test_another_secret_is_a_new_release_and_shows_no_value(image: Image) -> None:
    first = make_plan(request(), image, facts(), SECRETS)
    other = {"DB_PASSWORD": Secret("hunter3")}
    plan = make_plan(request(), image, after(first, request()), other)
    assert [change.what for change in plan.changes] == ["Secret DB_PASSWORD"]
    assert "hunter" not in text(plan)
    assert "hunter" not in repr(plan)


def test_the_same_release_stopped_is_deployed(image: Image) -> None:
    first = make_plan(request(), image, facts(), SECRETS)
    assert not make_plan(request(), image, after(first, request(), running=False), SECRETS).empty


def test_a_version_names_its_release_that_did_not_fail() -> None:
    def kept(number: int) -> Release:
        return Release(f"2026080{number}-000000-v5", "hello", "docker", version="v5")

    both = (kept(1), kept(2))
    one_failed = Records(both, State(bad=(both[1].id,)))
    assert one_failed.named("v5") == both[0]
    assert Records(both, State()).named("v5") is None, "two are meant"
    assert Records(both[:1], State(bad=(both[0].id,))).named("v5") == both[0]


def test_a_secret_without_a_value_is_named(image: Image) -> None:
    with pytest.raises(SlipwayError, match="DB_PASSWORD"):
        make_plan(request(), image, facts(), {})


def two_releases() -> HostFacts:
    docker = facts().docker
    assert docker is not None
    releases = tuple(
        Release(f"2026010{n}-000000-v{n}", "hello", "docker", version=f"v{n}", sha256=f"{n}" * 64,
                definition={"image": f"slipway/hello:{n}"})
        for n in (1, 2)
    )  # fmt: skip
    labels = {"io.slipway.name": "hello", "io.slipway.root": "/opt/hello"}
    serving = container("hello", labels=labels | {"io.slipway.release": releases[1].id})
    old = container(
        f"hello.{releases[0].id}", labels=labels | {"io.slipway.release": releases[0].id},
        running=False,
    )  # fmt: skip
    state = State().now_serving(releases[0].id).now_serving(releases[1].id)
    records = Records(releases, state, key=Secret("k"), key_stored=True)
    return facts(replace(docker, service=serving, kept=(old,)), records=records)


def test_roll_back_to_a_kept_container() -> None:
    golden("docker_rollback", make_rollback_plan(request(), two_releases()))


def test_a_release_to_roll_back_to_is_named_by_its_version_where_it_is_the_only_one() -> None:
    found = two_releases()
    first, second = found.records.releases
    assert make_rollback_plan(request(), found, "v1").release == first.id
    twice = (first, replace(second, version="v1"))
    with pytest.raises(SlipwayError, match="can't be rolled back to") as caught:
        make_rollback_plan(
            request(), replace(found, records=replace(found.records, releases=twice)), "v1"
        )
    assert "id" in caught.value.detail


def test_roll_back_is_refused_before_anything_is_stopped() -> None:
    found = two_releases()
    assert found.docker is not None
    gone = replace(found, docker=replace(found.docker, kept=()))
    with pytest.raises(SlipwayError, match="can't be rolled back to"):
        make_rollback_plan(request(), gone)
    with pytest.raises(SlipwayError, match="can't be rolled back to"):
        make_rollback_plan(request(), found, "20991231-000000-v9")
    with pytest.raises(SlipwayError, match="no earlier release"):
        make_rollback_plan(request(), facts())


def test_roll_back_makes_a_removed_container_again_from_its_image() -> None:
    found = two_releases()
    assert found.docker is not None
    image = ImageOnServer("sha256:1", ("slipway/hello:1",), ())
    docker = replace(found.docker, kept=(), images=(image,))
    plan = make_rollback_plan(request(), replace(found, docker=docker))
    assert type(plan.steps[0]).__name__ == "CreateContainer"


def problems_of(found: HostFacts, **deploy: object) -> dict[str, str]:
    return {item.field: item.text for item in readiness(request(**deploy), found) if item.blocking}


def test_a_ready_server_has_no_problems() -> None:
    assert problems_of(facts()) == {}


def test_each_lack_is_told_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    docker = facts().docker
    assert docker is not None
    lock = Lock("anna@desk", "10:00", "Deploy", "r", 5)
    interrupted = Interrupted("r", "Deploy", "1", "anna@desk", (), (), ())
    denied = replace(docker, problem="Got permission denied while trying to connect")
    cases = {
        "deploy.docker.ports": facts(ports=(PortHolder(8080, "nginx"),)),
        "deploy.root": facts(writable=False),
        "run": facts(records=Records(lock=lock)),
        "target": facts(replace(docker, disk_free=1000)),
        "name": facts(replace(docker, service=container("hello", auto_remove=True))),
        "deploy.kind": replace(facts(), docker=None),
    }
    for field, found in cases.items():
        assert list(problems_of(found)) == [field]
    assert problems_of(facts(records=Records(interrupted=interrupted))).keys() == {"run"}
    alive = Records(lock=lock, interrupted=interrupted)  # it is just running
    assert "held by" in problems_of(facts(records=alive))["run"]
    assert alive.abandoned_run is None
    beginning = iter((True, True))  # it is taken up again by this desktop while one looks
    monkeypatch.setattr(desk, "was_here", lambda _run: next(beginning, False))
    assert "was interrupted" in problems_of(facts(records=alive))["run"]
    silent = replace(alive, lock=replace(lock, age=9999.0))
    assert silent.abandoned_run is interrupted
    assert "may not use Docker" in problems_of(facts(denied))["target"]
    for found in (*cases.values(), facts(denied)):
        assert all(item.hint for item in readiness(request(), found))


def test_the_port_of_the_container_that_is_replaced_is_free() -> None:
    docker = facts().docker
    assert docker is not None
    held = (PortHolder(8080, "docker-proxy"),)
    assert problems_of(facts(replace(docker, service=foreign()), ports=held)) == {}
    (problem,) = readiness(request(), facts(ports=held))
    assert problem.text == "Port 8080 is published by another container."
    assert "docker ps" in problem.hint


def test_adopting_takes_settings_over_and_hides_what_looks_secret() -> None:
    taken = adopt(foreign(), DeployOptions())
    assert taken.options.docker.ports == ("8080:80",)
    assert taken.options.docker.restart == "always"
    assert taken.options.env == {"PORT": "80"}
    assert taken.options.secrets == ("DB_PASSWORD",)
    assert taken.secrets["DB_PASSWORD"].reveal() == "old secret"


def test_process_on_this_computer(image: Image) -> None:
    wanted = replace(request(kind="process", secrets=()), targets=(Target("local", "local"),))
    here = replace(
        facts(), target=wanted.targets[0], docker=None, sudo=False, root="/home/me/hello",
        process=ProcessFacts(),
    )  # fmt: skip
    plan = make_plan(wanted, image.artifact, here)
    assert [type(step).__name__ for step in plan.steps] == [
        "RecordRelease", "SendFiles", "SwitchProcess", "CheckProcess", "RecordState",
        "PruneReleases",
    ]  # fmt: skip
    assert problems_of(here, kind="process") == {}


def test_a_server_clock_that_went_back_makes_no_older_release(image: Image) -> None:
    found = replace(two_releases(), clock=1_600_000_000)
    plan = make_plan(request(), image, found, SECRETS)
    assert plan.release > max(item.id for item in found.records.releases)
    state = found.records.state.now_serving(plan.release)
    assert state.rollback_target() == found.records.state.current


def test_records_that_may_not_be_read_are_told() -> None:
    assert "may not read" in problems_of(facts(readable=False))["deploy.root"]


SECTIONS = """
@@ system
Linux
x86_64
server
deploy
1000
1800000000
/opt/hello

@@ disk
writable
/dev/sda1 100 50 4000 1% /

@@ docker
/usr/bin/docker

{answer}

@@ end
"""


def read(answer: str, text: str = SECTIONS) -> HostFacts:
    printed = CommandResult(Command(("sh",)), 0, text.replace("{answer}", answer), "")
    return read_facts(printed, request(), Target("10.0.0.5"), sudo=False, sudo_wanted=False)


def test_podman_under_docker_s_name_is_not_taken_for_docker() -> None:
    assert "podman" in problems_of(read(""))["target"]


def test_facts_cut_short_are_not_facts() -> None:
    assert read('{"Version": "28.2", "ApiVersion": "1.50"}').platform == "linux/amd64"
    with pytest.raises(ConnectError):
        read("", SECTIONS.replace("@@ end", ""))
    with pytest.raises(ConnectError):
        read("", "This account is currently not available.")
