"""A Windows service that is there already and was not made by Slipway: all that it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from app.choices import service_start_states, words_of
from app.i18n import _
from ui.draft import Draft
from ui.pages.answers import RadiosAnswer
from ui.pages.facts import Fact, FactList
from ui.pages.windows_words import settings_words
from ui.widgets.basics import Card
from ui.widgets.form import Field

if TYPE_CHECKING:
    from app.host import HostFacts
    from app.windows_facts import Recovery, WindowsService


class ExistingService(Card):
    """Shows a foreign service whole, and asks what becomes of its settings."""

    def __init__(self, draft: Draft) -> None:
        super().__init__(
            _("A service of this name is there already"),
            _(
                "Slipway did not make it. It is kept as it is to go back to, and rolling back "
                "brings it back exactly."
            ),
        )
        self.facts = FactList()
        self.body.addWidget(self.facts)
        self._answer = KeepAnswer()
        self._answer.tie(draft, self)
        self.body.addWidget(
            Field("deploy.windows.settings", _("Its settings"), self._answer.control)
        )

    def show_service(self, service: WindowsService | None) -> None:
        """Show a service, or disappear."""
        self.setVisible(service is not None)
        self._answer.refresh()
        if service is not None:
            self.facts.show_facts(service_facts(service))


class KeepAnswer(RadiosAnswer):
    """Keep or replace; what Slipway would choose for a foreign service is to keep."""

    def __init__(self) -> None:
        choices = [each for each in settings_words() if each[0] != "auto"]
        super().__init__("deploy.windows.settings", choices)

    def show(self, value: Any) -> None:
        super().show("keep" if value == "auto" else value)


def foreign_service(facts: HostFacts) -> WindowsService | None:
    """Return the service of that name if Slipway did not make it."""
    service = facts.windows.service if facts.windows else None
    if service is None or facts.records.find(service.release(facts.root)):
        return None
    return service


def service_facts(service: WindowsService) -> list[Fact]:
    """Return how a service is registered and runs; of its environment only the names."""
    nothing = _("none")
    arguments = " ".join(service.arguments)
    state = _("process {pid}").format(pid=service.process) if service.process else ""
    return [
        (_("Program"), service.program or service.binary_path, arguments),
        (_("Run by"), host_name(service), service.binary_path),
        (_("Account"), service.account, ""),
        (_("Start"), words_of(service_start_states(), service.start), ""),
        (_("After a crash"), recovery_words(service.recovery), ""),
        (_("Environment"), ", ".join(service.env) or nothing, _("values are not shown here")),
        (_("Needs services"), ", ".join(service.dependencies) or nothing, ""),
        (_("State"), state_words(service), state),
    ]


def state_words(service: WindowsService) -> str:
    """Return a service's state in words."""
    from app.service import state_words as words

    return words(service.state)


def host_name(service: WindowsService) -> str:
    """Return who runs the program of a service."""
    return {
        "nssm": _("NSSM"),
        "wrapped": _("Slipway's service host"),
        "plain": _("the program itself"),
    }[service.kind]


def recovery_words(recovery: Recovery | None) -> str:
    """Return what Windows does when the service's process dies."""
    if recovery is None or not recovery.actions:
        return _("nothing")
    names = {
        "restart": _("start it again after {delay:g} s"),
        "run": _("run a command after {delay:g} s"),
        "reboot": _("restart the server after {delay:g} s"),
        "none": _("nothing"),
    }
    steps = [names.get(kind, kind).format(delay=delay) for kind, delay in recovery.actions]
    return _(", then ").join(steps)
