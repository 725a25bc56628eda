"""Where the service shall run: the way to the server, its address, account and keys."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QStringListModel, Qt, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QButtonGroup,
    QComboBox,
    QCompleter,
    QFileDialog,
    QLineEdit,
    QMenu,
    QRadioButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.i18n import _
from app.request import Target
from ui.draft import Draft
from ui.pages.answers import calm
from ui.targets import THIS_COMPUTER, Way, fitting, over, target_name, usual_port, ways
from ui.widgets.basics import Card, button, check_radio
from ui.widgets.form import Field


class AddressCard(Card):
    """Shows the draft's server and changes it; ``entered`` when Return asks to connect."""

    entered = Signal()

    def __init__(self, draft: Draft) -> None:
        super().__init__()
        self._draft = draft
        self._kind = ""
        self._wanted: Way | None = None  # what was chosen while no server is named
        self.body.addWidget(self._add_where())
        self._add_fields()
        self._address_field = Field(
            "targets.address", _("&Address"), self.address, beside=(self.recent,)
        )
        self._common: tuple[Field, ...] = (
            self._address_field,
            Field("targets.user", _("&User"), self.user),
            Field("targets.port", _("&Port"), self.port),
        )
        browse_key = button(_("Bro&wse…"), self._browse_key, "folder")
        self._ssh: tuple[Field, ...] = (
            Field(
                "targets.key",
                _("&Key file"),
                self.key,
                _("If a password or passphrase is needed, you are asked for it."),
                beside=(browse_key,),
            ),
        )
        browse_ca = button(_("Browse…"), self._browse_ca, "folder")
        self._auth_field = Field("targets.auth", _("Lo&g in by"), self.auth)
        self._scheme_field = Field("targets.scheme", _("Encr&yption"), self.scheme)
        self._ca_field = Field(
            "targets.ca",
            _("Authority"),
            self.ca,
            _(
                "A PEM file with the authority that signed the server's certificate. Without it "
                "you are shown the certificate's fingerprint and confirm it once."
            ),
            beside=(browse_ca,),
        )
        self._winrm = (self._scheme_field, self._auth_field, self._ca_field)
        for field in (*self._common, *self._ssh, *self._winrm):
            self.body.addWidget(field)

    # What it is made of

    def _add_where(self) -> Field:
        where = QWidget()
        column = QVBoxLayout(where)
        column.setContentsMargins(0, 2, 0, 0)
        column.setSpacing(2)
        self.ways: dict[Way, QRadioButton] = {
            "winrm": QRadioButton(_("A W&indows server, over WinRM")),
            "ssh": QRadioButton(_("A server, over &SSH")),
            "local": QRadioButton(_("&This computer")),
        }
        self._group = QButtonGroup(self)
        for radio in self.ways.values():
            self._group.addButton(radio)
            column.addWidget(radio)
        self._where = where
        self._group.buttonToggled.connect(self._way_toggled)
        self._where_field = Field("targets.transport", _("Where"), where)
        return self._where_field

    def _add_fields(self) -> None:
        self.address = QLineEdit()
        self.names = QStringListModel(self)
        completer = QCompleter(self.names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        completer.activated.connect(self.name_completed)
        self.address.setCompleter(completer)
        self.recent = button(_("&Recent"), self._show_recent, "history")
        self.user = QLineEdit()
        self.port = QSpinBox()
        self.port.setRange(0, 65535)
        self.port.setMaximumWidth(160)
        calm(self.port)
        self.key = QLineEdit()
        self.key.setPlaceholderText(_("SSH agent and your usual keys"))
        self.scheme = _choice(
            (
                ("https", _("HTTPS: all of it, with the server's certificate")),
                ("http", _("HTTP: only the messages, by NTLM or Kerberos")),
            )
        )
        self.auth = _choice(
            (
                ("ntlm", _("NTLM: name and password")),
                ("kerberos", _("Kerberos: as a member of the domain")),
                ("credssp", _("CredSSP: the server may log on to others as you")),
                ("basic", _("Basic: the password itself, over HTTPS only")),
            )
        )
        self.ca = QLineEdit()
        self.ca.setPlaceholderText(_("this computer's own, or a confirmed fingerprint"))
        self.address.textEdited.connect(self._offer_no_more)
        for edit in (self.address, self.user, self.key, self.ca):
            edit.textEdited.connect(self.edited)
            edit.returnPressed.connect(self.entered)
        self.address.editingFinished.connect(self.split_address)
        self.port.valueChanged.connect(self.edited)
        for box in (self.scheme, self.auth):
            box.currentIndexChanged.connect(self.edited)

    # Showing the draft

    def refresh(self) -> None:
        """Show the draft's server, and only the ways that fit its kind."""
        kind = self._draft.request.deploy.kind
        target = self._draft.target
        offered = ways(kind)
        if kind != self._kind:
            self._kind, self._wanted = kind, None
        way: Way = self._wanted or offered[0]
        if target is not None:
            way = self._wanted = target.transport
        for name, radio in self.ways.items():
            radio.setVisible(name in offered or name == way)
        check_radio(self.ways[way])
        self._where.setFocusProxy(self.ways[way])  # one that is hidden would hold Tab up
        self._where_field.explain(way_words(kind))
        shown = target or Target("", transport=way)
        for field in self._common:
            field.setVisible(way != "local")
        for field in self._ssh:
            field.setVisible(way == "ssh")
        for field in self._winrm:
            field.setVisible(way == "winrm")
        self._ca_field.setVisible(way == "winrm" and shown.scheme == "https")
        self._auth_field.explain(auth_words(shown.auth) if way == "winrm" else "")
        carried = _(
            "Taken over from an earlier project. Name another server if this one runs elsewhere."
        )
        self._address_field.explain(carried if self._draft.carried else "")
        self._explain(way, shown)
        if way != "local" and self.target() != shown:
            self._show(shown)
        self.names.setStringList(
            [*map(target_name, self._recent_targets()), *(self._draft.ssh_hosts.result or ())]
        )
        self.recent.setVisible(way != "local" and bool(self._recent_targets()))

    def _explain(self, way: Way, target: Target) -> None:
        self.port.setSpecialValueText(_("usual ({port})").format(port=usual_port(target)))
        winrm = way == "winrm"
        self.address.setPlaceholderText(
            _("10.0.0.5 or win1.example.com")
            if winrm
            else _("10.0.0.5, web1.example.com or a name of ~/.ssh/config")
        )
        self.user.setPlaceholderText(
            _("Administrator or DOMAIN\\user")
            if winrm
            else _("as ~/.ssh/config says, or your own name")
        )

    def _show(self, target: Target) -> None:
        boxes = (self.port, self.scheme, self.auth)
        for box in boxes:
            box.blockSignals(True)
        self.address.setText(target.address)
        self.user.setText(target.user)
        self.port.setValue(target.port)
        self.key.setText(target.key)
        self.ca.setText(target.ca)
        self.scheme.setCurrentIndex(self.scheme.findData(target.scheme))
        self.auth.setCurrentIndex(self.auth.findData(target.auth))
        for box in boxes:
            box.blockSignals(False)

    def _recent_targets(self) -> list[Target]:
        draft = self._draft
        fit = fitting(draft.request.deploy.kind, draft.settings.targets, draft.settings.platforms)
        return [each for each in fit if each != THIS_COMPUTER]

    # What the user does

    def target(self) -> Target:
        """Return the server that the controls name."""
        way = self._way()
        if way == "local":
            return THIS_COMPUTER
        target = Target(
            self.address.text().strip(),
            transport=way,
            port=self.port.value(),
            user=self.user.text().strip(),
        )
        if way == "ssh":
            return replace(target, key=self.key.text().strip())
        scheme = self.scheme.currentData()
        ca = self.ca.text().strip() if scheme == "https" else ""
        return replace(target, scheme=scheme, auth=self.auth.currentData(), ca=ca)

    def _way(self) -> Way:
        return next((way for way, radio in self.ways.items() if radio.isChecked()), "ssh")

    def edited(self) -> None:
        """Tell the draft."""
        self._tell(self.target())

    def _offer_no_more(self, text: str) -> None:
        """Close the list of known servers once one is named: it would take the next click."""
        popup = self.address.completer().popup()
        if popup is not None and text in {each.address for each in self._recent_targets()}:
            QTimer.singleShot(0, popup.hide)

    def _tell(self, target: Target) -> None:
        others = self._draft.request.targets[1:]
        named = target != Target("", transport=target.transport)
        self._draft.set("targets", (target, *others) if named else others)

    def _way_toggled(self, _radio: QRadioButton, checked: bool) -> None:
        if not checked:
            return
        way = self._wanted = self._way()
        former = self._draft.target
        self._tell(over(former, way) if former else self.target())
        self._draft.changed.emit()  # without a named server no answer has changed

    def split_address(self) -> None:
        """Take ``user@host:port`` apart."""
        text = self.address.text().strip()
        user, at, place = text.rpartition("@")
        host, colon, port = place.partition(":")
        if colon and (not port.isdigit() or int(port) > 65535):
            return
        if at or colon:
            self.address.setText(host)
            self.user.setText(user if at else self.user.text())
            self.port.setValue(int(port) if colon else self.port.value())
            self.edited()

    def name_completed(self, name: str) -> None:
        """Take a server that was connected to before, or a name of ~/.ssh/config."""
        for target in self._recent_targets():
            if target_name(target) == name:
                self._tell(target)
                return
        self.edited()

    def _show_recent(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for target in self._recent_targets():
            menu.addAction(target_name(target)).setData(target)
        menu.triggered.connect(self._recent_triggered)
        menu.popup(self.recent.mapToGlobal(self.recent.rect().bottomLeft()))

    def _recent_triggered(self, action: QAction) -> None:
        self._tell(action.data())

    def _browse_key(self) -> None:
        home = Path.home()
        folder = home / ".ssh" if (home / ".ssh").is_dir() else home
        chosen, _kind = QFileDialog.getOpenFileName(self, _("Private key"), str(folder))
        if chosen:
            self.key.setText(chosen)
            self.edited()

    def _browse_ca(self) -> None:
        kinds = _("Certificates (*.pem *.crt *.cer)")
        chosen, _kind = QFileDialog.getOpenFileName(self, _("Authority"), "", kinds)
        if chosen:
            self.ca.setText(chosen)
            self.edited()


def _choice(choices: tuple[tuple[str, str], ...]) -> QComboBox:
    box = QComboBox()
    for value, words in choices:
        box.addItem(words, value)
    calm(box)
    return box


def way_words(kind: str) -> str:
    """Return why only some ways are offered, where that needs a word."""
    if kind == "process":
        return _("A plain process runs on this computer only. For a server choose another method.")
    if kind == "windows-service":
        return _("WinRM is part of every Windows Server; OpenSSH can be added to it.")
    return ""


def auth_words(auth: str) -> str:
    """Return what a way to log in to WinRM means."""
    return {
        "ntlm": _("Works with local accounts and those of a domain. The password is not sent."),
        "kerberos": _(
            "Uses the ticket of your own login if no password is needed. The server must be named "
            "as the domain knows it, not by its number."
        ),
        "credssp": _("Your password goes to the server. Only for a service account that needs it."),
        "basic": _("Works with local accounts only, where the server allows it."),
    }.get(auth, "")
