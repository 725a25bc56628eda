"""The Windows-service kind: a new folder per release, one switch, the old one kept as it was."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from app.amounts import duration_text
from app.artifact import Artifact
from app.choices import service_start_states, service_starts, waits_words, words_of
from app.errors import Problem, SlipwayError
from app.host import HostFacts
from app.i18n import _
from app.kinds.file_steps import WRITTEN, SendFiles, digests
from app.kinds.record_steps import PruneReleases, RecordRelease, RecordState
from app.kinds.service_definition import Places, make_definition, run_settings, summary
from app.kinds.windows_host import Host, check_kept, choose_host, keeps_settings
from app.kinds.windows_readiness import windows_problems
from app.kinds.windows_steps import (
    CheckService,
    GrantAccess,
    SaveService,
    SendNssm,
    SwitchService,
    TrialRun,
    WriteSecrets,
    snapshot_path,
)
from app.layout import Change, Draft, Layout, describe, differences, to_prune
from app.releases import Release, Store, release_id
from app.request import DeployRequest
from app.rules import secret_names
from app.step import Step
from app.windows_facts import WindowsService
from app.windows_rules import ACCOUNT_PASSWORD, needs_password


class WindowsServiceKind:
    """Runs the program as a Windows service."""

    def readiness(self, request: DeployRequest, facts: HostFacts) -> list[Problem]:
        """Return what the server lacks."""
        return list(windows_problems(request, facts))

    def there(self, facts: HostFacts) -> bool:
        """Return whether there is a service of that name."""
        return _service(facts) is not None

    def running(self, facts: HostFacts) -> bool:
        """Return whether the service runs the current release."""
        service = _service(facts)
        return (
            service is not None
            and service.running
            and service.release(facts.root) == facts.records.state.current != ""
        )

    def available(self, facts: HostFacts, release: Release) -> bool:
        """Return whether a release can be gone back to; the switch compares its files first."""
        return release.id not in facts.records.state.bad

    def lay_out(self, draft: Draft) -> Layout:
        """Return the steps that put a program into service."""
        artifact, request, facts = draft.package, draft.request, draft.facts
        if not isinstance(artifact, Artifact):
            raise TypeError(f"not a program: {artifact!r}")
        _check_names(artifact)
        windows, service = request.deploy.windows, _service(facts)
        kept = keeps_settings(windows, facts)
        places = Places(draft.store, draft.release, artifact.binary)
        adopted = adopted_release(request, facts)
        host: Host | None = None
        if kept and service:
            check_kept(service, artifact)
            definition: dict[str, Any] = {"kept": True}
        else:
            host = choose_host(windows, speaks=artifact.windows_service)
            definition = summary(windows, host, _nssm(draft) if host == "nssm" else "")
        record = replace(
            describe(artifact, draft.release, request),
            secrets=draft.prints,
            definition=definition | {"binary": artifact.binary, "files": digests(artifact)},
        )
        steps: list[Step] = []
        if adopted:
            steps += [
                RecordRelease(draft.store, adopted),
                SaveService(draft.store, request.name, adopted.id),
            ]
        steps.append(RecordRelease(draft.store, record))
        steps += _deliver(draft, artifact, host, places)
        if windows.smoke:
            steps.append(TrialRun(draft.store, draft.release, artifact.binary, windows.smoke))
        steps += [
            _switch(draft, artifact, places, host),
            CheckService(draft.store, request.name, request.deploy.health),
            RecordState(draft.store, draft.release, adopted.id if adopted else ""),
            PruneReleases(draft.store, to_prune(request, facts, draft.release)),
        ]
        current = facts.records.current
        return Layout(
            record,
            tuple(steps),
            changes=differences(current, record, settings)
            if current and not adopted
            else _changes_from(service, record, places, kept=kept),
            outage=_outage(service),
            restores=_restores(service),
            cannot=_cannot(),
            secrets=secret_names(request),
        )

    def lay_out_rollback(
        self, request: DeployRequest, facts: HostFacts, target: Release, store: Store
    ) -> Layout:
        """Return the steps that make the service what it was with a kept release."""
        adopted = adopted_release(request, facts)
        steps: list[Step] = []
        if adopted:
            steps += [RecordRelease(store, adopted), SaveService(store, request.name, adopted.id)]
        order: dict[str, Any] = {
            "snapshot": f"releases/{target.id}/service.json",
            "grace": request.deploy.windows.stop_timeout,
        }
        if not target.adopted:
            program = store.path("releases", target.id, str(target.definition["binary"]))
            order |= {"proof": {"path": program, "sha256": target.sha256}, "start": True}
        service = _service(facts)
        account = str(target.definition.get("account", "LocalSystem"))
        password = needs_password(account) and (service is None or service.account != account)
        steps.append(SwitchService(store, request.name, store.token, order, password))
        if not target.adopted or target.definition.get("running"):
            steps.append(CheckService(store, request.name, target.health_options))
        steps.append(RecordState(store, target.id, adopted.id if adopted else ""))
        return Layout(
            target,
            tuple(steps),
            changes=differences(facts.records.current, target, settings),
            outage=_outage(service),
            restores=(
                _("the program with its files: {version}").format(version=target.version),
                _("its arguments, environment and secrets as they were"),
                _("account, start type, recovery, dependencies and firewall ports as they were"),
            ),
            cannot=_cannot(),
            secrets=(ACCOUNT_PASSWORD,) if password else (),
        )


def _service(facts: HostFacts) -> WindowsService | None:
    return facts.windows.service if facts.windows else None


def _check_names(artifact: Artifact) -> None:
    taken = {item.name.casefold() for item in artifact.included} & set(WRITTEN)
    if taken:
        raise SlipwayError(
            _("{name} can't be shipped under this name.").format(name=", ".join(sorted(taken))),
            _("Slipway keeps a file of that name beside the program."),
            _("Put it into a folder, or give it another name, and correct build.include."),
        )


def adopted_release(request: DeployRequest, facts: HostFacts) -> Release | None:
    """Return a record for a service that Slipway has none for: its state is kept to go back to.

    Environment and arguments are not in it, because secrets may stand there: what the service was
    lies on the server, readable by administrators only.
    """
    service = _service(facts)
    if service is None or facts.records.find(service.release(facts.root)):
        return None
    made = datetime.fromtimestamp(facts.clock - 1, UTC)
    return Release(
        id=release_id(made.strftime("%Y%m%d-%H%M%S"), "before-slipway"),
        name=request.name,
        kind="windows-service",
        version=_("before Slipway: {program}").format(program=service.program),
        definition={"kept": True, "program": service.program, "running": service.running},
        created=made.isoformat(),
        adopted=True,
    )


def _nssm(draft: Draft) -> str:
    """Return where nssm.exe lies or will lie on the server; raises SlipwayError if nowhere."""
    options, windows = draft.request.deploy.windows, draft.facts.windows
    if options.nssm_file:
        return draft.store.path("releases", draft.release, "nssm.exe")
    found = options.nssm or next(iter(windows.nssm if windows else ()), "")
    if not found:
        raise SlipwayError(
            _("There is no nssm.exe on {host}.").format(host=draft.facts.hostname),
            hint=_("Name its place there (nssm), or a file on this computer to send (nssm-file)."),
        )
    return found


def _deliver(draft: Draft, artifact: Artifact, host: Host | None, places: Places) -> list[Step]:
    """Return the steps that put a release's files on the server; no ``host``: settings are kept."""
    request, store, release = draft.request, draft.store, draft.release
    windows = request.deploy.windows
    run = run_settings(request, places) if host == "wrapped" else ""
    files = tuple(item.name for item in artifact.included)
    steps: list[Step] = [SendFiles(store, release, artifact.binary, run, files)]
    service = _service(draft.facts)
    account = windows.account if host or service is None else service.account
    if host == "nssm" and windows.nssm_file:
        source = Path(windows.nssm_file)
        if not source.is_absolute():
            source = request.project.path / source
        steps.append(SendNssm(store, release, str(source)))
    steps.append(GrantAccess(store, release, _account_name(account, request.name)))
    if host and request.deploy.secrets:
        steps.append(WriteSecrets(store, release, request.deploy.secrets))
    return steps


