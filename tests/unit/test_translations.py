"""Every text is translated, and the translations belong to the code that is here."""

from __future__ import annotations

import argparse
import ast
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from string import Formatter

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.mofile import read_mo
from babel.messages.pofile import read_po

from app import errors, i18n
from app.cli import main
from app.console import columns, fitted
from app.usage import TEXTS
from tests import texts
from tests.texts import ROOT, extract, languages, missing, path_of, read

REPAIR = "run “python3 dev.py texts”, translate what it lists, run it again"
# Texts of Qt's widgets that a user reads.
WIDGETS = {"QLabel", "QPushButton", "QCheckBox", "QRadioButton", "QGroupBox", "QAction", "QMenu"}
OURS = {"label", "button", "tool_button", "Card", "Field", "Disclosure", "Column", "Notice"}
SETTERS = {
    *("setText", "setWindowTitle", "setToolTip", "setPlaceholderText", "setTitle", "addAction"),
    *("addMenu", "addTab", "setInformativeText", "setAccessibleName", "setAccessibleDescription"),
    *("setSuffix", "setPrefix", "setSpecialValueText", "addItem", "addButton", "setStatusTip"),
}
# Methods that say something to a user.
SAID = {"say", "warn", "note", "ask", "confirm", "tell", "say_error"}
# Translates what extract_causes() finds in errors.json.
FROM_FILES = "app/transport/tool.py"
# What is called the same in every language.
NAMES = {"Slipway", "slipway", "Docker", "SSH", "WinRM", "NSSM", "Go"}


@pytest.fixture(scope="module")
def found() -> Catalog:
    return extract()


@pytest.fixture(params=languages())
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_the_languages_are_those_that_can_be_chosen() -> None:
    assert {"en", *languages()} == set(i18n.LANGUAGES)


def test_the_template_holds_the_texts_of_the_code(found: Catalog) -> None:
    assert _ids(read(texts.TEMPLATE)) == _ids(found), REPAIR


def test_the_translations_hold_the_texts_of_the_code(found: Catalog, language: str) -> None:
    path = path_of(language)
    assert _ids(read(path)) == _ids(found), REPAIR
    assert path.read_text(encoding="utf-8") == texts.update(found, path), REPAIR


def test_every_text_is_translated(language: str) -> None:
    assert missing(read(path_of(language))) == []


def test_what_is_read_was_made_from_what_is_translated(language: str) -> None:
    path = path_of(language)
    made = read_mo(io.BytesIO(path.with_suffix(".mo").read_bytes()))
    assert _strings(made) == _strings(read(path)), REPAIR
    assert made.num_plurals == read(path).num_plurals


def test_placeholders_are_the_same(language: str) -> None:
    for message in _messages(read(path_of(language))):
        source = message.id if isinstance(message.id, str) else message.id[-1]
        for form in _forms(message):
            assert placeholders(form) == placeholders(source), message.id


def test_letters_for_alt_are_the_same(language: str) -> None:
    for message in _messages(read(path_of(language))):
        for form in _forms(message):
            if isinstance(message.id, str):
                assert mnemonics(form) == mnemonics(message.id), message.id


def test_lines_begin_and_end_the_same(language: str) -> None:
    """Texts that are put together keep their blanks and breaks, and stay what they are."""
    for message in _messages(read(path_of(language))):
        source = message.id if isinstance(message.id, str) else message.id[-1]
        for form in _forms(message):
            assert form.endswith("\n") == source.endswith("\n"), message.id
            assert len(form) - len(form.lstrip(" ")) in (0, _indent(source)), message.id
            assert form.endswith("…") == source.endswith("…"), message.id


def test_chinese_uses_its_own_punctuation() -> None:
    chinese, latin = "[\u4e00-\u9fff]", "[A-Za-z0-9{}]"
    wrong = [
        rf"{chinese}[,;?!(]|[,;?!)]{chinese}|{chinese}[.:](\s|$)",  # as in English
        r"\s[，。：；？！、）]|[，。：；？！、（][^\S\n]",  # their blank is inside
        rf"{chinese}{latin}|{latin}{chinese}",  # a blank between the scripts
    ]
    for message in _messages(read(path_of("zh_CN"))):
        for form in _forms(message):
            # what is put in here is Chinese itself: a sentence, a time ago
            plain = re.sub(r"\(&\w\)|\(\*[^)]*\)|\{(hint|time)\}(?=没有|启动|给出)", "", form)
            found = [pattern for pattern in wrong if re.search(pattern, plain)]
            assert found == [], form


def test_an_untranslated_text_is_noticed() -> None:
    catalog = read_po(
        io.StringIO(
            'msgid "a {b}"\nmsgstr ""\n\n#, fuzzy\nmsgid "c"\nmsgstr "d"\n\n'
            'msgid "e"\nmsgid_plural "f"\nmsgstr[0] ""\n\nmsgid "g"\nmsgstr "h"\n'
        )
    )
    assert missing(catalog) == ["a {b}", "c", ("e", "f")]


