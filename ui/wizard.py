"""The wizard's window: side bar, pages, and the way through them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QCloseEvent,
    QDragEnterEvent,
    QDragLeaveEvent,
    QDragMoveEvent,
    QDropEvent,
    QKeySequence,
    QPaintEvent,
    QShortcut,
)
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QMainWindow,
    QScrollArea,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app import rules
from app.errors import SlipwayError
from app.events import Outcome
from app.i18n import _
from app.request import DeployRequest
from ui.draft import Draft
from ui.dropping import DropHint, make_harmless, take
from ui.menus import Menus
from ui.pages.page import Page
from ui.settings import BegunRun
from ui.widgets.basics import button, put_in_tab_order, tab_mark
from ui.widgets.reason import Reason
from ui.widgets.side_bar import Entry, Place, SideBar

if TYPE_CHECKING:
    from app.history import History
    from ui.dialogs import ConfirmDialog
    from ui.notification import Notifier
    from ui.pages.deploy import DeployPage
    from ui.pages.review import ReviewPage
    from ui.run import Task
    from ui.windows import Windows

# What the first page does not need is imported and made after it shows: a window that is there at
# once is worth imports inside functions.

CONTENT_WIDTH = 860
BUILD, METHOD, SERVER = 1, 2, 3  # these pages' places
AHEAD = 40  # milliseconds between the pages that are made ahead, once the first one is painted


@dataclass(frozen=True, slots=True)
class Slot:
    """A page's place in the wizard: its title, and how it is made once it is needed."""

    title: str
    make: Callable[[], Page]


