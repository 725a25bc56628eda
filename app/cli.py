"""The command line: the same engine as the window, without a display.

Exit codes: 0 done; 1 failed, the old version serves; 2 bad input, nothing touched; 3 failed and
not restored; 70 a bug of ours; 130 cancelled, the old version serves.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from app import commands, queries, supervise
from app.console import Console, Interrupts
from app.demo import run as demo
from app.doctor import run as doctor
from app.errors import Cancelled, SlipwayError
from app.i18n import LANGUAGES, _, known_language, use_language
from app.session import CANCELLED, NOTHING_TOUCHED, Session
from app.usage import aligned, translate_argparse
from app.version import slipway_version

BUG = 70
PROGRAM = "slipway"

Command = Callable[[Session], int]
ShowWindow = Callable[[Path, str], int]

if TYPE_CHECKING:
    Parts = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001 (has no other name)


def main(argv: Sequence[str] | None = None, show_window: ShowWindow | None = None) -> int:
    """Run one command and return its exit code.

    ``show_window`` opens the wizard with a file, in a language; without it there is no ``open``.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["supervise"]:  # what the packaged application starts itself with
        return supervise.main(arguments[1:])
    _write_anything()
    language = _language(arguments)
    use_language(language if _is_there(language) else "")  # what is wrong with it is told later
    translate_argparse()
    parser = make_parser()
    options, unknown = parser.parse_known_args(arguments)
    if unknown:  # told together with the usage of the command that does not know them
        words = _("unrecognized arguments: %s") % " ".join(unknown)
        getattr(options, "parser", parser).error(words)
    run = getattr(options, "run", None)
    if run is None:
        if show_window is not None and "file" in options:
            return show_window(Path(options.file), language)
        parser.print_help(sys.stderr)
        return NOTHING_TOUCHED
    console = Console(as_json=getattr(options, "json", False))
    with (
        Interrupts() as interrupts,
        tempfile.TemporaryDirectory(prefix="slipway-", ignore_cleanup_errors=True) as folder,
    ):
        session = Session(options, console, interrupts, Path(folder))
        code = _guarded(run, session)
    _let_go()
    return code


def _guarded(command: Command, session: Session) -> int:
    """Run a command; a user's error becomes words, a bug of ours a log file."""
    console = session.console
    try:
        return command(session)
    except SlipwayError as problem:
        console.fail(problem)
        return NOTHING_TOUCHED
    except (Cancelled, KeyboardInterrupt, EOFError):
        console.warn(_("Cancelled; nothing was changed."))
        return CANCELLED
    except Exception:  # noqa: BLE001 (whatever it is, it is a bug, and the user has to know where)
        path = _crash_log()
        console.warn(_("This is a bug in Slipway. Please report it with this file: {path}").format(
            path=path
        ))  # fmt: skip
        console.show({"event": "bug", "log": path})
        return BUG


def _let_go() -> None:
    """Drop what nobody reads any more: at exit Python would end with code 120 for it."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())


def _crash_log() -> str:
    """Write the traceback to a file and return its path; where that fails, to stderr."""
    text = traceback.format_exc()
    folder = platformdirs.user_log_path("slipway", appauthor=False)
    path = folder / f"crash-{datetime.now(UTC):%Y%m%d-%H%M%S}.log"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError:
        print(text, file=sys.stderr)  # noqa: T201 (there is nowhere else left)
        return "stderr"
    return str(path)


def _write_anything() -> None:
    """Let no terminal's encoding turn a text into an error."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")


def _language(arguments: Sequence[str]) -> str:
    """Return the language asked for: it is needed before the parser's own texts are made."""
    for place, word in enumerate(arguments):
        if word == "--language" and place + 1 < len(arguments):
            return arguments[place + 1]
        if word.startswith("--language="):
            return word.partition("=")[2]
    return ""


class _Version(argparse.Action):
    """Shows the version. argparse's own action would have it looked up at every start."""

    def __call__(self, parser: argparse.ArgumentParser, *_words: object) -> None:
        sys.stdout.write(f"{PROGRAM} {slipway_version()}\n")
        parser.exit()


class _Parser(argparse.ArgumentParser):
    """Writes its headings as the language does."""

    def format_help(self) -> str:
        """Return the help; argparse ends its headings with a colon that is not Chinese."""
        return aligned(re.sub(r"(?m)^(\S*[^\x00-\x7f]):$", r"\1：", super().format_help()))


