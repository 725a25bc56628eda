"""Is a server ready for a Windows service? Each lack with a remedy, before anything changes."""

from __future__ import annotations

from collections.abc import Iterator

from app.errors import Problem
from app.health import endpoint
from app.host import HostFacts
from app.i18n import _
from app.kinds.service_definition import OWN_PROCESS
from app.kinds.windows_host import keeps_settings
from app.request import DeployRequest
from app.windows_facts import WindowsFacts, WindowsService
from app.windows_rules import needs_password

SPARE_BYTES = 200_000_000


def windows_problems(request: DeployRequest, facts: HostFacts) -> Iterator[Problem]:
    """Yield what the server lacks for a Windows service."""
    windows = facts.windows
    if windows is None:
        yield Problem(
            "deploy.kind",
            _("{host} is not a Windows server: it runs {system}.").format(
                host=facts.hostname, system=facts.os_name
            ),
            _("Choose Docker container on the Method page (kind “docker”), or another server."),
        )
        return
    yield from _rights(facts, windows)
    yield from _place(facts)
    yield from _port(request, facts, windows)
    yield from _host(request, facts, windows)
    if windows.service:
        yield from _existing(request, facts, windows.service)


def _rights(facts: HostFacts, windows: WindowsFacts) -> Iterator[Problem]:
    if not windows.elevated:
        yield Problem(
            "target",
            _(
                "The account {user} has no administrator's rights on {host} over this connection."
            ).format(user=facts.user, host=facts.hostname),
            _(
                "Log in as Administrator or with a domain account that is administrator there. For "
                "another local administrator, set LocalAccountTokenFilterPolicy to 1 on the server."
            ),
        )


def _place(facts: HostFacts) -> Iterator[Problem]:
    if 0 < facts.disk_free < SPARE_BYTES:
        yield Problem(
            "target",
            _("Only {free:.0f} MB are free at {place}.").format(
                free=facts.disk_free / 1e6, place=facts.root
            ),
            _("Make room on that drive."),
        )


def _port(request: DeployRequest, facts: HostFacts, windows: WindowsFacts) -> Iterator[Problem]:
    knock = endpoint(request.deploy.health)
    if knock is None:
        return
    service = windows.service
    own = {service.pid, service.process} if service else set()
    for holder in facts.ports:
        if holder.port == knock.port and holder.pid not in own:
            yield Problem(
                request.deploy.health.port_key,
                _("Port {port} is in use by {program}.").format(
                    port=knock.port, program=holder.program or _("another program")
                ),
                _("Stop that program, or let the service listen on another port."),
            )


def _host(request: DeployRequest, facts: HostFacts, windows: WindowsFacts) -> Iterator[Problem]:
    options = request.deploy.windows
    lacks_nssm = not (options.nssm or options.nssm_file or windows.nssm)
    if options.host == "nssm" and lacks_nssm and not keeps_settings(options, facts):
        yield Problem(
            "deploy.windows.nssm",
            _("There is no nssm.exe on {host}.").format(host=facts.hostname),
            _("Name its place there (nssm), or a file on this computer to send (nssm-file)."),
        )
    if request.build.cgo and not windows.vcruntime:
        yield Problem(
            "build.cgo",
            _("The Visual C++ runtime is missing there; a program built with cgo may need it."),
            _("Install the Visual C++ Redistributable on the server if the start fails."),
            blocking=False,
        )


def _existing(
    request: DeployRequest, facts: HostFacts, service: WindowsService
) -> Iterator[Problem]:
    if service.type & ~0x100 != OWN_PROCESS:
        yield Problem(
            "name",
            _("{name} is a driver or a part of Windows, not a service of its own.").format(
                name=service.name
            ),
            _("Choose another name."),
        )
        return
    if service.start == "disabled" and keeps_settings(request.deploy.windows, facts):
        yield Problem(
            "deploy.windows.settings",
            _("The service {name} is disabled, and its settings are kept: it can't start.").format(
                name=service.name
            ),
            _('Enable it on the server, or choose settings = "profile".'),
        )
    options = request.deploy.windows
    changes = options.account.casefold() != service.account.casefold()
    if changes and needs_password(service.account) and not keeps_settings(options, facts):
        yield Problem(
            "deploy.windows.account",
            _("The service runs as {account}, whose password Slipway could not give back.").format(
                account=service.account
            ),
            _("Keep that account, or change the account on the server first."),
        )
    if service.release(facts.root) in {item.id for item in facts.records.releases}:
        return
    kept = keeps_settings(request.deploy.windows, facts)
    yield Problem(
        "name",
        _("The service {name} was not made by Slipway; it runs {program}.").format(
            name=service.name, program=service.program
        ),
        _("Only its program is replaced, its settings stay; rolling back gives it back as it was.")
        if kept
        else _("Its settings are replaced by yours; rolling back gives it back as it was."),
        blocking=False,
    )
