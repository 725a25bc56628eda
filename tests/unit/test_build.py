"""Building for real: what comes out, what goes wrong, and what is left behind."""

import hashlib
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from app.binary import read_header
from app.build import build, host_platform, link_flags, warnings
from app.diagnostics import diagnostic, diagnostics
from app.errors import BuildError, Cancelled, ProfileError, ToolchainError
from app.include import included_files
from app.patience import patiently
from app.project import GoProject, open_project
from app.request import BuildOptions
from app.toolchain import Toolchain, find_toolchain
from app.transport import CancelToken
from tests.waiting import alive, wait_until

PROJECTS = Path(__file__).parent.parent / "projects"
HELLO = 'package main\n\nvar version = "dev"\n\nfunc main() { println(version) }\n'
MODULE = "module example.com/hello\n\ngo 1.21\n"


@pytest.fixture(scope="module")
def go() -> Toolchain:
    return find_toolchain()


@pytest.fixture
def hello(tmp_path, go) -> GoProject:
    folder = tmp_path / "hello"
    folder.mkdir()
    (folder / "go.mod").write_text(MODULE)
    (folder / "main.go").write_text(HELLO)
    return open_project(folder, go)


def sample(name: str, go: Toolchain) -> GoProject:
    return open_project(PROJECTS / name, go)


def run(path: Path) -> str:
    """Return what a program prints; println writes to stderr."""
    done = subprocess.run([path], capture_output=True, encoding="utf-8", check=True)
    return done.stderr.strip()


def listing(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir()]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def fetch(url: str, seconds: float = 10) -> str:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                return answer.read().decode()
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


# What comes out


@pytest.mark.slow
def test_a_service_is_built_stamped_and_described(go, tmp_path):
    project = sample("good", go)
    options = BuildOptions(version="v1.2.3", stamp="main.version", checks=("vet", "test"))
    lines = []
    out = tmp_path / "out"
    artifact = build(
        project, options, "", host_platform(), go, out, on_line=lambda *line: lines.append(line)
    )
    assert artifact.path.parent == out
    assert artifact.platform == host_platform()
    assert artifact.sha256 == hashlib.sha256(artifact.path.read_bytes()).hexdigest()
    assert artifact.size == artifact.path.stat().st_size
    assert artifact.go_version == go.version
    assert artifact.module == artifact.package == "example.com/good"
    assert artifact.version == "v1.2.3"
    assert artifact.options["CGO_ENABLED"] == "0"
    assert listing(out) == [artifact.binary]
    notes = [text for stream, text in lines if stream == "note"]
    assert [note.split()[2] for note in notes] == ["vet", "test", "build"]
    assert any(text.startswith("ok ") for stream, text in lines if stream == "stdout")

    port = free_port()
    with subprocess.Popen([artifact.path], env={**os.environ, "PORT": str(port)}) as process:
        try:
            assert '"version":"v1.2.3"' in fetch(f"http://127.0.0.1:{port}/")
        finally:
            process.terminate()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("platform", "binary", "static"),
    [("linux/arm64", "hello", True), ("windows/amd64", "hello.exe", False)],
)
def test_other_platforms(go, hello, tmp_path, platform, binary, static):
    artifact = build(hello, BuildOptions(), "", platform, go, tmp_path / "out")
    assert artifact.binary == binary
    assert artifact.static is static
    header = read_header(artifact.path)
    assert header is not None
    assert header.platform == platform


@pytest.mark.slow
def test_the_same_source_gives_the_same_bytes(go, hello, tmp_path):
    copy = tmp_path / "elsewhere" / "项目 two"
    shutil.copytree(hello.path, copy)
    options = BuildOptions(version="v1", stamp="main.version")
    first = build(hello, options, "", "linux/amd64", go, tmp_path / "one")
    second = build(open_project(copy, go), options, "", "linux/amd64", go, tmp_path / "two")
    assert first.sha256 == second.sha256
    other = BuildOptions(version="v2", stamp="main.version")
    assert build(hello, other, "", "linux/amd64", go, tmp_path / "one").sha256 != first.sha256


