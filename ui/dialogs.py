"""What the wizard must ask in between: trust in a host key, passwords, values of secrets."""

from __future__ import annotations

from collections.abc import Callable

from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QGuiApplication, QShowEvent
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QHBoxLayout,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.credentials import CERTIFICATE, Credentials, PasswordStore, What, hex_fingerprint
from app.errors import AuthError, SlipwayError, UntrustedHost
from app.i18n import _, sentences
from app.request import Target
from app.rules import ENV_NAME
from app.server_setup import fingerprint_lines
from app.transport import Secret
from ui.jobs import Question
from ui.report import conceal
from ui.task import Task
from ui.theme import monospace
from ui.widgets.basics import TONE_COLOURS, Icon, Tone, button, label
from ui.widgets.command_view import CommandView
from ui.widgets.form import Field, like

WIDTH = 560
FITTING = 50  # letters of a fingerprint that fit into a line
SHOWN_LINES = 5


class Asking(QDialog):
    """A dialog with a heading, a sentence, room for fields, and its answers at the bottom."""

    def __init__(self, parent: QWidget, tone: Tone, heading: str, words: str) -> None:
        super().__init__(parent)
        self.setWindowTitle("Slipway")
        self.setModal(True)
        self.setFixedWidth(WIDTH)
        self.setAccessibleName(heading)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(24, 22, 24, 20)
        outer.setSpacing(16)
        head = QHBoxLayout()
        head.setSpacing(14)
        head.addWidget(Icon(tone, TONE_COLOURS[tone], 28), 0, Qt.AlignmentFlag.AlignTop)
        texts = QVBoxLayout()
        texts.setSpacing(6)
        texts.addWidget(label(heading, "heading", select=True))
        texts.addWidget(label(words, "muted", select=True))
        head.addLayout(texts, 1)
        outer.addLayout(head)
        self.body = QVBoxLayout()
        self.body.setSpacing(12)
        outer.addLayout(self.body)
        self._row = QHBoxLayout()
        self._row.setSpacing(10)
        self._row.addStretch(1)
        outer.addLayout(self._row)

    def showEvent(self, event: QShowEvent) -> None:
        self._fit()
        super().showEvent(event)

    def event(self, event: QEvent) -> bool:
        done = super().event(event)
        if event.type() == QEvent.Type.LayoutRequest:  # something came, went or found its height
            self._fit()
        return done

    def _fit(self) -> None:
        layout = self.layout()
        if layout is not None:  # what wraps its lines knows its height only by the width
            self.setFixedHeight(layout.heightForWidth(WIDTH))

    def done(self, result: int) -> None:
        super().done(result)
        parent = self.parentWidget()
        if parent is not None:  # some window systems leave no window active after a dialog
            parent.activateWindow()

    def add_answers(
        self, accept: QPushButton | None, reject: QPushButton, default: QPushButton
    ) -> None:
        """Put the answers at the bottom; Enter gives ``default``, Escape always ``reject``."""
        for answer in (accept, reject):
            if answer is not None:
                self._row.addWidget(answer)
                answer.setAutoDefault(answer is default)
        default.setDefault(True)


class HostKeyDialog(Asking):
    """Shows the key or certificate of a server that is not known yet.

    One that has changed can only be left alone. ``windows``: how a Windows server shows its own.
    """

    def __init__(self, parent: QWidget, error: UntrustedHost, *, windows: bool = False) -> None:
        certificate = error.key_type == CERTIFICATE
        if error.changed:
            words = error.hint
        else:
            words = _(
                "Nothing was sent yet, no password either. Compare this fingerprint with the one "
                "that whoever runs the server gives you."
            )
        super().__init__(parent, "error" if error.changed else "warning", error.title, words)
        self.error = error
        place = f"{error.host}:{error.port}"
        self.body.addWidget(self._fingerprint(_("Server"), (place,)))
        kind = _("Certificate") if certificate else _("Key ({kind})").format(kind=error.key_type)
        shown = _("Shows now") if error.changed else kind
        self.body.addWidget(self._fingerprint(shown, (error.fingerprint,)))
        if certificate:
            digits = hex_fingerprint(error.key_base64)
            same = _("The same in hexadecimal; Windows' thumbprint is another number")
            self.body.addWidget(self._fingerprint(same, (digits,)))
        if error.changed:
            self.body.addWidget(self._fingerprint(_("Known so far"), error.expected))
        self.body.addWidget(self._on_the_server(error.key_type, windows=windows or certificate))
        cancel = button(_("&Close") if error.changed else _("&Cancel"), self.reject)
        consent = (
            _("&Trust this certificate and connect")
            if certificate
            else _("&Trust this key and connect")
        )
        trust = None if error.changed else button(consent, self.accept)
        self.add_answers(trust, cancel, cancel)
        cancel.setFocus()

    def _fingerprint(self, name: str, texts: tuple[str, ...]) -> QWidget:
        cell, column = self._cell(name)
        for text in texts:
            line = label(_breakable(text), select=True)
            line.setFont(monospace())
            line.setAccessibleName(f"{name}: {text}")
            column.addWidget(line)
        return cell

    def _on_the_server(self, key_type: str, *, windows: bool) -> QWidget:
        cell, column = self._cell(_("On the server itself this shows it:"))
        lines = fingerprint_lines(key_type, windows=windows).rstrip()
        column.addWidget(CommandView(_("Lines that show it"), lines, SHOWN_LINES))
        return cell

    @staticmethod
    def _cell(name: str) -> tuple[QWidget, QVBoxLayout]:
        cell = QWidget()
        column = QVBoxLayout(cell)
        column.setContentsMargins(42, 0, 0, 0)
        column.setSpacing(3)
        column.addWidget(label(name, "small"))
        return cell, column


