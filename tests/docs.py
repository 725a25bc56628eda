"""The parts of the documentation that are made from the code: ``python3 dev.py docs``.

In a page such a part stands between ``<!-- made from the code: NAME -->`` and ``<!-- end -->``. It
speaks the language of the page: ``errors.zh-CN.md`` is Chinese.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from app import cli, profile, profile_keys
from app.i18n import _, known_language, language, use_language
from app.profile_keys import Section
from app.request import Target
from app.server_setup import LINUX_FINGERPRINT, WINRM_FINGERPRINT, Setup, server_setups
from tests import docs_words
from tests import profile_words as words
from tests.error_texts import ROOT, SAID, ErrorText, errors_of, modules, windows_errors

PART = re.compile(r"(<!-- made from the code: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

# Where an error belongs: a heading, and the modules (or folders of them) beneath it.
GROUPS: dict[str, tuple[str, ...]] = {
    "The answers (slipway.toml)": (
        "app/profile",
        "app/rules.py",
        "app/docker_rules.py",
        "app/value_rules.py",
        "app/windows_rules.py",
        "app/include.py",
        "app/dockerignore.py",
    ),
    "The Go project and the build": (
        "app/project.py",
        "app/go_problems.py",
        "app/toolchain.py",
        "app/build.py",
    ),
    "The image and the registry": ("app/image.py", "app/registry.py", "app/tarstream.py"),
    "Connecting by SSH": ("app/transport/ssh", "app/credentials.py", "app/sign_in.py"),
    "Connecting by WinRM": ("app/transport/winrm", "app/transport/certificate.py"),
    "Any connection": ("app/transport/",),
    "This computer": (
        "app/transport/local.py",
        "app/history.py",
        "app/demo.py",
        "app/sample.py",
        "ui/",
    ),
    "What the server is and has": ("app/host.py", "app/docker_facts.py", "app/process_facts.py"),
    "Plan, lock, journal": (
        "app/plan.py",
        "app/runner.py",
        "app/recovery.py",
        "app/releases.py",
        "app/journal.py",
        "app/step.py",
        "app/commands.py",
        "app/session.py",
        "app/service.py",
        "app/kinds/",
    ),
    "Health check": ("app/health.py",),
    "Containers": ("app/kinds/docker", "app/kinds/image_steps.py", "app/kinds/container_spec.py"),
    "Windows services": (
        "app/windows_facts.py",
        "app/winhost",
        "app/transport/windows",
        "app/transport/tool.py",
        "app/kinds/windows",
        "app/kinds/service_definition.py",
    ),
    "A process on this computer": ("app/kinds/process.py", "app/supervise.py"),
}


def pages() -> list[Path]:
    """Return all pages of the documentation."""
    return sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])


def language_of(page: Path) -> str:
    """Return the language of a page, as its name says."""
    return known_language(Path(page.stem).suffix[1:])


def renewed(page: Path) -> str:
    """Return a page's text with its parts made anew.

    Raises KeyError for an unknown part, and ValueError for a word that is not translated.
    """
    text = page.read_text(encoding="utf-8")
    before = language()
    use_language(language_of(page))
    try:
        return PART.sub(lambda found: f"{found[1]}{PARTS[found[2]]()}{found[3]}", text)
    finally:
        use_language(before)


def _said(text: str) -> str:
    """Translate a word of these parts that no window shows."""
    if language() == "en":
        return text
    if text not in docs_words.CHINESE:
        raise ValueError(f"“{text}” needs a translation in tests/docs_words.py")
    return docs_words.CHINESE[text]


def _table(*heads: str) -> list[str]:
    """Return the first lines of a table."""
    return [_row(*map(_said, heads)), _row(*("---" for _head in heads))]


# -- slipway.toml ------------------------------------------------------------------------------


def profile_reference() -> str:
    """Return a table for each table of slipway.toml."""
    parts = [_profile_table("", profile_keys.PROFILE)]
    parts += [part for name, table in _tables("", profile_keys.PROFILE) for part in (_heading(name),
              _profile_table(name, table))]  # fmt: skip
    parts += ["### `[[targets]]`\n\n" + _spoken(words.TABLES)["targets"] + "\n"]
    parts += [_profile_table("targets", profile_keys.TARGET)]
    return "\n".join(parts)


def _tables(prefix: str, section: Section) -> Iterator[tuple[str, Section]]:
    for name, table in section.tables.items():
        key = f"{prefix}.{name}".lstrip(".")
        yield key, table
        yield from _tables(key, table)


def _heading(name: str) -> str:
    return f"### `[{name}]`\n\n{_spoken(words.TABLES)[name]}\n"


def _profile_table(prefix: str, section: Section) -> str:
    rows = _table("Key", "Allowed", "Default", "Meaning")
    defaults, allowed, meaning = map(_spoken, (words.DEFAULTS, words.ALLOWED, words.KEYS))
    default = section.type(address="") if section is profile_keys.TARGET else section.type()
    for name, form in section.keys.items():
        key = f"{prefix}.{name}".lstrip(".")
        value = form.write(getattr(default, name.replace("-", "_")))
        shown = defaults.get(key, f"`{profile._literal(value)}`")
        said = allowed.get(key) or _with_code(form.words())
        rows.append(_row(f"`{name}`", said, shown, meaning[key]))
    return "\n".join(rows) + "\n"


def _spoken(texts: dict[str, tuple[str, str]]) -> dict[str, str]:
    """Return of English and Chinese texts those in the language in use."""
    return {
        key: english if language() == "en" else chinese for key, (english, chinese) in texts.items()
    }


def _with_code(text: str) -> str:
    """Mark what is to be written literally."""
    text = re.sub(r'\[.*\]|\{.*\}|"[^"]*"', lambda found: f"`{found[0]}`", text)
    return re.sub(r"\b(true|false)\b", r"`\1`", text)


# -- errors ------------------------------------------------------------------------------------


def error_reference() -> str:
    """Return a table of errors for each part of Slipway."""
    found: dict[str, set[ErrorText]] = {name: set() for name in GROUPS}
    for path in modules():
        errors = errors_of(path)
        if errors:
            found[_group(path.relative_to(ROOT).as_posix())].update(errors)
    return "\n".join(_errors(name, errors) for name, errors in found.items() if errors)


def _group(module: str) -> str:
    """Return the heading for a module's errors; raises ValueError if it has none yet."""
    best = max(
        ((len(start), name) for name, starts in GROUPS.items() for start in starts
         if module.startswith(start)),
        default=None,
    )  # fmt: skip
    if best is None:
        raise ValueError(f"{module} raises errors: give it a heading in tests/docs.py")
    return best[1]