def test_causes_and_remedies_of_windows_errors_are_texts() -> None:
    file = io.BytesIO(b'{"5": {"cause": "It is locked.", "remedy": "Unlock it."}}')
    found = [text for _line, _name, text, _tags in texts.extract_causes(file, None, None, None)]
    assert found == ["It is locked.", "Unlock it."]


def test_updating_keeps_the_head_and_what_is_translated(tmp_path: Path) -> None:
    file = tmp_path / "slipway.po"
    file.write_text(
        '# Words\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "old"\nmsgstr "alt"\n\nmsgid "kept"\nmsgstr "behalten"\n',
        encoding="utf-8",
    )
    found = Catalog()
    for text in ("new", "kept"):
        found.add(text)
    assert texts.update(found, file) == (
        '# Words\nmsgid ""\nmsgstr ""\n"Content-Type: text/plain; charset=utf-8\\n"\n\n'
        'msgid "kept"\nmsgstr "behalten"\n\nmsgid "new"\nmsgstr ""\n'
    )


def placeholders(text: str) -> Counter[str]:
    """Return the places of a text that something is put into, with their formats."""
    if "%(" in text or re.search(r"%[srd]", text):
        return Counter(re.findall(r"%(?:\(\w+\))?[srd]", text))
    try:
        parts = list(Formatter().parse(text))
    except ValueError:  # braces that are meant, as in TOML
        return Counter()
    return Counter(f"{name}:{form}!{how}" for _text, name, form, how in parts if name is not None)


def mnemonics(text: str) -> list[str]:
    return [letter.lower() for letter in re.findall(r"&(\w)", text)]


def _ids(catalog: Catalog) -> set[str]:
    return {repr(message.id) for message in catalog if message.id}


def _messages(catalog: Catalog) -> list[Message]:
    return [message for message in catalog if message.id]


def _forms(message: Message) -> tuple[str, ...]:
    return _texts(message.string)


def _texts(one: str | Iterable[str]) -> tuple[str, ...]:
    return (one,) if isinstance(one, str) else tuple(one)


def _strings(catalog: Catalog) -> dict[str, tuple[str, ...]]:
    return {"\n".join(_texts(message.id)): _texts(message.string) for message in _messages(catalog)}


def _indent(text: str) -> int:
    return len(text) - len(text.lstrip(" "))


# The code


def _calls() -> Iterator[tuple[str, ast.Call, str]]:
    for folder in ("app", "ui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    yield f"{path.relative_to(ROOT).as_posix()}:{node.lineno}", node, _name(node)


def _name(node: ast.Call) -> str:
    if isinstance(node.func, ast.Name):
        return node.func.id
    return node.func.attr if isinstance(node.func, ast.Attribute) else ""


def test_only_what_can_be_found_is_translated() -> None:
    """A text that is not there in one piece is never found in the code, nor in a translation."""
    for place, node, name in _calls():
        if name in ("_", "marked", "ngettext") and not place.startswith("app/i18n.py"):
            count = 2 if name == "ngettext" else 1
            pieces = node.args[:count]
            written = all(isinstance(each, ast.Constant) for each in pieces)
            assert written or place.startswith(FROM_FILES), place


def test_nothing_is_translated_before_the_language_is_known() -> None:
    for folder in ("app", "ui"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in _at_import(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call):
                    assert _name(node) not in ("_", "ngettext"), f"{path}:{node.lineno}"


def _at_import(node: ast.AST) -> Iterator[ast.AST]:
    """Yield what is evaluated when a module is imported."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            later = {id(each) for each in child.body}
            for part in ast.iter_child_nodes(child):
                if id(part) not in later:
                    yield part
                    yield from _at_import(part)
        elif not isinstance(child, ast.Lambda):
            yield child
            yield from _at_import(child)


def test_no_widget_shows_a_text_that_is_not_translated() -> None:
    bare = [
        f"{place}: {each.value!r}"
        for place, node, name in _calls()
        if place.startswith("ui/") and name in WIDGETS | OURS | SETTERS
        for each in _shown(node, name)
        if isinstance(each.value, str) and re.search(r"[^\W\d_]", each.value)
        if each.value not in NAMES and not re.fullmatch(r"[A-Z_]+|-\w+", each.value)
    ]
    assert bare == []


def test_no_error_or_message_is_a_text_that_is_not_translated() -> None:
    kinds = {name for name, each in vars(errors).items() if isinstance(each, type)}
    bare = [
        f"{place}: {each.value!r}"
        for place, node, name in _calls()
        if name in kinds | SAID and not place.startswith("app/supervise.py")  # it speaks on servers
        for argument in node.args
        for each in _literals(argument)
        if re.search(r"[^\W\d_]{2,}\s+[^\W\d_]{2,}", str(each.value))  # more than a name or a key
    ]
    assert bare == []


def _shown(node: ast.Call, name: str) -> Iterator[ast.Constant]:
    """Yield a call's bare texts: of our own functions only the first argument is one to read."""
    arguments = node.args if name in WIDGETS | SETTERS else node.args[:1]
    if name in ("Field", "Notice"):
        arguments = node.args[1:]  # the first is the profile's key, or the tone
    for argument in arguments:
        yield from _literals(argument)


def _literals(argument: ast.expr) -> Iterator[ast.Constant]:
    if isinstance(argument, ast.Constant):
        yield argument
    elif isinstance(argument, ast.JoinedStr):
        yield from (part for part in argument.values if isinstance(part, ast.Constant))


# The language in use


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *((name, "zh_CN") for name in ("zh", "zh_CN", "zh_CN.UTF-8", "zh-Hans-CN", "zh_SG@x")),
        ("Chinese (Simplified)_China.936", "zh_CN"),
        *((name, "en") for name in ("zh_TW.UTF-8", "zh-Hant-HK", "Chinese (Traditional)_Taiwan")),
        *((name, "en") for name in ("", "C", "C.UTF-8", "POSIX", "en_GB", "de_DE", "zha")),
    ],
)
def test_systems_name_a_language_in_many_ways(name: str, expected: str) -> None:
    assert i18n.known_language(name) == expected


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LANGUAGE": "zh_CN:en", "LANG": "de_DE"}, "zh_CN"),
        ({"LANGUAGE": "", "LC_ALL": "zh_CN.UTF-8", "LANG": "en_US"}, "zh_CN"),
        ({"LC_MESSAGES": "zh_CN.UTF-8", "LANG": "en_US"}, "zh_CN"),
        ({"LANG": "zh_CN.UTF-8"}, "zh_CN"),
        ({"LC_ALL": "C", "LANG": "zh_CN.UTF-8"}, "en"),
    ],
)
def test_the_environment_says_the_language(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: str
) -> None:
    for name in i18n.VARIABLES:
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    i18n.use_language()
    assert i18n.language() == expected
    assert i18n._("Roll back now?") == {"en": "Roll back now?", "zh_CN": "现在回滚吗？"}[expected]


