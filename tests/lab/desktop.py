"""The lab's Windows desktop: Slipway's own suites under Windows Python, on a display of their own.

A Western and a Chinese Windows, both with a user whose name, and a checkout whose path, no code
page of the West can write.
"""

from __future__ import annotations

import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from queue import Queue

from tests.lab import desktop_image, windows_images
from tests.lab.machines import CACHE, Lab
from tests.lab.windows_machines import CHINESE, SOURCES, WESTERN

USER = "测试 用户"
CHECKOUT = r"C:\项目 one\slipway"
PATH = r"C:\Program Files\Go\bin;C:\linux"
# The suites, and how many of their tests do not run there: 53 have POSIX itself as their subject,
# five need a PowerShell. One more is a decision, not an accident.
SUITES = {"tests/unit": 58, "tests/ui": 0}
TIMEOUT = 600  # seconds for one test; starting a program costs several times as much there


@dataclass(frozen=True, slots=True)
class Desktop:
    """A kind of Windows desktop: a container's name, and the locale that gives its code page."""

    name: str
    locale: str
    title: str


DESKTOPS = {
    "western": Desktop("desktop-western", WESTERN, "Windows, code page 1252"),
    "chinese": Desktop("desktop-chinese", CHINESE, "Windows in Chinese, code page 936"),
}


def run_suites(lab: Lab, root: Path, arguments: list[str], desktops: list[Desktop]) -> int:
    """Run pytest on desktops, its summaries last; returns the worst exit code.

    Each suite has a desktop to itself, because the one window that has the focus is not the
    other's, and a core: a program on Wine and its server take turns, and lose more by going from
    core to core than the second one brings. ``arguments`` that are options go to each suite;
    others take the suites' place.
    """
    image = make_image(lab)
    parts = {"": arguments}
    if all(word.startswith("-") for word in arguments):
        parts = {
            suite: [f"--posix-only={count}", *arguments, suite] for suite, count in SUITES.items()
        }
    jobs = [
        (replace(desktop, name=f"{desktop.name}-{number}"), name, words)
        for desktop in desktops
        for number, (name, words) in enumerate(parts.items())
    ]
    cores: Queue[int] = Queue()
    for core in sorted(os.sched_getaffinity(0)):
        cores.put(core)

    def run(job: tuple[Desktop, str, list[str]]) -> int:
        core = cores.get()
        try:
            return run_job(lab, root, image, core, *job)
        finally:
            cores.put(core)

    with ThreadPoolExecutor(cores.qsize()) as pool:
        codes = list(pool.map(run, jobs))
    return max(codes)


def run_job(
    lab: Lab, root: Path, image: str, core: int, desktop: Desktop, name: str, words: list[str]
) -> int:
    """Run pytest on a desktop of its own, what it said shown at its end; returns its exit code."""
    with started(lab, desktop, image, core) as display:
        copy_checkout(lab, desktop, root)
        copy_tool(lab, desktop)
        lab.say(f"{desktop.title}, from {CHECKOUT}, as {USER}: {name or 'started'}")
        done = run_pytest(lab, desktop, display, words)
    lab.say(f"\n{desktop.title} {name}\n{done.stdout}")
    return done.returncode


def make_image(lab: Lab) -> str:
    """Have the desktop's image in the lab's engine; returns its name."""
    image = f"lab-desktop:{desktop_image.recipe()}"
    if lab.docker("images", "-q", image).strip():
        return image
    layer = desktop_image.cached_layer(CACHE, lab.say)
    context = lab.folder / "desktop"
    shutil.rmtree(context, ignore_errors=True)
    context.mkdir()
    try:
        (context / "layer.tar").hardlink_to(layer)
    except OSError:  # another file system
        shutil.copy(layer, context / "layer.tar")
    packages = f"/{windows_images.PREFIX}/drive_c/py/Lib/site-packages"
    (context / "Dockerfile").write_text(
        f"FROM {lab.windows.image()}\n"
        f"RUN rm -rf {packages} && ln -s /{windows_images.PREFIX} /wine && mkdir /lab\n"
        "ADD layer.tar /\n"
    )
    lab.docker("build", "-q", "-t", image, str(context))
    shutil.rmtree(context)
    return image