@pytest.mark.slow
def test_a_commit_alone_does_not_change_the_bytes(go, hello, tmp_path):
    options = BuildOptions(version="v1", stamp="main.version")
    before = build(hello, options, "", "linux/amd64", go, tmp_path / "out")
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "First"]):
        subprocess.run(["git", *words], cwd=hello.path, check=True)
    project = open_project(hello.path, go)
    after = build(project, options, "", "linux/amd64", go, tmp_path / "out")
    assert after.sha256 == before.sha256
    assert project.revision is not None
    assert (before.commit, after.commit) == ("", project.revision.commit)
    assert after.commit_time == project.revision.commit_time


@pytest.mark.parametrize(
    "version", ["v1.2.3", "it is", "it's", 'say "hi"', "v1 -X main.version=v2", "版本 1", "a\\b"]
)
def test_any_version_is_stamped_as_it_is(go, hello, tmp_path, version):
    options = BuildOptions(version=version, stamp="main.version")
    artifact = build(hello, options, "", host_platform(), go, tmp_path / "out")
    assert run(artifact.path) == version


def test_a_version_that_cannot_be_quoted_is_refused():
    with pytest.raises(ProfileError) as caught:
        link_flags(BuildOptions(stamp="main.version"), 'it\'s "1"')
    assert caught.value.key == "build.version"


@pytest.mark.slow
def test_the_automatic_version_is_git_s_or_made_from_the_source(go, hello, tmp_path):
    options = BuildOptions(stamp="main.version")
    without = build(hello, options, "", host_platform(), go, tmp_path / "out")
    assert without.version.startswith("0.0.0-")
    assert run(without.path) == without.version
    (hello.path / "main.go").write_text(HELLO + "// changed\n")
    assert (
        build(hello, options, "", host_platform(), go, tmp_path / "out").version != without.version
    )

    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "First"]):
        subprocess.run(["git", *words], cwd=hello.path, check=True)
    subprocess.run(["git", "tag", "-a", "v3", "-m", "3"], cwd=hello.path, check=True)
    tagged = build(open_project(hello.path, go), options, "", host_platform(), go, tmp_path / "out")
    assert (tagged.version, tagged.dirty) == ("v3", False)
    assert run(tagged.path) == "v3"


@pytest.mark.slow
def test_tags_flags_and_environment_reach_the_compiler(go, hello, tmp_path):
    tagged = '//go:build extra\n\npackage main\n\nfunc init() { version += "+extra" }\n'
    (hello.path / "extra.go").write_text(tagged)
    options = BuildOptions(
        version="v1",
        stamp="main.version",
        tags=("extra",),
        ldflags="-s -w -X main.version=overridden",
        env={"GOAMD64": "v2"},
    )
    artifact = build(hello, options, "", "linux/amd64", go, tmp_path / "out")
    assert artifact.options["-tags"] == "extra"
    assert artifact.options["GOAMD64"] == "v2"
    assert artifact.options["env"] == "GOAMD64"
    if host_platform() == "linux/amd64":
        assert run(artifact.path) == "v1+extra"


@pytest.mark.slow
def test_a_program_of_a_workspace(go, tmp_path):
    project = sample("workspace", go)
    options = BuildOptions(version="v5", stamp=project.mains[0].stamps[0])
    artifact = build(project, options, "./api/cmd/admin", host_platform(), go, tmp_path / "out")
    assert artifact.binary.removesuffix(".exe") == "admin"
    assert artifact.package == "example.com/workspace/api/cmd/admin"
    assert b"v5" in artifact.path.read_bytes()


@pytest.mark.slow
def test_a_program_of_a_nested_module(go, hello, tmp_path):
    (hello.path / "tools").mkdir()
    (hello.path / "tools" / "go.mod").write_text("module example.com/tools\n\ngo 1.21\n")
    (hello.path / "tools" / "main.go").write_text(HELLO)
    artifact = build(
        open_project(hello.path, go), BuildOptions(), "./tools", host_platform(), go, tmp_path
    )
    assert artifact.module == "example.com/tools"


@pytest.mark.slow
def test_blanks_and_chinese_in_both_paths(go, hello, tmp_path):
    folder = tmp_path / "my 项目"
    patiently(lambda: hello.path.rename(folder))
    out = tmp_path / "the 结果"
    artifact = build(open_project(folder, go), BuildOptions(), "", host_platform(), go, out)
    assert artifact.path == out / artifact.binary
    assert run(artifact.path) == "dev"


