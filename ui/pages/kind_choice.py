"""The kinds to choose from: a card for each, with what it means."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import QButtonGroup, QFrame, QHBoxLayout, QRadioButton, QVBoxLayout, QWidget

from app.i18n import _
from app.request import KINDS
from ui.draft import Draft
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
                "closed, until this computer is restarted, and can be rolled back like any other."
            ),
        ),
    }


class KindChoice(QWidget):
    """The kinds, one of which is chosen, each with what it means."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(14)
        self._group = QButtonGroup(self)
        self._cards: dict[str, ChoiceCard] = {}
        words = kind_words()
        for kind in KINDS:
            card = ChoiceCard(ICONS[kind], *words[kind])
            self._group.addButton(card.radio)
            row.addWidget(card, 1)
            self._cards[kind] = card
        self._group.buttonToggled.connect(self._chosen)

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
        self._draft.choose_kind(kind)


class ChoiceCard(QFrame):
    """A card with a radio button: a click anywhere on it chooses it."""

    def __init__(self, icon: str, name: str, words: str) -> None:
        super().__init__()
        self._icon_name = icon
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 14)
        column.setSpacing(6)
        head = QHBoxLayout()
        head.setSpacing(3)  # the button keeps room for a text of its own
        self.radio = QRadioButton()
        self.radio.setAccessibleName(name)
        self.radio.setAccessibleDescription(words)
        head.addWidget(self.radio, 0, Qt.AlignmentFlag.AlignTop)
        title = label(name)  # a radio button's own text can't be wrapped
        font = title.font()
        font.setWeight(font.Weight.DemiBold)
        title.setFont(font)
        head.addWidget(title, 1)
        head.addSpacing(10)
        self._icon = Icon(icon, "muted", 26)
        head.addWidget(self._icon, 0, Qt.AlignmentFlag.AlignTop)
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
