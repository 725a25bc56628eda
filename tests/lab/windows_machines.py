"""The lab's Windows machines: one for each test worker, each in a container of its own.

Wine has its services, registry, processes and network there; Python programs that run inside as
Windows programs play the WinRM and the SSH server (``tests/lab/windows``).
"""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import windows_images
from tests.lab.images import Say

USER = "Administrator"
SOURCES = Path(__file__).resolve().parent / "windows"
# The one PowerShell script that the server plays.
UPLOAD_SCRIPT = SOURCES.parent.parent.parent / "resources" / "scripts" / "receive.ps1"
PORTS = {"ssh": 22, "powershell": 2222, "bash": 2223, "http": 5985, "https": 5986, "control": 5984}
WESTERN = "C.UTF-8"
CHINESE = "zh_CN.UTF-8"

Docker = Callable[..., str]


@dataclass(frozen=True, slots=True)
class WindowsMachine:
    """A Windows machine, in the set of hosts that one test worker has to itself."""

    set_number: int

    @property
    def name(self) -> str:
        """Return its name, which is also its container's."""
        return "windows" + (f"-{self.set_number}" if self.set_number > 1 else "")


@dataclass(frozen=True, slots=True)
class WindowsLab:
    """The Windows part of a lab: ``folder`` is the lab's, ``docker`` runs its docker client."""

    folder: Path
    docker: Docker
    cache: Path
    password: str
    say: Say

    def start(self, machine: WindowsMachine) -> None:
        """Start a machine unless it runs; ``wait`` for its servers afterwards."""
        state = self.docker(
            "container", "inspect", "-f", "{{.State.Running}}", machine.name, check=False
        ).strip()
        if state == "true":
            return
        if state == "false":
            self.docker("rm", "-f", machine.name)
        self.say(f"starting host {machine.name}")
        self.docker(
            *("run", "-d", "--init", "--name", machine.name, "--hostname", machine.name),
            *("--env=LANG=C.UTF-8", "--env=WINEDEBUG=-all", "--env=WINEPREFIX=/wine"),
            # In memory: a machine is made new in seconds.
            *("--tmpfs=/wine:exec", self.image(), "sleep", "infinity"),
        )
        stage = self._furnish(machine)
        self.docker("cp", f"{stage}/.", f"{machine.name}:/lab")
        self.docker("exec", machine.name, "sh", "/lab/begin.sh", WESTERN)

    def wait(self, machine: WindowsMachine) -> None:
        """Wait until both servers said that they are ready, a minute at most."""
        self.docker("exec", machine.name, "sh", "/lab/ready.sh")

    def image(self) -> str:
        """Have the machines' image in the lab's engine; returns its name."""
        image = f"lab-windows:{windows_images.recipe()}"
        if not self.docker("images", "-q", image).strip():
            self.docker("import", str(windows_images.cached_image(self.cache, self.say)), image)
        return image

    def _furnish(self, machine: WindowsMachine) -> Path:
        """Make what is laid into a machine as /lab: scripts, servers, their keys and settings."""
        stage = self._stage(machine)
        if stage.exists():
            shutil.rmtree(stage)
        drive = stage / "drive"
        drive.mkdir(parents=True)
        for file in SOURCES.iterdir():
            if file.is_file():
                shutil.copy(file, drive if file.suffix == ".py" else stage)
        ip = self.ip(machine)
        _run(
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
            *("-subj", f"/CN={machine.name}", "-addext", f"subjectAltName=IP:{ip}"),
            *("-keyout", str(stage / "winrm.key"), "-out", str(stage / "winrm.crt")),
        )
        pair = (stage / "winrm.crt").read_text() + (stage / "winrm.key").read_text()
        (drive / "winrm.pem").write_text(pair)
        key = drive / "ssh_host_key"
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", machine.name, "-f", str(key))
        shutil.copy(UPLOAD_SCRIPT, drive)
        shutil.copy(self.folder / "id_ed25519.pub", drive / "authorized_keys")
        for name, settings in self._settings().items():
            text = json.dumps(settings, indent=2, ensure_ascii=False)
            (drive / f"{name}.json").write_text(text, encoding="utf-8")
        return stage

    def _settings(self) -> dict[str, dict[str, object]]:
        users = {"users": {USER: self.password}, "address": "0.0.0.0"}
        return {
            "winrm_server": {
                **users,
                "http": PORTS["http"],
                "https": PORTS["https"],
                "control": PORTS["control"],
                "certificate": r"C:\lab\winrm.pem",
            },
            "ssh_server": {
                **users,
                "port": PORTS["ssh"],
                "powershell_port": PORTS["powershell"],
                "bash_port": PORTS["bash"],
                "host_key": r"C:\lab\ssh_host_key",
                "authorized_keys": r"C:\lab\authorized_keys",
            },
        }

    def ip(self, machine: WindowsMachine) -> str:
        """Return the address at which a machine's ports answer, as long as its container lives."""
        form = "{{.NetworkSettings.IPAddress}}"
        return self.docker("inspect", "-f", form, machine.name).strip()

    def entries(self, machine: WindowsMachine) -> list[dict[str, object]]:
        """Return what hosts.json says about a machine: one entry for each way to reach it."""
        stage = self._stage(machine)
        ip = self.ip(machine)
        common = {
            "machine": machine.name,
            "kind": "windows",
            "address": ip,
            "ip": ip,
            "user": USER,
            "password": self.password,
        }
        winrm = {
            **common,
            "transport": "winrm",
            "auth": "ntlm",
            "ca": str(stage / "winrm.crt"),
            "fingerprint": _certificate_fingerprint(stage / "winrm.crt"),
            "control": PORTS["control"],
        }
        return [
            {**winrm, "name": "windows-winrm", "scheme": "https", "port": PORTS["https"]},
            {**winrm, "name": "windows-winrm-http", "scheme": "http", "port": PORTS["http"]},
            {
                **common,
                "name": "windows-ssh",
                "transport": "ssh",
                "port": PORTS["ssh"],
                "key": str(self.folder / "id_ed25519"),
                "host_key": _key_fingerprint(stage / "drive" / "ssh_host_key.pub"),
            },
        ]

    def _stage(self, machine: WindowsMachine) -> Path:
        return self.folder / "hosts" / machine.name


def _certificate_fingerprint(certificate: Path) -> str:
    """Return a certificate's SHA-256 as SSH writes that of a key: ``SHA256:…``."""
    said = _run("openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256")
    digest = bytes.fromhex(said.strip().partition("=")[2].replace(":", ""))
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


def _key_fingerprint(public: Path) -> str:
    return _run("ssh-keygen", "-l", "-E", "sha256", "-f", str(public)).split()[1]


def _run(*command: str) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr}")
    return done.stdout
