"""Second page: how the program is built; it is built in the background meanwhile."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QUrl
from PySide6.QtGui import QDesktopServices, QGuiApplication
from PySide6.QtWidgets import (
    QCheckBox,
    QHBoxLayout,
    QListWidgetItem,
    QVBoxLayout,
    QWidget,
)

from app.amounts import size_text
from app.errors import BuildError, Diagnostic
from app.events import Stream
from app.i18n import _
from ui.draft import Draft
from ui.pages.answers import (
    Answer,
    ChoiceAnswer,
    FlagAnswer,
    FlagsAnswer,
    FormPage,
    PairsAnswer,
    SuggestedAnswer,
    TextAnswer,
    WordsAnswer,
)
from ui.pages.lists import PlainList, value_of
from ui.task import Stopped, TaskState
from ui.widgets.basics import (
    Card,
    Disclosure,
    Icon,
    Spinner,
    button,
    label,
    put_in_tab_order,
    tab_mark,
)
from ui.widgets.form import Field, none_like
from ui.widgets.log_view import LogView
from ui.widgets.rows import Column, RowsEditor

if TYPE_CHECKING:
    from app.artifact import Artifact
    from app.project import GoProject
    from app.step import Package

LINUX = ("linux/amd64", "linux/arm64", "linux/arm", "linux/386", "linux/riscv64", "linux/ppc64le",
         "linux/s390x")  # fmt: skip
OTHERS = ("darwin/arm64", "darwin/amd64")
WINDOWS = ("windows/amd64", "windows/arm64", "windows/386")
SHOWN_DIAGNOSTICS = 8


class BuildPage(FormPage):
    """Options on top, the build that goes on in the background beneath."""

    icon = "build"
    fields = ("build",)

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self.body.addWidget(self._add_options())
        self._state = BuildState(draft)
        self.body.addWidget(self._state)
        self.body.addWidget(self._add_more())
        self.body.addStretch(1)

    @property
    def title(self) -> str:
        return _("Build")

    @property
    def lead(self) -> str:
        return _("Say how it is built. It is compiled in the background while you go on.")

    @property
    def note(self) -> str:
        package = self.draft.package
        if package is None:
            return ""
        from app.layout import package_version

        return package_version(package)

    @property
    def busy(self) -> bool:
        return self.draft.building.running

    @property
    def wrong(self) -> bool:
        return self.draft.building.error is not None

    def enter(self) -> None:
        self.draft.look_at_source()
        super().enter()

    def _add_options(self) -> QWidget:
        card = Card()
        self._platform = ChoiceAnswer("build.platform", ())
        self._platform_field = Field("build.platform", _("&Platform"), self.tie(self._platform))
        version = TextAnswer("build.version", _("from git or the source"), empty="auto")
        self._version_field = Field("build.version", _("Ve&rsion"), self.tie(version))
        self._stamp = SuggestedAnswer("build.stamp", _("the version is not put in"))
        stamp = Field(
            "build.stamp",
            _("Put &into"),
            self.tie(self._stamp),
            _("The variable that holds the version in the program, like main.version."),
        )
        checks = FlagsAnswer("build.checks", (("vet", _("go v&et")), ("test", _("go &test ./..."))))
        before = Field(
            "build.checks",
            _("Check before"),
            self.tie(checks),
            _("Nothing is built or deployed if one of these fails."),
        )
        self._include = IncludeAnswer("build.include")
        include = Field(
            "build.include",
            _("Ship &along"),
            self.tie(self._include),
            _("Files and folders that the program reads at run time; they lie beside it."),
        )
        for field in (self._platform_field, self._version_field, stamp, before, include):
            card.body.addWidget(field)
        return card

    def _add_more(self) -> QWidget:
        more = Disclosure(_("More build options"))
        card = Card()
        env = RowsEditor(
            (Column(_("Name"), "GOPROXY"), Column(_("Value"), stretch=2)), _("Add variable")
        )
        for field in (
            Field(
                "build.tags",
                _("Build ta&gs"),
                self.tie(WordsAnswer("build.tags", none_like("netgo"))),
            ),
            Field("build.ldflags", _("&Linker flags"), self.tie(TextAnswer("build.ldflags"))),
            Field(
                "build.cgo",
                _("C code"),
                self.tie(FlagAnswer("build.cgo", _("Build with &cgo"))),
                _("Needs a C compiler for the server's platform."),
            ),
            Field("build.env", _("Environ&ment"), self.tie(PairsAnswer("build.env", env))),
        ):
            card.body.addWidget(field)
        more.body.addWidget(card)
        return more

    def refresh(self) -> None:
        project = self.draft.project
        main = self.draft.main
        self._platform.offer(self._platforms())
        self._stamp.suggest(main.stamps if main else ())
        self._include.propose(project.assets if project else ())
        super().refresh()
        if self.draft.building.error is not None:
            self.notice.clear()  # said where the build is shown
        self._platform_field.explain(self._platform_words())
        self._version_field.explain(version_words(project, self.draft.request.build.version))
        self._state.refresh()

    def _platforms(self) -> list[tuple[str, str]]:
        fit = {"docker": LINUX, "windows-service": WINDOWS}
        offered = fit.get(self.draft.request.deploy.kind, LINUX + OTHERS + WINDOWS)
        return [("auto", _("What the server is")), *((name, name) for name in offered)]

    def _platform_words(self) -> str:
        draft = self.draft
        if draft.request.build.platform != "auto":
            return ""
        if draft.platform_known:
            return _("The server is {platform}.").format(platform=draft.platform)
        return _(
            "No server was looked at yet: {platform} is built first, and again if the server turns "
            "out to be something else."
        ).format(platform=draft.platform)


class BuildState(Card):
    """The build: whether it runs, what came out, or where the compiler stumbled."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        head = QHBoxLayout()
        head.setSpacing(10)
        self._spinner = Spinner()
        self._icon = Icon("pending", "muted")
        self._words = label(role="heading")
        head.addWidget(self._spinner)
        head.addWidget(self._icon)
        head.addWidget(self._words, 1)
        self._cancel = button(_("&Stop"), self._stop, "stop")
        self._again = button(_("B&uild again"), draft.start_build, "refresh")
        head.addWidget(self._cancel)
        head.addWidget(self._again)
        self.body.addLayout(head)
        self._more = label(role="muted", select=True)
        stays = self._more.sizePolicy()
        stays.setRetainSizeWhenHidden(True)  # or what stands below would jump when it is built
        self._more.setSizePolicy(stays)
        self.body.addWidget(self._more)
        self.diagnostics = DiagnosticList()
        self.body.addWidget(self.diagnostics)
        self._output = Disclosure(_("Output of the build"))
        self.log = LogView(_("Output of the build"))
        self.log.setMinimumHeight(230)
        self.log.say_while_empty(_("What go says while it builds appears here."))
        self._output.body.addWidget(self.log)
        self.body.addWidget(self._output)
        draft.building.drained.connect(self._take)
        draft.building.changed.connect(self._state_changed)

    def refresh(self) -> None:
        """Show the draft's build."""
        draft = self._draft
        running = draft.building.running
        had_focus = self._again.hasFocus()
        self._spinner.setVisible(running)
        self._icon.setVisible(not running)
        self._cancel.setVisible(running)
        if had_focus and running:
            self._cancel.setFocus()  # not wherever Qt would look next
        error = draft.building.error
        begun = draft.package is not None or error is not None
        self._again.setText(_("B&uild again") if begun else _("B&uild now"))
        self._again.setVisible(not running and draft.project is not None)
        self._show_words()
        self.diagnostics.show_diagnostics(
            error.diagnostics if isinstance(error, BuildError) else (),
            draft.request.project.path,
        )

    def _show_words(self) -> None:
        draft = self._draft
        error, package = draft.building.error, draft.package
        if draft.building.running:
            words, more, icon, tone = self._running_words(), "", "pending", "muted"
        elif error is not None:
            detail = "" if isinstance(error, BuildError) and error.diagnostics else error.detail
            more = "\n".join(part for part in (detail, error.hint) if part)
            stopped = isinstance(error, Stopped)
            words = error.title
            icon, tone = ("stop", "muted") if stopped else ("error", "danger")
        elif package is not None:
            words, more, icon, tone = (
                built_words(package),
                package_words(package),
                "success",
                "success",
            )
        else:
            words, more = (
                _("Not built yet"),
                _("It starts in a moment.")
                if draft.project is not None
                else _("It starts once the project and the options are clear."),
            )
            icon, tone = "pending", "muted"
        self._words.setText(words)
        self._more.setText(more)
        self._more.setVisible(bool(more))
        self._icon.show_icon(icon, tone)

    def _running_words(self) -> str:
        if self._draft.request.deploy.docker.base == "dockerfile":
            return _("Packing the folder for the server's Docker…")
        return _("Building for {platform}…").format(platform=self._draft.platform)

    def _take(self, lines: list[tuple[Stream, str]]) -> None:
        self.log.add(lines)

    def _state_changed(self) -> None:
        if self._draft.building.running:
            self.log.clear()
        elif self._draft.building.state is TaskState.FAILED and not self.diagnostics.count():
            self._output.set_opened(True)

    def _stop(self) -> None:
        self._draft.stop_build()


