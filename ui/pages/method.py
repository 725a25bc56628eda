"""Third page: how the program runs on the server; the form follows the kind chosen."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from PySide6.QtCore import Qt
from PySide6.QtGui import QMouseEvent
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QFrame,
    QGridLayout,
    QHBoxLayout,
    QRadioButton,
    QVBoxLayout,
    QWidget,
)

from app.i18n import _
from app.request import KINDS, DeployRequest
from ui.dialogs import SecretsDialog, SecretValueDialog
from ui.draft import THIS_COMPUTER, Draft
from ui.pages.answers import (
    Answer,
    ChoiceAnswer,
    FlagAnswer,
    FormPage,
    NumberAnswer,
    PairsAnswer,
    RowsAnswer,
    SecondsAnswer,
    TextAnswer,
    WordsAnswer,
    as_row,
    calm,
    join_colon,
    one_column,
    split_port,
    split_volume,
)
from ui.theme import monospace, set_role
from ui.widgets.basics import (
    Card,
    Disclosure,
    Icon,
    button,
    label,
    put_in_tab_order,
    tab_mark,
    tool_button,
)
from ui.widgets.form import Field
from ui.widgets.rows import Column, RowsEditor

ICONS = {"docker": "docker", "process": "computer"}


def kind_words() -> dict[str, tuple[str, str]]:
    """Return name and meaning of each kind."""
    return {
        "docker": (
            _("Docker container"),
            _(
                "Runs in a container of its own on a Linux server. Docker starts it again after a "
                "crash or a restart of the server. The old container is kept for rolling back."
            ),
        ),
        "process": (
            _("Process on this computer"),
            _(
                "Runs here, without a server, for trying out. It goes on when the wizard is "
                "closed, and can be stopped and rolled back like any other."
            ),
        ),
    }


class MethodPage(FormPage):
    """A card for each kind, and the form of the one chosen."""

    icon = "method"
    fields = ("name", "deploy")

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._docker_only: list[QWidget] = []
        self._kinds = KindChoice(draft)
        self.body.addWidget(self._kinds)
        self.body.addWidget(self._add_service())
        self.body.addWidget(self._add_health())
        self.body.addWidget(self._add_environment())
        self.body.addWidget(self._add_more())
        self.body.addStretch(1)

    @property
    def title(self) -> str:
        return _("Method")

    @property
    def lead(self) -> str:
        return _("Say how the program runs on the server.")

    @property
    def note(self) -> str:
        return kind_words()[self.draft.request.deploy.kind][0]

    def _docker(self, widget: QWidget) -> QWidget:
        self._docker_only.append(widget)
        return widget

    def _add_service(self) -> QWidget:
        card = Card()
        name = TextAnswer("name", "hello")
        card.body.addWidget(
            Field(
                "name",
                _("Na&me"),
                self.tie(name),
                _("The container and its folder on the server are called so."),
            )
        )
        ports = RowsEditor(
            (Column(_("On the server"), "8080"), Column(_("In the container"), "8080")),
            _("Add port"),
        )
        self._ports = RowsAnswer("deploy.docker.ports", ports, split_port, join_colon)
        volumes = RowsEditor(
            (
                Column(_("Folder on the server"), "/srv/hello"),
                Column(_("In the container"), "/data"),
            ),
            _("Add folder"),
        )
        card.body.addWidget(
            self._docker(
                Field(
                    "deploy.docker.ports",
                    _("&Ports"),
                    self.tie(self._ports),
                    _(
                        "Left on the server, right in the container. With 127.0.0.1:8080 on the "
                        "left it is reached from the server itself only."
                    ),
                )
            )
        )
        card.body.addWidget(
            self._docker(
                Field(
                    "deploy.docker.volumes",
                    _("Vo&lumes"),
                    self.tie(
                        RowsAnswer("deploy.docker.volumes", volumes, split_volume, join_colon)
                    ),
                    _(
                        "Left on the server, right in the container. Rolling back does not change "
                        "the data."
                    ),
                )
            )
        )
        return card

    def _add_health(self) -> QWidget:
        card = Card(
            _("Health check"),
            _("If the new version fails it, the old one comes back by itself."),
        )
        self._health = HealthAnswer()
        self._http = TextAnswer("deploy.health.http", "http://localhost:8080/health")
        self._check_field = Field("deploy.health", _("&How"), self.tie(self._health))
        self._http_field = Field(
            "deploy.health.http",
            _("&Address"),
            self.tie(self._http),
            _("As seen from the server itself."),
        )
        expect = NumberAnswer("deploy.health.expect", 100, 599)
        self._expect_field = Field("deploy.health.expect", _("&Expected status"), self.tie(expect))
        self._tcp_field = Field(
            "deploy.health.tcp",
            _("Po&rt"),
            self.tie(NumberAnswer("deploy.health.tcp", 0, 65535, _("choose"))),
            _("As seen from the server itself."),
        )
        timeout = Field(
            "deploy.health.timeout",
            _("&Wait at most"),
            self.tie(SecondsAnswer("deploy.health.timeout", 0.1, 86400)),
            _("How long it may take until the first good answer."),
        )
        stable = Field(
            "deploy.health.stable",
            _("&Stay up for"),
            self.tie(SecondsAnswer("deploy.health.stable", 0, 86400)),
            _("It must go on answering this long without being restarted."),
        )
        for field in (
            self._check_field,
            self._http_field,
            self._expect_field,
            self._tcp_field,
            timeout,
            stable,
        ):
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
                _("Variables whose values are kept in the keyring and never shown."),
            ),
        ):
            card.body.addWidget(field)
        return card

    def _add_more(self) -> QWidget:
        self._more = Disclosure(_("More options"))
        self._more.body.addWidget(self._docker(self._add_switching()))
        self._more.body.addWidget(self._docker(self._add_confinement()))
        self._more.body.addWidget(self._docker(self._add_image()))
        self._more.body.addWidget(self._add_keeping())
        return self._more

    def _add_switching(self) -> QWidget:
        card = Card(_("Start and restart"))
        restart = ChoiceAnswer(
            "deploy.docker.restart",
            (
                ("unless-stopped", _("Always, unless it was stopped")),
                ("always", _("Always")),
                ("on-failure", _("Only after a failure")),
                ("no", _("Never")),
            ),
        )
        for field in (
            Field(
                "deploy.docker.rehearse",
                _("Rehearse"),
                self.tie(
                    FlagAnswer(
                        "deploy.docker.rehearse", _("Tr&y the new version before the switch")
                    )
                ),
                _("It runs beside the old one for a moment. Off, if two at once would hurt."),
            ),
            Field("deploy.docker.restart", _("Start it again"), self.tie(restart)),
            Field(
                "deploy.docker.stop-timeout",
                _("Time to stop"),
                self.tie(SecondsAnswer("deploy.docker.stop-timeout", 0, 86400)),
                _("After that it is ended by force."),
            ),
            Field(
                "deploy.docker.network",
                _("Network"),
                self.tie(TextAnswer("deploy.docker.network", _("Docker's own"))),
            ),
        ):
            card.body.addWidget(field)
        return card

    def _add_confinement(self) -> QWidget:
        card = Card(_("What it may do"))
        for field in (
            Field(
                "deploy.docker.read-only",
                _("Files"),
                self.tie(
                    FlagAnswer("deploy.docker.read-only", _("Write only to /tmp and the vol&umes"))
                ),
            ),
            Field(
                "deploy.docker.user",
                _("Account"),
                self.tie(TextAnswer("deploy.docker.user", _("65532, without rights"))),
            ),
            Field(
                "deploy.docker.cap-drop",
                _("Rights taken away"),
                self.tie(WordsAnswer("deploy.docker.cap-drop", _("none"))),
            ),
            Field(
                "deploy.docker.cap-add",
                _("Rights given"),
                self.tie(WordsAnswer("deploy.docker.cap-add", "NET_BIND_SERVICE")),
            ),
        ):
            card.body.addWidget(field)
        return card

    def _add_image(self) -> QWidget:
        card = Card(_("Image"))
        base = ChoiceAnswer(
            "deploy.docker.base",
            (
                ("scratch", _("Made by Slipway: the program and nothing else")),
                ("dockerfile", _("The project's own Dockerfile, built on the server")),
            ),
        )
        self._base_field = Field("deploy.docker.base", _("Made from"), self.tie(base))
        self._dockerfile_field = Field(
            "deploy.docker.dockerfile",
            _("Dockerfile"),
            self.tie(TextAnswer("deploy.docker.dockerfile", "Dockerfile")),
        )
        registry = Field(
            "deploy.docker.registry",
            _("Registry"),
            self.tie(TextAnswer("deploy.docker.registry", _("none: sent over SSH"))),
            _("The image is pushed there, and the server pulls it from there."),
        )
        self._registry_user = Field(
            "deploy.docker.registry-user",
            _("User there"),
            self.tie(TextAnswer("deploy.docker.registry-user")),
            beside=(button(_("Set password…"), self._ask_registry_password, "key"),),
        )
        for field in (self._base_field, self._dockerfile_field, registry, self._registry_user):
            card.body.addWidget(field)
        return card

    def _add_keeping(self) -> QWidget:
        card = Card(_("What is kept"))
        for field in (
            Field(
                "deploy.keep",
                _("Releases"),
                self.tie(NumberAnswer("deploy.keep", 1, 1000)),
                _("So many stay on the server to roll back to."),
            ),
            Field(
                "deploy.root",
                _("Folder"),
                self.tie(TextAnswer("deploy.root", _("chosen by Slipway"))),
                _("Where the record of the releases lies on the server, like /opt."),
            ),
            self._docker(
                Field(
                    "deploy.docker.log-max-size",
                    _("Log, each file"),
                    self.tie(TextAnswer("deploy.docker.log-max-size", "10m")),
                )
            ),
            self._docker(
                Field(
                    "deploy.docker.log-max-file",
                    _("Log, files"),
                    self.tie(NumberAnswer("deploy.docker.log-max-file", 1, 1000)),
                )
            ),
        ):
            card.body.addWidget(field)
        return card

    def refresh(self) -> None:
        super().refresh()
        deploy = self.draft.request.deploy
        if self.draft.keeping.error is not None:
            self.notice.say_error(self.draft.keeping.error)
        self._kinds.refresh()
        self._secrets.refresh()
        for widget in self._docker_only:
            widget.setVisible(deploy.kind == "docker")
        how = self._health.read()
        self._check_field.explain(_("Nothing shows that it answers.") if how == "none" else "")
        self._http_field.setVisible(how == "http")
        self._expect_field.setVisible(how == "http")
        self._tcp_field.setVisible(how == "tcp")
        own = deploy.docker.base == "dockerfile"
        project = self.draft.project
        self._base_field.setVisible(own or bool(project and project.dockerfile))
        self._dockerfile_field.setVisible(own)
        self._registry_user.setVisible(bool(deploy.docker.registry))
        if any(self._inside_more(problem.field) for problem in self.problems() if problem.blocking):
            self._more.set_opened(True)

    def _ask_registry_password(self) -> None:
        docker = self.draft.request.deploy.docker
        words = _("It is used on this computer to push the image, and nowhere else.")
        dialog = SecretsDialog(
            self.window(),
            _("Password of {user} at {registry}").format(
                user=docker.registry_user, registry=docker.registry
            ),
            words,
            ((_("&Password"), False),),
            remember=True,
        )
        if dialog.exec():
            self.draft.set_registry_password(dialog.secrets[0], keep=dialog.remember)
        dialog.deleteLater()

    def _inside_more(self, key: str) -> bool:
        fields = self._more.findChildren(Field)
        return any(field.key == key for field in fields)


class KindChoice(QWidget):
    """The kinds, one of which is chosen, each with what it means."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        row = QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(14)
        self._group = QButtonGroup(self)
        self._cards: dict[str, ChoiceCard] = {}
        words = kind_words()
        for kind in KINDS:
            card = ChoiceCard(ICONS[kind], *words[kind])
            self._group.addButton(card.radio)
            row.addWidget(card, 1)
            self._cards[kind] = card
        self._group.buttonToggled.connect(self._chosen)

    def refresh(self) -> None:
        """Show the kind that is chosen."""
        self._group.blockSignals(True)
        for kind, card in self._cards.items():
            card.set_chosen(kind == self._draft.request.deploy.kind)
        self._group.blockSignals(False)

    def _chosen(self, _button: QRadioButton, checked: bool) -> None:
        if not checked:
            return
        kind = next(kind for kind, card in self._cards.items() if card.radio.isChecked())
        request = self._draft.request
        request = replace(request, deploy=replace(request.deploy, kind=kind))
        if kind == "process":
            request = replace(request, targets=(THIS_COMPUTER,))
        self._draft.update(request)


