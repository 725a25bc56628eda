"""A screen without a monitor, and what is to be seen on it."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self

WIDTH, HEIGHT = 1280, 900
PATIENCE = 60.0
BYTES_PER_PIXEL = 4
# where an X window dump says how long its head is, and how many colours follow it
HEAD_BYTES, COLOURS, COLOUR_BYTES = 0, 19, 12


@dataclass(frozen=True)
class Picture:
    """What a screen showed: its pixels, row by row, each as blue, green, red and nothing."""

    pixels: bytes

    def colours(self) -> Counter[tuple[int, int, int]]:
        """Return how many pixels have which colour, as red, green, blue."""
        quads = struct.iter_unpack("BBBB", self.pixels)
        return Counter((red, green, blue) for blue, green, red, _unused in quads)

    def save(self, path: Path) -> None:
        from PySide6.QtGui import QImage

        image = QImage(self.pixels, WIDTH, HEIGHT, QImage.Format.Format_RGB32)
        assert image.save(str(path))


class Screen:
    """An X server that draws into a file."""

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="slipway-screen-"))
        reading, writing = os.pipe()
        # with no -displayfd of its own choice it would have to be told a number that is free
        self._server = subprocess.Popen(
            ["Xvfb", "-displayfd", str(writing), "-fbdir", self._folder, "-nolisten", "tcp",
             "-screen", "0", f"{WIDTH}x{HEIGHT}x24"],
            pass_fds=(writing,), stderr=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(writing)
        with os.fdopen(reading) as answer:
            number = answer.readline().strip()
        assert number, "Xvfb did not start"
        self.display = f":{number}"
        return self

    def __exit__(self, *_exception: object) -> None:
        self._server.terminate()
        self._server.wait()
        shutil.rmtree(self._folder)

    @staticmethod
    def _start(dump: bytes) -> int:
        """Return where in the file the first pixel is."""
        words = struct.unpack_from(">25I", dump)
        return int(words[HEAD_BYTES] + words[COLOURS] * COLOUR_BYTES)

    def picture(self) -> Picture:
        dump = (self._folder / "Xvfb_screen0").read_bytes()
        start = self._start(dump)
        return Picture(dump[start : start + WIDTH * HEIGHT * BYTES_PER_PIXEL])

    def pixel(self, x: int, y: int) -> tuple[int, int, int]:
        """Return the red, green and blue of one pixel, without reading all of them."""
        with (self._folder / "Xvfb_screen0").open("rb") as dump:
            start = self._start(dump.read(100))
            dump.seek(start + (y * WIDTH + x) * BYTES_PER_PIXEL)
            blue, green, red, _unused = dump.read(BYTES_PER_PIXEL)
        return red, green, blue

    def wait_for(self, what: Callable[[Picture], bool], seconds: float = PATIENCE) -> Picture:
        """Return the first picture that is as wanted and does not change any more."""
        deadline = time.monotonic() + seconds
        before = self.picture()
        while time.monotonic() < deadline:
            time.sleep(0.3)
            picture = self.picture()
            if picture.pixels == before.pixels and what(picture):
                return picture
            before = picture
        raise AssertionError(f"the screen shows {before.colours().most_common(5)}")
