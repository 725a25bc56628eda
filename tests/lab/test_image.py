"""Images in real engines: the classic store of Docker 20.10 and containerd's of Docker 26."""

import hashlib
import io
import json
import os
import secrets
import shutil
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.artifact import Artifact, IncludedFile
from app.build import host_platform
from app.image import (
    LABEL_NAME,
    Image,
    make_context,
    make_image,
    missing_layers,
    write_archive,
)
from app.toolchain import Toolchain, find_toolchain
from tests.lab.hosts import LabEngine

PROGRAM = """\
package main

import (
	"crypto/x509"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

var version string

func main() {
	answer := map[string]any{"version": version, "uid": os.Getuid(), "gid": os.Getgid()}
	note := func(name string, value any, err error) {
		if err != nil {
			value = fmt.Sprint("error: ", err)
		}
		answer[name] = value
	}
	pool, err := x509.SystemCertPool()
	note("roots", len(pool.Subjects()), err)
	berlin, err := time.LoadLocation("Europe/Berlin")
	zone, _ := time.Date(2026, 7, 1, 0, 0, 0, 0, berlin).Zone()
	note("zone", zone, err)
	note("tmp", "written", os.WriteFile("/tmp/note", []byte("x"), 0o600))
	home, err := os.UserHomeDir()
	note("home", home, err)
	folder, err := os.Getwd()
	note("folder", folder, err)
	text, err := os.ReadFile("config/app.yaml")
	note("config", string(text), err)
	info, err := os.Stat("hook.sh")
	note("hook", info.Mode().String(), err)
	json.NewEncoder(os.Stdout).Encode(answer)
}
"""

Docker = Callable[..., subprocess.CompletedProcess[bytes]]


@pytest.fixture(scope="module")
def toolchain() -> Toolchain:
    return find_toolchain()


@pytest.fixture(scope="module")
def artifacts(
    tmp_path_factory: pytest.TempPathFactory, toolchain: Toolchain
) -> tuple[Artifact, Artifact]:
    """Two versions of a real program that says what it finds in its container."""
    folder = tmp_path_factory.mktemp("program")
    (folder / "main.go").write_text(PROGRAM)
    (folder / "go.mod").write_text("module example.com/probe\n\ngo 1.22\n")
    (folder / "app.yaml").write_text("greeting: 你好")
    (folder / "app.yaml").chmod(0o600)
    (folder / "hook.sh").write_text("#!/bin/sh\n")
    included = (
        IncludedFile(folder / "app.yaml", "config/app.yaml", executable=False),
        IncludedFile(folder / "hook.sh", "hook.sh", executable=True),
    )
    first, second = (_build(toolchain, folder, version, included) for version in ("v1", "v2"))
    return first, second


def _build(
    toolchain: Toolchain, folder: Path, version: str, included: tuple[IncludedFile, ...]
) -> Artifact:
    binary = folder / version / "probe"
    flags = f"-s -w -X main.version={version}"
    subprocess.run(
        [str(toolchain.go), "build", "-trimpath", "-ldflags", flags, "-o", str(binary), "."],
        cwd=folder,
        env=toolchain.environment({"CGO_ENABLED": "0", "GOOS": "linux", "GOFLAGS": ""}),
        check=True,
    )
    return Artifact(
        path=binary,
        binary="probe",
        platform=host_platform(),
        sha256=hashlib.sha256(binary.read_bytes()).hexdigest(),
        size=binary.stat().st_size,
        static=True,
        go_version=toolchain.version,
        module="example.com/probe",
        package=".",
        version=version,
        commit="0123456789abcdef0123456789abcdef01234567",
        commit_time=1_700_000_000,
        dirty=False,
        options={},
        included=included,
    )


@pytest.fixture(scope="module")
def zoneinfo(toolchain: Toolchain) -> Path:
    return toolchain.zoneinfo


@pytest.fixture
def name() -> str:
    """A name that no other test uses at the same time."""
    return f"probe-{secrets.token_hex(4)}"