class ConfirmDialog(Asking):
    """Asks whether to do something that is not done lightly; Enter and Escape do not."""

    def __init__(
        self,
        parent: QWidget,
        heading: str,
        words: str,
        consent: str,
        refusal: str = "",
        *,
        ends: bool = True,
    ) -> None:
        super().__init__(parent, "warning" if ends else "info", heading, words)
        refuse = button(refusal or _("&Cancel"), self.reject)
        role = "danger" if ends else ""
        self.add_answers(button(consent, self.accept, role=role), refuse, refuse)
        refuse.setFocus()


def ask(
    parent: QWidget,
    heading: str,
    words: str,
    consent: str,
    on_consent: Callable[[], object],
    refusal: str = "",
    *,
    ends: bool = True,
) -> ConfirmDialog:
    """Ask, and go on at once; ``on_consent`` is called if the user agrees.

    ``ends`` is whether something is ended or lost then: it is asked in red.
    """
    dialog = ConfirmDialog(parent, heading, words, consent, refusal, ends=ends)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.accepted.connect(on_consent)
    dialog.open()
    return dialog


class AboutDialog(Asking):
    """Says which Slipway this is and what it runs on."""

    def __init__(self, parent: QWidget) -> None:
        from app.version import slipway_version
        from ui.environment import environment_text

        self._words = environment_text()
        super().__init__(parent, "info", f"Slipway {slipway_version()}", self._words)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        copy = button(_("Cop&y"), self._copy, "copy")
        self.add_answers(copy, close := button(_("&Close"), self.reject), close)
        close.setFocus()

    def _copy(self) -> None:
        QGuiApplication.clipboard().setText(self._words)


class KeyringBox(QWidget):
    """The box that has a secret kept; off, and saying why, where there is no keyring."""

    def __init__(self, words: str, *, ticked: bool) -> None:
        super().__init__()
        self.box = QCheckBox(words)
        self.box.setChecked(ticked)
        self._why = label(role="small")
        self._why.hide()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.box)
        column.addWidget(self._why)
        self._looking = Task(self)
        self._looking.changed.connect(self._found)

    def look(self, store: PasswordStore) -> None:
        """Find out, off this thread, whether there is a keyring."""
        self._looking.start(lambda _emit, _cancel: store.available())

    def _found(self) -> None:
        reason = self._looking.result
        if not reason:
            return
        words = sentences(
            _("The system's keyring can't be used."),
            reason,
            _("What you enter is forgotten when Slipway is closed."),
        )
        self.box.setChecked(False)
        self.box.setEnabled(False)
        self.box.setAccessibleDescription(words)
        self.setToolTip(words)
        self._why.setText(words)
        self._why.show()


class SecretsDialog(Asking):
    """Asks for one or more secrets; ``refused`` tells that ``words`` are about a wrong one."""

    def __init__(
        self,
        parent: QWidget,
        heading: str,
        words: str,
        prompts: tuple[tuple[str, bool], ...],
        action: str,
        *,
        remember: bool,
        refused: bool = False,
    ) -> None:
        super().__init__(parent, "error" if refused else "info", heading, words)
        self._edits = []
        for prompt, echo in prompts:
            edit = QLineEdit()
            edit.setInputMethodHints(Qt.InputMethodHint.ImhSensitiveData)
            beside = () if echo else (_hide(edit),)
            self.body.addWidget(Field("", prompt.rstrip(": "), edit, beside=beside, stacked=True))
            self._edits.append(edit)
        self.keeping = KeyringBox(_("&Remember in the keyring of this computer"), ticked=False)
        self.keeping.setVisible(remember)
        self.body.addWidget(self.keeping)
        accept = button(action, self.accept, role="primary")
        self.add_answers(accept, button(_("&Cancel"), self.reject), accept)

    @property
    def secrets(self) -> tuple[Secret, ...]:
        """What was entered, one for each prompt."""
        return tuple(conceal(Secret(edit.text())) for edit in self._edits)

    @property
    def remember(self) -> bool:
        """Whether it shall be kept in the keyring."""
        return self.keeping.box.isChecked()


