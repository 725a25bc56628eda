"""What lab tests hold in their hands of the lab's Windows machines: a witness without Slipway."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from dataclasses import dataclass
from typing import Any

import pytest

from tests.lab.hosts import LabEngine, hosts_path, read_engine
from tests.lab.windows_machines import CHINESE, WESTERN

__all__ = ["CHINESE", "WESTERN", "Control", "WindowsHost", "WindowsWitness", "read_windows_hosts"]


@dataclass(frozen=True, slots=True)
class WindowsHost:
    """One way to reach a Windows machine: ``transport`` is winrm or ssh.

    ``address:port`` is where that answers; ``ca`` is the certificate's file and ``fingerprint`` its
    SHA-256 as ``SHA256:…`` (winrm), ``host_key`` the SSH server's key. At ``control`` the
    WinRM server is told to misbehave.
    """

    name: str
    machine: str
    kind: str
    transport: str
    address: str
    port: int
    ip: str
    user: str
    password: str
    scheme: str = ""
    auth: str = ""
    ca: str = ""
    fingerprint: str = ""
    control: int = 0
    key: str = ""
    host_key: str = ""

    def __str__(self) -> str:
        return self.name

    @property
    def witness(self) -> WindowsWitness:
        """Return who looks into the machine, past everything that is tested."""
        return WindowsWitness(self.machine, self.ip, read_engine() if self.machine else None)


@dataclass(frozen=True, slots=True)
class WindowsWitness:
    """Looks into a Windows machine, and breaks it, through its container: knows no Slipway.

    Without an ``engine`` the machine is the real Windows that the tests run on.
    """

    machine: str
    ip: str
    engine: LabEngine | None

    def wine(
        self,
        *command: str,
        input: bytes = b"",  # noqa: A002
        check: bool = True,
    ) -> subprocess.CompletedProcess[bytes]:
        """Run a Windows program; raises AssertionError if it fails and ``check`` is on."""
        if self.engine is None:
            done = subprocess.run(command, input=input, capture_output=True, check=False)
        else:
            done = self._inside("sh", "/lab/wine.sh", *command, input=input)
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        assert not check or done.returncode == 0, (
            f"{self.machine}: {command} ended with {done.returncode}: {said}"
        )
        return done

    def python(self, program: str, *arguments: str, input: bytes = b"") -> str:  # noqa: A002
        """Run a Python program there, as a Windows program; returns its stdout."""
        command = (r"C:\py\python.exe", "-X", "utf8", "-c", program, *arguments)
        return self.wine(*command, input=input).stdout.decode().replace("\r\n", "\n")

    def sh(self, script: str, *, data: bytes = b"", check: bool = True) -> bytes:
        """Run a shell script beside Windows, in the container; drive C: is /wine/drive_c there."""
        done = self._inside("sh", "-ec", script, input=data)
        assert not check or done.returncode == 0, f"{self.machine}: {script!r}: {done.stderr!r}"
        return done.stdout

    def read(self, path: str) -> bytes:
        r"""Return the content of a file named as on Windows: ``C:\Services\x``."""
        program = "import sys; sys.stdout.buffer.write(open(sys.argv[1], 'rb').read())"
        return self.wine(r"C:\py\python.exe", "-c", program, path).stdout

    def write(self, path: str, content: bytes) -> None:
        """Write a file named as on Windows, its folders too."""
        program = (
            "import pathlib, sys; path = pathlib.Path(sys.argv[1]);"
            "path.parent.mkdir(parents=True, exist_ok=True);"
            "path.write_bytes(sys.stdin.buffer.read())"
        )
        self.wine(r"C:\py\python.exe", "-c", program, path, input=content)

    def exists(self, path: str) -> bool:
        """Return whether a file or folder named as on Windows is there."""
        return self.python("import os, sys; print(os.path.lexists(sys.argv[1]))", path) == "True\n"

    def http(self, port: int, path: str = "/") -> str:
        """Return what a program in the machine answers over HTTP."""
        with urllib.request.urlopen(f"http://{self.ip}:{port}{path}", timeout=10) as answer:
            return answer.read().decode()

    def wait_for_http(self, port: int, path: str = "/") -> str:
        """Return what a program answers as soon as it does, 20 seconds at most."""
        deadline = time.monotonic() + 20
        while True:
            try:
                return self.http(port, path)
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def renew(self, locale: str = WESTERN) -> None:
        """Throw the machine's state away and begin anew; CHINESE gives it code page 936."""
        for command in (("begin.sh", locale), ("ready.sh",)):
            done = self._inside("sh", f"/lab/{command[0]}", *command[1:])
            assert done.returncode == 0, f"{self.machine}: {command}: {done.stderr!r}"

    def _inside(
        self,
        *command: str,
        input: bytes = b"",  # noqa: A002
    ) -> subprocess.CompletedProcess[bytes]:
        if self.engine is None:
            pytest.skip("Wine only: a real Windows has no Linux beneath, and is not thrown away")
        return self.engine.run("exec", "-i", self.machine, *command, input=input)


class Control:
    """Has the server misbehave, and counts what it saw."""

    def __init__(self, host: WindowsHost) -> None:
        self._url = f"http://{host.ip}:{host.control}"

    def order(self, do: str, **details: Any) -> None:
        self._ask("/order", {"do": do, **details})

    def reset(self) -> None:
        self._ask("/reset", {})

    def counters(self) -> dict[str, Any]:
        return self._ask("/counters", None)

    def requests(self, action: str) -> int:
        return int(self.counters()["actions"].get(action, {"requests": 0})["requests"])

    def _ask(self, path: str, order: object) -> dict[str, Any]:
        data = None if order is None else json.dumps(order).encode()
        with urllib.request.urlopen(self._url + path, data, timeout=30) as answer:
            return dict(json.load(answer))


def read_windows_hosts() -> list[WindowsHost]:
    """Return all ways to the Windows machine that this process may use."""
    entries = json.loads(hosts_path().read_text("utf-8"))
    return [WindowsHost(**entry) for entry in entries if entry["kind"] == "windows"]