@contextmanager
def started(lab: Lab, desktop: Desktop, image: str, core: int | None = None) -> Iterator[str]:
    """Start a desktop anew, on one core if given, with a display; gives the display's name."""
    pinned = [] if core is None else [f"--cpuset-cpus={core}"]
    lab.docker("rm", "-f", desktop.name, check=False)
    with screen() as display:
        lab.docker(
            *("run", "-d", "--init", "--name", desktop.name, "--hostname", "desktop"),
            *("-v", "/tmp/.X11-unix:/tmp/.X11-unix", "-v", "/usr/share/fonts:/usr/share/fonts:ro"),
            *("-v", f"{module_cache()}:/modules:ro", *pinned, image, "sleep", "infinity"),
        )
        for script in ("desktop.sh", "wine.sh"):
            lab.docker("cp", str(SOURCES / script), f"{desktop.name}:/lab/{script}")
        lab.docker("exec", desktop.name, "sh", "/lab/desktop.sh", USER, desktop.locale)
        try:
            yield display
        finally:
            lab.docker("rm", "-f", desktop.name, check=False)


@contextmanager
def screen() -> Iterator[str]:
    """Start an X server without a screen; gives its display."""
    command = ["Xvfb", "-displayfd", "1", "-screen", "0", "1920x1200x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        assert server.stdout
        yield f":{server.stdout.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


def module_cache() -> str:
    """Return where Go keeps what it downloaded: the desktop has no way out to fetch it itself."""
    for file in (windows_images.ROOT / "tests" / "projects").glob("*/go.sum"):
        subprocess.run(["go", "mod", "download"], cwd=file.parent, check=True)
    said = subprocess.run(
        ["go", "env", "GOMODCACHE"], capture_output=True, text=True, check=True
    ).stdout
    return str(Path(said.strip()) / "cache" / "download")


def copy_checkout(lab: Lab, desktop: Desktop, root: Path) -> None:
    """Copy what git knows, or would add, from this checkout into the desktop."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=root,
        capture_output=True,
        check=True,
    ).stdout
    there = b"\0".join(
        name for name in listed.split(b"\0") if name and (root / name.decode()).exists()
    )
    archive = subprocess.run(
        ["tar", "--null", "-T", "-", "-c"], cwd=root, input=there, capture_output=True, check=True
    ).stdout
    folder = unix_path(CHECKOUT)
    lab.docker("exec", desktop.name, "mkdir", "-p", folder)
    lab.docker("exec", "-i", desktop.name, "tar", "-x", "-C", folder, data=archive)


def copy_tool(lab: Lab, desktop: Desktop) -> None:
    """Put slipway-host.exe where the packaged application has it: no test has to build it."""
    program = "from app.winhost import program, source_id; print(program('amd64'), source_id())"
    python = windows_images.ROOT / ".venv" / "bin" / "python"
    said = subprocess.run(
        [str(python), "-c", program], cwd=windows_images.ROOT, capture_output=True, check=True
    ).stdout
    built, _blank, identity = said.decode().strip().rpartition(" ")
    folder = f"{unix_path(CHECKOUT)}/resources/winhost/prebuilt"
    lab.docker("exec", desktop.name, "mkdir", "-p", folder)
    files = {".exe.gz": gzip.compress(Path(built).read_bytes()), ".id": identity.encode()}
    for suffix, content in files.items():
        write = ["sh", "-c", 'cat >"$0"', f"{folder}/slipway-host-amd64{suffix}"]
        lab.docker("exec", "-i", desktop.name, *write, data=content)


def run_pytest(
    lab: Lab, desktop: Desktop, display: str, arguments: list[str]
) -> subprocess.CompletedProcess[str]:
    """Run pytest on a desktop; returns how it ended and what it said."""
    environment = {
        "DISPLAY": display,
        "WINEPATH": PATH,
        "GOPROXY": "file:///Z:/modules",
        "GONOSUMDB": "*",
        "GOTOOLCHAIN": "local",
        "GOCACHE": f"C:\\{desktop_image.GO_CACHE}",
        "PYTHONUTF8": "0",
        "PYTHONIOENCODING": "utf-8",
    }
    command = [
        *("docker", "-H", f"unix://{lab.socket}", "exec", "-w", unix_path(CHECKOUT)),
        *(f"--env={name}={value}" for name, value in environment.items()),
        *(desktop.name, "sh", "/lab/wine.sh", r"C:\py\python.exe", "-m", "pytest", "-q"),
        *("-p", "no:cacheprovider", f"--timeout={TIMEOUT}"),
        *arguments,
    ]
    return subprocess.run(
        command, check=False, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
    )


def unix_path(path: str) -> str:
    """Return where a path on drive C: lies in the container."""
    return "/wine/drive_c/" + path.removeprefix("C:\\").replace("\\", "/")
