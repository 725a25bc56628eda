"""The steps every kind shares: write down a release, declare it current, prune old ones."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import ClassVar

from app.i18n import _
from app.releases import KEPT_JOURNALS, Release, State, Store, parse_state
from app.step import Before, RunContext, Step
from app.transport import CancelToken, Command


def read_state(ctx: RunContext) -> State:
    """Read state.json as it is now."""
    text = ctx.run(ctx.store.read("state.json"), _("state.json can't be read."), quiet=True).stdout
    return parse_state(text)


def write_state(ctx: RunContext, state: State) -> None:
    """Replace state.json."""
    command = ctx.store.write("state.json", state.to_json())
    ctx.run(command, _("state.json can't be written."), quiet=True)


@dataclass(frozen=True, slots=True)
class RecordRelease(Step):
    """Write release.json; a run that fails leaves it there, marked bad."""

    store: Store
    release: Release

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Write down release {release}").format(release=self.release.id)

    @property
    def commands(self) -> tuple[Command, ...]:
        """Write the record."""
        path = f"releases/{self.release.id}/release.json"
        return (self.store.write(path, self.release.to_json()),)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Write it."""
        ctx.run(self.commands[0], _("The release can't be written down."), quiet=True)

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Mark the release bad if it failed; forget it if the user took it back."""
        state = read_state(ctx)
        if ctx.failed and not self.release.adopted:
            if self.release.id not in state.bad:
                write_state(ctx, state.with_bad(self.release.id))
            return
        ctx.run(
            self.store.remove(f"releases/{self.release.id}"),
            _("The release's folder can't be removed."),
            quiet=True,
        )


@dataclass(frozen=True, slots=True)
class RecordState(Step):
    """Declare the release current and verified."""

    store: Store
    release: str
    adopted: str = ""

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Record {release} as the one that serves").format(release=self.release)

    @property
    def commands(self) -> tuple[Command, ...]:
        """Read and replace state.json."""
        return (self.store.read("state.json"), self.store.write("state.json", b""))

    def inspect(self, ctx: RunContext) -> Before:
        """Keep the state as it is."""
        return {"state": asdict(read_state(ctx))}

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Write the new state."""
        state = State.from_json(before["state"])
        if self.adopted:
            state = state.now_serving(self.adopted)
        write_state(ctx, state.now_serving(self.release))

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Write the old state."""
        write_state(ctx, State.from_json(before["state"]))


@dataclass(frozen=True, slots=True)
class PruneReleases(Step):
    """Remove the records of releases that are no longer kept, and old journals."""

    housekeeping: ClassVar[bool] = True
    store: Store
    releases: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Forget old releases")

    @property
    def commands(self) -> tuple[Command, ...]:
        """Remove folders, trim the journal."""
        folders = [f"releases/{release}" for release in self.releases]
        return (
            *((self.store.remove(*folders),) if folders else ()),
            self.store.command("trim", str(KEPT_JOURNALS)),
        )

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Remove them, but never what has come to serve meanwhile."""
        ctx = replace(ctx, cancel=CancelToken())
        state = read_state(ctx)
        if {state.current, state.previous, *state.pinned} & set(self.releases):
            ctx.note(_("left: a release that serves again"))
            return
        if self.releases:
            write_state(ctx, state.without(self.releases))
        for command in self.commands:
            result = ctx.attempt(command)
            if result.exit_code != 0:
                ctx.note(_("left: {problem}").format(problem=result.tail(1)))
