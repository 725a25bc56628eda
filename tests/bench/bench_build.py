"""What a build by Slipway costs: against a bare ``go build`` of the same program.

Run: ``python -m tests.bench.bench_build``. 1.10 is the most that is allowed; the exit code says.
"""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from app.build import build, host_platform, link_flags
from app.project import GoProject, open_project
from app.request import BuildOptions
from app.toolchain import Toolchain, find_toolchain

PROJECTS = Path(__file__).parent.parent / "projects"
ROUNDS = 15
ALLOWED = 1.10


def main() -> int:
    """Print seconds of both ways and their ratio for each sample; 1 if one is above ALLOWED."""
    toolchain = find_toolchain()
    print(f"{'program and case':40}{'Slipway':>10}{'go build':>10}{'ratio':>8}")
    ratios: list[float] = []
    with tempfile.TemporaryDirectory() as folder:
        for name in ("good", "modules"):
            project = open_project(PROJECTS / name, toolchain)
            platforms = dict.fromkeys((host_platform(), "windows/amd64"))
            ratios += [compare(project, at, toolchain, Path(folder)) for at in platforms]
    return int(max(ratios) > ALLOWED)


def compare(project: GoProject, platform: str, toolchain: Toolchain, folder: Path) -> float:
    """Link new versions in turn, one way and the other, and return the ratio of the best times."""

    def slipway(version: str) -> None:
        options = BuildOptions(version=version, stamp="main.version")
        build(project, options, "", platform, toolchain, folder / "slipway")

    def bare(version: str) -> None:
        system, machine = platform.split("/")
        flags = link_flags(BuildOptions(stamp="main.version"), version)
        argv = [toolchain.go, "build", "-trimpath", "-buildvcs=false", f"-ldflags={flags}"]
        subprocess.run(
            [*argv, "-o", folder / "bare", "."],
            cwd=project.path,
            env=toolchain.environment({"GOOS": system, "GOARCH": machine, "CGO_ENABLED": "0"}),
            check=True,
        )

    times: dict[Callable[[str], None], list[float]] = {slipway: [], bare: []}
    for way in times:
        way("warm-up")
    for turn in range(ROUNDS):
        for way, taken in times.items():
            start = time.perf_counter()
            way(f"v{turn}-{way.__name__}")
            taken.append(time.perf_counter() - start)
    # What else the machine does only ever makes a build slower: the best time is the true one.
    ours, theirs = (min(taken) for taken in times.values())
    title = f"{project.mains[0].name}, {platform}, new version"
    print(f"{title:40}{ours:9.3f}s{theirs:9.3f}s{ours / theirs:8.2f}")
    return ours / theirs


if __name__ == "__main__":
    sys.exit(main())
