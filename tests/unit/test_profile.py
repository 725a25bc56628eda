"""slipway.toml: read, judged, written; each mistake named by its key."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import profile, profile_keys
from app.errors import ProfileError
from app.request import (
    BuildOptions,
    DeployOptions,
    DeployRequest,
    DockerOptions,
    HealthOptions,
    ProjectOptions,
    Target,
)

FULL = """\
# what our team deploys
name = "hello"

[project]
path = "."
package = "./cmd/hello"  # the server

[build]
platform = "linux/arm64"
version = "auto"
stamp = "main.version"
tags = ["netgo"]
ldflags = "-s -w"
cgo = false
env = { GOFLAGS = "-mod=readonly" }
checks = ["vet", "test"]   # before building
include = ["config", "web/dist"]

[deploy]
kind = "docker"
args = ["-config", "config/app.yaml"]
env = { PORT = "8080" }
secrets = ["DB_PASSWORD"]
root = ""
keep = 7                   # a week

[deploy.health]
http = "http://localhost:8080/health"
expect = 204
timeout = "1m30s"
stable = "500ms"

[deploy.docker]
rehearse = false
ports = ["8080:8080", "127.0.0.1:9090:9090/tcp"]
volumes = ["/srv/hello:/data"]
read-only = false
stop-timeout = "20s"
log-max-size = "5m"

