"""What runs on a server: state, log, start and stop, releases and the way back to them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app import service
from app.credentials import Credentials
from app.errors import AuthError, ConnectionLost, SlipwayError, UntrustedHost
from app.events import Emit, Outcome
from app.history import History
from app.host import HostFacts
from app.i18n import _
from app.plan import Plan, make_rollback_plan
from app.releases import Release, break_lock
from app.request import DeployRequest
from app.service import Action, Status
from app.transport import CancelToken, Secret, Transport
from ui.dialogs import (
    HostKeyDialog,
    SecretsDialog,
    ask,
    is_question,
    password_dialog,
    secret_needed,
)
from ui.jobs import Found, Visit, ask_nobody, read_secrets
from ui.pages.interrupted import interrupted_title
from ui.release_page import ReleasePage
from ui.run import Access, plan_task
from ui.run_dialog import RunDialog
from ui.server_words import look_of, status_words
from ui.service_logs import EventLog, ServiceLog
from ui.settings import Settings
from ui.widgets.basics import Icon, Notice, Spinner, button, close_by_key, label
from ui.widgets.error_box import tell_error
from ui.worker import Worker

LOOK_EVERY = 5000  # milliseconds
STOPPABLE = ("running", "restarting", "paused", "start-pending", "continue-pending")


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a server."""

    found: Found
    status: Status


