"""What the command line's commands share: what was typed, the terminal, hosts, what was built."""

from __future__ import annotations

import contextlib
import os
import shlex
import subprocess
from argparse import Namespace
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from app import profile
from app.console import Console, Interrupts
from app.credentials import KnownHosts, PasswordStore
from app.errors import Problem, ProfileError, SlipwayError
from app.history import History
from app.host import HostFacts, probe
from app.i18n import _, ngettext
from app.plan import readiness
from app.prepare import prepare
from app.request import PROFILE_NAME, DeployRequest, Target
from app.sign_in import SignIn
from app.step import Package
from app.toolchain import Toolchain, find_toolchain
from app.transport import Transport

DONE, NOTHING_TOUCHED, CANCELLED = 0, 2, 130


@dataclass(slots=True)
class Host:
    """One target that is connected to, and what was found there."""

    request: DeployRequest
    transport: Transport
    facts: HostFacts
    sign_in: SignIn

    @property
    def target(self) -> Target:
        """The target itself."""
        return self.request.targets[0]


@dataclass(slots=True)
class Session:
    """What the commands share: what the user typed, the terminal, and what was built."""

    options: Namespace
    console: Console
    interrupts: Interrupts
    folder: Path
    known_hosts: KnownHosts = field(default_factory=KnownHosts)
    store: PasswordStore = field(default_factory=PasswordStore)
    packages: dict[str, Package] = field(default_factory=dict)
    history: History | None = field(default_factory=History)
    tells_build: bool = True
    several: bool = False  # whether the profile has more than one target

    def toolchain(self) -> Toolchain:
        """Return the Go that builds; raises ToolchainError."""
        return find_toolchain(Path(self.options.go) if self.options.go else None)

    def requests(self) -> list[DeployRequest]:
        """Return the profile's request once for each chosen target; raises ProfileError.

        The profile is the file that was named, or slipway.toml in the named or current folder.
        """
        file = Path(self.options.file)
        request = profile.load(file / PROFILE_NAME if file.is_dir() else file)
        self.several = len(request.targets) > 1
        wanted = self.options.target
        chosen = [
            target for target in request.targets if wanted in (None, target.address, str(target))
        ]
        if not chosen:
            raise ProfileError(
                "targets",
                _("The profile has no target {target}.").format(target=wanted),
                _("It has: {targets}.").format(targets=", ".join(map(str, request.targets))),
            )
        return [replace(request, targets=(target,)) for target in chosen]

    def command(self, verb: str, target: Target) -> str:
        """Return what is typed here for another command with the same profile and one target."""
        words = ["slipway", verb, *filter(None, (self.options.file,))]
        if self.several:  # without it the command would go on to the others
            words += ["--target", str(target)]
        return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)

    @contextlib.contextmanager
    def host(self, request: DeployRequest) -> Iterator[Host]:
        """Connect to the request's target and read its facts; raises ConnectError."""
        target = request.targets[0]
        sign_in = SignIn(
            target, self.console, self.options.host_key or "", self.known_hosts, self.store
        )
        self.console.say(_("Connecting to {target} …").format(target=target))
        transport = sign_in.connect()
        try:
            facts = probe(transport, request, target)
            if facts.sudo_wanted and self.console.interactive and lacking(request, facts):
                sign_in.ask_sudo()
                transport.close()
                transport = sign_in.connect()
                facts = probe(transport, request, target)
            yield Host(request, transport, facts, sign_in)
        finally:
            transport.close()

    def package(self, request: DeployRequest, platform: str) -> Package:
        """Return what is deployed, built once for each platform; raises Cancelled."""
        if platform not in self.packages:
            self.console.say(_("Building for {platform} …").format(platform=platform))
            answer = _("Cancelling the build …")
            with self.interrupts.gentle(answer) as cancel:
                self.packages[platform] = prepare(
                    request,
                    platform,
                    self.folder / platform.replace("/", "-"),
                    toolchain=self.toolchain(),
                    on_line=self._build_line,
                    cancel=cancel,
                )
        return self.packages[platform]

    def _build_line(self, stream: str, text: str) -> None:
        if self.tells_build:
            self.console.show({"event": "build", "stream": stream, "text": text})
        self.console.say(f"    | {text}")

    def expect_answer(self) -> None:
        """Raise SlipwayError where a question will come that nobody can be asked."""
        if not self.options.yes and not self.console.interactive:
            raise SlipwayError(
                _("Nobody can be asked here."),
                _("Without a terminal, Slipway changes nothing unless you say so beforehand."),
                _("In a terminal the same command shows what it would do, and asks. Or add --yes."),
            )

    def confirmed(self, question: str) -> bool:
        """Return whether the user agrees; raises SlipwayError where nobody can be asked."""
        self.expect_answer()
        return bool(self.options.yes) or self.console.confirm(question)

    def each(self, work: Callable[[Session, DeployRequest], int]) -> int:
        """Do the same on each chosen target, one after another, until one fails."""
        requests = self.requests()
        for number, request in enumerate(requests, 1):
            code = NOTHING_TOUCHED
            try:
                code = work(self, request)
            finally:
                left = len(requests) - number
                if code != DONE and left:
                    self.console.warn(
                        ngettext(
                            "{count} further target was not touched.",
                            "{count} further targets were not touched.",
                            left,
                        ).format(count=left)
                    )
            if code != DONE:
                return code
        return DONE


def lacking(request: DeployRequest, facts: HostFacts) -> list[Problem]:
    """Return what the server itself lacks, apart from other runs."""
    return [item for item in readiness(request, facts) if item.blocking and item.field != "run"]
