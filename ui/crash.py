"""What becomes of exceptions nobody expected: a report that can be passed on."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QObject, Qt, Signal

from ui.environment import environment_text

if TYPE_CHECKING:
    from ui.crash_dialog import CrashDialog


class CrashReporter(QObject):
    """Takes exceptions nobody expected, from any thread, and shows the first of them.

    The whole traceback goes to stderr; the dialog's report holds no exception's own words.
    """

    _broke = Signal(str)

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self.dialog: CrashDialog | None = None
        # queued: the exception may come from a thread, or from the middle of a paint event
        self._broke.connect(self._show, Qt.ConnectionType.QueuedConnection)

    def report(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        """Take one exception; fits ``sys.excepthook``."""
        import traceback

        if issubclass(kind, KeyboardInterrupt):
            QCoreApplication.exit(130)
            return
        traceback.print_exception(kind, error, trace, file=sys.stderr)
        self._broke.emit(crash_report(kind, error, trace))

    def _show(self, report: str) -> None:
        from ui.crash_dialog import CrashDialog

        if self.dialog is not None and self.dialog.isVisible():
            return
        self.dialog = CrashDialog(report)
        self.dialog.show()


def crash_report(
    kind: type[BaseException], error: BaseException | None, trace: TracebackType | None
) -> str:
    """Return what is needed to find a bug.

    The exception's own words are left out: they may quote what the user typed, secrets included;
    places in the code never do.
    """
    import traceback

    frames = traceback.extract_tb(trace)
    places = [f"  {frame.filename}:{frame.lineno} in {frame.name}" for frame in frames]
    cause = error.__cause__ or error.__context__ if error is not None else None
    name = f"{kind.__module__}.{kind.__qualname__}"
    parts = [name, *places]
    if cause is not None:
        parts.append(f"after {type(cause).__module__}.{type(cause).__qualname__}")
    return "\n".join([*parts, "", environment_text()]) + "\n"
