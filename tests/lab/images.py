"""Root file systems of the lab's Linux hosts: made by debootstrap, kept as tar files."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

Say = Callable[[str], None]

BASE_PACKAGES = (
    "systemd",
    "systemd-sysv",
    "dbus",
    "openssh-server",
    "sudo",
    "iproute2",
    "curl",
    "ca-certificates",
    "procps",
)

# More sessions than sshd's default of 10, and no throttling of failed logins: the tests make many
# connections from one address within seconds.
SSHD_CONFIG = """\
UseDNS no
PermitRootLogin prohibit-password
PasswordAuthentication yes
KbdInteractiveAuthentication yes
PubkeyAuthentication yes
AuthorizedKeysFile .ssh/authorized_keys /etc/ssh/lab_keys/%u
AllowTcpForwarding yes
MaxSessions 100
MaxStartups 200
MaxAuthTries 10
PrintMotd no
"""

SUDOERS = """\
Defaults:deploy timestamp_timeout=0
deploy ALL=(ALL:ALL) ALL
nopass ALL=(ALL:ALL) NOPASSWD: ALL
"""


@dataclass(frozen=True, slots=True)
class System:
    """A kind of Linux host: its Debian suite, its engine, and how its container is started."""

    name: str
    engine_packages: tuple[str, ...]
    daemon: dict[str, object]
    sshd_config: str = SSHD_CONFIG
    volumes: tuple[str, ...] = ("/var/lib/docker",)
    environment: tuple[str, ...] = ()
    masked_units: tuple[str, ...] = ()
    engine_drop_in: str = ""

    @property
    def recipe(self) -> str:
        """Return a short hash of everything that goes into the root file system."""
        text = Path(__file__).read_text(encoding="utf-8") + repr(self)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


SYSTEMS = (
    System(
        name="bookworm",
        engine_packages=("docker.io", "iptables"),
        daemon={},
    ),
    System(
        name="trixie",
        engine_packages=("docker.io", "docker-cli", "containerd", "iptables"),
        daemon={"features": {"containerd-snapshotter": True}},
        sshd_config=SSHD_CONFIG + "PerSourcePenalties no\n",
        volumes=("/var/lib/docker", "/var/lib/containerd"),
        # systemd 257 refuses to start on cgroup v1 without being told to.
        environment=("SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1",),
        masked_units=("systemd-modules-load.service",),
        # Without it every container start fails with "failed to disable IPv6" where /proc/sys is
        # read-only.
        engine_drop_in="[Service]\nEnvironment=DOCKER_ALLOW_IPV6_ON_IPV4_INTERFACE=1\n",
    ),
)


def cached_image(system: System, cache: Path, say: Say) -> Path:
    """Return the tar file of a system's root file system, made now if the cache lacks it."""
    archive = cache / f"{system.name}-{system.recipe}.tar"
    if archive.is_file():
        return archive
    cache.mkdir(parents=True, exist_ok=True)
    work = cache / f"{system.name}-{system.recipe}.{os.getpid()}"
    root = work / "root"
    try:
        say(f"{system.name}: making its root file system (once; about a minute)")
        bootstrap(system, root)
        configure(system, root)
        part = work / "image.tar"
        _run("tar", "-C", str(root), "--one-file-system", "-cf", str(part), ".")
        for old in cache.glob(f"{system.name}-*.tar"):
            old.unlink()
        part.replace(archive)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return archive


def bootstrap(system: System, root: Path) -> None:
    """Put a minimal Debian into a folder."""
    root.mkdir(parents=True)
    _run(
        "debootstrap",
        "--variant=minbase",
        f"--include={','.join(BASE_PACKAGES)}",
        system.name,
        str(root),
    )


def configure(system: System, root: Path) -> None:
    """Install the engine, make the users, and settle sshd and systemd."""
    _chroot(root, "apt-get", "update")
    _chroot(root, "apt-get", "install", "-y", "--no-install-recommends", *system.engine_packages)
    _chroot(root, "apt-get", "clean")
    _make_users(root)
    _write(root / "etc/ssh/sshd_config.d/lab.conf", system.sshd_config)
    _write(root / "etc/sudoers.d/lab", SUDOERS, mode=0o440)
    _write(root / "etc/docker/daemon.json", json.dumps(system.daemon))
    if system.engine_drop_in:
        _write(root / "etc/systemd/system/docker.service.d/lab.conf", system.engine_drop_in)
    _chroot(root, "systemctl", "enable", "ssh", "docker")
    for unit in system.masked_units:
        _chroot(root, "systemctl", "mask", unit)
    # Each host gets keys of its own when it is created.
    for key in (root / "etc/ssh").glob("ssh_host_*"):
        key.unlink()
    for lists in (root / "var/lib/apt/lists").iterdir():
        shutil.rmtree(lists) if lists.is_dir() else lists.unlink()


def _make_users(root: Path) -> None:
    _chroot(root, "useradd", "-m", "-s", "/bin/bash", "deploy")
    _chroot(root, "useradd", "-m", "-s", "/bin/bash", "nopass")
    _chroot(root, "useradd", "-m", "-s", "/bin/bash", "-G", "docker", "dock")


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def _chroot(root: Path, *command: str) -> None:
    _run("chroot", str(root), *command)


def _run(*command: str) -> None:
    """Run a command silently; raises RuntimeError with its last lines if it fails."""
    environment = {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "DEBIAN_FRONTEND": "noninteractive",
        "LC_ALL": "C.UTF-8",
        **{key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")},
    }
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        tail = "\n".join(done.stdout.splitlines()[-20:])
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{tail}")
