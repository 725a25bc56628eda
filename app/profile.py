"""slipway.toml: read into a DeployRequest, judged, and written so that a person likes to read."""

from __future__ import annotations

import difflib
import json
import os
import re
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import AoT

from app.errors import ProfileError
from app.i18n import _
from app.patience import patiently
from app.profile_keys import PROFILE, TARGET, Form, Section
from app.reasons import reason
from app.request import DeployRequest, Target
from app.rules import problems

__all__ = ["dumps", "load", "loads", "problems", "save"]

LATER = {"deploy.systemd": "systemd"}
PASSWORDS = {
    "password": "SLIPWAY_PASSWORD",
    "passphrase": "SLIPWAY_KEY_PASSPHRASE",
    "key-passphrase": "SLIPWAY_KEY_PASSPHRASE",
    "sudo-password": "SLIPWAY_SUDO_PASSWORD",
    "registry-password": "SLIPWAY_REGISTRY_PASSWORD",
    "account-password": "SLIPWAY_SECRET_ACCOUNT_PASSWORD",
}
LINE_WIDTH = 96
WINDOW_SECONDS = 0.5  # a file that is held: the window waits meanwhile


def load(path: Path, *, complete: bool = True) -> DeployRequest:
    """Read a profile; relative project folders count from the file's own folder.

    Raises ProfileError, naming the key, for what cannot be read and, unless ``complete`` is
    off, for the first thing that keeps it from being deployed.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' editors begin with a mark
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(
            "",
            _("The profile {path} can't be read.").format(path=path),
            reason(error),
            _("Check the name of the file; “slipway” without a command makes a new one."),
        ) from error
    try:
        request = loads(text, path.absolute().parent)
    except ProfileError as error:
        if error.detail:
            error.detail = _("{name}: {text}").format(name=path, text=error.detail)
        else:
            error.detail = str(path)
        raise
    blocking = [problem for problem in problems(request) if problem.blocking]
    if complete and blocking:
        first = blocking[0]
        title = _("{name}: {text}").format(name=first.field, text=first.text)
        raise ProfileError(first.field, title, hint=first.hint)
    return request


def loads(text: str, folder: Path) -> DeployRequest:
    """Read the text of a profile that lies in ``folder``; it need not be complete.

    Raises ProfileError for broken TOML, unknown keys and values of the wrong type.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(
            "", _("The profile is not valid TOML."), _place(error), _("Correct it at that place.")
        ) from error
    targets = data.pop("targets", [])
    request: DeployRequest = _read(PROFILE, data, "")
    path = Path(os.path.normpath(folder.absolute() / request.project.path))
    request = replace(request, project=replace(request.project, path=path))
    return replace(request, targets=tuple(_read_targets(targets)))


def _place(error: tomllib.TOMLDecodeError) -> str:
    """Return where the reader stumbled, and in its own words, over what."""
    found = re.fullmatch(r"(.*) \(at line (\d+), column (\d+)\)", str(error))
    if found is None:
        return str(error)
    words = _("line {line}, column {column}: {problem}")
    return words.format(line=found[2], column=found[3], problem=found[1])


def dumps(request: DeployRequest, folder: Path | None = None) -> str:
    """Return the text of a profile: what differs from the defaults, and the essentials.

    The project's folder is written relative to ``folder``, or absolute without one.
    """
    request = _relative(request, folder)
    lines = [*_lines(PROFILE, request, "")]
    for target in request.targets:
        lines += ["", "[[targets]]", *_lines(TARGET, target, "")]
    return "\n".join(lines) + "\n"


def save(request: DeployRequest, path: Path) -> None:
    """Write a profile atomically; comments and order of a file already there are kept.

    Raises ProfileError if the file cannot be written.
    """
    folder = path.absolute().parent
    fresh = dumps(request, folder)
    text = next(
        (
            candidate
            for candidate in _merged(path, _relative(request, folder))
            if _means(candidate, folder, fresh)
        ),
        fresh,
    )
    try:
        _write(path, text)
    except OSError as error:
        raise ProfileError(
            "",
            _("The profile {path} can't be written.").format(path=path),
            reason(error),
            _("Choose a folder that you may write to."),
        ) from error


def _read(section: Section, data: Mapping[str, Any], prefix: str) -> Any:
    """Build the section's type from a table; ``prefix`` is empty or ends with a dot."""
    found: dict[str, Any] = {}
    for name, value in data.items():
        key = prefix + name
        if name in section.tables:
            if not isinstance(value, dict):
                raise ProfileError(key, _("{key} must be a table.").format(key=key))
            found[name] = _read(section.tables[name], value, f"{key}.")
        elif name in section.keys:
            found[_field(name)] = _read_value(section.keys[name], value, key)
        else:
            raise _unknown(section, name, key)
    return section.type(**found)


def _read_value(form: Form, value: object, key: str) -> Any:
    try:
        return form.read(value)
    except (TypeError, ValueError):
        raise ProfileError(
            key,
            _("{key}: {value} can't be used.").format(key=key, value=_shown(value)),
            _("Allowed is {words}.").format(words=form.words()),
        ) from None


def _read_targets(tables: object) -> Iterator[Target]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise ProfileError(
            "targets", _("targets must be tables."), _("Each begins with a line [[targets]].")
        )
    for number, table in enumerate(tables, 1):
        prefix = "targets." if len(tables) == 1 else f"targets.{number}."
        if "address" not in table:
            raise ProfileError(
                f"{prefix}address",
                _("{key} is missing.").format(key=f"{prefix}address"),
                hint=_("Write the server's name or address there."),
            )
        yield _read(TARGET, table, prefix)


