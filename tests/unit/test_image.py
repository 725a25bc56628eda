"""Images and build contexts, without Docker: what the engine is given, byte by byte."""

import gzip
import hashlib
import io
import json
import os
import tarfile
from dataclasses import replace
from pathlib import Path

import pytest

from app import dockerignore
from app.artifact import Artifact, IncludedFile
from app.errors import Cancelled, ProfileError, SlipwayError
from app.git import GitRevision
from app.image import (
    Image,
    make_context,
    make_image,
    missing_layers,
    write_archive,
)
from app.transport import CancelToken

COMMIT_TIME = 1_700_000_000


class CancelledAfter(CancelToken):
    """Cancels itself at the n-th time it is asked, so that a test can stop work half-way."""

    def __init__(self, checks: int) -> None:
        super().__init__()
        self.left = checks

    def check(self) -> None:
        self.left -= 1
        if self.left <= 0:
            self.cancel()
        super().check()


@pytest.fixture
def zoneinfo(tmp_path: Path) -> Path:
    path = tmp_path / "zoneinfo.zip"
    path.write_bytes(b"PK zones")
    return path


def make_artifact(folder: Path, included: tuple[IncludedFile, ...] = ()) -> Artifact:
    folder.mkdir(parents=True, exist_ok=True)
    binary = folder / "hello"
    binary.write_bytes(b"\x7fELF" + b"program " * 200_000)
    return Artifact(
        path=binary,
        binary="hello",
        platform="linux/amd64",
        sha256=hashlib.sha256(binary.read_bytes()).hexdigest(),
        size=binary.stat().st_size,
        static=True,
        go_version="1.26.8",
        module="example.com/hello",
        package="./cmd/hello",
        version="v1.4.2",
        commit="0123456789abcdef0123456789abcdef01234567",
        commit_time=COMMIT_TIME,
        dirty=False,
        options={},
        included=included,
    )


def included(
    folder: Path, name: str, *, executable: bool = False, mode: int = 0o600
) -> IncludedFile:
    path = folder / name.replace("/", "-")
    folder.mkdir(parents=True, exist_ok=True)
    path.write_text(f"content of {name}", encoding="utf-8")
    path.chmod(mode)
    return IncludedFile(path, name, executable)