def secret_needed(error: AuthError) -> What:
    """Return which secret a server misses."""
    names: dict[str, What] = {"passphrase": "passphrase", "sudo": "sudo"}
    return names.get(error.needs, "password")


def is_question(error: SlipwayError, given: Credentials) -> bool:
    """Return whether nothing is wrong: the server is new here, or wants a first password."""
    if isinstance(error, UntrustedHost):
        return not error.changed
    if not isinstance(error, AuthError) or not error.needs:
        return False
    answers = {"passphrase": given.passphrase, "sudo": given.sudo_password}
    return answers.get(error.needs, given.password) is None


def password_dialog(
    parent: QWidget, target: Target, needs: What, why: str, *, refused: bool = False
) -> SecretsDialog:
    """Return the dialog for the secret that a server or a key ``needs``, or has ``refused``."""
    headings = {
        "password": _("Password of {target}").format(target=target),
        "passphrase": _("Passphrase of the key for {target}").format(target=target),
        "sudo": _("Password for sudo on {target}").format(target=target),
    }
    actions = {
        "password": _("&Log in"),
        "passphrase": _("&Unlock the key"),
        "sudo": _("&Become root"),
    }
    return SecretsDialog(
        parent,
        headings[needs],
        why,
        ((_("&Passphrase") if needs == "passphrase" else _("&Password"), False),),
        actions[needs],
        remember=True,
        refused=refused,
    )


def question_dialog(parent: QWidget, target: Target, question: Question) -> SecretsDialog:
    """Return the dialog for what a server itself asks while one logs in."""
    return SecretsDialog(
        parent,
        _("{target} asks").format(target=target),
        question.instructions.strip() or _("The server wants to know more before it lets you in."),
        question.prompts,
        _("&Answer"),
        remember=False,
    )


class SecretValueDialog(Asking):
    """Asks for name and value of one of the program's secrets; ``name`` is empty for a new one."""

    def __init__(self, parent: QWidget, name: str, taken: tuple[str, ...]) -> None:
        super().__init__(
            parent,
            "info",
            _("Value of {name}").format(name=name) if name else _("New secret"),
            _(
                "The program finds it in its environment. The value never stands in slipway.toml, "
                "in logs or in a command."
            ),
        )
        self._taken = taken
        self._name = QLineEdit(name)
        self._name.setPlaceholderText(like("DB_PASSWORD"))
        self._name.setReadOnly(bool(name))
        self._name.textChanged.connect(self._check)
        self._value = QLineEdit()
        self._value.textChanged.connect(self._check)
        self._name_field = Field("", _("&Name"), self._name, stacked=True)
        self.body.addWidget(self._name_field)
        self.body.addWidget(
            Field("", _("&Value"), self._value, beside=(_hide(self._value),), stacked=True)
        )
        self.keeping = KeyringBox(_("&Keep the value in the keyring of this computer"), ticked=True)
        self.body.addWidget(self.keeping)
        self._accept = button(
            _("S&et the value") if name else _("&Add the secret"), self.accept, role="primary"
        )
        self.add_answers(self._accept, button(_("&Cancel"), self.reject), self._accept)
        self._check()
        (self._value if name else self._name).setFocus()

    @property
    def name(self) -> str:
        """The secret's name."""
        return self._name.text().strip()

    @property
    def value(self) -> Secret:
        """The secret's value."""
        return conceal(Secret(self._value.text()))

    @property
    def keep(self) -> bool:
        """Whether the value goes to the keyring."""
        return self.keeping.box.isChecked()

    def _check(self) -> None:
        name = self.name
        words = ""
        if name and not ENV_NAME.fullmatch(name):
            words = _("Use letters, digits and underscores, no digit first.")
        elif name in self._taken:
            words = _("There is a secret of this name already.")
        self._name_field.explain(words)
        self._accept.setEnabled(bool(name) and not words and bool(self._value.text()))


def _hide(edit: QLineEdit) -> QCheckBox:
    """Hide what is typed; the box returned shows it."""

    def show(shown: bool) -> None:
        edit.setEchoMode(QLineEdit.EchoMode.Normal if shown else QLineEdit.EchoMode.Password)

    show(False)
    box = QCheckBox(_("&Show"))
    box.toggled.connect(show)
    return box


def _breakable(text: str) -> str:
    """Let a long word break where it must."""
    return (
        "\u200b".join(text[i : i + 8] for i in range(0, len(text), 8)) if len(text) > 50 else text
    )
