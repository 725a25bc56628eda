"""First page: which Go program; what its folder was understood to be."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLineEdit,
    QVBoxLayout,
    QWidget,
)

from app.errors import SlipwayError, ToolchainError
from app.i18n import _
from ui.draft import Draft
from ui.pages.page import Page
from ui.widgets.basics import Card, Notice, Spinner, button, label
from ui.widgets.form import Field

if TYPE_CHECKING:
    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QListWidgetItem

    from app.git import GitRevision
    from app.project import GoProject
    from app.toolchain import Toolchain
    from ui.pages.facts import Fact, FactList
    from ui.pages.lists import PlainList

SHOWN_ROWS = 6
PAUSE = 600  # milliseconds without a key before a typed path is looked at


class ProjectPage(Page):
    """Takes a folder or a slipway.toml: typed, browsed for, dropped, or a recent one."""

    icon = "project"
    fields = ("project",)

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._shown_path = Path()
        self._path = QLineEdit()
        self._path.setPlaceholderText(_("Folder of the project, or a slipway.toml"))
        self._path.setAcceptDrops(False)  # what is dropped here is for the window
        self._path.editingFinished.connect(self._path_typed)
        self._pause = QTimer(self)
        self._pause.setSingleShot(True)
        self._pause.setInterval(PAUSE)
        self._pause.timeout.connect(self._path_paused)
        self._path.textEdited.connect(self._pause.start)
        browse = button(_("Bro&wse…"), self._browse, "folder")
        self._recent_button = button(_("&Recent"), self._show_recent, "history")
        card = Card()
        self._folder = Field(
            "project.path",
            _("F&older"),
            self._path,
            _("The folder with go.mod. You can also drop it anywhere on this window."),
            beside=(browse, self._recent_button),
        )
        card.body.addWidget(self._folder)
        self.body.addWidget(card)
        self.body.addWidget(self._add_looking())
        self._cards = QVBoxLayout()
        self._cards.setSpacing(16)
        self.body.addLayout(self._cards)
        self.body.addStretch(1)

    @property
    def title(self) -> str:
        return _("Project")

    @property
    def lead(self) -> str:
        return _("Choose the Go program that you want to put on a server.")

    @property
    def note(self) -> str:
        main = self.draft.main
        return main.name if main else ""

    @property
    def busy(self) -> bool:
        return self.draft.inspection.running

    def _add_looking(self) -> QWidget:
        self._looking = QWidget()
        row = QHBoxLayout(self._looking)
        row.setContentsMargins(4, 0, 4, 0)
        row.setSpacing(10)
        row.addWidget(Spinner())
        row.addWidget(label(_("Looking at the project: modules, programs, revision…"), "muted"), 1)
        return self._looking

    # What the first picture does not need is made when it has something to show.

    @cached_property
    def _go(self) -> QWidget:
        """The button for where Go is; made together with the other one of the notice."""
        go = button(_("Choose the folder with &Go…"), self._browse_go, "folder")
        again = button(_("Look &again"), self.draft.inspect, "refresh")
        self.notice.buttons.addWidget(go)
        self.notice.buttons.addWidget(again)
        self.notice.buttons.addStretch(1)
        QWidget.setTabOrder(self._recent_button, go)
        QWidget.setTabOrder(go, again)
        return go

    @cached_property
    def _unfinished(self) -> Notice:
        notice = Notice()
        self._cards.insertWidget(0, notice)
        return notice

    @cached_property
    def _recent(self) -> PlainList:
        from ui.pages.lists import PlainList

        recent = PlainList(_("Recent projects"), SHOWN_ROWS)
        recent.itemActivated.connect(self._recent_chosen)
        recent.itemClicked.connect(self._recent_chosen)
        return recent

    @cached_property
    def _recent_card(self) -> Card:
        card = Card(_("Recent projects"))
        card.body.addWidget(self._recent)
        self._add_card(card)
        return card

    @cached_property
    def _programs(self) -> PlainList:
        from ui.pages.lists import PlainList

        programs = PlainList(_("Program"), SHOWN_ROWS)
        programs.currentItemChanged.connect(self._program_chosen)
        return programs

    @cached_property
    def _choice(self) -> Field:
        return Field(
            "project.package",
            _("&Program"),
            self._programs,
            _("The project has several programs. Each is deployed on its own."),
        )

    @cached_property
    def _facts(self) -> FactList:
        from ui.pages.facts import FactList

        return FactList()

    @cached_property
    def _from_file(self) -> Notice:
        return Notice()

    @cached_property
    def _understood(self) -> Card:
        card = Card(_("What was found"))
        card.body.addWidget(self._from_file)
        card.body.addWidget(self._choice)
        card.body.addWidget(self._facts)
        self._add_card(card)
        return card

    def _add_card(self, card: Card) -> None:
        card.hide()
        self._cards.addWidget(card)
        previous: QWidget = self._recent_button
        for widget in card.findChildren(QWidget):
            if widget.focusPolicy() & Qt.FocusPolicy.TabFocus:
                QWidget.setTabOrder(previous, widget)
                previous = widget

    # Showing the draft

    def refresh(self) -> None:
        if self.draft.project is not None:
            self._understood.show()  # before problems look for their fields
        super().refresh()
        path = self.draft.request.project.path
        typing = self._path.hasFocus() and self._path.isModified()
        if path != self._shown_path or not typing:  # or leaving it would open the former one again
            self._shown_path = path
            self._show_path(path)
        error = self.draft.reading.error or self.draft.inspection.error
        looking = self.draft.inspection.running or self.draft.reading.running
        self._looking.setVisible(looking)
        self._show_error(error if not looking else None)
        if looking or error is not None:
            self._folder.show_problem(None)  # said more fully elsewhere on the page
        self._tell_unfinished(path)
        self._show_recent_list(path == Path())
        self._show_project(self.draft.project, self.draft.toolchain)

    def _show_error(self, error: SlipwayError | None) -> None:
        if error is None:
            return
        self.notice.say_error(error)
        self._go.setVisible(isinstance(error, ToolchainError))

    def _tell_unfinished(self, path: Path) -> None:
        """Tell, of this project or at the start of any, the run that the window did not see end."""
        known = (each for each in self.draft.settings.projects if path in (each.path, Path()))
        where, run = next(((each.path, each.run) for each in known if each.run), (path, None))
        if run is None:
            if "_unfinished" in self.__dict__:
                self._unfinished.clear()
            return
        words = (
            _(
                "Slipway has not seen its end, or could not put everything back. Go to Server and "
                "connect: there it is finished or taken back."
            )
            if path == where
            else _(
                "Slipway has not seen its end, or could not put everything back. Open {path}, "
                "go to Server and connect: there it is finished or taken back."
            ).format(path=where)
        )
        title = _("“{title}” may be half done").format(title=run.title)
        self._unfinished.say("warning", title, words)

    def _show_recent_list(self, wanted: bool) -> None:
        projects = [each.path for each in self.draft.settings.projects]
        self._recent_button.setVisible(bool(projects))
        if not projects:
            return
        self._recent_card.setVisible(wanted)
        if self._recent.values != projects:
            self._recent.show_rows([(path, path.name, str(path.parent)) for path in projects])

    def _show_project(self, project: GoProject | None, toolchain: Toolchain | None) -> None:
        if project is None or toolchain is None:
            if "_understood" in self.__dict__:
                self._understood.hide()
            return
        self._say_where_from()
        self._show_programs(project)
        self._facts.show_facts(
            [
                *self._program_facts(project),
                (_("Module"), project.module, ""),
                (_("Go"), go_words(project, toolchain), str(toolchain.go)),
                (_("Revision"), revision_words(project.revision), ""),
                *more_facts(project),
            ]
        )

    def _say_where_from(self) -> None:
        if self.draft.demo:
            self._from_file.say("info", _("This is the demonstration"), _demo_words())
            return
        file = self.draft.profile_path
        if file is None:
            self._from_file.say("info", "", "")
        elif self.draft.unsaved:
            words = _("The answers came from {path} and were changed since; that is not saved.")
            self._from_file.say("info", "", words.format(path=file))
        else:
            self._from_file.say("info", "", _("The answers come from {path}.").format(path=file))

    def _show_programs(self, project: GoProject) -> None:
        self._choice.setVisible(len(project.mains) > 1)
        if self._programs.values != [main.path for main in project.mains]:
            self._programs.show_rows([(main.path, main.name, main.path) for main in project.mains])
        chosen = self.draft.main
        self._programs.choose(chosen.path if chosen else None)

    def _program_facts(self, project: GoProject) -> list[Fact]:
        main = self.draft.main
        if main is None:
            return []
        if len(project.mains) > 1:
            return []  # the list above says it
        return [(_("Program"), main.name, "" if main.path == "." else main.path)]

    # What the user does

    def _path_typed(self) -> None:
        text = self._path.text().strip()
        if text:
            self._open(Path(text).expanduser())

    def _path_paused(self) -> None:
        """Open what was typed so far if it is a project: else more may be to come."""
        path = Path(self._path.text().strip()).expanduser()
        if (path.suffix == ".toml" and path.is_file()) or (path / "go.mod").is_file():
            self._path_typed()

    def _open(self, path: Path) -> None:
        from ui.unsaved import settle_changes

        folder, now = path.absolute(), self.draft.request.project.path
        if folder not in (now, self.draft.profile_path):
            self._show_path(now)  # until the question is answered
            settle_changes(self.window(), self.draft, lambda: self._begin_anew(folder))

    def _show_path(self, path: Path) -> None:
        text = "" if path == Path() else str(path)
        if text != self._path.text():
            self._path.setText(text)

    def _begin_anew(self, folder: Path) -> None:
        self._path.setText(str(folder))
        self.draft.open(folder)

    def _browse(self) -> None:
        from PySide6.QtWidgets import QFileDialog

        start = self.draft.request.project.path
        chosen = QFileDialog.getExistingDirectory(
            self, _("Folder of the Go project"), str(start if start != Path() else Path.home())
        )
        if chosen:
            self._open(Path(chosen))

    def _browse_go(self) -> None:
        from PySide6.QtWidgets import QFileDialog

        chosen = QFileDialog.getExistingDirectory(self, _("Folder where Go is installed"))
        if chosen:
            self.draft.use_go(Path(chosen))

    def _show_recent(self) -> None:
        from PySide6.QtWidgets import QMenu

        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for each in self.draft.settings.projects:
            menu.addAction(str(each.path)).setData(each.path)
        menu.triggered.connect(self._recent_triggered)
        menu.popup(self._recent_button.mapToGlobal(self._recent_button.rect().bottomLeft()))

    def _recent_triggered(self, action: QAction) -> None:
        self._open(action.data())

    def _recent_chosen(self, item: QListWidgetItem) -> None:
        from ui.pages.lists import value_of

        self._open(value_of(item))

    def _program_chosen(self, item: QListWidgetItem | None) -> None:
        if item is not None:
            from ui.pages.lists import value_of

            self.draft.set("project.package", value_of(item))


def _demo_words() -> str:
    return "\n".join(
        (
            _("harbour is a small service. It runs on this computer only, and all pages are filled "
              "in: go on with Next to the last one, and Deploy."),
            _("Then, on the Build page, write v2 as the version and, under More build options, "
              "“broken” into Build tags, and deploy again: it is taken back by itself."),
            _("It goes on running until you stop it: Show server, then Stop."),
        )
    )  # fmt: skip


def go_words(project: GoProject, toolchain: Toolchain) -> str:
    """Return which Go builds, where it was found, and which one the project asks for."""
    words = _("{version}, found in {origin}").format(
        version=toolchain.version, origin=toolchain.origin
    )
    if not project.go_version:
        return words
    return _("{words}; the project asks for {wanted} or newer").format(
        words=words, wanted=project.go_version
    )


def revision_words(revision: GitRevision | None) -> str:
    """Return the revision in words."""
    if revision is None:
        return _("not under git: without a version given, one is made from the source")
    from datetime import UTC, datetime

    day = datetime.fromtimestamp(revision.commit_time, UTC).strftime("%Y-%m-%d")
    name = revision.describe.removesuffix("-dirty")
    commit = "" if revision.commit.startswith(name) else f" ({revision.commit[:10]})"
    words = _("{name}{commit} of {day}").format(name=name, commit=commit, day=day)
    if revision.dirty:
        return _("{revision}, with changes that are not committed").format(revision=words)
    return words


def more_facts(project: GoProject) -> list[Fact]:
    """Return what is worth knowing only where it is so."""
    facts = []
    if project.workspace:
        facts.append((_("Workspace"), _("go.work with several modules"), ""))
    if project.vendored:
        facts.append((_("Modules"), _("kept in the vendor folder"), ""))
    if project.assets:
        facts.append((_("Folders"), ", ".join(project.assets), _("may be shipped with it")))
    if project.dockerfile:
        facts.append(
            (_("Dockerfile"), project.dockerfile, _("may be used instead of Slipway's image"))
        )
    return facts
