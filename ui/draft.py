"""The wizard's one state: the answers, and all that was found out from them."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QObject, QTimer, Signal

from app import rules
from app.errors import (
    BuildError,
    Problem,
    ProfileError,
    SlipwayError,
    UntrustedHost,
)
from app.i18n import _
from app.request import PROFILE_NAME, DeployRequest, Target
from app.windows_rules import ACCOUNT_PASSWORD
from ui.build_folders import BuildFolders
from ui.problems import all_problems, project_problems
from ui.proposals import AskedPort, Proposals, accept, of_kind, propose, with_value
from ui.secrets import SecretValues
from ui.settings import Settings
from ui.sign_ins import SignIns
from ui.targets import THIS_COMPUTER, Places, fitting, likely_platform
from ui.task import Stopped, Task, TaskState

if TYPE_CHECKING:
    from app.credentials import Credentials, KnownHosts, PasswordStore
    from app.events import Stream
    from app.host import HostFacts
    from app.plan import Plan
    from app.project import GoProject, MainPackage
    from app.step import Package
    from app.toolchain import Toolchain
    from app.transport import Secret, Transport
    from ui.jobs import Answers, Built, Found, Inspected, Planned, Question

# What only background work needs is imported when it begins: the first page shows sooner.

SETTLE = 500  # milliseconds without a change before background work starts
CLOSE_SECONDS = 3.0
KEPT_LINES = 5000


class Draft(QObject):
    """The answers and what depends on them: project, package, facts of the server, plan.

    ``request`` is replaced, never mutated. What depends on a changed answer is dropped at once
    and, where all that it needs is there, found out again in the background: ``inspection``,
    ``building``, ``connecting`` and ``planning`` say how far that is. ``changed`` follows every
    change of the answers and of the tasks; ``asked`` carries a ``Question`` of a server.
    """

    changed = Signal()
    asked = Signal(object)

    def __init__(
        self,
        settings: Settings | None = None,
        known_hosts: KnownHosts | None = None,
        passwords: PasswordStore | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.settings = settings or Settings()
        self.sign_ins = SignIns(known_hosts, passwords)
        self.profile_path: Path | None = None
        self.build_lines: deque[tuple[Stream, str]] = deque(maxlen=KEPT_LINES)
        self.request = DeployRequest()
        self._asked_port = AskedPort()
        self._places = Places()
        self.reading = self._task(self._answers_read)
        self.inspection = self._task(self._inspected)
        self.building = self._task(self._built)
        self.connecting = self._task(self._connected)
        self.planning = self._task(self._planned)
        self.values = SecretValues(lambda: self.sign_ins.passwords, self)
        self.values.changed.connect(self._tell)
        self.unlocking = self._task(self._unlocked)
        self.ssh_hosts = self._task(self._tell)
        self.building.drained.connect(self._take_lines)
        self.connecting.drained.connect(self._take_news)
        self.under_way = ""  # what a connection that is being made does, "" while it connects
        self._platforms = dict(self.settings.platforms)
        self._transport: Transport | None = None
        self._proposals: Proposals = {}
        self._proposed_for: tuple[Path, str] | None = None
        self._untouched = self.request  # the answers as read, proposed or saved
        self._carried: Target | None = None  # the server that came from another project
        self._carried_kind = ""  # and how that one ran
        self._understood: Inspected | None = None  # what a look at the folder found before
        self._opened = Path()
        self._plan_wanted = False
        self._source_checked = False
        self._closed = False
        self._problems: tuple[Problem, ...] | None = None
        self._builds = BuildFolders()
        self._settling = QTimer(self)
        self._settling.setSingleShot(True)
        self._settling.setInterval(SETTLE)
        self._settling.timeout.connect(self._go_on)

    # What there is

    @property
    def toolchain(self) -> Toolchain | None:
        """The Go that builds, once the project was understood."""
        return self._known.toolchain if self._known else None

    @property
    def project(self) -> GoProject | None:
        """What the folder was understood to be."""
        return self._known.project if self._known else None

    @property
    def _known(self) -> Inspected | None:
        """What the look at the folder found; what it found before while that is done anew."""
        found: Inspected | None = self.inspection.result
        return found or (None if self.inspection.error else self._understood)

    @property
    def main(self) -> MainPackage | None:
        """The program that is to be built, once it is clear which."""
        if self.project is None:
            return None
        try:
            return self.project.main(self.request.project.package)
        except ProfileError:
            return None

    @property
    def package(self) -> Package | None:
        """What was built for the answers as they stand."""
        built: Built | None = self.building.result
        return built.package if built else None

    @property
    def facts(self) -> HostFacts | None:
        """What the server was found to be."""
        found: Found | None = self.connecting.result
        return found.facts if found else None

    @property
    def demo(self) -> bool:
        """Whether this is the sample project, whose answers say nothing about other projects."""
        from app.sample import demo_folder

        return self.request.project.path.is_relative_to(demo_folder())

    @property
    def unsaved(self) -> bool:
        """Whether something was changed since the answers were read from slipway.toml."""
        return self.profile_path is not None and self._changed

    @property
    def _changed(self) -> bool:
        return self.request != self._untouched and not self.demo

    @property
    def unkept(self) -> SlipwayError | None:
        """Why the keyring did not take the password that was given last."""
        found: Found | None = self.connecting.result
        return found.unkept if found else None

    @property
    def plan(self) -> Plan | None:
        """What Review shows and Deploy runs."""
        planned: Planned | None = self.planning.result
        return planned.plan if planned else None

    @property
    def transport(self) -> Transport | None:
        """The open connection to the server; use ``another()`` of it in other threads."""
        return self._transport

    @property
    def target(self) -> Target | None:
        """The server, if one was named."""
        return self.request.targets[0] if self.request.targets else None

    @property
    def carried_kind(self) -> bool:
        """Whether the method is only that of the last project."""
        return self._carried_kind == self.request.deploy.kind

    @property
    def carried(self) -> bool:
        """Whether the server is only that of an earlier project: nobody named it for this one."""
        carried, target = self._carried, self.target
        return carried is not None and target is not None and carried.address == target.address

    @property
    def half_done(self) -> bool:
        """Whether a run of this project was begun whose good end this desktop has not seen."""
        run = self.settings.begun_run(self.request.project.path)
        return run is not None and self.target is not None

    @property
    def secrets(self) -> Mapping[str, Secret]:
        """Values of the service's secrets, given in this session or found in the keyring."""
        return self.values.of(rules.secret_names(self.request))

    @property
    def missing_secrets(self) -> tuple[str, ...]:
        """The service's secrets that have no value."""
        return tuple(name for name in rules.secret_names(self.request) if name not in self.secrets)

    @property
    def platform(self) -> str:
        """What is built for: as chosen, as the server says, or else what is likely."""
        chosen = self.request.build.platform
        if chosen != "auto":
            return chosen
        return self._seen_platform or likely_platform(self.request)

    @property
    def platform_known(self) -> bool:
        """Whether ``platform`` is more than a guess."""
        return self.request.build.platform != "auto" or bool(self._seen_platform)

    @property
    def _seen_platform(self) -> str:
        return self._platforms.get(self.target, "") if self.target else ""

    def problems(self) -> tuple[Problem, ...]:
        """Return what is missing or wrong in the answers, and what was found in the way."""
        if self._problems is None:
            self._problems = all_problems(self)
        return self._problems

    def readiness(self) -> tuple[Problem, ...]:
        """Return what the server lacks, as far as it was looked at."""
        if self.facts is None:
            return ()
        from app.plan import readiness

        return readiness(self.request, self.facts)

    # Answers

    def update(self, request: DeployRequest) -> None:
        """Take other answers; what depended on the former ones is dropped."""
        if request == self.request:
            return
        request = self._asked_port.follow(self.request, request)
        former, self.request = self.request, request
        same = former.project.path == request.project.path
        self._understood = self.inspection.result or self._understood if same else None
        if former.targets[:1] != request.targets[:1]:
            self._disconnect()
        if former.deploy.windows.account != request.deploy.windows.account:
            self.values.forget(ACCOUNT_PASSWORD)
        self._plan_wanted = False
        self._drop_dependents()
        self._settling.start()
        self._tell()
        if former.project.package != request.project.package:
            self._propose()

    def set(self, key: str, value: Any) -> None:
        """Change the answer with the profile key ``key``, like ``deploy.docker.ports``."""
        self.update(with_value(self.request, key, value))

    def choose_kind(self, kind: str) -> None:
        """Change how it runs; the server stays, reached in a way that fits."""
        former = self.request
        targets = self._places.moved(former.deploy.kind, former.targets, kind, self._platforms)
        self.update(replace(of_kind(former, kind, self.project), targets=targets))

    def open(self, path: Path) -> None:
        """Begin anew with a project's folder or a slipway.toml; the server stays."""
        from ui import jobs

        self._keep_changes()
        path = self._opened = path.absolute()
        file, folder = (path, path.parent) if path.is_file() else (path / PROFILE_NAME, path)
        self._proposals, self._proposed_for = {}, None
        self._places = Places()
        self.profile_path = None
        self.values.turn_to(folder)
        remembered = self.settings.answers(folder)
        self.reading.start(lambda _emit, _cancel: jobs.read_answers(file, folder, remembered))
        self._untouched = with_value(self._fresh(), "project.path", folder)
        self._carried = next(iter(self._untouched.targets), None)
        self._carried_kind = self.settings.kind
        self.update(self._untouched)

    def _fresh(self) -> DeployRequest:
        """Return the answers that a new project begins with: how and where the last one ran.

        This computer says nothing of where others run.
        """
        request = DeployRequest()
        if self.settings.kind:
            request = with_value(request, "deploy.kind", self.settings.kind)
        last = (*self.request.targets[:1], *self.settings.targets)
        fit = fitting(
            request.deploy.kind,
            tuple(each for each in last if each != THIS_COMPUTER),
            self._platforms,
        )
        return replace(request, targets=fit[:1])

    def save(self, path: Path) -> None:
        """Write the answers as slipway.toml; raises SlipwayError."""
        from app.profile import save

        save(self.request, path)
        self.profile_path = path
        self._keep_changes()  # the file may lie elsewhere than the project
        self._untouched = self.request
        self._tell()

    def give_up_changes(self) -> None:
        """Take the answers for untouched: what was changed is not to be kept."""
        self._untouched = self.request

    def use_go(self, folder: Path) -> None:
        """Look for Go in this folder from now on."""
        self.settings.remember_go_folder(folder)
        self.inspect()

    def set_secret(self, name: str, value: Secret, *, keep: bool) -> None:
        """Take the value of one of the program's secrets; ``keep`` puts it in the keyring too."""
        self.values.set(self.request.name, name, value, keep=keep)
        self.planning.drop()

    # Background work

    def inspect(self) -> None:
        """Look at the project's folder."""
        from ui import jobs

        if self.reading.error is not None:
            self.open(self._opened)
        else:
            self._inspect(jobs.inspect)

    def _inspect(self, job: Callable[..., Inspected]) -> None:
        request, go_folder = self.request, self.settings.go_folder
        self._understood = self._known
        self.inspection.start(lambda _emit, cancel: job(request, go_folder, cancel))

    def look_at_source(self) -> None:
        """Look at the project's folder again, and build again what was changed or not built."""
        from ui import jobs

        if self.inspection.result is None or self.building.running:
            return
        error = self.building.error
        if isinstance(error, BuildError) and error.diagnostics:
            self.building.drop()
        self._inspect(jobs.inspect_again)

    def start_build(self) -> None:
        """Build what the answers ask for; a build under way is ended."""
        from ui import jobs

        inspected: Inspected | None = self.inspection.result
        if inspected is None:
            return
        self.build_lines.clear()
        self.planning.drop()
        request, platform, folder = self.request, self.platform, self._builds.make()
        self.building.start(
            lambda emit, cancel: jobs.build(request, inspected, platform, folder, emit, cancel)
        )

    def stop_build(self) -> None:
        """End the build under way; it is not started again by itself until an answer changes."""
        self.building.stop(
            Stopped(_("The build was stopped."), hint=_("Choose Build again to start it anew."))
        )

    def test_connection(
        self, credentials: Credentials | None = None, *, keep: frozenset[str] = frozenset()
    ) -> None:
        """Connect to the server and read its facts.

        ``credentials`` hold from now on for this server in this session; what ``keep`` names
        (``password``, ``passphrase``, ``sudo``) goes to the keyring once the server accepted it.
        """
        if credentials is not None and self.target is not None:
            self.sign_ins.take(self.target, credentials, keep)
            self._disconnect()
        self._look()

    def stop_connecting(self) -> None:
        """End the attempt to connect."""
        self.connecting.stop(
            Stopped(
                _("The connection was stopped."), hint=_("Press Test connection to try it again.")
            )
        )

    def read_ssh_hosts(self) -> None:
        """Read the names that ~/.ssh/config knows, for suggestions."""
        from ui import jobs

        if self.ssh_hosts.state is TaskState.IDLE:
            path = Path.home() / ".ssh" / "config"
            self.ssh_hosts.start(lambda _emit, _cancel: jobs.ssh_hosts(path))

    def trust(self, error: UntrustedHost) -> None:
        """Trust the key that the user has confirmed, and connect again."""
        self._look(trusted=error)

    def look_again(self) -> None:
        """Read the server's facts again: something was changed there."""
        self.planning.drop()
        self.connecting.drop()
        self._settling.start()

    def release_lock(self) -> None:
        """Release the lock that a run which is gone has left, and look at the server again."""
        from ui import jobs

        found: Found | None = self.connecting.result
        if found is not None:
            self.unlocking.start(lambda _emit, _cancel: jobs.release_lock(found))

    def make_plan(self) -> None:
        """Make the plan from fresh facts as soon as the package and the server are there."""
        self._plan_wanted = True
        self._source_checked = False
        self.planning.drop()
        self._go_on()

    def remember_answers(self) -> None:
        """Keep the answers for the next time this project is opened, or another one is."""
        from app.profile import dumps

        if not self.demo:
            self.settings.remember_project(self.request.project.path, dumps(self.request))
            self.settings.remember_kind(self.request.deploy.kind)

    def _keep_changes(self) -> None:
        """Keep what the user changed in the answers for the next time this project is opened."""
        from app.profile import dumps

        if self.project is not None and self._changed:
            self.settings.remember_project(self.request.project.path, dumps(self.request))

    def close(self) -> None:
        """Stop all background work, end the connection, remove what was built.

        Holds up the window until the build's processes are gone: nobody would end them later.
        """
        self._keep_changes()
        self._closed = True
        for task in self.findChildren(Task):  # those of the values too
            task.drop()
        self._disconnect()
        for worker in (*self.inspection.workers, *self.building.workers):
            worker.wait(CLOSE_SECONDS)
        self._builds.clear()

    # How one leads to the other

    def _task(self, changed: Callable[[], None]) -> Task:
        task = Task(self)
        task.changed.connect(changed)
        return task

    def _tell(self) -> None:
        self._problems = None
        self.changed.emit()

    def _drop_dependents(self) -> None:
        request = self.request
        self.inspection.expect((request.project.path, request.build.tags, request.build.env))
        self._drop_package()
        self.connecting.expect(
            (request.targets[:1], request.name, request.deploy.root, request.deploy.kind)
        )
        self.values.expect(request.name, rules.secret_names(request))
        self.planning.drop()

    def _drop_package(self) -> None:
        request = self.request
        docker = request.deploy.docker
        self.building.expect(
            (
                request.project,
                request.build,
                request.name,
                request.deploy.kind,
                (docker.base, docker.dockerfile),
                self.platform,
            )
        )

    def _go_on(self) -> None:
        """Start whatever is due: what it needs is there, and it was neither done nor tried."""
        if self._closed or self.reading.running or self.reading.error is not None:
            return
        if self._idle(self.inspection) and self.request.project.path != Path():
            self.inspect()
        if (
            self._idle(self.building)
            and self.inspection.result
            and self._answered(("name", "project", "build"))
        ):
            self.start_build()
        if self._idle(self.connecting) and self._may_look():
            self.test_connection()
        self.values.read(self.request.name, rules.secret_names(self.request))
        if self._plan_wanted and self._idle(self.planning):
            self._plan()

    def _may_look(self) -> bool:
        """Return whether the server's facts may be read without the user asking for it."""
        if self.target is None or not self._answered(("name", "targets")):
            return False
        local = self.target.transport == "local"
        return local or self._transport is not None or self._plan_wanted

    def _idle(self, task: Task) -> bool:
        return task.state is TaskState.IDLE

    def _answered(self, prefixes: tuple[str, ...]) -> bool:
        """Return whether the answers under these keys can be worked with."""
        return not any(
            problem.blocking and problem.field.split(".")[0] in prefixes
            for problem in (*rules.problems(self.request), *project_problems(self))
        )

    def _look(self, *, trusted: UntrustedHost | None = None) -> None:
        if self.target is None:
            return
        visit = self.sign_ins.first_visit(self.request, self.target, trusted)
        transport = self._transport
        self.planning.drop()
        self.under_way = ""
        self.connecting.start(lambda emit, cancel: visit.look(transport, emit, cancel))

    def _plan(self) -> None:
        from ui import jobs

        built: Built | None = self.building.result
        found: Found | None = self.connecting.result
        if built is None or found is None or self.target is None:
            return
        visit, secrets = self.sign_ins.visit(self.request, self.target), self.secrets
        inspected: Inspected | None = self.inspection.result
        if inspected is None:
            return  # it is being looked at anew: whether the source has changed is not known yet
        if self._source_checked:
            inspected = None
        transport = found.transport
        self.planning.start(
            lambda emit, cancel: jobs.plan(
                visit, transport, built, secrets, inspected, emit, cancel
            )
        )

    # What the tasks report

    def _answers_read(self) -> None:
        answers: Answers | None = self.reading.result
        if answers is not None:
            request = answers.request
            self.profile_path = answers.file
            self._carried_kind = ""
            self._proposed_for = (request.project.path, request.project.package)
            if request.targets:
                self._carried = None
            else:
                request = replace(request, targets=self.request.targets)
            self._untouched = request
            self.update(request)
        elif self.reading.state is TaskState.DONE:
            self._propose()  # the same folder again is not looked at anew
        self._tell()
        if not self.reading.running:
            self._go_on()

    def _inspected(self) -> None:
        if self.inspection.state is TaskState.DONE:
            if not self.demo:
                self.settings.remember_project(self.request.project.path)
            self._drop_stale_build()
            self._propose()
        self._tell()
        self._settling.start()

    def _drop_stale_build(self) -> None:
        found: Inspected = self.inspection.result
        built: Built | None = self.building.result
        if built is not None and found.source not in (None, built.source):
            self.building.drop()

    def _propose(self) -> None:
        project, package = self.project, self.request.project.package
        if project is None or self._proposed_for == (project.path, package):
            return
        try:
            proposals = propose(project, package, self.request.deploy.kind)
        except ProfileError:
            return  # no program was chosen yet
        request = accept(self.request, proposals, self._proposals)
        self._proposals, self._proposed_for = proposals, (project.path, package)
        if self.request == self._untouched:
            self._untouched = request
        self.update(request)

    def _built(self) -> None:
        if self.building.state is TaskState.DONE:
            built: Built = self.building.result
            self._builds.trim(built.folder)
            self._take_revision(built)
        self._tell()
        self._settling.start()

    def _take_revision(self, built: Built) -> None:
        """Know the revision that was built: it may not be the one that was there at first."""
        inspected: Inspected | None = self.inspection.result
        if inspected is not None and inspected.project.revision != built.source.revision:
            project = replace(inspected.project, revision=built.source.revision)
            self.inspection.settle(replace(inspected, project=project))

    def _connected(self) -> None:
        if self.connecting.state is TaskState.DONE:
            found: Found = self.connecting.result
            self._transport = found.transport
            self._platforms[found.facts.target] = found.facts.platform
            self.sign_ins.accepted(found.facts.target)
            if not self.demo:
                self.settings.remember_target(found.facts.target, found.facts.platform)
            if found.facts.records.interrupted is None:
                self.settings.forget_run(
                    self.request.project.path, self.request.name, str(found.facts.target)
                )
            self._drop_package()
        elif self.connecting.state is TaskState.FAILED:
            self._disconnect()
        self._tell()
        self._settling.start()

    def _planned(self) -> None:
        planned: Planned | None = self.planning.result
        if planned is not None:
            self.connecting.settle(planned.found)
            if planned.plan is None:
                self._source_checked = True
                self.start_build()
            else:
                self.remember_answers()
        self._tell()

    def _unlocked(self) -> None:
        if self.unlocking.state is TaskState.DONE:
            self.look_again()
        self._tell()

    def _take_lines(self, lines: list[tuple[Stream, str]]) -> None:
        self.build_lines.extend(lines)

    def _take_news(self, news: list[Question | str]) -> None:
        for each in news:
            if isinstance(each, str):
                self.under_way = each
                self._tell()
            else:
                self.asked.emit(each)

    # Odds and ends

    def _disconnect(self) -> None:
        transport, self._transport = self._transport, None
        if transport is not None:
            # Saying goodbye may take as long as the network lets it.
            threading.Thread(target=transport.close, daemon=True).start()
