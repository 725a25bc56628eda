"""What this desktop has done: one row a run in SQLite, and a log file that a person can read."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

import platformdirs

from app.errors import SlipwayError
from app.events import Event, Line, Outcome, Progress, RunEnded, StepChanged
from app.i18n import _
from app.profile import dumps, loads
from app.request import DeployRequest

SCHEMA_VERSION = 1
SCHEMA = """
CREATE TABLE runs (
    id INTEGER PRIMARY KEY,
    started TEXT NOT NULL,
    name TEXT NOT NULL,
    target TEXT NOT NULL,
    kind TEXT NOT NULL,
    title TEXT NOT NULL,
    release TEXT NOT NULL,
    version TEXT NOT NULL,
    profile TEXT NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT NOT NULL,
    seconds REAL NOT NULL,
    log TEXT NOT NULL
);
CREATE INDEX runs_of ON runs (name, target);
"""
KEPT_RUNS = 1000
BUSY_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Run:
    """One run of this desktop; ``when`` in ISO 8601 UTC, ``outcome`` None while it is on.

    ``seconds`` is the time in which something ran: the deployment, and rolling it back.

    A run whose outcome stays None was ended together with Slipway.
    """

    id: int
    when: str
    name: str
    target: str
    kind: str
    title: str
    release: str
    version: str
    profile: str
    outcome: Outcome | None
    error: str
    seconds: float
    log: Path

    @property
    def request(self) -> DeployRequest:
        """Return the answers of that run; raises ProfileError if a later version wrote them."""
        return loads(self.profile, self.log.parent)


class History:
    """All runs of this desktop. Usable from any thread: each call has its own connection.

    All methods raise SlipwayError where the file cannot be used.
    """

    def __init__(self, path: Path | None = None, logs: Path | None = None) -> None:
        self.path = path or platformdirs.user_data_path("slipway", appauthor=False) / "history.db"
        self.logs = logs or platformdirs.user_log_path("slipway", appauthor=False) / "runs"

    def add(self, request: DeployRequest, title: str, release: str = "", version: str = "") -> Run:
        """Note that a run begins on the first target of the request."""
        now = datetime.now(UTC)
        target = str(request.targets[0])
        place = request.targets[0].address or target
        words = re.sub(r"[^A-Za-z0-9.-]+", "-", f"{request.name}-{place}").strip("-.")[:80]
        with self._open() as database:
            cursor = database.execute(
                "INSERT INTO runs (started, name, target, kind, title, release, version, profile,"
                " outcome, error, seconds, log) VALUES (?, ?, ?, ?, ?, ?, ?, ?, '', '', 0, '')",
                (
                    now.isoformat(timespec="seconds"), request.name, target, request.deploy.kind,
                    title, release, version, dumps(request),
                ),
            )  # fmt: skip
            number = cursor.lastrowid or 0
            log = self.logs / f"{now:%Y%m%d-%H%M%S}-{number}-{words}.log"
            database.execute("UPDATE runs SET log = ? WHERE id = ?", (str(log), number))
            self._prune(database)
            return self._find(database, number)

    def finish(self, run: int, outcome: Outcome, error: str = "", seconds: float = 0.0) -> None:
        """Note how a run ended; ``error`` is text without secrets."""
        with self._open() as database:
            database.execute(
                "UPDATE runs SET outcome = ?, error = ?, seconds = ? WHERE id = ?",
                (outcome.value, error, seconds, run),
            )

    def runs(self, *, name: str = "", target: str = "", limit: int = KEPT_RUNS) -> tuple[Run, ...]:
        """Return the runs, newest first; of one service or one target if these are given."""
        with self._open() as database:
            rows = database.execute(
                "SELECT * FROM runs WHERE (? = '' OR name = ?) AND (? = '' OR target = ?)"
                " ORDER BY id DESC LIMIT ?",
                (name, name, target, target, limit),
            ).fetchall()
        return tuple(_run(row) for row in rows)

    def begin(
        self,
        request: DeployRequest,
        title: str,
        rows: Sequence[str],
        *,
        release: str = "",
        version: str = "",
    ) -> Record:
        """Note that a run begins; the record takes all its events. ``rows`` are their titles."""
        return Record(self, self.add(request, title, release, version), rows)

    @contextlib.contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        """Open the file for one transaction."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            opened = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
            with contextlib.closing(opened), opened as database:
                database.row_factory = sqlite3.Row
                database.execute("BEGIN IMMEDIATE")
                self._prepare(database)
                yield database
        except (sqlite3.Error, OSError) as problem:
            raise SlipwayError(
                _("The history of this computer can't be used."),
                f"{self.path}: {problem}",
                _("Check that the folder can be written to; if the file is broken, move it away."),
            ) from problem

    def _prepare(self, database: sqlite3.Connection) -> None:
        version: int = database.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA_VERSION:
            raise SlipwayError(
                _("The history of this computer was written by a newer Slipway."),
                str(self.path),
                _("Use that version, or move the file away."),
            )
        if version == 0:
            for statement in SCHEMA.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")

    def _find(self, database: sqlite3.Connection, run: int) -> Run:
        return _run(database.execute("SELECT * FROM runs WHERE id = ?", (run,)).fetchone())

    def _prune(self, database: sqlite3.Connection) -> None:
        """Forget the oldest runs with their logs, so that neither grows without end."""
        old = database.execute(
            "SELECT id, log FROM runs ORDER BY id DESC LIMIT -1 OFFSET ?", (KEPT_RUNS,)
        ).fetchall()
        for row in old:
            database.execute("DELETE FROM runs WHERE id = ?", (row["id"],))
            if row["log"]:
                Path(row["log"]).unlink(missing_ok=True)


