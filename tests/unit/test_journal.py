"""The journal: what is done is written with what comes next, and never lost before."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from app.errors import SlipwayError
from app.journal import Journal
from app.releases import Store, read_journal
from app.step import RunContext
from app.transport import Command, CommandResult

HEADER = {"run": "r", "title": "t", "release": "x", "by": "me", "titles": ["a", "b"],
          "steps": [{}, {}]}  # fmt: skip


class Server:
    """Keeps what is appended, one list of lines for each command; full as long as it is told."""

    def __init__(self) -> None:
        self.appended: list[list[dict[str, Any]]] = []
        self.full = False

    def run(self, command: Command, title: str, **_other: object) -> CommandResult:
        if self.full:
            raise SlipwayError(title, "the disk is full", "make room")
        assert isinstance(command.stdin, bytes)
        self.appended.append([json.loads(line) for line in command.stdin.splitlines()[1:]])
        return CommandResult(command, 0, "", "")

    @property
    def lines(self) -> list[str]:
        return [json.dumps(line) for lines in (([HEADER]), *self.appended) for line in lines]


@pytest.fixture
def server() -> Server:
    return Server()


@pytest.fixture
def ctx(server: Server) -> RunContext:
    return cast("RunContext", server)


@pytest.fixture
def journal() -> Journal:
    return Journal(Store("/opt/x", sudo=False), "r")


def test_that_a_step_is_done_costs_no_round_trip(
    server: Server, ctx: RunContext, journal: Journal
) -> None:
    journal.before(ctx, 0, {})
    journal.done(0)
    assert len(server.appended) == 1
    journal.before(ctx, 1, {"old": "x"})
    assert server.appended[1:] == [
        [{"step": 0, "state": "done"}, {"step": 1, "before": {"old": "x"}}]
    ]
    journal.done(1)
    journal.ended(ctx, "succeeded")
    assert server.appended[2:] == [[{"step": 1, "state": "done"}, {"ended": "succeeded"}]]


def test_a_step_that_is_not_known_to_be_done_is_under_way(
    server: Server, ctx: RunContext, journal: Journal
) -> None:
    journal.before(ctx, 0, {})
    journal.done(0)
    found = read_journal(server.lines)
    assert found is not None
    assert (found.under_way, found.not_begun) == ("a", ("b",))


def test_what_could_not_be_written_is_written_with_the_next(
    server: Server, ctx: RunContext, journal: Journal
) -> None:
    journal.before(ctx, 0, {})
    journal.done(0)
    server.full = True
    with pytest.raises(SlipwayError):
        journal.before(ctx, 1, {})
    server.full = False
    journal.undoing(ctx)
    assert server.appended[1:] == [[{"step": 0, "state": "done"}, {"undoing": True}]]
