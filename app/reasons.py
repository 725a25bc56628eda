"""Why the system refused, in the user's language: what it says itself is mostly English."""

from __future__ import annotations

import errno
import socket

from app.i18n import _
from app.patience import is_held

# The numbers of these are from other lists: 1 is no lack of permission there. By name, for nothing
# can be imported where the system refuses files.
NUMBERS = {
    TimeoutError: errno.ETIMEDOUT,
    ConnectionRefusedError: errno.ECONNREFUSED,
    ConnectionResetError: errno.ECONNRESET,
    BrokenPipeError: errno.EPIPE,
}
OTHER_NUMBERS = {"SSLError", "herror"}


def reason(error: BaseException) -> str:
    """Return why the system refused; in its own words where it is none of the usual reasons."""
    if not isinstance(error, OSError):
        return str(error) or type(error).__name__
    own = error.strerror or str(error) or type(error).__name__
    if isinstance(error, socket.gaierror):
        return _of_the_resolver(error.errno or 0, own)
    if OTHER_NUMBERS & {kind.__name__ for kind in type(error).__mro__}:
        return own
    usual = {
        errno.ENOENT: _("There is no such file or folder."),
        errno.EACCES: _("Access is denied."),
        errno.EPERM: _("The system does not permit it."),
        errno.EEXIST: _("It is there already."),
        errno.EISDIR: _("It is a folder."),
        errno.ENOTDIR: _("A part of its path is not a folder."),
        errno.ENOTEMPTY: _("The folder is not empty."),
        errno.ENOSPC: _("The disk is full."),
        errno.EROFS: _("It can only be read there."),
        errno.ENAMETOOLONG: _("The name is too long."),
        errno.ECONNREFUSED: _("The connection was refused: nothing listens there."),
        errno.ECONNRESET: _("The other side cut the connection."),
        errno.EPIPE: _("The other side cut the connection."),
        errno.ETIMEDOUT: _("Nothing answered in time."),
        errno.EHOSTUNREACH: _("No way leads to that host."),
        errno.ENETUNREACH: _("No way leads to that network."),
    }
    # Windows says more of a file that another program has open than Python's number does
    return own if is_held(error) else usual.get(error.errno or _number(error), own)


def _number(error: OSError) -> int:
    """Return the number of an error that was made without one, 0 if its kind has none."""
    return next((number for kind, number in NUMBERS.items() if isinstance(error, kind)), 0)


def _of_the_resolver(number: int, own: str) -> str:
    no_address = getattr(socket, "EAI_NODATA", socket.EAI_NONAME)  # not every system has it
    if number in (socket.EAI_NONAME, no_address):
        return _("No computer of this name was found.")
    if number == socket.EAI_AGAIN:
        return _("The name server did not answer.")
    return own