def _unknown(section: Section, name: str, key: str) -> ProfileError:
    """Return the error for a key that means nothing here, with what could be meant."""
    plain = name.lower().replace("_", "-")
    if plain in PASSWORDS:
        return ProfileError(
            key,
            _("{key}: passwords don't belong into the profile.").format(key=key),
            _("The file is meant to be shared."),
            _(
                "Remove it. Let the wizard remember the password in the system's keyring, "
                "or set {variable} when you run Slipway."
            ).format(variable=PASSWORDS[plain]),
        )
    if key in LATER:
        return ProfileError(
            key,
            _("This version of Slipway does not offer “{kind}” yet.").format(kind=LATER[key]),
            hint=_("Remove the table {key}.").format(key=key),
        )
    # loads() takes the targets out before it reads the rest
    known = [*section.keys, *section.tables, *(("targets",) if section is PROFILE else ())]
    close = difflib.get_close_matches(plain, known, 1)
    return ProfileError(
        key,
        _("{key} is not a key of a profile.").format(key=key),
        _("Allowed here: {known}.").format(known=", ".join(known)),
        _("Did you mean “{key}”?").format(key=close[0]) if close else "",
    )


def _shown(value: object) -> str:
    try:
        text = _literal(value)
    except TypeError:  # dates
        text = str(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _field(name: str) -> str:
    return name.replace("-", "_")


def _relative(request: DeployRequest, folder: Path | None) -> DeployRequest:
    """Return the request with its project's folder as the file shall name it."""
    path = request.project.path
    if folder is not None and path.is_absolute():
        try:
            path = Path(os.path.relpath(path, folder))
        except ValueError:  # another drive of Windows
            return request
    return replace(request, project=replace(request.project, path=path))


def _plain(section: Section, value: Any) -> dict[str, Any]:
    """Return the keys that must be written: what is not the default, and the essentials."""
    default = section.type(address="") if section is TARGET else section.type()
    return {
        name: form.write(getattr(value, _field(name)))
        for name, form in section.keys.items()
        if name in section.always or getattr(value, _field(name)) != getattr(default, _field(name))
    }


def _lines(section: Section, value: Any, key: str) -> Iterator[str]:
    for name, content in _plain(section, value).items():
        yield _line(name, content)
    for name, table in section.tables.items():
        inner = f"{key}.{name}".lstrip(".")
        lines = [*_lines(table, getattr(value, name), inner)]
        if lines:
            yield from ("", f"[{inner}]", *lines)


def _line(name: str, content: Any) -> str:
    line = f"{name} = {_literal(content)}"
    if len(line) <= LINE_WIDTH or not isinstance(content, list):
        return line
    return "\n".join([f"{name} = [", *(f"    {_literal(item)}," for item in content), "]"])


def _literal(content: Any) -> str:
    """Return a value as TOML writes it."""
    if isinstance(content, dict):
        pairs = [f"{_bare(key)} = {_literal(item)}" for key, item in content.items()]
        return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
    if isinstance(content, list):
        return "[" + ", ".join(_literal(item) for item in content) + "]"
    # JSON's texts are TOML's, but for the one control character that JSON leaves alone
    return json.dumps(content, ensure_ascii=False).replace("\x7f", "\\u007f")


def _bare(key: str) -> str:
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else _literal(key)


def _merged(path: Path, request: DeployRequest) -> Iterator[str]:
    """Yield the file's text with the request's values put in: the prettier one first."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
        line_end = "\r\n" if "\r\n" in text else "\n"
        text = text.replace("\r\n", "\n")
        loads(text, path.absolute().parent)
        document = tomlkit.parse(text)
    except (OSError, UnicodeDecodeError, ProfileError, TOMLKitError):
        return  # no file yet, or nothing that could be kept of it
    if not isinstance(document.setdefault("targets", tomlkit.aot()), AoT):
        return
    _merge(document, PROFILE, request)
    _merge_targets(document["targets"], request.targets)
    text = document.as_string()
    # a table put in stands without a blank line before it
    for candidate in (re.sub(r"(?m)^([^#\n].*\n)(?=\[)", r"\1\n", text), text):
        yield candidate.replace("\n", line_end)


def _merge(table: MutableMapping[str, Any], section: Section, value: Any) -> None:
    wanted = _plain(section, value)
    for name, form in section.keys.items():
        if name in table and _is(form, table[name], getattr(value, _field(name))):
            continue
        if name in wanted:
            table[name] = tomlkit.parse(_line(name, wanted[name]))[name]
        elif name in table:
            del table[name]
    for name, inner in section.tables.items():
        if name not in table and _plain(inner, getattr(value, name)):
            table[name] = tomlkit.table()
        if name in table:
            _merge(table[name], inner, getattr(value, name))


def _merge_targets(tables: AoT, targets: Sequence[Target]) -> None:
    del tables[len(targets) :]
    while len(tables) < len(targets):
        tables.append(tomlkit.table())
    for table, target in zip(tables, targets, strict=True):
        _merge(table, TARGET, target)


def _is(form: Form, item: Any, value: Any) -> bool:
    """Return whether what is written there already means ``value``."""
    try:
        return bool(form.read(getattr(item, "unwrap", lambda: item)()) == value)
    except (TypeError, ValueError):
        return False


def _means(text: str, folder: Path, fresh: str) -> bool:
    """Return whether a text reads back as the same request as the fresh one."""
    try:
        return loads(text, folder) == loads(fresh, folder)
    except ProfileError:
        return False


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", newline="", dir=path.parent, prefix=f".{path.name}.", delete=False
    ) as part:
        part.write(text)
    try:
        Path(part.name).chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
        patiently(lambda: Path(part.name).replace(path), WINDOW_SECONDS)
    except OSError:
        Path(part.name).unlink(missing_ok=True)
        raise
