"""The wizard's menus, and what they ask for: folders and files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu

from app.i18n import _
from app.request import PROFILE_NAME
from ui.appearance import AppearanceMenu
from ui.language import LanguageMenu
from ui.theme import RESOURCES, theme

if TYPE_CHECKING:
    from ui.wizard import Wizard


class Menus(QObject):
    """File, View and Help; ``server`` is the action that can be switched off."""

    def __init__(self, wizard: Wizard) -> None:
        super().__init__(wizard)
        self._wizard = wizard
        self._icons: dict[QAction, str] = {}
        standard = QKeySequence.StandardKey
        file = wizard.menuBar().addMenu(_("&File"))
        file.aboutToShow.connect(self._draw_icons)
        self._add(file, _("&Open project…"), "folder", self.ask_folder, standard.Open)
        toml = QKeySequence("Ctrl+Shift+O")
        self._add(file, _("Open slipway.&toml…"), "file", self.ask_profile, toml)
        file.addSeparator()
        self._add(file, _("&Save slipway.toml"), "save", wizard.save, standard.Save)
        save_as = QKeySequence("Ctrl+Shift+S")
        self._add(file, _("Save slipway.toml &as…"), "", self.ask_save, save_as)
        file.addSeparator()
        self._add(file, _("&Quit"), "", wizard.close, standard.Quit)
        view = wizard.menuBar().addMenu(_("&View"))
        view.aboutToShow.connect(self._draw_icons)
        history = QKeySequence("Ctrl+H")
        self._add(view, _("&History…"), "history", wizard.show_history, history)
        keys = QKeySequence("Ctrl+R")
        self.server = self._add(view, _("&Server…"), "server", wizard.show_server, keys)
        view.addSeparator()
        self.appearance = AppearanceMenu(wizard, wizard.draft.settings)
        view.addMenu(self.appearance)
        view.addMenu(LanguageMenu(wizard, wizard.draft.settings))
        # without a letter of its own: each leads to a field, and F1 leads here
        helping = wizard.menuBar().addMenu(_("Help"))
        guide = self._add(helping, _("User &guide"), "", wizard.show_guide, standard.HelpContents)
        guide.setEnabled((RESOURCES.parent / "docs").is_dir())  # pip installs none
        self._add(helping, _("&About Slipway"), "", self.show_about, QKeySequence())

    def _add(
        self,
        menu: QMenu,
        text: str,
        icon: str,
        slot: Callable[[], object],
        keys: QKeySequence | QKeySequence.StandardKey,
    ) -> QAction:
        action = QAction(text, self._wizard)
        action.setShortcut(keys)
        if icon:
            self._icons[action] = icon
        action.triggered.connect(slot)
        menu.addAction(action)
        return action

    def _draw_icons(self) -> None:
        """Draw what nobody sees before a menu opens."""
        while self._icons:
            theme().set_icon(*self._icons.popitem())

    def show_about(self) -> None:
        """Say which version this is and what it runs on, for those who are asked."""
        from ui.dialogs import AboutDialog

        AboutDialog(self._wizard).open()

    def ask_folder(self) -> None:
        """Ask for a project's folder and open it."""
        from PySide6.QtWidgets import QFileDialog

        start = str(self._wizard.draft.request.project.path.parent)
        name = QFileDialog.getExistingDirectory(self._wizard, _("Open a Go project"), start)
        if name:
            self._wizard.open(Path(name))

    def ask_profile(self) -> None:
        """Ask for a slipway.toml and open it."""
        from PySide6.QtWidgets import QFileDialog

        start = str(self._wizard.draft.request.project.path)
        kinds = _("Profiles (*.toml)")
        name, _kind = QFileDialog.getOpenFileName(
            self._wizard, _("Open slipway.toml"), start, kinds
        )
        if name:
            self._wizard.open(Path(name))

    def ask_save(self) -> None:
        """Ask where slipway.toml shall be written, and write it."""
        from PySide6.QtWidgets import QFileDialog

        draft = self._wizard.draft
        start = draft.profile_path or draft.request.project.path / PROFILE_NAME
        kinds = _("Profiles (*.toml)")
        name, _kind = QFileDialog.getSaveFileName(
            self._wizard, _("Save slipway.toml"), str(start), kinds
        )
        if name:
            self._wizard.save_as(Path(name))
