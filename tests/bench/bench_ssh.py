"""What SSH costs through Slipway: uploads against ``scp``, and a command on an open connection.

Run: ``python -m tests.bench.bench_ssh`` with the lab up. An upload, its login and its comparison of
hashes included, must reach 0.80 of scp's throughput (which logs in too, and compares nothing); a
command may cost 10 ms. The exit code says.
"""

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from app.credentials import Credentials, KnownHosts
from app.request import Target
from app.transport import Command
from app.transport.ssh import SshTransport
from tests.lab.hosts import LabHost, read_hosts

MEGABYTES = 200
ROUNDS = 7
COMMANDS = 200
ALLOWED_RATIO = 0.80
ALLOWED_MILLISECONDS = 10.0


def main() -> int:
    """Print the measurements for each system's root account; 1 if one is out of bounds."""
    good = True
    print(f"{'host':16}{'put MB/s':>10}{'scp MB/s':>10}{'ratio':>8}{'ms/command':>12}{'ssh ms':>8}")
    for host in read_hosts():
        if host.sudo == "root":
            good = measure(host) and good
    return 0 if good else 1


def measure(host: LabHost) -> bool:
    """Measure one host."""
    with tempfile.TemporaryDirectory() as folder:
        source, known = Path(folder) / "source", Path(folder) / "known_hosts"
        source.write_bytes(os.urandom(MEGABYTES * 1_000_000))
        keys = host.root("cat /etc/ssh/ssh_host_*_key.pub").stdout.splitlines()
        known.write_text("".join(f"[{host.address}]:{host.port} {key}\n" for key in keys))
        put, scp = uploads(host, source, known)
        transport = transport_to(host, known)
        command = commands(transport)
        transport.close()
        bare = bare_command(host, known)
    ratio = scp / put
    rates = f"{MEGABYTES / put:>10.0f}{MEGABYTES / scp:>10.0f}{ratio:>8.2f}"
    print(f"{host.name:16}{rates}{command:>12.1f}{bare:>8.0f}")
    return ratio >= ALLOWED_RATIO and command <= ALLOWED_MILLISECONDS


def transport_to(host: LabHost, known: Path) -> SshTransport:
    """Return an opened transport."""
    target = Target(host.address, port=host.port, user=host.user, key=host.key)
    transport = SshTransport(
        target, Credentials(), KnownHosts(known, others=()), config=known.parent / "none"
    )
    transport.open()
    return transport


def uploads(host: LabHost, source: Path, known: Path) -> tuple[float, float]:
    """Upload in turn, one way and the other; return the median seconds of both."""
    scp = [_program("scp"), "-q", "-P", str(host.port), *_options(host, known), str(source)]
    ours: list[float] = []
    theirs: list[float] = []
    for _round in range(ROUNDS):
        start = time.perf_counter()
        transport = transport_to(host, known)
        transport.put(source, "/var/tmp/slipway-bench-put")
        ours.append(time.perf_counter() - start)
        transport.close()
        start = time.perf_counter()
        subprocess.run([*scp, f"{host.user}@{host.address}:/var/tmp/slipway-bench-scp"], check=True)
        theirs.append(time.perf_counter() - start)
    host.root("rm /var/tmp/slipway-bench-put /var/tmp/slipway-bench-scp")
    return statistics.median(ours), statistics.median(theirs)


def commands(transport: SshTransport) -> float:
    """Return what a command costs on an open connection, in milliseconds."""
    transport.run(Command(("true",)))
    start = time.perf_counter()
    for _round in range(COMMANDS):
        transport.run(Command(("true",)))
    return (time.perf_counter() - start) / COMMANDS * 1000


def bare_command(host: LabHost, known: Path) -> float:
    """Return what ``ssh host true`` costs, in milliseconds: each time with a login."""
    ssh = [_program("ssh"), "-p", str(host.port), *_options(host, known)]
    start = time.perf_counter()
    for _round in range(ROUNDS):
        subprocess.run([*ssh, f"{host.user}@{host.address}", "true"], check=True)
    return (time.perf_counter() - start) / ROUNDS * 1000


def _options(host: LabHost, known: Path) -> list[str]:
    return ["-F", "none", "-i", host.key, "-o", f"UserKnownHostsFile={known}"]


def _program(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        raise SystemExit(f"{name} is missing: install openssh-client")
    return path


if __name__ == "__main__":
    sys.exit(main())
