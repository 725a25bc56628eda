"""Understanding Go projects: what the real toolchain and git say about real folders."""

import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from app.errors import Cancelled, ProfileError, ProjectError, ToolchainError
from app.git import git_revision
from app.project import open_project, source_digest
from app.toolchain import Toolchain, find_toolchain
from app.transport import CancelToken

PROJECTS = Path(__file__).parent.parent / "projects"
SERVICE = 'package main\n\nimport "net/http"\n\nfunc main() { http.ListenAndServe(":8080", nil) }\n'
NO_NETWORK = {"GOPROXY": "http://127.0.0.1:9", "GOFLAGS": "-mod=mod", "GONOSUMDB": "*"}


@pytest.fixture(scope="module")
def go() -> Toolchain:
    return find_toolchain()


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def module(name: str = "example.com/hello", extra: str = "") -> str:
    return f"module {name}\n\ngo 1.21\n{extra}"


def git(folder: Path, *words: str) -> str:
    identity = ["-c", "user.name=Test", "-c", "user.email=test@example.com"]
    argv = ["git", *identity, "-c", "commit.gpgsign=false", *words]
    return subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True).stdout


@pytest.mark.slow
def test_a_plain_service(go):
    project = open_project(PROJECTS / "good", go)
    assert project.module == "example.com/good"
    assert project.go_version == "1.21"
    assert not project.workspace
    assert not project.vendored
    (main,) = project.mains
    assert main.path == "."
    assert main.name == "good"
    assert main.stamps == ("main.version",)
    assert main.ports == (8080,)
    assert not main.cgo
    assert not main.windows_service


@pytest.mark.slow
def test_a_workspace_with_several_programs(go):
    project = open_project(PROJECTS / "workspace", go)
    assert project.workspace
    assert [main.path for main in project.mains] == ["./api/cmd/admin", "./api/cmd/public"]
    assert {main.module for main in project.mains} == {"example.com/workspace/api"}
    assert project.mains[0].stamps == ("example.com/workspace/shared/version.Version",)


@pytest.mark.slow
def test_choosing_a_program(go):
    project = open_project(PROJECTS / "workspace", go)
    public = project.mains[1]
    for name in ("./api/cmd/public", "api/cmd/public/", "api\\cmd\\public", public.import_path):
        assert project.main(name) is public
    for wrong in ("", "./api", "./cmd/public"):
        with pytest.raises(ProfileError) as caught:
            project.main(wrong)
        assert caught.value.key == "project.package"
        assert "./api/cmd/admin" in caught.value.detail
    assert open_project(PROJECTS / "good", go).main("").path == "."


@pytest.mark.slow
def test_third_party_modules_assets_and_embedded_files(go):
    project = open_project(PROJECTS / "modules", go)
    # web is in the program already, config is not.
    assert project.assets == ("config",)


@pytest.mark.slow
def test_cgo_is_found_in_the_program_itself(go):
    assert open_project(PROJECTS / "cgo", go).main("").cgo


@pytest.mark.slow
def test_cgo_is_found_in_a_dependency_and_the_standard_library_does_not_count(go, tmp_path):
    write(
        tmp_path,
        {
            "go.mod": module(),
            "native/native.go": 'package native\n\nimport "C"\n\nconst N = 1\n',
            "with/main.go": 'package main\n\nimport "example.com/hello/native"\n\n'
            "func main() { println(native.N) }\n",
            "without/main.go": SERVICE,
        },
    )
    project = open_project(tmp_path, go)
    assert project.main("with").cgo
    assert not project.main("without").cgo


@pytest.mark.slow
def test_a_program_that_is_a_windows_service_by_itself(go):
    assert open_project(PROJECTS / "scm", go).main("").windows_service


def test_a_program_for_windows_only_is_found_on_any_system(go, tmp_path):
    write(tmp_path, {"go.mod": module(), "main_windows.go": SERVICE})
    assert open_project(tmp_path, go).main("").name == "hello"


