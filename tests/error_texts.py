"""Every error that the code can raise, with cause and remedy, read from the code itself.

The texts are in the language in use.
"""

from __future__ import annotations

import ast
import inspect
import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from app import errors
from app.i18n import _, ngettext

ROOT = Path(__file__).parent.parent
ERRORS_JSON = ROOT / "resources" / "winhost" / "errors.json"
KINDS = {
    name: kind
    for name, kind in vars(errors).items()
    if inspect.isclass(kind) and (issubclass(kind, errors.SlipwayError) or kind is errors.Problem)
}
TITLES = ("title", "text")
SAID = "Exit code and last lines of what the command said."
DEEPEST = 4

Function = ast.FunctionDef | ast.AsyncFunctionDef
Given = Mapping[str, ast.expr]


@dataclass(frozen=True, slots=True, order=True)
class ErrorText:
    """What a user reads: what happened, why, what to do; placeholders in braces."""

    title: str
    why: str
    remedy: str
    doubt: bool = False


def windows_errors() -> list[tuple[str, str, str]]:
    """Return number, cause and remedy of the errors that Windows itself gives."""
    known = json.loads(ERRORS_JSON.read_text(encoding="utf-8"))
    return [
        (number, known[number]["cause"], known[number]["remedy"])
        for number in sorted(known, key=int)
    ]


def errors_of(path: Path) -> list[ErrorText]:
    """Return the errors that a module raises, in the order of the alphabet."""
    return sorted(set(Module(path).errors()))


