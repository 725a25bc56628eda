"""The packaged application: start to the window on the screen against a start from source.

``python -m tests.bench.bench_package``; needs ``python3 dev.py package``, and Xvfb.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import dev
from tests.package.screen import Screen

STARTS = 7
PATIENCE = 60.0
SIDE_BAR = (100, 600), (18, 40, 61)  # a place in the window, and its colour
BUILT = dev.ROOT / "dist" / "slipway"
WAYS = {
    "from source": [sys.executable, "-m", "ui"],
    "packaged": [str(BUILT / "slipway")],
}


def main() -> int:
    """Measure and print; returns 1 if there is nothing to measure."""
    if not dev.is_packaged():
        print("dist/slipway is not made from these sources: run python3 dev.py package")
        return 1
    taken: dict[str, list[float]] = {name: [] for name in WAYS}
    # in turn, and the first of each is not counted: it fills the system's cache
    for number in range(STARTS + 1):
        for name, command in WAYS.items():
            seconds = start(command)
            if number:
                taken[name].append(seconds)
    medians = {name: statistics.median(times) for name, times in taken.items()}
    print("start to the window on the screen, median of", STARTS)
    for name, seconds in medians.items():
        print(f"  {name:<12}{seconds * 1000:6.0f} ms")
    print(f"  ratio       {medians['packaged'] / medians['from source']:6.2f}")
    for dist in (dev.DIST, dev.WINDOWS_DIST):
        if dev.is_packaged(dist):
            show_sizes(dist)
    return 0


def show_sizes(dist: Path) -> None:
    """Print what a package is made of, and how large what is given away is."""
    print(f"what {dist.relative_to(dev.ROOT)} is made of, MB (1,000,000 bytes)")
    found = sizes(dist / "slipway")
    for name, size in found.most_common():
        print(f"  {name:<36}{size / 1e6:6.1f}")
    print(f"  {'all':<36}{sum(found.values()) / 1e6:6.1f}")
    for given in sorted(dist.glob("slipway-*")):
        if not given.name.endswith(".sha256"):
            print(f"  {given.name:<44}{given.stat().st_size / 1e6:6.1f}")


def start(command: list[str]) -> float:
    """Start a window on a screen of its own; return the seconds until it is there."""
    with Screen() as screen, tempfile.TemporaryDirectory() as home:
        names = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
        environment = os.environ | dict.fromkeys(names, home) | {"DISPLAY": screen.display}
        environment |= {"QT_QPA_PLATFORM": "xcb", "LANGUAGE": "en"}
        began = time.perf_counter()
        process = subprocess.Popen(command, cwd=dev.ROOT, env=environment)
        place, colour = SIDE_BAR
        while screen.pixel(*place) != colour:
            if time.perf_counter() - began > PATIENCE:
                raise TimeoutError(f"{command[0]} shows no window")
            time.sleep(0.005)
        seconds = time.perf_counter() - began
        process.terminate()
        process.wait()
    return seconds


def sizes(built: Path) -> Counter[str]:
    """Return how many bytes of a package are for what."""
    found: Counter[str] = Counter()
    for path in built.rglob("*"):
        if path.is_file() and not path.is_symlink():
            found[part(path.relative_to(built))] += path.stat().st_size
    return found


def part(path: Path) -> str:
    """Return what a file of the package is for."""
    name, folders = path.name, path.parts
    qt_folders = {"Qt", "plugins", "translations"}
    for what, belongs in (
        ("slipway-host.exe for two processors", "prebuilt" in folders),
        ("ICU, on which Qt depends", name.startswith("libicu")),
        ("libraries of the system", name.upper().startswith(("MSVCP140", "VCRUNTIME140"))),
        ("Qt", "PySide6" in folders and (name.startswith("Qt6") or qt_folders & {*folders})),
        ("PySide6, Python's way to Qt", "PySide6" in folders or "shiboken6" in folders),
        ("cryptography, for SSH and keyrings", "cryptography" in folders),
        ("OpenSSL, for https", name.startswith(("libcrypto", "libssl"))),
        ("Python", name.startswith(("libpython", "base_library")) or "lib-dynload" in folders),
        ("Python", len(folders) == 2 and name.startswith("python3")),
        ("Python", len(folders) == 2 and name.endswith(".pyd")),
        ("Slipway and libraries in Python", len(folders) == 1),
        ("libraries of the system", len(folders) == 2 and ".so" in name),
        ("licences", "licences" in folders),
        ("resources", "resources" in folders),
    ):
        if belongs:
            return what
    return "other"


if __name__ == "__main__":
    sys.exit(main())
