"""Tar archives as streams of bytes that depend on nothing but their entries."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from app.errors import SlipwayError
from app.i18n import _
from app.patience import patiently
from app.reasons import reason
from app.transport import CancelToken

CHUNK = 1 << 18


@dataclass(frozen=True, slots=True)
class Entry:
    """One member of a tar: a file with ``source``, a symbolic link with ``link``, else a folder.

    ``name`` is a relative POSIX path, ``owner`` the number of user and group, ``mtime`` in seconds.
    """

    name: str
    mode: int
    source: Path | bytes | None = None
    link: str = ""
    owner: int = 0
    mtime: int = 0


def header(entry: Entry, size: int = 0) -> bytes:
    """Return the tar header that stands before ``size`` bytes of content."""
    info = tarfile.TarInfo(entry.name)
    info.type = tarfile.DIRTYPE
    if entry.link:
        info.type, info.linkname = tarfile.SYMTYPE, entry.link
    elif entry.source is not None:
        info.type, info.size = tarfile.REGTYPE, size
    info.mode, info.uid, info.gid, info.mtime = entry.mode, entry.owner, entry.owner, entry.mtime
    # GNU and not PAX: its bytes are the same on every Python that Slipway runs on.
    return info.tobuf(tarfile.GNU_FORMAT, "utf-8", "surrogateescape")


def padding(size: int) -> bytes:
    """Return what fills ``size`` bytes of content up to whole blocks."""
    return bytes(-size % tarfile.BLOCKSIZE)


def ending(size: int) -> bytes:
    """Return what closes an archive that is ``size`` bytes long so far."""
    blocks = 2 * tarfile.BLOCKSIZE
    return bytes(blocks + -(size + blocks) % tarfile.RECORDSIZE)


def stream(entries: Iterable[Entry], cancel: CancelToken | None = None) -> Iterator[bytes]:
    """Yield a whole tar archive, never more than one chunk of it in memory.

    Raises SlipwayError when a file can't be read or shrinks meanwhile, Cancelled.
    """
    written = 0
    for entry in entries:
        for piece in _member(entry):
            if cancel:
                cancel.check()
            written += len(piece)
            yield piece
    yield ending(written)


def digest_of(pieces: Iterable[bytes]) -> tuple[str, int]:
    """Return SHA-256 as ``sha256:…`` and size in bytes of a stream, reading it to its end."""
    digest, size = hashlib.sha256(), 0
    for piece in pieces:
        digest.update(piece)
        size += len(piece)
    return f"sha256:{digest.hexdigest()}", size


def write_gzip(pieces: Iterable[bytes], dest: Path) -> int:
    """Write a gzip file of ``pieces``, whole or not at all; return its size in bytes.

    Raises SlipwayError when the disk is full or ``dest`` can't be written.
    """
    part = dest.with_name(f"{dest.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as file:
            # Level 6: a higher one costs three times the time for less than 1 %.
            with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                for piece in pieces:
                    packed.write(piece)
            size = file.tell()
        patiently(lambda: part.replace(dest))
        return size
    except OSError as error:
        raise SlipwayError(
            _("{path} can't be written").format(path=dest),
            reason(error),
            _("Make room on the disk, or check that you may write there, then try again."),
        ) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _member(entry: Entry) -> Iterator[bytes]:
    if isinstance(entry.source, Path):
        yield from _file(entry, entry.source)
    elif entry.source is not None:
        yield header(entry, len(entry.source))
        yield entry.source + padding(len(entry.source))
    else:
        yield header(entry)


def _file(entry: Entry, path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            yield header(entry, size)
            yield from _content(file, path, size)
            yield padding(size)
    except OSError as error:
        raise unreadable(path, error) from error


def _content(file: BinaryIO, path: Path, size: int) -> Iterator[bytes]:
    left = size
    while left:
        piece = file.read(min(CHUNK, left))
        if not piece:
            raise SlipwayError(
                _("{path} changed while it was being read").format(path=path),
                _("It was {size} bytes long and is now shorter.").format(size=size),
                _("Let no other program write to it, or leave it out, then try again."),
            )
        left -= len(piece)
        yield piece


def unreadable(path: Path, error: OSError) -> SlipwayError:
    """Return the error for a file or folder that this computer can't read."""
    return SlipwayError(
        _("{path} can't be read").format(path=path),
        reason(error),
        _("Check that it is there and that you may read it, then try again."),
    )
