"""What a kind tells the planner: its steps, what changes, what rolling back means."""

from __future__ import annotations

import getpass
import json
import socket
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol

from app.artifact import Artifact
from app.errors import Problem
from app.host import HostFacts
from app.i18n import _, first_of
from app.image import Context, Image
from app.releases import Release, Store
from app.request import DeployRequest
from app.step import Package, Step
from app.transport import Secret

FILES_NAMED = 5


@dataclass(frozen=True, slots=True)
class Change:
    """One difference between what runs now and what will."""

    what: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a kind needs to lay out its steps for one release."""

    request: DeployRequest
    package: Package
    facts: HostFacts
    release: str
    store: Store
    prints: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layout:
    """A kind's answer: the new release, its steps, and what rolling back means.

    ``hidden`` are secrets that may appear in output though the plan does not use them.
    """

    record: Release
    steps: tuple[Step, ...]
    changes: tuple[Change, ...] = ()
    outage: str = ""
    restores: tuple[str, ...] = ()
    cannot: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    secrets: tuple[str, ...] = ()
    hidden: tuple[Secret, ...] = ()


class Kind(Protocol):
    """How a service runs on a server; ``kinds.KINDS`` holds one of each."""

    def readiness(self, request: DeployRequest, facts: HostFacts) -> list[Problem]:
        """Return what the server lacks."""

    def there(self, facts: HostFacts) -> bool:
        """Return whether something of the service's name is there, Slipway's or not."""

    def running(self, facts: HostFacts) -> bool:
        """Return whether the current release is what runs now."""

    def lay_out(self, draft: Draft) -> Layout:
        """Return the steps that put the package into service."""

    def lay_out_rollback(
        self, request: DeployRequest, facts: HostFacts, target: Release, store: Store
    ) -> Layout:
        """Return the steps that make ``target`` serve again."""

    def available(self, facts: HostFacts, release: Release) -> bool:
        """Return whether a release can still be rolled back to."""


def package_version(package: Package) -> str:
    """Return the version of what is deployed."""
    return package.artifact.version if isinstance(package, Image) else package.version


def same_release(old: Release, new: Release) -> bool:
    """Return whether two releases are the same artifact with the same settings."""
    return (
        old.kind == new.kind
        and old.version == new.version
        and old.sha256 == new.sha256
        and old.args == new.args
        and old.env == new.env
        and old.secrets == new.secrets
        and asked(old) == asked(new)
        and _comparable(old) == _comparable(new)
    )


def asked(release: Release) -> tuple[str, str]:
    """Return what is asked to know whether a release is healthy, and the status it is to answer."""
    health = release.health_options
    if health.http:
        return health.http, str(health.expect)
    return (f"tcp {health.tcp}" if health.tcp else ""), ""


def _comparable(release: Release) -> str:
    definition = dict(release.definition)
    if "layers" in definition:
        # the tag also changes with the commit that the image's labels name
        definition.pop("image", None)
    return json.dumps(definition, sort_keys=True)


def describe(package: Package, release: str, request: DeployRequest) -> Release:
    """Return the release's record, without what only its kind knows."""
    made = datetime.strptime(release[:15], "%Y%m%d-%H%M%S").replace(tzinfo=UTC)
    record = Release(
        id=release,
        name=request.name,
        kind=request.deploy.kind,
        version=package_version(package),
        args=request.deploy.args,
        env=dict(request.deploy.env),
        health=asdict(request.deploy.health),
        by=f"{getpass.getuser()}@{socket.gethostname()}",
        created=made.isoformat(),
    )
    if isinstance(package, Context):
        return replace(record, commit=package.commit, dirty=package.dirty, sha256=package.sha256)
    artifact: Artifact = package.artifact if isinstance(package, Image) else package
    return replace(
        record,
        commit=artifact.commit,
        dirty=artifact.dirty,
        sha256=artifact.sha256,
        go_version=artifact.go_version,
        module=artifact.module,
        package=artifact.package,
        platform=artifact.platform,
        options=dict(artifact.options),
    )


def differences(
    old: Release | None, new: Release, settings: Callable[[Release], Mapping[str, str]]
) -> tuple[Change, ...]:
    """Return what differs between two releases, or what the first one brings.

    ``settings`` names a kind's own settings.
    """
    env = old.env if old else {}
    secrets = old.secrets if old else {}
    rows = [
        (_("Version"), old.version if old else "", new.version),
        (_("Program (SHA-256)"), old.sha256[:12] if old else "", new.sha256[:12]),
        (_("Arguments"), " ".join(old.args) if old else "", " ".join(new.args)),
    ]
    names = (_("Health check"), _("Expected status"))
    rows += zip(names, asked(old) if old else ("", ""), asked(new), strict=True)
    rows += [
        (_("Environment {key}").format(key=key), env.get(key, ""), new.env.get(key, ""))
        for key in sorted(env.keys() | new.env.keys())
    ]
    before, after = settings(old) if old else {}, settings(new)
    rows += [(key, before.get(key, ""), after.get(key, "")) for key in {**before, **after}]
    changed = _("changed")
    for key in sorted(secrets.keys() | new.secrets.keys()):
        was, now = secrets.get(key, ""), new.secrets.get(key, "")
        if was != now:
            what = _("Secret {key}").format(key=key)
            rows.append((what, _("set") if was else "", changed if was and now else
                         (_("set") if now else "")))  # fmt: skip
    found = [Change(what, was, now) for what, was, now in rows if was != now]
    if old is not None and (files := _changed_files(old, new)):
        found.append(Change(_("Files shipped along"), "", files))
    return tuple(found)


def _changed_files(old: Release, new: Release) -> str:
    """Return the names of files beside the program that are others now, the first ones only."""
    before, after = old.definition.get("files") or {}, new.definition.get("files") or {}
    names = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    return first_of(names, FILES_NAMED)


def to_prune(request: DeployRequest, facts: HostFacts, new: str) -> tuple[str, ...]:
    """Return the releases that pruning removes once ``new`` serves: never current or previous."""
    state = facts.records.state
    safe = {new, state.current, *state.pinned}  # current is the previous one by then
    older = sorted(
        (item.id for item in facts.records.releases if item.id not in safe), reverse=True
    )
    verified = [item for item in older if item in state.verified]
    room = max(0, request.deploy.keep - 2)
    keep = set(verified[:room])
    bad = [item for item in older if item not in state.verified][:room]
    return tuple(item for item in older if item not in keep and item not in bad)
