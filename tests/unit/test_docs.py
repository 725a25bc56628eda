"""The documentation says what the code does: generated parts, commands, examples, links."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import dev
from app import cli, profile, profile_keys
from app.i18n import language
from tests import docs, docs_words, profile_words, texts
from tests.docs import ROOT, pages

# What the first line of a code block may say, and what that means:
RUN = "sh"  # run here, line after line, in a folder with a project and a slipway.toml
CLONE = "sh clone"  # commands of dev.py, in a clone of the repository
WINDOW = "sh window"  # opens the window
SERVER = ("sh server", "powershell server")  # for an administrator, on the server
NO_COMMANDS = ("toml", "json", "text", "python", "ini")
RELEASE = re.compile(r"\d{8}-\d{6}-\S+")  # stands for one that lies there
CHINESE = ".zh-CN.md"
HAN = re.compile("[\u4e00-\u9fff]")
TRANSLATED = [(page.with_name(page.name.replace(CHINESE, ".md")), page)
              for page in pages() if page.name.endswith(CHINESE)]  # fmt: skip

each_page = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block of a page: where it begins, what its first line says, its lines."""

    line: int
    kind: str
    text: str

    @property
    def commands(self) -> list[str]:
        """Its lines without comments."""
        lines = [re.sub(r"(^|\s+)# .*", "", line) for line in self.text.splitlines()]
        return [line for line in lines if line]


def blocks(page: Path) -> list[Block]:
    found, opened = [], None
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        if not line.startswith("```"):
            if opened is not None:
                opened[2].append(line)
        elif opened is None:
            opened = (number, line[3:].strip(), [])
        else:
            found.append(Block(opened[0], opened[1], "\n".join(opened[2]) + "\n"))
            opened = None
    assert opened is None, f"{page.name}:{opened}: this block is never closed"
    return found


def prose(page: Path) -> str:
    """Return a page without its blocks."""
    return re.sub(
        r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL
    )


