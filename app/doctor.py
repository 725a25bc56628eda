"""``slipway doctor``: what is on this computer, what is missing, and what to do about it."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import platformdirs

from app.credentials import PasswordStore
from app.errors import SlipwayError
from app.i18n import _, sentences
from app.packaged import QT_VERB, is_packaged
from app.processes import run_process
from app.reasons import reason
from app.session import Session
from app.toolchain import find_toolchain

ANSWER_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that Slipway uses. ``needed`` without ``there``: something will not work."""

    name: str
    there: bool
    needed: bool
    found: str
    hint: str = ""


def run(session: Session) -> int:
    """Show all findings; 1 if anything that is needed is missing."""
    missing = 0
    for look in (go, keyring, docker, window, ssh, folders):
        for finding in look():
            missing += finding.needed and not finding.there
            session.console.show(asdict(finding))
            mark = "✓" if finding.there else ("✗" if finding.needed else "–")
            words = _("{name}: {text}").format(name=finding.name, text=finding.found)
            session.console.say(f"{mark} {words}")
            if finding.hint and not finding.there:
                session.console.say(f"    {finding.hint}")
    return 1 if missing else 0


def go() -> Iterator[Finding]:
    """Look for the toolchain that builds."""
    try:
        found = find_toolchain()
    except SlipwayError as problem:
        yield Finding("Go", False, True, sentences(problem.title, problem.detail), problem.hint)
        return
    text = _("{version} at {path} ({origin})").format(
        version=found.version, path=found.go, origin=found.origin
    )
    yield Finding("Go", True, True, text)


def keyring() -> Iterator[Finding]:
    """Look for the place that remembers passwords."""
    name = _("Keyring")
    missing = PasswordStore().available()
    if not missing:
        yield Finding(name, True, False, _("answers"))
        return
    hint = _(
        "Without it passwords are asked for each time, or come from the environment "
        "(SLIPWAY_PASSWORD, SLIPWAY_SECRET_…)."
    )
    yield Finding(name, False, False, missing, hint)


def docker() -> Iterator[Finding]:
    """Look for a Docker on this computer: only needed for containers on this very computer."""
    name = _("Docker here")
    hint = _("Only needed to try containers on this computer; servers have their own.")
    program = shutil.which("docker")
    if not program:
        yield Finding(name, False, False, _("not installed"), hint)
        return
    try:
        result = run_process(
            [program, "version", "--format", "{{.Server.Version}}"], timeout=ANSWER_SECONDS
        )
    except (OSError, TimeoutError) as problem:
        yield Finding(name, False, False, str(problem) or _("does not answer"), hint)
        return
    there = result.exit_code == 0
    text = result.stdout.strip() if there else (result.stderr.strip().splitlines() or ["?"])[-1]
    yield Finding(name, there, False, text, hint)


def window() -> Iterator[Finding]:
    """Look for Qt; the command line works without it."""
    hint = _("Needed for the window only: pip install PySide6-Essentials")
    try:
        found = version("PySide6-Essentials")
    except PackageNotFoundError:
        yield Finding("Qt", False, False, _("not installed"), hint)
        return
    # in a process of its own: a Qt whose libraries are missing would end this one
    words = [QT_VERB] if is_packaged() else ["-c", "import PySide6.QtWidgets"]
    try:
        result = run_process([sys.executable, *words], timeout=3 * ANSWER_SECONDS)
    except (OSError, TimeoutError) as problem:
        yield Finding("Qt", False, False, str(problem), hint)
        return
    if result.exit_code == 0:
        yield Finding("Qt", True, False, f"PySide6 {found}")
        return
    said = (result.stderr.strip().splitlines() or ["?"])[-1]
    hint = _("On Debian and Ubuntu: apt install libegl1 libgl1 libxkbcommon0 libdbus-1-3")
    yield Finding("Qt", False, False, f"PySide6 {found}: {said}", hint)


def ssh() -> Iterator[Finding]:
    """Look for the user's SSH configuration, keys and agent."""
    home = Path.home() / ".ssh"
    config = home / "config"
    yield Finding(
        _("SSH configuration"),
        config.is_file(),
        False,
        str(config) if config.is_file() else _("none"),
        _("Servers can be given by address; a Host in {path} saves typing.").format(path=config),
    )
    keys = sorted(path.name for path in home.glob("id_*") if path.suffix != ".pub")
    agent = os.environ.get("SSH_AUTH_SOCK", "")
    there = bool(keys or agent or sys.platform == "win32")
    text = ", ".join([*keys, *([_("agent at {path}").format(path=agent)] if agent else [])])
    yield Finding(
        _("SSH keys"),
        there,
        False,
        text or _("none"),
        _("Servers are reached with passwords, or make a key with ssh-keygen."),
    )


def folders() -> Iterator[Finding]:
    """Look whether Slipway's own folders can be written to."""
    for name, folder in (
        (_("Settings"), platformdirs.user_config_path("slipway", appauthor=False)),
        (_("Data"), platformdirs.user_data_path("slipway", appauthor=False)),
        (_("Logs"), platformdirs.user_log_path("slipway", appauthor=False)),
    ):
        problem = _unwritable(folder)
        yield Finding(
            name,
            not problem,
            True,
            f"{folder}: {problem}" if problem else str(folder),
            _("Make the folder writable for yourself."),
        )


def _unwritable(folder: Path) -> str:
    """Return why a folder can't be written to, or ""."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return ""
    except OSError as problem:
        return reason(problem)
