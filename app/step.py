"""A step of a plan: a value that can inspect, apply and undo, and be read back from a journal."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import cattrs

from app.artifact import Artifact
from app.errors import LockLost, SlipwayError
from app.events import Stream
from app.i18n import _
from app.image import Context, Image
from app.releases import Store, lock_refused, parse_lock
from app.transport import CancelToken, Command, CommandResult, OnBytes, Secret, Transport

Before = dict[str, Any]
Package = Image | Artifact | Context


@dataclass(slots=True)
class RunContext:
    """What a step works with. ``undoing`` steps can't be cancelled: their token is never set."""

    transport: Transport
    store: Store
    line: Callable[[Stream, str], None]
    progress: OnBytes
    cancel: CancelToken
    secrets: Mapping[str, Secret] = field(default_factory=dict)
    registry_password: Secret | None = None
    package: Package | None = None
    failed: bool = False

    def note(self, text: str) -> None:
        """Say something in Slipway's own words."""
        self.line("note", text)

    def run(
        self, command: Command, title: str, *, timeout: float = 60.0, quiet: bool = False
    ) -> CommandResult:
        """Run a command that must succeed; its lines are shown unless ``quiet``."""
        return self.attempt(command, timeout=timeout, quiet=quiet).check(title)

    def attempt(
        self, command: Command, *, timeout: float = 60.0, quiet: bool = True
    ) -> CommandResult:
        """Run a command whose exit code the caller judges; raises LockLost if it may not run."""
        line = self.line if not quiet else _no_line
        result = self.transport.run(command, on_line=line, cancel=self.cancel, timeout=timeout)
        if lock_refused(command, result):
            raise LockLost(
                _("Another desktop has taken over."),
                _("The lock is held by {lock}.").format(lock=parse_lock(result.stdout, 0.0)),
                _("Nothing more was changed from here. “slipway status” shows what runs."),
            )
        return result


def _no_line(stream: Stream, text: str) -> None:
    pass


class Step(ABC):
    """One step of a plan.

    A run takes it through inspect, journal, apply; ``undo`` gets what ``inspect`` returned, from
    the same desktop or, by way of the journal, from another one.
    """

    types: ClassVar[dict[str, type[Step]]] = {}
    # a failure of mere tidying does not take back what has proven itself
    housekeeping: ClassVar[bool] = False
    # what was seen before an interruption must be seen again before it counts
    proves: ClassVar[bool] = False
    # before it what ran is as it was, behind it something else serves
    switches: ClassVar[bool] = False

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        Step.types[cls.__name__] = cls

    @property
    @abstractmethod
    def title(self) -> str:
        """What the step does, in a few words."""

    @property
    @abstractmethod
    def commands(self) -> tuple[Command, ...]:
        """What Review shows, and what apply() runs."""

    def inspect(self, ctx: RunContext) -> Before:
        """Look, without changing anything, at what undo will need."""
        return {}

    def satisfied(self, before: Before) -> bool:
        """Return whether it is already so."""
        return False

    @abstractmethod
    def apply(self, ctx: RunContext, before: Before) -> None:
        """Do it."""

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Put it back; safe after half an apply, and twice."""

    @property
    def leaves_something(self) -> bool:
        """Whether there is anything to put back: not of what was only looked at or tidied away."""
        return type(self).undo is not Step.undo


_converter = cattrs.Converter(forbid_extra_keys=True)


def step_to_json(step: Step) -> dict[str, Any]:
    """Return a step as data for the journal."""
    data: dict[str, Any] = _converter.unstructure(step)
    return {"type": type(step).__name__, **data}


def step_from_json(data: Mapping[str, Any]) -> Step:
    """Return the step that a journal holds; raises SlipwayError for one of a later version."""
    values = dict(data)
    name = values.pop("type", "")
    try:
        return _converter.structure(values, Step.types[name])
    except (KeyError, cattrs.BaseValidationError) as problem:
        raise SlipwayError(
            _("The journal on the server can't be read."),
            _("It holds a step “{name}” that this version doesn't know.").format(name=name),
            _("It was written by another version of Slipway: use that one to go on."),
        ) from problem