def _account_name(account: str, service: str) -> str:
    return rf"NT SERVICE\{service}" if account == "virtual" else account


def _switch(draft: Draft, artifact: Artifact, places: Places, host: Host | None) -> SwitchService:
    windows = draft.request.deploy.windows
    order: dict[str, Any] = {
        "proof": {"path": places.program, "sha256": artifact.sha256},
        "save": f"releases/{draft.release}/service.json",
        "grace": windows.stop_timeout,
        "start": True,
    }
    if host is None:
        order |= {
            "snapshot": snapshot_path(draft.store.token),
            "program": places.program,
        }
    else:
        nssm = _nssm(draft) if host == "nssm" else ""
        order["definition"] = make_definition(draft, places, host, nssm)
    password = host is not None and needs_password(windows.account)
    return SwitchService(draft.store, draft.request.name, draft.store.token, order, password)


def settings(release: Release) -> Mapping[str, str]:
    """Name a service's own settings for the table of differences."""
    known = release.definition
    if known.get("kept"):
        return {_("Settings"): _("kept as they were"), _("Binary"): str(known.get("binary", ""))}
    hosts = {
        "native": _("the program itself"),
        "wrapped": _("Slipway's service host"),
        "nssm": _("NSSM"),
    }
    return {
        _("Binary"): str(known.get("binary", "")),
        _("Run by"): hosts.get(str(known.get("host")), ""),
        _("Account"): str(known.get("account", "")),
        _("Start it"): words_of(service_starts(), str(known.get("start", ""))),
        _("Start it again"): waits_words(known["restart"]) if "restart" in known else "",
        _("Display name"): str(known.get("display_name", "")),
        _("Description"): str(known.get("description", "")),
        _("Dependencies"): ", ".join(known.get("dependencies", ())),
        _("Firewall ports"): ", ".join(map(str, known.get("firewall", ()))),
        _("Time to stop"): duration_text(known["stop_timeout"]) if "stop_timeout" in known else "",
        _("Log, each file"): str(known.get("log_max_size", "")),
        _("Log, files"): str(known.get("log_max_file", "")),
    }


