"""Translated text: ``_`` marks and translates what a user reads.

Without a choice the language is the one of LANGUAGE, LC_ALL, LC_MESSAGES or LANG, as everywhere;
where none of them is set, the one of the system's own windows.
"""

import contextlib
import gettext
import locale
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

DOMAIN = "slipway"
LOCALE_FOLDER = Path(__file__).resolve().parent.parent / "resources" / "locale"
# Each named in itself: whoever looks for a language can read that.
LANGUAGES = {"en": "English", "zh_CN": "简体中文"}
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")
# Traditional Chinese is another language: its readers get English.
_TRADITIONAL = re.compile(
    r"zh_(hant|tw|hk|mo)([^a-z].*)?|chinese.*(traditional|taiwan|hong kong|macao).*"
)
_SIMPLIFIED = re.compile(r"(zh|chinese)([^a-z].*)?")

_translations: gettext.NullTranslations = gettext.NullTranslations()
_language = "en"


def use_language(choice: str = "") -> None:
    """Choose the language of all text from now on.

    ``choice`` is a code like ``zh_CN``; empty means the system's own choice.
    """
    global _translations, _language
    _language = known_language(choice) if choice else system_language()
    _translations = _translations_of(_language)


def in_language(code: str, message: str) -> str:
    """Translate one ``marked`` text into a language that is not the one in use."""
    return _translations_of(code).gettext(message)


def _translations_of(code: str) -> gettext.NullTranslations:
    return gettext.translation(DOMAIN, LOCALE_FOLDER, [code], fallback=True)


def language() -> str:
    """Return the language in use, a key of ``LANGUAGES``."""
    return _language


def known_language(name: str) -> str:
    """Return the key of ``LANGUAGES`` that serves a reader of ``name``; English if none does.

    Takes what systems call their languages, like ``zh_CN.UTF-8``, ``zh-Hans`` or
    ``Chinese (Simplified)_China``.
    """
    plain = name.replace("-", "_").lower()
    if _TRADITIONAL.fullmatch(plain):
        return "en"
    return "zh_CN" if _SIMPLIFIED.fullmatch(plain) else "en"


def system_language() -> str:
    """Return the language of the environment, else of the system."""
    for variable in VARIABLES:
        if named := os.environ.get(variable, "").split(":")[0]:
            return known_language(named)
    return known_language(_of_windows() or _of_macos() or locale.getlocale()[0] or "")


def _of_windows() -> str:
    """Return the language of Windows' own texts; empty elsewhere."""
    name = ""
    if sys.platform == "win32":
        import ctypes

        name = locale.windows_locale.get(ctypes.windll.kernel32.GetUserDefaultUILanguage(), "")
    return name


def _of_macos() -> str:
    """Return the first language of System Settings; empty elsewhere.

    What is started from the Dock has no LANG.
    """
    name = ""
    if sys.platform == "darwin":
        command = ["defaults", "read", "-g", "AppleLanguages"]
        with contextlib.suppress(OSError, subprocess.TimeoutExpired):
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=5)
            first = re.search(r"[A-Za-z][\w-]+", done.stdout)
            name = first[0] if first else ""
    return name


def _(message: str) -> str:
    """Translate one text; an empty one stays empty."""
    return _translations.gettext(message) if message else ""  # gettext would give its header


def ngettext(singular: str, plural: str, count: int) -> str:
    """Translate a text whose form depends on a number."""
    return _translations.ngettext(singular, plural, count)


def sentences(*texts: str) -> str:
    """Put texts behind one another, the empty ones left out; a Chinese stop needs no blank."""
    return " ".join(text for text in texts if text).replace("。 ", "。")


def first_of(names: Sequence[str], most: int) -> str:
    """Return the first ``most`` names in a row, and how many there are beyond."""
    more = len(names) - most
    shown = ", ".join(names[:most])
    return _("{names} and {count} more").format(names=shown, count=more) if more > 0 else shown


def marked(message: str) -> str:
    """Mark a text for translation that is translated later."""
    return message