@pytest.mark.slow
def test_third_party_modules_and_included_files(go, tmp_path):
    options = BuildOptions(include=("config",))
    artifact = build(sample("modules", go), options, "", "linux/amd64", go, tmp_path / "out")
    assert [file.name for file in artifact.included] == ["config/app.json"]


# cgo


@pytest.mark.slow
def test_cgo_is_warned_about_and_its_absence_explained(go, tmp_path):
    project = sample("cgo", go)
    assert any("cgo is off" in text for text in warnings(project, BuildOptions(), ""))
    with pytest.raises(BuildError) as caught:
        build(project, BuildOptions(), "", "linux/amd64", go, tmp_path / "out")
    assert caught.value.diagnostics[0].message == "undefined: answer"


@pytest.mark.slow
def test_cgo_with_a_compiler_is_built_and_found_to_need_the_system(go, tmp_path):
    project = sample("cgo", go)
    options = BuildOptions(cgo=True)
    assert not any("cgo is off" in text for text in warnings(project, options, ""))
    if shutil.which("gcc") or shutil.which("clang"):
        artifact = build(project, options, "", host_platform(), go, tmp_path / "out")
        assert artifact.options["CGO_ENABLED"] == "1"
        assert not artifact.static
    else:
        with pytest.raises(BuildError, match="C compiler"):
            build(project, options, "", host_platform(), go, tmp_path / "out")


@pytest.mark.slow
def test_cgo_without_a_compiler_is_explained(go, tmp_path):
    options = BuildOptions(cgo=True, env={"CC": "no-such-compiler"})
    with pytest.raises(BuildError, match="C compiler") as caught:
        build(sample("cgo", go), options, "", host_platform(), go, tmp_path / "out")
    assert "CC" in caught.value.hint


# What is said beforehand


def test_warnings_about_versions(go, hello):
    assert any(
        "does" not in text and "hash" in text for text in warnings(hello, BuildOptions(), "")
    )
    options = BuildOptions(version="v1", stamp="main.release")
    (warning,) = warnings(hello, options, "")
    assert "main.release" in warning
    assert not warnings(hello, BuildOptions(version="v1", stamp="main.version"), "")


def test_a_warning_about_cgo_for_another_platform(go, hello):
    other = "windows/arm64"
    assert any(
        other in text
        for text in warnings(hello, BuildOptions(version="v1", cgo=True, platform=other), "")
    )
    with_cc = BuildOptions(version="v1", cgo=True, platform=other, env={"CC": "zig cc"})
    assert not warnings(hello, with_cc, "")


# What goes wrong


def failure(project: GoProject, go: Toolchain, out: Path, options: BuildOptions) -> BuildError:
    with pytest.raises(BuildError) as caught:
        build(project, options, "", "linux/amd64", go, out)
    assert caught.value.hint
    assert not out.exists() or listing(out) == []
    return caught.value


@pytest.mark.slow
def test_compiler_errors_become_places(go, tmp_path):
    error = failure(sample("compile-error", go), go, tmp_path / "out", BuildOptions())
    assert "does not compile" in error.title
    places = [(Path(item.file).name, item.line, item.column) for item in error.diagnostics]
    assert places == [("main.go", 15, 19), ("main.go", 20, 20)]
    assert error.diagnostics[0].file == str(PROJECTS.resolve() / "compile-error" / "main.go")
    assert error.diagnostics[0].message == "undefined: helth"


@pytest.mark.slow
def test_vet_s_findings_become_places(go, hello, tmp_path):
    source = 'package main\n\nimport "fmt"\n\nfunc main() {\n\tfmt.Printf("%d\\n", "x")\n}\n'
    (hello.path / "main.go").write_text(source)
    error = failure(hello, go, tmp_path / "out", BuildOptions(checks=("vet",)))
    assert "vet" in error.title
    (found,) = error.diagnostics
    assert (found.file, found.line) == (str(hello.path / "main.go"), 6)
    assert "%d" in found.message