def _changes_from(
    service: WindowsService | None, record: Release, places: Places, *, kept: bool
) -> tuple[Change, ...]:
    if service is None:
        return differences(None, record, settings)
    rows = [(_("Program"), service.program, places.program)]
    if not kept:
        new = settings(record)
        rows += [
            (_("Arguments"), " ".join(service.arguments), " ".join(record.args)),
            (_("Account"), service.account, new[_("Account")]),
            (_("Start it"), words_of(service_start_states(), service.start), new[_("Start it")]),
            (
                _("Environment (names)"),
                ", ".join(sorted(service.env)),
                ", ".join(sorted([*record.env, *record.secrets])),
            ),
        ]
    return tuple(Change(what, old, new) for what, old, new in rows if old != new)


def _outage(service: WindowsService | None) -> str:
    if service is None or not service.up:
        return _("Nothing of that name runs now: nobody is interrupted.")
    return _("As long as what runs now needs to stop and the other one to start.")


def _restores(service: WindowsService | None) -> tuple[str, ...]:
    if service is None:
        return (_("no service of that name is there: rolling back removes what was deployed"),)
    return (
        _("the program that runs now: {program}").format(program=service.program),
        _("the service exactly as it is: account, start type, recovery, environment, firewall"),
    )


def _cannot() -> tuple[str, ...]:
    return (_("databases and files that the program wrote to"),)
