"""What holds for every test: a home of its own, no keyring, no display, and no silent skip."""

from __future__ import annotations

import atexit
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import keyring
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from app import i18n
from tests.memory_keyring import MemoryKeyring

LAB_FOLDER = Path(__file__).parent / "lab"
# What needs more than this computer as it is: an option of pytest switches it on, and a line says
# what was left out without it.
SUITES = {
    "lab": "THE LAB IS OFF: {count} tests against real servers were not run"
    " (python3 dev.py test --lab)",
    "windows_package": "NOT PACKAGED FOR WINDOWS: {count} tests of the package and installer for"
    " Windows were not run (python3 dev.py test --package --windows)",
    "windows_trips": "NOT FROM WINDOWS: {count} trips from a Windows desktop to the lab's servers"
    " were not made (python3 dev.py test --windows --trips)",
    "package": "NOT PACKAGED: {count} tests of the packaged application were not run"
    " (python3 dev.py test --package)",
}
# Qt's own is 800 pixels wide
OFFSCREEN = f"offscreen:configfile={Path(__file__).with_name('screen.json')}"
GO_VARIABLES = ("GOCACHE", "GOMODCACHE", "GOPATH")
ENGINE_FILES = tuple(f"tests/lab/test_{name}.py" for name in ("image", "lab", "registry"))
WINDOWS_PACKAGE, WINDOWS_TRIPS = "tests/windows_package/", "tests/windows_trips/"
# A test for another system says so with one of these; any other reason hides a hole.
ALLOWED_SKIPS = (
    "Windows only",
    "macOS only",
    *(["POSIX only", "Wine only"] if os.name == "nt" else []),
)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--lab",
        action="store_true",
        default=os.environ.get("SLIPWAY_LAB") == "1",
        help="run the tests of tests/lab too (the lab must be up); also SLIPWAY_LAB=1",
    )
    parser.addoption(
        "--package",
        action="store_true",
        help="run the tests of tests/package too (python3 dev.py package has made dist/slipway)",
    )
    parser.addoption(
        "--windows-package",
        action="store_true",
        help="run the tests of tests/windows_package too (dev.py package --windows has made it)",
    )
    parser.addoption(
        "--windows-trips",
        action="store_true",
        help="run the tests of tests/windows_trips too (the lab must be up, and dist/windows made)",
    )
    parser.addoption(
        "--posix-only",
        type=int,
        metavar="N",
        help="as in CI any skip is a failure, but exactly N tests whose subject is POSIX itself",
    )


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(SkipWatch(config), "slipway-skip-watch")
    if hasattr(config, "workerinput"):
        return  # a worker of pytest-xdist inherits all this
    # A shell that starts us in the background has Ctrl-C ignored, for all our children too.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    _keep_go_caches()
    home = Path(tempfile.mkdtemp(prefix="slipway-home-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    _forget_developer(os.environ, home)


def _keep_go_caches() -> None:
    """Pin Go's caches to the developer's, before the home folder changes: builds stay fast."""
    go = shutil.which("go")
    if go:
        done = subprocess.run(
            [go, "env", "-json", *GO_VARIABLES], capture_output=True, check=True, cwd=LAB_FOLDER
        )
        os.environ.update(json.loads(done.stdout))


def _forget_developer(environment: os._Environ[str], home: Path) -> None:
    """Point all that names a personal folder into ``home``, and drop what names a service."""
    folders = {
        "HOME": home,
        "USERPROFILE": home,
        "APPDATA": home / "AppData" / "Roaming",
        "LOCALAPPDATA": home / "AppData" / "Local",
        "WIN_PD_OVERRIDE_APPDATA": home / "AppData" / "Roaming",
        "WIN_PD_OVERRIDE_LOCAL_APPDATA": home / "AppData" / "Local",
        "XDG_CONFIG_HOME": home / ".config",
        "XDG_DATA_HOME": home / ".local" / "share",
        "XDG_STATE_HOME": home / ".local" / "state",
        "XDG_CACHE_HOME": home / ".cache",
        "XDG_RUNTIME_DIR": home / ".run",
    }
    for name, folder in folders.items():
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        environment[name] = str(folder)
    for name in list(environment):
        if name.startswith("SLIPWAY_") and name != "SLIPWAY_LAB":
            del environment[name]
    for name in ("SSH_AUTH_SOCK", "DBUS_SESSION_BUS_ADDRESS", "DOCKER_HOST", "GOFLAGS"):
        environment.pop(name, None)
    environment.update(
        # Programs started by a test can't see the keyring set below.
        PYTHON_KEYRING_BACKEND="keyring.backends.null.Keyring",
        QT_QPA_PLATFORM=environment.get("QT_QPA_PLATFORM", OFFSCREEN),
        LANGUAGE="en",
        GIT_AUTHOR_NAME="Test",
        GIT_AUTHOR_EMAIL="test@localhost",
        GIT_COMMITTER_NAME="Test",
        GIT_COMMITTER_EMAIL="test@localhost",
    )


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Return this test's own, empty home folder."""
    before = dict(os.environ)
    folder = tmp_path_factory.mktemp("home")
    _forget_developer(os.environ, folder)
    i18n.use_language("en")
    yield folder
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(autouse=True)
def _short_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """On Windows a program has one second to end: Wine has no Ctrl-Break that would reach it."""
    if os.name == "nt":
        monkeypatch.setattr("app.kinds.process.GRACE_SECONDS", 1.0)
        monkeypatch.setattr("app.service.GRACE_SECONDS", 1.0)


@pytest.fixture(autouse=True)
def memory_keyring() -> MemoryKeyring:
    """Return this test's own keyring, already in use."""
    backend = MemoryKeyring()
    keyring.set_keyring(backend)
    return backend


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark the tests of each suite, and leave them out while it is off."""
    for name in SUITES:
        folder = Path(__file__).parent / name
        suite = [item for item in items if item.path.is_relative_to(folder)]
        for item in suite:
            item.add_marker(name)
        if not config.getoption(name):
            _leave_out(config, items, name)


def _leave_out(config: pytest.Config, items: list[pytest.Item], mark: str) -> None:
    """Take out the tests that have a mark; the end says how many."""
    out = [item for item in items if item.get_closest_marker(mark)]
    if out:
        items[:] = [item for item in items if item not in set(out)]
        config.hook.pytest_deselected(items=out)
        config.pluginmanager.get_plugin("slipway-skip-watch").left_out[mark] = len(out)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    return OneAtTheEngine(config, log)


class OneAtTheEngine(LoadScopeScheduling):
    """Keeps the tests that share the lab's one engine, or a Windows desktop, on one worker.

    All others run anywhere.

    Hosts are not shared: every worker has its own. pytest-xdist's own way to say so, ``loadgroup``,
    does nothing under pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        if nodeid.startswith(WINDOWS_PACKAGE):
            return WINDOWS_PACKAGE
        if nodeid.startswith(WINDOWS_TRIPS):
            return nodeid.partition("::")[0]
        return "engine" if nodeid.startswith(ENGINE_FILES) else nodeid


class SkipWatch:
    """Names what did not run; where everything must run (CI, the lab), a skip is a failure."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.posix_only: int | None = config.getoption("posix_only")
        wanted = any(config.getoption(name) for name in SUITES) or self.posix_only is not None
        self.strict = wanted or os.environ.get("CI") == "true"
        self.left_out: dict[str, int] = {}
        self.skipped: dict[str, None] = {}
        self.passed_over: set[str] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.skipped and not hasattr(report, "wasxfail"):
            self._note(report.nodeid, report.longrepr)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.skipped:
            self._note(report.nodeid, report.longrepr)

    def _note(self, name: str, longrepr: object) -> None:
        text = str(longrepr[2]) if isinstance(longrepr, tuple) else str(longrepr)
        reason = text.removeprefix("Skipped: ")
        if reason.startswith(ALLOWED_SKIPS):
            self.passed_over.add(name)
        elif self.strict:
            self.skipped[f"{name}: {reason}"] = None

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: object, error: object) -> None:
        """Take over what a worker of pytest-xdist counted."""
        output = getattr(node, "workeroutput", {})
        self.left_out |= output.get("left_out", {})
        self.skipped |= dict.fromkeys(output.get("skipped", ()))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(self.config, "workeroutput", None)
        if output is not None:
            output["left_out"] = self.left_out
            output["skipped"] = list(self.skipped)
        elif (self.skipped or self._miscounted) and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    @property
    def _miscounted(self) -> bool:
        return self.posix_only not in {None, len(self.passed_over)}

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for name in self.skipped:
            terminalreporter.write_line(f"SKIPPED, BUT MUST RUN HERE: {name}", red=True)
        if self._miscounted:
            found = f"{len(self.passed_over)} TESTS SAY THAT THEY ARE FOR ANOTHER SYSTEM"
            terminalreporter.write_line(f"{found}, NOT {self.posix_only}", red=True)
        for suite, count in self.left_out.items():
            terminalreporter.write_line(SUITES[suite].format(count=count), yellow=True)
