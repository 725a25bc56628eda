"""What a request for a Windows service must be like: rules that need no machine."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.errors import Problem
from app.i18n import _
from app.request import DeployRequest, WindowsOptions

# the name under which the password of the service's account is kept among the service's secrets
ACCOUNT_PASSWORD = "ACCOUNT_PASSWORD"  # noqa: S105
BUILT_IN_ACCOUNTS = ("LocalSystem", "LocalService", "NetworkService", "virtual")
ACCOUNT = re.compile(r"[^\\/\[\]:;|=,+*?<>\"@\s][^\\/\[\]:;|=,+*?<>\"@]*")
SERVICE = re.compile(r"[^\\/\x00-\x1f]{1,256}")
SIZE = re.compile(r"[1-9]\d*[kmg]", re.ASCII)
SERVER_FILE = re.compile(r"[A-Za-z]:[\\/][^<>\"|?*\x00-\x1f]+")
RESERVED = re.compile(r"con|prn|aux|nul|com\d|lpt\d", re.ASCII)
MOST_RESTARTS = 10


def needs_password(account: str) -> bool:
    """Return whether an account logs on with a password: built-in, virtual and gMSA ones don't."""
    return account not in BUILT_IN_ACCOUNTS and not account.endswith("$")


def windows_problems(request: DeployRequest) -> Iterator[Problem]:
    """Yield what is wrong with the answers for a Windows service, and what is doubtful."""
    if request.deploy.kind != "windows-service":
        return
    windows = request.deploy.windows
    if RESERVED.fullmatch(request.name):
        yield Problem(
            "name",
            _("“{name}” is a name that Windows keeps for a device.").format(name=request.name),
            _("Choose another one."),
        )
    if ACCOUNT_PASSWORD in request.deploy.secrets:
        yield Problem(
            "deploy.secrets",
            _("{name} is the password of the service's account.").format(name=ACCOUNT_PASSWORD),
            _("Give the program's secret another name."),
        )
    yield from _account(windows)
    yield from _texts(windows)
    yield from _times(windows)
    yield from _nssm(windows)


def _account(windows: WindowsOptions) -> Iterator[Problem]:
    account = windows.account
    if account in BUILT_IN_ACCOUNTS:
        return
    domain, slash, user = account.rpartition("\\")
    if not slash or not ACCOUNT.fullmatch(user) or not (domain == "." or ACCOUNT.fullmatch(domain)):
        yield Problem(
            "deploy.windows.account",
            _("“{account}” can't be the account of a service.").format(account=account),
            _("Choose one of {known}, or write DOMAIN\\user, .\\user or DOMAIN\\gmsa$.").format(
                known=", ".join(BUILT_IN_ACCOUNTS)
            ),
        )
    elif needs_password(account) and not windows.grant_logon:
        yield Problem(
            "deploy.windows.grant-logon",
            _("{account} may lack the right “Log on as a service”: then the start fails.").format(
                account=account
            ),
            _("Let Slipway grant it, or see that it is granted by your domain."),
            blocking=False,
        )


def _texts(windows: WindowsOptions) -> Iterator[Problem]:
    for key, text, limit in (
        ("display-name", windows.display_name, 256),
        ("description", windows.description, 1024),
    ):
        if len(text) > limit or any(ord(letter) < 32 for letter in text):
            yield Problem(
                f"deploy.windows.{key}",
                _("This must be one line of at most {limit} characters.").format(limit=limit),
            )
    for name in windows.dependencies:
        if not SERVICE.fullmatch(name):
            yield Problem(
                "deploy.windows.dependencies",
                _("“{name}” can't be the name of a service.").format(name=name),
                _("Write the short names that “sc query” shows, like Tcpip."),
            )
    for argument in windows.smoke:
        if "\0" in argument:
            yield Problem("deploy.windows.smoke", _("An argument can't contain a NUL character."))
    if not SIZE.fullmatch(windows.log_max_size):
        yield Problem(
            "deploy.windows.log-max-size",
            _("“{value}” can't be used.").format(value=windows.log_max_size),
            _("Allowed: {words}.").format(words=_("a size, like 10m")),
        )


def _times(windows: WindowsOptions) -> Iterator[Problem]:
    if not 1 <= windows.stop_timeout <= 600:
        yield Problem(
            "deploy.windows.stop-timeout",
            _("A service gets between 1 second and 10 minutes to stop."),
        )
    if len(windows.restart) > MOST_RESTARTS:
        yield Problem(
            "deploy.windows.restart",
            _("At most {count} restarts can be told.").format(count=MOST_RESTARTS),
        )
    if any(not 0 <= delay <= 3600 for delay in windows.restart):
        yield Problem("deploy.windows.restart", _("A restart waits between 0 seconds and an hour."))


def _nssm(windows: WindowsOptions) -> Iterator[Problem]:
    if windows.nssm and windows.nssm_file:
        yield Problem(
            "deploy.windows.nssm-file",
            _("NSSM lies either on the server or on this computer, not both."),
            _("Remove one of them."),
        )
    if windows.nssm and not SERVER_FILE.fullmatch(windows.nssm):
        yield Problem(
            "deploy.windows.nssm",
            _("“{path}” is not a file on a Windows server.").format(path=windows.nssm),
            _("Write the whole path, like C:\\tools\\nssm.exe."),
        )
    if (windows.nssm or windows.nssm_file) and windows.host != "nssm":
        yield Problem(
            "deploy.windows.nssm",
            _("NSSM is named but not used."),
            _('Choose host = "nssm", or remove it.'),
        )
