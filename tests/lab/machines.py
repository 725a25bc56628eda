"""The lab: real hosts (Linux, Windows on Wine), a Docker engine and a registry on this machine.

Everything lives under ``.lab`` and a folder in ``/run``; nothing leaves the machine's own bridge.
Standard library only, because ``dev.py`` runs it before anything is installed.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.lab import windows_images
from tests.lab.images import SYSTEMS, Say, System, cached_image
from tests.lab.kept import unmount_below
from tests.lab.windows_machines import WindowsLab, WindowsMachine

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "slipway-lab"
PACKAGES = {
    "dockerd": "docker.io",
    "docker": "docker.io",
    "iptables": "iptables",
    "debootstrap": "debootstrap",
    "docker-registry": "docker-registry",
    "htpasswd": "apache2-utils",
    "openssl": "openssl",
    "ssh-keygen": "openssh-client",
    "ip": "iproute2",
}
KEY_TYPES = {"ed25519": "ssh-ed25519", "ecdsa": "ecdsa-sha2-nistp256", "rsa": "ssh-rsa"}
REGISTRY_USER = "slipway"
CAPABILITIES = (
    "--cap-add=ALL",
    # Outside the bounding set of many virtual machines; with it no container would start there.
    "--cap-drop=SYS_RESOURCE",
    "--security-opt=seccomp=unconfined",
    "--security-opt=apparmor=unconfined",
)


@dataclass(frozen=True, slots=True)
class Account:
    """A user of every host. ``sudo`` is what that user may do: root, password, nopasswd, none."""

    user: str
    sudo: str
    uses_key: bool


ACCOUNTS = (
    Account("root", "root", uses_key=True),
    Account("deploy", "password", uses_key=False),
    Account("nopass", "nopasswd", uses_key=True),
    Account("dock", "none", uses_key=True),
)


@dataclass(frozen=True, slots=True)
class Machine:
    """A Linux host: one of the systems, in the set of hosts that one test worker has to itself."""

    system: System
    set_number: int

    @property
    def name(self) -> str:
        """Return its name, which is also its container's."""
        return self.system.name + (f"-{self.set_number}" if self.set_number > 1 else "")


# As many as there are workers, so that two tests never share a host at the same time.
SETS = (1, 2)
MACHINES = tuple(Machine(system, number) for number in SETS for system in SYSTEMS)
WINDOWS_MACHINES = tuple(WindowsMachine(number) for number in SETS)