[[targets]]
address = "10.0.0.5"       # the first
transport = "ssh"
port = 2222
user = "deploy"
"""

REQUEST = DeployRequest(
    name="hello",
    project=ProjectOptions(Path("/src/hello").absolute(), "./cmd/hello"),
    deploy=DeployOptions(health=HealthOptions(http="http://localhost:8080/health")),
    targets=(Target("10.0.0.5"),),
)


def test_every_key_is_read(tmp_path: Path) -> None:
    file = tmp_path / "slipway.toml"
    file.write_text(FULL)
    assert profile.load(file) == DeployRequest(
        name="hello",
        project=ProjectOptions(tmp_path, "./cmd/hello"),
        build=BuildOptions(
            platform="linux/arm64",
            stamp="main.version",
            tags=("netgo",),
            env={"GOFLAGS": "-mod=readonly"},
            checks=("vet", "test"),
            include=("config", "web/dist"),
        ),
        deploy=DeployOptions(
            args=("-config", "config/app.yaml"),
            env={"PORT": "8080"},
            secrets=("DB_PASSWORD",),
            keep=7,
            health=HealthOptions("http://localhost:8080/health", 0, 204, 90.0, 0.5),
            docker=DockerOptions(
                rehearse=False,
                ports=("8080:8080", "127.0.0.1:9090:9090/tcp"),
                volumes=("/srv/hello:/data",),
                read_only=False,
                stop_timeout=20.0,
                log_max_size="5m",
            ),
        ),
        targets=(Target("10.0.0.5", port=2222, user="deploy"),),
    )


def test_only_what_matters_is_written() -> None:
    assert profile.dumps(REQUEST, Path("/src").absolute()) == (
        'name = "hello"\n'
        "\n"
        "[project]\n"
        'path = "hello"\n'
        'package = "./cmd/hello"\n'
        "\n"
        "[deploy]\n"
        'kind = "docker"\n'
        "\n"
        "[deploy.health]\n"
        'http = "http://localhost:8080/health"\n'
        "\n"
        "[[targets]]\n"
        'address = "10.0.0.5"\n'
        'transport = "ssh"\n'
    )


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_saving_what_was_read_changes_nothing(tmp_path: Path, line_end: str) -> None:
    file = tmp_path / "slipway.toml"
    file.write_text(FULL, newline=line_end)
    profile.save(profile.load(file), file)
    assert file.read_bytes() == FULL.replace("\n", line_end).encode()


def test_the_mark_that_an_editor_of_windows_writes_first_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "slipway.toml"
    file.write_bytes(b"\xef\xbb\xbf" + FULL.encode())
    request = profile.load(file)
    profile.save(replace(request, name="other"), file)
    assert file.read_text() == FULL.replace("hello", "other", 1)


def test_saving_over_a_file_keeps_its_comments(tmp_path: Path) -> None:
    file = tmp_path / "slipway.toml"
    file.write_text(FULL, newline="\n")
    request = profile.load(file)
    changed = replace(
        request,
        build=replace(request.build, checks=("vet",), tags=()),
        deploy=replace(request.deploy, keep=3),
        targets=(*request.targets, Target("10.0.0.6")),
    )
    profile.save(changed, file)
    text = file.read_text()
    assert profile.load(file) == changed
    for comment in ("# what our team deploys", "# the server", "# the first"):
        assert comment in text
    assert 'checks = ["vet"]' in text
    assert "tags" not in text
    assert '\n\n[[targets]]\naddress = "10.0.0.6"\n' in text


@pytest.mark.parametrize(
    "before",
    [
        "",
        "not toml at all",
        '[package]\nname = "another format"\n',
        'name = "x"\nproject = { path = "here" }\n',
        'name = "x"\nproject.path = "here"\ndeploy.health.tcp = 80\n',
        'targets = [{ address = "a" }, { address = "b" }]\n',
        'deploy = 3\n[[targets]]\naddress = "a"\n',
        'name = """\nx"""\r\n[deploy]\r\nargs = [\r\n  "[a]",\r\n]\r\n',
    ],
)
def test_saving_over_any_file_saves_the_request(before: str, tmp_path: Path) -> None:
    file = tmp_path / "slipway.toml"
    file.write_bytes(before.encode())
    request = replace(REQUEST, project=ProjectOptions(tmp_path / "src"))
    profile.save(request, file)
    assert profile.load(file) == request
    assert [path.name for path in tmp_path.iterdir()] == ["slipway.toml"]


def test_the_project_may_lie_elsewhere(tmp_path: Path) -> None:
    request = replace(REQUEST, project=ProjectOptions(tmp_path / "code" / "中文 folder"))
    file = tmp_path / "profiles" / "slipway.toml"
    profile.save(request, file)
    assert 'path = "../code/中文 folder"' in file.read_text(encoding="utf-8")
    assert profile.load(file) == request


@pytest.mark.skipif(os.name == "nt", reason="POSIX only: rights as numbers")
def test_saving_keeps_the_files_rights(tmp_path: Path) -> None:
    file = tmp_path / "slipway.toml"
    profile.save(REQUEST, file)
    assert file.stat().st_mode & 0o777 == 0o644
    file.chmod(0o600)
    profile.save(replace(REQUEST, name="other"), file)
    assert file.stat().st_mode & 0o777 == 0o600


def test_an_unwritable_file_is_said_so(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ProfileError) as caught:
        profile.save(REQUEST, tmp_path / "file" / "slipway.toml")
    assert caught.value.hint


def test_a_missing_file_is_said_so(tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"missing\.toml") as caught:
        profile.load(tmp_path / "missing.toml")
    assert caught.value.hint


def is_name(part: str) -> bool:
    # Windows takes blanks and full stops off the end of a name
    return part not in {".", ".."} and not (os.name == "nt" and part != part.rstrip(" ."))


TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NO_NAME = '/\\:*?"<>|\0' if os.name == "nt" else "/\0"
NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,10}", fullmatch=True)
TEXTS = st.lists(TEXT, max_size=4).map(tuple)
SECONDS = st.one_of(
    st.integers(0, 100_000).map(float),
    st.integers(0, 10_000_000).map(lambda ms: ms / 1000),
    st.floats(0, 1e9, allow_nan=False, allow_infinity=False),
).map(lambda seconds: seconds + 0.0)
REQUESTS = st.builds(
    DeployRequest,
    name=TEXT,
    project=st.builds(
        ProjectOptions,
        path=st.lists(
            st.text(
                st.characters(exclude_categories=["Cs"], exclude_characters=NO_NAME), min_size=1
            ).filter(is_name),
            max_size=4,
        ).map(lambda parts: Path("/", *parts).absolute()),
        package=TEXT,
    ),
    build=st.builds(
        BuildOptions,
        platform=TEXT,
        version=TEXT,
        stamp=TEXT,
        tags=TEXTS,
        ldflags=TEXT,
        cgo=st.booleans(),
        env=st.dictionaries(TEXT, TEXT, max_size=3),
        checks=st.sampled_from([(), ("vet",), ("vet", "test")]),
        include=TEXTS,
    ),
    deploy=st.builds(
        DeployOptions,
        kind=TEXT,
        args=TEXTS,
        env=st.dictionaries(NAMES, TEXT, max_size=3),
        secrets=TEXTS,
        root=TEXT,
        keep=st.integers(1, 1000),
        health=st.builds(
            HealthOptions,
            http=TEXT,
            tcp=st.integers(0, 65535),
            expect=st.integers(100, 599),
            timeout=SECONDS,
            stable=SECONDS,
        ),
        docker=st.builds(
            DockerOptions,
            rehearse=st.booleans(),
            ports=TEXTS,
            volumes=TEXTS,
            network=TEXT,
            restart=TEXT,
            read_only=st.booleans(),
            cap_drop=TEXTS,
            cap_add=TEXTS,
            user=TEXT,
            stop_timeout=SECONDS,
            log_max_size=TEXT,
            log_max_file=st.integers(1, 1000),
            base=st.sampled_from(["scratch", "dockerfile"]),
            dockerfile=TEXT,
            registry=TEXT,
            registry_user=TEXT,
        ),
    ),
    targets=st.lists(
        st.builds(
            Target,
            address=TEXT,
            transport=st.sampled_from(["ssh", "local"]),
            port=st.integers(0, 65535),
            user=TEXT,
            key=TEXT,
        ),
        max_size=3,
    ).map(tuple),
)


@pytest.mark.slow
@given(REQUESTS)
@settings(max_examples=150, deadline=None)
def test_what_is_written_reads_back_the_same(request: DeployRequest) -> None:
    folder = Path("/some/where")
    assert profile.loads(profile.dumps(request, folder), folder) == request
    assert profile.loads(profile.dumps(request), folder) == request


@pytest.mark.slow
@given(REQUESTS, REQUESTS)
@settings(max_examples=60, deadline=None)
def test_saving_over_another_request_reads_back_the_same(
    tmp_path_factory: pytest.TempPathFactory, before: DeployRequest, after: DeployRequest
) -> None:
    file = tmp_path_factory.mktemp("saved") / "slipway.toml"
    profile.save(before, file)
    profile.save(after, file)
    assert profile.load(file, complete=False) == after


@given(SECONDS)
def test_durations_read_back_exactly(seconds: float) -> None:
    assert profile_keys.read_duration(profile_keys.write_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30s", 30), ("1m30s", 90), ("500ms", 0.5), ("2h", 7200), ("1h0.5s", 3600.5), ("0s", 0)],
)
def test_durations(text: str, seconds: float) -> None:
    assert math.isclose(profile_keys.read_duration(text), seconds)


@pytest.mark.parametrize(
    "text", ["", "30", "s", "30 s", "-1s", "1s1m", "1m1m", "1d", "1e3s", "٣s", ".5s"]
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        profile_keys.read_duration(text)


MINIMAL = 'name = "a"\n[deploy.health]\ntcp = 1\n[[targets]]\naddress = "h"\n'

UNREADABLE = [
    ("nmae = 'x'", "nmae", "name"),
    ("nmae = 'x'", "nmae", "deploy, targets."),
    ("[[target]]\naddress = 'h'", "target", "Did you mean “targets”"),
    ("name = 3", "name", "text"),
    ("project = 'x'", "project", "table"),
    ("[project]\npath = 3", "project.path", "folder"),
    ("[build]\ncgo = 1", "build.cgo", "true or false"),
    ("[build]\ntags = 'x'", "build.tags", "list"),
    ("[build]\ntags = [1]", "build.tags", "list"),
    ("[build]\nenv = ['A=1']", "build.env", "names"),
    ("[build]\nenv = { A = 1 }", "build.env", "names"),
    ("[build]\nchecks = ['lint']", "build.checks", '"vet", "test"'),
    ("[build]\nversion = 2026-01-01", "build.version", "2026-01-01"),
    ("[deploy]\nkeep = true", "deploy.keep", "whole number"),
    ("[deploy]\nkeep = 0", "deploy.keep", "1 to 1000"),
    ("[deploy]\nhealth = 'x'", "deploy.health", "table"),
    ("[deploy.health]\ntimeout = 30", "deploy.health.timeout", '"30s"'),
    ("[deploy.health]\nstable = '5'", "deploy.health.stable", "unit"),
    ("[deploy.health]\ntcp = 70000", "deploy.health.tcp", "65535"),
    ("[deploy.docker]\nbase = 'alpine'", "deploy.docker.base", "scratch"),
    ("[deploy.docker]\nstop_timeout = '3s'", "deploy.docker.stop_timeout", "stop-timeout"),
    ("[deploy.windows]\nhost = 'srvany'", "deploy.windows.host", '"native", "wrapped"'),
    ("[deploy.windows]\nrestart = [5]", "deploy.windows.restart", "durations"),
    ("[deploy.windows]\nfirewall = [0]", "deploy.windows.firewall", "ports"),
    ("[deploy.systemd]\nuser = ''", "deploy.systemd", "does not offer"),
    ("targets = 'x'", "targets", "[[targets]]"),
    ("[[targets]]\nuser = 'x'", "targets.address", "missing"),
    ("[[targets]]\naddress = 'h'\nport = 0", "targets.port", "65535"),
    ("[[targets]]\naddress = 'h'\npassword = 'x'", "targets.password", "SLIPWAY_PASSWORD"),
    ("[[targets]]\naddress = 'h'\nsudo_password = 'x'", "targets.sudo_password", "SLIPWAY_SUDO"),
    ("[[targets]]\naddress = 'h'\nauth = 'digest'", "targets.auth", '"ntlm", "kerberos"'),
    (
        "[[targets]]\naddress = 'h'\ntransport = 'tls'",
        "targets.transport",
        '"ssh", "winrm", "local"',
    ),
    ("[[targets]]\naddress = 'h'\n[[targets]]\naddress = 3", "targets.2.address", "text"),
    ("[deploy.docker]\nregistry-password = 'x'", "deploy.docker.registry-password", "SLIPWAY_REG"),
    ("name = ", "", "TOML"),
]


@pytest.mark.parametrize(("text", "key", "words"), UNREADABLE, ids=[row[0] for row in UNREADABLE])
def test_what_cannot_be_read_names_its_key(text: str, key: str, words: str) -> None:
    with pytest.raises(ProfileError) as caught:
        profile.loads(text, Path("/x"))
    assert caught.value.key == key
    assert words in str(caught.value)
    assert key in str(caught.value)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(ProfileError) as caught:
        profile.loads("[[targets]]\naddress = 'h'\npassword = 'hunter2'", Path("/x"))
    assert "hunter2" not in str(caught.value)


def changed(key: str, value: object) -> DeployRequest:
    """Return the good request with one field set; ``targets`` means the first target."""
    *path, name = key.replace("-", "_").split(".")
    if path == ["targets"]:
        return replace(REQUEST, targets=(replace(REQUEST.targets[0], **{name: value}),))

    def put(part: object, path: list[str]) -> object:
        if not path:
            return replace(part, **{name: value})  # type: ignore[type-var]
        inner = put(getattr(part, path[0]), path[1:])
        return replace(part, **{path[0]: inner})  # type: ignore[type-var]

    request = put(REQUEST, path)
    assert isinstance(request, DeployRequest)
    return request


def test_the_good_request_has_no_problem() -> None:
    assert profile.problems(REQUEST) == ()


BAD = [
    *(("name", name) for name in ("", "Hello", "1a", "a_b", "a" * 64, "a\n", "héllo", "-a")),
    ("project.path", Path()),
    *(("project.package", text) for text in ("cmd/x", "-exec=x", "./ x", "example.com/x")),
    *(("build.platform", text) for text in ("", "linux", "Linux/amd64", "linux/amd64/v2")),
    ("build.platform", "windows/amd64"),
    *(("build.version", text) for text in ("", " ", "a\nb", "a" * 129)),
    *(("build.stamp", text) for text in ("version", "main.", "main.ver sion", "main.version=1")),
    ("build.tags", ("a b",)),
    ("build.ldflags", "-s\n-w"),
    ("build.env", {"A-B": "1"}),
    ("build.env", {"GOOS": "linux"}),
    ("build.env", {"CGO_ENABLED": "1"}),
    ("build.include", ("/etc",)),
    ("build.include", ("../x",)),
    ("build.include", ("C:/x",)),
    ("build.include", ("a\\b",)),
    ("build.include", ("",)),
    ("build.include", ("a", "a")),
    *(("deploy.kind", kind) for kind in ("", "systemd", "podman")),
    ("deploy.args", ("a\0b",)),
    ("deploy.env", {"1A": "x"}),
    ("deploy.env", {"A=B": "x"}),
    ("deploy.env", {"A": "\0"}),
    ("deploy.secrets", ("a-b",)),
    ("deploy.secrets", ("A", "A")),
    *(("deploy.root", root) for root in ("opt", "/opt/../etc", "~root/x", "/a\nb")),
    ("deploy.keep", 0),
    ("deploy.health.tcp", 80),
    ("deploy.health.tcp", -1),
    *(
        ("deploy.health.http", url)
        for url in (
            "localhost:8080", "ftp://h/", "http://", "http://h:x/", "http://h:0/", "http://h/ x",
            "http://u:p@h/", "http://h\n/", "http://[::1/",
        )
    ),
    ("deploy.health.expect", 42),
    ("deploy.health.timeout", 0.0),
    ("deploy.health.timeout", math.inf),
    ("deploy.health.stable", -1.0),
    *(
        ("deploy.docker.ports", (port,))
        for port in (
            "", "x", "8080:", "0:80", "80:70000", "80:80/http", "1.2.3.4:80", "8000-8001:80",
            "9-8:9-8", "a:80:80", "80:80:80", "-p",
        )
    ),
    ("deploy.docker.ports", ("80:80", "80:80")),
    *(
        ("deploy.docker.volumes", (volume,))
        for volume in ("", "/a", "/a:b", "a/b:/c", "/a:/", "/a:/b:x", "/a:/b:ro,", "/a:/b:ro:rw")
    ),
    ("deploy.docker.volumes", ("/a:/data", "/b:/data")),
    ("deploy.docker.network", "--x"),
    *(("deploy.docker.restart", text) for text in ("", "never", "always:3")),
    ("deploy.docker.cap-drop", ("--x",)),
    ("deploy.docker.cap-add", ("A B",)),
    ("deploy.docker.user", "a b"),
    ("deploy.docker.stop-timeout", -1.0),
    *(("deploy.docker.log-max-size", text) for text in ("", "0m", "10 MB", "10x")),
    ("deploy.docker.log-max-file", 0),
    *(("deploy.docker.registry", text) for text in ("https://r", "r:x", "r/ x", "-r:")),
    ("deploy.docker.registry-user", "me"),
    *(("targets.address", text) for text in ("", "a b", "-oProxyCommand=x", "me@host", "a/b")),
    ("targets.port", 70000),
    *(("targets.user", text) for text in ("-x", "a b", "a:b")),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), BAD)
def test_each_bad_value_is_a_problem_of_its_key(key: str, value: object) -> None:
    found = profile.problems(changed(key, value))
    assert {problem.field for problem in found if problem.blocking} == {key}


GOOD = [
    ("build.platform", "linux/arm64"),
    ("project.package", "."),
    ("build.stamp", "example.com/x/internal/about.Version"),
    ("deploy.root", "/srv/apps"),
    ("deploy.root", "~/apps"),
    ("deploy.health.http", "https://[::1]:8443/health?deep=1"),
    *(
        ("deploy.docker.ports", (port,))
        for port in (
            "8080", "8080:8080", "127.0.0.1:8080:8080/tcp", "127.0.0.1::8080", "[::1]:80:80",
            "8000-8010:9000-9010/udp",
        )
    ),
    *(
        ("deploy.docker.volumes", (volume,))
        for volume in ("/a:/b", "data:/data:ro", "/a:/b:ro,z", "/中文 folder:/b")
    ),
    ("deploy.docker.restart", "on-failure:3"),
    ("deploy.docker.user", "1000:1000"),
    ("deploy.docker.registry", "localhost:5000/team"),
    ("targets.address", "fe80::1%eth0"),
    ("targets.user", "DOMAIN\\me"),
]  # fmt: skip


@pytest.mark.parametrize(("key", "value"), GOOD)
def test_good_values_are_no_problem(key: str, value: object) -> None:
    assert [each for each in profile.problems(changed(key, value)) if each.blocking] == []


def fields(request: DeployRequest, *, blocking: bool = True) -> list[str]:
    return [p.field for p in profile.problems(request) if p.blocking is blocking]


def test_combinations() -> None:
    docker = DockerOptions
    deploy = REQUEST.deploy
    local = (Target("localhost", "local"),)

    def with_deploy(**values: object) -> DeployRequest:
        return replace(REQUEST, deploy=replace(deploy, **values))  # type: ignore[arg-type]

    both = with_deploy(env={"A": "1"}, secrets=("A",))
    assert fields(both) == ["deploy.secrets"]
    hosted = with_deploy(docker=docker(ports=("80:80",), network="host"))
    assert fields(hosted) == ["deploy.docker.ports"]
    inside = with_deploy(
        docker=docker(ports=("8085:8080", "9000-9002:9000-9002")), health=HealthOptions(tcp=8080)
    )
    assert fields(inside) == ["deploy.health.tcp"]
    for port in (8085, 9001):
        assert (
            fields(replace(inside, deploy=replace(inside.deploy, health=HealthOptions(tcp=port))))
            == []
        )
    asked = {
        "http://localhost:8080/": ["deploy.health.http"],
        "http://127.0.0.1:8085/health": [],
        "https://hello.example/": [],
        "http://localhost/": [],  # a proxy may pass it on
    }
    for url, wrong in asked.items():
        at = replace(inside, deploy=replace(inside.deploy, health=HealthOptions(http=url)))
        assert fields(at) == wrong, url
        doubts = ["deploy.health.http"] if url == "http://localhost/" else []
        assert fields(at, blocking=False) == doubts, url
    worker = with_deploy(docker=docker(), health=HealthOptions(tcp=8080))
    assert fields(worker) == []
    pushed = with_deploy(docker=docker(base="dockerfile", registry="r.example.com"))
    assert fields(pushed) == ["deploy.docker.registry"]
    outside = with_deploy(docker=docker(base="dockerfile", dockerfile="../Dockerfile"))
    assert fields(outside) == ["deploy.docker.dockerfile"]
    assert fields(with_deploy(kind="process")) == ["targets.transport"]
    assert fields(replace(with_deploy(kind="process"), targets=local)) == []
    assert fields(replace(REQUEST, targets=local)) == []
    assert fields(replace(REQUEST, targets=(Target("a", "local", user="me"),))) == [
        "targets.transport"
    ]
    assert fields(replace(REQUEST, targets=())) == ["targets"]
    assert fields(replace(REQUEST, targets=(Target("a"), Target("a")))) == ["targets"]
    assert fields(replace(REQUEST, targets=(Target("a"), Target("")))) == ["targets.2.address"]
    ignored = replace(with_deploy(kind="process", docker=docker(restart="?")), targets=local)
    assert fields(ignored) == []


def test_doubts_do_not_block() -> None:
    unasked = replace(REQUEST, deploy=replace(REQUEST.deploy, health=HealthOptions()))
    assert fields(unasked) == []
    assert fields(unasked, blocking=False) == ["deploy.health.http"]
    open_secret = replace(REQUEST, deploy=replace(REQUEST.deploy, env={"API_TOKEN": "x"}))
    assert fields(open_secret) == []
    assert fields(open_secret, blocking=False) == ["deploy.env"]
    unproven = replace(REQUEST, deploy=replace(REQUEST.deploy, health=HealthOptions(stable=0.0)))
    assert fields(unproven) == ["deploy.health.stable"]


def test_loading_refuses_the_first_problem_unless_it_need_not_be_complete(tmp_path: Path) -> None:
    file = tmp_path / "slipway.toml"
    file.write_text(MINIMAL.replace('"a"', '"A"'))
    with pytest.raises(ProfileError) as caught:
        profile.load(file)
    assert caught.value.key == "name"
    assert caught.value.hint
    assert profile.load(file, complete=False).name == "A"