@each_page
def test_what_is_made_from_the_code_is_current(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == docs.renewed(page), "run “python3 dev.py docs”"


def parts(page: Path) -> list[str]:
    return [found[2] for found in docs.PART.finditer(page.read_text(encoding="utf-8"))]


def test_every_part_is_in_a_page() -> None:
    used = [part for page in pages() if docs.language_of(page) == "en" for part in parts(page)]
    assert sorted(used) == sorted(docs.PARTS)


@pytest.fixture
def errors_page(tmp_path: Path) -> Path:
    page = tmp_path / "x.zh-CN.md"
    page.write_text("<!-- made from the code: errors -->\n<!-- end -->\n", encoding="utf-8")
    return page


def test_parts_speak_the_language_of_their_page(errors_page: Path) -> None:
    chinese = docs.renewed(errors_page).splitlines()
    assert language() == "en"
    english = docs.renewed(errors_page.rename(errors_page.with_name("x.md"))).splitlines()
    assert len(chinese) == len(english)
    for line in english:
        assert not HAN.search(line)
    for line in chinese:
        if line.startswith(("#", "| ")) and not line.startswith("| ---"):
            for cell in line.strip("| ").split(" | "):
                assert HAN.search(cell) or not cell, line


def test_a_word_without_a_translation_is_noticed(
    errors_page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(docs_words.CHINESE, "reason")
    with pytest.raises(ValueError, match="“reason” needs a translation"):
        docs.renewed(errors_page)


def test_every_translated_word_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()

    class Noted(dict[str, str]):
        def __getitem__(self, text: str) -> str:
            asked.add(text)
            return super().__getitem__(text)

    monkeypatch.setattr(docs_words, "CHINESE", Noted(docs_words.CHINESE))
    for _page, translation in TRANSLATED:
        docs.renewed(translation)
    assert asked == set(docs_words.CHINESE)


def test_every_key_of_a_profile_is_explained_and_nothing_else() -> None:
    def keys(prefix: str, section: profile_keys.Section) -> Iterator[str]:
        yield from (f"{prefix}{name}" for name in section.keys)
        for name, table in section.tables.items():
            yield from keys(f"{prefix}{name}.", table)

    known = {*keys("", profile_keys.PROFILE), *keys("targets.", profile_keys.TARGET)}
    assert set(profile_words.KEYS) == known
    assert set(profile_words.DEFAULTS) <= known
    assert set(profile_words.ALLOWED) <= known


def test_what_is_said_of_a_profile_is_english_and_chinese() -> None:
    said = (profile_words.TABLES, profile_words.DEFAULTS, profile_words.ALLOWED, profile_words.KEYS)
    for english, chinese in (pair for pairs in said for pair in pairs.values()):
        assert not HAN.search(english), english
        assert chinese not in ("", english)


@each_page
def test_every_block_says_what_it_is(page: Path) -> None:
    for block in blocks(page):
        known = (RUN, CLONE, WINDOW, *SERVER, *NO_COMMANDS)
        assert block.kind in known, f"{page.name}:{block.line}: begins with ```{block.kind}"


@each_page
def test_commands_for_a_clone_are_known_to_dev_py(page: Path) -> None:
    for block in blocks(page):
        for command in block.commands if block.kind == CLONE else ():
            program, *words = shlex.split(command, comments=True)
            assert (program, words[0]) == ("python3", "dev.py"), command
            dev._parser().parse_known_args(words[1:])


@each_page
def test_commands_for_the_window_open_it(page: Path) -> None:
    for block in blocks(page):
        for command in block.commands if block.kind == WINDOW else ():
            words = shlex.split(command, comments=True)
            assert words[:1] == ["slipway"], command
            assert words[1:2] in ([], ["open"]), command


@each_page
def test_commands_in_a_sentence_exist(page: Path) -> None:
    parser = cli.make_parser()
    for command in re.findall(r"`(slipway [^`]+)`", prose(page)):
        words = shlex.split(command)[1:]
        if words[0] in ("open", "--language", "--help", "--version"):
            continue
        with contextlib.redirect_stderr(io.StringIO()) as said:
            try:
                parser.parse_args([*words, *_left_out(words)])
            except SystemExit:
                pytest.fail(f"{page.name}: {command}: {said.getvalue()}")


def _left_out(words: list[str]) -> list[str]:
    """Return the file or folder that a sentence need not repeat."""
    named = [word for word in words[1:] if not word.startswith("-")]
    return ["x"] if words[0] not in ("demo", "doctor") and not named else []


@each_page
def test_examples_of_a_profile_can_be_read(page: Path, tmp_path: Path) -> None:
    for block in blocks(page):
        if block.kind == "toml":
            profile.loads(block.text, tmp_path)
            if "[[targets]]" in block.text and "[deploy]" in block.text:
                (tmp_path / "slipway.toml").write_text(block.text, encoding="utf-8")
                profile.load(tmp_path / "slipway.toml")


# -- commands that are run -----------------------------------------------------------------------


class Sandbox:
    """A folder with a Go project and a profile that deploys it to this computer."""

    def __init__(self, place: Path) -> None:
        self.folder = place / "hello"
        self.root = (place / "services").as_posix()
        self._versions = 0
        shutil.copytree(ROOT / "tests" / "projects" / "good", self.folder)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self._port = probe.getsockname()[1]
        self.change()

    def change(self) -> None:
        """Make the next deployment another one than the last."""
        self._versions += 1
        (self.folder / "slipway.toml").write_text(
            f"""name = "hello"
project = {{ path = "." }}
deploy.kind = "process"
deploy.root = "{self.root}"
deploy.env = {{ PORT = "{self._port}", GREETING = "{self._versions}" }}
deploy.secrets = ["DB_PASSWORD"]
deploy.health = {{ http = "http://127.0.0.1:{self._port}/health", stable = "300ms" }}
targets = [{{ address = "localhost", transport = "local" }}]
""",
            encoding="utf-8",
        )

    def run(self, command: str) -> str:
        """Run a line of the documentation; return what it printed."""
        words = shlex.split(command, comments=True)
        more = {"SLIPWAY_SECRET_DB_PASSWORD": "from the docs"}
        while "=" in words[0]:
            name, _equals, value = words.pop(0).partition("=")
            more[name] = value
        assert words[0] == "slipway", f"only slipway can be run here, not {words[0]}: mark it"
        words = [self._release() if RELEASE.fullmatch(word) else word for word in words[1:]]
        done = _slipway(self.folder, more, *words)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    def _release(self) -> str:
        """Return a release that an example names."""
        return min(RELEASE.findall(self.run("slipway releases slipway.toml")))

    def prepare_to_roll_back(self) -> None:
        """Have two releases there, and another one to deploy."""
        for _release in range(2):
            self.run("slipway deploy slipway.toml --yes")
            self.change()


@pytest.fixture
def sandbox(tmp_path: Path, home: Path) -> Iterator[Sandbox]:
    """Return a fresh sandbox; what it started is stopped at the end."""
    made = Sandbox(tmp_path)
    yield made
    _slipway(made.folder, {}, "supervise", "stop", f"{made.root}/hello", "5")


def _slipway(folder: Path, more: dict[str, str], *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ui", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUTF8": "1", **more},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def with_commands() -> list[Path]:
    """Return the pages whose commands are run; a translation has those of its page."""
    translations = {translation for _page, translation in TRANSLATED}
    return [
        page
        for page in pages()
        if page not in translations and any(block.kind == RUN for block in blocks(page))
    ]


@pytest.mark.slow
@pytest.mark.timeout(600)  # each page builds and deploys several times
@pytest.mark.parametrize("page", with_commands(), ids=lambda page: page.name)
def test_commands_run(page: Path, sandbox: Sandbox) -> None:
    for block in blocks(page):
        if block.kind == RUN:
            if any(" rollback " in command for command in block.commands):
                sandbox.prepare_to_roll_back()
            for command in block.commands:
                sandbox.run(command)


def test_pages_with_commands_are_found() -> None:
    assert {"commands.md", "rollback.md"} <= {page.name for page in with_commands()}


# -- links and translations ----------------------------------------------------------------------


def anchors(page: Path) -> set[str]:
    """Return what links may lead to in a page, as GitHub names its headings."""
    found: set[str] = set()
    for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE):
        plain = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).strip().lower()
        slug = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        number = sum(1 for other in found if re.fullmatch(rf"{re.escape(slug)}(-\d+)?", other))
        found.add(f"{slug}-{number}" if number else slug)
    return found


