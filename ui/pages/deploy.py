"""Watching the run: steps, log, Cancel, Roll back, and how it ended."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from PySide6.QtCore import QTimer, QUrl, Signal
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import QHBoxLayout

from app.amounts import duration_text
from app.docker_rules import LOOPBACK, asked_port
from app.errors import Problem
from app.events import Outcome
from app.i18n import _, sentences
from app.request import DeployRequest
from ui.dialogs import ask
from ui.pages.page import Page
from ui.report import run_report
from ui.run import Run, RunState, Task
from ui.widgets.basics import NoticeArea, button, label
from ui.widgets.outcome import say_outcome
from ui.widgets.run_view import RunView

if TYPE_CHECKING:
    from ui.draft import Draft

LEAST_OF_A_RUN = 150  # pixels of steps and log, however much is said beneath them


class DeployPage(Page):
    """Runs what it is given by ``begin`` and shows it; ``idle`` when nothing is under way."""

    icon = "deploy"
    wide = True
    scrolls = False
    run: Run | None = None
    _request = DeployRequest()  # what the run is about, whatever is answered since
    _overtaken = False  # whether something else was done with the service since
    show_server = Signal(object)
    start_over = Signal()
    idle = Signal()

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self.view = RunView()
        self.view.setMinimumHeight(LEAST_OF_A_RUN)
        self.body.addWidget(self.view, 1)
        self._copy = button(_("Copy re&port"), self.copy_report, "copy")
        self._open = button(_("Open in &browser"), self._open_browser, "globe")
        for each in (self._open, self._copy):
            self.notice.buttons.addWidget(each)
        self.notice.buttons.addStretch(1)
        # below: what one reads does not jump when the run ends
        self.body.addWidget(NoticeArea(self.notice))
        self.body.addLayout(self._bottom_row())
        self._clock = QTimer(self)
        self._clock.setInterval(500)
        self._clock.timeout.connect(self._show_time)

    def _bottom_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(10)
        self.cancel_button = button(_("&Cancel"), self._cancel, "stop", "danger")
        row.addWidget(self.cancel_button)  # not where Roll back will be a moment later
        self._time = label(role="muted", wrap=False)
        row.addWidget(self._time)
        row.addStretch(1)
        self.roll_back_button = button(_("&Roll back"), self._ask_roll_back, "rollback")
        self.server_button = button(_("Show &server"), self._show_server, "server")
        self.again_button = button(_("Deploy &again"), self.start_over.emit, "deploy")
        for each in (self.server_button, self.again_button, self.roll_back_button):
            row.addWidget(each)
        return row

    @property
    def title(self) -> str:
        return _("Deploy")

    @property
    def lead(self) -> str:
        if self.run is None:
            return ""
        title = self.run.task.title
        return _("Take back “{title}”").format(title=title) if self.run.rolled_back else title

    @property
    def busy(self) -> bool:
        return self.run is not None and self.run.running

    def problems(self) -> tuple[Problem, ...]:
        return ()

    def begin(self, task: Task) -> Run:
        """Run a task; returns its run."""
        if self.run is not None:
            self.run.deleteLater()
        self.run = Run(task, self)
        self._request = self.draft.request
        self._overtaken = False
        self.run.happened.connect(self.view.take)
        self.run.changed.connect(self.refresh)
        self.view.show_rows(task.rows)
        self.view.log.suggest_name(f"{self._request.name}.log")
        self._lead.setText(self.lead)
        self.run.start()
        self._clock.start()
        return self.run

    @property
    def run_of_project(self) -> bool:
        """Whether the run that is shown is about the project that is open."""
        return (
            self.run is not None and self._request.project.path == self.draft.request.project.path
        )

    @property
    def succeeded(self) -> bool:
        """Whether what was deployed last runs."""
        run = self.run
        return run is not None and run.outcome is Outcome.SUCCEEDED and not self._overtaken

    @property
    def wrong(self) -> bool:
        failed = (Outcome.FAILED_RESTORED, Outcome.FAILED_NOT_RESTORED)
        return self.run is not None and self.run.outcome in failed

    def overtake(self, request: DeployRequest) -> None:
        """Know that a run elsewhere has changed a service: what is said here may be past."""
        if (request.name, request.targets) == (self._request.name, self._request.targets):
            self._overtaken = True
            self.refresh()

    def refresh(self) -> None:
        """Show what can be done now, and how it ended."""
        run = self.run
        if run is None:
            return
        going = {(self.cancel_button, not run.can_cancel), (self.roll_back_button, run.running)}
        if (self.window().focusWidget(), True) in going:
            self.view.steps.setFocus()  # not wherever Qt would look next
        self.cancel_button.setVisible(run.running)
        self.cancel_button.setEnabled(run.can_cancel)
        self.cancel_button.setText(
            _("Cancelling…") if run.state is RunState.CANCELLING else _("&Cancel")
        )
        self.roll_back_button.setVisible(not run.running)
        self.roll_back_button.setEnabled(run.can_roll_back and not self._overtaken)
        self.roll_back_button.setToolTip(self._why_no_way_back(run))
        for each in (self.server_button, self.again_button):
            each.setVisible(run.state is RunState.ENDED)
        self._lead.setText(self.lead)
        self._show_end(run)
        self._show_time()
        self.changed.emit()
        if not run.running:
            self._clock.stop()
            self.idle.emit()

    def _why_no_way_back(self, run: Run) -> str:
        if self._overtaken:
            return _("A later run changed the service. Show server, then Releases, goes back.")
        if run.state is RunState.ENDED and not run.can_roll_back:
            return _("From here nothing can be taken back. Show server, then Releases, goes back.")
        return ""

    def _show_end(self, run: Run) -> None:
        ended = run.state is RunState.ENDED
        if ended:
            say_outcome(self.notice, run, healthy_words(self._request))
        else:
            self.notice.clear()
        if ended and self._overtaken:
            past = _("What stands here is past. Show server says what runs now.")
            former = self.notice.text
            self.notice.say("info", _("A later run changed the service"), f"{past}\n\n{former}")
        served = ended and run.outcome is Outcome.SUCCEEDED
        self._open.setVisible(served and bool(browser_url(self._request)))
        self._copy.setVisible(ended)

    def _show_time(self) -> None:
        if self.run is None:
            return
        words = {
            RunState.READY: "",
            RunState.RUNNING: _("Running for {time}"),
            RunState.CANCELLING: _("Cancelling, and putting back what was there before: {time}"),
            RunState.RESTORING: _("Putting back what was there before: {time}"),
            RunState.ROLLING_BACK: _("Rolling back for {time}"),
            RunState.ENDED: _("Took {time}"),
        }[self.run.state]
        self._time.setText(words.format(time=duration_text(self.run.seconds)))

    def _cancel(self) -> None:
        if self.run is not None:
            self.run.cancel()

    def _ask_roll_back(self) -> None:
        if self.run is None:
            return
        ask(
            self.window(),
            _("Roll back now?"),
            back_words(self.run.task),
            _("&Roll back"),
            self._roll_back,
        )  # fmt: skip

    def _roll_back(self) -> None:
        if self.run is not None:
            self.run.roll_back()
            self._clock.start()

    def _show_server(self) -> None:
        self.show_server.emit(self._request)

    def _open_browser(self) -> None:
        QDesktopServices.openUrl(QUrl(browser_url(self._request)))

    def copy_report(self) -> None:
        """Put how it ended and the log on the clipboard."""
        if self.run is not None:
            QGuiApplication.clipboard().setText(run_report(self.run, self.view.log.all_lines))

    def focus_first(self) -> None:
        """Begin at the steps: at Cancel, Enter pressed once too often would end the run."""
        self.view.steps.setFocus()


def healthy_words(request: DeployRequest) -> str:
    """Return where a service answers: on its server, and where that can be said from here too."""
    url, page = request.deploy.health.http, browser_url(request)
    if not url:
        return ""
    if not page or url.startswith(page):
        return _("{url} answers as it should.").format(url=url)
    on_server = _("On the server {url} answers as it should.").format(url=url)
    windows = request.deploy.kind == "windows-service"
    if windows and asked_port(request.deploy.health) not in request.deploy.windows.firewall:
        closed = _(
            "From here its address is {page}, if Windows' firewall lets it in already: this run "
            "opened no port for it."
        )
        return sentences(on_server, closed.format(page=page))
    reached = _("From here its address is {page}, if no firewall stands in between.")
    return sentences(on_server, reached.format(page=page))


def back_words(task: Task) -> str:
    """Return what rolling back a task brings back, and what goes."""
    if task.first:
        return _("Nothing of that name ran before: what this run deployed is removed.")
    again = (
        _("{version}, which ran before, runs again.").format(version=task.serving)
        if task.serving
        else _("What was there before is there again.")
    )
    gone = _("The release of this run is removed from the server.")
    if not task.serving:
        return sentences(again, gone)
    keeping = _("To go back without removing it, use Show server, then Releases.")
    return sentences(again, gone, keeping)


def browser_url(request: DeployRequest) -> str:
    """Return the service's first page as seen from this desktop, "" if that isn't known.

    ``localhost`` in the health check is the server itself: its address takes that place.
    """
    url = request.deploy.health.http
    if not url or not request.targets:
        return ""
    parts = urlsplit(url)
    target = request.targets[0]
    first = parts._replace(path="/", query="", fragment="")
    if parts.hostname not in LOOPBACK or target.transport == "local":
        return first.geturl()
    host = f"[{target.address}]" if ":" in target.address else target.address
    return first._replace(netloc=f"{host}:{parts.port}" if parts.port else host).geturl()
