"""The texts a user reads, and their translations: ``python3 dev.py texts``.

Collects what stands in ``_("…")``, brings each language's slipway.po up to date, compiles it, and
lists what is still to be translated. Nothing in a .po says where a text stands in the code or when
it was written, and the texts are sorted: two branches that add texts can be merged.
"""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).parent.parent
LOCALE = ROOT / "resources" / "locale"
TEMPLATE = LOCALE / "slipway.pot"
KEYWORDS = {"_": None, "marked": None, "ngettext": (1, 2)}

NO_TIME = datetime(2000, 1, 1, tzinfo=UTC)  # else the same texts make another file every minute

Text = str | tuple[str, str]


def extract_causes(
    file: IO[bytes], keywords: object, tags: object, options: object
) -> Iterator[tuple[int, None, str, list[str]]]:
    """Give Babel the texts of errors.json: a cause and a remedy for each error's number."""
    for entry in json.load(file).values():
        for text in (entry["cause"], entry["remedy"]):
            yield 0, None, text, []


SOURCES: dict[str, tuple[tuple[str, Any], ...]] = {
    "app": (("**.py", "python"),),
    "ui": (("**.py", "python"),),
    "resources/winhost": (("errors.json", extract_causes),),
}


def extract() -> Catalog:
    """Return all texts that stand in the code, untranslated."""
    found = Catalog()
    for folder, methods in SOURCES.items():
        for _file, _line, text, _comments, _context in extract_from_dir(
            ROOT / folder, methods, keywords=KEYWORDS
        ):
            found.add(text)
    return found


def languages() -> list[str]:
    """Return the codes of the languages there are translations for."""
    return sorted(path.parent.parent.name for path in LOCALE.glob("*/LC_MESSAGES/slipway.po"))


def path_of(language: str) -> Path:
    """Return where a language's translations lie."""
    return LOCALE / language / "LC_MESSAGES" / "slipway.po"


def read(path: Path) -> Catalog:
    """Return the content of a .po file; raises PoFileError if it is broken."""
    with path.open("rb") as file:
        return read_po(file, abort_invalid=True)


def update(texts: Catalog, path: Path) -> str:
    """Return a .po file's text with exactly ``texts`` in it: old ones leave, new ones are empty.

    Its head, up to the first empty line, stays as somebody wrote it.
    """
    old = read(path)
    new = Catalog(locale=old.locale)
    for message in texts:
        if message.id:
            former = old.get(message.id)
            new.add(message.id, former.string if former else None)
    return f"{head(path)}\n\n{_body(new)}"


def head(path: Path) -> str:
    """Return a .po file's comment and header."""
    return path.read_text(encoding="utf-8").split("\n\n", 1)[0]


def _body(catalog: Catalog) -> str:
    file = io.BytesIO()
    write_po(file, catalog, width=0, no_location=True, omit_header=True, sort_output=True)
    return file.getvalue().decode().rstrip("\n") + "\n"


def compiled(path: Path) -> bytes:
    """Return what gettext reads, made from a .po file."""
    catalog = read(path)
    catalog.creation_date = NO_TIME
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def missing(catalog: Catalog) -> list[Text]:
    """Return the texts that are not translated, or only by guess."""
    return [
        message.id
        for message in catalog
        if message.id and (message.fuzzy or not all(_forms(message.string)))
    ]


def _forms(text: str | Iterable[str]) -> tuple[str, ...]:
    return (text,) if isinstance(text, str) else tuple(text)


def main() -> int:
    """Bring all files up to date; returns 1 if something is still to be translated."""
    texts = extract()
    TEMPLATE.write_text(f"{head(TEMPLATE)}\n\n{_body(texts)}", encoding="utf-8")
    code = 0
    for language in languages():
        path = path_of(language)
        path.write_text(update(texts, path), encoding="utf-8")
        path.with_suffix(".mo").write_bytes(compiled(path))
        for text in missing(read(path)):
            print(f"{language}: not translated: {text!r}")
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
