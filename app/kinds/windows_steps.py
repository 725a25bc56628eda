"""The steps of a Windows service: save what is there, switch, check, each one command there."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from app.errors import HealthCheckFailed, SlipwayError
from app.events import Stream
from app.health import Liveness, check_title, endpoint, wait_healthy
from app.i18n import _
from app.kinds.service_definition import SECRETS_FILE
from app.releases import Store
from app.request import HealthOptions
from app.step import Before, RunContext, Step
from app.transport import TOOL, CancelToken, Command, Secret
from app.windows_facts import WindowsService, parse_query
from app.windows_rules import ACCOUNT_PASSWORD

# Windows itself waits 30 s for a service to answer, and a service may ask for more time
SWITCH_SECONDS = 180.0
LOG_LINES = 30
EVENT_LINES = 10
ENDED_BY_ITSELF = "ended by itself with"  # so the service host begins what its exit code says too


def query(name: str) -> Command:
    """Return the command that tells all of a service."""
    return Command((TOOL, "service", "query", name))


@dataclass(frozen=True, slots=True)
class SaveService(Step):
    """Write down a service that Slipway did not make, on the server, to go back to."""

    store: Store
    name: str
    release: str

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Write down the service {name} as it is now").format(name=self.name)

    @property
    def commands(self) -> tuple[Command, ...]:
        """Save it."""
        return (save_command(self.store, self.name, f"releases/{self.release}/service.json"),)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Save it."""
        ctx.run(self.commands[0], _("The service can't be written down."), quiet=True)


def save_command(store: Store, name: str, path: str) -> Command:
    """Return the command that writes a service down as it is, secrets too, without showing them."""
    return Command((TOOL, "service", "save", name, store.root, store.token, path))


def snapshot_path(run: str) -> str:
    """Return where a run keeps what the service was before it.

    It is trimmed with the run's journal and never removed by an undo, which may have to be done
    again. Its name must not end like a journal's.
    """
    return f"journal/{run}.before.json"


@dataclass(frozen=True, slots=True)
class SendNssm(Step):
    """Copy nssm.exe from this computer beside the program."""

    store: Store
    release: str
    source: str

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Copy nssm.exe")

    @property
    def _place(self) -> str:
        return self.store.path("releases", self.release, "nssm.exe")

    @property
    def commands(self) -> tuple[Command, ...]:
        """Receive it there."""
        return (Command((TOOL, "receive", "take", "…", "…", "…", self._place, "gzip")),)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Send it."""
        source = Path(self.source)
        if not source.is_file():
            raise SlipwayError(
                _("{path} is not there.").format(path=source),
                _("NSSM was to be sent from this computer."),
                _("Correct deploy.windows.nssm-file."),
            )
        ctx.transport.put(source, self._place, on_bytes=ctx.progress, cancel=ctx.cancel)

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Remove it."""
        path = f"releases/{self.release}/nssm.exe"
        ctx.run(self.store.remove(path), _("The files can't be removed."), quiet=True)


@dataclass(frozen=True, slots=True)
class WriteSecrets(Step):
    """Put the secrets' values into a file beside the program."""

    store: Store
    release: str
    names: tuple[str, ...]

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Write the secrets for the service's account")

    @property
    def commands(self) -> tuple[Command, ...]:
        """Write them."""
        return (self._write(Secret("")),)

    def _write(self, values: Secret) -> Command:
        return self.store.write(f"releases/{self.release}/{SECRETS_FILE}", values)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Write them; the folder's rights keep all others out."""
        values = {name: ctx.secrets[name].reveal() for name in self.names}
        content = Secret(json.dumps(values, ensure_ascii=False))
        ctx.run(self._write(content), _("The secrets can't be written."), quiet=True)

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Remove them."""
        path = f"releases/{self.release}/{SECRETS_FILE}"
        ctx.run(self.store.remove(path), _("The secrets can't be removed."), quiet=True)


@dataclass(frozen=True, slots=True)
class GrantAccess(Step):
    """Let the service's account read its release and write its log."""

    store: Store
    release: str
    account: str

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Let {account} read the release and write the log").format(account=self.account)

    @property
    def commands(self) -> tuple[Command, ...]:
        """Make the log's folder; add to the folders' access lists."""
        release = self.store.path("releases", self.release)
        return (
            self.store.folder("logs"),
            Command((TOOL, "tree", "acl", release, self.account, "read")),
            Command((TOOL, "tree", "acl", self.store.path("logs"), self.account, "modify")),
        )

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Do it; rights given are harmless when the release is gone."""
        title = _("The account {account} can't be let in.").format(account=self.account)
        for command in self.commands:
            ctx.run(command, title, quiet=True)


@dataclass(frozen=True, slots=True)
class TrialRun(Step):
    """Run the new program once, beside the old service, so that it ends by itself."""

    store: Store
    release: str
    binary: str
    arguments: tuple[str, ...]
    seconds: float = 30.0

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Trial run: {binary} {arguments}").format(
            binary=self.binary, arguments=" ".join(self.arguments)
        )

    @property
    def commands(self) -> tuple[Command, ...]:
        """Run it."""
        folder = self.store.path("releases", self.release)
        program = self.store.path("releases", self.release, self.binary)
        seconds = f"{self.seconds:g}"
        return (Command((TOOL, "exec", folder, seconds, program, *self.arguments)),)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Run it; it must end with 0."""
        ctx.run(
            self.commands[0],
            _("The new program fails its trial run."),
            timeout=self.seconds + 30.0,
        )


