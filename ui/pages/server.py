"""Fourth page: which server, how one gets in, and what was found there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QStringListModel, Qt, QTimer, Signal
from PySide6.QtGui import QAction
from PySide6.QtWidgets import (
    QButtonGroup,
    QCompleter,
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QRadioButton,
    QSpinBox,
    QVBoxLayout,
    QWidget,
)

from app.credentials import What
from app.errors import AuthError, Problem, SlipwayError, UntrustedHost
from app.i18n import _, ngettext
from app.request import Target
from ui.dialogs import (
    Asking,
    ConfirmDialog,
    HostKeyDialog,
    SecretsDialog,
    password_dialog,
    question_dialog,
)
from ui.draft import THIS_COMPUTER, Draft
from ui.jobs import Question
from ui.pages.answers import calm
from ui.pages.facts import Fact, FactList
from ui.pages.page import Page
from ui.widgets.amounts import size_text
from ui.widgets.basics import Card, Notice, Spinner, button, label
from ui.widgets.form import Field

if TYPE_CHECKING:
    from app.docker_facts import Container
    from app.host import HostFacts
    from app.releases import Interrupted, Records


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
        self.body.addWidget(self._add_address())
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
        return _("Say where it shall run. Nothing is changed there before you press Deploy.")

    @property
    def note(self) -> str:
        target = self.draft.target
        if target is None:
            return ""
        return _("this computer") if target.transport == "local" else str(target)

    @property
    def busy(self) -> bool:
        return self.draft.connecting.running

    def problems(self) -> tuple[Problem, ...]:
        lacking = tuple(each for each in self.draft.readiness() if each.field != "run")
        said = {each.text for each in lacking}
        return (*(each for each in super().problems() if each.text not in said), *lacking)

    # Address and account

    def _add_address(self) -> QWidget:
        card = Card()
        card.body.addWidget(self._add_where())
        self._address = QLineEdit()
        self._address.setPlaceholderText(_("10.0.0.5, web1.example.com or a name of ~/.ssh/config"))
        self._names = QStringListModel(self)
        completer = QCompleter(self._names, self)
        completer.setCaseSensitivity(Qt.CaseSensitivity.CaseInsensitive)
        completer.setFilterMode(Qt.MatchFlag.MatchContains)
        self._address.setCompleter(completer)
        completer.activated.connect(self._name_completed)
        self._recent = button(_("&Recent"), self._show_recent, "history")
        self._user = QLineEdit()
        self._user.setPlaceholderText(_("as ~/.ssh/config says, or your own name"))
        self._port = QSpinBox()
        self._port.setRange(0, 65535)
        self._port.setSpecialValueText(_("usual (22)"))
        self._port.setMaximumWidth(160)
        calm(self._port)
        self._key = QLineEdit()
        self._key.setPlaceholderText(_("SSH agent and your usual keys"))
        browse = button(_("Bro&wse…"), self._browse_key, "folder")
        self._ssh_fields = (
            Field("targets.address", _("&Address"), self._address, beside=(self._recent,)),
            Field("targets.user", _("&User"), self._user),
            Field("targets.port", _("&Port"), self._port),
            Field(
                "targets.key",
                _("&Key file"),
                self._key,
                _("If a password or passphrase is needed, you are asked for it."),
                beside=(browse,),
            ),
        )
        for field in self._ssh_fields:
            card.body.addWidget(field)
        card.body.addWidget(self._add_test())
        for edit in (self._address, self._user, self._key):
            edit.textEdited.connect(self._edited)
            edit.returnPressed.connect(self._test)
        self._address.editingFinished.connect(self._split_address)
        self._port.valueChanged.connect(self._edited)
        return card

    def _add_where(self) -> QWidget:
        self._where = QWidget()
        row = QHBoxLayout(self._where)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(20)
        self._remote = QRadioButton(_("A server, over &SSH"))
        self._local = QRadioButton(_("&This computer"))
        group = QButtonGroup(self)
        for radio in (self._remote, self._local):
            group.addButton(radio)
            row.addWidget(radio)
        row.addStretch(1)
        self._where.setFocusProxy(self._remote)
        group.buttonToggled.connect(self._where_toggled)
        self._where_group = group
        self._where_field = Field("targets.transport", _("Where"), self._where)
        return self._where_field

    def _add_test(self) -> QWidget:
        line = QWidget()
        row = QHBoxLayout(line)
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(10)
        self._test_button = button(_("Test &connection"), self._test, "link")
        self._stop_button = button(_("St&op"), self.draft.stop_connecting, "stop")
        self._spinner = Spinner()
        self._state = label("", "muted")
        for widget in (self._test_button, self._stop_button, self._spinner):
            row.addWidget(widget)
        row.addWidget(self._state, 1)
        line.setFocusProxy(self._test_button)
        self._test_field = Field("targets", "", line)
        return self._test_field

    # Showing the draft

    def enter(self) -> None:
        self.draft.read_ssh_hosts()
        super().enter()

    def refresh(self) -> None:
        super().refresh()
        self.notice.clear()
        self._show_target(self.draft.target)
        self._show_connection()
        self._names.setStringList(
            [*map(str, self._recent_targets()), *(self.draft.ssh_hosts.result or ())]
        )
        self._recent.setVisible(bool(self._recent_targets()))
        self._found.refresh()

    def _recent_targets(self) -> list[Target]:
        return [each for each in self.draft.settings.targets if each.transport == "ssh"]

    def _show_target(self, target: Target | None) -> None:
        local = target is not None and target.transport == "local"
        process = self.draft.request.deploy.kind == "process"
        self._where_group.blockSignals(True)
        self._local.setChecked(local)
        self._remote.setChecked(not local)
        self._where_group.blockSignals(False)
        self._remote.setEnabled(not process)
        self._where_field.explain(
            _("A plain process runs on this computer only. For a server choose another method.")
            if process
            else ""
        )
        for field in self._ssh_fields:
            field.setVisible(not local)
        if local:
            return
        shown = target or Target("")
        if self._target() != shown:
            self._port.blockSignals(True)
            self._address.setText(shown.address)
            self._user.setText(shown.user)
            self._port.setValue(shown.port)
            self._key.setText(shown.key)
            self._port.blockSignals(False)

    def _show_connection(self) -> None:
        connecting, target = self.draft.connecting, self.draft.target
        running, error = connecting.running, connecting.error
        self._spinner.setVisible(running)
        self._stop_button.setVisible(running)
        self._test_button.setVisible(not running)
        again = self.draft.facts is not None or (target is not None and target == THIS_COMPUTER)
        self._test_button.setText(_("&Look again") if again else _("Test &connection"))
        self._test_button.setEnabled(target is not None and bool(target.address))
        words = _("Connecting to {target}…").format(target=self.note) if running else ""
        self._state.setText(words)
        if running or error is not None:
            self._test_field.show_problem(None)  # said more fully elsewhere on the page
        if error is not None:
            self._show_error(error)

    def _show_error(self, error: SlipwayError) -> None:
        self.notice.say_error(error)
        self._answer.setVisible(isinstance(error, AuthError) and bool(error.needs))
        self._show_key.setVisible(isinstance(error, UntrustedHost))

    # What the user does

    def _target(self) -> Target:
        return Target(
            self._address.text().strip(),
            port=self._port.value(),
            user=self._user.text().strip(),
            key=self._key.text().strip(),
        )

    def _edited(self) -> None:
        target = self._target()
        others = self.draft.request.targets[1:]
        self.draft.set("targets", (target, *others) if target != Target("") else others)

    def _split_address(self) -> None:
        """Take ``user@host:port`` apart."""
        text = self._address.text().strip()
        user, at, place = text.rpartition("@")
        host, colon, port = place.partition(":")
        if colon and (not port.isdigit() or int(port) > 65535):
            return
        if at or colon:
            self._address.setText(host)
            self._user.setText(user if at else self._user.text())
            self._port.setValue(int(port) if colon else self._port.value())
            self._edited()

    def _name_completed(self, name: str) -> None:
        for target in self._recent_targets():
            if str(target) == name:
                self.draft.set("targets", (target, *self.draft.request.targets[1:]))
                return
        self._edited()

    def _where_toggled(self, chosen: QRadioButton, checked: bool) -> None:
        if checked:
            target = THIS_COMPUTER if chosen is self._local else self._target()
            self.draft.set("targets", (target,) if target != Target("") else ())

    def _show_recent(self) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for target in self._recent_targets():
            menu.addAction(str(target)).setData(target)
        menu.triggered.connect(self._recent_triggered)
        menu.popup(self._recent.mapToGlobal(self._recent.rect().bottomLeft()))

    def _recent_triggered(self, action: QAction) -> None:
        self.draft.set("targets", (action.data(), *self.draft.request.targets[1:]))

    def _browse_key(self) -> None:
        folder = Path.home() / ".ssh"
        chosen, _kind = QFileDialog.getOpenFileName(self, _("Private key"), str(folder))
        if chosen:
            self._key.setText(chosen)
            self._edited()

    def _test(self) -> None:
        self._split_address()
        if self._test_button.isEnabled() and not self.draft.connecting.running:
            self.draft.test_connection()

    # What must be asked

    def _connection_changed(self) -> None:
        if isinstance(self.draft.connecting.error, UntrustedHost | AuthError):
            # Not from inside the signal: the other slots shall see the error first.
            QTimer.singleShot(0, self._ask_again)

    def _ask_again(self) -> None:
        error, target = self.draft.connecting.error, self.draft.target
        if self._dialog is not None or target is None:
            return
        if isinstance(error, UntrustedHost):
            self._open(HostKeyDialog(self.window(), error))
        elif isinstance(error, AuthError) and error.needs:
            self._needs = _what(error)
            self._open(password_dialog(self.window(), target, self._needs, error.title))

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
        given = self.draft.credentials
        if self._needs == "password":
            given = replace(given, password=secret)
        elif self._needs == "passphrase":
            given = replace(given, passphrase=secret)
        else:
            given = replace(given, sudo_password=secret)
        keep = frozenset({self._needs}) if dialog.remember else frozenset()
        self.draft.test_connection(given, keep=keep)


class FoundServer(QWidget):
    """What the server is, what is in the way, and what runs there already."""

    take_back = Signal()
    finish = Signal()

    def __init__(self, draft: Draft, ask_sudo: Callable[[], None]) -> None:
        super().__init__()
        self._draft = draft
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(16)
        self._troubles = QVBoxLayout()
        self._troubles.setSpacing(8)
        column.addLayout(self._troubles)
        self._notices: list[Notice] = []
        self._sudo = button(_("&Enter the sudo password…"), ask_sudo, "key")
        self._sudo.hide()
        self._locked = Notice()
        self._locked.buttons.addWidget(button(_("Release the lock…"), self._ask_release, "lock"))
        self._locked.buttons.addStretch(1)
        column.addWidget(self._locked)
        self._interrupted = Notice()
        self._interrupted.buttons.addWidget(
            button(_("R&oll back…"), self.take_back.emit, "rollback")
        )
        self._finish = button(_("Resu&me…"), self.finish.emit, "play")
        self._interrupted.buttons.addWidget(self._finish)
        self._interrupted.buttons.addStretch(1)
        column.addWidget(self._interrupted)
        self._card = Card(_("What was found"))
        self._facts = FactList()
        self._card.body.addWidget(self._facts)
        column.addWidget(self._card)
        self._adopt = Card(
            _("A container of this name runs already"),
            _("Slipway did not make it. Its settings can be taken over for the new one."),
        )
        self._adopt_facts = FactList()
        self._adopt.body.addWidget(self._adopt_facts)
        self._adopt.body.addWidget(
            button(_("Take these settin&gs over"), self._take_over, "copy"),
            0,
            Qt.AlignmentFlag.AlignLeft,
        )
        self._taken = Notice()
        self._adopt.body.addWidget(self._taken)
        column.addWidget(self._adopt)

    def refresh(self) -> None:
        """Show what the draft knows of the server."""
        facts = self._draft.facts
        self.setVisible(facts is not None)
        if facts is None:
            self._taken.clear()
            return
        problems = [each for each in self._draft.readiness() if each.field != "run"]
        self._show_problems(problems)
        sudo_helps = facts.sudo_wanted and any(each.blocking for each in problems)
        if problems:
            self._notices[0].buttons.insertWidget(0, self._sudo)
        self._sudo.setVisible(sudo_helps)
        self._facts.show_facts(server_facts(facts))
        self._show_lock(facts.records)
        self._show_interrupted(facts.records.interrupted)
        foreign = foreign_container(facts)
        self._adopt.setVisible(foreign is not None)
        if foreign is not None:
            self._adopt_facts.show_facts(container_facts(foreign))

    def _show_lock(self, records: Records) -> None:
        lock, failed = records.lock, self._draft.unlocking.error
        if lock is None or records.interrupted is not None:
            self._locked.clear()
        elif failed is not None:
            self._locked.say_error(failed)
        else:
            words = _("Wait until that run has ended. If it can't be alive any more, release it.")
            self._locked.say("warning", _("The lock is held by {lock}.").format(lock=lock), words)

    def _ask_release(self) -> None:
        lock = self._draft.facts.records.lock if self._draft.facts else None
        if lock is None:
            return
        dialog = ConfirmDialog(
            self.window(),
            _("Release the lock of {who}?").format(who=lock.who),
            _(
                "Its last sign of life was {age:.0f} seconds ago. If that run is still alive, two "
                "runs would work on the service at once."
            ).format(age=lock.age),
            _("&Release the lock"),
        )
        if dialog.exec():
            self._draft.release_lock()
        dialog.deleteLater()

    def _show_problems(self, problems: list[Problem]) -> None:
        while len(self._notices) < len(problems):
            notice = Notice()
            notice.buttons.addStretch(1)
            self._notices.append(notice)
            self._troubles.addWidget(notice)
        for number, notice in enumerate(self._notices):
            if number < len(problems):
                problem = problems[number]
                notice.say("error" if problem.blocking else "warning", problem.text, problem.hint)
            else:
                notice.clear()

    def _show_interrupted(self, run: Interrupted | None) -> None:
        if run is None:
            self._interrupted.clear()
            return
        title = _("A run by {by} was interrupted: {title}").format(by=run.by, title=run.title)
        self._interrupted.say("warning", title, interrupted_words(run))
        self._finish.setVisible(not run.undoing)

    def _take_over(self) -> None:
        foreign = foreign_container(self._draft.facts) if self._draft.facts else None
        if foreign is None:
            return
        # the engine's kinds cost imports that the first page must not wait for
        from app.kinds.docker_adopting import adopt

        request = self._draft.request
        adopted = adopt(foreign, request.deploy)
        for name, value in adopted.secrets.items():
            self._draft.set_secret(name, value, keep=False)
        self._draft.update(replace(request, deploy=adopted.options))
        self._taken.say(
            "success",
            _("Taken over"),
            _("Method shows them. Variables that look secret have become secrets."),
        )


def _what(error: AuthError) -> What:
    """Return which secret is asked for."""
    if error.needs == "passphrase":
        return "passphrase"
    return "sudo" if error.needs == "sudo" else "password"


def foreign_container(facts: HostFacts) -> Container | None:
    """Return the container of the service's name if Slipway did not make it."""
    container = facts.docker.service if facts.docker else None
    return container if container is not None and not container.ours else None