@pytest.mark.parametrize("arguments", [["--help"], ["deploy", "--help"], ["logs", "--help"]])
def test_help_is_in_one_language(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        main(["--language", "zh_CN", *arguments])
    out = capsys.readouterr().out
    assert "用法：slipway" in out
    assert _english(out) == []
    heads = re.findall(r"(?m)^( +\S.*? {2,})\S", out)
    assert len({columns(head) for head in heads}) == 1, "the second column is crooked"


@pytest.mark.parametrize(
    "arguments",
    [
        ["inspect"],
        ["nonsense"],
        ["plan", "x.toml", "--nonsense"],
        ["plan", "x.toml", "--target"],
        ["logs", "x.toml", "--lines", "many"],
        ["plan", "x.toml", "--json=yes"],
    ],
)
def test_complaints_about_arguments_are_in_one_language(
    capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(
            [*arguments, "--language=zh_CN"]
            if "--target" not in arguments
            else ["--language=zh_CN", *arguments]
        )
    assert _english(capsys.readouterr().err) == []


def _english(text: str) -> list[str]:
    """Return the words of a usage text that are not names, options or places for values."""
    text = re.sub(r"'[^']*'|“[^”]*”|--?[\w-]+|[\w.]*\.(toml|com)|[A-Z]{2,}\w*", " ", text)
    commands = "open|demo|inspect|plan|deploy|rollback|resume|status|releases|logs|unlock|doctor"
    known = rf"slipway|{commands}|Go|Ctrl|int|zh|CN|[A-Z]"
    return [word for word in re.findall(r"[A-Za-z]+", text) if not re.fullmatch(known, word)]


def test_each_text_of_argparse_is_one_of_argparse() -> None:
    """Those that newer Pythons say only are not in the source of an older one."""
    source = Path(argparse.__file__).read_text(encoding="utf-8")
    newer = {
        "invalid choice: %(value)r, maybe you meant %(closest)r? (choose from %(choices)s)",
    }
    for text in TEXTS:
        words = text.encode("unicode_escape").decode()
        assert words in source or text in newer, text


def test_sentences_follow_one_another_as_the_language_does() -> None:
    assert i18n.sentences("It failed.", "", "Try again.") == "It failed. Try again."
    assert i18n.sentences("失败。", "请重试。") == "失败。请重试。"


# Widths


def test_chinese_takes_two_columns_of_a_terminal() -> None:
    assert columns("ab部署") == 6
    assert fitted("ab部署", 8) == "ab部署  "
    assert fitted("ab部署", 5) == "ab部 "
    assert fitted("e\u0301x", 1) == "e\u0301"
