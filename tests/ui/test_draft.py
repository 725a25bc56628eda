"""The draft with real projects: what is found out, proposed, built, and dropped again."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from app import sample
from app.image import Image
from app.request import DeployRequest, Target
from app.transport import Secret
from tests.memory_keyring import MemoryKeyring
from ui.draft import Draft
from ui.jobs import Found
from ui.proposals import accept, service_name, value_of, with_value
from ui.settings import Settings
from ui.targets import THIS_COMPUTER
from ui.task import TaskState

WAIT = 60_000
Copy = Callable[..., Path]


def opened(qtbot: QtBot, draft: Draft, path: Path) -> None:
    draft.open(path)
    qtbot.waitUntil(lambda: draft.project is not None, timeout=WAIT)


def built(qtbot: QtBot, draft: Draft) -> Image:
    done = (TaskState.DONE, TaskState.FAILED)
    qtbot.waitUntil(lambda: draft.building.state in done, timeout=WAIT)
    assert draft.building.error is None
    package = draft.package
    assert isinstance(package, Image)
    return package


def texts(draft: Draft) -> list[str]:
    return [problem.text for problem in draft.problems() if problem.blocking]


@pytest.mark.slow
def test_a_folder_becomes_answers_and_is_built_by_itself(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    assert [problem.field for problem in draft.problems()][:2] == ["name", "project.path"]
    opened(qtbot, draft, project("good"))
    request = draft.request
    assert request.name == "good"
    assert request.build.stamp == "main.version"
    assert request.deploy.docker.ports == ("8080:8080",)
    health = request.deploy.health
    assert (health.http, health.tcp) == ("http://localhost:8080/health", 0)
    image = built(qtbot, draft)
    assert image.artifact.platform == "linux/amd64"
    assert image.artifact.path.is_file()
    assert texts(draft) == ["Choose a server."]
    assert draft.settings.projects[0].path == request.project.path


@pytest.mark.slow
def test_only_what_an_answer_touches_is_dropped(qtbot: QtBot, draft: Draft, project: Copy) -> None:
    opened(qtbot, draft, project("good"))
    first = built(qtbot, draft)
    draft.set("deploy.args", ("-x",))
    assert draft.package is first
    draft.set("build.version", "v9")
    assert draft.package is None
    assert draft.project is not None
    assert built(qtbot, draft).version == "v9"
    known = draft.project
    draft.set("build.tags", ("other",))
    assert draft.package is None
    assert draft.project is known, "the pages behind would be locked while it is looked at anew"
    qtbot.waitUntil(lambda: draft.inspection.running, timeout=WAIT)
    assert not texts(draft) or texts(draft) == ["Choose a server."]
    assert built(qtbot, draft).version == "v9"
    assert draft.project is not known


def test_what_is_proposed_for_a_kind_goes_with_it(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    opened(qtbot, draft, project("good"))
    draft.choose_kind("windows-service")
    assert draft.request.deploy.docker == DeployRequest().deploy.docker
    assert draft.request.deploy.health.http == "http://localhost:8080/health"
    draft.choose_kind("docker")
    assert draft.request.deploy.docker.ports == ("8080:8080",)
    draft.set("deploy.docker.ports", ("80:8080",))
    assert draft.request.deploy.health.http == "http://localhost:80/health"
    draft.choose_kind("windows-service")
    assert draft.request.deploy.docker.ports == ("80:8080",), "the user's own answer was lost"
    assert draft.request.deploy.health.http == "http://localhost:8080/health"
    draft.choose_kind("docker")
    assert draft.request.deploy.health.http == "http://localhost:80/health"


@pytest.mark.slow
def test_the_same_folder_again_gets_the_same_proposals(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    folder = project("good")
    opened(qtbot, draft, folder)
    proposed = draft.request
    assert proposed.deploy.docker.ports == ("8080:8080",)
    draft.open(folder)
    qtbot.waitUntil(lambda: not draft.reading.running, timeout=WAIT)
    assert draft.request == proposed
    built(qtbot, draft)


def test_who_looks_at_another_kind_finds_the_server_again(draft: Draft) -> None:
    winrm = Target("win1", transport="winrm", port=5985, user="Administrator", scheme="http")
    draft.choose_kind("windows-service")
    draft.set("targets", (winrm,))
    draft.choose_kind("process")
    assert draft.request.targets == (THIS_COMPUTER,)
    draft.choose_kind("docker")
    assert draft.request.targets == (), "no container runs on a Windows server"
    draft.choose_kind("windows-service")
    assert draft.request.targets == (winrm,)
    draft.choose_kind("docker")
    draft.set("targets", (Target("web1"),))
    draft.choose_kind("process")
    draft.choose_kind("windows-service")
    assert draft.request.targets == (Target("web1"),), "the server named last"
    draft.set("targets", (winrm,))
    draft.choose_kind("docker")
    assert draft.request.targets == (Target("web1"),)


@pytest.mark.slow
def test_the_source_is_looked_at_again_and_what_did_not_compile_is_built(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    folder = project("compile-error")
    opened(qtbot, draft, folder)
    qtbot.waitUntil(lambda: draft.building.state is TaskState.FAILED, timeout=WAIT)
    (folder / "main.go").write_text("package main\n\nfunc main() {}\n")
    draft.look_at_source()
    first = built(qtbot, draft)
    draft.look_at_source()
    qtbot.waitUntil(lambda: draft.inspection.state is TaskState.DONE, timeout=WAIT)
    assert draft.package is first
    (folder / "main.go").write_text('package main\n\nfunc main() { println("two") }\n')
    draft.look_at_source()
    qtbot.waitUntil(lambda: draft.package is not first, timeout=WAIT)
    assert built(qtbot, draft).artifact.sha256 != first.artifact.sha256


@pytest.mark.slow
def test_a_server_of_another_project_is_said_to_be_one(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    assert not draft.carried
    opened(qtbot, draft, project("good"))
    draft.set("targets", (Target("web1.example.com"),))
    assert not draft.carried
    opened(qtbot, draft, project("modules"))
    assert draft.carried
    draft.choose_kind("windows-service")
    assert draft.carried
    draft.set("targets", (Target("web2.example.com"),))
    assert not draft.carried
    draft.choose_kind("process")
    opened(qtbot, draft, project("workspace"))
    assert THIS_COMPUTER not in draft.request.targets, "it says nothing of where a container runs"


def test_of_two_folders_only_the_last_is_ever_reported(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    first, second = project("modules"), project("good")
    seen: list[Path] = []

    def note() -> None:
        if draft.project is not None:
            seen.append(draft.project.path)

    draft.changed.connect(note)
    draft.open(first)
    qtbot.waitUntil(lambda: draft.inspection.running, timeout=WAIT)
    opened(qtbot, draft, second)
    qtbot.waitUntil(lambda: len(draft.inspection.workers) == 0, timeout=WAIT)
    assert set(seen) == {second}
    assert draft.request.name == "good"


@pytest.mark.slow
def test_the_program_chosen_later_brings_its_own_proposals(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    opened(qtbot, draft, project("workspace"))
    assert draft.request.name == ""
    assert any(problem.field == "project.package" for problem in draft.problems())
    draft.set("project.package", "./api/cmd/admin")
    qtbot.waitUntil(lambda: draft.request.name == "admin", timeout=WAIT)
    draft.set("name", "mine")
    draft.set("project.package", "./api/cmd/public")
    qtbot.waitUntil(lambda: draft.package is not None, timeout=WAIT)
    assert draft.request.name == "mine"


@pytest.mark.slow
def test_answers_come_back_with_the_project(
    qtbot: QtBot, draft: Draft, project: Copy, settings: Settings
) -> None:
    folder = project("good")
    opened(qtbot, draft, folder)
    draft.update(
        replace(with_value(draft.request, "deploy.env", {"PORT": "9000"}), targets=(THIS_COMPUTER,))
    )
    draft.set("deploy.docker.ports", ())
    draft.remember_answers()
    again = Draft(settings)
    opened(qtbot, again, folder)
    qtbot.waitUntil(lambda: not again.reading.running, timeout=WAIT)
    assert again.request.deploy.env == {"PORT": "9000"}
    assert again.request.deploy.docker.ports == ()
    assert again.request.targets == (THIS_COMPUTER,)
    again.close()


@pytest.mark.slow
def test_answers_of_a_trip_that_was_broken_off_come_back(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    folder = project("good")
    opened(qtbot, draft, folder)
    draft.set("name", "shop")
    draft.close()
    again = Draft(Settings(draft.settings.path))
    opened(qtbot, again, folder)
    assert again.request.name == "shop"
    again.close()


@pytest.mark.slow
def test_what_was_only_proposed_is_proposed_anew(qtbot: QtBot, draft: Draft, project: Copy) -> None:
    folder = project("good")
    opened(qtbot, draft, folder)
    draft.close()
    assert draft.settings.answers(folder) == ""


@pytest.mark.slow
def test_the_demo_leaves_no_trace_in_other_projects(
    qtbot: QtBot, draft: Draft, project: Copy, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(sample, "demo_folder", lambda: tmp_path / "demo")
    opened(qtbot, draft, sample.sample_profile())
    assert draft.demo
    qtbot.waitUntil(lambda: draft.facts is not None, timeout=WAIT)
    draft.remember_answers()
    draft.close()
    assert draft.settings.projects == draft.settings.targets == ()
    again = Draft(Settings(draft.settings.path))
    opened(qtbot, again, project("good"))
    assert again.request.deploy.kind == DeployRequest().deploy.kind
    assert again.request.targets == ()
    again.close()


def test_a_profile_in_the_folder_is_taken_and_a_broken_one_is_named(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    folder = project("good")
    file = folder / "slipway.toml"
    file.write_text('name = "team"\n[project]\npath = "."\n[deploy]\nkind = "docker"\nkeep = 3\n')
    opened(qtbot, draft, folder)
    assert (draft.request.name, draft.request.deploy.keep) == ("team", 3)
    assert draft.profile_path == file
    assert draft.request.deploy.docker.ports == ()
    file.write_text('name = "team"\n[deploy]\nkeeep = 3\n')
    draft.open(folder)
    qtbot.waitUntil(lambda: draft.reading.state is TaskState.FAILED, timeout=WAIT)
    assert any("keeep" in text for text in texts(draft))


@pytest.mark.slow
def test_a_server_of_another_platform_is_built_for_again(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    opened(qtbot, draft, project("good"))
    first, likely = built(qtbot, draft), draft.platform
    draft.set("targets", (THIS_COMPUTER,))
    qtbot.waitUntil(lambda: draft.facts is not None, timeout=WAIT)
    found: Found = draft.connecting.result
    assert (draft.package is first) == (found.facts.platform == likely)
    other = replace(found.facts, arch="arm64")
    draft.connecting.settle(Found(found.transport, other))
    assert draft.package is None
    assert (draft.platform, draft.platform_known) == (other.platform, True)
    qtbot.waitUntil(lambda: draft.building.running, timeout=WAIT)
    draft.stop_build()


@pytest.mark.slow
def test_a_plan_is_made_from_the_source_as_it_is_now(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    folder = project("good")
    opened(qtbot, draft, folder)
    draft.set("deploy.kind", "process")
    draft.set("targets", (THIS_COMPUTER,))
    qtbot.waitUntil(lambda: draft.package is not None and draft.facts is not None, timeout=WAIT)
    draft.make_plan()
    qtbot.waitUntil(lambda: draft.plan is not None, timeout=WAIT)
    plan, package = draft.plan, draft.package
    assert plan is not None
    assert plan.rows
    draft.set("deploy.args", ("-v",))
    assert draft.plan is None
    main = folder / "main.go"
    main.write_text(main.read_text().replace('"ok"', '"fine"'))
    assert draft.package is package
    draft.make_plan()
    qtbot.waitUntil(lambda: draft.plan is not None, timeout=WAIT)
    assert draft.package is not package
    assert draft.plan is not None
    assert draft.plan.package == draft.package


@pytest.mark.slow
def test_a_stopped_build_stays_stopped_until_an_answer_changes(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    opened(qtbot, draft, project("good"))
    qtbot.waitUntil(lambda: draft.building.running, timeout=WAIT)
    draft.stop_build()
    assert any("stopped" in text for text in texts(draft))
    qtbot.wait(900)
    assert draft.building.state is TaskState.FAILED
    draft.set("build.ldflags", "-s")
    built(qtbot, draft)


@pytest.mark.slow
def test_a_secret_needs_a_value_and_the_keyring_keeps_it(
    qtbot: QtBot, draft: Draft, project: Copy, settings: Settings, memory_keyring: MemoryKeyring
) -> None:
    folder = project("good")
    opened(qtbot, draft, folder)
    draft.set("deploy.secrets", ("DB_PASSWORD",))
    assert "DB_PASSWORD has no value yet." in texts(draft)
    draft.set_secret("DB_PASSWORD", Secret("s3cret"), keep=True)
    assert "DB_PASSWORD has no value yet." not in texts(draft)
    qtbot.waitUntil(lambda: draft.values.keeping.state is TaskState.DONE, timeout=WAIT)
    draft.remember_answers()
    assert "s3cret" not in settings.path.read_text(encoding="utf-8")
    again = Draft(settings)
    opened(qtbot, again, folder)
    qtbot.waitUntil(lambda: bool(again.secrets), timeout=WAIT)
    assert again.secrets["DB_PASSWORD"].reveal() == "s3cret"
    again.close()


def test_a_secret_that_was_typed_is_there_when_one_comes_back_to_its_project(
    draft: Draft, project: Copy
) -> None:
    folder, other = project("good"), project("exits-zero")
    draft.open(folder)
    draft.set("deploy.secrets", ("DB_PASSWORD",))
    draft.set_secret("DB_PASSWORD", Secret("s3cret"), keep=False)
    draft.open(other)
    draft.set("deploy.secrets", ("DB_PASSWORD",))
    assert draft.secrets == {}, "it is none of the other project's"
    draft.open(folder)
    draft.set("deploy.secrets", ("DB_PASSWORD",))
    assert draft.secrets["DB_PASSWORD"].reveal() == "s3cret"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Hello_World", "hello-world"),
        ("9lives", "lives"),
        ("hello2", "hello2"),
        ("v2-", "v2"),
        ("中文", ""),
        ("a" * 80, "a" * 63),
    ],
)
def test_service_names(text: str, name: str) -> None:
    assert service_name(text) == name


def test_proposals_never_touch_what_the_user_answered() -> None:
    former, new = {"name": "old", "deploy.keep": 5}, {"name": "new", "deploy.keep": 7}
    request = DeployRequest(name="old")
    assert accept(request, new, former).name == "new"
    assert accept(replace(request, name="mine"), new, former).name == "mine"
    assert value_of(accept(request, new, former), "deploy.keep") == 7
    assert with_value(request, "deploy.docker.stop-timeout", 3.0).deploy.docker.stop_timeout == 3.0


def test_closing_ends_the_build_and_leaves_nothing(
    qtbot: QtBot, draft: Draft, project: Copy
) -> None:
    opened(qtbot, draft, project("good"))
    qtbot.waitUntil(lambda: draft.building.running, timeout=WAIT)
    folder = draft._builds.newest
    draft.close()

    def over() -> None:
        assert "slipway-worker" not in [each.name for each in threading.enumerate()]
        assert not folder.exists()

    qtbot.waitUntil(over, timeout=WAIT)
