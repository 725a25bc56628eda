"""Who runs a Windows service's program: itself, Slipway's host or NSSM; what settings it keeps."""

from __future__ import annotations

from typing import Literal

from app.artifact import Artifact
from app.errors import SlipwayError
from app.host import HostFacts
from app.i18n import _
from app.request import WindowsOptions
from app.windows_facts import WindowsService

Host = Literal["native", "wrapped", "nssm"]


def choose_host(windows: WindowsOptions, *, speaks: bool) -> Host:
    """Return the host of a service; ``speaks``: the program itself answers the service manager.

    Raises SlipwayError for a program that would be registered directly and can't answer: Windows
    would end it after 30 s with error 1053.
    """
    if windows.host == "auto":
        return "native" if speaks else "wrapped"
    if windows.host == "native" and not speaks:
        raise _silent()
    return windows.host


def keeps_settings(windows: WindowsOptions, facts: HostFacts) -> bool:
    """Return whether only the program is replaced, and the service's own settings stay."""
    service = facts.windows.service if facts.windows else None
    if service is None or service.kind == "wrapped" or windows.settings == "profile":
        return False
    if windows.settings == "keep":
        return True
    current = facts.records.current
    ours = current is not None and service.release(facts.root) == current.id
    return not ours or bool(current and current.definition.get("kept"))


def check_kept(service: WindowsService, artifact: Artifact) -> None:
    """Raise SlipwayError if Windows calls the kept service's program and the new one is mute."""
    if service.kind == "plain" and not artifact.windows_service:
        raise _silent()


def _silent() -> SlipwayError:
    return SlipwayError(
        _("This program can't be a Windows service by itself."),
        _(
            "It does not talk to the Windows service manager (neither golang.org/x/sys/windows/svc "
            "nor github.com/kardianos/service is in it): Windows would end it after 30 s, "
            "error 1053."
        ),
        _('Choose deploy.windows.host = "wrapped" and settings = "profile".'),
    )
