"""Where the builds lie until the wizard is closed."""

from __future__ import annotations

import shutil
import tempfile
from collections import deque
from pathlib import Path

KEPT = 2


class BuildFolders:
    """One folder for each build; the last ones are kept: a run may still be sending from one."""

    def __init__(self) -> None:
        self._folders: deque[Path] = deque()

    def make(self) -> Path:
        """Return a new folder."""
        folder = Path(tempfile.mkdtemp(prefix="slipway-build-"))
        self._folders.append(folder)
        return folder

    @property
    def newest(self) -> Path:
        """The folder that was made last."""
        return self._folders[-1]

    def trim(self, newest: Path) -> None:
        """Remove what is older than the kept ones; never ``newest``, which was just built."""
        while len(self._folders) > KEPT and self._folders[0] != newest:
            self._remove_oldest()

    def clear(self) -> None:
        """Remove all."""
        while self._folders:
            self._remove_oldest()

    def _remove_oldest(self) -> None:
        shutil.rmtree(self._folders.popleft(), ignore_errors=True)