class Module:
    """One source file: who is called where, and what texts its expressions stand for."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = ast.parse(path.read_text(encoding="utf-8"))
        self._owners: dict[ast.AST, Function] = {}
        self._functions: dict[str, Function] = {}
        self._calls: list[ast.Call] = []
        self._learn(self.tree, None)

    def _learn(self, node: ast.AST, owner: Function | None) -> None:
        if owner is not None:
            self._owners[node] = owner
        if isinstance(node, Function):
            self._functions[node.name] = owner = node
        if isinstance(node, ast.Call):
            self._calls.append(node)
        for child in ast.iter_child_nodes(node):
            self._learn(child, owner)

    def errors(self) -> Iterator[ErrorText]:
        """Yield every error; raises ValueError for one whose title can't be read from the code."""
        for call in self._calls:
            name = _name(call.func)
            if name in KINDS:
                given = _bound(call, inspect.signature(KINDS[name]).parameters)
                yield from self._texts(call, given, name)
            elif name in ("run", "check") and isinstance(call.func, ast.Attribute):
                words = call.args[1:] if name == "run" else call.args
                if words and not isinstance(words[0], ast.Constant):  # a word, not a text
                    given = dict(zip(("title", "hint"), words, strict=False))
                    yield from self._texts(call, given, "")

    def _texts(self, call: ast.Call, given: Given, kind: str) -> Iterator[ErrorText]:
        found = False
        for known in self._ways_here(call, given, DEEPEST):
            titles, whys, remedies = (
                self._read(next((given[name] for name in names if name in given), None), known)
                for names in (TITLES, ("detail",), ("hint",))
            )
            said = kind in ("", "CommandFailed")
            doubt = kind == "Problem" and _is_false(given.get("blocking"))
            for title, why, remedy in _side_by_side(titles, whys, remedies):
                found = found or bool(title)
                # one repeats a Problem's text, others say that something is still under way
                repeated = title == _("{name}: {text}")
                if title and not repeated and not title.endswith("…"):
                    yield ErrorText(title, why or SAID if said else why, remedy, doubt)
        if kind and not found and not _passed_on(given):
            place = f"{self.path}:{call.lineno}"
            raise ValueError(f"{place}: the title of this {kind} can't be read from the code")

    def _ways_here(self, call: ast.AST, given: Given, deep: int) -> Iterator[Given]:
        """Yield what the surrounding function's parameters stand for, for each call of it."""
        owner = self._owners.get(call)
        used = {
            node.id
            for value in given.values()
            for node in ast.walk(value)
            if isinstance(node, ast.Name)
        }
        parameters = [] if owner is None else [item.arg for item in owner.args.args]
        calls = [] if owner is None else [c for c in self._calls if _name(c.func) == owner.name]
        if owner is None or not used & set(parameters) or not calls or deep == 0:
            yield {}
            return
        names = [name for name in parameters if name != "self"]
        for other in calls:
            values = dict(zip(names, other.args, strict=False))
            values |= {word.arg: word.value for word in other.keywords if word.arg}
            for outer in self._ways_here(other, values, deep - 1):
                yield {**outer, **values}

    def _read(self, node: ast.expr | None, known: Given) -> list[str]:
        return [] if node is None else self._alternatives(node, known, DEEPEST)

    def _alternatives(self, node: ast.expr, known: Given, deep: int) -> list[str]:
        """Return the texts that an expression can become; none if that can't be told."""
        if deep < 0:
            return []
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.IfExp):
            return [t for n in (node.body, node.orelse) for t in self._alternatives(n, known, deep)]
        if isinstance(node, ast.BoolOp):
            return [t for n in node.values for t in self._alternatives(n, known, deep)]
        if isinstance(node, ast.BinOp):
            pairs = (self._alternatives(n, known, deep) for n in (node.left, node.right))
            return ["".join(pair) for pair in itertools.product(*pairs)]
        if isinstance(node, ast.JoinedStr):
            parts = [self._part(part, known, deep) for part in node.values]
            return ["".join(words) for words in itertools.product(*parts)]
        if isinstance(node, ast.Subscript):
            return self._values(node.value, deep)
        if isinstance(node, ast.Name):
            return self._named(node, known, deep)
        return self._called(node, known, deep) if isinstance(node, ast.Call) else []

    def _part(self, node: ast.expr, known: Given, deep: int) -> list[str]:
        if isinstance(node, ast.FormattedValue):
            found = self._alternatives(node.value, known, deep - 1)
            return list(filter(None, found)) or ["{" + (_name(node.value) or "…") + "}"]
        return self._alternatives(node, known, deep)

    def _named(self, node: ast.Name, known: Given, deep: int) -> list[str]:
        if node.id in known:
            return self._alternatives(known[node.id], {}, deep - 1)
        return [
            text
            for value in self._assigned(node)
            for text in self._alternatives(value, known, deep - 1)
        ]

    def _assigned(self, name: ast.Name) -> list[ast.expr]:
        scope: ast.AST = self._owners.get(name, self.tree)
        for place in (scope, self.tree):
            found = [
                node.value
                for node in ast.walk(place)
                if isinstance(node, ast.Assign | ast.AnnAssign)
                and node.value is not None
                and name.id in {_name(target) for target in _targets(node)}
            ]
            if found:
                return found
        return []

    def _filled(self, text: str, call: ast.Call, known: Given, deep: int) -> str:
        """Put in what is always the same, like a command that mends it."""
        for word in call.keywords:
            if _is_fixed(word.value):
                fixed = self._alternatives(word.value, known, deep)
                if word.arg and fixed and not any("{" in item for item in fixed):
                    text = text.replace("{" + word.arg + "}", " / ".join(fixed))
        return text

    def _values(self, node: ast.expr, deep: int) -> list[str]:
        """Return the texts of the values of a dictionary."""
        tables = [node] if isinstance(node, ast.Dict) else []
        if isinstance(node, ast.Name):
            tables = [value for value in self._assigned(node) if isinstance(value, ast.Dict)]
        return [
            text
            for table in tables
            for value in table.values
            for text in self._alternatives(value, {}, deep - 1)
        ]

    def _called(self, node: ast.Call, known: Given, deep: int) -> list[str]:
        name = _name(node.func)
        if name in ("_", "marked"):
            return [_(text) for text in self._alternatives(node.args[0], known, deep)]
        if name == "ngettext":
            one, many = (self._alternatives(n, known, deep) for n in node.args[:2])
            return [ngettext(*texts, 2) for texts in zip(one, many, strict=True)]
        if isinstance(node.func, ast.Attribute) and name in ("format", "strip"):
            found = self._alternatives(node.func.value, known, deep)
            return [self._filled(text, node, known, deep) for text in found]
        if isinstance(node.func, ast.Attribute) and name == "get":
            rest = [t for n in node.args[1:] for t in self._alternatives(n, known, deep)]
            return [*self._values(node.func.value, deep), *rest]
        function = self._functions.get(name)
        returns = [] if function is None else [
            item.value for item in ast.walk(function) if isinstance(item, ast.Return) and item.value
        ]  # fmt: skip
        texts = [self._alternatives(value, {}, deep - 1) for value in returns]
        return [text for found in texts for text in found] if all(texts) else []


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.attr if isinstance(node, ast.Attribute) else ""


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _bound(call: ast.Call, parameters: Mapping[str, inspect.Parameter]) -> dict[str, ast.expr]:
    given = dict(zip(parameters, call.args, strict=False))
    return given | {word.arg: word.value for word in call.keywords if word.arg}


def _is_false(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


def _is_fixed(node: ast.expr) -> bool:
    """Return whether an expression is a literal or a constant, or chooses between such."""
    if isinstance(node, ast.IfExp):
        return _is_fixed(node.body) and _is_fixed(node.orelse)
    return isinstance(node, ast.Constant) or (isinstance(node, ast.Name) and node.id.isupper())


def _passed_on(given: Given) -> bool:
    """Return whether the title is that of another error."""
    node = next((given[name] for name in TITLES if name in given), None)
    if isinstance(node, ast.Name):
        return node.id in TITLES
    return isinstance(node, ast.Attribute) and node.attr in TITLES


def _side_by_side(*columns: list[str]) -> Iterator[tuple[str, ...]]:
    """Yield rows: columns of the same length belong together, others are joined in each row."""
    length = len(columns[0])
    filled = [
        column
        if len(column) == length
        else [" / ".join(dict.fromkeys(filter(None, column)))] * length
        for column in columns
    ]
    yield from zip(*filled, strict=True)


@cache
def modules() -> tuple[Path, ...]:
    """Return all modules of engine and window."""
    return tuple(sorted([*(ROOT / "app").rglob("*.py"), *(ROOT / "ui").rglob("*.py")]))
