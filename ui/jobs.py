"""What the draft has done on worker threads: each job gets all it needs and touches no widget."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from importlib import import_module
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any

from app.credentials import Credentials, KnownHosts, PasswordStore, Prompts, What
from app.errors import (
    AuthError,
    ConnectionLost,
    NotReady,
    ProfileError,
    SlipwayError,
    UntrustedHost,
)
from app.i18n import _
from app.request import DeployRequest, Target
from app.transport import CancelToken, Secret, Transport

if TYPE_CHECKING:
    from app.git import GitRevision
    from app.host import HostFacts
    from app.plan import Plan
    from app.project import GoProject
    from app.step import Package
    from app.toolchain import Toolchain

# The engine is imported by the jobs that need it: the window opens sooner, and the time that an
# import takes is spent on their threads.

Emit = Callable[[Any], None]

PASSWORD = re.compile(r"passwor|kennwort|contraseña|mot de passe|密码|密碼", re.IGNORECASE)
ONE_TIME = re.compile(r"one.?time|otp|token|code|einmal|一次|动态|動態", re.IGNORECASE)
UNWATCHED = frozenset({".git", ".hg", "node_modules"})


@dataclass(frozen=True, slots=True)
class Source:
    """What a build is made from: not equal to another one where a build might differ."""

    digest: str
    revision: GitRevision | None
    beside: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Inspected:
    """What a look at the project's folder found; ``source`` only where it is looked at again."""

    toolchain: Toolchain
    project: GoProject
    source: Source | None = None


@dataclass(frozen=True, slots=True)
class Built:
    """A package, and the state its source files had when its build began."""

    package: Package
    source: Source
    folder: Path


