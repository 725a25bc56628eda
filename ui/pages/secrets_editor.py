"""The program's secrets: their names, and whether each has a value."""

from __future__ import annotations

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QVBoxLayout, QWidget

from app.i18n import _
from ui.dialogs import SecretValueDialog
from ui.draft import Draft
from ui.theme import monospace
from ui.widgets.basics import button, label, put_in_tab_order, tab_mark, tool_button


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
        focus = self.window().focusWidget()
        held = focus.property("secret") if focus and self.isAncestorOf(focus) else None
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
        for control in controls:
            if control.property("secret") == held:
                control.show()  # what is not to be seen yet takes no focus
                control.setFocus()
                break

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
        dialog.keeping.look(self._draft.sign_ins.passwords)
        if dialog.exec():
            names = (*self._draft.request.deploy.secrets, dialog.name)
            self._draft.set_secret(dialog.name, dialog.value, keep=dialog.keep)
            self._draft.set("deploy.secrets", names)
        dialog.deleteLater()

    def _change_clicked(self) -> None:
        dialog = SecretValueDialog(self, self.sender().property("secret"), ())
        dialog.keeping.look(self._draft.sign_ins.passwords)
        if dialog.exec():
            self._draft.set_secret(dialog.name, dialog.value, keep=dialog.keep)
        dialog.deleteLater()

    def _remove_clicked(self) -> None:
        gone = self.sender().property("secret")
        names = self._draft.request.deploy.secrets
        self._draft.set("deploy.secrets", tuple(name for name in names if name != gone))
        self._add.setFocus()
