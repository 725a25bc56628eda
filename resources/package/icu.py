"""The data of ICU, Qt's library for languages on Linux: only what Qt asks for is packed.

ICU comes with 32 MB of names and formats in all languages, in a shared library that holds nothing
else. Qt has its own; it asks ICU to compare and for time zones. It could ask for encodings too, but
insists on a locale in UTF-8, which ICU knows without data. What is left out it does not miss: it
takes its own defaults for languages that it does not know.
"""

from __future__ import annotations

import re
import struct
import subprocess
from pathlib import Path

LIBRARY = re.compile(r"libicudata\.so\.(\d+)$")
MAGIC = b"\xda\x27"
FORMAT = b"CmnD"
ALIGNMENT = 16
# folders of names and formats, of what breaks lines and of what rewrites one script in another
UNASKED_FOLDERS = ("brkitr", "curr", "lang", "rbnf", "region", "translit", "unit")
LANGUAGE = re.compile(r"(?:coll/|zone/)?([a-z]{2,3})(_\w+)?\.res")
LANGUAGES = ("en", "zh")
SOURCE = """
.section .rodata
.balign {alignment}
.globl {symbol}
.type {symbol}, %object
{symbol}:
.incbin "{data}"
.size {symbol}, . - {symbol}
.section .note.GNU-stack, "", %progbits
"""


def wanted(name: str) -> bool:
    """Return whether Qt, in English or Chinese, may ask for an item: ``coll/zh.res``."""
    if name.partition("/")[0] in UNASKED_FOLDERS or name.endswith(".cnv"):
        return False
    language = LANGUAGE.fullmatch(name)
    return language is None or language[1] in LANGUAGES


def smaller(library: Path, folder: Path) -> Path:
    """Return a library like ``libicudata.so.73`` that holds only what is wanted.

    Needs ``as`` and ``ld`` of the GNU binutils. Raises ValueError if it is not such a library.
    """
    version = LIBRARY.search(library.name)
    if not version:
        raise ValueError(f"{library} is not ICU's data")
    folder.mkdir(parents=True, exist_ok=True)
    data, source, made = folder / "icu.dat", folder / "icu.s", folder / "icu.o"
    data.write_bytes(filtered(library.read_bytes()))
    symbol = f"icudt{version[1]}_dat"
    source.write_text(SOURCE.format(alignment=ALIGNMENT, symbol=symbol, data=data))
    result = folder / library.name
    subprocess.run(["as", "-o", made, source], check=True)
    subprocess.run(
        ["ld", "-shared", "-soname", library.name, "-z", "noexecstack", "-o", result, made],
        check=True,
    )
    return result


def filtered(content: bytes) -> bytes:
    """Return the package of data inside a library, without the items that are not wanted.

    A package is a head, the number of items, for each the places of its name and of its content
    (counted from that number on, in the order of the names), the names, the contents.
    """
    start = content.index(FORMAT) - 12
    size = int.from_bytes(content[start : start + 2], "little")
    if content[start + 2 : start + 4] != MAGIC:
        raise ValueError("ICU's data is not where it was expected")
    base = start + size
    items = [item for item in _items(content, base) if wanted(item[0].partition("/")[2])]
    names = b"".join(name.encode() + b"\0" for name, _data in items)
    place = 4 + 8 * len(items)
    data_place = place + len(names)
    table, contents = struct.pack("<I", len(items)), b""
    for name, data in items:
        padding = -(size + data_place + len(contents)) % ALIGNMENT
        contents += b"\0" * padding
        table += struct.pack("<II", place, data_place + len(contents))
        place += len(name.encode()) + 1
        contents += data
    return content[start:base] + table + names + contents


def _items(content: bytes, base: int) -> list[tuple[str, bytes]]:
    """Return the names and contents of all items, in order."""
    (count,) = struct.unpack_from("<I", content, base)
    places = [struct.unpack_from("<II", content, base + 4 + 8 * number) for number in range(count)]
    # the last one ends with the section; nothing says where, and what follows does no harm
    ends = [data for _name, data in places[1:]] + [len(content) - base]
    items = []
    for (name, data), end in zip(places, ends, strict=True):
        text = content[base + name : content.index(b"\0", base + name)].decode("ascii")
        items.append((text, content[base + data : base + end]))
    return items