@dataclass(frozen=True, slots=True)
class Found:
    """A server: the open connection to it and what it is.

    ``unkept``: why the keyring did not take what it was to keep; ``at``: when it was looked at.
    """

    transport: Transport
    facts: HostFacts
    unkept: SlipwayError | None = None
    at: datetime = field(default_factory=datetime.now)


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan and the server as it was then; without a plan if the source has changed."""

    plan: Plan | None
    found: Found


@dataclass(frozen=True, slots=True)
class Answers:
    """What a profile says; ``file`` is None for answers that the window had remembered."""

    request: DeployRequest
    file: Path | None


class Question:
    """What a server asks while one logs in; the asking thread waits for the answer.

    ``prompts`` are pairs of the words to show and whether the answer may be seen.
    """

    def __init__(self, instructions: str, prompts: Prompts) -> None:
        self.instructions = instructions
        self.prompts = prompts
        self._answers: SimpleQueue[tuple[Secret, ...]] = SimpleQueue()

    def answer(self, answers: tuple[Secret, ...]) -> None:
        """Give one answer for each prompt."""
        self._answers.put(answers)

    def wait(self, cancel: CancelToken) -> tuple[Secret, ...]:
        """Wait for the answers; raises Cancelled."""
        while True:
            cancel.check()
            try:
                return self._answers.get(timeout=0.1)
            except Empty:
                continue


def ask_nobody(news: Question | str) -> None:
    """Answer nothing, where nobody is there to be asked: the server says what it misses then.

    Takes what ``Visit.look`` emits: questions, and what is under way in words.
    """
    if isinstance(news, Question):
        news.answer(tuple(Secret("") for _prompt in news.prompts))


def read_answers(file: Path, folder: Path, remembered: str) -> Answers | None:
    """Return what ``file`` (a slipway.toml) says, else the remembered answers, else None.

    Raises ProfileError for a file that can't be used; remembered answers that can't be are not
    worth a word: an older version may have written them.
    """
    from app.profile import load, loads

    if file.is_file():
        return Answers(load(file, complete=False), file)
    if not remembered:
        return None
    try:
        return Answers(loads(remembered, folder), None)
    except SlipwayError:
        return None


def read_secrets(
    passwords: PasswordStore, service: str, names: tuple[str, ...]
) -> dict[str, Secret]:
    """Return those secrets of a service that the keyring holds; none if there is no keyring."""
    found: dict[str, Secret] = {}
    try:
        for name in names:
            if value := passwords.get_secret(service, name):
                found[name] = value
    except SlipwayError:
        return {}  # the wizard asks for the values then
    return found


def ssh_hosts(config: Path) -> tuple[str, ...]:
    """Return the names of servers in an ssh configuration; patterns are none."""
    try:
        text = config.read_text(encoding="utf-8-sig", errors="replace")
    except OSError:
        return ()
    lines = (line.replace("=", " ", 1).split() for line in text.splitlines())
    names = (name for words in lines if words and words[0].lower() == "host" for name in words[1:])
    return tuple(dict.fromkeys(name for name in names if not set(name) & set("*?!")))


def inspect(request: DeployRequest, go_folder: Path | None, cancel: CancelToken) -> Inspected:
    """Find Go and look at the project; raises ToolchainError, ProjectError, Cancelled."""
    import_module("app.build")  # the window asks it for warnings as soon as this is done
    from app.project import open_project
    from app.toolchain import find_toolchain

    toolchain = find_toolchain(go_folder)
    project = open_project(
        request.project.path,
        toolchain,
        tags=request.build.tags,
        env=request.build.env,
        cancel=cancel,
    )
    return Inspected(toolchain, project)


def inspect_again(request: DeployRequest, go_folder: Path | None, cancel: CancelToken) -> Inspected:
    """Look at the project, and at what a build would be made from now; see ``inspect``."""
    found = inspect(request, go_folder, cancel)
    try:
        return replace(found, source=source_state(request, found, cancel))
    except ProfileError:
        return found  # no program was chosen yet


def build(
    request: DeployRequest,
    inspected: Inspected,
    platform: str,
    folder: Path,
    emit: Emit,
    cancel: CancelToken,
) -> Built:
    """Build the package; each line of output is emitted as (stream, text)."""
    from app.prepare import prepare

    source = source_state(request, inspected, cancel)
    package = prepare(
        request,
        platform,
        folder,
        toolchain=inspected.toolchain,
        on_line=lambda stream, text: emit((stream, text)),
        cancel=cancel,
    )
    return Built(package, source, folder)


def source_state(request: DeployRequest, inspected: Inspected, cancel: CancelToken) -> Source:
    """Return what a build would be made from now."""
    from app.git import git_revision
    from app.project import source_digest

    project, options = inspected.project, request.build
    digest = source_digest(
        project.main(request.project.package),
        inspected.toolchain,
        tags=options.tags,
        env=options.env,
        cancel=cancel,
    )
    whole = request.deploy.kind == "docker" and request.deploy.docker.base == "dockerfile"
    beside = [project.path] if whole else [project.path / name for name in options.include]
    return Source(digest, git_revision(project.path, cancel), tuple(map(_files_state, beside)))


def _files_state(path: Path) -> int:
    """Return a number that changes when a file or the files in a folder do."""
    state = 0
    for file in _files(path):
        try:
            status = os.stat(file)  # noqa: PTH116, of thousands of files
        except OSError:
            continue
        state ^= hash((file, status.st_mtime_ns, status.st_size))
    return state


def _files(path: Path) -> Iterator[str]:
    if not path.is_dir():
        yield str(path)
    for folder, names, files in os.walk(path):
        names[:] = [name for name in names if name not in UNWATCHED]
        yield from (f"{folder}{os.sep}{name}" for name in files)


@dataclass(frozen=True, slots=True)
class Visit:
    """One server, and all that is needed to get in and look around.

    What ``keep`` names (``password``, ``passphrase``, ``sudo``) goes to the keyring once the
    server accepted it. ``trusted`` is the unknown key that the user has confirmed.
    """

    request: DeployRequest
    target: Target
    credentials: Credentials
    known_hosts: KnownHosts
    passwords: PasswordStore
    keep: frozenset[str] = frozenset()
    trusted: UntrustedHost | None = None

    def look(self, transport: Transport | None, emit: Emit, cancel: CancelToken) -> Found:
        """Read the facts, through ``transport`` if it still works, else after connecting."""
        import_module("app.plan")  # the window asks it for readiness as soon as this is done
        from app.host import probe

        if transport is not None:
            try:
                return Found(transport, probe(transport, self.request, self.target))
            except ConnectionLost:
                transport.close()
        if self.trusted is not None:
            self.known_hosts.trust(self.trusted)
        transport = self._connect(emit, cancel)
        try:
            facts = probe(transport, self.request, self.target)
            cancel.check()
        except BaseException:
            transport.close()
            raise
        return Found(transport, facts, self._remember())

    def _connect(self, emit: Emit, cancel: CancelToken) -> Transport:
        def answer(instructions: str, prompts: Prompts) -> tuple[Secret, ...]:
            if _asks_password(prompts):
                # Asked for in the window's own words, it can be remembered and used again.
                raise AuthError(self._password_words(), needs="password")
            question = Question(instructions, prompts)
            emit(question)
            return question.wait(cancel)

        from app.host import connect

        if self.target.transport == "local":
            return connect(self.target, self.credentials, self.known_hosts)
        credentials = replace(self._with_kept(), answer=answer)
        return connect(self.target, credentials, self.known_hosts, emit)

    def _password_words(self) -> str:
        words = (
            _("{target} asks for a password.")
            if self.credentials.password is None
            else _("{target} did not accept this password.")
        )
        return words.format(target=self.target)

    def _with_kept(self) -> Credentials:
        """Return the credentials, those not given now taken from the keyring."""
        given = self.credentials
        try:
            return Credentials(
                given.password or self.passwords.get(self.target, "password"),
                given.passphrase or self.passwords.get(self.target, "passphrase"),
                given.sudo_password or self.passwords.get(self.target, "sudo"),
            )
        except SlipwayError:
            return given  # without a keyring the server's own answer says what is missing

    def _remember(self) -> SlipwayError | None:
        """Give the keyring what it shall keep; returns what it refused with."""
        given = self.credentials
        secrets: dict[What, Secret | None] = {
            "password": given.password,
            "passphrase": given.passphrase,
            "sudo": given.sudo_password,
        }
        try:
            for what, value in secrets.items():
                if what in self.keep and value is not None:
                    self.passwords.set(self.target, what, value)
        except SlipwayError as problem:
            return problem
        return None


def release_lock(found: Found) -> None:
    """Release a lock whose holder is gone; raises LockHeld if another one took it meanwhile."""
    from app.releases import break_lock

    lock = found.facts.records.lock
    if lock is not None:
        break_lock(found.transport, found.facts.store(), lock)


def _asks_password(prompts: Prompts) -> bool:
    """Return whether a server asks for nothing but the account's password."""
    words, seen = prompts[0] if len(prompts) == 1 else ("", True)
    return not seen and bool(PASSWORD.search(words)) and not ONE_TIME.search(words)


def plan(
    visit: Visit,
    transport: Transport,
    built: Built,
    secrets: Mapping[str, Secret],
    inspected: Inspected | None,
    emit: Emit,
    cancel: CancelToken,
) -> Planned:
    """Make the plan from fresh facts; none if what ``inspected`` found changed since the build.

    Raises NotReady if the server lacks something by now.
    """
    from app.plan import make_plan, readiness

    found = visit.look(transport, emit, cancel)
    if inspected and source_state(visit.request, inspected, cancel) != built.source:
        return Planned(None, found)
    for problem in readiness(visit.request, found.facts):
        if problem.blocking:
            raise NotReady(problem.text, hint=problem.hint)
    return Planned(make_plan(visit.request, built.package, found.facts, secrets), found)
