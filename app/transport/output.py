"""What a command prints: decoded as it comes, cut into lines, secrets masked."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterable
from typing import Literal, Protocol

from app.errors import CommandFailed
from app.i18n import _
from app.processes import LineSplitter
from app.rules import URL_PASSWORD
from app.transport import MASK, Command, CommandResult, OnLine, Secret, ignore_line

# A log that is followed for days must not fill the memory: a result keeps the last so many
# characters of each stream.
KEEP_CHARACTERS = 32 * 1024 * 1024
TIMED_OUT = 124

Source = Literal["stdout", "stderr"]


def without_url_passwords(text: str) -> str:
    """Return a text in which no address like ``https://user:password@host`` shows its password."""
    return URL_PASSWORD.sub(rf"\1:{MASK}", text) if "://" in text else text


class Mask:
    """Replaces secrets in texts; the lines of a secret with several lines also one by one.

    Passwords in addresses go as well, whoever put them there.
    """

    def __init__(self, secrets: Iterable[Secret]) -> None:
        parts: set[str] = set()
        for secret in secrets:
            text = secret.reveal()
            parts |= {text, *text.splitlines()}
        parts = {part for part in parts if part.strip()}
        longest_first = sorted(parts, key=len, reverse=True)
        self._pattern = re.compile("|".join(map(re.escape, longest_first))) if parts else None

    @staticmethod
    def of(command: Command, others: Iterable[Secret] = ()) -> Mask:
        """Return the mask for a command's own secrets and some others."""
        own = [word for word in command.argv if isinstance(word, Secret)]
        if isinstance(command.stdin, Secret):
            own.append(command.stdin)
        return Mask([*own, *others])

    def __call__(self, text: str) -> str:
        """Return the text with each secret replaced by MASK."""
        text = without_url_passwords(text)
        return self._pattern.sub(MASK, text) if self._pattern else text


class Splitter(Protocol):
    """Bytes in as they come, whole lines out."""

    def feed(self, data: bytes, *, final: bool = False) -> tuple[str, list[str]]:
        """Return the decoded text and the lines that it completed, without their line ends."""


class After:
    """Holds a stream back until a pattern has passed; then gives what follows it.

    ``argument`` is what the pattern's group holds, "" as long as it has not passed.
    """

    def __init__(self, pattern: re.Pattern[bytes]) -> None:
        self._pattern = pattern
        self.passed = False
        self.held = b""
        self.argument = ""

    def feed(self, data: bytes) -> bytes:
        """Return what may go on of the data that has come."""
        if self.passed:
            return data
        self.held += data
        found = self._pattern.search(self.held)
        if found is None:
            return b""
        self.passed = True
        self.argument = (found[1] or b"").decode()
        rest, self.held = self.held[found.end() :], b""
        return rest


class Output:
    """Both streams of a command: lines are reported at once, the text is kept for the result."""

    def __init__(
        self, mask: Mask, on_line: OnLine, splitter: Callable[[], Splitter] = LineSplitter
    ) -> None:
        self.mask = mask
        self._on_line = on_line
        self._splitters = {"stdout": splitter(), "stderr": splitter()}
        self._kept: dict[str, deque[str]] = {"stdout": deque(), "stderr": deque()}
        self._sizes = {"stdout": 0, "stderr": 0}

    def feed(self, source: Source, data: bytes, *, final: bool = False) -> None:
        """Take bytes as they come; ``final`` flushes a last line without a line end."""
        text, lines = self._splitters[source].feed(data, final=final)
        self._keep(source, text)
        try:
            for line in lines:
                self._on_line(source, self.mask(line))
        except BaseException:
            # it is not asked again while the command is being ended because of it
            self._on_line = ignore_line
            raise

    def text(self, source: Source) -> str:
        """Return what a stream said so far, as it was said."""
        return "".join(self._kept[source])

    def forget(self) -> None:
        """Forget what was said so far: the command is run once more."""
        for source in self._kept:
            self._kept[source].clear()
            self._sizes[source] = 0

    def result(self, command: Command, exit_code: int) -> CommandResult:
        """Return how the command ended."""
        out, err = self.text("stdout"), self.text("stderr")
        return CommandResult(command, exit_code, out, err, self.mask)

    def _keep(self, source: Source, text: str) -> None:
        if not text:
            return
        kept = self._kept[source]
        kept.append(text)
        self._sizes[source] += len(text)
        while self._sizes[source] > KEEP_CHARACTERS and len(kept) > 1:
            self._sizes[source] -= len(kept.popleft())


def out_of_time(command: Command, output: Output, seconds: float) -> CommandFailed:
    """Return the error for a command that was ended because its time ran out."""
    result = output.result(command, TIMED_OUT)
    return CommandFailed(
        _("A command did not end within {seconds:g} s and was ended.").format(seconds=seconds),
        result,
        result.tail() or str(command),
        _("See whether the server is overloaded or waits for something, then try again."),
    )