@pytest.mark.slow
def test_failing_tests_become_places(go, tmp_path):
    error = failure(
        sample("failing-test", go), go, tmp_path / "out", BuildOptions(checks=("test",))
    )
    assert "tests" in error.title
    (found,) = error.diagnostics
    assert found.file == str(PROJECTS / "failing-test" / "main_test.go")
    assert found.line == 8
    assert found.message == "double(0) = 1, want 0"
    assert "FAIL" in error.detail


@pytest.mark.slow
def test_a_test_that_panics_is_named(go, hello, tmp_path):
    source = 'package main\n\nimport "testing"\n\nfunc TestBoom(t *testing.T) { panic("boom") }\n'
    (hello.path / "main_test.go").write_text(source)
    error = failure(hello, go, tmp_path / "out", BuildOptions(checks=("test",)))
    assert any("TestBoom" in item.message for item in error.diagnostics)
    assert "boom" in error.detail


@pytest.mark.slow
def test_tests_that_do_not_compile_become_places(go, hello, tmp_path):
    (hello.path / "main_test.go").write_text("package main\n\nvar x = nope\n")
    error = failure(hello, go, tmp_path / "out", BuildOptions(checks=("test",)))
    assert [(Path(item.file).name, item.line) for item in error.diagnostics] == [
        ("main_test.go", 3)
    ]


def test_a_module_that_cannot_be_downloaded_is_no_fault_of_the_source(go, hello, tmp_path):
    (hello.path / "go.mod").write_text(MODULE + "\nrequire example.com/dep v1.0.0\n")
    (hello.path / "main.go").write_text('package main\n\nimport _ "example.com/dep"\n' + HELLO[12:])
    options = BuildOptions(
        version="v1",
        env={
            "GOPROXY": "http://127.0.0.1:9",
            "GOFLAGS": "-mod=mod",
            "GONOSUMDB": "*",
            "GOMODCACHE": str(tmp_path / "cache"),
        },
    )
    assert "could not download" in failure(hello, go, tmp_path / "out", options).title


@pytest.mark.parametrize(
    ("options", "title"),
    [
        (BuildOptions(ldflags="-X 'main.version"), "does not accept the build's options"),
        (BuildOptions(version="v1", env={"GOFLAGS": "--no-such-flag"}), "options"),
        (BuildOptions(env={"GOFLAGS": "-n"}), "not the program"),
    ],
)
def test_options_that_go_refuses(go, hello, tmp_path, options, title):
    assert title in failure(hello, go, tmp_path / "out", options).title


def test_a_platform_that_go_does_not_know(go, hello, tmp_path):
    with pytest.raises(BuildError) as caught:
        build(hello, BuildOptions(version="v1"), "", "linux/z80", go, tmp_path / "out")
    assert "linux/z80" in caught.value.title


@pytest.mark.slow
def test_a_folder_in_the_result_s_place(go, hello, tmp_path):
    (tmp_path / "out" / "hello").mkdir(parents=True)
    with pytest.raises(BuildError, match="cannot be written"):
        build(hello, BuildOptions(version="v1"), "", "linux/amd64", go, tmp_path / "out")
    assert listing(tmp_path / "out") == ["hello"]


def test_a_folder_that_cannot_be_written(go, hello, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="cannot be written"):
        build(hello, BuildOptions(version="v1"), "", "linux/amd64", go, tmp_path / "file" / "out")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "platform", "key"),
    [
        (BuildOptions(), "linux", "build.platform"),
        (BuildOptions(), "auto", "build.platform"),
        (BuildOptions(env={"GOOS": "windows"}), "linux/amd64", "build.env"),
        (BuildOptions(env={"CGO_ENABLED": "1"}), "linux/amd64", "build.env"),
        (BuildOptions(tags=("a,b",)), "linux/amd64", "build.tags"),
        (BuildOptions(stamp="version"), "linux/amd64", "build.stamp"),
        (BuildOptions(stamp="main.version=x"), "linux/amd64", "build.stamp"),
        (BuildOptions(version="two\nlines"), "linux/amd64", "build.version"),
        (BuildOptions(version=""), "linux/amd64", "build.version"),
        (BuildOptions(include=("missing",)), "linux/amd64", "build.include"),
        (BuildOptions(version='it\'s "1"', stamp="main.version"), "linux/amd64", "build.version"),
    ],
)
def test_options_are_judged_before_anything_runs(go, hello, tmp_path, options, platform, key):
    lines = []
    with pytest.raises(ProfileError) as caught:
        build(
            hello, options, "", platform, go, tmp_path / "out",
            on_line=lambda *line: lines.append(line),
        )  # fmt: skip
    assert caught.value.key == key
    assert caught.value.hint
    assert lines == []
    assert not (tmp_path / "out").exists()