def members(data: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    """Every member of a tar by name; a name that comes twice is an error."""
    found: dict[str, tuple[tarfile.TarInfo, bytes]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        for info in archive:
            assert info.name not in found
            file = archive.extractfile(info) if info.isreg() else None
            found[info.name] = (info, file.read() if file else b"")
    return found


def archive(image: Image, folder: Path, omit: frozenset[str] = frozenset()) -> dict[str, bytes]:
    dest = folder / "image.tar.gz"
    size = write_archive(image, dest, omit=omit)
    assert dest.stat().st_size == size
    return {name: data for name, (_, data) in members(gzip.decompress(dest.read_bytes())).items()}


def blob(digest: str) -> str:
    return "blobs/" + digest.replace(":", "/")


def test_an_archive_is_a_docker_archive_and_an_oci_layout_at_once(
    tmp_path: Path, zoneinfo: Path
) -> None:
    image = make_image(make_artifact(tmp_path), "web", zoneinfo)
    files = archive(image, tmp_path)

    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    [entry] = json.loads(files["index.json"])["manifests"]
    assert entry["annotations"]["io.containerd.image.name"] == f"docker.io/{image.tag}"
    manifest = json.loads(files[blob(entry["digest"])])
    [docker] = json.loads(files["manifest.json"])
    assert docker["RepoTags"] == [image.tag]
    assert docker["Config"] == blob(manifest["config"]["digest"])
    assert docker["Layers"] == [blob(layer["digest"]) for layer in manifest["layers"]]
    for name, data in files.items():
        if name.startswith("blobs/sha256/"):
            assert hashlib.sha256(data).hexdigest() == name.rpartition("/")[2]
    for descriptor in (entry, manifest["config"], *manifest["layers"]):
        assert len(files[blob(descriptor["digest"])]) == descriptor["size"]
    config = json.loads(files[docker["Config"]])
    assert config["rootfs"]["diff_ids"] == [layer["digest"] for layer in manifest["layers"]]
    assert image.manifest_digest == entry["digest"]
    assert image.tag == f"slipway/web:{entry['digest'][7:19]}"


def test_the_config_says_how_the_program_runs_and_where_it_comes_from(
    tmp_path: Path, zoneinfo: Path
) -> None:
    artifact = make_artifact(tmp_path)
    config = json.loads(make_image(artifact, "web", zoneinfo).config)
    assert (config["os"], config["architecture"]) == ("linux", "amd64")
    assert config["created"] == "2023-11-14T22:13:20Z"
    assert config["config"] == {
        "User": "65532",
        "Env": [
            "SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt",
            "ZONEINFO=/usr/share/zoneinfo.zip",
        ],
        "Entrypoint": ["/app/hello"],
        "WorkingDir": "/app",
        "Labels": {
            "io.slipway.name": "web",
            "io.slipway.binary-sha256": artifact.sha256,
            "org.opencontainers.image.created": "2023-11-14T22:13:20Z",
            "org.opencontainers.image.revision": artifact.commit,
            "org.opencontainers.image.source": "https://example.com/hello",
            "org.opencontainers.image.title": "web",
            "org.opencontainers.image.version": "v1.4.2",
        },
    }


def test_without_a_commit_no_time_is_invented(tmp_path: Path, zoneinfo: Path) -> None:
    artifact = replace(make_artifact(tmp_path), commit="", commit_time=0)
    image = make_image(artifact, "web", zoneinfo)
    config = json.loads(image.config)
    assert "created" not in config
    assert all("created" not in step for step in config["history"])
    assert not any(
        "created" in label or "revision" in label for label in config["config"]["Labels"]
    )


def test_an_image_for_arm_says_which_arm(tmp_path: Path, zoneinfo: Path) -> None:
    artifact = replace(make_artifact(tmp_path), platform="linux/arm")
    assert json.loads(make_image(artifact, "web", zoneinfo).config)["variant"] == "v7"
    artifact = replace(artifact, options={"GOARM": "6,softfloat"})
    assert json.loads(make_image(artifact, "web", zoneinfo).config)["variant"] == "v6"
    artifact = replace(artifact, platform="linux/arm64")
    assert "variant" not in json.loads(make_image(artifact, "web", zoneinfo).config)


def test_the_layers_hold_what_a_program_needs(tmp_path: Path, zoneinfo: Path) -> None:
    files = (
        included(tmp_path / "in", "config/app.yaml"),
        included(tmp_path / "in", "web/dist/说明.html"),
        included(tmp_path / "in", "hook.sh", executable=True),
    )
    image = make_image(make_artifact(tmp_path, files), "web", zoneinfo)
    stored = archive(image, tmp_path)
    base, extra, program = (members(stored[blob(layer.digest)]) for layer in image.layers)

    assert base["etc/ssl/certs/ca-certificates.crt"][1].count(b"BEGIN CERTIFICATE") > 100
    assert base["usr/share/zoneinfo.zip"][1] == b"PK zones"
    assert b"nonroot:x:65532:65532:" in base["etc/passwd"][1]
    assert base["tmp"][0].mode == 0o1777
    home = base["home/nonroot"][0]
    assert (home.mode, home.uid, home.gid) == (0o700, 65532, 65532)
    # Readable by the service's user, though the desktop says 0600.
    assert {name: info.mode for name, (info, _) in extra.items()} == {
        "app": 0o755,
        "app/config": 0o755,
        "app/config/app.yaml": 0o644,
        "app/hook.sh": 0o755,
        "app/web": 0o755,
        "app/web/dist": 0o755,
        "app/web/dist/说明.html": 0o644,
    }
    assert list(program) == ["app", "app/hello"]
    assert program["app/hello"][0].mode == 0o555
    for info, _ in (*base.values(), *extra.values(), *program.values()):
        assert info.mtime == 0
        assert (info.uname, info.gname) == ("", "")


def test_same_inputs_make_the_same_bytes(tmp_path: Path, zoneinfo: Path) -> None:
    written = []
    for folder, mode, when in (("one", 0o600, 1), ("two words", 0o777, 2_000_000_000)):
        place = tmp_path / folder
        files = [included(place, "b.txt", mode=mode), included(place, "a/c.txt", mode=mode)]
        files = files if folder == "one" else files[::-1]
        artifact = make_artifact(place, tuple(files))
        for path in (artifact.path, *(file.source for file in files)):
            os.utime(path, (when, when))
        dest = place / "image.tar.gz"
        write_archive(make_image(artifact, "web", zoneinfo), dest)
        written.append(dest.read_bytes())
    assert written[0] == written[1]


def test_the_bytes_are_those_of_every_other_desktop(tmp_path: Path) -> None:
    """Held against a digest made once: another Python or system must not change it."""
    zoneinfo = tmp_path / "zoneinfo.zip"
    zoneinfo.write_bytes(b"PK zones")
    long = "a-folder-with-a-long-name/" * 5 + "说明.txt"
    source = tmp_path / "source"
    source.write_bytes(b"text")
    artifact = make_artifact(tmp_path, (IncludedFile(source, long, executable=False),))
    _, extra, program = make_image(artifact, "web", zoneinfo).layers
    assert extra.digest == "sha256:18c984bae3d512769348f32525a7eff7958c3cfcc226117fe681560ee69f3406"
    assert (
        program.digest == "sha256:966ceb13810618002321259e0ce8d97780bacac277ae3b94eb95b5aab62b8c52"
    )


def test_the_language_of_the_desktop_does_not_reach_the_digest(
    tmp_path: Path, zoneinfo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    artifact = make_artifact(tmp_path)
    english = make_image(artifact, "web", zoneinfo)
    monkeypatch.setattr("app.image._", lambda text: "翻译 " + text)
    assert make_image(artifact, "web", zoneinfo).manifest_digest == english.manifest_digest


def test_only_the_program_differs_between_two_versions(tmp_path: Path, zoneinfo: Path) -> None:
    files = (included(tmp_path / "in", "config/app.yaml"),)
    old = make_image(make_artifact(tmp_path / "1", files), "web", zoneinfo)
    artifact = make_artifact(tmp_path / "2", files)
    artifact.path.write_bytes(b"\x7fELF another program")
    new = make_image(artifact, "web", zoneinfo)
    assert old.tag != new.tag
    known = frozenset(layer.digest for layer in old.layers)
    assert missing_layers(new, known) == new.layers[-1:]


def test_layers_are_left_out_from_the_bottom_up_only(tmp_path: Path, zoneinfo: Path) -> None:
    files = (included(tmp_path / "in", "config/app.yaml"),)
    image = make_image(make_artifact(tmp_path, files), "web", zoneinfo)
    base, extra, program = image.layers
    for known, sent in (
        (set(), {base, extra, program}),
        ({base}, {extra, program}),
        ({base, extra}, {program}),
        ({base, extra, program}, set()),
        ({extra, program}, {base, extra, program}),
        ({base, program}, {extra, program}),
    ):
        omit = frozenset(layer.digest for layer in known)
        stored = archive(image, tmp_path, omit)
        assert {name for name in stored if len(stored[name]) >= 10240} == {
            blob(layer.digest) for layer in sent
        }
        # The documents name all layers, whatever lies beside them.
        assert len(json.loads(stored["manifest.json"])[0]["Layers"]) == 3


def test_a_program_that_an_image_cannot_run_is_refused(tmp_path: Path, zoneinfo: Path) -> None:
    artifact = make_artifact(tmp_path)
    with pytest.raises(SlipwayError, match="windows/amd64") as caught:
        make_image(replace(artifact, platform="windows/amd64"), "web", zoneinfo)
    assert "build.platform" in caught.value.hint
    with pytest.raises(SlipwayError, match="C library"):
        make_image(replace(artifact, static=False), "web", zoneinfo)
    with pytest.raises(SlipwayError) as caught:
        make_image(artifact, "web", tmp_path / "gone.zip")
    assert "gone.zip" in caught.value.title


@pytest.mark.parametrize("name", ["../x", "/etc/passwd", "hello", "hello/x", "a/.wh.b"])
def test_an_included_file_that_would_do_harm_is_refused(
    tmp_path: Path, zoneinfo: Path, name: str
) -> None:
    artifact = make_artifact(tmp_path, (IncludedFile(zoneinfo, name, executable=False),))
    with pytest.raises(ProfileError) as caught:
        make_image(artifact, "web", zoneinfo)
    assert caught.value.key == "build.include"
    assert name in caught.value.title


def test_a_name_that_docker_refuses_is_refused_here(tmp_path: Path, zoneinfo: Path) -> None:
    with pytest.raises(ProfileError) as caught:
        make_image(make_artifact(tmp_path), "web-", zoneinfo)
    assert caught.value.key == "name"


def test_a_program_swapped_after_the_image_was_made_is_noticed(
    tmp_path: Path, zoneinfo: Path
) -> None:
    artifact = make_artifact(tmp_path)
    image = make_image(artifact, "web", zoneinfo)
    data = bytearray(artifact.path.read_bytes())
    data[1000] ^= 1
    artifact.path.write_bytes(data)
    dest = tmp_path / "out" / "image.tar.gz"
    dest.parent.mkdir()
    with pytest.raises(SlipwayError, match="changed"):
        write_archive(image, dest)
    artifact.path.write_bytes(data[:1000])
    with pytest.raises(SlipwayError, match="changed"):
        write_archive(image, dest)
    assert list(dest.parent.iterdir()) == []


@pytest.mark.parametrize("checks", [1, 3, 8])
def test_cancelling_leaves_nothing_behind(tmp_path: Path, zoneinfo: Path, checks: int) -> None:
    image = make_image(make_artifact(tmp_path), "web", zoneinfo)
    dest = tmp_path / "out" / "image.tar.gz"
    dest.parent.mkdir()
    with pytest.raises(Cancelled):
        write_archive(image, dest, cancel=CancelledAfter(checks))
    assert list(dest.parent.iterdir()) == []
    with pytest.raises(Cancelled):
        make_image(make_artifact(tmp_path), "web", zoneinfo, cancel=CancelledAfter(checks))


def test_a_failed_write_leaves_the_older_archive_alone(tmp_path: Path, zoneinfo: Path) -> None:
    image = make_image(make_artifact(tmp_path), "web", zoneinfo)
    dest = tmp_path / "image.tar.gz"
    dest.write_bytes(b"older")
    with pytest.raises(Cancelled):
        write_archive(image, dest, cancel=CancelledAfter(5))
    assert dest.read_bytes() == b"older"
    with pytest.raises(SlipwayError) as caught:
        write_archive(image, tmp_path / "no such folder" / "image.tar.gz")
    assert "image.tar.gz" in caught.value.title
    assert caught.value.hint


# --- .dockerignore -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "out", "kept"),
    [
        ("", [], ["a", ".git/config"]),
        ("# a\n\n  \n", [], ["a", "# a"]),
        ("  # a\n", ["# a"], ["a"]),
        ("\ufeffa\r\nb\r\n", ["a", "b"], ["c"]),
        ("node_modules", ["node_modules", "node_modules/x/y.js"], ["web/node_modules/x"]),
        ("/build/", ["build", "build/x"], ["src/build"]),
        ("./tmp/../out", ["out/x"], ["tmp"]),
        ("*.log", ["x.log", ".log"], ["sub/x.log", "x.logs"]),
        ("*/temp*", ["sub/temp", "sub/temperature/x"], ["temp", "a/b/temp"]),
        ("temp?", ["tempa"], ["temp", "tempab"]),
        ("**/*.log", ["x.log", "a/b/x.log"], ["a/b/log"]),
        ("**.go", ["main.go", "a/b/main.go"], ["main.gox"]),
        ("a/**", ["a/b", "a/b/c"], ["a", "ab/c"]),
        ("a/**/z", ["a/z", "a/b/c/z"], ["a/bz", "z"]),
        ("**", ["a", "a/b"], []),
        ("*\n!keep", ["a", "a/keep"], ["keep", "keep/all"]),
        ("*.md\n!README*.md\nREADME-secret.md", ["a.md", "README-secret.md"], ["README.md"]),
        ("*.md\nREADME-secret.md\n!README*.md", ["a.md"], ["README.md", "README-secret.md"]),
        ("docs\n!docs/**/api.md", ["docs", "docs/x/y.md"], ["docs/api.md", "docs/x/api.md"]),
        ("[ab].txt", ["a.txt", "b.txt"], ["c.txt", "[ab].txt"]),
        ("[^ab].txt", ["c.txt"], ["a.txt"]),
        ("[a-c]*", ["beta"], ["delta"]),
        ("a\\*b", ["a*b"], ["axb"]),
        ("a.b", ["a.b"], ["axb"]),
        ("数据", ["数据/文件.txt"], ["数"]),
    ],
)
def test_dockerignore_means_what_docker_means(text: str, out: list[str], kept: list[str]) -> None:
    ignore = dockerignore.parse(text)
    assert [path for path in out if not ignore.excludes(path)] == []
    assert [path for path in kept if ignore.excludes(path)] == []


@pytest.mark.parametrize("line", ["a[", "[]", "!", "! ", "a[b-", "x\\", "[z-a]"])
def test_a_pattern_that_docker_refuses_is_named_with_its_line(line: str) -> None:
    with pytest.raises(SlipwayError) as caught:
        dockerignore.parse(f"fine\n{line}\n")
    assert "Line 2" in caught.value.title
    assert line.strip() in caught.value.detail


# --- build contexts ------------------------------------------------------------------------


def write_tree(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return folder


def context_members(path: Path) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    return members(gzip.decompress(path.read_bytes()))


def test_a_context_holds_what_dockerignore_leaves(tmp_path: Path) -> None:
    folder = write_tree(
        tmp_path / "项目 one",
        {
            "Dockerfile": "FROM scratch",
            ".dockerignore": "*\n!cmd\n!web/**/keep.txt\ncmd/secret\n",
            "cmd/hello/main.go": "package main",
            "cmd/secret/key": "k",
            "web/a/keep.txt": "keep",
            "web/a/drop.txt": "drop",
            "README.md": "text",
        },
    )
    context = make_context(folder, "Dockerfile", "web", tmp_path / "out", None)
    assert list(context_members(context.path)) == [
        # What Docker itself always sends, and the folders that lead to what is kept.
        ".dockerignore",
        "Dockerfile",
        "cmd",
        "cmd/hello",
        "cmd/hello/main.go",
        "web",
        "web/a",
        "web/a/keep.txt",
    ]
    assert context.dockerfile == "Dockerfile"
    assert context.size == context.path.stat().st_size
    tar = gzip.decompress(context.path.read_bytes())
    assert context.sha256 == hashlib.sha256(tar).hexdigest()
    assert context.tag == f"slipway/web:{context.sha256[:12]}"
    assert context.version == context.sha256[:12]


def test_a_context_is_the_same_for_the_same_files(tmp_path: Path) -> None:
    files = {"Dockerfile": "FROM scratch", "b": "2", "a": "1", "c/d": "3"}
    revision = GitRevision("0123", COMMIT_TIME, "v1-dirty", dirty=True)
    contexts = []
    for name, order in (("one", list(files)), ("two", list(files)[::-1])):
        folder = write_tree(tmp_path / name, {key: files[key] for key in order})
        os.utime(folder / "a", (1, len(contexts) + 5))
        out = tmp_path / f"out-{name}"
        contexts.append(make_context(folder, "Dockerfile", "web", out, revision))
    one, two = contexts
    assert (one.sha256, one.path.read_bytes()) == (two.sha256, two.path.read_bytes())
    assert (one.version, one.commit, one.commit_time, one.dirty) == (
        "v1-dirty",
        "0123",
        COMMIT_TIME,
        True,
    )
    assert {info.mtime for info, _ in context_members(one.path).values()} == {COMMIT_TIME}


@pytest.mark.skipif(os.name == "nt", reason="POSIX only: modes, links and pipes")
def test_a_context_keeps_links_and_executable_files(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "p", {"Dockerfile": "", "run.sh": "", "secret.txt": ""})
    (folder / "run.sh").chmod(0o700)
    (folder / "secret.txt").chmod(0o640)
    (folder / "link").symlink_to("run.sh")
    (folder / "dangling").symlink_to("/no/such/file")
    (folder / "loop").symlink_to(".")
    os.mkfifo(folder / "pipe")
    found = context_members(make_context(folder, "Dockerfile", "web", tmp_path / "o", None).path)
    assert found["run.sh"][0].mode == 0o755
    assert found["secret.txt"][0].mode == 0o644
    assert found["link"][0].linkname == "run.sh"
    assert found["dangling"][0].linkname == "/no/such/file"
    assert found["loop"][0].issym()
    assert "pipe" not in found


def test_a_dockerfile_of_its_own_brings_its_own_ignore_file(tmp_path: Path) -> None:
    folder = write_tree(
        tmp_path / "p",
        {
            "deploy/Dockerfile": "FROM scratch",
            "deploy/Dockerfile.dockerignore": "b\ndeploy",
            ".dockerignore": "a",
            "a": "",
            "b": "",
        },
    )
    context = make_context(folder, "./deploy/Dockerfile", "web", tmp_path / "out", None)
    assert context.dockerfile == "deploy/Dockerfile"
    assert set(context_members(context.path)) == {
        ".dockerignore",
        "a",
        "deploy",
        "deploy/Dockerfile",
    }


def test_the_folder_that_a_context_is_written_to_is_no_part_of_it(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "p", {"Dockerfile": "", "build/old.txt": ""})
    context = make_context(folder, "Dockerfile", "web", folder / "build", None)
    again = make_context(folder, "Dockerfile", "web", folder / "build", None)
    assert set(context_members(context.path)) == {"Dockerfile"}
    assert context.sha256 == again.sha256


def test_a_context_needs_its_dockerfile(tmp_path: Path) -> None:
    folder = write_tree(tmp_path / "p", {"main.go": ""})
    write_tree(tmp_path, {"Dockerfile": ""})
    for name, said in (("Dockerfile", "There is no Dockerfile"), ("../Dockerfile", "outside")):
        with pytest.raises(ProfileError, match=said) as caught:
            make_context(folder, name, "web", tmp_path / "out", None)
        assert caught.value.key == "deploy.docker.dockerfile"
        assert caught.value.hint


@pytest.mark.parametrize("checks", [1, 2, 6])
def test_cancelling_a_context_leaves_nothing(tmp_path: Path, checks: int) -> None:
    folder = write_tree(tmp_path / "p", {"Dockerfile": "", "big": "x" * 1_000_000})
    out, cancel = tmp_path / "out", CancelledAfter(checks)
    out.mkdir()
    with pytest.raises(Cancelled):
        make_context(folder, "Dockerfile", "web", out, None, cancel=cancel)
    assert list(out.iterdir()) == []
