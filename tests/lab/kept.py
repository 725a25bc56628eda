"""Root file systems that are made once and kept as tar files, and what making one takes."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path


def keep(archive: Path, outdated: str, make: Callable[[Path], Path]) -> None:
    """Make a tar file of the folder that ``make`` makes in a work folder.

    What matches ``outdated`` beside it is removed.
    """
    work = archive.with_suffix(f".{os.getpid()}")
    work.mkdir(parents=True)
    try:
        root = make(work)
        part = work / "image.tar"
        run("tar", "-C", str(root), "--one-file-system", "-cf", str(part), ".")
        for old in archive.parent.glob(outdated):
            old.unlink()
        part.replace(archive)
    finally:
        # A tool that was interrupted may have left this machine's own /proc in there.
        unmount_below(work)
        shutil.rmtree(work, ignore_errors=True)


def unmount_below(folder: Path) -> None:
    """Unmount what is mounted below a folder, the deepest first."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    points = [line.split()[1].encode().decode("unicode_escape") for line in lines]
    below = [point for point in points if point.startswith(f"{folder}/")]
    for point in sorted(below, key=len, reverse=True):
        subprocess.run(["umount", "-l", point], capture_output=True, check=False)


def run(
    *command: str, environment: Mapping[str, str] | None = None, folder: Path | None = None
) -> str:
    """Run a command; returns what it said, or raises RuntimeError with its last lines.

    ``environment`` is added to ours, ``folder`` is where it runs instead of here.
    """
    whole = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C.UTF-8"}
    whole |= environment or {}
    # A machine's Python is made to start quickly, whatever is set here.
    whole.pop("PYTHONDONTWRITEBYTECODE", None)
    done = subprocess.run(
        command,
        env=whole,
        cwd=folder,
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
    return done.stdout