@pytest.mark.slow
def test_nested_modules_are_part_of_the_project(go, tmp_path):
    write(
        tmp_path,
        {
            "go.mod": module(),
            "main.go": SERVICE,
            "tools/go.mod": module("example.com/tools/v2"),
            "tools/main.go": SERVICE,
            "broken/go.mod": "nonsense",
            "vendor/x/go.mod": module("example.com/x"),
            "testdata/y/go.mod": module("example.com/y"),
            "testdata/y/main.go": SERVICE,
        },
    )
    project = open_project(tmp_path, go)
    assert [main.path for main in project.mains] == [".", "./tools"]
    assert project.main("tools").name == "tools"
    assert project.main("tools").module_folder == tmp_path / "tools"


@pytest.mark.slow
def test_build_tags_decide_which_programs_there_are(go, tmp_path):
    tagged = "//go:build extra\n\n" + SERVICE
    write(tmp_path, {"go.mod": module(), "a/main.go": SERVICE, "b/main.go": tagged})
    assert len(open_project(tmp_path, go).mains) == 1
    assert len(open_project(tmp_path, go, tags=["extra"]).mains) == 2


def test_vendored_modules(go, tmp_path):
    write(
        tmp_path,
        {
            "go.mod": module(extra="\nrequire example.com/dep v1.0.0\n"),
            "main.go": 'package main\n\nimport "example.com/dep"\n\nfunc main() { dep.Do() }\n',
            "vendor/modules.txt": "# example.com/dep v1.0.0\n## explicit\nexample.com/dep\n",
            "vendor/example.com/dep/dep.go": "package dep\n\nfunc Do() {}\n",
        },
    )
    assert open_project(tmp_path, go).vendored


def test_blanks_and_chinese_in_the_path(go, tmp_path):
    folder = tmp_path / "my 项目 (v2)"
    shutil.copytree(PROJECTS / "good", folder)
    project = open_project(folder, go)
    assert project.path == folder
    assert project.main("").folder == folder


def test_the_dockerfile_and_folders_of_source_are_told_apart(go, tmp_path):
    write(
        tmp_path,
        {
            "go.mod": module(),
            "main.go": SERVICE,
            "Dockerfile": "FROM scratch\n",
            "config/config.go": "package config\n",
            "web/dist/app.js": "1\n",
            "templates/page.html": "<p>\n",
        },
    )
    project = open_project(tmp_path, go)
    assert project.dockerfile == "Dockerfile"
    assert project.assets == ("templates", "web/dist")


# Each bad folder has an error of its own.


def failure(path: Path, go: Toolchain, kind: type = ProjectError, **options):
    with pytest.raises(kind) as caught:
        open_project(path, go, **options)
    assert caught.value.title
    assert caught.value.hint
    return caught.value


def test_a_folder_that_is_not_there(go, tmp_path):
    assert "does not exist" in failure(tmp_path / "nope", go).title


def test_a_file_instead_of_a_folder(go):
    assert "not a folder" in failure(PROJECTS / "good" / "go.mod", go).title


@pytest.mark.skipif(os.name != "posix", reason="POSIX only: links and modes")
def test_a_folder_that_leads_to_itself_cannot_be_read(go, tmp_path):
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "cannot be read" in failure(loop, go).title


@pytest.mark.skipif(os.name != "posix", reason="POSIX only: links and modes")
def test_a_folder_that_belongs_to_somebody_else_cannot_be_read(tmp_path):
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    root = Path(__file__).parent.parent.parent
    code = (
        "import os, sys, pathlib\n"
        f"sys.path.insert(0, {str(root)!r})\n"
        "from app.errors import ProjectError\n"
        "from app.project import open_project\n"
        "if os.getuid() == 0: os.setuid(65534)\n"
        f"else: os.chmod({str(closed)!r}, 0)\n"
        f"try: open_project(pathlib.Path({str(closed)!r}), None)\n"
        "except ProjectError as error: print(error.title)\n"
    )
    # The way to the folder must be open to everybody, only the folder itself is not.
    for parent in closed.parents:
        if parent.is_relative_to(tmp_path.parent.parent):
            parent.chmod(0o755)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    closed.chmod(0o700)
    assert said.stdout.strip() == "The folder cannot be read", said.stderr


def test_no_go_mod(go, tmp_path):
    assert "no go.mod" in failure(tmp_path, go).title
    for number in range(20):
        (tmp_path / f"m{number:02}").mkdir()
        (tmp_path / f"m{number:02}" / "go.mod").write_text("module example.com/m")
    hint = failure(tmp_path, go).hint
    assert hint.endswith("m11 and 8 more"), "no screenful of folders"


