"""A program on this computer under Slipway's own supervisor: how it is."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from app.supervise import own_words
from app.transport import Command, Secret, Transport


@dataclass(frozen=True, slots=True)
class ProcessFacts:
    """How the supervised program is; ``since`` in seconds since the epoch."""

    state: str = "missing"
    release: str = ""
    pid: int = 0
    since: float = 0.0
    restarts: int = 0
    exit_code: int = 0
    problem: str = ""

    @property
    def running(self) -> bool:
        """Whether the program itself runs now, under its supervisor."""
        return self.state == "running"

    @property
    def up(self) -> bool:
        """Whether it is in service: runs, will be started again, or has lost its supervisor."""
        return self.state in ("running", "waiting") or (self.state == "lost" and self.pid != 0)


def default_root() -> str:
    """Return the folder under which services on this computer live."""
    return (Path(platformdirs.user_data_path("slipway", appauthor=False)) / "services").as_posix()


def supervise(*arguments: str, stdin: bytes | Secret | None = None) -> Command:
    """Return a command of the supervisor."""
    return Command((*own_words(), *arguments), stdin)


def read_process(transport: Transport, root: str) -> ProcessFacts:
    """Ask the supervisor of ``root`` how its program is."""
    result = transport.run(supervise("status", root)).check("supervise status")
    return parse_status(result.stdout)


def parse_status(text: str) -> ProcessFacts:
    """Read what ``supervise status`` printed."""
    found = json.loads(text)
    return ProcessFacts(
        **{key: value for key, value in found.items() if key in ProcessFacts.__dataclass_fields__}
    )
