"""What the window remembers, and what it does with a broken file."""

import json
from pathlib import Path

import pytest

from app.request import Target
from ui.settings import RECENT, BegunRun, Settings


def test_everything_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "new" / "window.json"
    settings = Settings(file)
    settings.remember_geometry("wizard", b"\x00\x01\xff")
    settings.remember_project(tmp_path / "中文 a", 'name = "a"\n')
    settings.remember_project(tmp_path / "b")
    begun = BegunRun("Deploy a", "a", "web1")
    settings.remember_run(tmp_path / "中文 a", begun)
    linux = Target("10.0.0.5", port=2222, user="deploy", key="~/.ssh/id")
    settings.remember_target(linux, "linux/arm64")
    winrm = Target("win1", "winrm", user="CORP\\me", scheme="http", auth="kerberos")
    settings.remember_target(winrm)
    settings.remember_target(Target("localhost", transport="local"))
    settings.remember_go_folder(tmp_path / "go")

    again = Settings(file)
    assert again.geometry("wizard") == b"\x00\x01\xff"
    assert [each.path.name for each in again.projects] == ["b", "中文 a"]
    assert again.answers(tmp_path / "中文 a") == 'name = "a"\n'
    assert [each.run for each in again.projects] == [None, begun]
    again.remember_project(tmp_path / "中文 a")
    assert [each.run for each in again.projects] == [begun, None]
    again.forget_run(tmp_path / "中文 a", "a", "web2")  # where nothing was begun
    assert [each.run for each in Settings(file).projects] == [begun, None]
    again.forget_run(tmp_path / "中文 a", "a", "web1")
    assert [each.run for each in Settings(file).projects] == [None, None]
    assert again.targets == (
        Target("localhost", transport="local"),
        winrm,
        linux,
    )
    assert again.platforms == {linux: "linux/arm64"}
    assert again.go_folder == tmp_path / "go"
    assert [each.name for each in file.parent.iterdir()] == ["window.json"]


def test_two_windows_keep_what_the_other_has_written(tmp_path: Path) -> None:
    first, second = Settings(tmp_path / "window.json"), Settings(tmp_path / "window.json")
    second.remember_project(tmp_path / "b", 'name = "b"\n')
    first.remember_project(tmp_path / "a", 'name = "a"\n')
    second.remember_geometry("server", b"\x01")
    first.remember_target(Target("one"))
    last = Settings(tmp_path / "window.json")
    assert [each.path.name for each in last.projects] == ["a", "b"]
    assert last.answers(tmp_path / "b") == 'name = "b"\n'
    assert (last.geometry("server"), last.targets) == (b"\x01", (Target("one"),))


def test_recent_ones_are_few_and_each_once(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "window.json")
    for number in range(RECENT + 3):
        settings.remember_project(tmp_path / str(number), f"answers {number}")
        settings.remember_target(Target(f"host{number}"))
    settings.remember_project(tmp_path / "5")
    settings.remember_target(Target("host5"))
    assert len(settings.projects) == len(settings.targets) == RECENT
    assert settings.projects[0].path.name == "5"
    assert settings.projects[0].answers == "answers 5"
    assert [str(each) for each in settings.targets].count("host5") == 1
    settings.forget_project(tmp_path / "5")
    assert tmp_path / "5" not in [each.path for each in Settings(settings.path).projects]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[1, 2]",
        b'{"geometry": 5, "projects": {"a": 1}, "targets": ["x", {"address": 4}], "go": []}',
        b'{"geometry": {"wizard": "%%%"}, "targets": [{"address": "a", "transport": "carrier"}]}',
    ],
)
def test_a_broken_file_reads_as_empty(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "window.json"
    file.write_bytes(content)
    settings = Settings(file)
    assert settings.geometry("wizard") == b""
    assert settings.projects == ()
    assert settings.targets == ()
    assert settings.go_folder is None
    settings.remember_target(Target("fresh"))
    assert json.loads(file.read_text(encoding="utf-8"))["targets"][0]["address"] == "fresh"


def test_a_folder_that_cannot_be_written_does_not_stop_the_window(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    settings = Settings(tmp_path / "file" / "window.json")
    settings.remember_target(Target("a"))
    settings.remember_target(Target("b"))
    assert settings.targets == (Target("b"), Target("a"))
