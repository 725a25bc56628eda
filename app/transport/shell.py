"""Commands as texts for the login shell of a POSIX machine, and how they are ended.

Every command runs under a small shell that first says, on both streams, a word nobody else says,
and on stderr its process id. So what the login shell's start-up files print can be told from what
the command prints. No terminal is allotted; sshd has made that shell the leader of a process group
of its own, and whatever the command starts stays in it: ``kill`` of the group ends everything.
"""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

# Not exec: the shell stays and turns a death by signal N into exit code 128 + N, which SSH's own
# message for it does not give us.
_ANNOUNCE = 'echo "$0"; echo "$0 $$" >&2; "$@"; exit $?'
_ANNOUNCE_INNER = 'echo "$0" >&2; exec "$@"'
_SAFE = re.compile(r"[\w@%+=:,./-]+", re.ASCII)


def quote(word: str) -> str:
    r"""Return a word quoted for sh and for fish alike.

    Both agree on ``'…'`` as long as it holds neither ``'`` nor ``\``, and on ``\'`` and ``\\``
    outside of it; ``shlex.quote`` leaves a ``\`` inside, which fish reads differently.
    """
    if _SAFE.fullmatch(word):
        return word
    pieces = re.split(r"(['\\])", word)
    return (
        "".join("\\" + piece if piece in ("'", "\\") else f"'{piece}'" for piece in pieces if piece)
        or "''"
    )


def join(words: Iterable[str]) -> str:
    """Return the words quoted and joined."""
    return " ".join(map(quote, words))


def whole_line(mark: str) -> re.Pattern[bytes]:
    """Return the pattern of a mark's line; its group is the number behind the mark.

    Whole, up to the line's end: sudo quotes command lines, with the marks in them, when it refuses
    them.
    """
    return re.compile(re.escape(mark.encode()) + rb"(?: (\d+))?\n")


@dataclass(frozen=True, slots=True)
class Marks:
    """The words that only we know: a command has begun, sudo asks, sudo has let the command in."""

    begun: str
    prompt: str
    admitted: str

    @staticmethod
    def fresh() -> Marks:
        """Return marks that no output can hold by chance."""
        token = secrets.token_hex(8)
        return Marks(f"slipway-{token}", f"[password-{token}]", f"admitted-{token}")


def announced(argv: Sequence[str], marks: Marks) -> str:
    """Return the text for the login shell."""
    return "exec " + join(("sh", "-c", _ANNOUNCE, marks.begun, *argv))


def with_sudo(argv: Sequence[str]) -> tuple[str, ...]:
    """Return the argv run as root where sudo asks for no password."""
    return ("sudo", "-n", "--", *argv)


def with_sudo_password(argv: Sequence[str], marks: Marks) -> tuple[str, ...]:
    """Return the argv run as root where sudo reads the password from stdin.

    ``-k`` makes it always ask, so the password can never end up in the command's own input; the
    inner shell says when sudo is done, so the command's input can never end up as a password.
    ``env`` keeps sudo's messages in one language.
    """
    inner = ("sh", "-c", _ANNOUNCE_INNER, marks.admitted, *argv)
    return ("env", "LC_ALL=C", "sudo", "-k", "-S", "-p", marks.prompt, "--", *inner)
