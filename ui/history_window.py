"""All runs of this desktop, with their logs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from PySide6.QtCore import (
    QAbstractTableModel,
    QByteArray,
    QModelIndex,
    QPersistentModelIndex,
    QSortFilterProxyModel,
    Qt,
    Signal,
)
from PySide6.QtGui import QCloseEvent, QColor
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QSplitter,
    QTableView,
    QVBoxLayout,
    QWidget,
)

from app.amounts import duration_text, local_text
from app.errors import SlipwayError
from app.events import Outcome, StepState
from app.history import History, Run
from app.i18n import _, ngettext
from app.reasons import reason
from ui.report import outcome_text
from ui.settings import Settings
from ui.theme import theme
from ui.widgets.basics import TONE_COLOURS, Notice, SearchEdit, button, close_by_key, label
from ui.widgets.log_view import Entry, LogView, Sort
from ui.widgets.outcome import outcome_tone
from ui.widgets.step_list import state_text
from ui.worker import Worker

Index = QModelIndex | QPersistentModelIndex
# What History writes: a step behind its number, an outcome behind the time.
STEP = re.compile(rf"(?<=\] )({'|'.join(StepState)}): (.*)$")
OUTCOME = re.compile(rf"(?<=^.{{8}}  )({'|'.join(Outcome)})$")
LOG_LIMIT = 20_000_000  # bytes of one log that are read: more would not fit the view


class RunModel(QAbstractTableModel):
    """The runs as a table."""

    def __init__(self) -> None:
        super().__init__()
        self.runs: tuple[Run, ...] = ()
        self._ended_later: dict[int, Outcome] = {}

    def show_runs(self, runs: Sequence[Run]) -> None:
        """Show these runs."""
        self.beginResetModel()
        self.runs = tuple(runs)
        self._ended_later = ended_later(self.runs)
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else len(self.runs)

    def columnCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 - Qt's signature
        return 0 if parent.isValid() else 5

    def headerData(
        self,
        section: int,
        orientation: Qt.Orientation,
        role: int = Qt.ItemDataRole.DisplayRole,
    ) -> object:
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return (_("When"), _("What"), _("Version"), _("Outcome"), _("Took"))[section]
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        run = self.runs[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (
                local_text(run.when),
                run.title,
                run.version,
                self._outcome_text(run),
                duration_text(run.seconds) if run.outcome else "",
            )[index.column()]
        if role == Qt.ItemDataRole.ForegroundRole and index.column() == 3:
            return QColor(theme().colour(TONE_COLOURS[outcome_tone(run.outcome)]))
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{run.title}\n\n{run.error}" if run.error else run.title
        return None

    def _outcome_text(self, run: Run) -> str:
        later = self._ended_later.get(run.id)
        if later is None:
            return outcome_text(run.outcome)
        if later is Outcome.SUCCEEDED:
            return _("interrupted, finished later")
        return _("interrupted, taken back later")


def ended_later(runs: Sequence[Run]) -> dict[int, Outcome]:
    """Return how interrupted runs, by their id, were ended by a later one; ``runs`` newest first.

    Nothing else can be done with a service until that: what comes next of its release is that.
    """
    ends: dict[int, Outcome] = {}
    next_of: dict[tuple[str, str, str], Outcome] = {}
    for run in runs:
        release = (run.name, run.target, run.release)
        if run.outcome in (Outcome.SUCCEEDED, Outcome.ROLLED_BACK):
            next_of[release] = run.outcome
        elif run.outcome is None and release in next_of:
            ends[run.id] = next_of[release]
    return ends


class HistoryWindow(QWidget):
    """Lists the runs, newest first; ``server_wanted(run)`` asks for the server of one."""

    server_wanted = Signal(object)
    closed = Signal()

    def __init__(self, history: History, settings: Settings) -> None:
        super().__init__()
        self.setWindowFlag(Qt.WindowType.Window)
        self.setWindowTitle(_("History"))
        close_by_key(self)
        self._history = history
        self._settings = settings
        self._worker: Worker | None = None
        self._reader: Worker | None = None
        self._last = 0  # the id of the run that was chosen last
        self.resize(1000, 700)
        if geometry := settings.geometry("history"):
            self.restoreGeometry(QByteArray(geometry))
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 20, 24, 20)
        outer.setSpacing(12)
        outer.addWidget(label(_("History"), "title"))
        outer.addWidget(label(_("Every run of this computer, with its log."), "lead"))
        outer.addLayout(self._tools())
        self.notice = Notice()
        outer.addWidget(self.notice)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setChildrenCollapsible(False)
        splitter.setHandleWidth(12)
        splitter.addWidget(self._make_table())
        self.log = LogView(_("Log of the run"))
        splitter.addWidget(self.log)
        splitter.setSizes([280, 320])
        outer.addWidget(splitter, 1)
        self.reload()
        self.filter.setFocus()

    def _tools(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(8)
        self.filter = SearchEdit()
        self.filter.setPlaceholderText(_("Filter by service, server, version or outcome"))
        self.filter.setAccessibleName(_("Filter the runs"))
        self.filter.setClearButtonEnabled(True)
        self.filter.textChanged.connect(self._filtered)
        row.addWidget(self.filter, 1)
        self._count = label(role="small", wrap=False)
        row.addWidget(self._count)
        row.addWidget(button(_("&Refresh"), self.reload, "refresh"))
        self.server_button = button(
            _("&Server, releases, roll back…"), self._server_clicked, "server"
        )
        row.addWidget(self.server_button)
        return row

    def _make_table(self) -> QTableView:
        self.model = RunModel()
        self.shown = QSortFilterProxyModel(self)
        self.shown.setSourceModel(self.model)
        self.shown.setFilterKeyColumn(-1)
        self.shown.setFilterCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        table = QTableView()
        table.setModel(self.shown)
        table.setAccessibleName(_("Runs"))
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.setWordWrap(False)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        table.verticalHeader().hide()
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        for column in range(5):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(1, QHeaderView.ResizeMode.Stretch)
        table.selectionModel().selectionChanged.connect(self._selected)
        table.activated.connect(self._server_clicked)
        self.table = table
        return table

    # Runs

    def reload(self) -> None:
        """Read the runs again."""
        history = self._history
        worker = Worker(lambda _emit, _cancel: history.runs(), self)
        self._worker = worker
        worker.succeeded.connect(self._loaded)
        worker.failed.connect(self.notice.say_error)
        worker.ended.connect(worker.deleteLater)
        worker.start()

    def _loaded(self, runs: tuple[Run, ...]) -> None:
        if runs == self.model.runs:
            return
        self.model.show_runs(runs)
        self._last = 0  # the newest: it is what one comes for
        self._filtered()
        self._refresh()

    def _filtered(self) -> None:
        last = self._last
        self.shown.setFilterFixedString(self.filter.text())
        count = self.shown.rowCount()
        self._count.setText(ngettext("{n} run", "{n} runs", count).format(n=count))
        self._choose(last)
        if not self.model.runs:
            self.notice.say(
                "info",
                _("Nothing was run yet"),
                _("Open a project in the wizard and deploy it: every run is kept here."),
            )
        elif not count:
            self.notice.say("info", _("No run matches"), _("Change the filter, or clear it."))
            self._last = last  # it is chosen again when the filter lets it
        else:
            self.notice.clear()

    def _choose(self, run: int) -> None:
        """Choose the run of this id if it is shown, or else the first one."""
        rows = range(self.shown.rowCount())
        ids = [self.model.runs[self._source_row(row)].id for row in rows]
        if ids:
            self.table.selectRow(ids.index(run) if run in ids else 0)

    def _source_row(self, row: int) -> int:
        return self.shown.mapToSource(self.shown.index(row, 0)).row()

    @property
    def chosen(self) -> Run | None:
        """The selected run."""
        rows = self.table.selectionModel().selectedRows()
        return self.model.runs[self._source_row(rows[0].row())] if rows else None

    def _selected(self) -> None:
        self._refresh()
        run = self.chosen
        self.log.clear()
        if self._reader is not None:
            self._reader.cancel()
        if run is None:
            return
        self._last = run.id
        self.log.suggest_name(run.log.name)
        path = run.log
        worker = Worker(lambda _emit, _cancel: (path, read_log(path)), self)
        self._reader = worker
        worker.succeeded.connect(self._read)
        worker.failed.connect(self._not_read)
        worker.ended.connect(worker.deleteLater)
        worker.start()

    def _read(self, result: tuple[Path, list[Entry]]) -> None:
        path, lines = result
        run = self.chosen
        if run is not None and run.log == path:
            self.log.clear()
            self.log.add(lines)

    def _not_read(self, error: SlipwayError) -> None:
        self.log.add([("note", line) for line in str(error).splitlines()])

    def _refresh(self) -> None:
        self.server_button.setEnabled(self.chosen is not None)

    def _server_clicked(self) -> None:
        run = self.chosen
        if run is not None:
            self.server_wanted.emit(run)

    def closeEvent(self, event: QCloseEvent) -> None:
        self._settings.remember_geometry("history", bytes(self.saveGeometry().data()))
        event.accept()
        self.closed.emit()


def read_log(path: Path) -> list[Entry]:
    """Return the lines of a run's log by what they are; raises SlipwayError."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            return [_entry(line) for line in file.read(LOG_LIMIT).splitlines()]
    except OSError as problem:
        raise SlipwayError(
            _("The log of this run can't be read."),
            f"{path}: {reason(problem)}",
            _("It may have been moved or deleted."),
        ) from problem


def _entry(line: str) -> Entry:
    """Tell what a line of a log is by the mark that History puts behind its time."""
    mark = line[8:].strip()[:1]
    if mark == "!":
        return ("stderr", line)
    if mark == "-":
        return ("note", line)
    if mark == "[":
        sort: Sort = "heading" if f" {StepState.RUNNING.value}: " in line else "stdout"
        return (sort, STEP.sub(_in_words, line))
    return ("stdout", OUTCOME.sub(lambda found: outcome_text(Outcome(found[0])), line))


def _in_words(step: re.Match[str]) -> str:
    """Return a step of a log, which is for programs too, in words like everywhere."""
    return _("{name}: {text}").format(name=step[2], text=state_text(StepState(step[1])))