class ChoiceCard(QFrame):
    """A card with a radio button: a click anywhere on it chooses it."""

    def __init__(self, icon: str, name: str, words: str) -> None:
        super().__init__()
        self._icon_name = icon
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 12, 16, 14)
        column.setSpacing(6)
        head = QHBoxLayout()
        head.setSpacing(10)
        self.radio = QRadioButton(name)
        self.radio.setAccessibleDescription(words)
        font = self.radio.font()
        font.setWeight(font.Weight.DemiBold)
        self.radio.setFont(font)
        head.addWidget(self.radio, 1)
        self._icon = Icon(icon, "muted", 26)
        head.addWidget(self._icon)
        column.addLayout(head)
        column.addWidget(label(words, "small"))
        column.addStretch(1)
        self.set_chosen(False)

    def set_chosen(self, chosen: bool) -> None:
        """Show whether it is the chosen one."""
        self.radio.setChecked(chosen)
        set_role(self, "info" if chosen else "card")
        self._icon.show_icon(self._icon_name, "accent" if chosen else "muted")

    def mousePressEvent(self, event: QMouseEvent) -> None:
        self.radio.setChecked(True)
        self.radio.setFocus()


class HealthAnswer(Answer):
    """Which sort of health check: by HTTP, by TCP, or only that the program stays up.

    What is chosen stays chosen while its address is empty: the user is about to enter it.
    """

    def __init__(self) -> None:
        self._box = QComboBox()
        super().__init__("deploy.health", self._box)
        for how, words in (
            ("none", _("Only that it stays up")),
            ("http", _("Ask a web address (HTTP)")),
            ("tcp", _("Connect to a port (TCP)")),
        ):
            self._box.addItem(words, how)
        calm(self._box)
        self._box.activated.connect(self._chosen)

    def read(self) -> str:
        return str(self._box.currentData())

    def show(self, value: Any) -> None:
        self._box.setCurrentIndex(self._box.findData(value))

    def refresh(self) -> None:
        if self.draft is None:
            return
        health = self.draft.request.deploy.health
        if health.http or health.tcp:
            self.show("http" if health.http else "tcp")

    def _chosen(self) -> None:
        if self.draft is None:
            return
        request = self.draft.request
        health, how = request.deploy.health, self.read()
        port = likely_port(request)
        http = health.http or f"http://localhost:{port}/"
        self.draft.set(
            "deploy.health",
            replace(
                health,
                http=http if how == "http" else "",
                tcp=(health.tcp or port) if how == "tcp" else 0,
            ),
        )