def test_no_go_mod_here_but_above(go, tmp_path):
    write(tmp_path, {"go.mod": module(), "cmd/main.go": SERVICE})
    assert str(tmp_path) in failure(tmp_path / "cmd", go).hint


def test_no_go_mod_here_but_below(go, tmp_path):
    write(tmp_path, {"backend/go.mod": module(), "backend/main.go": SERVICE})
    assert str(tmp_path / "backend") in failure(tmp_path, go).hint


def test_a_broken_go_mod(go, tmp_path):
    write(tmp_path, {"go.mod": "module example.com/hello\n\nrequire (\n", "main.go": SERVICE})
    error = failure(tmp_path, go)
    assert "go.mod cannot be used" in error.title
    assert "go.mod:" in error.detail


def test_a_go_mod_without_a_module(go, tmp_path):
    write(tmp_path, {"go.mod": "go 1.21\n", "main.go": SERVICE})
    assert "names no module" in failure(tmp_path, go).title


def test_a_broken_go_work(go, tmp_path):
    write(tmp_path, {"go.work": "go 1.21\n\nuse (\n"})
    assert "go.work cannot be used" in failure(tmp_path, go).title


def test_a_go_work_whose_module_is_gone(go, tmp_path):
    write(tmp_path, {"go.work": "go 1.21\n\nuse ./gone\n"})
    assert "go.work" in failure(tmp_path, go).title


def test_a_module_that_the_workspace_above_leaves_out(go, tmp_path):
    write(
        tmp_path,
        {
            "go.work": "go 1.21\n\nuse ./a\n",
            "a/go.mod": module("example.com/a"),
            "b/go.mod": module("example.com/b"),
            "b/main.go": SERVICE,
        },
    )
    error = failure(tmp_path / "b", go)
    assert "go.work" in error.title + error.hint


def test_a_library(go, tmp_path):
    write(tmp_path, {"go.mod": module(), "hello.go": "package hello\n"})
    assert "no program" in failure(tmp_path, go).title


def test_a_folder_without_any_source(go, tmp_path):
    write(tmp_path, {"go.mod": module()})
    assert "no program" in failure(tmp_path, go).title


def test_a_go_that_is_too_old(go, tmp_path):
    write(tmp_path, {"go.mod": "module example.com/hello\n\ngo 1.999\n", "main.go": SERVICE})
    error = failure(tmp_path, go, ToolchainError, env={"GOTOOLCHAIN": "local"})
    assert go.version in error.title
    assert "1.999" in error.detail


def test_a_go_that_is_too_old_and_cannot_fetch_another(go, tmp_path):
    write(tmp_path, {"go.mod": "module example.com/hello\n\ngo 1.999\n", "main.go": SERVICE})
    env = {**NO_NETWORK, "GOTOOLCHAIN": "auto", "GOMODCACHE": str(tmp_path / "cache")}
    assert "1.999" in failure(tmp_path, go, ToolchainError, env=env).detail


def test_a_module_that_cannot_be_downloaded(go, tmp_path):
    write(
        tmp_path,
        {
            "go.mod": module(extra="\nrequire example.com/dep v1.0.0\n"),
            "main.go": 'package main\n\nimport _ "example.com/dep"\n\nfunc main() {}\n',
        },
    )
    env = {**NO_NETWORK, "GOMODCACHE": str(tmp_path / "cache")}
    lines = []
    error = failure(tmp_path, go, env=env, on_line=lambda *line: lines.append(line))
    assert "could not download" in error.title
    assert ("stderr", "go: downloading example.com/dep v1.0.0") in lines
    assert "127.0.0.1:9" in error.detail
    assert "GOPROXY" in error.hint


def test_an_import_that_nothing_provides(go, tmp_path):
    source = 'package main\n\nimport _ "example.com/hello/nope"\n\nfunc main() {}\n'
    write(tmp_path, {"go.mod": module(), "main.go": source})
    error = failure(tmp_path, go, env={"GOFLAGS": "-mod=readonly"})
    assert "does not have" in error.title
    assert "go mod tidy" in error.hint


def test_a_broken_program_does_not_hide_a_good_one(go, tmp_path):
    source = 'package main\n\nimport _ "example.com/hello/nope"\n\nfunc main() {}\n'
    write(tmp_path, {"go.mod": module(), "bad/main.go": source, "good/main.go": SERVICE})
    assert [main.path for main in open_project(tmp_path, go).mains] == ["./good"]


