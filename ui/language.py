"""The language of the window: Qt's own words in it, and the menu that chooses it."""

from __future__ import annotations

from PySide6.QtCore import QLibraryInfo, QLocale, QObject, Qt, QTranslator
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QApplication, QMenu, QMessageBox, QWidget

from app.i18n import LANGUAGES, _, in_language, language, marked, system_language
from ui.settings import Settings

# A font that lacks Chinese characters borrows them, on some systems from a Japanese one, where
# some look different: these come first. Each system has one of them.
CHINESE_FONTS = ("Microsoft YaHei UI", "PingFang SC", "Noto Sans CJK SC", "Source Han Sans SC")


class LeftWords(QTranslator):
    """What Qt's translation into Chinese has left in English, or says in an unusual word."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._words = {
            ("QFileDialog", "&Look in:"): _("&Look in:"),
            ("QFileSystemModel", "Size"): _("Size"),
            ("QAbstractFileIconProvider", "Folder"): _("Folder"),
            ("QFileDialog", "Files of &type:"): _("Files of &type:"),
        }

    def isEmpty(self) -> bool:
        return False

    def translate(
        self, context: str, text: str, _disambiguation: str | None = None, _n: int = -1
    ) -> str | None:
        return self._words.get((context, text))  # "" would be taken for a translation


def translate_qt(application: QApplication) -> None:
    """Let Qt's own buttons, menus and dialogs speak the language in use."""
    words = QTranslator(application)
    folder = QLibraryInfo.path(QLibraryInfo.LibraryPath.TranslationsPath)
    if words.load(QLocale(language()), "qtbase", "_", folder):
        application.installTranslator(words)
    if language() == "zh_CN":
        application.installTranslator(LeftWords(application))
        font = application.font()
        font.setFamilies([*font.families(), *CHINESE_FONTS])
        application.setFont(font)


class LanguageMenu(QMenu):
    """Lists the languages; the one that is chosen is remembered, and used from the next start."""

    def __init__(self, parent: QWidget, settings: Settings) -> None:
        # A translation keeps the English word too: it is looked for by those who can't read it.
        super().__init__(_("&Language"), parent)
        self._settings = settings
        self._group = QActionGroup(self)
        of_system = _("As the system: {language}").format(language=LANGUAGES[system_language()])
        for code, name in {"": of_system, **LANGUAGES}.items():
            action = QAction(name, self)
            action.setCheckable(True)
            action.setChecked(code == settings.language)
            action.setData(code)
            self._group.addAction(action)
            self.addAction(action)
        self._group.triggered.connect(self._choose)

    def _choose(self, action: QAction) -> None:
        code = str(action.data())
        if code == self._settings.language:
            return
        self._settings.remember_language(code)
        coming = code or system_language()
        if coming != language():
            self._tell(coming)

    def _tell(self, coming: str) -> None:
        """Say when it happens, in the language that was chosen."""
        box = QMessageBox(self.parentWidget())
        box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        box.setIcon(QMessageBox.Icon.Information)
        box.setWindowTitle("Slipway")
        # Each translation names its own language.
        box.setText(in_language(coming, marked("Slipway speaks English from its next start on.")))
        box.setInformativeText(
            in_language(coming, marked("This window stays as it is until you close it."))
        )
        box.addButton(in_language(coming, marked("&Close")), QMessageBox.ButtonRole.AcceptRole)
        box.open()
