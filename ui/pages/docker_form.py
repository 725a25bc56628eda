"""How a Docker container runs: ports, volumes, restart, rights, image, logs."""

from __future__ import annotations

from PySide6.QtWidgets import QWidget

from app.choices import container_restarts
from app.i18n import _
from ui.dialogs import SecretsDialog
from ui.pages.answers import (
    ChoiceAnswer,
    FlagAnswer,
    FormPage,
    NumberAnswer,
    RowsAnswer,
    SecondsAnswer,
    TextAnswer,
    WordsAnswer,
    join_colon,
    split_port,
    split_volume,
)
from ui.pages.kind_form import KindForm, filled
from ui.widgets.basics import Card, button
from ui.widgets.form import Field, none_like
from ui.widgets.rows import Column, RowsEditor


class DockerForm(KindForm):
    """The container's own answers."""

    kind = "docker"

    def __init__(self, page: FormPage) -> None:
        super().__init__(page)
        self.service = (self._ports(), self._volumes())
        self.more = (self._switching(), self._confinement(), self._image())
        self.kept = self._logs()

    def _ports(self) -> QWidget:
        ports = RowsEditor(
            (Column(_("On the server"), "8080"), Column(_("In the container"), "8080")),
            _("Add port"),
        )
        return Field(
            "deploy.docker.ports",
            _("&Ports"),
            self.page.tie(RowsAnswer("deploy.docker.ports", ports, split_port, join_colon)),
            _(
                "Left on the server, right in the container. With 127.0.0.1:8080 on the "
                "left it is reached from the server itself only."
            ),
        )

    def _volumes(self) -> QWidget:
        volumes = RowsEditor(
            (
                Column(_("Folder on the server"), "/srv/hello"),
                Column(_("In the container"), "/data"),
            ),
            _("Add folder"),
        )
        return Field(
            "deploy.docker.volumes",
            _("Vo&lumes"),
            self.page.tie(RowsAnswer("deploy.docker.volumes", volumes, split_volume, join_colon)),
            _("Left on the server, right in the container. Rolling back does not change the data."),
        )

    def _switching(self) -> QWidget:
        restart = ChoiceAnswer("deploy.docker.restart", container_restarts())
        rehearse = FlagAnswer("deploy.docker.rehearse", _("Tr&y the new version before the switch"))
        fields = (
            Field(
                "deploy.docker.rehearse",
                _("Rehearse"),
                self.page.tie(rehearse),
                _("It runs beside the old one for a moment. Off, if two at once would hurt."),
            ),
            Field("deploy.docker.restart", _("Start it again"), self.page.tie(restart)),
            Field(
                "deploy.docker.stop-timeout",
                _("Time to stop"),
                self.page.tie(SecondsAnswer("deploy.docker.stop-timeout", 0, 86400)),
                _("After that it is ended by force."),
            ),
        )
        return filled(Card(_("Start and restart")), fields)

    def _confinement(self) -> QWidget:
        files = FlagAnswer("deploy.docker.read-only", _("Write only to /tmp and the vol&umes"))
        fields = (
            Field("deploy.docker.read-only", _("Files"), self.page.tie(files)),
            Field(
                "deploy.docker.user",
                _("Account"),
                self.page.tie(TextAnswer("deploy.docker.user", _("65532, without rights"))),
            ),
            Field(
                "deploy.docker.cap-drop",
                _("Rights taken away"),
                self.page.tie(WordsAnswer("deploy.docker.cap-drop", _("none"))),
            ),
            Field(
                "deploy.docker.cap-add",
                _("Rights given"),
                self.page.tie(WordsAnswer("deploy.docker.cap-add", none_like("NET_BIND_SERVICE"))),
            ),
            Field(
                "deploy.docker.network",
                _("Network"),
                self.page.tie(TextAnswer("deploy.docker.network", _("Docker's own"))),
            ),
        )
        return filled(Card(_("What it may do")), fields)

    def _image(self) -> QWidget:
        base = ChoiceAnswer(
            "deploy.docker.base",
            (
                ("scratch", _("Made by Slipway: the program and nothing else")),
                ("dockerfile", _("The project's own Dockerfile, built on the server")),
            ),
        )
        self._base = Field("deploy.docker.base", _("Made from"), self.page.tie(base))
        self._dockerfile = Field(
            "deploy.docker.dockerfile",
            _("Dockerfile"),
            self.page.tie(TextAnswer("deploy.docker.dockerfile", "Dockerfile")),
        )
        registry = Field(
            "deploy.docker.registry",
            _("Registry"),
            self.page.tie(TextAnswer("deploy.docker.registry", _("none: sent over SSH"))),
            _("The image is pushed there, and the server pulls it from there."),
        )
        self._registry_user = Field(
            "deploy.docker.registry-user",
            _("User there"),
            self.page.tie(TextAnswer("deploy.docker.registry-user")),
            beside=(button(_("Set password…"), self._ask_registry_password, "key"),),
        )
        return filled(
            Card(_("Image")), (self._base, self._dockerfile, registry, self._registry_user)
        )

    def _logs(self) -> tuple[QWidget, ...]:
        return (
            Field(
                "deploy.docker.log-max-size",
                _("Log, each file"),
                self.page.tie(TextAnswer("deploy.docker.log-max-size", "10m")),
            ),
            Field(
                "deploy.docker.log-max-file",
                _("Log, files"),
                self.page.tie(NumberAnswer("deploy.docker.log-max-file", 1, 1000)),
            ),
        )

    def refresh(self) -> None:
        docker, project = self.draft.request.deploy.docker, self.draft.project
        own = docker.base == "dockerfile"
        self._base.setVisible(own or bool(project and project.dockerfile))
        self._dockerfile.setVisible(own)
        self._registry_user.setVisible(bool(docker.registry))

    def _ask_registry_password(self) -> None:
        docker = self.draft.request.deploy.docker
        dialog = SecretsDialog(
            self.page.window(),
            _("Password of {user} at {registry}").format(
                user=docker.registry_user, registry=docker.registry
            ),
            _("It is used on this computer to push the image, and nowhere else."),
            ((_("&Password"), False),),
            _("&Set password"),
            remember=True,
        )
        dialog.keeping.look(self.draft.sign_ins.passwords)
        if dialog.exec():
            self.draft.values.set_registry_password(
                self.draft.request, dialog.secrets[0], keep=dialog.remember
            )
        dialog.deleteLater()