def links(page: Path) -> list[str]:
    return re.findall(r"\]\(([^)\s]+)\)", prose(page)) + re.findall(r'src="([^"]+)"', prose(page))


@each_page
def test_links_lead_somewhere(page: Path) -> None:
    for link in links(page):
        if re.match(r"https?://", link):
            continue
        path, _hash, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


each_translation = pytest.mark.parametrize(
    ("page", "translation"), TRANSLATED, ids=[page.name for page, _translation in TRANSLATED]
)


@each_translation
def test_a_translation_has_the_same_commands_pictures_and_sections(
    page: Path, translation: Path
) -> None:
    assert [(block.kind, block.commands) for block in blocks(page)] == [
        (block.kind, block.commands) for block in blocks(translation)
    ]
    assert _pictures(page) == _pictures(translation)
    assert parts(page) == parts(translation)
    assert _outline(page) == _outline(translation)
    assert sorted(_code(page)) == sorted(_code(translation))


def _code(page: Path) -> list[str]:
    """Return what stands as code in the sentences that are not made from the code."""
    found: list[str] = re.findall(r"`[^`]+`", docs.PART.sub("", prose(page)))
    return [code.replace("文件", "FILE") for code in found]  # as the command line's help calls it


def _outline(page: Path) -> list[str]:
    """Return what begins the lines of a page's headings, lists and tables."""
    return re.findall(r"^(?:#+ |- |\d+\. |\|)", prose(page), re.MULTILINE)


@each_translation
def test_a_page_and_its_translation_lead_to_each_other(page: Path, translation: Path) -> None:
    assert translation.name in links(page)
    assert page.name in links(translation)


@each_translation
def test_a_translation_leads_to_translations(page: Path, translation: Path) -> None:
    for link in links(translation):
        path = link.partition("#")[0]
        if path.endswith(".md") and not path.endswith(CHINESE) and path != page.name:
            other = translation.parent / path.replace(".md", CHINESE)
            assert not other.exists(), f"{translation.name}: {link}: there is {other.name}"


def _pictures(page: Path) -> list[str]:
    return [link.replace(".zh.png", ".png") for link in links(page) if link.endswith(".png")]


def test_translations_show_the_window_in_their_language() -> None:
    for _page, translation in TRANSLATED:
        shown = [link for link in links(translation) if link.endswith(".png")]
        assert all(link.endswith(".zh.png") for link in shown)


def _labels(language: str) -> set[str]:
    """Return what the window can show in a language, without the marks for the keyboard."""
    catalog = texts.read(texts.path_of(language)) if language else texts.extract()
    found = [message.string if language else message.id for message in catalog if message.id]
    return {re.sub(r"\(&\w\)|&", "", text) for text in found if isinstance(text, str)}


@pytest.mark.parametrize(
    ("page", "language"), [("docs/guide.md", ""), ("docs/guide.zh-CN.md", "zh_CN")]
)
def test_what_is_bold_in_the_guide_stands_in_the_window(page: str, language: str) -> None:
    bold = set(re.findall(r"\*\*([^*]+)\*\*", prose(ROOT / page))) - {"bold", "粗体"}
    assert bold <= _labels(language)
