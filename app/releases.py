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
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from app import desk
from app.amounts import age_text, local_text
from app.errors import LockHeld, SlipwayError
from app.i18n import _
from app.request import HealthOptions
from app.transport import TOOL, CancelToken, Command, CommandResult, Script, Secret, Transport

HEARTBEAT_SECONDS = 10.0
STALE_SECONDS = 180.0  # three times as long as a run tries to connect again
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
        needed = {"id": "", "name": "", "kind": "", "args": ()}
        known = needed | known
        return cls(**known | {"args": tuple(known["args"])})

    @property
    def health_options(self) -> HealthOptions:
        """The health check it was deployed with; keys of later versions are passed over."""
        known = HealthOptions.__dataclass_fields__
        return HealthOptions(**{key: item for key, item in self.health.items() if key in known})

    @property
    def time(self) -> datetime:
        """When it was made, by the server's clock; the oldest time if its name doesn't say."""
        try:
            return datetime.strptime(self.id[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
        except ValueError:
            return datetime.min.replace(tzinfo=UTC)


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


def parse_state(text: str) -> State:
    """Read the text of state.json; none is the state before the first release.

    Raises SlipwayError for a damaged file.
    """
    try:
        return State.from_json(json.loads(text)) if text.strip() else State()
    except (ValueError, AttributeError) as problem:
        raise SlipwayError(
            _("state.json on the server is damaged."),
            str(problem),
            _("Put it right by hand, or move the service's folder away and deploy anew."),
        ) from problem


@dataclass(frozen=True, slots=True)
class Lock:
    """Who holds the lock; ``age`` is the seconds since the last heartbeat, None if not known.

    ``token`` is the holder's own: a run that was taken over by another desktop has another one.
    """

    who: str
    when: str
    why: str
    run: str
    age: float | None
    token: str = ""

    @property
    def stale(self) -> bool:
        """Whether its holder has stopped showing signs of life."""
        return self.age is not None and self.age > STALE_SECONDS

    @property
    def abandoned(self) -> bool:
        """Whether its holder is gone: silent for long, or a run of this desktop that has ended."""
        return self.stale or desk.was_here(self.run)

    def __str__(self) -> str:
        words = _("{who}, since {when}, for “{why}”").format(
            who=self.who, when=local_text(self.when), why=self.why
        )
        if self.age is None:
            return words
        return _("{words}, last sign of life {age}").format(words=words, age=age_text(self.age))


@dataclass(frozen=True, slots=True)
class Entry:
    """What the journal says of one step: its ``before``, and whether it was done or undone."""

    index: int
    before: dict[str, Any]
    done: bool = False
    undone: bool = False


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
        """Titles of the steps that are in effect, also of those that had nothing to do."""
        # A step with nothing to do is not in the journal: that a later one was begun tells of it.
        known = {entry.index: entry.done and not entry.undone for entry in self.entries}
        last = max((entry.index for entry in self.entries if not entry.undone), default=-1)
        return tuple(
            title for index, title in enumerate(self.titles[: last + 1]) if known.get(index, True)
        )

    @property
    def under_way(self) -> str:
        """Title of the step that was begun and is not known to be done, or ""."""
        open_steps = [item for item in self.entries if not item.done and not item.undone]
        return self.titles[open_steps[-1].index] if open_steps else ""

    @property
    def not_begun(self) -> tuple[str, ...]:
        """Titles of the steps after the last one that was begun."""
        last = max((entry.index for entry in self.entries), default=-1)
        return self.titles[last + 1 :]


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

    def version_of(self, release: str) -> str:
        """Return the version of a release, "" without a record of it."""
        record = self.find(release)
        return record.version if record else ""

    def version_before(self, release: str) -> str:
        """Return the version that was current before a run of ``release``, "" if none was."""
        state = self.state
        return self.version_of(state.previous if state.current == release else state.current)

    def named(self, words: str) -> Release | None:
        """Return the release of this id, or the only one of this version; None otherwise.

        One that failed is meant only if there is no other.
        """
        versions = [item for item in self.releases if item.version == words]
        good = [item for item in versions if item.id not in self.state.bad] or versions
        return self.find(words) or (good[0] if len(good) == 1 else None)

    def rollback_target(self) -> str:
        """Return the release to roll back to if none is named: verified and still there, or ""."""
        there = {item.id for item in self.releases}
        return self.state.without(set(self.state.verified) - there).rollback_target()

    @property
    def abandoned_run(self) -> Interrupted | None:
        """The interrupted run; None while a run shows signs of life: it may be just that one."""
        alive = self.lock is not None and not self.lock.abandoned
        return None if alive else self.interrupted

    @property
    def current(self) -> Release | None:
        """The release that serves."""
        return self.find(self.state.current)


def fingerprint(key: Secret, value: Secret) -> str:
    """Return a keyed fingerprint: equal values of one service are seen, values are not."""
    digest = hmac.new(key.reveal().encode(), value.reveal().encode(), hashlib.sha256)
    return digest.hexdigest()[:32]


def read_journal(lines: Iterable[str]) -> Interrupted | None:
    """Read the journal of one run; None if that run has ended.

    A last line cut short (the server lost power) counts as not written. A run that had ended and
    was then being rolled back is open again.
    """
    header: dict[str, Any] = {}
    entries: dict[int, Entry] = {}
    undoing = ended = False
    for text in lines:
        try:
            line = json.loads(text)
        except ValueError:
            continue
        if "steps" in line:
            header = line
        elif "before" in line:
            entries[line["step"]] = Entry(line["step"], line["before"])
        elif "step" in line:
            before = entries.get(line["step"], Entry(line["step"], {})).before
            done, undone = line["state"] == "done", line["state"] == "undone"
            entries[line["step"]] = Entry(line["step"], before, done=done, undone=undone)
        elif "undoing" in line:
            undoing, ended = True, False
        elif "ended" in line:
            ended = True
    if not header or ended:
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
    """The commands that keep the records of one service under ``root`` (``<root>/<name>``).

    ``token`` says who gives them: only the holder of the lock changes anything. On ``windows``
    slipway-host.exe carries them out, elsewhere store.sh.
    """

    root: str
    sudo: bool
    token: str = ""
    windows: bool = False

    def path(self, *parts: str) -> str:
        """Return a path under the root as the server writes it; ``parts`` with slashes."""
        if self.windows:
            return "\\".join((self.root, *(part.replace("/", "\\") for part in parts)))
        return "/".join((self.root, *parts))

    def command(self, verb: str, *arguments: str, stdin: bytes | Secret | None = None) -> Command:
        """Return the command that carries out one verb."""
        if self.windows:
            return Command((TOOL, "store", verb, self.root, self.token, *arguments), stdin)
        return Command(
            ("sh", Script("store.sh"), verb, self.root, self.token, *arguments), stdin, self.sudo
        )

    def lock(self, owner: bytes = b"", over: str = "") -> Command:
        """Return the command that takes the lock, ``over`` a dead holder's token if given."""
        return self.command("lock", *((over,) if over else ()), stdin=_sized(owner))

    def unlock(self) -> Command:
        """Return the command that releases the lock."""
        return self.command("unlock")

    def beat(self) -> Command:
        """Return the command that shows a sign of life."""
        return self.command("beat")

    def look(self) -> Command:
        """Return the command that prints state.json and the names of open journals."""
        return self.command("look")

    def append(self, path: str, lines: bytes) -> Command:
        """Return the command that adds lines to a file, all or none."""
        return self.command("append", path, stdin=_sized(lines))

    def read(self, path: str) -> Command:
        """Return the command that prints a file, or nothing if there is none."""
        return self.command("read", path)

    def write(self, path: str, content: bytes | Secret) -> Command:
        """Return the command that replaces a file atomically."""
        return self.command("write", path, stdin=_sized(content))

    def folder(self, *paths: str) -> Command:
        """Return the command that makes folders which the service's account may read."""
        return self.command("folder", *paths)

    def remove(self, *paths: str) -> Command:
        """Return the command that removes files or folders."""
        return self.command("remove", *paths)


def lock_refused(command: Command, result: CommandResult) -> bool:
    """Return whether a command of the store was refused because another one holds the lock."""
    first = command.argv[0] if command.argv else ""
    ours = first == TOOL or not {Script("store.sh"), Script("container_swap.sh")}.isdisjoint(
        command.argv
    )
    return ours and result.exit_code == LOCK_HELD_EXIT


def _sized(content: bytes | Secret) -> bytes | Secret:
    if isinstance(content, Secret):
        text = content.reveal()
        return Secret(f"{len(text.encode())}\n{text}")
    return b"%d\n%s" % (len(content), content)


def take_lock(transport: Transport, store: Store, owner: Mapping[str, str], over: str = "") -> None:
    """Take the lock of a service, ``over`` a dead holder's token; LockHeld names a living one."""
    known = dict(owner) | {"token": store.token}
    result = transport.run(store.lock(json.dumps(known, ensure_ascii=False).encode(), over))
    if result.exit_code == LOCK_HELD_EXIT:
        raise lock_held(parse_lock(result.stdout))
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
        _("Wait for it to end, then look at the server again: Slipway says if it was interrupted."),
    )


def parse_lock(text: str, age: float | None = None) -> Lock:
    """Read a lock's owner.json; a lock whose owner was never written names nobody."""
    try:
        owner = json.loads(text)
    except ValueError:
        owner = {}
    nobody = _("unknown")
    return Lock(
        owner.get("who", nobody), owner.get("when", nobody), owner.get("why", ""),
        owner.get("run", ""), age, owner.get("token", ""),
    )  # fmt: skip


def break_lock(transport: Transport, store: Store, lock: Lock) -> None:
    """Release a lock whose holder is gone; raises LockHeld if another one took it meanwhile."""
    result = transport.run(replace(store, token=lock.token).unlock(), cancel=CancelToken())
    if result.exit_code == LOCK_HELD_EXIT:
        raise lock_held(parse_lock(result.stdout))
    result.check(_("The lock could not be released."))


def release_id(when: str, version: str) -> str:
    """Return a release's name: time (``YYYYmmdd-HHMMSS``) and version, safe as a file name."""
    tidy = re.sub(r"[^A-Za-z0-9.-]+", "-", version).strip("-.")[:40]
    return f"{when}-{tidy}" if tidy else when
