"""What the window remembers between starts: its place, recent choices; never a secret."""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from platformdirs import user_config_path

from app.i18n import LANGUAGES
from app.request import KINDS, Target

RECENT = 8
APPEARANCES = ("system", "light", "dark", "contrast")
CHOICES = {
    "transport": ("ssh", "winrm", "local"),
    "scheme": ("https", "http"),
    "auth": ("ntlm", "kerberos", "basic", "credssp"),
}
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class BegunRun:
    """A run that the window has begun: its title, and which service it is about, where."""

    title: str
    name: str
    target: str


@dataclass(frozen=True, slots=True)
class RecentProject:
    """A folder that was opened, and the answers last given for it as slipway.toml text.

    ``run`` is what the window has begun and not seen end.
    """

    path: Path
    answers: str = ""
    run: BegunRun | None = None


class Settings:
    """One JSON file, written whole at every change; a broken or missing one reads as empty.

    What another window of the same user has written meanwhile is kept.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or user_config_path("slipway", appauthor=False) / "window.json"
        self._geometry: dict[str, bytes] = {}
        self._projects: tuple[RecentProject, ...] = ()
        self._targets: tuple[Target, ...] = ()
        self._platforms: dict[Target, str] = {}
        self._go_folder = ""
        self._language = ""
        self._appearance = "system"
        self._kind = ""
        self._behind = False  # whether the file lacks what is known here
        self._read()

    @property
    def projects(self) -> tuple[RecentProject, ...]:
        """The projects opened last, newest first."""
        return self._projects

    @property
    def targets(self) -> tuple[Target, ...]:
        """The servers connected to last, newest first."""
        return self._targets

    @property
    def platforms(self) -> Mapping[Target, str]:
        """What the servers connected to last run on, like ``linux/amd64``, if that is known."""
        return self._platforms

    @property
    def go_folder(self) -> Path | None:
        """The folder with Go that the user named, if any."""
        return Path(self._go_folder) if self._go_folder else None

    @property
    def language(self) -> str:
        """The language that the user chose, a key of ``LANGUAGES``; empty: the system's own."""
        return self._language

    @property
    def appearance(self) -> str:
        """One of ``APPEARANCES``, "system" unless the user chose another."""
        return self._appearance

    @property
    def kind(self) -> str:
        """How the service ran that was deployed last, empty before the first one."""
        return self._kind

    def geometry(self, window: str) -> bytes:
        """Return the remembered place and size of ``window``, empty if there is none."""
        return self._geometry.get(window, b"")

    def remember_geometry(self, window: str, geometry: bytes) -> None:
        """Keep the place and size of ``window``."""
        if self._geometry.get(window) != geometry:
            with self._changing():
                self._geometry[window] = geometry

    def remember_project(self, path: Path, answers: str = "") -> None:
        """Put ``path`` first among the recent projects; empty ``answers`` keep the former ones."""
        with self._changing():
            former = self._project(path)
            others = tuple(each for each in self._projects if each.path != path)
            newest = replace(former, answers=answers or former.answers)
            self._projects = (newest, *others)[:RECENT]

    def begun_run(self, path: Path) -> BegunRun | None:
        """Return the run of a recent project whose good end was not seen, if there is one."""
        return self._project(path).run

    def remember_run(self, path: Path, run: BegunRun | None) -> None:
        """Keep which run of a recent project is under way, None once it has ended."""
        known = any(each.path == path for each in self._projects)
        if known and self._project(path).run != run:
            with self._changing():
                self._projects = tuple(
                    replace(each, run=run) if each.path == path else each for each in self._projects
                )

    def forget_run(self, path: Path, name: str, target: str) -> None:
        """Take back that a run of this service is under way there: the server knows of none."""
        run = self.begun_run(path)
        if run is not None and (run.name, run.target) == (name, target):
            self.remember_run(path, None)

    def forget_project(self, path: Path) -> None:
        """Take ``path`` off the recent projects."""
        with self._changing():
            self._projects = tuple(each for each in self._projects if each.path != path)

    def answers(self, path: Path) -> str:
        """Return the answers last given for the project in ``path`` as slipway.toml text."""
        return self._project(path).answers

    def _project(self, path: Path) -> RecentProject:
        known = (each for each in self._projects if each.path == path)
        return next(known, RecentProject(path))

    def remember_target(self, target: Target, platform: str = "") -> None:
        """Put ``target`` first among the recent servers, with what it was seen to run on."""
        with self._changing():
            same = (target.transport, str(target))
            others = tuple(each for each in self._targets if (each.transport, str(each)) != same)
            self._targets = (target, *others)[:RECENT]
            if platform:
                self._platforms[target] = platform

    def remember_go_folder(self, folder: Path | None) -> None:
        """Keep the folder with Go that the user named; None looks in the usual places again."""
        with self._changing():
            self._go_folder = str(folder) if folder else ""

    def remember_language(self, language: str) -> None:
        """Keep the language of the next start; empty follows the system."""
        with self._changing():
            self._language = language

    def remember_appearance(self, appearance: str) -> None:
        """Keep what the window looks like."""
        with self._changing():
            self._appearance = appearance

    def remember_kind(self, kind: str) -> None:
        """Keep how a service runs: proposed for the next project."""
        with self._changing():
            self._kind = kind

    @contextlib.contextmanager
    def _changing(self) -> Iterator[None]:
        """Let what the file says by now be changed, and write it."""
        if not self._behind:
            self._read()
        yield
        self._write()

    def _read(self) -> None:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return
        if not isinstance(content, dict):
            return
        self._go_folder = _typed(content.get("go"), str, "")
        language = _typed(content.get("language"), str, "")
        self._language = language if language in LANGUAGES else ""
        appearance = content.get("appearance")
        self._appearance = appearance if appearance in APPEARANCES else "system"
        kind = content.get("kind")
        self._kind = kind if kind in KINDS else ""
        self._geometry = {
            name: _bytes(text)
            for name, text in _typed(content.get("geometry"), dict, {}).items()
            if isinstance(name, str) and isinstance(text, str)
        }
        self._projects = tuple(
            RecentProject(
                Path(entry["path"]),
                _typed(entry.get("answers"), str, ""),
                _begun_run(entry.get("run")),
            )
            for entry in _entries(content, "projects")
            if isinstance(entry.get("path"), str)
        )[:RECENT]
        servers = {
            target: _typed(entry.get("platform"), str, "")
            for entry in _entries(content, "targets")
            if (target := _target(entry))
        }
        self._targets = tuple(servers)[:RECENT]
        self._platforms = {target: platform for target, platform in servers.items() if platform}

    def _write(self) -> None:
        content = {
            "go": self._go_folder,
            "language": self._language,
            "appearance": self._appearance,
            "kind": self._kind,
            "geometry": {
                name: base64.b64encode(value).decode() for name, value in self._geometry.items()
            },
            "projects": [
                {
                    "path": str(each.path),
                    "answers": each.answers,
                    "run": asdict(each.run) if each.run else None,
                }
                for each in self._projects
            ],
            "targets": [
                {**asdict(each), "platform": self._platforms.get(each, "")}
                for each in self._targets
            ],
        }
        self._behind = not _replace(self.path, json.dumps(content, indent=1, ensure_ascii=False))


