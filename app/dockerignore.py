"""Which files .dockerignore keeps out of a build, by Docker's rules (not those of .gitignore)."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass

from app.errors import SlipwayError
from app.i18n import _


@dataclass(frozen=True, slots=True)
class _Rule:
    expression: re.Pattern[str]
    exception: bool
    literal: str  # what every path that it matches begins with

    def reaches_below(self, folder: str) -> bool:
        """Whether it may match something inside ``folder``."""
        inside = folder + "/"
        return inside.startswith(self.literal) or self.literal.startswith(inside)


@dataclass(frozen=True, slots=True)
class Ignore:
    """The rules of one .dockerignore file."""

    rules: tuple[_Rule, ...] = ()

    def excludes(self, path: str) -> bool:
        """Whether ``path``, relative and with slashes, stays out: the last rule that fits decides.

        A rule that fits a folder fits all that lies in it.
        """
        parts = path.split("/")
        # From the path itself up: for most paths the first look already decides.
        prefixes = ["/".join(parts[:end]) for end in range(len(parts), 0, -1)]
        excluded = False
        for rule in self.rules:
            if rule.exception == excluded and any(map(rule.expression.match, prefixes)):
                excluded = not rule.exception
        return excluded

    def may_hold_exceptions(self, folder: str) -> bool:
        """Whether a folder that is excluded must be looked through all the same."""
        return any(rule.exception and rule.reaches_below(folder) for rule in self.rules)


def parse(text: str, name: str = ".dockerignore") -> Ignore:
    """Read the text of a .dockerignore file; raises SlipwayError for a pattern Docker refuses."""
    rules = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), start=1):
        # Only a # in the first column begins a comment; Docker looks before it trims.
        pattern = "" if line.startswith("#") else line.strip()
        if pattern:
            try:
                rules.append(_rule(pattern))
            except (ValueError, re.error) as error:
                raise SlipwayError(
                    _("Line {number} of {name} is not a pattern that Docker knows").format(
                        number=number, name=name
                    ),
                    f"{pattern}: {error}",
                    _("Correct the line; a [ needs its ], and a ! something to except."),
                ) from error
    return Ignore(tuple(rules))


def _rule(pattern: str) -> _Rule:
    exception = pattern.startswith("!")
    body = pattern.removeprefix("!").strip() if exception else pattern
    body = posixpath.normpath(body).lstrip("/").strip() if body else ""
    if not body and exception:
        raise ValueError(_("nothing follows the !"))
    literal = re.split(r"[*?\[\\]", body, maxsplit=1)[0]
    return _Rule(re.compile(_expression(body), re.DOTALL), exception, literal)


def _expression(pattern: str) -> str:
    """Translate a pattern: * and ? stay within a name, ** crosses folders, also none at all."""
    if pattern.startswith("**") and not re.search(r"[*?\[\\]", pattern[2:]):
        ends = re.escape(pattern[2:])
        return rf"(?:.*{ends}|{ends.removeprefix('/')})\Z"
    out, at = [], 0
    while at < len(pattern):
        piece, at = _token(pattern, at)
        out.append(piece)
    return "".join(out) + r"\Z"


def _token(pattern: str, at: int) -> tuple[str, int]:
    char = pattern[at]
    if pattern.startswith("**", at):
        at += 2
        if pattern.startswith("/", at):
            at += 1
        return (".*", at) if at == len(pattern) else ("(?:.*/)?", at)
    if char == "*":
        return "[^/]*", at + 1
    if char == "?":
        return "[^/]", at + 1
    if char == "[":
        return _character_class(pattern, at)
    if char == "\\":
        if at + 1 == len(pattern):
            raise ValueError(_("nothing follows the \\"))
        return re.escape(pattern[at + 1]), at + 2
    return re.escape(char), at + 1


def _character_class(pattern: str, at: int) -> tuple[str, int]:
    negated = pattern.startswith("[^", at)
    position = at + 1 + negated
    out = ["[^" if negated else "["]
    while not pattern.startswith("]", position):
        low, position = _class_member(pattern, position)
        out.append(re.escape(low))
        if pattern.startswith("-", position):
            high, position = _class_member(pattern, position + 1)
            out.append("-" + re.escape(high))
    if len(out) == 1:
        raise ValueError(_("[] is empty"))
    return "".join(out) + "]", position + 1


def _class_member(pattern: str, position: int) -> tuple[str, int]:
    if pattern.startswith("\\", position):
        position += 1
    if position >= len(pattern):
        raise ValueError(_("a [ is not closed"))
    return pattern[position], position + 1
