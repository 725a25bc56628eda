"""Values of secrets: given in this session, or found in the system's keyring."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from app.errors import Problem
from app.i18n import sentences
from app.request import DeployRequest
from app.windows_rules import ACCOUNT_PASSWORD
from ui.task import Task, TaskState

if TYPE_CHECKING:
    from app.credentials import PasswordStore
    from app.transport import Secret

Entry = tuple[str, str]  # a service's secret in the keyring, and whose it is


class SecretValues(QObject):
    """Holds values in memory and, where the user wants it, in the keyring; asks that off-thread.

    ``changed`` follows every change of the values and of what is said of the keyring.
    """

    changed = Signal()

    def __init__(self, store: Callable[[], PasswordStore], parent: QObject) -> None:
        super().__init__(parent)
        self._store = store
        self._values: dict[str, Secret] = {}
        self._of_projects: dict[Path, dict[str, Secret]] = {}
        self._passwords: dict[Entry, Secret] = {}
        self._kept = ("", "")  # field and name of the value that went to the keyring last
        self._reading = Task(self)
        self._reading.changed.connect(self._read)
        self.keeping = Task(self)
        self.keeping.changed.connect(self.changed)

    # The program's secrets

    def of(self, names: Sequence[str]) -> dict[str, Secret]:
        """Return the values of those that have one."""
        return {name: self._values[name] for name in names if name in self._values}

    def set(self, service: str, name: str, value: Secret, *, keep: bool) -> None:
        """Take a value for this session; ``keep`` puts it in the keyring too."""
        self._values[name] = value
        field = "deploy.windows.account" if name == ACCOUNT_PASSWORD else "deploy.secrets"
        self._keep(field, (service, name), value if keep else None)
        self.changed.emit()

    def forget(self, name: str) -> None:
        """Forget a value in this session; the keyring keeps its own."""
        self._values.pop(name, None)

    def turn_to(self, project: Path) -> None:
        """Hold the values of this project; those of others are there when one comes back."""
        self._values = self._of_projects.setdefault(project, {})

    def expect(self, service: str, names: Sequence[str]) -> None:
        """Drop what is being read unless it is for this service and the same missing names."""
        self._reading.expect((service, self._missing(names)))

    def read(self, service: str, names: Sequence[str]) -> None:
        """Read from the keyring what has no value yet, once."""
        from ui import jobs

        missing, store = self._missing(names), self._store()
        if self._reading.state is TaskState.IDLE and missing and service:
            self._reading.start(lambda _emit, _cancel: jobs.read_secrets(store, service, missing))

    def _missing(self, names: Sequence[str]) -> tuple[str, ...]:
        return tuple(name for name in names if name not in self._values)

    def _read(self) -> None:
        if self._reading.state is TaskState.DONE:
            self._values.update(self._reading.result | self._values)
        self.changed.emit()

    # The password for a registry

    def set_registry_password(self, request: DeployRequest, value: Secret, *, keep: bool) -> None:
        """Take the password for the request's registry; ``keep`` puts it in the keyring too."""
        entry = _registry_entry(request)
        self._passwords[entry] = value
        self._keep("deploy.docker.registry-user", entry, value if keep else None)
        self.changed.emit()

    def registry_password(self, request: DeployRequest) -> Callable[[], Secret | None]:
        """Return what gets the password for the registry; it may ask the keyring."""
        service, account = _registry_entry(request)
        given, store = self._passwords.get((service, account)), self._store()
        if given is not None or not (request.deploy.docker.registry and account):
            return lambda: given
        return lambda: store.get_secret(service, account)

    # The keyring

    def unkept(self, request: DeployRequest) -> Problem | None:
        """Return why the keyring did not take the value of a field, while there is such a value."""
        error, (field, name) = self.keeping.error, self._kept
        gone = field == "deploy.secrets" and name not in request.deploy.secrets
        if error is None or gone:
            return None
        return Problem(field, error.title, sentences(error.detail, error.hint), blocking=False)

    def _keep(self, field: str, entry: Entry, value: Secret | None) -> None:
        """Give the keyring the value of a field; none is kept: what was said of it is over."""
        (service, name), store = entry, self._store()
        if value is not None:
            self._kept = (field, name)
            self.keeping.start(lambda _emit, _cancel: store.set_secret(service, name, value))
        elif self._kept == (field, name):
            self.keeping.drop()


def _registry_entry(request: DeployRequest) -> Entry:
    """Return where the keyring holds the password for the registry."""
    docker = request.deploy.docker
    return f"registry/{docker.registry}", docker.registry_user