@pytest.fixture(params=["classic", "containerd"])
def docker(request: pytest.FixtureRequest, engine: LabEngine, name: str) -> Iterator[Docker]:
    """The docker command against either image store; images and containers go away after."""
    host = () if request.param == "classic" else ("exec", "-i", "trixie", "docker")

    def run(
        *words: str, data: bytes | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[bytes]:
        done = engine.run(*host, *words, input=data)
        assert not check or done.returncode == 0, (words, done.stderr)
        return done

    store = run("info", "--format", "{{json .DriverStatus}}").stdout
    assert (b"containerd.snapshotter" in store) == (request.param == "containerd")
    yield run
    for what, remove in (("ps", "rm"), ("images", "rmi")):
        found = run(what, "-aq", "--filter", f"label={LABEL_NAME}={name}").stdout.decode().split()
        if found:
            run(remove, "-f", *dict.fromkeys(found))


def load(
    docker: Docker, image: Image, folder: Path, omit: frozenset[str] = frozenset()
) -> subprocess.CompletedProcess[bytes]:
    archive = folder / "image.tar.gz"
    write_archive(image, archive, omit=omit)
    return docker("load", data=archive.read_bytes(), check=False)


def run_image(docker: Docker, image: Image, *options: str) -> dict[str, Any]:
    done = docker("run", "--rm", "--network", "none", *options, image.tag)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def stored_layers(docker: Docker, image: Image) -> frozenset[str]:
    done = docker("image", "inspect", "-f", "{{json .RootFS.Layers}}", image.tag)
    return frozenset(json.loads(done.stdout))


def test_a_program_finds_what_it_needs(
    docker: Docker,
    name: str,
    artifacts: tuple[Artifact, Artifact],
    zoneinfo: Path,
    tmp_path: Path,
) -> None:
    image = make_image(artifacts[0], name, zoneinfo)
    loaded = load(docker, image, tmp_path)
    assert loaded.returncode == 0, loaded.stderr
    assert image.tag in loaded.stdout.decode()

    hardened = ("--read-only", "--tmpfs", "/tmp", "--cap-drop", "ALL")
    for options in ((), (*hardened, "--security-opt", "no-new-privileges")):
        answer = run_image(docker, image, *options)
        assert answer.pop("roots") > 100
        assert answer == {
            "version": "v1",
            "uid": 65532,
            "gid": 65532,
            "zone": "CEST",
            "tmp": "written",
            "home": "/home/nonroot",
            "folder": "/app",
            "config": "greeting: 你好",
            "hook": "-rwxr-xr-x",
        }


def test_the_engine_knows_the_image_by_our_digests(
    docker: Docker,
    name: str,
    artifacts: tuple[Artifact, Artifact],
    zoneinfo: Path,
    tmp_path: Path,
) -> None:
    image = make_image(artifacts[0], name, zoneinfo)
    load(docker, image, tmp_path)
    [known] = json.loads(docker("image", "inspect", image.tag).stdout)
    assert known["Id"] in {image.config_digest, image.manifest_digest}
    assert known["RootFS"]["Layers"] == [layer.digest for layer in image.layers]
    assert known["Config"]["Labels"]["io.slipway.binary-sha256"] == image.artifact.sha256
    assert known["Created"].startswith("2023-11-14T22:13:20")


def test_a_second_version_is_sent_without_the_layers_of_the_first(
    docker: Docker,
    name: str,
    artifacts: tuple[Artifact, Artifact],
    zoneinfo: Path,
    tmp_path: Path,
) -> None:
    first, second = (make_image(artifact, name, zoneinfo) for artifact in artifacts)
    load(docker, first, tmp_path)
    known = stored_layers(docker, first)
    assert missing_layers(second, known) == second.layers[-1:]

    loaded = load(docker, second, tmp_path, omit=known)
    assert loaded.returncode == 0, loaded.stderr
    answer = run_image(docker, second)
    assert answer["version"] == "v2"
    assert answer["config"] == "greeting: 你好"
    # The older one still runs, for the day it is needed again.
    assert run_image(docker, first)["version"] == "v1"


def test_an_image_that_differs_only_in_its_description_needs_no_layers(
    docker: Docker,
    name: str,
    artifacts: tuple[Artifact, Artifact],
    zoneinfo: Path,
    tmp_path: Path,
) -> None:
    first = make_image(artifacts[0], name, zoneinfo)
    load(docker, first, tmp_path)
    second = make_image(replace(artifacts[0], version="v1-renamed"), name, zoneinfo)
    known = stored_layers(docker, first)
    assert write_archive(second, tmp_path / "small.tar.gz", omit=known) < 5000
    loaded = load(docker, second, tmp_path, omit=known)
    assert loaded.returncode == 0, loaded.stderr
    assert run_image(docker, second)["version"] == "v1"


def test_layers_left_out_wrongly_are_noticed_before_anything_runs(
    docker: Docker,
    name: str,
    artifacts: tuple[Artifact, Artifact],
    zoneinfo: Path,
    tmp_path: Path,
) -> None:
    # A base layer that no engine can have seen before.
    other = tmp_path / "zoneinfo.zip"
    shutil.copyfile(zoneinfo, other)
    with zipfile.ZipFile(other, "a") as zones:
        zones.writestr("Lab/Nowhere", os.urandom(16))
    image = make_image(artifacts[0], name, other)
    loaded = load(docker, image, tmp_path, omit=frozenset({image.layers[0].digest}))
    created = docker("create", "--pull", "never", image.tag, check=False)
    assert created.returncode != 0
    assert loaded.returncode != 0 or b"rror" in loaded.stdout + loaded.stderr

    # Sent whole, it works at once, whatever the failed load left behind.
    assert load(docker, image, tmp_path).returncode == 0
    assert docker("create", "--pull", "never", image.tag).returncode == 0
    assert run_image(docker, image)["version"] == "v1"


def test_a_project_s_own_dockerfile_makes_the_image(
    docker: Docker, name: str, artifacts: tuple[Artifact, Artifact], tmp_path: Path
) -> None:
    folder = tmp_path / "project"
    (folder / "deploy").mkdir(parents=True)
    recipe = 'FROM scratch\nCOPY probe config/ /\nENTRYPOINT ["/probe"]\n'
    (folder / "deploy" / "Dockerfile").write_text(recipe)
    (folder / "config").mkdir()
    shutil.copy(artifacts[0].path, folder / "probe")
    context = make_context(folder, "deploy/Dockerfile", name, tmp_path / "out", None)
    label = ("--label", f"{LABEL_NAME}={name}", "-t", context.tag)
    docker("build", "-f", context.dockerfile, *label, "-", data=context.path.read_bytes())
    ran = docker("run", "--rm", "--network", "none", "--env", "ZONEINFO=", context.tag, check=False)
    # This image has no time zones: the program was found, was executable and said so.
    assert b"missing Location" in ran.stderr


TREE = {
    "Dockerfile": 'FROM scratch\nCOPY . /\nCMD ["/none"]\n',
    "main.go": "",
    "README.md": "",
    "docs/api.md": "",
    "docs/deep/er/api.md": "",
    "docs/notes.txt": "",
    "web/node_modules/x/index.js": "",
    "web/dist/index.html": "",
    "temp": "",
    "tempa": "",
    "a b/数据.txt": "",
    ".git/config": "",
    "[x]/y": "",
}


@pytest.mark.parametrize(
    "ignore",
    [
        "",
        ".git\n**/node_modules\n# web\n",
        "*.md\n!README.md\n",
        "*\n!docs/deep\n!main.go\n",
        "docs\n!docs/deep/er\ntemp?\n/web/\n",
        "**/*.md\n!docs/api.md\na b/数*\n",
        "Dockerfile\n.dockerignore\n**/dist/**\n",
        "\\[x\\]\n[m-r]*.go\n",
    ],
)
def test_a_context_holds_what_docker_itself_would_send(
    engine: LabEngine, tmp_path: Path, ignore: str
) -> None:
    folder = tmp_path / "project"
    for name, text in {**TREE, ".dockerignore": ignore}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    context = make_context(folder, "Dockerfile", "probe", tmp_path / "out", None)
    ours = _built_files(engine, "-f", context.dockerfile, "-", data=context.path.read_bytes())
    assert ours == _built_files(engine, str(folder))


def _built_files(engine: LabEngine, *words: str, data: bytes | None = None) -> set[str]:
    """Build an image and return the names of all files in it."""
    image = engine.docker("build", "-q", *words, input=data).split()[-1]
    container = engine.docker("create", image)
    exported = engine.run("export", container).stdout
    engine.docker("rm", container)
    engine.docker("rmi", image)
    with tarfile.open(fileobj=io.BytesIO(exported)) as archive:
        return {member.name for member in archive if not member.isdir()}