def server_facts(facts: HostFacts) -> list[Fact]:
    """Return what a server is, in words."""
    found: list[Fact] = [
        (_("System"), f"{facts.os_name} ({facts.platform})", facts.hostname),
        (_("Account"), facts.target.user or facts.user, _("root by sudo") if facts.sudo else ""),
    ]
    if facts.docker is not None and not facts.docker.problem:
        words = [facts.docker.version]
        if facts.docker.rootless:
            words.append(_("rootless"))
        if facts.docker.cli.sudo:
            words.append(_("by sudo"))
        found.append((_("Docker"), _(", ").join(words), facts.docker.cli.path))
    if facts.disk_free:
        found.append((_("Free space"), size_text(facts.disk_free), facts.root))
    found.append((_("Runs now"), running_words(facts), ""))
    found.append((_("Releases"), releases_words(facts.records), ""))
    return found


def running_words(facts: HostFacts) -> str:
    """Return what runs under the service's name."""
    from app.service import state_words

    container = facts.docker.service if facts.docker else None
    if container is not None:
        return _("container {name}, {status}, from {image}").format(
            name=container.name,
            status=state_words(container.status).lower(),
            image=container.image,
        )
    process = facts.process
    if process is not None and process.state != "missing":
        return _("process {pid}, {state}").format(
            pid=process.pid, state=state_words(process.state).lower()
        )
    return _("nothing yet")