def _replace(path: Path, text: str) -> bool:
    """Write ``text`` whole or not at all; a folder that can't be written is not worth a word."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=path.name)
    except OSError:
        return False
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        Path(name).replace(path)
    except OSError:
        Path(name).unlink(missing_ok=True)
        return False
    return True


def _typed(value: object, kind: type[T], default: T) -> T:
    return value if isinstance(value, kind) else default


def _bytes(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""


def _entries(content: dict[str, Any], key: str) -> list[dict[str, Any]]:
    return [entry for entry in _typed(content.get(key), list, []) if isinstance(entry, dict)]


def _begun_run(entry: object) -> BegunRun | None:
    if not isinstance(entry, dict):
        return None
    words = [entry.get(name) for name in ("title", "name", "target")]
    return BegunRun(*map(str, words)) if all(isinstance(word, str) for word in words) else None


def _target(entry: dict[str, Any]) -> Target | None:
    address = entry.get("address")
    if not isinstance(address, str) or not address:
        return None
    values: dict[str, Any] = {"port": _typed(entry.get("port"), int, 0)}
    values |= {name: _typed(entry.get(name), str, "") for name in ("user", "key", "ca")}
    for name, allowed in CHOICES.items():
        values[name] = entry.get(name, allowed[0])
        if values[name] not in allowed:
            return None
    return Target(address, **values)
