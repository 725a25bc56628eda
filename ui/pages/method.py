"""Third page: how the program runs on the server; the form follows the kind chosen."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QWidget

from app.errors import Problem
from app.i18n import _, sentences
from ui.draft import Draft
from ui.pages.answers import (
    FormPage,
    NumberAnswer,
    PairsAnswer,
    RowsAnswer,
    TextAnswer,
    as_row,
    one_column,
)
from ui.pages.docker_form import DockerForm
from ui.pages.health_card import HealthCard
from ui.pages.kind_choice import KindChoice, kind_words
from ui.pages.secrets_editor import SecretsEditor
from ui.pages.windows_form import WindowsForm
from ui.widgets.basics import Card, Disclosure
from ui.widgets.form import Field, like
from ui.widgets.rows import Column, RowsEditor


class MethodPage(FormPage):
    """A card for each kind, what all kinds are asked, and the form of the one chosen."""

    icon = "method"
    fields = ("name", "deploy")

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._kinds = KindChoice(draft)
        self._forms = (DockerForm(self), WindowsForm(self))
        self.body.addWidget(self._kinds)
        self.body.addWidget(self._add_service())
        for form in self._forms:
            for card in form.cards:
                self.body.addWidget(card)
        self._health = HealthCard(self)
        self.body.addWidget(self._health)
        self.body.addWidget(self._add_environment())
        self.body.addWidget(self._add_more())
        self.body.addStretch(1)

    @property
    def title(self) -> str:
        return _("Method")

    @property
    def lead(self) -> str:
        lead = _("Say how the program runs on the server.")
        carried = _("What is chosen is the method of your last project.")
        return sentences(lead, carried) if self.draft.carried_kind else lead

    @property
    def note(self) -> str:
        request = self.draft.request
        return kind_words()[request.deploy.kind][0] if request.project.path != Path() else ""

    def problems(self) -> tuple[Problem, ...]:
        unkept = self.draft.values.unkept(self.draft.request)
        return (*super().problems(), *((unkept,) if unkept else ()))

    def _add_service(self) -> QWidget:
        card = Card()
        self._name = Field("name", _("Na&me"), self.tie(TextAnswer("name", like("hello"))))
        card.body.addWidget(self._name)
        for form in self._forms:
            for field in form.service:
                card.body.addWidget(field)
        return card

    def _add_environment(self) -> QWidget:
        card = Card(_("What the program is given"))
        args = RowsEditor((Column(_("Argument"), "-config"),), _("Add argument"))
        env = RowsEditor(
            (Column(_("Name"), "PORT"), Column(_("Value"), stretch=2)), _("Add variable")
        )
        self._secrets = SecretsEditor(self.draft)
        for field in (
            Field(
                "deploy.args",
                _("Ar&guments"),
                self.tie(RowsAnswer("deploy.args", args, as_row, one_column)),
                _("One in each row, without quotes."),
            ),
            Field("deploy.env", _("Environmen&t"), self.tie(PairsAnswer("deploy.env", env))),
            Field(
                "deploy.secrets",
                _("Se&crets"),
                self._secrets,
                _("Variables whose values are never shown. A keyring keeps them, if there is one."),
            ),
        ):
            card.body.addWidget(field)
        return card

    def _add_more(self) -> QWidget:
        self._more = Disclosure(_("More options"))
        for form in self._forms:
            for card in form.more:
                self._more.body.addWidget(card)
        self._more.body.addWidget(self._add_keeping())
        return self._more

    def _add_keeping(self) -> QWidget:
        card = Card(_("What is kept"))
        self._root = Field(
            "deploy.root",
            _("Folder"),
            self.tie(TextAnswer("deploy.root", _("chosen by Slipway"))),
        )
        keep = Field(
            "deploy.keep",
            _("Releases"),
            self.tie(NumberAnswer("deploy.keep", 1, 1000)),
            _("So many stay on the server to roll back to."),
        )
        for field in (keep, self._root, *(field for form in self._forms for field in form.kept)):
            card.body.addWidget(field)
        return card

    def refresh(self) -> None:
        kind = self.draft.request.deploy.kind
        for form in self._forms:  # before problems look for their fields
            for widget in form.widgets:
                widget.setVisible(form.kind == kind)
        super().refresh()
        self._name.explain(name_words(kind))
        self._root.explain(root_words(kind))
        self._kinds.refresh()
        self._secrets.refresh()
        self._health.refresh()
        for form in self._forms:
            if form.kind == kind:
                form.refresh()
        if any(self._inside_more(problem.field) for problem in self.problems() if problem.blocking):
            self._more.set_opened(True)

    def _inside_more(self, key: str) -> bool:
        fields = self._more.findChildren(Field)
        return any(field.key == key for field in fields)


def name_words(kind: str) -> str:
    """Return what else is called like the service."""
    if kind == "windows-service":
        return _("The service and its folder on the server are called so.")
    if kind == "process":
        return _("Its folder on this computer is called so.")
    return _("The container and its folder on the server are called so.")


def root_words(kind: str) -> str:
    """Return what lies in the root folder."""
    if kind == "windows-service":
        return _("Where programs and the record of the releases lie, like C:\\Services.")
    return _("Where the record of the releases lies on the server, like /opt.")
