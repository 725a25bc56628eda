"""slipway-host.exe: its Go tests, its being built, and its errors as a user reads them."""

import gzip
import json
import subprocess
from pathlib import Path

import pytest

from app import i18n, winhost
from app.binary import read_header
from app.errors import BuildError, Cancelled, CommandFailed
from app.releases import lock_refused
from app.toolchain import Toolchain, find_toolchain
from app.transport import TOOL, CancelToken, Command, CommandResult

pytestmark = pytest.mark.timeout(600)
EARLIER = '{"process":"12@34"}\nsome noise\n'
FAILED = {
    "code": 1053,
    "doing": "start service hello",
    "system": "Der Dienst antwortete nicht.",
    "cause": "The service is running already.",
    "remedy": "Nothing needs to be done.",
}


@pytest.fixture(scope="module")
def go() -> Toolchain:
    return find_toolchain()


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the sources for a test to change."""
    copy = tmp_path / "winhost"
    copy.mkdir()
    for path in winhost.SOURCES.iterdir():
        if path.is_file():
            (copy / path.name).write_bytes(path.read_bytes())
    monkeypatch.setattr(winhost, "SOURCES", copy)
    return copy


def run_go(go: Toolchain, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    environment = go.environment({"GOFLAGS": "-mod=vendor", "GOWORK": "off"} | env)
    return subprocess.run(
        [go.go, *words],
        cwd=winhost.SOURCES,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def result(stderr: str, *, stdout: str = "", code: int = 1, tool: str = TOOL) -> CommandResult:
    command = Command((tool, "service", "start", "hello"))
    return CommandResult(command, code, stdout, stderr)


def failed(**fields: object) -> str:
    return EARLIER + json.dumps({"error": FAILED | fields}) + "\n"


@pytest.mark.slow
def test_what_can_be_tested_without_windows(go: Toolchain) -> None:
    done = run_go(go, "test", "./...")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("platform", ["linux/amd64", "windows/amd64", "windows/arm64"])
def test_vet_finds_nothing(go: Toolchain, platform: str) -> None:
    system, arch = platform.split("/")
    done = run_go(go, "vet", "./...", GOOS=system, GOARCH=arch, CGO_ENABLED="0")
    assert done.returncode == 0, done.stderr


def test_the_sources_are_formatted(go: Toolchain) -> None:
    gofmt = go.go.with_name("gofmt" + go.go.suffix)
    files = [path.name for path in winhost.SOURCES.glob("*.go")]
    done = subprocess.run(
        [gofmt, "-l", *files], cwd=winhost.SOURCES, capture_output=True, text=True, check=True
    )
    assert done.stdout == ""


def test_the_id_is_that_of_the_sources_whatever_their_line_ends(sources: Path) -> None:
    first = winhost.source_id()
    assert len(first) == 12
    assert set(first) <= set("0123456789abcdef")
    main = sources / "main.go"
    main.write_bytes(main.read_bytes().replace(b"\n", b"\r\n"))
    (sources / "README.md").write_text("other words")
    (sources / "more_test.go").write_text("package main")
    assert winhost.source_id() == first
    for name in ("main.go", "errors.json", "go.sum"):
        before = winhost.source_id()
        path = sources / name
        path.write_bytes(path.read_bytes() + b"\n")
        assert winhost.source_id() != before
    assert winhost.remote_path(first) == (rf"C:\Program Files\Slipway\slipway-host-{first}.exe")


@pytest.mark.slow
def test_it_is_built_once_and_kept(go: Toolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    path = winhost.program("amd64", go)
    header = read_header(path)
    assert header
    assert (header.format, header.machine, header.static) == ("pe", "amd64", False)
    assert winhost.source_id().encode() in path.read_bytes()
    assert [item.name for item in path.parent.iterdir()] == [path.name]

    def never(*_arguments: object, **_options: object) -> None:
        raise AssertionError("built again")

    once, again = path.with_name("once.exe"), path.with_name("again.exe")
    for built in (once, again):
        winhost.build_program("amd64", built, go)
    assert once.read_bytes() == again.read_bytes()
    monkeypatch.setattr(winhost, "build_program", never)
    assert winhost.program("amd64", go) == path


def test_a_prebuilt_one_counts_only_if_it_is_of_these_sources(
    go: Toolchain, sources: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[Path] = []
    monkeypatch.setattr(winhost, "build_program", lambda _arch, dest, *_rest: built.append(dest))
    prebuilt = sources / "prebuilt"
    prebuilt.mkdir()
    (prebuilt / "slipway-host-arm64.exe.gz").write_bytes(gzip.compress(b"MZ"))
    stamp = prebuilt / "slipway-host-arm64.id"
    said: list[str] = []
    assert winhost.program("arm64", go, tell=said.append) in built
    stamp.write_text("0123456789ab")
    assert winhost.program("arm64", go, tell=said.append) in built
    assert said == ["Building Slipway's own tool for the server…"] * 2
    stamp.write_text(winhost.source_id() + "\n")
    assert winhost.WindowsTool(said.append).program("arm64").read_bytes() == b"MZ"
    assert len(said) == 2
    assert len(built) == 2


def test_what_can_not_be_built_is_told(go: Toolchain, sources: Path, tmp_path: Path) -> None:
    with pytest.raises(BuildError, match="processor"):
        winhost.program("386", go)
    cancelled = CancelToken()
    cancelled.cancel()
    with pytest.raises(Cancelled):
        winhost.build_program("amd64", tmp_path / "x.exe", go, cancelled)
    (sources / "main.go").write_text("package main\n\nfunc main() {")
    with pytest.raises(BuildError) as caught:
        winhost.build_program("amd64", tmp_path / "x.exe", go)
    assert caught.value.detail
    (tmp_path / "file").write_text("")
    with pytest.raises(BuildError, match="written"):
        winhost.build_program("amd64", tmp_path / "file" / "x.exe", go)
    assert not (tmp_path / "x.exe").exists()


def test_an_error_is_told_in_words() -> None:
    error = winhost.host_error(result(failed()))
    assert error
    assert error.code == 1053
    assert error.doing == "start service hello"
    with pytest.raises(CommandFailed) as caught:
        result(failed()).check("It can't be started.", "a hint of the caller")
    problem = caught.value
    assert problem.title == "It can't be started."
    assert problem.detail == (
        "Der Dienst antwortete nicht. (Windows error 1053)\nThe service is running already."
    )
    assert problem.hint == "Nothing needs to be done."
    tail = result(failed()).tail()
    assert tail.startswith("some noise\nDer Dienst")
    assert "{" not in tail


def test_what_has_no_number_keeps_the_callers_hint() -> None:
    with pytest.raises(CommandFailed) as caught:
        result(failed(code=0, cause="", remedy="")).check("Title", "a hint")
    assert caught.value.detail == "Der Dienst antwortete nicht."
    assert caught.value.hint == "a hint"


def test_cause_and_remedy_are_translated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.transport.tool._", lambda text: f"<{text}>")
    error = winhost.host_error(result(failed(code=99, cause="C.", remedy="")))
    assert error
    assert (error.cause, error.remedy, error.system) == ("<C.>", "", FAILED["system"])


@pytest.mark.parametrize(
    "stderr", ["", "plain words", "[1]", '{"error": "x"}', '{"process": "3@4"}']
)
def test_what_is_no_error_of_ours_stays_as_it_is(stderr: str) -> None:
    assert winhost.host_error(result(stderr)) is None
    with pytest.raises(CommandFailed) as caught:
        result(stderr, stdout="out", code=7).check("Title")
    assert "7" in caught.value.detail
    assert "process" not in caught.value.detail


def test_other_commands_may_print_what_they_like() -> None:
    assert result(failed(), tool="sh").host_error is None
    assert '{"error"' in result(failed(), tool="sh").tail()


def test_secrets_in_an_error_are_masked() -> None:
    said = CommandResult(
        Command((TOOL, "x")),
        1,
        "",
        failed(system="of hunter2"),
        lambda t: t.replace("hunter2", "*"),
    )
    with pytest.raises(CommandFailed) as caught:
        said.check("Title")
    assert "hunter2" not in str(caught.value)


def test_a_held_lock_is_known_by_its_exit_code() -> None:
    command = Command((TOOL, "store", "beat", "C:\\x", "token"))
    assert lock_refused(command, CommandResult(command, 75, "{}", ""))


def test_every_cause_is_a_text_that_can_be_translated() -> None:
    known = json.loads((winhost.SOURCES / "errors.json").read_text("utf-8"))
    i18n.use_language("en")
    for entry in known.values():
        assert i18n._(entry["cause"]) == entry["cause"]
        assert entry["remedy"].endswith(".")
