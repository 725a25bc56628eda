"""A file on its way to a machine."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from pathlib import Path

PIECE_BYTES = 1024 * 1024
GZIP = 16 + zlib.MAX_WBITS


class Reading:
    """A file that is read piece by piece in one thread, its progress seen from another.

    ``total`` and ``sha256`` are those of its content, ``done`` counts the bytes that were read.
    """

    def __init__(self, source: Path) -> None:
        self._source = source
        with source.open("rb") as file:
            self.sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            self.total = file.tell()
        self.done = 0

    def pieces(self) -> Iterator[bytes]:
        """Yield the content, from its beginning."""
        self.done = 0
        with self._source.open("rb") as file:
            while piece := file.read(PIECE_BYTES):
                yield piece
                self.done += len(piece)

    def packed(self, level: int) -> Iterator[bytes]:
        """Yield the content as one gzip member."""
        packer = zlib.compressobj(level, zlib.DEFLATED, GZIP)
        for piece in self.pieces():
            yield packer.compress(piece)
        yield packer.flush()