def test_source_that_does_not_parse_is_left_to_the_build(go, tmp_path):
    write(tmp_path, {"go.mod": module(), "main.go": "package main\n\nfunc main( {\n"})
    assert open_project(tmp_path, go).main("").path == "."


def test_vendor_and_go_mod_that_disagree(go, tmp_path):
    write(
        tmp_path,
        {
            "go.mod": module(extra="\nrequire example.com/dep v1.0.0\n"),
            "main.go": SERVICE,
            "vendor/modules.txt": "# nothing\n",
        },
    )
    assert "vendor" in failure(tmp_path, go, env={"GOFLAGS": ""}).title


def test_flags_that_go_does_not_know(go):
    error = failure(PROJECTS / "good", go, env={"GOFLAGS": "--no-such-flag"})
    assert "no-such-flag" in error.detail


def test_opening_can_be_cancelled(go):
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        open_project(PROJECTS / "good", go, cancel=token)


def test_cancelling_ends_a_download_that_hangs(go, tmp_path):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as deaf:
        write(
            tmp_path,
            {
                "go.mod": module(extra="\nrequire example.com/dep v1.0.0\n"),
                "main.go": 'package main\n\nimport _ "example.com/dep"\n\nfunc main() {}\n',
            },
        )
        env = {
            **NO_NETWORK,
            "GOPROXY": f"http://127.0.0.1:{deaf.getsockname()[1]}",
            "GOMODCACHE": str(tmp_path / "cache"),
        }
        token = CancelToken()
        threading.Timer(1, token.cancel).start()
        start = time.monotonic()
        with pytest.raises(Cancelled):
            open_project(tmp_path, go, env=env, cancel=token)
        assert 0.9 < time.monotonic() - start < 3


# git


@pytest.fixture
def repository(tmp_path) -> Path:
    folder = tmp_path / "repository"
    write(folder, {"go.mod": module(), "main.go": SERVICE})
    git(folder, "init", "-q")
    git(folder, "add", ".")
    git(folder, "commit", "-q", "-m", "First")
    return folder


def test_no_repository(tmp_path):
    assert git_revision(tmp_path) is None


def test_a_repository_without_a_commit(tmp_path):
    git(tmp_path, "init", "-q")
    assert git_revision(tmp_path) is None


@pytest.mark.parametrize("kind", [("-a", "-m", "Release"), ()], ids=["annotated", "lightweight"])
def test_a_clean_commit_and_its_tag(repository, kind):
    head = git(repository, "rev-parse", "HEAD").strip()
    revision = git_revision(repository)
    assert revision is not None
    assert revision.commit == head
    assert abs(revision.commit_time - time.time()) < 600
    assert head.startswith(revision.describe)
    assert not revision.dirty
    git(repository, "tag", "v1.2.3", *kind)
    tagged = git_revision(repository)
    assert tagged is not None
    assert tagged.describe == "v1.2.3"


@pytest.mark.parametrize("name", ["main.go", "new.go"])
def test_changed_and_new_files_make_it_dirty(repository, name):
    write(repository, {name: SERVICE + "// changed\n"})
    revision = git_revision(repository)
    assert revision is not None
    assert revision.dirty
    assert revision.describe.endswith("-dirty")


def test_a_hook_of_another_repository_does_not_confuse_it(repository, tmp_path, monkeypatch):
    head = git(repository, "rev-parse", "HEAD").strip()
    git(tmp_path, "init", "-q", "other")
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "other" / ".git"))
    revision = git_revision(repository)
    assert revision is not None
    assert revision.commit == head


def test_the_profile_itself_does_not_make_it_dirty(repository):
    write(repository, {"slipway.toml": "name = 'x'\n", "deploy/slipway.toml": "name = 'y'\n"})
    revision = git_revision(repository)
    assert revision is not None
    assert not revision.dirty


@pytest.mark.slow
def test_the_digest_of_the_source_follows_the_source(go, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        shutil.copytree(PROJECTS / "modules", folder)
    digests = [source_digest(open_project(at, go).main(""), go) for at in (first, second)]
    assert digests[0] == digests[1]
    write(second, {"web/index.html": "changed"})
    assert source_digest(open_project(second, go).main(""), go) != digests[0]
