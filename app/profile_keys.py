"""The keys of slipway.toml: what each table may hold, how it is read and written.

The keys are those of the request's fields, with dashes for underscores (``stop-timeout``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

from app.i18n import _
from app.request import (
    BuildOptions,
    Check,
    DeployOptions,
    DeployRequest,
    DockerOptions,
    HealthOptions,
    ProjectOptions,
    Target,
    WindowsOptions,
)

TRANSPORTS = ("ssh", "winrm", "local")
UNITS = {"h": Decimal(3600), "m": Decimal(60), "s": Decimal(1), "ms": Decimal("0.001")}
DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s)", re.ASCII)


@dataclass(frozen=True, slots=True)
class Form:
    """The form of one value: how it is read, how it is written, and what is allowed, in words."""

    read: Callable[[object], Any]
    write: Callable[[Any], Any]
    words: Callable[[], str]


@dataclass(frozen=True, slots=True)
class Section:
    """One table of the file: its keys in the order in which they are written."""

    type: type
    keys: Mapping[str, Form]
    tables: Mapping[str, Section]
    always: tuple[str, ...] = ()


def _same(value: Any) -> Any:
    return value


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _flag(value: object) -> bool:
    if not isinstance(value, bool):
        raise TypeError
    return value


def _texts(value: object) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(_text(item) for item in value)


def _pairs(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError
    return {key: _text(item) for key, item in value.items()}


def _number(low: int, high: int) -> Form:
    def read(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise TypeError
        return value

    return Form(
        read, _same, lambda: _("a whole number from {low} to {high}").format(low=low, high=high)
    )


def _choice(allowed: Sequence[str]) -> Form:
    def read(value: object) -> str:
        if value not in allowed:
            raise TypeError
        return _text(value)

    return Form(read, _same, lambda: _("one of: {choices}").format(choices=_quoted(allowed)))


def _choices(allowed: Sequence[str]) -> Form:
    def read(value: object) -> tuple[str, ...]:
        chosen = _texts(value)
        if not set(chosen) <= set(allowed):
            raise TypeError
        return chosen

    return Form(read, list, lambda: _("a list of: {choices}").format(choices=_quoted(allowed)))


def _quoted(words: Sequence[str]) -> str:
    return _(", ").join(f'"{word}"' for word in words)


def read_duration(text: object) -> float:
    """Return the seconds of a duration like ``30s``, ``1m30s`` or ``500ms``.

    Raises ValueError or TypeError for anything else.
    """
    if not isinstance(text, str):
        raise TypeError
    parts = DURATION.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(text)
    units = [unit for _number, unit in parts]
    if units != [unit for unit in UNITS if unit in units]:
        raise ValueError(text)
    return float(sum(Decimal(number) * UNITS[unit] for number, unit in parts))


def write_duration(seconds: float) -> str:
    """Return the shortest duration text that reads back as exactly ``seconds``."""
    exact = Decimal(repr(float(seconds)))
    if 0 < exact < 1 and exact * 1000 == int(exact * 1000):
        return f"{int(exact * 1000)}ms"
    parts = []
    for unit in ("h", "m"):
        count, exact = divmod(exact, UNITS[unit])
        if count:
            parts.append(f"{int(count)}{unit}")
    if exact or not parts:
        number = format(exact, "f")
        parts.append((number.rstrip("0").rstrip(".") if "." in number else number) + "s")
    return "".join(parts)


TEXT = Form(_text, _same, lambda: _("a text in quotes"))
FLAG = Form(_flag, _same, lambda: _("true or false"))
TEXTS = Form(_texts, list, lambda: _('a list of texts, like ["a", "b"]'))
PAIRS = Form(_pairs, dict, lambda: _('names with texts, like { PORT = "8080" }'))
PATH = Form(lambda value: Path(_text(value)), Path.as_posix, lambda: _("a folder in quotes"))
SECONDS = Form(
    read_duration, write_duration, lambda: _('a duration with a unit, like "30s" or "1m30s"')
)


def _ports(value: object) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(PORT.read(item) for item in value)


def _durations(value: object) -> tuple[float, ...]:
    if not isinstance(value, list):
        raise TypeError
    return tuple(read_duration(item) for item in value)


PORT = _number(1, 65535)
PORTS = Form(_ports, list, lambda: _("a list of ports, like [8080, 8443]"))
DURATIONS = Form(
    _durations,
    lambda value: [write_duration(item) for item in value],
    lambda: _('a list of durations, like ["5s", "5s", "60s"]'),
)

PROJECT = Section(ProjectOptions, {"path": PATH, "package": TEXT}, {}, always=("path",))
BUILD = Section(
    BuildOptions,
    {
        "platform": TEXT,
        "version": TEXT,
        "stamp": TEXT,
        "tags": TEXTS,
        "ldflags": TEXT,
        "cgo": FLAG,
        "env": PAIRS,
        "checks": _choices(get_args(Check)),
        "include": TEXTS,
    },
    {},
)
HEALTH = Section(
    HealthOptions,
    {
        "http": TEXT,
        "tcp": PORT,
        "expect": _number(100, 599),
        "timeout": SECONDS,
        "stable": SECONDS,
    },
    {},
)
DOCKER = Section(
    DockerOptions,
    {
        "rehearse": FLAG,
        "ports": TEXTS,
        "volumes": TEXTS,
        "network": TEXT,
        "restart": TEXT,
        "read-only": FLAG,
        "cap-drop": TEXTS,
        "cap-add": TEXTS,
        "user": TEXT,
        "stop-timeout": SECONDS,
        "log-max-size": TEXT,
        "log-max-file": _number(1, 1000),
        "base": _choice(("scratch", "dockerfile")),
        "dockerfile": TEXT,
        "registry": TEXT,
        "registry-user": TEXT,
    },
    {},
)
WINDOWS = Section(
    WindowsOptions,
    {
        "host": _choice(("auto", "native", "wrapped", "nssm")),
        "settings": _choice(("auto", "keep", "profile")),
        "account": TEXT,
        "grant-logon": FLAG,
        "start": _choice(("auto", "delayed-auto", "demand")),
        "restart": DURATIONS,
        "display-name": TEXT,
        "description": TEXT,
        "dependencies": TEXTS,
        "firewall": PORTS,
        "stop-timeout": SECONDS,
        "smoke": TEXTS,
        "nssm": TEXT,
        "nssm-file": TEXT,
        "log-max-size": TEXT,
        "log-max-file": _number(1, 1000),
    },
    {},
)
DEPLOY = Section(
    DeployOptions,
    {
        "kind": TEXT,
        "args": TEXTS,
        "env": PAIRS,
        "secrets": TEXTS,
        "root": TEXT,
        "keep": _number(1, 1000),
    },
    {"health": HEALTH, "docker": DOCKER, "windows": WINDOWS},
    always=("kind",),
)
TARGET = Section(
    Target,
    {
        "address": TEXT,
        "transport": _choice(TRANSPORTS),
        "port": PORT,
        "user": TEXT,
        "key": TEXT,
        "scheme": _choice(("https", "http")),
        "auth": _choice(("ntlm", "kerberos", "basic", "credssp")),
        "ca": TEXT,
    },
    {},
    always=("address", "transport"),
)
PROFILE = Section(
    DeployRequest,
    {"name": TEXT},
    {"project": PROJECT, "build": BUILD, "deploy": DEPLOY},
    always=("name",),
)