def test_a_project_that_is_gone(go, hello, tmp_path):
    patiently(lambda: shutil.rmtree(hello.path))  # the go that looked at it may be just ending
    with pytest.raises(ToolchainError) as caught:
        build(hello, BuildOptions(version="v1"), "", "linux/amd64", go, tmp_path / "out")
    assert caught.value.hint


@pytest.mark.slow
def test_an_older_result_survives_a_failed_build(go, hello, tmp_path):
    out = tmp_path / "out"
    before = build(hello, BuildOptions(version="v1"), "", "linux/amd64", go, out)
    (hello.path / "main.go").write_text("package main\n\nfunc main() { nope() }\n")
    with pytest.raises(BuildError):
        build(hello, BuildOptions(version="v1"), "", "linux/amd64", go, out)
    assert listing(out) == [before.binary]
    assert hashlib.sha256(before.path.read_bytes()).hexdigest() == before.sha256


# Cancel


def cancelled_after(seconds: float, start, token: CancelToken) -> float:
    """Return how long it took from the cancellation to the end."""
    asked: list[float] = []

    def ask() -> None:
        asked.append(time.monotonic())
        token.cancel()

    threading.Timer(seconds, ask).start()
    with pytest.raises(Cancelled):
        start()
    return time.monotonic() - asked[0]


@pytest.mark.slow
def test_cancelling_the_compiler_leaves_nothing(go, tmp_path, monkeypatch):
    token = CancelToken()
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(scratch))
    out = tmp_path / "out"
    # An empty cache: the whole standard library would have to be compiled.
    options = BuildOptions(version="v1", env={"GOCACHE": str(tmp_path / "cache")})
    taken = cancelled_after(
        1.5,
        lambda: build(sample("good", go), options, "", "linux/amd64", go, out, cancel=token),
        token,
    )
    assert taken < (2 if os.name == "posix" else 10)  # Wine has to end each process by itself
    assert listing(out) == []
    assert listing(scratch) == []


@pytest.mark.skipif(os.name != "posix", reason="POSIX only: the test starts sh")
def test_cancelling_a_test_ends_what_it_has_started(go, hello, tmp_path):
    pid_file = tmp_path / "pid"
    source = f"""package main

import ("os/exec"; "testing")

func TestLong(t *testing.T) {{
	exec.Command("sh", "-c", "echo $$ > '{pid_file}'; trap '' TERM; sleep 60; sleep 60").Run()
}}
"""
    (hello.path / "main_test.go").write_text(source)
    token = CancelToken()

    def ask_when_it_runs() -> None:
        wait_until(pid_file.exists, 60)
        time.sleep(0.2)
        asked.append(time.monotonic())
        token.cancel()

    asked: list[float] = []
    threading.Thread(target=ask_when_it_runs).start()
    with pytest.raises(Cancelled):
        build(
            hello, BuildOptions(version="v1", checks=("test",)), "", "linux/amd64", go,
            tmp_path / "out", cancel=token,
        )  # fmt: skip
    assert time.monotonic() - asked[0] < 2
    pid = int(pid_file.read_text())
    assert wait_until(lambda: not alive(pid), 1)


# Included files


@pytest.fixture
def tree(tmp_path) -> Path:
    root = tmp_path / "tree"
    for name in ("config/app.yaml", "config/deep/项目 1.txt", "web/dist/app.js", ".git/config"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name, encoding="utf-8")
    (tmp_path / "secret").write_text("not yours")
    return root


def names(root: Path, *rules: str, binary: str = "") -> list[str]:
    return [file.name for file in included_files(root, rules, binary)]


