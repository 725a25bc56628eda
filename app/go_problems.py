"""What Go's own messages mean, and what to do about them."""

from __future__ import annotations

import re
from collections.abc import Iterator

from app.errors import ProjectError, SlipwayError, ToolchainError
from app.i18n import _
from app.toolchain import Toolchain
from app.transport.output import without_url_passwords

_DOWNLOAD = (
    r"dial tcp|(Get|reading) \"?https?://|lookup \S+( on \S+)?: |module lookup disabled|"
    r"unrecognized import path|unknown revision"
)
_MISSING = (
    r"missing go\.sum entry|updates to go\.(mod|sum)|no required module provides|is not in std|"
    r"cannot find (module|package)"
)


def go_problem(text: str, toolchain: Toolchain) -> SlipwayError | None:
    """Return the error that go's own words stand for, or None if they name no known one."""
    text = without_url_passwords(text)
    if match := re.search(r"requires go ?>= ?(\S+)|download (go1[^\s:]+)", text):
        return _too_old(match.group(1) or match.group(2).removeprefix("go"), toolchain, text)
    for pattern, title, hint in _problems():
        if re.search(pattern, text):
            return ProjectError(title, text.strip(), hint)
    return None


def _problems() -> Iterator[tuple[str, str, str]]:
    """Yield pattern, title and hint, the most particular first."""
    yield (
        r"inconsistent vendoring",
        _("The vendor folder does not match go.mod"),
        _("Run “go mod vendor” in the project, or delete the folder vendor."),
    )
    yield (
        r"checksum mismatch|SECURITY ERROR",
        _("A downloaded module is not the one that go.sum expects"),
        _("Find out why it changed before anything else; then run “go mod tidy”."),
    )
    yield (
        r"errors parsing (\S*[/\\])?go\.work|go\.work:\d+:|listed in go\.work",
        _("The file go.work cannot be used"),
        _("Correct go.work where it says so; “go work use” adds and removes modules."),
    )
    yield (
        r"errors parsing (\S*[/\\])?go\.mod|go\.mod:\d+:",
        _("The file go.mod cannot be used"),
        _("Correct go.mod in the line that is named; “go mod edit -fmt” shows what is wrong."),
    )
    yield (
        _DOWNLOAD,
        _("Go could not download a module"),
        _(
            "Check the network and the module's name. Behind a proxy set GOPROXY, for private "
            "modules GOPRIVATE, in the build's environment; or vendor the modules."
        ),
    )
    yield (
        _MISSING,
        _("The program imports a package that the project does not have"),
        _("Run “go mod tidy” in the project, or correct the import."),
    )


def _too_old(needed: str, toolchain: Toolchain, text: str) -> ToolchainError:
    return ToolchainError(
        _("Go {version} is too old for this project").format(version=toolchain.version),
        _("It needs Go {needed}.").format(needed=needed.rstrip(";,")) + "\n" + text.strip(),
        _(
            "Install Go {needed} or newer, or let Go fetch it: set GOTOOLCHAIN to “auto” in the "
            "build's environment."
        ).format(needed=needed.rstrip(";,")),
    )
