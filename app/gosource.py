"""What Go source says about itself where the toolchain has no answer: variables, ports, routes."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

LARGEST_FILE = 1024 * 1024

_TOKEN = re.compile(
    r"""
      (?P<comment> //[^\n]* | /\*.*?\*/ )
    | (?P<string>  "(?:\\.|[^"\\\n])*" | `[^`]*` )
    | (?P<rune>    '(?:\\.|[^'\\\n])+' )
    | (?P<word>    [^\W\d]\w* )
    | (?P<number>  \d[\w.]* )
    | (?P<newline> \n )
    | (?P<space>   [ \t\r]+ )
    | (?P<sign>    . )
    """,
    re.VERBOSE | re.DOTALL,
)
_VERSION_NAME = re.compile(r"version|^(build|release|revision|tag)$", re.IGNORECASE)
_ADDRESS = re.compile(r"(?P<host>|localhost|[\d.]+|\[[0-9a-fA-F:]*\]):(?P<port>\d{1,5})")
_LISTENING = re.compile(r"listen|addr|bind", re.IGNORECASE)
_PORT_NAME = re.compile(r"port$", re.IGNORECASE)
# The usual names of a page that says whether a service is well, and how routers are told of one.
_HEALTH_PAGE = re.compile(
    r"(?:GET )?(?P<path>(?:/[\w-]+)*/(?:healthz?|healthy|health-?check|livez|readyz|ping))"
)
_ROUTING = frozenset({"Handle", "HandleFunc", "HandlerFunc", "Get", "GET", "Any"})
# How far before a literal its context is looked for: the call or field that it belongs to.
_CONTEXT = 8
# How far behind os.Getenv("PORT") its default may stand.
_DEFAULT_REACH = 30


@dataclass(frozen=True, slots=True)
class Token:
    """A word of Go source; strings without their quotes, escapes left as they are."""

    kind: str
    text: str


def tokens(source: str) -> list[Token]:
    """Return the tokens of Go source, line ends included, comments and blanks left out."""
    found = []
    for match in _TOKEN.finditer(source):
        kind = match.lastgroup or "sign"
        if kind == "string":
            found.append(Token(kind, match.group()[1:-1]))
        elif kind not in ("comment", "space"):
            found.append(Token(kind, match.group()))
    return found


def read_tokens(path: Path) -> list[Token]:
    """Return the tokens of a file; none if it is unreadable or too large to be hand-written."""
    try:
        if path.stat().st_size > LARGEST_FILE:
            return []
        return tokens(path.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return []


def string_variables(sources: Iterable[list[Token]]) -> tuple[str, ...]:
    """Return the package-level variables that the linker's -X can set, in order of appearance.

    These are strings, declared without a value or with a literal one.
    """
    names: dict[str, None] = {}
    for found in sources:
        for declaration in _variable_declarations(found):
            names.update(dict.fromkeys(_stampable(declaration)))
    return tuple(names)


def version_variables(names: Iterable[str]) -> tuple[str, ...]:
    """Return those names that look like a version, the plainest first."""
    candidates = [name for name in names if _VERSION_NAME.search(name)]
    return tuple(sorted(candidates, key=lambda name: (name.lower() != "version", len(name), name)))


def listening_ports(sources: Iterable[list[Token]]) -> tuple[int, ...]:
    """Return the TCP ports that the source seems to listen on, the likeliest first."""
    sure: dict[int, None] = {}
    maybe: dict[int, None] = {}
    for found in sources:
        sure.update(dict.fromkeys(_listen_calls(found)))
        maybe.update(dict.fromkeys(_port_defaults(found)))
    return tuple(sure | maybe)


def health_pages(sources: Iterable[list[Token]]) -> tuple[str, ...]:
    """Return the paths at which the source seems to say whether it is well, like ``/healthz``."""
    pages: dict[str, None] = {}
    for found in sources:
        for call, bracket, route in zip(found, found[1:], found[2:], strict=False):
            match = _HEALTH_PAGE.fullmatch(route.text) if route.kind == "string" else None
            if match and call.text in _ROUTING and bracket.text == "(":
                pages[match["path"]] = None
    return tuple(sorted(pages, key=lambda page: "health" not in page))


def _variable_declarations(found: list[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of each variable declared at package level, without ``var`` itself."""
    for statement in _statements(found):
        if statement[0] != Token("word", "var"):
            continue
        if statement[1:2] == [Token("sign", "(")]:
            yield from _statements(statement[2:-1])
        elif statement[1:]:
            yield statement[1:]


def _statements(found: list[Token]) -> Iterator[list[Token]]:
    """Split tokens at the line ends and semicolons that stand in no bracket."""
    depth = 0
    statement: list[Token] = []
    for token in [*found, Token("newline", "\n")]:
        sign = token.text if token.kind == "sign" else ""
        if token.kind == "newline" or sign == ";":
            if depth == 0 and statement:
                yield statement
                statement = []
            if depth == 0:
                continue
        depth += (sign in ("(", "[", "{")) - (sign in (")", "]", "}"))
        statement.append(token)


def _stampable(declaration: list[Token]) -> list[str]:
    """Return the names of ``a, b string`` or ``a = "x"``; none if -X can't set them."""
    texts = [token.text for token in declaration]
    signs = [token.kind == "sign" and token.text == "=" for token in declaration]
    equals = signs.index(True) if True in signs else len(texts)
    head, value = declaration[:equals], declaration[equals + 1 :]
    names = [token.text for token in head if token.kind == "word"]
    typed = len(names) > 1 and names[-1] == "string" and texts[equals - 2 : equals - 1] != [","]
    if any(token.kind == "sign" and token.text != "," for token in head):
        return []
    if not value:
        return names[:-1] if typed else []
    if all(token.kind == "string" or token.text in (",", "+") for token in value):
        return names[:-1] if typed else names
    return []


def _listen_calls(found: list[Token]) -> Iterator[int]:
    """Yield ports of addresses: ":8080" anywhere, "localhost:8080" only where one listens."""
    for index, token in enumerate(found):
        if token.kind != "string" or not (match := _ADDRESS.fullmatch(token.text)):
            continue
        context = found[max(0, index - _CONTEXT) : index]
        listens = any(part.kind != "sign" and _LISTENING.search(part.text) for part in context)
        if listens or not match["host"]:
            yield from _valid(match["port"])


def _port_defaults(found: list[Token]) -> Iterator[int]:
    """Yield numbers that stand close behind a string like "PORT" or "port"."""
    reach = 0
    for token in found:
        if token.kind == "string" and _PORT_NAME.search(token.text):
            reach = _DEFAULT_REACH
        elif reach > 0:
            reach -= token.kind != "newline"
            if token.kind in ("string", "number") and re.fullmatch(r"\d{2,5}", token.text):
                yield from _valid(token.text)
                reach = 0


def _valid(port: str) -> Iterator[int]:
    if 0 < int(port) < 65536:
        yield int(port)