def test_files_and_folders_are_included_once_and_sorted(tree):
    assert names(tree, "web/dist", "config/", "./config/app.yaml", "config\\deep") == [
        "config/app.yaml",
        "config/deep/项目 1.txt",
        "web/dist/app.js",
    ]
    assert ".git/config" not in names(tree, ".")


@pytest.mark.skipif(os.name != "posix", reason="POSIX only: links")
def test_links_inside_the_project_are_followed(tree):
    (tree / "current").symlink_to("config")
    (tree / "app.yaml").symlink_to("config/app.yaml")
    assert names(tree, "current", "app.yaml") == [
        "app.yaml",
        "current/app.yaml",
        "current/deep/项目 1.txt",
    ]


def test_what_is_executable_is_told_by_its_content_on_every_desktop(tree):
    """Windows has no such mode, and the image is to be the same."""
    (tree / "run.sh").write_text("#!/bin/sh\n")
    (tree / "run.sh").chmod(0o644)
    (tree / "helper").write_bytes(b"\x7fELF")
    (tree / "data.txt").write_text("1")
    (tree / "data.txt").chmod(0o755)
    found = included_files(tree, ["run.sh", "helper", "data.txt"])
    assert {file.name: file.executable for file in found} == {
        "run.sh": True,
        "helper": True,
        "data.txt": False,
    }


@pytest.mark.skipif(os.name != "posix", reason="POSIX only: links and pipes")
@pytest.mark.parametrize("what", ["file", "folder", "deep", "loop", "dangling", "pipe"])
def test_links_and_files_that_cannot_be_shipped(tree, what):
    link = tree / "config" / "link"
    if what == "pipe":
        os.mkfifo(link)
    else:
        link.symlink_to(
            {
                "file": tree.parent / "secret",
                "folder": tree.parent,
                "deep": "../../secret",
                "loop": "..",
                "dangling": "nowhere",
            }[what]
        )
    with pytest.raises(ProfileError) as caught:
        names(tree, "config" if what != "loop" else ".")
    assert caught.value.key == "build.include"
    assert caught.value.hint


@pytest.mark.parametrize(
    "rule", ["missing", "../secret", "config/../../secret", "/etc/passwd", "C:\\x", "c:x", "", " "]
)
def test_rules_that_are_refused(tree, rule):
    with pytest.raises(ProfileError) as caught:
        names(tree, rule)
    assert caught.value.key == "build.include"


@pytest.mark.parametrize("binary", ["config", "Config"])
def test_a_file_cannot_take_the_program_s_place(tree, binary):
    with pytest.raises(ProfileError, match="name of the program"):
        names(tree, "config", binary=binary)


# Reading what the tools print


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("./main.go:3:5: undefined: x", ("main.go", 3, 5, "undefined: x")),
        ("cmd/my app/main.go:3: bad", ("cmd/my app/main.go", 3, 0, "bad")),
        ("vet: ./main.go:3:5: undefined: x", ("main.go", 3, 5, "undefined: x")),
        ("go.mod:4: unknown directive: x", ("go.mod", 4, 0, "unknown directive: x")),
        ("# example.com/hello", None),
        ("\t./main.go:3:5: other declaration of x", None),
        ("2026/01/02 10:20:30 listening", None),
    ],
)
def test_one_line_of_the_compiler(tmp_path, line, expected):
    found = diagnostic(line, tmp_path)
    if expected is None:
        assert found is None
    else:
        assert found is not None
        file, *rest = expected
        assert [found.file, found.line, found.column, found.message] == [
            str(tmp_path / file), *rest,
        ]  # fmt: skip


def test_explanations_below_a_message_belong_to_it(tmp_path):
    lines = ["./a.go:1:2: cannot use x", "\thave (int)", "\twant (string)", "./a.go:1:2: next"]
    assert [item.message for item in diagnostics(lines, tmp_path)] == [
        "cannot use x have (int) want (string)",
        "next",
    ]


def test_a_header_that_is_cut_off_is_no_program(go, hello, tmp_path):
    artifact = build(hello, BuildOptions(version="v1"), "", "linux/amd64", go, tmp_path / "out")
    cut = tmp_path / "cut"
    whole = artifact.path.read_bytes()
    for size in (0, 3, 10, 40, 63, 100):
        cut.write_bytes(whole[:size])
        assert read_header(cut) is None
