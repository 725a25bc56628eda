"""The process kind: a program on this computer under Slipway's own supervisor, for trying out."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import ClassVar

from app.artifact import Artifact
from app.errors import HealthCheckFailed, Problem
from app.health import Liveness, check_title, endpoint, wait_healthy
from app.host import HostFacts
from app.i18n import _
from app.kinds.file_steps import SendFiles, digests
from app.kinds.record_steps import PruneReleases, RecordRelease, RecordState
from app.layout import Draft, Layout, describe, differences, to_prune
from app.process_facts import parse_status, supervise
from app.releases import Release, Store
from app.request import DeployRequest, HealthOptions
from app.step import Before, RunContext, Step
from app.transport import CancelToken, Command, Secret

GRACE_SECONDS = 10.0
LOG_LINES = 30


@dataclass(frozen=True, slots=True)
class SwitchProcess(Step):
    """Stop the program that runs, start the new one under the supervisor."""

    switches: ClassVar[bool] = True
    root: str
    release: str
    secrets: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Switch to the release")

    @property
    def commands(self) -> tuple[Command, ...]:
        """Stop, start."""
        return (self._stop, supervise("start", self.root, self.release))

    @property
    def _stop(self) -> Command:
        return supervise("stop", self.root, str(GRACE_SECONDS))

    def inspect(self, ctx: RunContext) -> Before:
        """Remember which release runs."""
        look = supervise("status", self.root)
        found = parse_status(ctx.run(look, _("The supervisor does not answer."), quiet=True).stdout)
        return {"release": found.release, "running": found.up}

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Switch; once begun it is not cancelled, because half a switch serves nobody."""
        ctx = replace(ctx, cancel=CancelToken())
        values = {name: ctx.secrets[name].reveal() for name in self.secrets}
        hidden = Secret(json.dumps(values)) if values else b""
        start = supervise("start", self.root, self.release, stdin=hidden)
        ctx.run(self._stop, _("The old version does not end."), quiet=True)
        ctx.run(start, _("The new version does not start."), quiet=True)

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Start the old release again, or nothing if nothing ran."""
        ctx.run(self._stop, _("The new version does not end."), quiet=True)
        if before["running"]:
            start = supervise("start", self.root, before["release"], stdin=b"")
            ctx.run(start, _("The old version does not start again."), quiet=True)


@dataclass(frozen=True, slots=True)
class CheckProcess(Step):
    """See the new version answer, and stay up."""

    proves: ClassVar[bool] = True
    root: str
    health: HealthOptions

    @property
    def title(self) -> str:
        """What the step does."""
        return check_title(self.health)

    @property
    def commands(self) -> tuple[Command, ...]:
        """What the supervisor is asked; the port is reached directly."""
        return (supervise("status", self.root),)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Wait until healthy and stable."""
        asking = 0.0

        def alive() -> Liveness:
            nonlocal asking
            # asking starts a process: a machine that is slow at it gets as long to itself
            ctx.cancel.wait(asking)
            begun = time.monotonic()
            title = _("The supervisor does not answer.")
            found = parse_status(ctx.run(self.commands[0], title, quiet=True).stdout)
            asking = time.monotonic() - begun
            detail = found.problem or _("Exit code {code}.").format(code=found.exit_code)
            return Liveness(found.running, f"{found.pid} {found.restarts}", detail)

        try:
            wait_healthy(ctx, self.health, endpoint(self.health), alive, stable=self.health.stable)
        except HealthCheckFailed as problem:
            ctx.note(_("last output of the new version:"))
            logs = supervise("log", self.root, str(LOG_LINES), "--since-start")
            output = ctx.transport.run(logs, on_line=ctx.line).stdout.strip().splitlines()[-10:]
            said = (
                _("Its last output:") + "\n" + "\n".join(output)
                if output
                else _("It said nothing.")
            )
            raise HealthCheckFailed(
                problem.title, f"{problem.detail}\n{said}".strip(), problem.hint
            ) from problem


