"""The releases that lie on a server, and the way back to one of them."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHBoxLayout,
    QHeaderView,
    QTableWidget,
    QTableWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.amounts import local_text
from app.host import HostFacts
from app.i18n import _, ngettext
from app.releases import Release
from app.request import DeployRequest
from app.service import newest_first, release_words, why_not_again
from ui.widgets.basics import button, label


class ReleasePage(QWidget):
    """Lists the releases, newest first; ``wanted(release)`` asks to roll back to one."""

    wanted = Signal(object)

    def __init__(self, request: DeployRequest) -> None:
        super().__init__()
        self._request = request
        self._facts: HostFacts | None = None
        self._idle = False
        self._counted = ""
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 12, 0, 0)
        layout.setSpacing(10)
        self.table = self._make_table()
        layout.addWidget(self.table, 1)
        row = QHBoxLayout()
        self._words = label(role="muted")
        row.addWidget(self._words, 1)
        self.roll_back_button = button(_("Roll &back to this…"), self._clicked, "rollback")
        row.addWidget(self.roll_back_button)
        layout.addLayout(row)
        self.refresh_button()

    def _make_table(self) -> QTableWidget:
        table = QTableWidget(0, 5)
        table.setAccessibleName(_("Releases"))
        table.setHorizontalHeaderLabels(
            [_("Release"), _("Version"), _("State"), _("Made"), _("By")]
        )
        table.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        table.setSelectionMode(QAbstractItemView.SelectionMode.SingleSelection)
        table.setEditTriggers(QAbstractItemView.EditTrigger.NoEditTriggers)
        table.setTextElideMode(Qt.TextElideMode.ElideMiddle)
        table.setWordWrap(False)
        table.setShowGrid(False)
        table.setTabKeyNavigation(False)
        table.verticalHeader().hide()
        header = table.horizontalHeader()
        header.setHighlightSections(False)
        header.setDefaultAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        header.setMaximumSectionSize(320)
        for column in range(5):
            header.setSectionResizeMode(column, QHeaderView.ResizeMode.ResizeToContents)
        header.setSectionResizeMode(2, QHeaderView.ResizeMode.Stretch)
        table.itemSelectionChanged.connect(self.refresh_button)
        return table

    @property
    def chosen(self) -> Release | None:
        """The selected release."""
        row = self.table.currentRow()
        if self._facts is None or not self.table.selectionModel().hasSelection():
            return None
        releases = newest_first(self._facts)
        return releases[row] if 0 <= row < len(releases) else None

    def set_idle(self, idle: bool) -> None:
        """Say whether anything may be begun now."""
        self._idle = idle
        self.refresh_button()

    def refresh_button(self) -> None:
        """Let Roll back be pressed while the selected release can serve again, or say why not."""
        chosen, facts = self.chosen, self._facts
        why = ""
        if facts is not None and facts.records.abandoned_run is not None:
            why = _("An interrupted run has to be taken back or finished first.")
        elif facts and chosen:
            why = why_not_again(self._request, facts, chosen)
        self.roll_back_button.setEnabled(self._idle and chosen is not None and not why)
        self.roll_back_button.setToolTip(why)
        self._words.setText(" · ".join(filter(None, (self._counted, why))))

    def show_releases(self, facts: HostFacts) -> None:
        """Show what lies there; the selected release stays selected."""
        chosen = self.chosen
        self._facts = facts
        releases = newest_first(facts)
        shown = [
            (
                release.id,
                release.version,
                release_words(self._request, facts, release),
                local_text(release.created),
                release.by,
            )
            for release in releases
        ]
        count = sum(not why_not_again(self._request, facts, release) for release in releases)
        if shown:
            words = ngettext(
                "{total} release, {count} can be rolled back to",
                "{total} releases, {count} can be rolled back to",
                len(releases),
            )
            self._counted = words.format(total=len(releases), count=count)
        else:
            self._counted = _(
                "Nothing was deployed here yet: open the project in the wizard and deploy it."
            )
        self.refresh_button()
        if self._rows() == shown:
            return
        self.table.setRowCount(len(shown))
        for row, texts in enumerate(shown):
            for column, text in enumerate(texts):
                item = QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(row, column, item)
            if chosen is not None and releases[row].id == chosen.id:
                self.table.selectRow(row)

    def _rows(self) -> list[tuple[str, ...]]:
        table = self.table
        return [
            tuple(item.text() if (item := table.item(row, column)) else "" for column in range(5))
            for row in range(table.rowCount())
        ]

    def _clicked(self) -> None:
        if self.chosen is not None:
            self.wanted.emit(self.chosen)
