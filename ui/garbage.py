"""Cyclic garbage is collected on the GUI thread only."""

from __future__ import annotations

import gc

from PySide6.QtCore import QObject, QTimer

INTERVAL = 1000  # milliseconds


class GarbageCollector(QObject):
    """Takes over from Python's own collector for as long as it lives.

    Python collects on whichever thread happens to allocate. If that is a worker's, a widget in
    the garbage is destroyed there, its timers are not, and Qt crashes at their next event.
    """

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        gc.disable()
        self._timer = QTimer(self)
        self._timer.timeout.connect(self.check)
        self._timer.start(INTERVAL)

    def check(self) -> None:
        """Collect the generations that Python itself would have collected by now."""
        youngest, middle, oldest = gc.get_count()
        limits = gc.get_threshold()
        if youngest > limits[0]:
            gc.collect(0)
        if middle > limits[1]:
            gc.collect(1)
        if oldest > limits[2]:
            gc.collect(2)