class DiagnosticList(QWidget):
    """Where the compiler stumbled; a click or Enter opens the file in the user's editor."""

    def __init__(self) -> None:
        super().__init__()
        self._shown: tuple[Diagnostic, ...] = ()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(6)
        self._list = PlainList(_("Messages of the compiler"), SHOWN_DIAGNOSTICS)
        self._list.setToolTip(_("Open the file in your editor"))
        self._list.itemActivated.connect(self._open)
        self._list.itemClicked.connect(self._open)
        layout.addWidget(self._list)
        layout.addWidget(
            button(_("Cop&y messages"), self.copy, "copy", "quiet"),
            0,
            Qt.AlignmentFlag.AlignLeft,
        )
        self.hide()

    def count(self) -> int:
        """Return how many messages there are."""
        return len(self._shown)

    def show_diagnostics(self, diagnostics: tuple[Diagnostic, ...], folder: Path) -> None:
        """Show these messages; files inside ``folder`` are named relative to it."""
        self.setVisible(bool(diagnostics))
        if diagnostics == self._shown:
            return
        self._shown = diagnostics
        self._list.show_rows([(each, each.message, _place(each, folder)) for each in diagnostics])

    def copy(self) -> None:
        """Put all messages on the clipboard, one a line, as a compiler writes them."""
        lines = [f"{each.file}:{each.line}:{each.column}: {each.message}" for each in self._shown]
        QGuiApplication.clipboard().setText("\n".join(lines))

    def _open(self, item: QListWidgetItem) -> None:
        diagnostic: Diagnostic = value_of(item)
        if diagnostic.file:
            QDesktopServices.openUrl(QUrl.fromLocalFile(diagnostic.file))