@dataclass(frozen=True, slots=True)
class SwitchService(Step):
    """Stop the service, make it run another release, start it: one command that ends what it began.

    ``order`` is slipway-host's Switch object. What the service was is saved beside the journal of
    ``run`` first, so that undo restores it exactly, also from another desktop.
    """

    switches: ClassVar[bool] = True
    store: Store
    name: str
    run: str
    order: dict[str, Any] = field(default_factory=dict)
    password: bool = False

    @property
    def title(self) -> str:
        """What the step does."""
        return _("Switch to the release")

    @property
    def commands(self) -> tuple[Command, ...]:
        """Save what is there, switch."""
        return (
            save_command(self.store, self.name, snapshot_path(self.run)),
            self._switch(json.dumps(self.order, ensure_ascii=False).encode(), telling=True),
        )

    def _switch(self, order: bytes | Secret, *, telling: bool = False) -> Command:
        argv = (TOOL, "service", "switch", self.name, self.store.root, self.store.token)
        return Command(argv, order, telling=telling)

    def inspect(self, ctx: RunContext) -> Before:
        """Save the service as it is, on the server."""
        ctx.run(self.commands[0], _("The service can't be written down."), quiet=True)
        return {"saved": snapshot_path(self.run)}

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Switch; once begun it is not cancelled, because half a switch serves nobody."""
        ctx = replace(ctx, cancel=CancelToken())
        command = self.commands[1]
        if self.password:
            order = self.order | {"password": ctx.secrets[ACCOUNT_PASSWORD].reveal()}
            command = self._switch(Secret(json.dumps(order, ensure_ascii=False)))
        result = ctx.attempt(command, timeout=self._seconds)
        if result.exit_code != 0:
            show_output(ctx, self.store, self.name, 0.0)
        result.check(_("The new version can't be put into service."))
        if '"killed"' in result.stdout:
            ctx.note(_("the old version did not end in time and was ended"))

    @property
    def _seconds(self) -> float:
        return SWITCH_SECONDS + 2 * float(self.order.get("grace", 0))

    def undo(self, ctx: RunContext, before: Before) -> None:
        """Make the service what it was, running or not as it was."""
        order = {"snapshot": before["saved"], "grace": self.order.get("grace", 0)}
        command = self._switch(json.dumps(order).encode())
        title = _("The old version can't be put back into service.")
        ctx.attempt(command, timeout=self._seconds).check(title)


@dataclass(frozen=True, slots=True)
class CheckService(Step):
    """See the new version run under one process id, answer, and stay so."""

    proves: ClassVar[bool] = True
    store: Store
    name: str
    health: HealthOptions

    @property
    def title(self) -> str:
        """What the step does."""
        return check_title(self.health)

    @property
    def commands(self) -> tuple[Command, ...]:
        """What is asked of Windows; the port is asked from the server itself."""
        return (query(self.name),)

    def apply(self, ctx: RunContext, before: Before) -> None:
        """Wait until healthy and stable."""
        began = 0.0

        def alive() -> Liveness:
            nonlocal began
            found = parse_query(ctx.attempt(self.commands[0]), self.name)
            began = began or found.started
            identity = f"{found.pid} {found.process} {found.restarts}"
            return Liveness(found.running, identity, how_it_ended(found))

        try:
            wait_healthy(ctx, self.health, endpoint(self.health), alive, stable=self.health.stable)
        except HealthCheckFailed as problem:
            said = show_output(ctx, self.store, self.name, began)
            raise HealthCheckFailed(
                problem.title, f"{problem.detail}\n{said}".strip(), problem.hint
            ) from problem


def how_it_ended(service: WindowsService) -> str:
    """Return in words what Windows or the service host tells of a program that does not run."""
    if service.problem.startswith(ENDED_BY_ITSELF):
        return _("Exit code {code}.").format(code=service.exit_code)
    return service.problem or _("Windows says: {state}, exit code {code}.").format(
        state=service.state, code=service.exit_code
    )


def log_command(store: Store, lines: int, *words: str) -> Command:
    """Return the command that prints the end of the service's log."""
    return Command((TOOL, "log", store.path("logs"), str(lines), *words))


def events_command(name: str, lines: int, *words: str) -> Command:
    """Return the command that prints what the event log says of a service."""
    return Command((TOOL, "events", name, str(lines), *words))


def event_line(text: str) -> str:
    """Return an event in one line as people read it."""
    try:
        event = json.loads(text)
    except ValueError:
        return text
    words = (event["time"], event["source"], str(event["id"]), event["text"])
    return " ".join(" ".join(words).split())


def show_output(ctx: RunContext, store: Store, name: str, since: float) -> str:
    """Show the service's last output and its events; return the end of it in words."""
    words = ("since", f"{since:.0f}") if since else ()
    ctx.note(_("last output of the new version:"))
    output = ctx.transport.run(log_command(store, LOG_LINES, *words), on_line=ctx.line)
    said = output.stdout.strip().splitlines()[-10:]

    def tell(stream: Stream, text: str) -> None:
        ctx.line(stream, event_line(text) if stream == "stdout" else text)

    events = ctx.transport.run(events_command(name, EVENT_LINES, *words), on_line=tell)
    happened = [event_line(line) for line in events.stdout.splitlines()[-3:]]
    parts = [
        _("Its last output:") + "\n" + "\n".join(said) if said else _("It said nothing."),
        *([_("Windows' event log:") + "\n" + "\n".join(happened)] if happened else []),
    ]
    return "\n".join(parts)
