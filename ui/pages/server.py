"""Fourth page: which server, how one gets in, and what was found there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import QHBoxLayout, QWidget

from app.credentials import CERTIFICATE, What
from app.errors import AuthError, Problem, SlipwayError, UntrustedHost
from app.i18n import _
from app.server_setup import server_setups
from ui.dialogs import (
    Asking,
    HostKeyDialog,
    SecretsDialog,
    is_question,
    password_dialog,
    question_dialog,
    secret_needed,
)
from ui.draft import Draft
from ui.jobs import Question
from ui.pages.address_card import AddressCard
from ui.pages.found_server import FoundServer
from ui.pages.page import Page
from ui.pages.setup_help import SetupHelp
from ui.targets import THIS_COMPUTER, ways
from ui.task import Stopped
from ui.widgets.basics import Spinner, bring_into_sight, button, label
from ui.widgets.form import Field


class ServerPage(Page):
    """Address and account on top; beneath it what a look at the server found.

    ``take_back`` and ``finish`` ask for an interrupted run to be undone or gone on with.
    """

    icon = "server"
    fields = ("targets", "target")
    take_back = Signal()
    finish = Signal()

    def __init__(self, draft: Draft) -> None:
        super().__init__(draft)
        self._dialog: Asking | None = None
        self._needs: What = "password"
        self._question: Question | None = None
        self._answer = button(_("Enter the passwor&d…"), self._ask_again, "key")
        self._show_key = button(_("Co&mpare the key…"), self._ask_again, "key")
        self.notice.buttons.addWidget(self._answer)
        self.notice.buttons.addWidget(self._show_key)
        self.notice.buttons.addStretch(1)
        self.address = AddressCard(draft)
        self.address.entered.connect(self._test)
        self.address.body.addWidget(self._add_test())
        self.body.addWidget(self.address)
        self.body.addWidget(self.notice)  # beneath the form, which it would push down
        self.notice.follow(self._stop_button)
        self._help = SetupHelp()
        self.body.addWidget(self._help)
        self._found = FoundServer(draft, self._ask_sudo)
        self._found.take_back.connect(self.take_back)
        self._found.finish.connect(self.finish)
        self.body.addWidget(self._found)
        self.body.addStretch(1)
        draft.connecting.changed.connect(self._connection_changed)
        draft.asked.connect(self._asked)

    @property
    def title(self) -> str:
        return _("Server")

    @property
    def lead(self) -> str:
        if self.draft.request.deploy.kind == "windows-service":
            return _(
                "Say where it shall run. Only Slipway's own tool is put there before you press "
                "Deploy; what runs there is not touched."
            )
        return _("Say where it shall run. Nothing is changed there before you press Deploy.")

    @property
    def note(self) -> str:
        target = self.draft.target
        if target is None:
            return ""
        return _("this computer") if target.transport == "local" else target.address

    @property
    def busy(self) -> bool:
        return self.draft.connecting.running

    @property
    def wrong(self) -> bool:
        return self.draft.connecting.error is not None

    def problems(self) -> tuple[Problem, ...]:
        lacking = tuple(each for each in self.draft.readiness() if each.field != "run")
        said = {each.text for each in lacking}
        return (*(each for each in super().problems() if each.text not in said), *lacking)

    def focus_first(self) -> None:
        """Begin at the address as long as there is nothing to test."""
        if self._nowhere:
            self.address.address.setFocus(Qt.FocusReason.OtherFocusReason)
        else:
            super().focus_first()

    def show_problem(self) -> None:
        """Lead to the address as long as that is what is missing."""
        super().show_problem()
        if self._nowhere:
            self.address.address.setFocus(Qt.FocusReason.OtherFocusReason)

    @property
    def _nowhere(self) -> bool:
        return not self.draft.connecting.running and not self._test_button.isEnabled()

    # Connecting

    def _add_test(self) -> QWidget:
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(10)
        self._test_button = button(_("Test &connection"), self._test, "refresh")
        self._stop_button = button(_("St&op"), self.draft.stop_connecting, "stop")
        self._spinner = Spinner()
        self._state = label("", "muted")
        for widget in (self._test_button, self._stop_button, self._spinner):
            row.addWidget(widget)
        row.addWidget(self._state, 1)
        self._test_line = line
        self._test_field = Field("targets", "", line, quiet=True)
        return self._test_field

    # Showing the draft

    def enter(self) -> None:
        self.draft.read_ssh_hosts()
        if self.draft.target is None and ways(self.draft.request.deploy.kind) == ("local",):
            self.draft.set("targets", (THIS_COMPUTER,))
        super().enter()

    def leave(self) -> None:
        self.notice.clear()

    def show_elsewhere(self, problems: Sequence[Problem]) -> None:
        """Leave the box to how connecting went; what was found stands further down."""

    def refresh(self) -> None:
        super().refresh()
        self.address.refresh()
        self._show_connection()
        self._show_help()
        self._found.refresh()

    def _show_connection(self) -> None:
        connecting, target = self.draft.connecting, self.draft.target
        running, error = connecting.running, connecting.error
        focus = self.window().focusWidget()  # also while a dialog stands before it
        self._spinner.setVisible(running)
        self._stop_button.setVisible(running)
        self._test_button.setVisible(not running)
        again = self.draft.facts is not None or (target is not None and target == THIS_COMPUTER)
        self._test_button.setText(_("&Look again") if again else _("Test &connection"))
        self._test_button.setEnabled(target is not None and bool(target.address))
        usable = self._stop_button if running else self._test_button
        # one that can't take the focus would hold Tab up
        proxy = usable if usable.isEnabled() else None
        self._test_line.setFocusProxy(proxy)  # type: ignore[arg-type]
        connects = _("Connecting to {target}…").format(
            target=self.note if target == THIS_COMPUTER else target
        )
        self._state.setText((self.draft.under_way or connects) if running else "")
        if running or error is not None:
            self._test_field.show_problem(None)  # said more fully elsewhere on the page
        if error is not None:
            self._show_error(error)
        elif (unkept := self.draft.unkept) is not None:
            self._answer.hide()
            self._show_key.hide()
            heading = _("Connected, but the password was not remembered")
            self.notice.say("warning", heading, f"{unkept.detail}\n{unkept.hint}")
        else:
            self.notice.clear()
        ours = (self._test_button, self._stop_button, self._answer, self._show_key)
        if (
            focus is not None
            and focus in ours
            and not focus.isVisibleTo(self)
            and usable.isEnabled()
        ):
            usable.setFocus()  # not wherever Qt would look next

    def _show_error(self, error: SlipwayError) -> None:
        if self._is_question(error) or isinstance(error, Stopped):
            self.notice.say_calmly(error)
        else:
            self.notice.say_error(error)
        self._answer.setVisible(isinstance(error, AuthError) and bool(error.needs))
        self._show_key.setVisible(isinstance(error, UntrustedHost))
        if isinstance(error, UntrustedHost):
            self._show_key.setText(
                _("Co&mpare the certificate…")
                if error.key_type == CERTIFICATE
                else _("Co&mpare the key…")
            )

    def _is_question(self, error: SlipwayError) -> bool:
        return is_question(error, self.draft.sign_ins.credentials(self.draft.target))

    def _show_help(self) -> None:
        wanted = self.draft.request.deploy.kind == "windows-service" and self.draft.facts is None
        self._help.show_setups(server_setups(self.address.target()) if wanted else ())

    # What the user does

    def _test(self) -> None:
        self.address.split_address()
        if self._test_button.isEnabled() and not self.draft.connecting.running:
            self.draft.test_connection()

    # What must be asked

    def _connection_changed(self) -> None:
        error = self.draft.connecting.error
        if error is None:
            if self.draft.facts is not None:
                QTimer.singleShot(0, self, self._show_found)
            return
        if not self._is_question(error) and not isinstance(error, Stopped):
            self._help.set_opened(True)
        # once it is shown and has its place
        QTimer.singleShot(0, self, lambda: bring_into_sight(self.notice))
        if isinstance(error, UntrustedHost | AuthError):
            # Not from inside the signal: the other slots shall see the error first.
            QTimer.singleShot(0, self._ask_again)

    def _show_found(self) -> None:
        bring_into_sight(self._found)

    def _ask_again(self) -> None:
        error, target = self.draft.connecting.error, self.draft.target
        if self._dialog is not None or target is None:
            return
        if isinstance(error, UntrustedHost):
            windows = self.draft.request.deploy.kind == "windows-service"
            self._open(HostKeyDialog(self.window(), error, windows=windows))
        elif isinstance(error, AuthError) and error.needs:
            self._needs = secret_needed(error)
            refused = not self._is_question(error)
            self._open(
                password_dialog(self.window(), target, self._needs, error.title, refused=refused)
            )

    def _ask_sudo(self) -> None:
        target = self.draft.target
        if target is not None and self._dialog is None:
            self._needs = "sudo"
            why = _("It is used on the server to become root, and nowhere else.")
            self._open(password_dialog(self.window(), target, "sudo", why))

    def _asked(self, question: Question) -> None:
        target = self.draft.target
        if target is not None and self._dialog is None:
            self._question = question
            self._open(question_dialog(self.window(), target, question))

    def _open(self, dialog: Asking) -> None:
        self._dialog = dialog
        if isinstance(dialog, SecretsDialog):
            dialog.keeping.look(self.draft.sign_ins.passwords)
        dialog.finished.connect(self._answered)
        dialog.open()

    def _answered(self, result: int) -> None:
        dialog, self._dialog = self._dialog, None
        question, self._question = self._question, None
        if dialog is None:
            return
        dialog.deleteLater()
        if not result:
            if question is not None:
                self.draft.stop_connecting()
        elif isinstance(dialog, HostKeyDialog):
            self.draft.trust(dialog.error)
        elif isinstance(dialog, SecretsDialog) and question is not None:
            question.answer(dialog.secrets)
        elif isinstance(dialog, SecretsDialog):
            self._log_in(dialog)

    def _log_in(self, dialog: SecretsDialog) -> None:
        secret = dialog.secrets[0]
        given = self.draft.sign_ins.credentials(self.draft.target)
        if self._needs == "password":
            given = replace(given, password=secret)
        elif self._needs == "passphrase":
            given = replace(given, passphrase=secret)
        else:
            given = replace(given, sudo_password=secret)
        keep = frozenset({self._needs}) if dialog.remember else frozenset()
        self.draft.test_connection(given, keep=keep)
