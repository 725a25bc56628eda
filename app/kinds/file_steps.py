"""Putting a program and its files into a release's folder, where no image is made."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from app.artifact import Artifact
from app.errors import SlipwayError
from app.i18n import _, ngettext
from app.releases import Store
from app.step import Before, RunContext, Step
from app.transport import TOOL, Command

# what is written beside the program, by this step, by others and by what runs it
WRITTEN = ("run.json", "status.json", "secrets.json", "service.json")


@dataclass(frozen=True, slots=True)
class SendFiles(Step):
    """Copy the binary, the included files and the settings (run.json) into the release's folder."""

    store: Store
    release: str
    binary: str
    settings: str
    files: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the step does."""
        if not self.files:
            return _("Copy {binary}").format(binary=self.binary)
        count = len(self.files)
        return ngettext(
            "Copy {binary} and {count} included file",
            "Copy {binary} and {count} included files",
            count,
        ).format(binary=self.binary, count=count)

    @property
    def _folder(self) -> str:
        return f"releases/{self.release}"

    @property
    def commands(self) -> tuple[Command, ...]:
        """Make the folders, copy each file, write the settings."""
        names = (self.binary, *self.files)
        settings = self.store.write(f"{self._folder}/run.json", self.settings.encode())
        return (
            self.store.folder(*self._folders()),
            *(shown_copy(self.store, f"{self._folder}/{name}") for name in names),
            *((settings,) if self.settings else ()),
        )

    def _folders(self) -> list[str]:
        parents = {name.rpartition("/")[0] for name in self.files} - {""}
        return [self._folder, *(f"{self._folder}/{parent}" for parent in sorted(parents))]

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Copy them."""
        artifact = ctx.package
        if not isinstance(artifact, Artifact):
            raise SlipwayError(
                _("The program is not on this computer."),
                _("This run was begun elsewhere."),
                _("Roll back, then deploy anew from here."),
            )
        folders, *_copies, settings = self.commands
        ctx.run(folders, _("The release's folder can't be made."), quiet=True)
        sources = [(artifact.path, self.binary, True)]
        sources += [(item.source, item.name, item.executable) for item in artifact.included]
        for source, name, executable in sources:
            place = self.store.path(self._folder, name)
            mode = 0o755 if executable else 0o644
            ctx.transport.put(source, place, on_bytes=ctx.progress, cancel=ctx.cancel, mode=mode)
        if self.settings:
            ctx.run(settings, _("The settings can't be written."), quiet=True)

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Remove the copied files; the record stays if the release is marked bad."""
        names = [self.binary, *WRITTEN, *(name for name in self.files)]
        paths = [f"{self._folder}/{name.split('/')[0]}" for name in names]
        ctx.run(self.store.remove(*paths), _("The files can't be removed."), quiet=True)


def shown_copy(store: Store, path: str) -> Command:
    """Return how a file is put there, as Review shows it: its size and hash are known then."""
    if store.windows:
        return Command((TOOL, "receive", "take", "…", "…", "…", store.path(path), "gzip"))
    return Command(("cp", "…", store.path(path)))


def digests(artifact: Artifact) -> dict[str, str]:
    """Return the SHA-256 of each included file."""
    found = {}
    for item in artifact.included:
        with item.source.open("rb") as file:
            found[item.name] = hashlib.file_digest(file, "sha256").hexdigest()
    return found