class ServerWindow(QWidget):
    """Shows one service on one server; ``closed`` when the window goes.

    ``changed_server`` carries the service's request once something was rolled back there,
    ``signed_in`` the visit whose password was typed here and taken by the server,
    ``wizard_wanted`` the request of an interrupted run that is to be dealt with.
    """

    closed = Signal()
    changed_server = Signal(object)
    signed_in = Signal(object)
    wizard_wanted = Signal(object)

    def __init__(self, access: Access, history: History, settings: Settings) -> None:
        super().__init__()
        self.setWindowFlag(Qt.WindowType.Window)
        self._access = access
        self._history = history
        self._settings = settings
        self._seen: Seen | None = None
        self._looking: Worker | None = None
        self._acting = False
        self._waiting: Callable[[Emit, CancelToken], Seen] | None = None
        self._way_back: Plan | None = None
        self._dialog: RunDialog | None = None
        self._untrusted: UntrustedHost | None = None
        self._refused: AuthError | None = None
        self._asking: SecretsDialog | None = None
        close_by_key(self)
        request = access.visit.request
        self.setWindowTitle(
            _("{name} on {target}").format(name=request.name, target=access.visit.target)
        )
        self.resize(1000, 680)
        if geometry := settings.geometry("server"):
            self.restoreGeometry(QByteArray(geometry))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self._head())
        body = QVBoxLayout()
        body.setContentsMargins(24, 12, 24, 20)
        body.setSpacing(10)
        self.notice = Notice()
        self._notice_action = button(_("Try &again"), self._notice_clicked)
        self.notice.buttons.addWidget(self._notice_action)
        self.notice.buttons.addStretch(1)
        self._on_notice: Callable[[], object] = self.look
        body.addWidget(self.notice)
        tabs = QTabWidget()
        tabs.setDocumentMode(True)
        tabs.tabBar().setDrawBase(False)
        self.log = ServiceLog(request)
        tabs.addTab(_padded(self.log), _("&Log"))
        self.events = EventLog(request)
        if request.deploy.kind == "windows-service":
            tabs.addTab(_padded(self.events), _("E&vents"))
        self.release_page = ReleasePage(request)
        self.release_page.wanted.connect(self._preview)
        self.releases = self.release_page.table
        self.roll_back_button = self.release_page.roll_back_button
        tabs.addTab(self.release_page, _("R&eleases"))
        tabs.currentChanged.connect(self._tab_changed)
        body.addWidget(tabs, 1)
        outer.addLayout(body, 1)
        self.tabs = tabs
        self._timer = QTimer(self)
        self._timer.setInterval(LOOK_EVERY)
        self._timer.timeout.connect(self.look)
        self._refresh()
        self.look()

    # What it looks like

    def _head(self) -> QWidget:
        head = QFrame()
        head.setProperty("role", "head")
        row = QHBoxLayout(head)
        row.setContentsMargins(24, 18, 24, 18)
        row.setSpacing(14)
        self._icon = Icon("server", "muted", 32)
        row.addWidget(self._icon)
        words = QVBoxLayout()
        words.setSpacing(2)
        request = self._access.visit.request
        self._name = label(request.name, "title", wrap=False)
        self._state = label(role="muted")
        words.addWidget(self._name)
        words.addWidget(self._state)
        row.addLayout(words, 1)
        self._spinner = Spinner(20)
        row.addWidget(self._spinner)
        self.start_button = button(_("&Start"), self._start, "play")
        self.restart_button = button(_("&Restart"), self._ask_restart, "refresh")
        self.stop_button = button(_("S&top"), self._ask_stop, "stop", "danger")
        for each in (self.start_button, self.restart_button, self.stop_button):
            row.addWidget(each)
        return head

    # Looking

    @property
    def request(self) -> DeployRequest:
        """The service that is looked at."""
        return self._access.visit.request

    @property
    def busy(self) -> bool:
        """Whether a roll back is under way."""
        return self._dialog is not None and self._dialog.run.running

    def look(self) -> None:
        """Read the service's state again, unless that is under way."""
        access, transport = self._access, self._transport
        if self._looking is None:
            self._start_work(lambda _emit, _cancel: _look(access, transport))

    def _act(self, job: Callable[[Emit, CancelToken], Seen]) -> None:
        """Do something on the server, after the look that may be under way."""
        self._acting = True
        if self._looking is None:
            self._start_work(job)
        else:
            self._waiting = job
        self._refresh_buttons()

    @property
    def _transport(self) -> Transport | None:
        return self._seen.found.transport if self._seen else None

    def _start_work(self, job: Callable[[Emit, CancelToken], Seen]) -> None:
        worker = Worker(job, self)
        self._looking = worker
        worker.succeeded.connect(self._saw)
        worker.failed.connect(self._failed)
        worker.ended.connect(self._looked)
        worker.ended.connect(worker.deleteLater)
        worker.start()
        self._refresh_buttons()

    def _saw(self, seen: Seen) -> None:
        if self._asking is not None and not self._asking.isVisible():
            self._asking = None
            self.signed_in.emit(self._access.visit)
        first = self._seen is None or self._seen.found.transport is not seen.found.transport
        self._seen = seen
        self._tell_interrupted(seen.found.facts)
        if seen.status.state != "missing":
            self.log.follow(seen.found, seen.status.since, anew=first)
        self._timer.start()
        self._refresh()
        self.events.read(seen.found)

    def _tell_interrupted(self, facts: HostFacts) -> None:
        records = facts.records
        run, lock = records.abandoned_run, records.lock
        if run is not None:
            self.notice.say(
                "warning",
                interrupted_title(run),
                _("In the wizard, the page Server takes it back or finishes it."),
            )
            self._offer(_("Show the &wizard"), self._show_wizard)
        elif lock is not None and not lock.abandoned:
            self.notice.say("info", _("A run is under way"), str(lock))
            self._notice_action.hide()
        elif lock is not None and lock.stale:
            self.notice.say("warning", _("A run left its lock behind"), str(lock))
            self._offer(_("Release the loc&k…"), self._ask_unlock)
        else:
            self.notice.clear()

    def _offer(self, text: str, action: Callable[[], object]) -> None:
        self._on_notice = action
        self._notice_action.setText(text)
        self._notice_action.show()

    def _show_wizard(self) -> None:
        self.wizard_wanted.emit(self.request)

    def _notice_clicked(self) -> None:
        self._on_notice()

    def _failed(self, error: SlipwayError) -> None:
        self._timer.stop()
        self._icon.show_icon("pending", "muted")
        self._state.setText(_("Not known"))  # what was seen before may have gone
        if isinstance(error, UntrustedHost):
            self._ask_trust(error)
        if is_question(error, self._access.visit.credentials):
            self.notice.say_calmly(error)
        else:
            self.notice.say_error(error)
        if isinstance(error, AuthError) and error.needs:
            self._refused = error
            self._offer(_("Enter pass&word…"), self._ask_password)
        else:
            self._offer(_("Try &again"), self.look)

    def _looked(self) -> None:
        self._looking = None
        job, self._waiting = self._waiting, None
        if job is not None:
            self._start_work(job)
        else:
            self._acting = False
        self._refresh_buttons()

    def _ask_trust(self, error: UntrustedHost) -> None:
        self._untrusted = error
        windows = self.request.deploy.kind == "windows-service"
        dialog = HostKeyDialog(self, error, windows=windows)
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.accepted.connect(self._trust)
        dialog.open()

    def _trust(self) -> None:
        self._use(replace(self._access.visit, trusted=self._untrusted))

    def _ask_password(self) -> None:
        if self._refused is not None:
            target, why = self._access.visit.target, self._refused.detail
            self._asking = password_dialog(self, target, secret_needed(self._refused), why)
            self._asking.keeping.look(self._access.visit.passwords)
            self._asking.accepted.connect(self._password_given)
            self._asking.open()

    def _password_given(self) -> None:
        if self._asking is None or self._refused is None:
            return
        visit, needs = self._access.visit, secret_needed(self._refused)
        given, secret = visit.credentials, self._asking.secrets[0]
        credentials = Credentials(
            secret if needs == "password" else given.password,
            secret if needs == "passphrase" else given.passphrase,
            secret if needs == "sudo" else given.sudo_password,
        )
        keep = frozenset({needs}) if self._asking.remember else frozenset()
        self._use(replace(visit, credentials=credentials, keep=keep))

    def _use(self, visit: Visit) -> None:
        self._access = Access(visit, None)
        self.look()

    # Tabs

    def show_releases(self) -> None:
        """Bring the releases to the front."""
        self.tabs.setCurrentWidget(self.release_page)

    def _tab_changed(self) -> None:
        if self._seen is not None:
            self.events.read(self._seen.found)

    # Acting

    def _start(self) -> None:
        self._control("start")

    def _ask_restart(self) -> None:
        ask(
            self,
            _("Restart {name}?").format(name=self.request.name),
            _("It does not answer until it has started again."),
            _("&Restart it"),
            self._restart,
            ends=False,
        )

    def _restart(self) -> None:
        self._control("restart")

    def _ask_stop(self) -> None:
        name = self.request.name
        ask(
            self,
            _("Stop {name}?").format(name=name),
            _("It will not answer until it is started again."),
            _("&Stop it"),
            self._stop,
        )

    def _stop(self) -> None:
        self._control("stop")

    def _control(self, action: Action) -> None:
        seen, access = self._seen, self._access
        if seen is None:
            return
        found = seen.found

        def job(_emit: Emit, _cancel: CancelToken) -> Seen:
            service.control(found.transport, access.visit.request, found.facts, action)
            return _look(access, found.transport)

        self._act(job)

    def _ask_unlock(self) -> None:
        ask(
            self,
            _("Release the lock?"),
            _("Only do this if you are sure that the run which took it is not alive any more."),
            _("&Release it"),
            self._unlock,
        )

    def _unlock(self) -> None:
        seen, access = self._seen, self._access
        lock = seen.found.facts.records.lock if seen else None
        if seen is None or lock is None:
            return
        found = seen.found

        def job(_emit: Emit, _cancel: CancelToken) -> Seen:
            store = found.facts.store()
            break_lock(found.transport, store, lock)
            return _look(access, found.transport)

        self._act(job)

    def _preview(self, release: Release) -> None:
        seen = self._seen
        if seen is None:
            return
        try:
            plan = make_rollback_plan(self.request, seen.found.facts, release.id)
        except SlipwayError as error:
            tell_error(self, error)
            return
        if not plan.secrets:
            self._show_plan(plan, {})
            return
        self._way_back = plan
        store, service = self._access.visit.passwords, plan.name
        worker = Worker(lambda _emit, _cancel: read_secrets(store, service, plan.secrets), self)
        worker.succeeded.connect(self._secrets_read)
        worker.ended.connect(worker.deleteLater)
        worker.start()

    def _secrets_read(self, known: dict[str, Secret]) -> None:
        """Ask for what the way back needs and the keyring does not hold, then show the plan."""
        if self._way_back is None:
            return
        plan = self._way_back
        missing = tuple(name for name in plan.secrets if name not in known)
        if missing:
            dialog = SecretsDialog(
                self,
                _("Rolling back needs a secret"),
                _("The keyring of this computer does not hold it."),
                tuple((name, False) for name in missing),
                _("&Go on"),
                remember=False,
            )
            answered = dialog.exec()
            known = known | dict(zip(missing, dialog.secrets, strict=True))
            dialog.deleteLater()
            if not answered:
                return
        self._show_plan(plan, known)

    def _show_plan(self, plan: Plan, secrets: dict[str, Secret]) -> None:
        seen = self._seen
        if seen is None:
            return
        access = Access(self._access.visit, seen.found.transport)
        task = plan_task(plan, self.request, access, self._history, secrets=secrets)
        self._timer.stop()
        self._dialog = RunDialog(self, plan, task, _("&Roll back"))
        self._dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._dialog.done_running.connect(self._rolled_back)
        self._dialog.destroyed.connect(self._dialog_gone)
        self._dialog.open()

    def _rolled_back(self) -> None:
        changed = (Outcome.SUCCEEDED, Outcome.FAILED_NOT_RESTORED)
        if self._dialog is not None and self._dialog.run.outcome in changed:
            self.changed_server.emit(self.request)
        self.look()

    def _dialog_gone(self) -> None:
        self._dialog = None
        self.release_page.table.setFocus()
        self._timer.start()

    # Showing

    def _refresh(self) -> None:
        seen = self._seen
        if seen is None:
            self._state.setText(
                _("Connecting to {target}…").format(target=self._access.visit.target)
            )
        else:
            self._state.setText(status_words(seen.status, seen.found.facts))
            icon, role = look_of(seen.status)
            self._icon.show_icon(icon, role)
            self.release_page.show_releases(seen.found.facts)
        self._refresh_buttons()

    def _refresh_buttons(self) -> None:
        seen = self._seen
        idle = not self._acting and seen is not None
        state = seen.status.state if seen else "missing"
        there = idle and state != "missing"
        self._spinner.setVisible(self._acting or (seen is None and self._looking is not None))
        self.start_button.setEnabled(there and state != "running")
        self.stop_button.setEnabled(there and state in STOPPABLE)
        self.restart_button.setEnabled(there and state in STOPPABLE)
        self.release_page.set_idle(idle)

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.busy and self._dialog is not None:
            event.ignore()
            self._dialog.close()
            return
        self._timer.stop()
        self.log.stop()
        if self._transport is not None:
            # saying goodbye may take as long as the network lets it
            threading.Thread(target=self._transport.close, daemon=True).start()
        self._settings.remember_geometry("server", bytes(self.saveGeometry().data()))
        event.accept()
        self.closed.emit()


def _look(access: Access, transport: Transport | None) -> Seen:
    """Look at the service, through ``transport`` if it still works."""
    if transport is None:
        transport, facts = access.look()
    else:
        try:
            found = access.visit.look(transport, ask_nobody, CancelToken())
        except ConnectionLost:
            found = Found(*replace(access, transport=None).look())
        transport, facts = found.transport, found.facts
    return Seen(Found(transport, facts), service.status(transport, access.visit.request, facts))


def _padded(widget: QWidget) -> QWidget:
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 12, 0, 0)
    layout.addWidget(widget)
    return holder
