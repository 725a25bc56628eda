"""argparse in the user's language: the words it says by itself, around those of ``cli``."""

from __future__ import annotations

import argparse
import re

from app.console import columns
from app.i18n import _, marked, ngettext

# Every text of argparse that the command line can show, of all Pythons from 3.11 on. It asks
# gettext for them, but only for those of the process's own domain and environment.
TEXTS = (
    marked("usage: "),
    marked("positional arguments"),
    marked("options"),
    marked("show this help message and exit"),
    marked("%(prog)s: error: %(message)s\n"),
    marked("argument %(argument_name)s: %(message)s"),
    marked("unrecognized arguments: %s"),
    marked("the following arguments are required: %s"),
    marked("expected one argument"),
    marked("ignored explicit argument %r"),
    marked("ambiguous option: %(option)s could match %(matches)s"),
    marked("invalid choice: %(value)r (choose from %(choices)s)"),
    marked("invalid choice: %(value)r, maybe you meant %(closest)r? (choose from %(choices)s)"),
    marked("invalid %(type)s value: %(value)r"),
)


def translate_argparse() -> None:
    """Let argparse take its texts from Slipway's translations, in the language now in use."""
    # It imports gettext's functions under these names and calls them when it needs a text.
    for name, translate in (("_", _), ("ngettext", ngettext)):
        setattr(argparse, name, translate)


def aligned(text: str) -> str:
    """Return a help text whose second column stands straight in a terminal.

    argparse counts characters, but a Chinese one takes two columns.
    """
    rows = re.findall(r"(?m)^( +\S.*?)( {2,})\S", text)
    if not rows:
        return text
    place = len("".join(rows[0]))
    shift = max(columns(head) - len(head) for head, _gap in rows)

    def moved(line: str) -> str:
        head = line[:place]
        return head + " " * (shift - columns(head) + len(head)) + line[place:]

    return re.sub(rf"(?m)^(?= ).{{{place - 2}}}  \S.*$", lambda found: moved(found[0]), text)
