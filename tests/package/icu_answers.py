"""Asks ICU, as Qt does, what it knows; prints one JSON object. Its libraries: LD_LIBRARY_PATH."""

from __future__ import annotations

import ctypes
import json
import sys

VERSION = sys.argv[1]
ICU = ctypes.CDLL(f"libicui18n.so.{VERSION}")
COMMON = ctypes.CDLL(f"libicuuc.so.{VERSION}")


def call(library: ctypes.CDLL, name: str, *arguments: object, result: type = ctypes.c_int) -> int:
    """Call a function whose last argument takes its error; returns its result."""
    function = getattr(library, f"{name}_{VERSION}")
    function.restype = result
    error = ctypes.c_int(0)
    answer = function(*arguments, ctypes.byref(error))
    assert error.value <= 0, f"{name}: {error.value}"
    return answer


def wide(text: str) -> bytes:
    return text.encode("utf-16le") + b"\0\0"


def order(language: bytes, first: str, second: str) -> int:
    collator = ctypes.c_void_p(call(ICU, "ucol_open", language, result=ctypes.c_void_p))
    compare = getattr(ICU, f"ucol_strcoll_{VERSION}")
    return int(compare(collator, wide(first), -1, wide(second), -1))


def zone_name(zone: str, language: bytes) -> str:
    calendar = call(ICU, "ucal_open", wide(zone), -1, language, 0, result=ctypes.c_void_p)
    buffer = ctypes.create_string_buffer(400)
    length = call(
        ICU, "ucal_getTimeZoneDisplayName", ctypes.c_void_p(calendar), 0, language, buffer, 200
    )
    return buffer.raw[: 2 * length].decode("utf-16le")


def converts(encoding: bytes) -> bool:
    return bool(call(COMMON, "ucnv_open", encoding, result=ctypes.c_void_p))


sys.stdout.write(
    json.dumps(
        {
            # by pinyin, against the order of the code points
            "order": [order(language, "啊", "中") for language in (b"zh_CN", b"en", b"de")],
            "zones": [zone_name("Asia/Shanghai", language) for language in (b"zh_CN", b"en")],
            "encodings": [converts(name) for name in (b"UTF-8", b"UTF-16LE", b"latin1")],
        }
    )
)
