"""What runs on a server: state, log, start and stop, releases and the way back to them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from PySide6.QtCore import QByteArray, Qt, QTimer, Signal
from PySide6.QtGui import QCloseEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QFrame,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from app import service
from app.credentials import Credentials, What
from app.errors import AuthError, ConnectionLost, SlipwayError, UntrustedHost
from app.events import Emit, Stream
from app.history import History
from app.host import HostFacts
from app.i18n import _, ngettext
from app.plan import kind_of, make_rollback_plan
from app.releases import Release, break_lock
from app.request import DeployRequest
from app.service import Action, Status, state_words
from app.transport import CancelToken, Transport
from ui.dialogs import HostKeyDialog, SecretsDialog, password_dialog
from ui.jobs import Found, Visit
from ui.run import Access, plan_task
from ui.run_dialog import RunDialog
from ui.settings import Settings
from ui.widgets.amounts import age_text
from ui.widgets.basics import Icon, Notice, Spinner, button, label
from ui.widgets.log_view import LogView
from ui.widgets.question import ask, tell_error
from ui.worker import Worker

LOOK_EVERY = 5000  # milliseconds
FIRST_LINES = 500


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at a server."""

    found: Found
    status: Status


class ServerWindow(QWidget):
    """Shows one service on one server; ``closed`` when the window goes."""

    closed = Signal()

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
        self._following: Worker | None = None
        self._followed = ""  # when what is followed was started
        self._dialog: RunDialog | None = None
        self._untrusted: UntrustedHost | None = None
        self._refused: AuthError | None = None
        self._asking: SecretsDialog | None = None
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
        self.log = LogView(_("Log of the service"))
        self.log.suggest_name(f"{request.name}.log")
        tabs.addTab(_padded(self.log), _("&Log"))
        tabs.addTab(_padded(self._release_page()), _("R&eleases"))
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
        self.restart_button = button(_("&Restart"), self._restart, "refresh")
        self.stop_button = button(_("S&top"), self._ask_stop, "stop", "danger")
        for each in (self.start_button, self.restart_button, self.stop_button):
            row.addWidget(each)
        return head

    def _release_page(self) -> QWidget:
        page = QWidget()
        layout = QVBoxLayout(page)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(10)
        self.releases = QTableWidget(0, 5)
        self.releases.setAccessibleName(_("Releases"))
        self.releases.setHorizontalHeaderLabels(
            [_("Release"), _("Version"), _("State"), _("Made"), _("By")]
        )
        self.releases.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.releases.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        self.releases.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        self.releases.setShowGrid(False)
        self.releases.setTabKeyNavigation(False)
        self.releases.verticalHeader().hide()
        header = self.releases.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column in range(5):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        self.releases.itemSelectionChanged.connect(self._refresh_buttons)
        layout.addWidget(self.releases, 1)
        row = QHBoxLayout()
        self._release_words = label(role="muted")
        row.addWidget(self._release_words, 1)
        self.roll_back_button = button(_("Roll &back to this…"), self._preview, "rollback")
        row.addWidget(self.roll_back_button)
        layout.addLayout(row)
        return page

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
        first = self._seen is None or self._seen.found.transport is not seen.found.transport
        self._seen = seen
        self._tell_interrupted(seen.found.facts)
        # Docker ends a log with its container: one that was started since has more to say
        again = self._following is None and seen.status.since != self._followed
        if (first or again) and seen.status.state != "missing":
            self._followed = seen.status.since
            self._follow(seen.found)
        self._timer.start()
        self._refresh()

    def _tell_interrupted(self, facts: HostFacts) -> None:
        records = facts.records
        if records.interrupted is not None:
            self.notice.say(
                "warning",
                _("“{title}” by {by} was interrupted.").format(
                    title=records.interrupted.title, by=records.interrupted.by
                ),
                _("Open the project in the wizard: Review offers to take it back or finish it."),
            )
            self._notice_action.hide()
        elif records.lock is not None and records.lock.stale:
            self.notice.say("warning", _("A run left its lock behind"), str(records.lock))
            self._offer(_("Release the loc&k…"), self._ask_unlock)
        else:
            self.notice.clear()

    def _offer(self, text: str, action: Callable[[], object]) -> None:
        self._on_notice = action
        self._notice_action.setText(text)
        self._notice_action.show()

    def _notice_clicked(self) -> None:
        self._on_notice()

    def _failed(self, error: SlipwayError) -> None:
        self._timer.stop()
        if isinstance(error, UntrustedHost):
            self._ask_trust(error)
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
            self._asking = password_dialog(self, target, _what(self._refused), why)
            self._asking.accepted.connect(self._password_given)
            self._asking.open()

    def _password_given(self) -> None:
        if self._asking is None or self._refused is None:
            return
        visit, needs, secret = self._access.visit, _what(self._refused), self._asking.secrets[0]
        given = visit.credentials
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

    # The log

    def _follow(self, found: Found) -> None:
        self.log.clear()
        if self._following is not None:
            self._following.cancel()
        request = self.request

        def job(emit: Emit, cancel: CancelToken) -> None:
            transport = found.transport.another()

            def line(stream: Stream, text: str) -> None:
                emit((stream, text))  # type: ignore[arg-type]

            try:
                service.follow_logs(
                    transport, request, found.facts, lines=FIRST_LINES, on_line=line, cancel=cancel
                )
            finally:
                transport.close()

        worker = Worker(job, self)
        self._following = worker
        worker.drained.connect(self.log.add)
        worker.failed.connect(self._log_failed)
        worker.ended.connect(self._log_ended)
        worker.start()

    def _log_failed(self, error: SlipwayError) -> None:
        self.log.add([("note", text) for text in str(error).splitlines()])

    def _log_ended(self) -> None:
        if self.sender() is self._following:
            self._following = None

    # Acting

    def _start(self) -> None:
        self._control("start")

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

    @property
    def _chosen(self) -> Release | None:
        row = self.releases.currentRow()
        if self._seen is None or not self.releases.selectionModel().hasSelection():
            return None
        releases = _newest_first(self._seen.found.facts)
        return releases[row] if 0 <= row < len(releases) else None

    def _preview(self) -> None:
        release, seen = self._chosen, self._seen
        if release is None or seen is None:
            return
        try:
            plan = make_rollback_plan(self.request, seen.found.facts, release.id)
        except SlipwayError as error:
            tell_error(self, error)
            return
        access = Access(self._access.visit, seen.found.transport)
        task = plan_task(plan, self.request, access, self._history, version=release.version)
        self._timer.stop()
        self._dialog = RunDialog(self, plan, task, _("&Roll back"))
        self._dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._dialog.done_running.connect(self._rolled_back)
        self._dialog.destroyed.connect(self._dialog_gone)
        self._dialog.open()

    def _rolled_back(self) -> None:
        self.look()

    def _dialog_gone(self) -> None:
        self._dialog = None
        self._timer.start()

    # Showing

    def _refresh(self) -> None:
        seen = self._seen
        if seen is None:
            self._state.setText(
                _("Connecting to {target}…").format(target=self._access.visit.target)
            )
        else:
            self._state.setText(status_words(seen.status, seen.found.facts.clock))
            icon, role = _look_of(seen.status)
            self._icon.show_icon(icon, role)
            self._show_releases(seen.found.facts)
        self._refresh_buttons()

    def _refresh_buttons(self) -> None:
        seen = self._seen
        idle = not self._acting and seen is not None
        state = seen.status.state if seen else "missing"
        there = idle and state != "missing"
        self._spinner.setVisible(self._acting or (seen is None and self._looking is not None))
        self.start_button.setEnabled(there and state != "running")
        self.stop_button.setEnabled(there and state in ("running", "restarting", "paused"))
        self.restart_button.setEnabled(there)
        chosen = self._chosen
        facts = seen.found.facts if seen else None
        self.roll_back_button.setEnabled(
            idle and chosen is not None and facts is not None
            and _can_serve_again(self.request, facts, chosen)
        )  # fmt: skip

    def _show_releases(self, facts: HostFacts) -> None:
        releases = _newest_first(facts)
        shown = [
            (
                release.id,
                release.version,
                release_words(self.request, facts, release),
                _when(release.created),
                release.by,
            )
            for release in releases
        ]
        if self._rows() == shown:
            return
        chosen = self._chosen
        self.releases.setRowCount(len(shown))
        for row, texts in enumerate(shown):
            for column, text in enumerate(texts):
                self.releases.setItem(row, column, QTableWidgetItem(text))
            if chosen is not None and releases[row].id == chosen.id:
                self.releases.selectRow(row)
        count = len(shown)
        self._release_words.setText(
            ngettext("{count} release on the server", "{count} releases on the server", count)
            .format(count=count)
        )  # fmt: skip

    def _rows(self) -> list[tuple[str, ...]]:
        table = self.releases
        return [
            tuple(item.text() if (item := table.item(row, column)) else "" for column in range(5))
            for row in range(table.rowCount())
        ]

    def closeEvent(self, event: QCloseEvent) -> None:
        if self.busy and self._dialog is not None:
            event.ignore()
            self._dialog.close()
            return
        self._timer.stop()
        if self._following is not None:
            self._following.cancel()
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
            found = access.visit.look(transport, _ask_nobody, CancelToken())
        except ConnectionLost:
            found = Found(*replace(access, transport=None).look())
        transport, facts = found.transport, found.facts
    return Seen(Found(transport, facts), service.status(transport, access.visit.request, facts))


