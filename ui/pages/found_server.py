"""What a look at the server found: what it is, what is in the way, what runs there already."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QVBoxLayout, QWidget

from app.amounts import size_text
from app.choices import container_restarts, words_of
from app.errors import Problem
from app.i18n import _, ngettext
from ui.dialogs import ConfirmDialog
from ui.draft import Draft
from ui.pages.existing_service import ExistingService, foreign_service
from ui.pages.facts import Fact, FactList
from ui.pages.interrupted import InterruptedNotice
from ui.widgets.basics import Card, Notice, button

if TYPE_CHECKING:
    from app.docker_facts import Container
    from app.host import HostFacts
    from app.releases import Records
    from ui.jobs import Found


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
        self._interrupted = InterruptedNotice()
        self._interrupted.take_back.connect(self.take_back)
        self._interrupted.finish.connect(self.finish)
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
        self.existing = ExistingService(draft)
        column.addWidget(self.existing)

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
        found: Found | None = self._draft.connecting.result
        looked = [(_("Looked at"), f"{found.at:%H:%M:%S}", "")] if found else []
        self._facts.show_facts([*server_facts(facts), *looked])
        self._show_lock(facts.records)
        self._interrupted.show_run(facts.records.abandoned_run)
        foreign = foreign_container(facts)
        self._adopt.setVisible(foreign is not None)
        if foreign is not None:
            self._adopt_facts.show_facts(container_facts(foreign))
        self.existing.show_service(foreign_service(facts))

    def _show_lock(self, records: Records) -> None:
        lock, failed = records.lock, self._draft.unlocking.error
        if lock is None or records.abandoned_run is not None:
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


def foreign_container(facts: HostFacts) -> Container | None:
    """Return the container of the service's name if Slipway did not make it."""
    container = facts.docker.service if facts.docker else None
    return container if container is not None and not container.ours else None


def server_facts(facts: HostFacts) -> list[Fact]:
    """Return what a server is, in words."""
    found: list[Fact] = [
        (_("System"), f"{facts.os_name} ({facts.platform})", facts.hostname),
        (_("Account"), facts.target.user or facts.user, rights_words(facts)),
    ]
    if facts.docker is not None and not facts.docker.problem:
        words = [facts.docker.version]
        if facts.docker.rootless:
            words.append(_("rootless"))
        if facts.docker.cli.sudo:
            words.append(_("by sudo"))
        found.append((_("Docker"), " · ".join(words), facts.docker.cli.path))
    if facts.windows is not None and facts.windows.nssm:
        found.append((_("NSSM"), facts.windows.nssm[0], ""))
    if facts.disk_free:
        found.append((_("Free space"), size_text(facts.disk_free), facts.root))
    if _knows_what_runs(facts):
        from app.service import running_release

        running = running_release(facts)
        version = _("version {version}").format(version=running.version) if running else ""
        found.append((_("Runs now"), running_words(facts), version))
    found.append((_("Releases"), releases_words(facts.records), ""))
    return found


def _knows_what_runs(facts: HostFacts) -> bool:
    """Return whether the server was asked: one that does not fit the method, or is off, is not."""
    docker = facts.docker is not None and not facts.docker.problem
    return docker or facts.windows is not None or facts.process is not None


def rights_words(facts: HostFacts) -> str:
    """Return what the account may do there, where that needs a word."""
    if facts.windows is not None:
        if facts.windows.elevated:
            return _("with an administrator's rights")
        return _("without an administrator's rights")
    return _("root by sudo") if facts.sudo else ""


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
    service = facts.windows.service if facts.windows else None
    if service is not None:
        return _("service {name}, {state}: {program}").format(
            name=service.name, state=state_words(service.state).lower(), program=service.program
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
    words = ngettext("{count} in all", "{count} in all", count).format(count=count)
    current = records.current
    if current is None or records.interrupted is not None:  # then what runs may be another one
        return words
    return _("{words}, the current one is {version}").format(
        words=words, version=current.version or current.id
    )


def container_facts(container: Container) -> list[Fact]:
    """Return how a container was made; of its environment only the names."""
    nothing = _("none")
    return [
        (_("Image"), container.image, container.status),
        (_("Ports"), ", ".join(container.ports) or nothing, ""),
        (_("Environment"), ", ".join(container.env) or nothing, _("values are not shown here")),
        (_("Volumes"), ", ".join(container.volumes) or nothing, ""),
        (_("Restart"), words_of(container_restarts(), container.restart_policy), ""),
    ]
