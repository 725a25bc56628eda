"""What WinRM costs through Slipway: bytes on the wire and round trips of an upload.

Run: ``python -m tests.bench.bench_winrm`` with the lab up. The server counts them: an upload of a
stripped Go binary (the Go compiler's, for Windows) may cost 0.60 bytes on the wire for each of its
own and 1.3 round trips for each MiB, the start of the receiver and its end included. The exit code
says.

The others need PowerShell at the other end, which the lab has not: their figures are computed, from
pypsrp's own sizes and from the piece of 250,000 bytes that Ansible's put_file sends.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from pypsrp.wsman import WSMan

from app.credentials import Credentials, KnownHosts
from app.request import Target
from app.transport import TOOL, Command, Secret
from app.transport.winrm import WinRmTransport
from app.winhost import WindowsTool
from tests.lab.windows_host import WindowsHost, read_windows_hosts

DEST = r"C:\slipway-bench.exe"
ALLOWED_BYTES, ALLOWED_TRIPS = 0.60, 1.3
# SOAP envelope, MIME parts and signature of a sealed Send, measured; without HTTP's own header.
ENVELOPE_BYTES = 2003
ANSIBLE_PIECE = 250_000
PSRP_ENVELOPE = 512_000
COMMANDS = 20


def main() -> int:
    """Print the measurements over http and https; 1 if one is out of bounds."""
    good = True
    with tempfile.TemporaryDirectory() as folder:
        payload = build(Path(folder))
        size = payload.stat().st_size
        print(f"payload: {size / 2**20:.1f} MiB")
        print(f"{'':34}{'wire B/B':>10}{'trips/MiB':>11}{'MB/s':>8}")
        for host in read_windows_hosts():
            if host.transport == "winrm":
                good = measure(host, payload, Path(folder) / host.name) and good
        tell("pypsrp Client.copy (computed)", *psrp(size))
        tell("Ansible put_file (computed)", *ansible(size))
    return 0 if good else 1


def build(folder: Path) -> Path:
    """Build a stripped Go binary of some size, as nothing but Go's own sources give one."""
    program = folder / "compile.exe"
    env = {**os.environ, "GOOS": "windows", "GOARCH": "amd64", "CGO_ENABLED": "0"}
    words = ["go", "build", "-trimpath", "-ldflags", "-s -w", "-o", program, "cmd/compile"]
    subprocess.run(words, env=env, check=True)
    return program


def measure(host: WindowsHost, payload: Path, folder: Path) -> bool:
    """Measure one upload, and a command on an open connection."""
    transport = open_transport(host, folder)
    ask(host, "/reset")
    start = time.perf_counter()
    transport.put(payload, DEST)
    seconds = time.perf_counter() - start
    counted = ask(host, "/counters")
    size = payload.stat().st_size
    wire = (counted["bytes_in"] + counted["bytes_out"]) / size
    trips = counted["requests"] / (size / 2**20)
    tell(f"Slipway, {host.scheme}", wire, trips, size / seconds / 1e6)
    start = time.perf_counter()
    for _round in range(COMMANDS):
        transport.run(Command((TOOL, "version")))
    print(f"{'  a command':34}{(time.perf_counter() - start) / COMMANDS * 1000:>10.0f} ms")
    transport.run(Command(("cmd", "/c", "del", DEST)))
    transport.close()
    return wire <= ALLOWED_BYTES and trips <= ALLOWED_TRIPS


def open_transport(host: WindowsHost, folder: Path) -> WinRmTransport:
    """Return an opened transport, both of its connections logged in."""
    folder.mkdir()
    target = Target(
        host.address,
        transport="winrm",
        port=host.port,
        user=host.user,
        scheme="http" if host.scheme == "http" else "https",
        ca=host.ca if host.scheme == "https" else "",
    )
    known = KnownHosts(folder / "known_hosts", others=())
    credentials = Credentials(password=Secret(host.password))
    transport = WinRmTransport(target, credentials, known, WindowsTool())
    transport.open()
    (folder / "small").write_bytes(os.urandom(40_000))
    transport.put(folder / "small", DEST)
    return transport


def psrp(size: int) -> tuple[float, float]:
    """Return bytes and trips of PSRP: base64 in the message, base64 around the fragment."""
    wsman = WSMan("localhost", username="x", password="x", auth="ntlm", encryption="always")
    wsman.update_max_payload_size(PSRP_ENVELOPE)
    piece = int((wsman.max_payload_size - 82) / 4 * 3)
    return computed(size, piece)


def ansible(size: int) -> tuple[float, float]:
    """Return bytes and trips of Ansible: a line of base64 in each Send, itself base64."""
    return computed(size, ANSIBLE_PIECE)


def computed(size: int, piece: int) -> tuple[float, float]:
    """Return bytes for each byte and trips for each MiB of pieces that are packed twice."""
    trips = -(-size // piece)
    wire = size * 16 / 9 + trips * ENVELOPE_BYTES
    return wire / size, trips / (size / 2**20)


def ask(host: WindowsHost, path: str) -> dict[str, int]:
    """Ask the server's control port."""
    data = b"{}" if path == "/reset" else None
    with urllib.request.urlopen(f"http://{host.ip}:{host.control}{path}", data) as answer:
        return dict(json.load(answer))


def tell(name: str, wire: float, trips: float, rate: float = 0.0) -> None:
    """Print a line of the table."""
    print(f"{name:34}{wire:>10.2f}{trips:>11.2f}" + (f"{rate:>8.1f}" if rate else ""))


if __name__ == "__main__":
    sys.exit(main())