class Record:
    """Writes one run's events to its log as they come, and its end to the history.

    ``write`` may be called from several threads; it raises SlipwayError if the disk refuses.
    """

    def __init__(self, history: History, run: Run, rows: Sequence[str]) -> None:
        self.run = run
        self._history = history
        self._rows = tuple(rows)
        self._began = time.monotonic()
        self._ended: float | None = None
        self._rested = 0.0
        self.seconds = 0.0  # in which something ran, as of its last end
        self._guard = threading.Lock()
        self._file: TextIO | None = None
        self._write(f"{run.title}\n{run.when}\n\n")

    def write(self, event: Event) -> None:
        """Take one event; texts come masked."""
        now = time.monotonic()
        seconds = now - self._began
        if self._ended is not None:  # it is rolled back: looking at it was no part of the run
            self._rested += now - self._ended
            self._ended = None
        text = log_text(event, self._rows)
        if text:
            self._write("".join(f"{seconds:8.2f}  {line}\n" for line in text.splitlines()))
        if isinstance(event, RunEnded):
            self._ended = now
            self._close()
            self.seconds = seconds - self._rested
            error = str(event.error or "")
            self._history.finish(self.run.id, event.outcome, error, self.seconds)

    def _write(self, text: str) -> None:
        try:
            with self._guard:
                if self._file is None:
                    self.run.log.parent.mkdir(parents=True, exist_ok=True)
                    self._file = self.run.log.open(
                        "a", buffering=1, encoding="utf-8", errors="replace"
                    )
                self._file.write(text)
        except OSError as problem:
            raise SlipwayError(
                _("The log of this run can't be written."),
                f"{self.run.log}: {problem}",
                _("Check that the folder can be written to and the disk is not full."),
            ) from problem

    def _close(self) -> None:
        """Close the log; a roll back of the same run opens it again."""
        with self._guard:
            if self._file is not None:
                self._file.close()
                self._file = None


def log_text(event: Event, rows: Sequence[str]) -> str:
    """Return an event as a line of the log, or "" for what is of no use there."""
    if isinstance(event, Progress):
        return ""
    if isinstance(event, Line):
        mark = {"stdout": "|", "stderr": "!", "note": "-"}[event.stream]
        return f"    {mark} {event.text}"
    if isinstance(event, StepChanged):
        title = rows[event.index] if event.index < len(rows) else ""
        return f"[{event.index + 1}/{len(rows)}] {event.state.value}: {title}"
    return f"{event.outcome.value}\n{event.error}" if event.error else event.outcome.value


def _run(row: sqlite3.Row) -> Run:
    return Run(
        id=row["id"],
        when=row["started"],
        name=row["name"],
        target=row["target"],
        kind=row["kind"],
        title=row["title"],
        release=row["release"],
        version=row["version"],
        profile=row["profile"],
        outcome=Outcome(row["outcome"]) if row["outcome"] else None,
        error=row["error"],
        seconds=row["seconds"],
        log=Path(row["log"]),
    )
