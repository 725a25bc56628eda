"""What an image costs: Slipway's archive against ``docker save | gzip`` of the same image.

Run with the lab up: ``python -m tests.bench.bench_image``. Less than 1.00 means Slipway is better.
"""

import secrets
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from app.artifact import Artifact
from app.build import host_platform
from app.image import LABEL_NAME, Image, make_image, write_archive
from app.toolchain import Toolchain, find_toolchain
from tests.lab.hosts import LabEngine, read_engine

SERVER = """\
package main

import "net/http"

func main() { panic(http.ListenAndServe(":8080", nil)) }
"""
ROUNDS = 3


def main() -> int:
    """Print bytes and seconds of both ways and their ratio, for a small and a large program."""
    engine = read_engine()
    print(f"{'program and case':44}{'Slipway':>18}{'save | gzip':>18}{'bytes':>8}{'time':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for title, package in (("net/http server", "."), ("the Go compiler", "cmd/compile")):
            measure(engine, Path(folder), title, package)
    return 0


def measure(engine: LabEngine, folder: Path, title: str, package: str) -> None:
    """Send a program's first and second version and a new description, both ways."""
    name = f"bench-{secrets.token_hex(4)}"
    toolchain = find_toolchain()
    first, second = (_build(toolchain, folder, package, version) for version in ("v1", "v2"))
    megabytes = first.size / 1e6
    known: frozenset[str] = frozenset()
    try:
        for case, artifact in (("first time", first), ("next version", second)):
            image = make_image(artifact, name, toolchain.zoneinfo)
            known = _compare(engine, folder, f"{title} {megabytes:.1f} MB, {case}", image, known)
        # Only the description changes when the program stays the same.
        image = make_image(replace(second, version="v2-renamed"), name, toolchain.zoneinfo)
        _compare(engine, folder, f"{title} {megabytes:.1f} MB, same program", image, known)
    finally:
        images = engine.docker("images", "-aq", "--filter", f"label={LABEL_NAME}={name}").split()
        engine.docker("rmi", "-f", *dict.fromkeys(images))


def _compare(
    engine: LabEngine, folder: Path, case: str, image: Image, known: frozenset[str]
) -> frozenset[str]:
    """Print one line; return the layers that the engine has afterwards."""
    archive, saved = folder / "ours.tar.gz", folder / "theirs.tar.gz"
    ours = _seconds(lambda: write_archive(image, archive, omit=known))
    engine.docker("load", input=archive.read_bytes())
    theirs = _seconds(lambda: _save(engine, image.tag, saved))
    sizes = archive.stat().st_size, saved.stat().st_size
    print(
        f"{case:44}"
        f"{sizes[0] / 1e3:9.1f} kB {ours:4.2f} s"
        f"{sizes[1] / 1e3:9.1f} kB {theirs:4.2f} s"
        f"{sizes[0] / sizes[1]:8.3f}{ours / theirs:7.2f}"
    )
    return known | {layer.digest for layer in image.layers}


def _save(engine: LabEngine, tag: str, dest: Path) -> None:
    with dest.open("wb") as file:
        docker = ["docker", "-H", f"unix://{engine.socket}", "save", tag]
        with subprocess.Popen(docker, stdout=subprocess.PIPE) as save:
            subprocess.run(["gzip", "-6"], stdin=save.stdout, stdout=file, check=True)
        if save.returncode:
            raise RuntimeError(f"docker save ended with {save.returncode}")


def _seconds(work: Callable[[], object]) -> float:
    """Return the best of some rounds: the machine is shared, and noise only adds."""
    times = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)


def _build(toolchain: Toolchain, folder: Path, package: str, version: str) -> Artifact:
    (folder / "main.go").write_text(SERVER)
    (folder / "go.mod").write_text("module example.com/server\n\ngo 1.22\n")
    path = folder / version / "program"
    flags = f"-s -w -buildid={version}"
    subprocess.run(
        [toolchain.go, "build", "-trimpath", "-ldflags", flags, "-o", path, package],
        cwd=folder,
        env=toolchain.environment({"CGO_ENABLED": "0", "GOOS": "linux", "GOFLAGS": ""}),
        check=True,
    )
    return Artifact(
        path=path,
        binary="program",
        platform=host_platform(),
        sha256="",
        size=path.stat().st_size,
        static=True,
        go_version="",
        module="example.com/server",
        package=package,
        version=version,
        commit="",
        commit_time=0,
        dirty=False,
        options={},
    )


if __name__ == "__main__":
    sys.exit(main())
