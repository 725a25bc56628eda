"""What lies on the server: releases, state, lock and journal, read from facts, kept by store.sh.

``<root>/<name>/`` holds ``releases/<release>/release.json``, ``state.json``,
``journal/<run>.jsonl``, ``lock/`` and ``key``; DESIGN's promises 3 to 5 rest on these files.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from app import desk
from app.errors import LockHeld
from app.i18n import _
from app.transport import CancelToken, Command, Script, Secret, Transport

HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 60.0
KEPT_JOURNALS = 20
LOCK_HELD_EXIT = 75


@dataclass(frozen=True, slots=True)
class Release:
    """One release on the server, as ``releases/<id>/release.json`` tells it.

    ``definition`` is all that is needed to run it again, in the words of its kind;
    ``secrets`` maps names to keyed fingerprints, never to values.
    """

    id: str
    name: str
    kind: str
    version: str = ""
    commit: str = ""
    dirty: bool = False
    sha256: str = ""
    go_version: str = ""
    module: str = ""
    package: str = ""
    platform: str = ""
    options: dict[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    env: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, str] = field(default_factory=dict)
    health: dict[str, Any] = field(default_factory=dict)
    definition: dict[str, Any] = field(default_factory=dict)
    created: str = ""
    by: str = ""
    adopted: bool = False

    def to_json(self) -> bytes:
        """Return release.json: one line, so that all can be read in one round trip."""
        return json.dumps(asdict(self), ensure_ascii=False, sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Release:
        """Read a record; keys of later versions are passed over."""
        known = {key: value for key, value in data.items() if key in cls.__dataclass_fields__}
        return cls(**known | {"args": tuple(known.get("args", ()))})


@dataclass(frozen=True, slots=True)
class State:
    """Which release serves and which ones proved themselves (``state.json``)."""

    current: str = ""
    previous: str = ""
    verified: tuple[str, ...] = ()
    bad: tuple[str, ...] = ()
    pinned: tuple[str, ...] = ()

    def to_json(self) -> bytes:
        """Return state.json."""
        return json.dumps(asdict(self), sort_keys=True).encode()

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> State:
        """Read state.json; keys of later versions are passed over."""
        lists = {key: tuple(data.get(key, ())) for key in ("verified", "bad", "pinned")}
        return cls(data.get("current", ""), data.get("previous", ""), **lists)

    def now_serving(self, release: str) -> State:
        """Return the state after ``release`` proved healthy."""
        known = tuple(item for item in self.verified if item != release)
        previous = self.previous if release == self.current else self.current
        bad = tuple(item for item in self.bad if item != release)
        return State(release, previous, (*known, release), bad, self.pinned)

    def with_bad(self, release: str) -> State:
        """Return the state after ``release`` failed: it is never chosen again."""
        verified = tuple(item for item in self.verified if item != release)
        return State(self.current, self.previous, verified, (*self.bad, release), self.pinned)

    def without(self, gone: Iterable[str]) -> State:
        """Return the state after these releases were removed."""
        drop = set(gone)
        verified = tuple(item for item in self.verified if item not in drop)
        bad = tuple(item for item in self.bad if item not in drop)
        return State(self.current, self.previous, verified, bad, self.pinned)

    def rollback_target(self) -> str:
        """Return the last verified release before the current one, or ""."""
        # ids begin with their time, so their order is the order in which they were made
        older = sorted(item for item in self.verified if item < self.current)
        if self.previous in older:
            return self.previous
        return older[-1] if older else ""


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds the lock; ``age`` is the seconds since the last heartbeat."""

    who: str
    when: str
    why: str
    run: str
    age: float

    @property
    def stale(self) -> bool:
        """Whether its holder has stopped showing signs of life."""
        return self.age > STALE_SECONDS

    @property
    def abandoned(self) -> bool:
        """Whether its holder is gone: silent for long, or a run of this desktop that has ended."""
        return self.stale or desk.was_here(self.run)

    def __str__(self) -> str:
        return _("{who}, since {when}, for “{why}”, last sign of life {age:.0f} s ago").format(
            who=self.who, when=self.when, why=self.why, age=self.age
        )


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal says of one step: its ``before``, and whether it was done or undone."""

    index: int
    before: dict[str, Any]
    done: bool = False
    undone: bool = False
    skipped: bool = False


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A run that was begun and never ended: its plan as data, and how far it came."""

    run: str
    title: str
    release: str
    by: str
    steps: tuple[dict[str, Any], ...]
    titles: tuple[str, ...]
    entries: tuple[Entry, ...]
    undoing: bool = False

    @property
    def done(self) -> tuple[str, ...]:
        """Titles of the steps that are in effect."""
        return tuple(
            self.titles[entry.index]
            for entry in self.entries
            if entry.done and not entry.undone and not entry.skipped
        )

    @property
    def under_way(self) -> str:
        """Title of the step that was begun and is not known to be done, or ""."""
        open_steps = [item for item in self.entries if not item.done and not item.undone]
        return self.titles[open_steps[-1].index] if open_steps else ""

    @property
    def not_begun(self) -> tuple[str, ...]:
        """Titles of the steps that were never begun."""
        begun = {entry.index for entry in self.entries}
        return tuple(title for index, title in enumerate(self.titles) if index not in begun)