def releases_words(records: Records) -> str:
    """Return which releases lie there."""
    if not records.releases:
        return _("none yet")
    count = len(records.releases)
    words = ngettext("{count} kept", "{count} kept", count).format(count=count)
    current = records.current
    if current is None:
        return words
    return _("{words}, {version} serves").format(words=words, version=current.version or current.id)


def interrupted_words(run: Interrupted) -> str:
    """Return what of an interrupted run is done and what is not."""
    nothing = _("nothing")
    lines = [_("Done: {steps}").format(steps=_(", ").join(run.done) or nothing)]
    if run.under_way:
        lines.append(_("Under way, perhaps done: {step}").format(step=run.under_way))
    lines.append(_("Not begun: {steps}").format(steps=_(", ").join(run.not_begun) or nothing))
    return "\n".join(lines)


def container_facts(container: Container) -> list[Fact]:
    """Return how a container was made; of its environment only the names."""
    nothing = _("none")
    return [
        (_("Image"), container.image, container.status),
        (_("Ports"), ", ".join(container.ports) or nothing, ""),
        (_("Environment"), ", ".join(container.env) or nothing, _("values are not shown here")),
        (_("Volumes"), ", ".join(container.volumes) or nothing, ""),
        (_("Restart"), container.restart_policy, ""),
    ]
