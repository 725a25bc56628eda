"""What a kind adds to the Method page."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from PySide6.QtWidgets import QWidget

from ui.pages.answers import FormPage
from ui.widgets.basics import Card


class KindForm:
    """The controls of one kind: all are hidden while another one is chosen.

    ``service`` stand beneath the name, ``cards`` follow, ``more`` are folded away, ``kept`` stand
    beside what is kept of releases.
    """

    kind: ClassVar[str]

    def __init__(self, page: FormPage) -> None:
        self.page = page
        self.draft = page.draft
        self.service: tuple[QWidget, ...] = ()
        self.cards: tuple[QWidget, ...] = ()
        self.more: tuple[QWidget, ...] = ()
        self.kept: tuple[QWidget, ...] = ()

    @property
    def widgets(self) -> tuple[QWidget, ...]:
        """All that belongs to this kind."""
        return (*self.service, *self.cards, *self.more, *self.kept)

    def refresh(self) -> None:
        """Show what follows from the draft; only while this kind is chosen."""


def filled(card: Card, fields: Iterable[QWidget]) -> Card:
    """Put fields into a card and return it."""
    for field in fields:
        card.body.addWidget(field)
    return card