class ProcessKind:
    """Runs the service as a supervised program on this computer.

    After a restart of the computer nothing runs: the supervisor is started by people only.
    """

    def readiness(self, request: DeployRequest, facts: HostFacts) -> list[Problem]:
        """Return what this computer lacks."""
        if facts.target.transport != "local":
            return [
                Problem(
                    "deploy.kind",
                    _("The kind “process” is for trying out on this computer only."),
                    _("Choose “this computer” as the server, or the kind “docker”."),
                )
            ]
        knock = endpoint(request.deploy.health)
        held = {item.port: item.program for item in facts.ports}
        ours = facts.process is not None and facts.process.up
        if knock and knock.port in held and not ours:
            return [
                Problem(
                    request.deploy.health.port_key,
                    _("Port {port} is in use by {program}.").format(
                        port=knock.port, program=held[knock.port] or _("another program")
                    ),
                    _("Stop that program, or let the service listen on another port."),
                )
            ]
        return []

    def there(self, facts: HostFacts) -> bool:
        """Return whether a release is in service."""
        return facts.process is not None and facts.process.up

    def running(self, facts: HostFacts) -> bool:
        """Return whether the current release runs."""
        process = facts.process
        return (
            process is not None
            and process.running
            and process.release == facts.records.state.current != ""
        )

    def available(self, facts: HostFacts, release: Release) -> bool:
        """Return whether the release's record is still there: its files go with it."""
        return release.id not in facts.records.state.bad

    def lay_out(self, draft: Draft) -> Layout:
        """Return the steps that put a program into service."""
        artifact, request, facts = draft.package, draft.request, draft.facts
        if not isinstance(artifact, Artifact):
            raise TypeError(f"not a program: {artifact!r}")
        run = {
            "release": draft.release,
            "binary": artifact.binary,
            "args": list(request.deploy.args),
            "env": dict(request.deploy.env),
        }
        record = replace(
            describe(artifact, draft.release, request),
            secrets=draft.prints,
            definition={"binary": artifact.binary, "files": digests(artifact)},
        )
        gone = to_prune(request, facts, draft.release)
        serves = facts.process is not None and facts.process.up
        steps: tuple[Step, ...] = (
            RecordRelease(draft.store, record),
            SendFiles(
                draft.store,
                draft.release,
                artifact.binary,
                json.dumps(run, ensure_ascii=False),
                tuple(item.name for item in artifact.included),
            ),
            SwitchProcess(facts.root, draft.release, request.deploy.secrets),
            CheckProcess(facts.root, request.deploy.health),
            RecordState(draft.store, draft.release),
            PruneReleases(draft.store, gone),
        )
        return Layout(
            record,
            steps,
            changes=differences(facts.records.current, record, settings),
            outage=_("As long as what runs now needs to stop and the other one to start.")
            if serves
            else _("Nothing of that name runs now: nobody is interrupted."),
            restores=_restores(facts),
            cannot=_cannot(),
            secrets=request.deploy.secrets,
        )

    def lay_out_rollback(
        self, request: DeployRequest, facts: HostFacts, target: Release, store: Store
    ) -> Layout:
        """Return the steps that make a kept release run again."""
        health = target.health_options
        return Layout(
            target,
            (
                SwitchProcess(facts.root, target.id, ()),
                CheckProcess(facts.root, health),
                RecordState(store, target.id),
            ),
            changes=differences(facts.records.current, target, settings),
            outage=_("As long as what runs now needs to stop and the other one to start."),
            restores=(
                _("the program, its files, arguments, environment and secrets as they were"),
            ),
            cannot=_cannot(),
        )


def settings(release: Release) -> Mapping[str, str]:
    """Name the kind's own settings for the table of differences."""
    return {_("Binary"): str(release.definition.get("binary", ""))}


def _restores(facts: HostFacts) -> tuple[str, ...]:
    if facts.process is None or not facts.process.up:
        return (_("nothing ran before: rolling back removes what was deployed"),)
    return (_("the release that runs now, with its files, arguments and environment"),)


def _cannot() -> tuple[str, ...]:
    return (_("databases and files that the program wrote to"),)
