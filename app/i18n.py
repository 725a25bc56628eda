"""Translated text: ``_`` marks and translates what a user reads."""

import gettext
import locale
import os
from pathlib import Path

DOMAIN = "slipway"
LOCALE_FOLDER = Path(__file__).resolve().parent.parent / "resources" / "locale"

_translations: gettext.NullTranslations = gettext.NullTranslations()


def use_language(language: str = "") -> None:
    """Choose the language of all text from now on.

    ``language`` is a code like ``zh_CN``; empty means the system's own choice.
    """
    global _translations
    if not language:
        language = os.environ.get("LANGUAGE", "").split(":")[0] or locale.getlocale()[0] or "en"
    _translations = gettext.translation(DOMAIN, LOCALE_FOLDER, [language], fallback=True)


def _(message: str) -> str:
    """Translate one text."""
    return _translations.gettext(message)


def ngettext(singular: str, plural: str, count: int) -> str:
    """Translate a text whose form depends on a number."""
    return _translations.ngettext(singular, plural, count)
