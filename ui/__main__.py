"""The entry point, and the only place that wires everything together."""

from __future__ import annotations

import gc
import sys
import threading
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from app.i18n import _, use_language
from app.packaged import QT_VERB, is_packaged, leave_packaging

if TYPE_CHECKING:
    from PySide6.QtWidgets import QApplication

    from app.history import History
    from ui.pages.page import Page
    from ui.wizard import Wizard


def main(argv: Sequence[str] | None = None) -> int:
    """Run Slipway: without a command, or with ``open FILE``, its window; else the command line.

    Returns the exit code; 2 if the window can't be opened.
    """
    if is_packaged():
        leave_packaging()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments == [QT_VERB]:
        import_module("PySide6.QtWidgets")
        return 0
    if arguments[:1] == ["open"] and len(arguments) == 2 and not arguments[1].startswith("-"):
        return _run_window(Path(arguments[1]))
    if not arguments:
        return _run_window(None)
    if arguments[0] == "demo":
        from app.demo import window_wanted
        from app.sample import sample_profile

        if window_wanted(arguments):
            return _run_window(sample_profile())
    from app.cli import main as command_line

    return command_line(arguments, _run_window)


def _run_window(path: Path | None, language: str = "") -> int:
    from ui.settings import Settings

    use_language(language or Settings().language)
    if path is not None and not path.exists():
        missing = _("{path} does not exist.").format(path=path)
        hint = _("Check the name of the file; “slipway” without a command makes a new one.")
        _complain(_("Error: {text}").format(text=f"{missing}\n{hint}"))
        return 2
    if _no_display():
        _complain(_no_display_text())
        return 2
    try:
        application, window = open_window()
    except ImportError as problem:
        if not (problem.name or "").startswith(("PySide6", "shiboken6")):
            raise
        _complain(_no_qt(problem))
        return 2
    if path is not None:
        window.open(path)
    return application.exec()


def _complain(text: str) -> None:
    """Say why there is no window; where there is no console either, in a dialog."""
    if sys.stderr is not None:
        sys.stderr.write(text + "\n")
        return
    from PySide6.QtWidgets import QApplication, QMessageBox

    application = QApplication(sys.argv[:1])
    QMessageBox.critical(None, application.applicationDisplayName(), text)


def open_window() -> tuple[QApplication, Wizard]:
    """Show the wizard; returns the application, whose event loop is still to be run."""
    # GarbageCollector takes over; until then, imports make no garbage worth looking for
    gc.disable()
    # Once PySide6 is there it reads the source of every module that is imported.
    import_module("app.rules")
    import_module("platformdirs")
    from PySide6.QtWidgets import QApplication

    # setStyle() would do the same later; it makes all of QStyle's enums
    application = QApplication([*sys.argv[:1], "-style", "Fusion"])
    prepare(application)
    window = make_wizard()
    window.show()
    return application, window


def prepare(application: QApplication) -> None:
    """Give the application its name, look and words, and a dialog for bugs."""
    from PySide6.QtGui import QIcon

    from ui.crash import CrashReporter
    from ui.garbage import GarbageCollector
    from ui.language import translate_qt
    from ui.theme import RESOURCES, theme

    application.setApplicationName("slipway")
    application.setApplicationDisplayName("Slipway")
    application.setDesktopFileName("slipway")
    application.setWindowIcon(QIcon(str(RESOURCES / "icons" / "slipway.svg")))
    translate_qt(application)
    theme()
    GarbageCollector(application)
    reporter = CrashReporter(application)
    sys.excepthook = reporter.report
    threading.excepthook = _thread_broke


def make_wizard() -> Wizard:
    """Return the wizard's window with all its pages."""
    from ui.draft import Draft
    from ui.theme import theme
    from ui.wizard import Slot, Wizard

    draft = Draft()
    if draft.settings.appearance != "system":
        theme().choose(draft.settings.appearance)

    def project() -> Page:
        from ui.pages.project import ProjectPage

        return ProjectPage(draft)

    def build() -> Page:
        from ui.pages.build import BuildPage

        return BuildPage(draft)

    def method() -> Page:
        from ui.pages.method import MethodPage

        return MethodPage(draft)

    def server() -> Page:
        from ui.pages.server import ServerPage

        page = ServerPage(draft)
        page.take_back.connect(wizard.take_back)
        page.finish.connect(wizard.finish)
        return page

    def history() -> History:
        from app.history import History

        return History()

    slots = (
        Slot(_("Project"), project),
        Slot(_("Build"), build),
        Slot(_("Method"), method),
        Slot(_("Server"), server),
    )
    wizard = Wizard(draft, slots, history)
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
