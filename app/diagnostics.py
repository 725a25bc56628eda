"""What compiler, vet and tests print, as a list of places and messages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

from app.errors import Diagnostic
from app.i18n import _

_PLACE = re.compile(
    r"(?:vet: )?(?P<file>(?:[A-Za-z]:[\\/])?[^\s:][^:]*\.(?:go|mod|work|s|c|h))"
    r":(?P<line>\d+)(?::(?P<column>\d+))?: (?P<message>.*)"
)
_TEST_PLACE = re.compile(r"\s+(?P<file>[^\s:]+\.go):(?P<line>\d+): (?P<message>.*)")


def diagnostic(text: str, folder: Path) -> Diagnostic | None:
    """Return the place and message of one line, None if it names no place.

    The file becomes absolute; a relative one is meant to lie in ``folder``.
    """
    if not (match := _PLACE.fullmatch(text.rstrip())):
        return None
    file = str((folder / match["file"]).resolve())
    return Diagnostic(file, int(match["line"]), int(match["column"] or 0), match["message"])


def diagnostics(lines: list[str], folder: Path) -> tuple[Diagnostic, ...]:
    """Return the messages of a compiler's or vet's output, each once, in order."""
    found: dict[Diagnostic, None] = {}
    last: Diagnostic | None = None
    for text in lines:
        if (new := diagnostic(text, folder)) is not None:
            last = new
            found[new] = None
        elif last is not None and text.startswith("\t"):
            # The compiler explains itself on indented lines below.
            found.pop(last, None)
            message = f"{last.message} {text.strip()}"
            last = Diagnostic(last.file, last.line, last.column, message)
            found[last] = None
        else:
            last = None
    return tuple(found)


class TestReport:
    """Reads the event stream of ``go test -json``: readable lines out, failures remembered."""

    __test__ = False  # not a test itself, whatever its name begins with

    def __init__(self, module: str, folder: Path, on_text: Callable[[str], None]) -> None:
        self._module = module
        self._folder = folder
        self._on_text = on_text
        self._partial: dict[tuple[str, str], str] = {}
        self._places: dict[tuple[str, str], list[Diagnostic]] = {}
        self._failed: list[tuple[str, str]] = []
        self._build_lines: list[str] = []

    def feed(self, line: str) -> None:
        """Take one line of the stream."""
        try:
            event = json.loads(line)
            action = event["Action"]
        except (ValueError, KeyError, TypeError):
            self._on_text(line)
            self._build_lines.append(line)
            return
        key = (event.get("Package") or event.get("ImportPath") or "", event.get("Test", ""))
        if action in ("output", "build-output"):
            self._output(key, event.get("Output", ""), from_build=action == "build-output")
        elif action == "fail" and key[1]:
            self._failed.append(key)

    def diagnostics(self) -> tuple[Diagnostic, ...]:
        """Return what failed: places in tests, or the tests' names where no place is known."""
        found = list(diagnostics(self._build_lines, self._folder))
        for key in self._failed:
            found += self._places.get(key, [])
        named = {key for key in self._failed if self._places.get(key)}
        for package, test in self._failed:
            # A failed test whose subtests have said why needs no message of its own.
            told = any(p == package and f"{t}/".startswith(f"{test}/") for p, t in named)
            if not told:
                message = _("{test} failed ({package})").format(test=test, package=package)
                found.append(Diagnostic("", 0, 0, message))
        return tuple(found)

    def _output(self, key: tuple[str, str], text: str, *, from_build: bool) -> None:
        *lines, rest = (self._partial.get(key, "") + text).split("\n")
        self._partial[key] = rest
        for line in lines:
            if from_build:
                self._build_lines.append(line)
            elif match := _TEST_PLACE.fullmatch(line):
                self._places.setdefault(key, []).append(self._place(key[0], match))
            # Which tests start and pause says nothing to somebody who waits for the end.
            if not line.startswith("=== "):
                self._on_text(line)

    def _place(self, package: str, match: re.Match[str]) -> Diagnostic:
        inner = package.removeprefix(self._module).strip("/")
        file = self._folder / inner / match["file"]
        return Diagnostic(str(file), int(match["line"]), 0, match["message"])