def _ask_nobody(_question: object) -> None:
    """Take a server's question and answer nothing."""


def status_words(status: Status, clock: int) -> str:
    """Return a service's state as one line; ``clock`` is the server's time in seconds."""
    parts = [state_words(status.state)]
    if status.healthy is not None:
        parts[0] = _("Running and healthy") if status.healthy else _("Running, but not healthy")
    if status.version:
        parts.append(_("version {version}").format(version=status.version))
    if status.since:
        began = _moment(status.since)
        if began is not None:
            parts.append(_("since {time}").format(time=age_text(max(0.0, clock - began))))
    if status.restarts:
        parts.append(
            ngettext("{count} restart", "{count} restarts", status.restarts).format(
                count=status.restarts
            )
        )
    if status.detail:
        parts.append(status.detail)
    return " · ".join(parts)


def _look_of(status: Status) -> tuple[str, str]:
    if status.state != "running":
        return "stop", "warning"
    return ("error", "danger") if status.healthy is False else ("success", "success")


def _newest_first(facts: HostFacts) -> tuple[Release, ...]:
    return tuple(sorted(facts.records.releases, key=lambda release: release.id, reverse=True))


def _can_serve_again(request: DeployRequest, facts: HostFacts, release: Release) -> bool:
    state = facts.records.state
    return (
        release.id != state.current
        and release.id not in state.bad
        and kind_of(request).available(facts, release)
    )


