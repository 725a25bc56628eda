"""What the choices for a Windows service mean, in plain words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from app.i18n import _
from app.windows_rules import needs_password

if TYPE_CHECKING:
    from app.project import MainPackage


def host_words(main: MainPackage | None) -> str:
    """Return which host Slipway chooses for a program, and why."""
    if main is None:
        return _("By what the program is, once the project was understood.")
    if main.windows_service:
        return _(
            "{name} talks to Windows' service control manager (it uses "
            "golang.org/x/sys/windows/svc or kardianos/service): it is a service itself."
        ).format(name=main.name)
    return _(
        "{name} does not talk to Windows' service control manager, which would end it after 30 "
        "seconds (error 1053): Slipway's service host runs it."
    ).format(name=main.name)


def settings_words() -> tuple[tuple[str, str, str], ...]:
    """Return value, name and meaning of each choice for the settings of an existing service."""
    return (
        (
            "auto",
            _("Slipway chooses"),
            _(
                "A service that Slipway did not make keeps its own; one that it made gets those "
                "of this wizard."
            ),
        ),
        (
            "keep",
            _("Keep the service's own (hotfix)"),
            _(
                "Only the program is replaced: account, start, recovery, arguments and environment "
                "stay as they are."
            ),
        ),
        (
            "profile",
            _("Use the answers of this wizard"),
            _("All of it becomes as Method says. Rolling back brings the former ones back."),
        ),
    )


def account_words(account: str, name: str, *, known: bool) -> str:
    """Return what an account may do, and whether its password is known."""
    if account == "LocalSystem":
        return _("May do everything on this server; on the network it is the computer itself.")
    if account == "LocalService":
        return _("Few rights on this server, none on the network. Shared with other services.")
    if account == "NetworkService":
        return _(
            "Few rights on this server; on the network it is the computer itself. Shared with "
            "other services."
        )
    if account == "virtual":
        return _(
            "An account of its own, NT SERVICE\\{name}, that Windows makes. Few rights, no "
            "password: the safest where it is enough."
        ).format(name=name)
    if not needs_password(account):
        return _("A group managed account: the domain keeps its password.")
    if known:
        return _("Its password is known. It is sent to the server when the service is made.")
    return _("Windows logs it on with its password.")
