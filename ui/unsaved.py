"""What becomes of answers that are not in slipway.toml yet, before something takes their place."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QWidget

from app.errors import SlipwayError
from app.i18n import _
from ui.dialogs import Asking
from ui.widgets.basics import button
from ui.widgets.error_box import tell_error

if TYPE_CHECKING:
    from ui.draft import Draft


class UnsavedDialog(Asking):
    """Asks whether to save; Enter does, Escape leaves everything as it is."""

    discarded = Signal()

    def __init__(self, parent: QWidget, path: Path) -> None:
        super().__init__(
            parent,
            "warning",
            _("Save the changes to {file}?").format(file=path.name),
            _("The answers are no longer those in {path}.").format(path=path),
        )
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        discard = button(_("&Don't save"), self.reject)
        discard.clicked.connect(self.discarded)
        self._row.addWidget(discard)
        save = button(_("&Save"), self.accept, role="primary")
        self.add_answers(save, button(_("&Cancel"), self.reject), save)
        save.setFocus()


def settle_changes(parent: QWidget, draft: Draft, then: Callable[[], object]) -> None:
    """Do ``then`` once the draft's changes are saved or given up; at once if there are none."""
    path = draft.profile_path
    if path is None or not draft.unsaved:
        then()
        return

    def save() -> None:
        try:
            draft.save(path)
        except SlipwayError as error:
            tell_error(parent, error)
        else:
            then()

    def give_up() -> None:
        draft.give_up_changes()
        then()

    dialog = UnsavedDialog(parent, path)
    dialog.accepted.connect(save)
    dialog.discarded.connect(give_up)
    dialog.open()