def release_words(request: DeployRequest, facts: HostFacts, release: Release) -> str:
    """Return what a release is on its server."""
    state = facts.records.state
    parts = []
    if release.id == state.current:
        parts.append(_("serves now"))
    elif release.id in state.bad:
        parts.append(_("failed"))
    elif not kind_of(request).available(facts, release):
        parts.append(_("its files are gone"))
    elif release.id == state.previous:
        parts.append(_("served before"))
    elif release.id in state.verified:
        parts.append(_("was healthy"))
    if release.id in state.pinned:
        parts.append(_("pinned"))
    if release.adopted:
        parts.append(_("adopted"))
    return _(", ").join(parts)


def _moment(text: str) -> float | None:
    """Return an ISO 8601 time, which may have more digits than Python reads, as seconds."""
    head, dot, rest = text.partition(".")
    zone = rest.lstrip("0123456789") if dot else ""
    try:
        moment = datetime.fromisoformat(head + zone)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _when(text: str) -> str:
    moment = _moment(text)
    if moment is None:
        return text
    return datetime.fromtimestamp(moment).astimezone().strftime("%Y-%m-%d %H:%M")


def _what(error: AuthError) -> What:
    """Return which secret the server misses."""
    names: dict[str, What] = {"passphrase": "passphrase", "sudo": "sudo"}
    return names.get(error.needs, "password")


def _padded(widget: QWidget) -> QWidget:
    holder = QWidget()
    layout = QVBoxLayout(holder)
    layout.setContentsMargins(0, 12, 0, 0)
    layout.addWidget(widget)
    return holder
