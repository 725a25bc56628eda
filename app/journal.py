"""The journal of a run, on the server: written before each change, so that any desktop can undo."""

from __future__ import annotations

import json
from typing import Any

from app.i18n import _
from app.plan import Plan
from app.releases import Store
from app.step import Before, RunContext, step_to_json


class Journal:
    """Appends lines to ``journal/<run>.jsonl``; ``releases.read_journal`` reads them."""

    def __init__(self, store: Store, run: str) -> None:
        self._store = store
        self._path = f"journal/{run}.jsonl"
        self._held: list[dict[str, Any]] = []

    def _append(self, ctx: RunContext, line: dict[str, Any]) -> None:
        lines = (*self._held, line)
        text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
        command = self._store.append(self._path, text.encode())
        ctx.run(command, _("The journal on the server can't be written."), quiet=True)
        self._held.clear()

    def begin(self, ctx: RunContext, plan: Plan, by: str) -> None:
        """Write the whole plan, so that the steps can be made again from it."""
        self._append(
            ctx,
            {
                "run": plan.run,
                "title": plan.title,
                "release": plan.release,
                "by": by,
                "titles": [step.title for step in plan.steps],
                "steps": [step_to_json(step) for step in plan.steps],
            },
        )

    def before(self, ctx: RunContext, index: int, before: Before) -> None:
        """Write what undo will need, before the step changes anything."""
        self._append(ctx, {"step": index, "before": before})

    def done(self, index: int) -> None:
        """Have it written, with what is written next, that a step is done.

        It needs no round trip of its own: of a step that is not known to be done undo puts back
        the same, and the next step is written down before it begins.
        """
        self._held.append({"step": index, "state": "done"})

    def undone(self, ctx: RunContext, index: int) -> None:
        """Write that a step is undone."""
        self._append(ctx, {"step": index, "state": "undone"})

    def undoing(self, ctx: RunContext) -> None:
        """Write that the run is being taken back."""
        self._append(ctx, {"undoing": True})

    def ended(self, ctx: RunContext, outcome: str) -> None:
        """Write that nothing of this run is left half done."""
        self._append(ctx, {"ended": outcome})
