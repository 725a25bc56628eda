"""The entry point, and the only place that wires everything together."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from app.i18n import _, use_language

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from ui.wizard import Wizard


def main(argv: Sequence[str] | None = None) -> int:
    """Run Slipway: without a command, or with ``open FILE``, its window; else the command line.

    Returns the exit code; 2 if the window can't be opened.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments[:1] == ["open"] and len(arguments) == 2 and not arguments[1].startswith("-"):
        return _open_window(Path(arguments[1]))
    if not arguments:
        return _open_window(None)
    if arguments[0] == "demo":
        from app.demo import sample_profile, window_wanted

        if window_wanted(arguments):
            return _open_window(sample_profile())
    from app.cli import main as command_line

    return command_line(arguments)


def _open_window(path: Path | None) -> int:
    use_language()
    if path is not None and not path.exists():
        sys.stderr.write(_("{path} does not exist.").format(path=path) + "\n")
        return 2
    if _no_display():
        sys.stderr.write(_no_display_text() + "\n")
        return 2
    try:
        from PySide6.QtWidgets import QApplication
    except ImportError as problem:
        sys.stderr.write(_no_qt(problem) + "\n")
        return 2
    application = QApplication(sys.argv[:1])
    prepare(application)
    window = make_wizard()
    if path is not None:
        window.open(path)
    window.show()
    return application.exec()


def prepare(application: QApplication) -> None:
    """Give the application its name, look and words, and a dialog for bugs."""
    from PySide6.QtCore import QLibraryInfo, QLocale, QTranslator
    from PySide6.QtGui import QIcon

    from ui.crash import CrashReporter
    from ui.theme import RESOURCES, theme

    application.setApplicationName("slipway")
    application.setApplicationDisplayName("Slipway")
    application.setDesktopFileName("slipway")
    application.setWindowIcon(QIcon(str(RESOURCES / "icons" / "slipway.svg")))
    words = QTranslator(application)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if words.load(QLocale.system(), "qtbase", "_", folder):
        application.installTranslator(words)
    theme()
    reporter = CrashReporter(application)
    sys.excepthook = reporter.report
    threading.excepthook = _thread_broke


def make_wizard() -> Wizard:
    """Return the wizard's window with all its pages, and the two windows beside it."""
    from app.history import History
    from ui.draft import Draft
    from ui.pages.build import BuildPage
    from ui.pages.method import MethodPage
    from ui.pages.project import ProjectPage
    from ui.pages.server import ServerPage
    from ui.windows import Windows
    from ui.wizard import Wizard

    draft = Draft()
    history = History()
    windows = Windows(draft, history)
    server = ServerPage(draft)
    pages = (ProjectPage(draft), BuildPage(draft), MethodPage(draft), server)
    wizard = Wizard(draft, pages, history, windows.shown)
    server.take_back.connect(wizard.review.take_back)
    server.finish.connect(wizard.review.finish)
    wizard.show_history.connect(windows.show_history)
    wizard.show_server.connect(windows.show_server)
    windows.setParent(wizard)
    return wizard


def _thread_broke(args: threading.ExceptHookArgs) -> None:
    if args.exc_type is not SystemExit and args.exc_value is not None:
        sys.excepthook(args.exc_type, args.exc_value, args.exc_traceback)


def _no_display() -> bool:
    """Return whether Qt would abort the process for want of a display."""
    import os

    if sys.platform in ("win32", "darwin"):
        return False
    named = os.environ.get("QT_QPA_PLATFORM", "")
    if named and named.split(":")[0] not in ("xcb", "wayland"):
        return False
    return not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def _no_display_text() -> str:
    return _(
        "There is no display to open a window on.\n"
        "Use the command line instead (“slipway --help”), or set DISPLAY."
    )


def _no_qt(problem: ImportError) -> str:
    return _(
        "The window can't be opened: Qt can't be loaded ({problem}).\n"
        "On Linux it needs libegl1, libgl1, libxkbcommon0 and libdbus-1-3. "
        "The command line works without it: “slipway --help”."
    ).format(problem=problem)


if __name__ == "__main__":
    sys.exit(main())