def likely_port(request: DeployRequest) -> int:
    """Return the port that the program most likely answers on, as seen from the server."""
    health = request.deploy.health
    if health.tcp:
        return health.tcp
    with contextlib.suppress(ValueError):
        if port := urlsplit(health.http).port:
            return port
    for published in request.deploy.docker.ports:
        left, _right = split_port(published)
        if left.rpartition(":")[2].isdigit():
            return int(left.rpartition(":")[2])
    return 8080


class SecretsEditor(QWidget):
    """The names of the program's secrets, and whether each has a value."""

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._shown: tuple[tuple[str, bool], ...] = ()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        self._start = tab_mark()
        column.addWidget(self._start)
        self._rows = QGridLayout()
        self._rows.setSpacing(8)
        self._rows.setColumnStretch(1, 1)
        column.addLayout(self._rows)
        self._add = button(_("Add secret"), self._add_clicked, "plus", "quiet")
        column.addWidget(self._add, 0, Qt.AlignmentFlag.AlignLeft)
        self.setFocusProxy(self._add)

    def refresh(self) -> None:
        """Show the draft's secrets."""
        known = self._draft.secrets
        wanted = tuple((name, name in known) for name in self._draft.request.deploy.secrets)
        if wanted == self._shown:
            return
        self._shown = wanted
        while (item := self._rows.takeAt(0)) is not None:
            widget = item.widget()
            if widget is not None:
                widget.hide()
                widget.deleteLater()
        controls: list[QWidget] = []
        for row, (name, has_value) in enumerate(wanted):
            controls += self._add_row(row, name, has_value)
        put_in_tab_order(self._start, controls)
        # Tab goes on from where the proxy is: it has to be the first control
        self.setFocusProxy(controls[0] if controls else self._add)

    def _add_row(self, row: int, name: str, has_value: bool) -> tuple[QWidget, QWidget]:
        text = label(name, wrap=False)
        text.setFont(monospace())
        state = label(_("has a value") if has_value else _("no value yet"), "muted")
        change = button(_("Set value…"), self._change_clicked, "key")
        change.setAccessibleName(_("Set the value of {name}").format(name=name))
        change.setProperty("secret", name)
        remove = tool_button(_("Remove {name}").format(name=name), "close", self._remove_clicked)
        remove.setProperty("secret", name)
        for column, widget in enumerate((text, state, change, remove)):
            self._rows.addWidget(widget, row, column)
        return change, remove

    def _add_clicked(self) -> None:
        dialog = SecretValueDialog(self, "", self._draft.request.deploy.secrets)
        if dialog.exec():
            names = (*self._draft.request.deploy.secrets, dialog.name)
            self._draft.set_secret(dialog.name, dialog.value, keep=dialog.keep)
            self._draft.set("deploy.secrets", names)
        dialog.deleteLater()

    def _change_clicked(self) -> None:
        dialog = SecretValueDialog(self, self.sender().property("secret"), ())
        if dialog.exec():
            self._draft.set_secret(dialog.name, dialog.value, keep=dialog.keep)
        dialog.deleteLater()

    def _remove_clicked(self) -> None:
        gone = self.sender().property("secret")
        names = self._draft.request.deploy.secrets
        self._draft.set("deploy.secrets", tuple(name for name in names if name != gone))
        self._add.setFocus()
