"""What to do on a server that can't be reached yet: lines to copy, and what each is for."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtWidgets import QWidget

from app.i18n import _
from app.server_setup import Setup
from ui.widgets.basics import Card, Disclosure, label, put_in_tab_order
from ui.widgets.command_view import CommandView

WHOLE = 40  # lines: what is pasted is to be read first


class SetupHelp(Disclosure):
    """Folded away until it is needed; hidden while there is nothing to say."""

    def __init__(self) -> None:
        super().__init__(_("Prepare the server"))
        self._setups: tuple[Setup, ...] = ()
        self._card = Card()
        self.body.addWidget(self._card)
        words = _(
            "Whoever runs the server pastes these lines into a PowerShell window there that was "
            "opened as administrator."
        )
        self._card.body.addWidget(label(words, "muted"))
        self._parts: list[QWidget] = []
        self.hide()

    def show_setups(self, setups: Sequence[Setup]) -> None:
        """Show other lines."""
        self.setVisible(bool(setups))
        if tuple(setups) == self._setups:
            return
        self._setups = tuple(setups)
        for part in self._parts:
            part.hide()
            part.deleteLater()
        self._parts = []
        for setup in setups:
            self._add(label(setup.title, "heading"))
            self._add(label(setup.words, "small"))
            self._add(CommandView(setup.title, setup.lines.rstrip(), WHOLE))
        controls = [each for part in self._parts for each in part.findChildren(QWidget)]
        put_in_tab_order(self.button, [each for each in controls if each.focusPolicy()])

    def _add(self, part: QWidget) -> None:
        self._card.body.addWidget(part)
        self._parts.append(part)
