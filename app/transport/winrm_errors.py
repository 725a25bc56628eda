"""What can go wrong with WinRM, in words: what happened, why, what to do on the server."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import requests
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from app.errors import AuthError, ConnectError, ConnectionLost
from app.i18n import _
from app.reasons import reason

FILTERED = (
    r"New-ItemProperty -Force -PropertyType DWord -Name LocalAccountTokenFilterPolicy -Value 1 "
    r"-Path HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System"
)
# what the ways to log in call themselves, in every language
NAMES = {"ntlm": "NTLM", "kerberos": "Kerberos", "credssp": "CredSSP", "basic": "Basic"}
EXTRAS = {"kerberos": "pywinrm[kerberos]", "credssp": "pywinrm[credssp]"}


def causes(problem: BaseException | None) -> Iterator[BaseException]:
    """Yield an error and all that led to it, urllib3's ``reason`` included."""
    seen: list[BaseException] = []
    todo = [problem]
    while todo:
        error = todo.pop()
        if error is None or error in seen:
            continue
        seen.append(error)
        yield error
        inner = [part for part in error.args if isinstance(part, BaseException)]
        todo += [error.__cause__, error.__context__, getattr(error, "reason", None), *inner]


def never_sent(problem: BaseException) -> bool:
    """Return whether there was no connection that anything could have been sent over."""
    kinds = (NewConnectionError, NameResolutionError, ConnectTimeoutError, requests.ConnectTimeout)
    return any(isinstance(error, kinds) for error in causes(problem))


def unreachable(target: object, port: int, problem: BaseException) -> ConnectError:
    """Return the error for a server that can't be connected to."""
    found = tuple(causes(problem))
    if any(isinstance(error, socket.gaierror | NameResolutionError) for error in found):
        return ConnectError(
            _("The name of {target} is not known.").format(target=target),
            _reason(problem),
            _("Check the address, and whether you need a VPN to see it."),
        )
    if any(isinstance(error, ConnectionRefusedError) for error in found):
        return ConnectError(
            _("{target} refuses connections at port {port}.").format(target=target, port=port),
            _("The machine is there, but WinRM does not listen on this port."),
            _(
                "An administrator opens it there. The lines for that stand under “Prepare the "
                "server” on the wizard's Server page, and in docs/prepare-a-server.md."
            ),
        )
    if any(isinstance(error, TimeoutError | ConnectTimeoutError) for error in found):
        return ConnectError(
            _("{target} does not answer at port {port}.").format(target=target, port=port),
            _reason(problem),
            _(
                "Check the address, whether the server is on, your VPN, and that its firewall "
                "lets WinRM in."
            ),
        )
    return ConnectError(
        _("{target} can't be reached at port {port}.").format(target=target, port=port),
        _reason(problem),
        _("Check address and port, and whether it is http or https that WinRM listens for there."),
    )


def not_winrm(target: object, said: str) -> ConnectError:
    """Return the error for something else than WinRM having answered."""
    return ConnectError(
        _("No WinRM answers at {target}.").format(target=target),
        said,
        _("Check the port (5986 for https, 5985 for http): another program may listen there."),
    )


def login_refused(target: object, auth: str) -> AuthError:
    """Return the error for a login that the server did not accept."""
    hint = _("Check user and password; the user of a domain is written DOMAIN\\user.")
    if auth == "basic":
        hint = _(
            "Check user and password. Basic authentication is for local accounts and is off at "
            "first; this allows it there: {command}"
        ).format(command=r"Set-Item WSMan:\localhost\Service\Auth\Basic $true")
    if auth == "credssp":
        hint = _("Check user and password, and allow CredSSP there: {command}").format(
            command="Enable-WSManCredSSP -Role Server -Force"
        )
    return AuthError(
        _("{target} refused the login.").format(target=target),
        _("It does not accept this user with this password over {auth}.").format(auth=NAMES[auth]),
        hint,
        needs="password",
    )


def login_broke(target: object, auth: str, problem: BaseException) -> AuthError:
    """Return the error for a login that did not come to its end."""
    hint = _("Choose another authentication, or ask the server's administrator what it allows.")
    if auth == "kerberos":
        hint = _("Get a ticket first (kinit), and name the server as its domain does.")
    return AuthError(
        _("{target} broke off the login.").format(target=target), _reason(problem), hint
    )


def password_missing(target: object) -> AuthError:
    """Return the error for a password that nobody gave."""
    return AuthError(
        _("{target} asks for a password.").format(target=target),
        _("None was given."),
        _("Give the password of this user."),
        needs="password",
    )


def user_missing(target: object) -> AuthError:
    """Return the error for a target without a user."""
    return AuthError(
        _("WinRM at {target} needs a user.").format(target=target),
        _("The target names none."),
        _("Write user, DOMAIN\\user or user@domain into the target."),
    )


def unprotected(target: object) -> ConnectError:
    """Return the error for Basic over plain HTTP."""
    return ConnectError(
        _("The password would go to {target} unprotected: nothing was sent.").format(target=target),
        _("Basic authentication over http encrypts nothing."),
        _("Choose https, or NTLM, which encrypts over http too."),
    )


def no_extra(target: object, auth: str) -> ConnectError:
    """Return the error for an authentication whose library is not installed here."""
    return ConnectError(
        _("{target} can't be reached with {auth} from here.").format(
            target=target, auth=NAMES[auth]
        ),
        _("This Slipway came without the library for it."),
        _("Install it beside Slipway: pip install {name}").format(name=f'"{EXTRAS[auth]}"'),
    )


def access_denied(target: object) -> AuthError:
    """Return the error for an account that may log in but not run anything."""
    return AuthError(
        _("{target} lets this user in, but not run anything.").format(target=target),
        _("Access is denied (5): the account is no administrator, or its rights are filtered."),
        _(
            "Use an administrator of the domain, or the built-in one. For other local "
            "administrators, have this run there in PowerShell: {command}"
        ).format(command=FILTERED),
    )


def too_large(target: object) -> tuple[str, str, str]:
    """Return title, detail and hint for a server that takes not even small messages."""
    return (
        _("{target} takes no messages of this size.").format(target=target),
        "HTTP 413",
        _("Allow what is usual there: {command}").format(
            command=r"Set-Item WSMan:\localhost\MaxEnvelopeSizekb 500"
        ),
    )


def refused(target: object, number: int, reason: str) -> ConnectError:
    """Return the error for a request that the server refused with a number of its own."""
    if number in (2150859173, 2150859174):
        return ConnectError(
            _("{target} runs as many remote shells as it may.").format(target=target),
            f"{reason} ({number})",
            _("Wait until others are done, or raise the limits there: {command}").format(
                command=r"Set-Item WSMan:\localhost\Shell\MaxShellsPerUser 100"
            ),
        )
    return ConnectError(
        _("{target} refused what was asked.").format(target=target),
        f"{reason} ({number})",
        _("Try again; if it stays so, restart the service WinRM there."),
    )


def lost(target: object, reason: str) -> ConnectionLost:
    """Return the error for a connection that broke and could not be taken up again."""
    return ConnectionLost(
        _("The connection to {target} is lost.").format(target=target),
        reason,
        _("What ran there may have ended or not. Connect again: Slipway then says what is done."),
    )


def _reason(problem: BaseException) -> str:
    for error in causes(problem):
        if isinstance(error, OSError) and error.strerror and error.errno:
            return reason(error)
    return reason(problem)