@dataclass(frozen=True, slots=True)
class Records:
    """All that lies on the server for one service."""

    releases: tuple[Release, ...] = ()
    state: State = field(default_factory=State)
    lock: Lock | None = None
    interrupted: Interrupted | None = None
    key: Secret = field(default_factory=lambda: Secret(""))
    key_stored: bool = False

    def find(self, release: str) -> Release | None:
        """Return the record of a release, or None."""
        return next((item for item in self.releases if item.id == release), None)

    @property
    def current(self) -> Release | None:
        """The release that serves."""
        return self.find(self.state.current)


def fingerprint(key: Secret, value: Secret) -> str:
    """Return a keyed fingerprint: equal values of one service are seen, values are not."""
    digest = hmac.new(key.reveal().encode(), value.reveal().encode(), hashlib.sha256)
    return digest.hexdigest()[:32]


def read_journal(lines: Iterable[str]) -> Interrupted | None:
    """Read the journal of a run; None if it holds no run that is still open.

    A last line cut short (the server lost power) counts as not written.
    """
    header: dict[str, Any] = {}
    entries: dict[int, Entry] = {}
    undoing = False
    for text in lines:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if "steps" in line:
            header, entries, undoing = line, {}, False
        elif "before" in line:
            entries[line["step"]] = Entry(line["step"], line["before"])
        elif "step" in line:
            before = entries.get(line["step"], Entry(line["step"], {})).before
            state = line["state"]
            entries[line["step"]] = Entry(
                line["step"],
                before,
                done=state in ("done", "skipped"),
                undone=state == "undone",
                skipped=state == "skipped",
            )
        elif "undoing" in line:
            undoing = True
        elif "ended" in line:
            header = {}
    if not header:
        return None
    return Interrupted(
        header["run"],
        header["title"],
        header["release"],
        header["by"],
        tuple(header["steps"]),
        tuple(header["titles"]),
        tuple(entries.values()),
        undoing,
    )


@dataclass(frozen=True, slots=True)
class Store:
    """The commands that keep the records of one service under ``root`` (``<root>/<name>``)."""

    root: str
    sudo: bool

    def command(self, verb: str, *arguments: str, stdin: bytes | None = None) -> Command:
        """Return the command that carries out one verb of store.sh."""
        return Command(("sh", Script("store.sh"), verb, self.root, *arguments), stdin, self.sudo)

    def lock(self, run: str, owner: bytes = b"") -> Command:
        """Return the command that takes the lock, or ends with LOCK_HELD_EXIT."""
        return self.command("lock", run, stdin=owner)

    def unlock(self, run: str) -> Command:
        """Return the command that releases this run's lock."""
        return self.command("unlock", run)

    def beat(self, run: str) -> Command:
        """Return the command that shows a sign of life."""
        return self.command("beat", run)

    def append(self, path: str, lines: bytes) -> Command:
        """Return the command that adds lines to a file, all or none."""
        return self.command("append", path, stdin=_sized(lines))

    def read(self, path: str) -> Command:
        """Return the command that prints a file, or nothing if there is none."""
        return self.command("read", path)

    def write(self, path: str, content: bytes) -> Command:
        """Return the command that replaces a file atomically."""
        return self.command("write", path, stdin=_sized(content))

    def folder(self, *paths: str) -> Command:
        """Return the command that makes folders which the service's account may read."""
        return self.command("folder", *paths)

    def remove(self, *paths: str) -> Command:
        """Return the command that removes files or folders."""
        return self.command("remove", *paths)


def _sized(content: bytes) -> bytes:
    return b"%d\n%s" % (len(content), content)


def take_lock(transport: Transport, store: Store, run: str, owner: Mapping[str, str]) -> None:
    """Take the lock of a service; raises LockHeld, naming the holder."""
    result = transport.run(store.lock(run, json.dumps(dict(owner), ensure_ascii=False).encode()))
    if result.exit_code == LOCK_HELD_EXIT:
        raise lock_held(parse_lock(result.stdout, 0.0))
    result.check(
        _("The lock could not be taken."),
        _("Check that the account may write to {root}, or set deploy.root.").format(
            root=store.root
        ),
    )


def lock_held(lock: Lock) -> LockHeld:
    """Return the error for a lock that somebody else holds."""
    return LockHeld(
        _("Another run is under way."),
        _("The lock is held by {lock}.").format(lock=lock),
        _("Wait for it to end. If it cannot be alive any more, run “slipway unlock”."),
    )


def parse_lock(text: str, age: float) -> Lock:
    """Read a lock's owner.json; a lock whose owner was never written names nobody."""
    try:
        owner = json.loads(text)
    except ValueError:
        owner = {}
    nobody = _("unknown")
    return Lock(
        owner.get("who", nobody), owner.get("when", nobody), owner.get("why", ""),
        owner.get("run", ""), age,
    )  # fmt: skip


def break_lock(transport: Transport, store: Store, lock: Lock) -> None:
    """Release a lock whose holder is gone; raises LockHeld if another one took it meanwhile."""
    result = transport.run(store.unlock(lock.run), cancel=CancelToken())
    if result.exit_code == LOCK_HELD_EXIT:
        raise lock_held(parse_lock(result.stdout, 0.0))
    result.check(_("The lock could not be released."))


def release_id(when: str, version: str) -> str:
    """Return a release's name: time (``YYYYmmdd-HHMMSS``) and version, safe as a file name."""
    tidy = re.sub(r"[^A-Za-z0-9.-]+", "-", version).strip("-.")[:40]
    return f"{when}-{tidy}" if tidy else when
