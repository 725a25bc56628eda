"""The terminal: lines, one updating line of progress, questions; or one JSON object a line."""

from __future__ import annotations

import contextlib
import getpass
import json
import os
import shutil
import signal
import sys
import threading
import time
import unicodedata
from collections.abc import Iterator, Sequence
from types import FrameType
from typing import Any, Protocol, Self, TextIO

from app.amounts import Pace
from app.errors import SlipwayError
from app.events import Event, Line, Progress, RunEnded, StepChanged, StepState
from app.i18n import _
from app.shapes import error_shape, event_shape
from app.transport import CancelToken, Secret

REDRAW_SECONDS = 0.1
SPARSE_SECONDS = 5.0


class Console:
    """What a person (or, with ``as_json``, a program) reads, and where a person is asked.

    A reader that went away (``| head``) does not end a run: its output is dropped.
    """

    def __init__(self, *, as_json: bool = False) -> None:
        self.as_json = as_json
        self.interactive = not as_json and _is_terminal(sys.stdin) and _is_terminal(sys.stderr)
        self.redraws = not as_json and _is_terminal(sys.stdout)
        self._guard = threading.RLock()
        self._drawn = False

    def say(self, text: str = "") -> None:
        """Write a line for people; nothing with ``as_json``."""
        if not self.as_json:
            self._write(sys.stdout, text + "\n")

    def show(self, shape: dict[str, Any]) -> None:
        """Write a line for programs; nothing without ``as_json``."""
        if self.as_json:
            self._write(sys.stdout, json.dumps(shape, ensure_ascii=False) + "\n")

    def warn(self, text: str) -> None:
        """Write a line on stderr."""
        self._write(sys.stderr, text + "\n")

    def fail(self, error: SlipwayError) -> None:
        """Say what went wrong: on stderr, and for programs as an event too."""
        self.show({"event": "error", **error_shape(error)})
        self.warn(_("Error: {text}").format(text=error))

    def redraw(self, text: str) -> None:
        """Replace the line of progress; only for terminals."""
        with self._guard:
            width = shutil.get_terminal_size().columns - 1
            self._write(sys.stdout, "\r" + fitted(text, width), keep=True)
            self._drawn = True

    def confirm(self, question: str) -> bool:
        """Ask a person; anything but yes means no."""
        yes = _("y")
        answer = self._read(f"{question} [{yes}/N] ").casefold()
        return answer in {yes.casefold(), "y", "yes", _("yes").casefold()}

    def ask(self, prompt: str, *, echo: bool = False) -> Secret:
        """Ask a person for a text that is not shown unless ``echo``."""
        words = _("{prompt}: ").format(prompt=prompt)
        return Secret(self._read(words) if echo else getpass.getpass(words))

    def _read(self, prompt: str) -> str:
        """Ask on stderr: stdout may go into a file. Nothing said reads as an empty answer."""
        self._write(sys.stderr, prompt)
        return sys.stdin.readline().strip()

    def _write(self, stream: TextIO, text: str, *, keep: bool = False) -> None:
        with self._guard, contextlib.suppress(OSError, ValueError):
            if self._drawn and not keep:
                width = shutil.get_terminal_size().columns - 1
                sys.stdout.write("\r" + " " * width + "\r")
                self._drawn = False
            stream.write(text)
            stream.flush()


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


