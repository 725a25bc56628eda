"""How a Windows service runs: its host, account, start, recovery, firewall, trial run, logs."""

from __future__ import annotations

from PySide6.QtWidgets import QFileDialog, QWidget

from app.choices import service_starts
from app.i18n import _
from app.windows_rules import ACCOUNT_PASSWORD, BUILT_IN_ACCOUNTS, needs_password
from ui.dialogs import SecretsDialog
from ui.pages.answers import (
    ChoiceAnswer,
    FlagAnswer,
    FormPage,
    NumberAnswer,
    NumbersAnswer,
    RadiosAnswer,
    RowsAnswer,
    SecondsAnswer,
    SuggestedAnswer,
    TextAnswer,
    as_row,
    one_column,
)
from ui.pages.kind_form import KindForm, filled
from ui.pages.windows_words import account_words, host_words, settings_words
from ui.widgets.basics import Card, button
from ui.widgets.form import Field, like, none_like
from ui.widgets.rows import Column, RowsEditor


class WindowsForm(KindForm):
    """The Windows service's own answers."""

    kind = "windows-service"

    def __init__(self, page: FormPage) -> None:
        super().__init__(page)
        self.service = (self._host(), *self._nssm(), self._firewall())
        self.cards = (self._account_and_start(), self._existing())
        self.more = (self._shown_as(), self._switching())
        self.kept = self._logs()

    def _host(self) -> QWidget:
        self._host_answer = RadiosAnswer(
            "deploy.windows.host",
            (
                (
                    "auto",
                    _("Slipway chooses"),
                    _("By what the program is."),
                ),
                (
                    "native",
                    _("The program is a service itself"),
                    _("For programs that talk to Windows' service control manager."),
                ),
                (
                    "wrapped",
                    _("Slipway's service host runs it"),
                    _(
                        "For all other programs: it starts and ends them, starts them again after "
                        "a crash, and keeps what they print in log files."
                    ),
                ),
                (
                    "nssm",
                    _("NSSM runs it"),
                    _("Where your team uses NSSM already. Its settings are kept and rolled back."),
                ),
            ),
        )
        return Field("deploy.windows.host", _("Run b&y"), self.page.tie(self._host_answer))

    def _nssm(self) -> tuple[QWidget, ...]:
        self._nssm_there = Field(
            "deploy.windows.nssm",
            _("NSSM there"),
            self.page.tie(TextAnswer("deploy.windows.nssm", like("C:\\tools\\nssm.exe"))),
            _("Where nssm.exe lies on the server; empty looks in the usual places."),
        )
        file = TextAnswer("deploy.windows.nssm-file", _("none: it is on the server already"))
        self._nssm_file = Field(
            "deploy.windows.nssm-file",
            _("NSSM from here"),
            self.page.tie(file),
            _("An nssm.exe on this computer that is sent to the server."),
            beside=(button(_("Bro&wse…"), self._browse_nssm, "folder"),),
        )
        return self._nssm_there, self._nssm_file

    def _firewall(self) -> QWidget:
        return Field(
            "deploy.windows.firewall",
            _("&Open ports"),
            self.page.tie(NumbersAnswer("deploy.windows.firewall", none_like("8080 8443"))),
            _(
                "Windows' firewall lets other computers reach these. Without them the service "
                "answers on the server itself only, unless a rule is there already."
            ),
        )

    def _account_and_start(self) -> Card:
        account = SuggestedAnswer("deploy.windows.account", like("DOMAIN\\user"))
        account.suggest(BUILT_IN_ACCOUNTS)
        self._set_password = button(_("Set password…"), self._ask_password, "key")
        self._account = Field(
            "deploy.windows.account",
            _("Acco&unt"),
            self.page.tie(account),
            beside=(self._set_password,),
        )
        grant = FlagAnswer(
            "deploy.windows.grant-logon", _("Give it the right “&Log on as a service”")
        )
        self._grant = Field(
            "deploy.windows.grant-logon",
            _("Right"),
            self.page.tie(grant),
            _("The service can't start without it. Your domain's policies may take it away again."),
        )
        start = ChoiceAnswer("deploy.windows.start", service_starts())
        restart = NumbersAnswer("deploy.windows.restart", _("never"), whole=False)
        fields = (
            self._account,
            self._grant,
            Field("deploy.windows.start", _("Start &it"), self.page.tie(start)),
            Field(
                "deploy.windows.restart",
                _("Start it again"),
                self.page.tie(restart),
                _(
                    "Seconds to wait after the first crash, the second and so on. Empty leaves it "
                    "stopped."
                ),
            ),
        )
        return filled(Card(_("Account and start")), fields)

    def _existing(self) -> Card:
        answer = RadiosAnswer("deploy.windows.settings", settings_words())
        card = Card(
            _("If the service is there already"),
            _("Its program is replaced. What becomes of its settings?"),
        )
        return filled(
            card, (Field("deploy.windows.settings", _("Settings"), self.page.tie(answer)),)
        )

    def _shown_as(self) -> Card:
        dependencies = RowsEditor((Column(_("Service"), "Tcpip"),), _("Add service"))
        self._display_name = TextAnswer("deploy.windows.display-name", _("as its name"))
        fields = (
            Field(
                "deploy.windows.display-name", _("Display name"), self.page.tie(self._display_name)
            ),
            Field(
                "deploy.windows.description",
                _("Description"),
                self.page.tie(TextAnswer("deploy.windows.description", _("none"))),
            ),
            Field(
                "deploy.windows.dependencies",
                _("Needs services"),
                self.page.tie(
                    RowsAnswer("deploy.windows.dependencies", dependencies, as_row, one_column)
                ),
                _("Windows starts these first. Their short names, as “sc query” shows them."),
            ),
        )
        return filled(Card(_("In the list of services")), fields)

    def _switching(self) -> Card:
        smoke = RowsEditor((Column(_("Argument"), "--version"),), _("Add argument"))
        fields = (
            Field(
                "deploy.windows.smoke",
                _("Trial run"),
                self.page.tie(RowsAnswer("deploy.windows.smoke", smoke, as_row, one_column)),
                _(
                    "The new program is run once with these arguments before anything is stopped; "
                    "it must end with code 0. Without arguments there is no trial run."
                ),
            ),
            Field(
                "deploy.windows.stop-timeout",
                _("Time to stop"),
                self.page.tie(SecondsAnswer("deploy.windows.stop-timeout", 1, 600)),
                _("After that it is ended by force, with all programs that it started."),
            ),
        )
        return filled(Card(_("The switch")), fields)

    def _logs(self) -> tuple[QWidget, ...]:
        return (
            Field(
                "deploy.windows.log-max-size",
                _("Log, each file"),
                self.page.tie(TextAnswer("deploy.windows.log-max-size", "10m")),
                _("What the program prints, where Slipway's service host or NSSM runs it."),
            ),
            Field(
                "deploy.windows.log-max-file",
                _("Log, files"),
                self.page.tie(NumberAnswer("deploy.windows.log-max-file", 1, 1000)),
            ),
        )

    def refresh(self) -> None:
        request = self.draft.request
        windows = request.deploy.windows
        self._host_answer.explain("auto", host_words(self.draft.main))
        for field in (self._nssm_there, self._nssm_file):
            field.setVisible(windows.host == "nssm" or field.problem != "")
        by_password = needs_password(windows.account)
        self._set_password.setVisible(by_password)
        self._grant.setVisible(by_password)
        self._account.explain(
            account_words(
                windows.account, request.name, known=ACCOUNT_PASSWORD in self.draft.secrets
            )
        )

    def _browse_nssm(self) -> None:
        chosen, _kind = QFileDialog.getOpenFileName(
            self.page, _("NSSM on this computer"), "", _("Programs (*.exe)")
        )
        if chosen:
            self.draft.set("deploy.windows.nssm-file", chosen)

    def _ask_password(self) -> None:
        account = self.draft.request.deploy.windows.account
        dialog = SecretsDialog(
            self.page.window(),
            _("Password of {account}").format(account=account),
            _(
                "Windows keeps it with the service and logs the account on with it. It never "
                "stands in slipway.toml, in logs or in a command."
            ),
            ((_("&Password"), False),),
            _("&Set password"),
            remember=True,
        )
        dialog.keeping.look(self.draft.sign_ins.passwords)
        if dialog.exec():
            self.draft.set_secret(ACCOUNT_PASSWORD, dialog.secrets[0], keep=dialog.remember)
        dialog.deleteLater()