def _errors(name: str, errors: set[ErrorText]) -> str:
    rows = [f"## {_said(name)}\n", *_table("What happened", "Why", "What to do")]
    for error in sorted(errors, key=lambda error: (_place(error.title), error)):
        title = f"**{_placeholders(error.title)}**"
        title += f" {_said('*(a warning)*')}" if error.doubt else ""
        why = _said(SAID) if error.why == SAID else _placeholders(error.why)
        rows.append(_row(title, why, _placeholders(error.remedy)))
    return "\n".join(rows) + "\n"


def windows_reference() -> str:
    """Return a table of the errors that Windows itself gives, by number."""
    rows = _table("Number", "Cause", "What to do")
    rows += [_row(number, _(cause), _(remedy)) for number, cause, remedy in windows_errors()]
    return "\n".join(rows) + "\n"


def _place(title: str) -> bytes:
    """Return what puts titles in order: in this encoding Chinese stands as it is pronounced."""
    plain = re.sub(r"[^\w ]", "", re.sub(r"\{.*?\}", "", title)).strip().casefold()
    return plain.encode("gb18030")


def _placeholders(text: str) -> str:
    text = re.sub(r"[<>_]", lambda found: {"<": "&lt;", ">": "&gt;", "_": "\\_"}[found[0]], text)
    text = re.sub(r"\{([^{}:]*)(:[^{}]*)?\}", lambda found: f"‹{_word(found[1])}›", text)
    return text.replace("\n", " ")


def _word(name: str) -> str:
    return _said(name.replace("\\_", " ").strip() or "…")


# -- servers and commands ----------------------------------------------------------------------


def setup_part(number: int, target: Target) -> Callable[[], str]:
    """Return what makes the lines that an administrator runs on a Windows server."""

    def make() -> str:
        setup: Setup = server_setups(target)[number]
        return f"{setup.words}\n\n{_block('powershell server', setup.lines)}"

    return make


def command_reference() -> str:
    """Return each command with its options."""
    parser = cli.make_parser()
    action = next(item for item in parser._actions if item.choices and not item.option_strings)
    rows = _table("Command", "What it does")
    parts = []
    for choice in action._choices_actions:
        part = action.choices[choice.dest]
        given = [item for item in part._actions if not item.option_strings]
        usage = " ".join(["slipway", choice.dest, *map(_argument, given)])
        rows.append(_row(f"`{usage}`", str(choice.help)))
        options = [_option(item) for item in part._actions if item.dest not in ("help", "language")]
        lines = [_row(name, meaning) for name, meaning in options if name]
        if lines:
            head = [f"### `{usage}`\n", *_table("Option", "What it does")]
            parts.append("\n".join([*head, *lines]) + "\n")
    return "\n".join(["\n".join(rows) + "\n", *parts])


def _argument(action: argparse.Action) -> str:
    return f"[{action.metavar}]" if action.nargs == "?" else str(action.metavar)


def _option(action: argparse.Action) -> tuple[str, str]:
    if not action.option_strings:
        return "", ""
    value = f" {action.metavar}" if action.nargs != 0 and action.metavar else ""
    return ", ".join(f"`{name}{value}`" for name in action.option_strings), str(action.help)


def _block(language: str, lines: str) -> str:
    return f"```{language}\n{lines}```\n"


def _row(*cells: str) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


HTTPS = Target("server.example.com", transport="winrm")
HTTP = Target("server.example.com", transport="winrm", scheme="http")
SSH = Target("server.example.com")
PARTS: dict[str, Callable[[], Any]] = {
    "profile": profile_reference,
    "errors": error_reference,
    "windows-errors": windows_reference,
    "winrm-https": setup_part(0, HTTPS),
    "winrm-fingerprint": lambda: _block("powershell server", WINRM_FINGERPRINT),
    "local-administrators": setup_part(1, HTTPS),
    "winrm-http": setup_part(0, HTTP),
    "openssh": setup_part(0, SSH),
    "linux-fingerprint": lambda: _block("sh server", LINUX_FINGERPRINT),
    "commands": command_reference,
}


def main() -> int:
    """Bring all pages up to date."""
    for path in pages():
        new = renewed(path)
        if new != path.read_text(encoding="utf-8"):
            path.write_text(new, encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