class Wizard(QMainWindow):
    """Leads through ``slots``, then Review and Deploy; forward only while nothing is missing.

    Review is the commit page: from Deploy there is no way back while a run is on. Only the first
    page is made at once, the others once it is painted.
    """

    page_changed = Signal(int)

    def __init__(self, draft: Draft, slots: Sequence[Slot], history: Callable[[], History]) -> None:
        super().__init__()
        self.draft = draft
        self._make_history = history
        self._history: History | None = None
        self._begun: tuple[Path, BegunRun] | None = None  # what runs, or ran last
        self._windows: Windows | None = None
        commit = (Slot(_("Review"), self._make_review), Slot(_("Deploy"), self._make_deploy))
        self._slots = (*slots, *commit)
        self._pages: dict[int, Page] = {}
        self._frames: dict[int, QWidget] = {}
        self.index = 0
        self._seen: set[int] = set()  # pages of this project that were shown
        self._closing = False
        self.side_bar = SideBar(tuple(slot.title for slot in self._slots))
        self.side_bar.chosen.connect(self.go_to)
        self._stack = QStackedWidget()
        self._ahead = QTimer(self)
        self._ahead.setInterval(AHEAD)
        self._ahead.timeout.connect(self._make_next)
        self.setCentralWidget(self._lay_out())
        self.menus = Menus(self)
        self.setAcceptDrops(True)
        self._drop_hint = DropHint(self)
        self._notifier: Notifier | None = None
        self.setWindowTitle("Slipway")
        room = self.screen().availableSize()
        self.resize(QSize(1140, 800).boundedTo(room))
        self.setMinimumSize(QSize(1000, 600).boundedTo(room))
        if geometry := draft.settings.geometry("wizard"):
            self.restoreGeometry(QByteArray(geometry))
        draft.changed.connect(self.refresh)
        self._stack.setCurrentWidget(self._frame_of(0))
        self.page.enter()
        self.refresh()
        self.page.focus_first()

    # Pages, made when they are needed

    def page_at(self, index: int) -> Page:
        """Return a page, made at the first call."""
        page = self._pages.get(index)
        if page is None:
            page = self._pages[index] = self._slots[index].make()
            page.changed.connect(self.refresh)
            end = tab_mark()
            self._frames[index] = _frame(page, end)
            self._stack.addWidget(self._frames[index])
            # Tab goes through a page before it comes to what stands beneath it
            put_in_tab_order(end, (self._reason, self.back_button, self.next_button))
        return page

    def _frame_of(self, index: int) -> QWidget:
        self.page_at(index)
        return self._frames[index]

    def _make_next(self) -> None:
        """Make one page that is still missing."""
        missing = [index for index in range(len(self._slots)) if index not in self._pages]
        if missing:
            self.page_at(missing[0])
        else:
            self._ahead.stop()
        self.refresh()

    def _make_review(self) -> ReviewPage:
        from ui.pages.review import ReviewPage

        page = ReviewPage(self.draft)
        page.take_back.connect(self.take_back)
        page.finish.connect(self.finish)
        page.show_build.connect(lambda: self._show(BUILD))
        return page

    def _make_deploy(self) -> DeployPage:
        from ui.pages.deploy import DeployPage

        page = DeployPage(self.draft)
        page.show_server.connect(self._show_server_of)
        page.start_over.connect(self._start_over)
        page.idle.connect(self._run_over)
        return page

    @property
    def review(self) -> ReviewPage:
        """The page before the last."""
        from ui.pages.review import ReviewPage

        page = self.page_at(self.last - 1)
        if not isinstance(page, ReviewPage):
            raise TypeError(page)
        return page

    @property
    def deploy(self) -> DeployPage:
        """The last page."""
        from ui.pages.deploy import DeployPage

        page = self.page_at(self.last)
        if not isinstance(page, DeployPage):
            raise TypeError(page)
        return page

    @property
    def deploying(self) -> bool:
        """Whether a run is on."""
        return self.last in self._pages and self._pages[self.last].busy

    @property
    def history(self) -> History:
        """The runs of this desktop."""
        if self._history is None:
            self._history = self._make_history()
        return self._history

    @property
    def windows(self) -> Windows:
        """The windows beside this one."""
        if self._windows is None:
            from ui.windows import Windows

            self._windows = Windows(self.draft, self.history)
            self._windows.changed_server.connect(self.deploy.overtake)
            self._windows.wizard_wanted.connect(self._lead_to_server)
        return self._windows

    def _lead_to_server(self, request: DeployRequest) -> None:
        """Come to the front with the Server page, or with the project if another one is open."""
        draft = self.draft.request
        if (request.name, request.targets[:1]) != (draft.name, draft.targets[:1]):
            self.open(request.project.path)
        elif not self.deploying:
            self._show(SERVER)
            if self.draft.facts is None and not self.draft.connecting.running:
                self.draft.test_connection()
        self.show()
        self.raise_()
        self.activateWindow()

    def show_history(self) -> None:
        """Show the runs of this desktop."""
        self.windows.show_history()

    def show_guide(self) -> None:
        """Show the user guide."""
        self.windows.show_guide()

    def show_server(self) -> None:
        """Show what runs on the draft's server."""
        if self.draft.target is not None:
            self._show_server_of(self.draft.request)

    def _show_server_of(self, request: DeployRequest) -> None:
        self.windows.show_server(request)

    def paintEvent(self, event: QPaintEvent) -> None:
        super().paintEvent(event)
        if len(self._pages) < len(self._slots) and not self._ahead.isActive():
            self._ahead.start()

    # What it looks like

    def _lay_out(self) -> QWidget:
        centre = QWidget()
        across = QHBoxLayout(centre)
        across.setContentsMargins(0, 0, 0, 0)
        across.setSpacing(0)
        across.addWidget(self.side_bar)
        down = QVBoxLayout()
        down.setSpacing(0)
        down.addWidget(self._stack, 1)
        self._bar = QFrame()
        self._bar.setProperty("role", "bar")
        row = QHBoxLayout(self._bar)
        row.setContentsMargins(24, 12, 24, 12)
        row.setSpacing(10)
        self._reason = Reason(self.show_problem)
        row.addWidget(self._reason, 1)
        self.back_button = button(_("&Back"), self.back)
        self.next_button = button(_("&Next"), self.next, role="primary")
        self.next_button.setDefault(True)
        # Next is off then, and a button that is off takes no key
        self._tried = QShortcut(QKeySequence.mnemonic(self.next_button.text()), self)
        self._tried.activated.connect(self.show_problem)
        row.addWidget(self.back_button)
        row.addWidget(self.next_button)
        down.addWidget(self._bar)
        across.addLayout(down, 1)
        return centre

    # Where one is

    @property
    def page(self) -> Page:
        """The page that shows."""
        return self.page_at(self.index)

    @property
    def last(self) -> int:
        """The index of the last page, Deploy."""
        return len(self._slots) - 1

    def complete(self, index: int) -> bool:
        """Return whether nothing is missing on a page."""
        page = self._pages.get(index)
        return page is not None and not any(problem.blocking for problem in page.problems())

    def reachable(self) -> int:
        """Return the index of the furthest page that may be shown without pressing Deploy."""
        for index in range(self.last - 1):
            if not self.complete(index):
                return index
        return self.last - 1

    def go_to(self, index: int) -> None:
        """Show a page, if the way there is open."""
        if index != self.index and not self.deploying and self._may_show(index, self.reachable()):
            self._show(index)

    def _may_show(self, index: int, reachable: int) -> bool:
        """Return whether a page may be shown.

        Forms that were seen may be seen again, and Deploy as long as it shows this project's run.
        To take back a run that is half done nothing is needed but its server.
        """
        if index == self.last:
            return self.last in self._pages and self.deploy.run_of_project
        if index == SERVER and self.draft.half_done:
            return True
        return index <= reachable or (index in self._seen and index < self.last - 1)

    def back(self) -> None:
        """Show the page before."""
        if 0 < self.index < self.last:
            self._show(self.index - 1)

    def next(self) -> None:
        """Show the next page; from Review this starts the deployment."""
        if self.index == self.last or not self.complete(self.index):
            return
        if self.index == self.last - 1:
            self._deploy()
        else:
            self._show(self.index + 1)

    def show_problem(self) -> None:
        """Go to the first thing that keeps one from going on."""
        self.page.show_problem()

    def _show(self, index: int) -> None:
        self.page.leave()
        self.index = index
        self._seen.add(index)
        frame = self._frame_of(index)
        self._stack.setCurrentWidget(frame)
        if isinstance(frame, QScrollArea):
            frame.verticalScrollBar().setValue(0)
        self.page.enter()
        self.refresh()
        self.page.focus_first()
        self.page_changed.emit(index)

    def refresh(self) -> None:
        """Show what is done, what is open, and whether one can go on."""
        reachable = self.reachable()
        self.side_bar.show_entries(
            tuple(self._entry(i, reachable) for i in range(len(self._slots)))
        )
        self._bar.setVisible(self.index < self.last)
        self.back_button.setEnabled(self.index > 0)
        self.next_button.setText(_("&Deploy") if self.index == self.last - 1 else _("&Next"))
        missing = [problem for problem in self.page.problems() if problem.blocking]
        self.next_button.setEnabled(not missing)
        self._reason.say(missing[0].text if missing else "")
        self._tried.setEnabled(bool(missing))
        self.menus.server.setEnabled(self.draft.target is not None and not self.deploying)
        name = self.draft.request.name
        self.setWindowTitle(f"{name} — Slipway" if name else "Slipway")

    def _entry(self, index: int, reachable: int) -> Entry:
        page = self._pages.get(index)
        if page is None:
            return Entry("locked")
        if index == self.index:
            return Entry("current", page.note, page.busy)
        if self.deploying:
            return Entry("passed", page.note)
        if not self._may_show(index, reachable):
            return Entry("locked", page.note, page.busy)
        if index < self.last - 1:
            known = index == 0 or self.draft.project is not None
            done = known and self.complete(index)
        else:
            done = self.deploy.succeeded if index == self.last else self.index == self.last
        place: Place = "done" if done else "wrong" if page.wrong else "open"
        return Entry(place, page.note, page.busy)

    # Runs

    def _deploy(self) -> None:
        from ui import draft_tasks

        task = draft_tasks.deploy(self.draft, self.history)
        if task is not None:
            self._run(task)

    def take_back(self) -> None:
        """Ask, then undo the interrupted run that was found on the server."""
        from ui import draft_tasks

        words = _("What “{title}” did is undone: then all is as it was before.")
        self._ask_and_run(
            draft_tasks.take_back(self.draft, self.history),
            _("Take the interrupted run back now?"),
            words.format(title=self._interrupted_title),
            _("&Take it back"),
        )

    @property
    def _interrupted_title(self) -> str:
        facts = self.draft.facts
        run = facts.records.interrupted if facts else None
        return run.title if run else self.draft.request.name

    def finish(self) -> None:
        """Ask, then go on with the interrupted run that was found on the server."""
        from ui import draft_tasks

        if draft_tasks.lacks_values(self.draft):
            self._show(METHOD)
            self.page.show_problem()
            return
        words = _("“{title}” goes on where it stood. If that fails, all of it is undone.")
        self._ask_and_run(
            draft_tasks.finish(self.draft, self.history),
            _("Finish the interrupted run now?"),
            words.format(title=self._interrupted_title),
            _("&Finish it"),
            ends=False,
        )

    def _ask_and_run(
        self, task: Task | None, question: str, words: str, consent: str, *, ends: bool = True
    ) -> None:
        """Ask about a task as it is now: while one reads, the server may be looked at again."""
        from ui.dialogs import ask

        if task is not None:
            ask(self, question, words, consent, lambda: self._run(task), ends=ends)

    def _run(self, task: Task) -> None:
        request = self.draft.request
        run = BegunRun(task.title, request.name, str(self.draft.target))
        self._begun = (request.project.path, run)
        self.draft.settings.remember_run(*self._begun)
        self.deploy.begin(task).changed.connect(self._run_changed)
        self._show(self.last)

    def _run_over(self) -> None:
        self.refresh()
        if self._closing:
            self.close()

    def _run_changed(self) -> None:
        """Know whether a run is under way, taken back ones too; tell the end if nobody looks."""
        from ui.report import outcome_text

        run = self.deploy.run
        if run is None or self._begun is None:
            return
        path, begun = self._begun
        half_done = run.running or run.outcome in (None, Outcome.FAILED_NOT_RESTORED)
        self.draft.settings.remember_run(path, begun if half_done else None)
        if run.running:
            return
        if self._notifier is None:
            from ui.notification import Notifier

            self._notifier = Notifier(self)
        self._notifier.tell(run.task.title, outcome_text(run.outcome, run.error))

    def _start_over(self) -> None:
        self.draft.look_again()
        missing = self.draft.missing_secrets
        if missing or any(problem.blocking for problem in rules.problems(self.draft.request)):
            self._show(self.reachable())  # an answer was taken back since, or never given
        else:
            self._show(self.last - 1)  # it waits until the server was looked at again

    # Files

    def open(self, path: Path) -> None:
        """Begin anew with a project's folder or a slipway.toml."""
        from ui.unsaved import settle_changes

        if not self.deploying:
            settle_changes(self, self.draft, lambda: self._begin_anew(path))

    def _begin_anew(self, path: Path) -> None:
        if self.index:
            self._show(0)
        self._seen.clear()
        self.draft.open(path)

    def save(self) -> None:
        """Write slipway.toml where it was read from, or ask where."""
        if self.draft.profile_path is None:
            self.menus.ask_save()
        else:
            self.save_as(self.draft.profile_path)

    def save_as(self, path: Path) -> None:
        """Write slipway.toml; what goes wrong is told."""
        try:
            self.draft.save(path)
        except SlipwayError as error:
            from ui.widgets.error_box import tell_error

            tell_error(self, error)
        else:
            self.side_bar.tell(_("Saved: {path}").format(path=path.name))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        path = None if self.deploying else take(event)
        if path is not None:
            self._drop_hint.tell(path)

    def dragMoveEvent(self, event: QDragMoveEvent) -> None:
        make_harmless(event)  # what it is was looked at when it came

    def dragLeaveEvent(self, _event: QDragLeaveEvent) -> None:
        self._drop_hint.hide()

    def dropEvent(self, event: QDropEvent) -> None:
        self._drop_hint.hide()
        path = take(event)
        if path is not None:
            self.open(path)

    # The end

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.deploying:
            event.ignore()
            if not self._closing:
                # once the run is over, the question is too
                self.deploy.idle.connect(self._ask_to_close().reject)
            return
        if self.draft.unsaved:
            from ui.unsaved import settle_changes

            event.ignore()
            settle_changes(self, self.draft, self.close)
            return
        for window in self._windows.shown() if self._windows else ():
            if not window.close():
                event.ignore()
                return
        self.draft.settings.remember_geometry("wizard", bytes(self.saveGeometry().data()))
        self.draft.close()
        event.accept()

    def _ask_to_close(self) -> ConfirmDialog:
        from ui.dialogs import ask

        run = self.deploy.run
        if run is not None and run.can_cancel:
            text = _(
                "If you cancel it, what was there before is put back, and Slipway closes as soon "
                "as that is done."
            )
            action = _("&Cancel the run and close")
            return ask(
                self,
                _("A run is under way"),
                text,
                action,
                self._cancel_and_close,
                _("&Keep running"),
            )
        text = _("What was there before is being put back. Slipway can close once that is done.")
        return ask(
            self, _("A run is under way"), text, _("Close &when done"), self._close_when_done,
            _("&Stay open"),
        )  # fmt: skip

    def _cancel_and_close(self) -> None:
        if self.deploy.run is not None:
            self.deploy.run.cancel()
        self._close_when_done()

    def _close_when_done(self) -> None:
        self._closing = True
        if not self.deploying:
            self.close()


def _frame(page: Page, end: QWidget) -> QWidget:
    """Put a page into what scrolls it and keeps its lines at a readable length."""
    holder = QWidget()
    holder.setProperty("role", "page")
    row = QHBoxLayout(holder)
    row.setContentsMargins(0, 0, 0, 0)
    page.body.addWidget(end)
    if page.wide:
        row.addWidget(page)
    else:
        page.setMaximumWidth(CONTENT_WIDTH)
        row.addWidget(page, 100)
        row.addStretch(1)
    if not page.scrolls:
        return holder
    area = QScrollArea()
    area.setWidgetResizable(True)
    area.setFrameShape(QFrame.Shape.NoFrame)
    area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
    area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
    area.setWidget(holder)
    return area