class IncludeAnswer(Answer):
    """Boxes for the folders that the project seems to need, and rows for any others."""

    def __init__(self, key: str) -> None:
        widget = QWidget()
        super().__init__(key, widget)
        self._column = QVBoxLayout(widget)
        self._column.setContentsMargins(0, 0, 0, 0)
        self._column.setSpacing(4)
        self._boxes: dict[str, QCheckBox] = {}
        self._start = tab_mark()
        self._column.addWidget(self._start)
        self._rows = RowsEditor((Column(_("Path in the project"), "config"),), _("Add path"))
        self._rows.changed.connect(self.edited)
        self._column.addWidget(self._rows)
        widget.setFocusProxy(self._rows)

    def propose(self, folders: Iterable[str]) -> None:
        """Offer these folders as boxes."""
        folders = tuple(folders)
        if folders == tuple(self._boxes):
            return
        chosen = self.read()
        for box in self._boxes.values():
            box.hide()
            box.deleteLater()
        self._boxes = {name: QCheckBox(name) for name in folders}
        for number, box in enumerate(self._boxes.values()):
            box.toggled.connect(self.edited)
            self._column.insertWidget(number, box)
        put_in_tab_order(self._start, self._boxes.values())
        # Tab goes on from where the proxy is: it has to be the first control
        self.control.setFocusProxy(next(iter(self._boxes.values()), self._rows))
        self.show(chosen)

    def read(self) -> tuple[str, ...]:
        ticked = [name for name, box in self._boxes.items() if box.isChecked()]
        return (*ticked, *(row[0].strip() for row in self._rows.values()))

    def show(self, value: Iterable[str]) -> None:
        value = tuple(value)
        for name, box in self._boxes.items():
            box.blockSignals(True)
            box.setChecked(name in value)
            box.blockSignals(False)
        self._rows.set_values([(name,) for name in value if name not in self._boxes])


def version_words(project: GoProject | None, version: str) -> str:
    """Return what the version will be."""
    if version != "auto" or project is None:
        return ""
    if project.revision is None:
        return _("The project is not under git: give a version, or one is made from the source.")
    words = (
        _("From git: {version}, for there are changes that are not committed")
        if project.revision.dirty
        else _("From git: {version}")
    )
    return words.format(version=project.revision.describe)


def built_words(package: Package) -> str:
    """Return that the build succeeded, in a few words."""
    from app.layout import package_version

    return _("Ready: version {version}").format(version=package_version(package))


def package_words(package: Package) -> str:
    """Return what came out of the build."""
    from app.image import Context, Image

    if isinstance(package, Context):
        return _("{size} to send; Docker on the server builds it from {dockerfile}.").format(
            size=size_text(package.size), dockerfile=package.dockerfile
        )
    artifact: Artifact = package.artifact if isinstance(package, Image) else package
    linking = _("static") if artifact.static else _("needs the server's C library")
    return " · ".join(
        (
            artifact.platform,
            size_text(artifact.size),
            *([linking] if artifact.platform.startswith("linux/") else []),
            f"Go {artifact.go_version.removeprefix('go')}",
            _("SHA-256 {digest}…").format(digest=artifact.sha256[:12]),
        )
    )


def _place(diagnostic: Diagnostic, folder: Path) -> str:
    path = Path(diagnostic.file)
    name = path.relative_to(folder) if path.is_relative_to(folder) else path
    return f"{name}:{diagnostic.line}:{diagnostic.column}" if diagnostic.line else str(name)
