"""The kinds to choose from: a card for each, with what it means."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import QSize
from PySide6.QtGui import QMouseEvent, QResizeEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from app.i18n import _
from app.request import KINDS
from ui.draft import Draft
from ui.targets import fitting
from ui.theme import set_role
from ui.widgets.basics import Icon, check_radio, label

ICONS = {"docker": "docker", "windows-service": "windows", "process": "computer"}


def kind_words() -> dict[str, tuple[str, str]]:
    """Return name and meaning of each kind."""
    return {
        "docker": (
            _("Docker container"),
            _(
                "Runs in a container of its own on a Linux server. Docker starts it again after a "
                "crash or a restart of the server. The old container is kept for rolling back."
            ),
        ),
        "windows-service": (
            _("Windows service"),
            _(
                "Runs as a service on a Windows server that needs nothing installed. Windows "
                "starts it again after a crash or a restart. The old program is kept for rolling "
                "back."
            ),
        ),
        "process": (
            _("Process on this computer"),
            _(
                "Runs here, without a server, for trying out. It goes on when the wizard is "
                "closed, and can be stopped and rolled back like any other."
            ),
        ),
    }


class KindChoice(QWidget):
    """The kinds, one of which is chosen, each with what it means."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setSpacing(14)
        self._columns = 0
        self._group = QButtonGroup(self)
        self._cards: dict[str, ChoiceCard] = {}
        words = kind_words()
        for kind in KINDS:
            card = ChoiceCard(ICONS[kind], *words[kind])
            self._group.addButton(card.radio)
            self._cards[kind] = card
        self._arrange(len(self._cards))
        self._group.buttonToggled.connect(self._chosen)

    def _arrange(self, columns: int) -> None:
        """Put the cards into so many columns."""
        if columns == self._columns:
            return
        self._columns = columns
        for number, card in enumerate(self._cards.values()):
            self._grid.addWidget(card, number // columns, number % columns)
            self._grid.setColumnStretch(number, 1 if number < columns else 0)

    def _widths(self) -> list[int]:
        return [card.minimumSizeHint().width() for card in self._cards.values()]

    def minimumSizeHint(self) -> QSize:
        return QSize(max(self._widths()), super().minimumSizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:
        super().resizeEvent(event)
        count = len(self._cards)
        beside = sum(self._widths()) + (count - 1) * self._grid.spacing()
        self._arrange(count if self.width() >= beside else 1)

    def refresh(self) -> None:
        """Show the kind that is chosen."""
        chosen = self._cards.get(self._draft.request.deploy.kind)
        if chosen is not None:
            check_radio(chosen.radio)
        for card in self._cards.values():
            card.show_chosen()

    def _chosen(self, _button: QRadioButton, checked: bool) -> None:
        if not checked:
            return
        kind = next(kind for kind, card in self._cards.items() if card.radio.isChecked())
        request = self._draft.request
        targets = fitting(kind, request.targets)
        self._draft.update(
            replace(request, deploy=replace(request.deploy, kind=kind), targets=targets)
        )


class ChoiceCard(QFrame):
    """A card with a radio button: a click anywhere on it chooses it."""

    def __init__(self, icon: str, name: str, words: str) -> None:
        super().__init__()
        self._icon_name = icon
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 14)
        column.setSpacing(6)
        head = QHBoxLayout()
        head.setSpacing(10)
        self.radio = QRadioButton(name)
        self.radio.setAccessibleDescription(words)
        font = self.radio.font()
        font.setWeight(font.Weight.DemiBold)
        self.radio.setFont(font)
        head.addWidget(self.radio, 1)
        self._icon = Icon(icon, "muted", 26)
        head.addWidget(self._icon)
        column.addLayout(head)
        column.addWidget(label(words, "small"))
        column.addStretch(1)
        self.show_chosen()

    def show_chosen(self) -> None:
        """Show whether it is the chosen one."""
        chosen = self.radio.isChecked()
        set_role(self, "info" if chosen else "card")
        self._icon.show_icon(self._icon_name, "accent" if chosen else "muted")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.radio.setChecked(True)
        self.radio.setFocus()