class Lab:
    """One lab in one folder; every method may be called again at any time."""

    def __init__(self, folder: Path, say: Say = print) -> None:
        self.folder = folder.resolve()
        self.say = say
        self.run_folder = Path("/run") / f"slipway-lab-{self._tag}"
        self.bridge = f"slip-{self._tag}"
        self.socket = self.run_folder / "docker.sock"

    @property
    def _tag(self) -> str:
        """Return a short word that no lab in another folder shares."""
        return hashlib.sha256(str(self.folder).encode()).hexdigest()[:6]

    @property
    def gateway(self) -> str:
        """Return the bridge's address, which the hosts and this machine both reach."""
        return (self.folder / "gateway").read_text().strip()

    @property
    def registry_address(self) -> str:
        """Return where the registry speaks HTTPS."""
        return f"{self.gateway}:5000"

    @property
    def plain_registry_address(self) -> str:
        """Return where the registry speaks HTTP."""
        return f"{self.gateway}:5001"

    @property
    def windows(self) -> WindowsLab:
        """Return the lab's Windows machines."""
        return WindowsLab(self.folder, self.docker, CACHE, self._secret("deploy"), self.say)

    def _choose_gateway(self) -> None:
        """Settle on an address that no other lab on this machine has, once and for all."""
        file = self.folder / "gateway"
        if file.exists():
            return
        links = json.loads(_run("ip", "-json", "-4", "address", "show"))
        taken = {
            address["local"]
            for link in links
            if link.get("ifname") != self.bridge
            for address in link.get("addr_info", ())
        }
        first = int(self._tag, 16)
        candidates = (f"172.29.{(first + step) % 250 + 1}.1" for step in range(250))
        file.write_text(next(address for address in candidates if address not in taken))

    def up(self) -> None:
        """Start whatever of the lab does not run, and write hosts.json and registry.json last."""
        self._check_system()
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "up.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)  # a second one waits and then finds all running
            self._bring_up()

    def start_engine(self) -> None:
        """Start the engine alone, for what needs none of the lab's hosts."""
        self._check_system()
        self.folder.mkdir(exist_ok=True)
        with (self.folder / "up.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._bring_up_engine()

    def _bring_up_engine(self) -> None:
        self._choose_gateway()
        self._make_keys()
        self._raise_bridge()
        self._start_engine()

    def _bring_up(self) -> None:
        self._bring_up_engine()
        self._start_registry()
        for machine in MACHINES:
            self._start_machine(machine)
        for windows in WINDOWS_MACHINES:
            self.windows.start(windows)
        for machine in MACHINES:
            self._wait_for_machine(machine)
        for windows in WINDOWS_MACHINES:
            self.windows.wait(windows)
        self._write_hosts()

    def down(self) -> None:
        """End and remove everything that ``up`` made, but not the cached root file systems."""
        for name in (*map(hosts_file, SETS), "registry.json", "engine.json"):
            (self.folder / name).unlink(missing_ok=True)
        containers = self._remove_containers()
        self._end(self.run_folder / "dockerd.pid", "dockerd")
        for name in ("registry", "registry-plain"):
            self._end(self.folder / f"{name}.pid", "docker-registry")
        unmount_below(self.run_folder)
        unmount_below(self.folder)
        for container in containers:
            _remove_cgroups(container)
        if Path("/sys/class/net", self.bridge).exists():
            _run("ip", "link", "delete", self.bridge)
        shutil.rmtree(self.run_folder, ignore_errors=True)
        if self.folder.exists():
            shutil.rmtree(self.folder)

    def docker(self, *arguments: str, data: bytes | None = None, check: bool = True) -> str:
        """Run the docker client against the lab's engine; returns what it printed."""
        return _run("docker", "-H", f"unix://{self.socket}", *arguments, data=data, check=check)

    def _check_system(self) -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            raise SystemExit("The lab needs Linux and root: run it as root, or with sudo.")
        packages = dict(PACKAGES)
        if not windows_images.archive_path(CACHE).is_file():
            packages |= windows_images.PACKAGES
        missing = sorted({name for tool, name in packages.items() if not shutil.which(tool)})
        if not missing:
            return
        if not shutil.which("apt-get"):
            raise SystemExit(f"The lab needs Debian's packages {', '.join(missing)}.")
        self.say(f"installing {', '.join(missing)}")
        environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
        for command in (
            ["apt-get", "-qq", "update"],
            ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *missing],
        ):
            subprocess.run(
                command, env=environment, check=True, stdin=subprocess.DEVNULL, capture_output=True
            )

    def _make_keys(self) -> None:
        """Make the desktop's keys, the registry's certificate and login, and all passwords."""
        key = self.folder / "id_ed25519"
        if not key.exists():
            _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key))
        secrets_file = self.folder / "secrets.json"
        if not secrets_file.exists():
            # Quotes, blanks, a dollar sign and Chinese: what a shell or a codec would break.
            password = f'{secrets.token_hex(4)} it\'s "$HOME" 密码'
            registry = secrets.token_hex(8)
            secrets_file.write_text(json.dumps({"deploy": password, "registry": registry}))
            secrets_file.chmod(0o600)
        certificate = self.folder / "registry.crt"
        if not certificate.exists():
            _run(
                *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30"),
                *("-subj", "/CN=Slipway lab registry"),
                *("-addext", f"subjectAltName=IP:{self.gateway}"),
                *("-keyout", str(self.folder / "registry.key"), "-out", str(certificate)),
            )

    def _secret(self, name: str) -> str:
        return str(json.loads((self.folder / "secrets.json").read_text())[name])

    def _raise_bridge(self) -> None:
        if not Path("/sys/class/net", self.bridge).exists():
            _run("ip", "link", "add", self.bridge, "type", "bridge")
            _run("ip", "address", "add", f"{self.gateway}/24", "dev", self.bridge)
        _run("ip", "link", "set", self.bridge, "up")

    def _start_engine(self) -> None:
        if self.docker("version", check=False).count("Version:") > 1:
            return
        self.say("starting the engine")
        self._end(self.run_folder / "dockerd.pid", "dockerd")
        # Networks of containers that an engine which was killed left would keep their addresses.
        unmount_below(self.run_folder / "exec" / "netns")
        self.run_folder.mkdir(parents=True, exist_ok=True)
        config = self.folder / "daemon.json"
        config.write_text("{}")
        with (self.folder / "dockerd.log").open("ab") as log:
            # No rules in the machine's firewall: ports are published by the userland proxy, and
            # nothing needs to reach the outside.
            subprocess.Popen(
                [
                    "dockerd",
                    f"--config-file={config}",
                    f"--host=unix://{self.socket}",
                    f"--data-root={self.folder / 'engine'}",
                    f"--exec-root={self.run_folder / 'exec'}",
                    f"--pidfile={self.run_folder / 'dockerd.pid'}",
                    f"--bridge={self.bridge}",
                    f"--insecure-registry={self.registry_address}",
                    f"--insecure-registry={self.plain_registry_address}",
                    "--iptables=false",
                    "--ip6tables=false",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait(
            "the engine",
            lambda: self.docker("version", check=False).count("Version:") > 1,
            log="dockerd.log",
        )

    def _start_registry(self) -> None:
        htpasswd = self.folder / "registry.htpasswd"
        if not htpasswd.exists():
            line = _run("htpasswd", "-Bbn", REGISTRY_USER, self._secret("registry"))
            htpasswd.write_text(line.strip() + "\n")
        tls = {
            "certificate": str(self.folder / "registry.crt"),
            "key": str(self.folder / "registry.key"),
        }
        self._start_one_registry("registry", self.registry_address, {"tls": tls})
        self._start_one_registry("registry-plain", self.plain_registry_address, {})

    def _start_one_registry(self, name: str, address: str, http: dict[str, object]) -> None:
        """Start a registry process; both share one store of images."""
        if _listens(address):
            return
        config = {
            "version": 0.1,
            "log": {"level": "warn"},
            "storage": {
                "filesystem": {"rootdirectory": str(self.folder / "registry")},
                "delete": {"enabled": True},
            },
            "http": {"addr": address, **http},
            "auth": {"htpasswd": {"realm": "lab", "path": str(self.folder / "registry.htpasswd")}},
        }
        file = self.folder / f"{name}.yml"
        file.write_text(json.dumps(config))  # YAML understands JSON
        with (self.folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                ["docker-registry", "serve", str(file)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        (self.folder / f"{name}.pid").write_text(str(process.pid))
        self._wait("the registry", lambda: _listens(address), log=f"{name}.log")

    def _start_machine(self, machine: Machine) -> None:
        system = machine.system
        state = self.docker(
            "container", "inspect", "-f", "{{.State.Running}}", machine.name, check=False
        ).strip()
        if state == "true":
            return
        if state == "false":
            self.docker("start", machine.name)
            return
        image = f"lab-{system.name}:{system.recipe}"
        if not self.docker("images", "-q", image).strip():
            self.docker("import", str(cached_image(system, CACHE, self.say)), image)
        volumes = [f"-v={machine.name}{path.replace('/', '-')}:{path}" for path in system.volumes]
        self.docker(
            *("create", "--name", machine.name, "--hostname", machine.name, *CAPABILITIES),
            *("--cgroupns", "host", "-v", "/sys/fs/cgroup:/sys/fs/cgroup:rw"),
            *("--tmpfs", "/run", "--tmpfs", "/run/lock", *volumes),
            *(f"--env={pair}" for pair in ("container=docker", *system.environment)),
            *("--stop-signal", "SIGRTMIN+3", "-p", f"127.0.0.1:{_free_port()}:22"),
            *(image, "/sbin/init"),
        )
        self._furnish(machine)
        self.say(f"starting host {machine.name}")
        self.docker("start", machine.name)

    def _furnish(self, machine: Machine) -> None:
        """Give a host its own host keys, the desktop's public key, and the lab's registry."""
        stage = self.folder / "hosts" / machine.name
        ssh = stage / "etc/ssh"
        ssh.mkdir(parents=True)
        for kind in KEY_TYPES:
            key = ssh / f"ssh_host_{kind}_key"
            _run("ssh-keygen", "-q", "-t", kind, "-N", "", "-C", machine.name, "-f", str(key))
        daemon = {**machine.system.daemon, "insecure-registries": [self.plain_registry_address]}
        docker = stage / "etc/docker"
        trusted = docker / "certs.d" / self.registry_address
        trusted.mkdir(parents=True)
        (docker / "daemon.json").write_text(json.dumps(daemon))
        shutil.copy(self.folder / "registry.crt", trusted / "ca.crt")
        public = (self.folder / "id_ed25519.pub").read_bytes()
        keys = stage / "etc/ssh/lab_keys"
        keys.mkdir()
        for account in ACCOUNTS:
            if account.uses_key:
                (keys / account.user).write_bytes(public)
        self.docker("cp", f"{stage / 'etc'}/.", f"{machine.name}:/etc")

    def _wait_for_machine(self, machine: Machine) -> None:
        def ready() -> bool:
            engine = self.docker("exec", machine.name, "docker", "version", check=False)
            return engine.count("Version:") > 1 and _listens(self._ssh_address(machine))

        self._wait(f"host {machine.name}", ready, log="dockerd.log")
        accounts = "".join(
            f"{account.user}:{self._secret('deploy')}\n"
            for account in ACCOUNTS
            if not account.uses_key
        )
        self.docker("exec", "-i", machine.name, "chpasswd", data=accounts.encode())

    def _ssh_address(self, machine: Machine) -> str:
        return self.docker("port", machine.name, "22/tcp").splitlines()[0].strip()

    def _write_hosts(self) -> None:
        registry = {
            "address": self.registry_address,
            "ca": str(self.folder / "registry.crt"),
            "plain_address": self.plain_registry_address,
            "user": REGISTRY_USER,
            "password": self._secret("registry"),
        }
        _write_json(self.folder / "registry.json", registry)
        _write_json(self.folder / "engine.json", {"socket": str(self.socket)})
        for machine in MACHINES:
            self._write_known_hosts(machine)
        for number in reversed(SETS):  # hosts.json last: it says that all is there
            hosts = [
                self._host(machine, account)
                for machine in MACHINES
                if machine.set_number == number
                for account in ACCOUNTS
            ]
            windows = self.windows.entries(WindowsMachine(number))
            _write_json(self.folder / hosts_file(number), [*hosts, *windows])

    def _host(self, machine: Machine, account: Account) -> dict[str, object]:
        address, port = self._ssh_address(machine).split(":")
        keys = {
            name: _fingerprint(
                self.folder / "hosts" / machine.name / f"etc/ssh/ssh_host_{kind}_key"
            )
            for kind, name in KEY_TYPES.items()
        }
        ip = self.docker("inspect", "-f", "{{.NetworkSettings.IPAddress}}", machine.name).strip()
        return {
            "name": f"{machine.system.name}-{account.user}",
            "machine": machine.name,
            "kind": "linux",
            "system": machine.system.name,
            "address": address,
            "port": int(port),
            "ip": ip,
            "user": account.user,
            "password": "" if account.uses_key else self._secret("deploy"),
            "key": str(self.folder / "id_ed25519") if account.uses_key else "",
            "host_key": keys["ssh-ed25519"],
            "host_keys": keys,
            "sudo": account.sudo,
        }

    def _write_known_hosts(self, machine: Machine) -> None:
        """Write the host's true keys for the OpenSSH client."""
        address, port = self._ssh_address(machine).split(":")
        folder = self.folder / "hosts" / machine.name
        keys = [
            (folder / f"etc/ssh/ssh_host_{kind}_key.pub").read_text().rsplit(" ", 1)[0]
            for kind in KEY_TYPES
        ]
        lines = "".join(f"[{address}]:{port} {key}\n" for key in keys)
        (folder / "known_hosts").write_text(lines)

    def _wait(self, what: str, ready: Callable[[], bool], *, log: str) -> None:
        """Wait until something is ready, a minute at most; raises RuntimeError with its log."""
        deadline = time.monotonic() + 60
        while not ready():
            if time.monotonic() > deadline:
                tail = (self.folder / log).read_text(errors="replace").splitlines()[-20:]
                raise RuntimeError(f"{what} did not come up:\n" + "\n".join(tail))
            time.sleep(0.2)

    def _remove_containers(self) -> list[str]:
        """Remove every container of the lab's engine; returns their identifiers."""
        if not self.socket.exists():
            return []
        containers = self.docker("ps", "-aq", "--no-trunc", check=False).split()
        if containers:
            self.docker("rm", "-f", "-v", *containers, check=False)
        return containers

    def _end(self, pid_file: Path, program: str) -> None:
        """End the process that a file names, if it is still that program."""
        if not pid_file.exists():
            return
        pid = int(pid_file.read_text().strip() or 0)
        command = Path(f"/proc/{pid}/cmdline")
        try:
            if pid and program in command.read_bytes().split(b"\0")[0].decode():
                os.kill(pid, signal.SIGTERM)
                _wait_for_end(pid)
        except (FileNotFoundError, ProcessLookupError):
            pass
        pid_file.unlink(missing_ok=True)


def hosts_file(number: int) -> str:
    """Return the name of the file that lists a set's hosts."""
    return f"hosts-{number}.json" if number > 1 else "hosts.json"


def _wait_for_end(pid: int) -> None:
    """Wait until a process is gone, 15 s at most, then kill it."""
    deadline = time.monotonic() + 15
    while Path(f"/proc/{pid}").exists() and _is_alive(pid):
        if time.monotonic() > deadline:
            os.kill(pid, signal.SIGKILL)
            return
        time.sleep(0.1)


def _is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state not in "ZX"


def _remove_cgroups(container: str) -> None:
    """Remove the empty control groups that a host's systemd left behind."""
    for top in Path("/sys/fs/cgroup").glob(f"**/docker/{container}"):
        for folder, _, _ in os.walk(top, topdown=False):
            try:
                Path(folder).rmdir()
            except OSError:
                continue  # a process is still leaving it; an empty group costs nothing


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listens(address: str) -> bool:
    host, port = address.rsplit(":", 1)
    try:
        with socket.create_connection((host, int(port)), timeout=1):
            return True
    except OSError:
        return False


def _fingerprint(key: Path) -> str:
    return _run("ssh-keygen", "-l", "-E", "sha256", "-f", f"{key}.pub").split()[1]


def _write_json(path: Path, value: object) -> None:
    """Write a file that is whole as soon as it is there."""
    part = path.with_suffix(".part")
    part.write_text(json.dumps(value, indent=2, ensure_ascii=False), encoding="utf-8")
    part.chmod(0o600)
    part.replace(path)


def _run(*command: str, data: bytes | None = None, check: bool = True) -> str:
    """Run a command; returns its stdout, or raises RuntimeError with what it said."""
    done = subprocess.run(
        command,
        input=data,
        stdin=subprocess.DEVNULL if data is None else None,
        capture_output=True,
        check=False,
    )
    if check and done.returncode:
        said = (done.stderr or done.stdout).decode(errors="replace").strip()
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {said}")
    return done.stdout.decode(errors="replace")
