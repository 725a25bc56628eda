"""What is dragged onto the window: a project's folder, its go.mod, or a slipway.toml."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QMimeData


def dropped_path(data: QMimeData) -> Path | None:
    """Return the folder that is being dropped, or the slipway.toml, or None for anything else.

    A go.mod stands for its folder.
    """
    urls = data.urls()
    if len(urls) != 1 or not urls[0].isLocalFile():
        return None
    path = Path(urls[0].toLocalFile())
    if path.name == "go.mod":
        return path.parent
    return path if path.is_dir() or path.suffix == ".toml" else None
