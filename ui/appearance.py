"""The menu that chooses light, dark or high contrast; what the system says is the default."""

from __future__ import annotations

from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QMenu, QWidget

from app.i18n import _
from ui.settings import APPEARANCES, Settings
from ui.theme import theme


class AppearanceMenu(QMenu):
    """Lists the appearances; the one that is chosen is used at once and remembered."""

    def __init__(self, parent: QWidget, settings: Settings) -> None:
        super().__init__(_("&Appearance"), parent)
        self._settings = settings
        self._group = QActionGroup(self)
        names = (_("As the &system"), _("&Light"), _("&Dark"), _("&High contrast"))
        for code, name in zip(APPEARANCES, names, strict=True):
            action = QAction(name, self)
            action.setCheckable(True)
            action.setChecked(code == settings.appearance)
            action.setData(code)
            self._group.addAction(action)
            self.addAction(action)
        self._group.triggered.connect(self._choose)

    def _choose(self, action: QAction) -> None:
        code = str(action.data())
        self._settings.remember_appearance(code)
        theme().choose(code)
