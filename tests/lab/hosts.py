"""What lab tests hold in their hands: hosts, the engine and the registry of a running lab."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

LAB = Path(__file__).resolve().parent.parent.parent / ".lab"
ASK_PASSWORD = "#!/bin/sh\nprintf '%s\\n' \"$LAB_PASSWORD\"\n"


@dataclass(frozen=True, slots=True)
class LabHost:
    """One user on one Linux host.

    ``address:port`` is its sshd, ``ip`` where its published ports answer. ``sudo`` is one of root,
    password, nopasswd, none. ``root_key`` logs in as root, whoever ``user`` is.
    """

    name: str
    machine: str
    kind: str
    system: str
    address: str
    port: int
    ip: str
    user: str
    password: str
    key: str
    host_key: str
    host_keys: dict[str, str]
    sudo: str

    def __str__(self) -> str:
        return self.name

    @property
    def root_key(self) -> Path:
        """Return the private key that root's account accepts."""
        return LAB / "id_ed25519"

    def ssh(
        self,
        command: str,
        *,
        data: bytes = b"",
        check: bool = True,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as this user through the OpenSSH client, not through Slipway.

        Raises AssertionError with what was said if it fails and ``check`` is on.
        """
        return self._ssh(self.user, self.password, command, data, check, timeout)

    def root(
        self,
        command: str,
        *,
        data: bytes = b"",
        check: bool = True,
        timeout: float = 60.0,
    ) -> subprocess.CompletedProcess[str]:
        """Run a shell command as root, whoever ``user`` is: to look at or break the host."""
        return self._ssh("root", "", command, data, check, timeout)

    def docker(self, *arguments: str, check: bool = True) -> str:
        """Run docker on the host as root; returns its stdout without the last line's end."""
        return self.root(shlex.join(["docker", *arguments]), check=check).stdout.rstrip("\n")

    def _ssh(
        self, user: str, password: str, command: str, data: bytes, check: bool, timeout: float
    ) -> subprocess.CompletedProcess[str]:
        options = {
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(_known_hosts(self)),
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "LogLevel": "ERROR",
            "NumberOfPasswordPrompts": "1",
            "PreferredAuthentications": "password" if password else "publickey",
        }
        environment = dict(os.environ)
        if password:
            environment |= {
                "SSH_ASKPASS": str(_ask_password()),
                "SSH_ASKPASS_REQUIRE": "force",
                "LAB_PASSWORD": password,
            }
        arguments = [f"-o{name}={value}" for name, value in options.items()]
        done = subprocess.run(
            [
                *("ssh", "-F", "none", "-T", "-p", str(self.port), "-i", str(self.root_key)),
                *(*arguments, f"{user}@{self.address}", command),
            ],
            input=data,
            capture_output=True,
            env=environment,
            timeout=timeout,
            check=False,
        )
        result = subprocess.CompletedProcess(
            command,
            done.returncode,
            done.stdout.decode(errors="replace"),
            done.stderr.decode(errors="replace"),
        )
        said = result.stderr.strip() or result.stdout.strip()
        assert not check or result.returncode == 0, (
            f"{user} on {self.name}: {command!r} ended with {result.returncode}: {said}"
        )
        return result


@dataclass(frozen=True, slots=True)
class LabEngine:
    """The Docker engine on this machine, reached through the docker client."""

    socket: str

    def docker(self, *arguments: str, input: bytes | None = None, check: bool = True) -> str:  # noqa: A002
        """Run docker; returns its stdout. Raises AssertionError if it fails and check is on."""
        done = self.run(*arguments, input=input)
        said = done.stderr.decode(errors="replace").strip()
        assert not check or done.returncode == 0, f"docker {arguments}: {done.returncode}: {said}"
        return done.stdout.decode(errors="replace").rstrip("\n")

    def run(
        self,
        *arguments: str,
        input: bytes | None = None,  # noqa: A002
    ) -> subprocess.CompletedProcess[bytes]:
        """Run docker and return exit code, stdout and stderr as they are."""
        return subprocess.run(
            ["docker", "-H", f"unix://{self.socket}", *arguments],
            input=b"" if input is None else input,
            capture_output=True,
            check=False,
        )


@dataclass(frozen=True, slots=True)
class LabRegistry:
    """An image registry with a login; hosts and this machine reach it at the same addresses.

    ``address`` speaks HTTPS with a certificate of the authority ``ca`` (a PEM file; the hosts trust
    it); ``plain_address`` is the same store over HTTP, for engines told so (they are).
    """

    address: str
    ca: str
    plain_address: str
    user: str
    password: str


def hosts_path() -> Path:
    """Return the list of hosts for this process: each worker of pytest-xdist has its own hosts."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    number = int(worker.removeprefix("gw")) + 1
    return LAB / (f"hosts-{number}.json" if number > 1 else "hosts.json")


def read_hosts() -> list[LabHost]:
    """Return all Linux hosts of the running lab that this process may use."""
    entries = json.loads(hosts_path().read_text("utf-8"))
    return [LabHost(**entry) for entry in entries if entry["kind"] == "linux"]


def read_engine() -> LabEngine:
    """Return the running lab's engine."""
    return LabEngine(**json.loads((LAB / "engine.json").read_text("utf-8")))


def read_registry() -> LabRegistry:
    """Return the running lab's registry."""
    return LabRegistry(**json.loads((LAB / "registry.json").read_text("utf-8")))


def _known_hosts(host: LabHost) -> Path:
    return LAB / "hosts" / host.machine / "known_hosts"


def _ask_password() -> Path:
    """Return the program that answers the OpenSSH client's question for a password."""
    program = LAB / "ask_password"
    if not program.exists():
        part = LAB / f"ask_password.{os.getpid()}"
        part.write_text(ASK_PASSWORD)
        part.chmod(0o700)
        part.replace(program)
    return program