def make_parser() -> argparse.ArgumentParser:
    """Return the parser of all commands."""
    parser: argparse.ArgumentParser = _Parser(
        prog=PROGRAM,
        description=_("Puts a Go service on a server and can take it back."),
        epilog=_("Without a command, the wizard opens."),
    )
    parser.add_argument(
        "--language",
        type=_known,
        metavar=_("CODE"),
        help=_("language of all texts, like zh_CN"),
    )
    parser.add_argument("--version", action=_Version, nargs=0, help=_("show the version"))
    parts = parser.add_subparsers(title=_("commands"), metavar=_("COMMAND"))
    opened = _add(parts, "open", None, _("open the wizard's window, filled in"))
    opened.add_argument(
        "file",
        metavar=_("FILE"),
        help=_("the profile, or the folder of slipway.toml or of a Go project"),
    )
    _add_demo(parts)
    inspect = _add(parts, "inspect", queries.inspect, _("show what a Go project is"))
    inspect.add_argument("folder", metavar=_("DIR"))
    _add_json(inspect)
    _add_go(inspect)
    plan = _add_profile(parts, "plan", commands.plan, _("show what deploying would do"))
    _add_go(plan)
    deploy = _add_profile(parts, "deploy", commands.deploy, _("build and put into service"))
    _add_go(deploy)
    _add_yes(deploy)
    rollback = _add_profile(
        parts,
        "rollback",
        commands.rollback,
        _("go back to the release before, or to another one"),
    )
    rollback.add_argument(
        "--to", metavar=_("RELEASE"), help=_("the release to roll back to: its id, or its version")
    )
    _add_yes(rollback)
    resume = _add_profile(parts, "resume", commands.resume, _("go on with an interrupted run"))
    _add_go(resume)
    _add_yes(resume)
    _add_profile(parts, "status", queries.status, _("show what runs there"))
    _add_profile(parts, "releases", queries.releases, _("list the releases that lie there"))
    logs = _add_profile(parts, "logs", queries.logs, _("show the service's output"))
    logs.add_argument("-f", "--follow", action="store_true", help=_("go on until Ctrl-C"))
    logs.add_argument(
        "--lines", type=_count, default=200, metavar="N", help=_("how many old lines")
    )
    unlock = _add_profile(
        parts, "unlock", commands.unlock, _("release the lock of a run that died")
    )
    _add_yes(unlock)
    _add_json(_add(parts, "doctor", doctor, _("show what is here and what is missing")))
    return parser


def _add(parts: Parts, name: str, run: Command | None, words: str) -> argparse.ArgumentParser:
    part = parts.add_parser(name, help=words, description=words)
    part.set_defaults(run=run, parser=part)
    part.add_argument(
        "--language",
        type=_known,
        metavar=_("CODE"),
        default=argparse.SUPPRESS,
        help=_("language of all texts, like zh_CN"),
    )
    return part


def _is_there(code: str) -> bool:
    return known_language(code) != "en" or code.lower().startswith("en")


def _known(code: str) -> str:
    """Return a language that there is."""
    if not _is_there(code):
        raise argparse.ArgumentTypeError(
            _("“{code}” is none of {languages}").format(code=code, languages=", ".join(LANGUAGES))
        )
    return code


def _count(text: str) -> int:
    """Return a whole number; a function of its own so that argparse tells what is allowed."""
    if not text.isascii() or not text.isdigit():
        raise argparse.ArgumentTypeError(
            _("“{text}” is not a whole number, 0 or more").format(text=text)
        )
    return int(text)


def _add_profile(parts: Parts, name: str, run: Command, words: str) -> argparse.ArgumentParser:
    part = _add(parts, name, run, words)
    part.add_argument(
        "file",
        nargs="?",
        default="",
        metavar=_("FILE"),
        help=_("the profile, or the folder of slipway.toml; if left out, the current folder"),
    )
    part.add_argument("--target", metavar=_("ADDRESS"), help=_("only this target of the profile"))
    part.add_argument(
        "--host-key",
        metavar="SHA256:…",
        help=_("fingerprint of a server that is not known yet"),
    )
    _add_json(part)
    return part


def _add_demo(parts: Parts) -> None:
    words = _("build and deploy the sample project on this computer, break it, take it back")
    part = _add(parts, "demo", demo, words)
    part.add_argument("--headless", action="store_true", help=_("without a window"))
    _add_go(part)


def _add_json(part: argparse.ArgumentParser) -> None:
    part.add_argument("--json", action="store_true", help=_("one JSON object a line"))


def _add_yes(part: argparse.ArgumentParser) -> None:
    part.add_argument("-y", "--yes", action="store_true", help=_("do it without asking"))


def _add_go(part: argparse.ArgumentParser) -> None:
    part.add_argument("--go", metavar=_("DIR"), help=_("the folder with the Go toolchain"))