class Interrupts:
    """Ctrl-C and requests to end: outside a run they end the command, within one they cancel it.

    The first one cancels; further ones only say that the old version is being put back.
    """

    NAMES = ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK")

    def __init__(self) -> None:
        self.token = CancelToken()
        self._gentle: str | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for name in self.NAMES:
                number = getattr(signal, name, None)
                # whoever started us with a signal ignored (nohup) means it
                if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(self, *_exception: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    @contextlib.contextmanager
    def gentle(self, answer: str) -> Iterator[CancelToken]:
        """Only set the token within this block, and say ``answer``."""
        self._gentle = answer
        try:
            yield self.token
        finally:
            self._gentle = None

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if self._gentle is None:
            raise KeyboardInterrupt
        half_done = _(
            "Still at it. Please wait: ending Slipway now would leave the work half done."
        )
        text = half_done if self.token.cancelled and self._gentle else self._gentle
        self.token.cancel()
        # print() may be interrupted here in its very middle; the bare file descriptor can't
        with contextlib.suppress(OSError):
            os.write(2, f"\n{text}\n".encode())


class View(Protocol):
    """Shows the events of a run; may be called from several threads."""

    def show(self, event: Event) -> None:
        """Show one event."""


def view(console: Console, rows: Sequence[str]) -> View:
    """Return the view of a run whose rows have these titles."""
    return JsonView(console, rows) if console.as_json else TextView(console, rows)


class JsonView:
    """One object a line; progress at most ten times a second."""

    def __init__(self, console: Console, rows: Sequence[str]) -> None:
        self._console = console
        self._rows = rows
        self._shown = 0.0

    def show(self, event: Event) -> None:
        """Write one event."""
        if isinstance(event, Progress) and event.done < event.total:
            now = time.monotonic()
            if now - self._shown < REDRAW_SECONDS:
                return
            self._shown = now
        self._console.show(event_shape(event, self._rows))


class TextView:
    """Lines for people: each step's title as it begins, its output, how it ended."""

    def __init__(self, console: Console, rows: Sequence[str]) -> None:
        self._console = console
        self._rows = rows
        self._began = 0.0
        self._running = -1  # the row that runs: of those done in an earlier run nothing is told
        self._pace = Pace()
        self._next_progress = 0.0  # the first sparse line comes late: short uploads need none
        self._words = {
            StepState.SKIPPED: _("nothing to do"),
            StepState.FAILED: _("failed"),
            StepState.CANCELLED: _("cancelled"),
            StepState.UNDONE: _("put back"),
            StepState.UNDO_FAILED: _("could not be put back"),
        }

    def show(self, event: Event) -> None:
        """Write one event."""
        if isinstance(event, StepChanged):
            self._step(event)
        elif isinstance(event, Line):
            mark = {"stdout": "|", "stderr": "|", "note": "·"}[event.stream]
            for text in event.text.splitlines() or [""]:
                self._console.say(f"    {mark} {text}")
        elif isinstance(event, Progress):
            self._progress(event)
        else:
            self._end(event)

    def _step(self, event: StepChanged) -> None:
        place = f"[{event.index + 1}/{len(self._rows)}]"
        title = self._rows[event.index]
        if event.state is StepState.RUNNING:
            self._began = time.monotonic()
            self._running = event.index
            self._pace = Pace()
            self._next_progress = 0.0 if self._console.redraws else self._began + SPARSE_SECONDS
            self._console.say(f"{place} {title}")
        elif event.state is StepState.DONE and event.index == self._running:
            seconds = time.monotonic() - self._began
            if seconds >= 1:
                self._console.say(_("    done in {seconds:.1f} s").format(seconds=seconds))
        elif event.state in self._words:
            words = _("{name}: {text}").format(name=title, text=self._words[event.state])
            self._console.say(f"{place} {words}")

    def _progress(self, event: Progress) -> None:
        now = time.monotonic()
        self._pace.add(now, event.done, event.total)
        text = self._pace.text()
        if self._console.redraws:
            if now >= self._next_progress or event.done >= event.total:
                self._next_progress = now + REDRAW_SECONDS
                self._console.redraw(f"    {text}")
        elif now >= self._next_progress:
            self._next_progress = now + SPARSE_SECONDS
            self._console.say(f"    · {text}")

    def _end(self, event: RunEnded) -> None:
        if event.error:
            self._console.warn(_("Error: {text}").format(text=event.error))


def columns(text: str) -> int:
    """Return how many columns of a terminal a text takes: Chinese characters take two."""
    return sum(_columns(character) for character in text)


def table(rows: Sequence[Sequence[str]]) -> list[str]:
    """Return rows as lines whose columns stand under each other."""
    widths = [max(map(columns, cells)) for cells in zip(*rows, strict=True)]
    return ["  ".join(map(fitted, row, widths)).rstrip() for row in rows]


def fitted(text: str, width: int) -> str:
    """Return a text cut or filled to ``width`` columns of a terminal."""
    used = 0
    for place, character in enumerate(text):
        if used + _columns(character) > width:
            return text[:place] + " " * (width - used)
        used += _columns(character)
    return text + " " * (width - used)


def _columns(character: str) -> int:
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
