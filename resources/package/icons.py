"""The program's icon in the formats of the three desktops, drawn from the SVG."""

from __future__ import annotations

import os
import struct
from pathlib import Path

PNG_SIZES = (16, 24, 32, 48, 64, 128, 256, 512, 1024)
WINDOWS_SIZES = (16, 24, 32, 48, 64, 128, 256)
# what macOS calls an image of so many pixels, plain and for screens of twice the density
MACOS_TYPES = {
    b"icp4": 16, b"icp5": 32, b"icp6": 64, b"ic07": 128, b"ic08": 256, b"ic09": 512,
    b"ic10": 1024, b"ic11": 32, b"ic12": 64, b"ic13": 256, b"ic14": 512,
}  # fmt: skip


def write_icons(svg: Path, folder: Path) -> None:
    """Write slipway.ico, slipway.icns and slipway-SIZE.png into ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn = draw(svg)
    for size, png in drawn.items():
        (folder / f"slipway-{size}.png").write_bytes(png)
    (folder / "slipway.ico").write_bytes(windows_icon(drawn))
    (folder / "slipway.icns").write_bytes(macos_icon(drawn))


def draw(svg: Path) -> dict[int, bytes]:
    """Return the picture as PNG in every size, in pixels; on a transparent ground."""
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
    from PySide6.QtCore import QBuffer, QIODevice, Qt
    from PySide6.QtGui import QGuiApplication, QImage, QPainter
    from PySide6.QtSvg import QSvgRenderer

    application = QGuiApplication.instance() or QGuiApplication(["icons"])
    renderer = QSvgRenderer(str(svg), application)
    if not renderer.isValid():
        raise ValueError(f"{svg} is not a picture")
    drawn = {}
    for size in PNG_SIZES:
        image = QImage(size, size, QImage.Format.Format_ARGB32)
        image.fill(Qt.GlobalColor.transparent)
        painter = QPainter(image)
        renderer.render(painter)
        painter.end()
        buffer = QBuffer()
        buffer.open(QIODevice.OpenModeFlag.WriteOnly)
        image.save(buffer, "PNG")
        drawn[size] = bytes(buffer.data().data())
    return drawn


def windows_icon(drawn: dict[int, bytes]) -> bytes:
    """Return an .ico of PNGs, which Windows reads since Vista."""
    head = struct.pack("<HHH", 0, 1, len(WINDOWS_SIZES))
    place = len(head) + 16 * len(WINDOWS_SIZES)
    entries, pictures = b"", b""
    for size in WINDOWS_SIZES:
        png = drawn[size]
        side = size % 256  # 0 stands for 256
        entries += struct.pack(
            "<BBBBHHII", side, side, 0, 0, 1, 32, len(png), place + len(pictures)
        )
        pictures += png
    return head + entries + pictures


def macos_icon(drawn: dict[int, bytes]) -> bytes:
    """Return an .icns of PNGs."""
    parts = b"".join(
        name + struct.pack(">I", 8 + len(drawn[size])) + drawn[size]
        for name, size in MACOS_TYPES.items()
    )
    return b"icns" + struct.pack(">I", 8 + len(parts)) + parts
