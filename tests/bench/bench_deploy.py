"""What a deployment costs: Slipway against docker by hand, pyinfra and Ansible.

Run with the lab up: ``python -m tests.bench.bench_deploy [HOST]``; HOST is one of its hosts where
root logs in. Each way brings the same program into service three times: for the first time, in its
next version, and with another environment only. From a cold start of its command until it is done:
seconds, bytes through SSH, and how long HTTP was refused.

pyinfra and Ansible are installed from PyPI into ``.cache``; Ansible's Python, which the hosts lack,
is fetched by debootstrap and lent to the host. The program itself is built beforehand.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pickle
import shlex
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Self

from app.artifact import Artifact
from app.build import build, host_platform
from app.credentials import Credentials, KnownHosts
from app.events import Event, Outcome, RunEnded
from app.host import connect, probe
from app.image import make_image
from app.plan import make_plan, readiness
from app.project import open_project
from app.request import (
    BuildOptions,
    DeployOptions,
    DeployRequest,
    DockerOptions,
    HealthOptions,
    Target,
)
from app.runner import Runner
from app.toolchain import find_toolchain
from app.transport import CancelToken
from tests.lab.hosts import LAB, LabEngine, LabHost, read_engine, read_hosts

ROOT = Path(__file__).resolve().parent.parent.parent
CACHE = ROOT / ".cache" / "bench-deploy"
RIVALS = ("ansible-core==2.19.14", "pyinfra==3.10.0")
HOST = "bookworm-root"
FIRST_PORT = 28080
ROUNDS = 5
POLL_SECONDS = 0.02
LOOK_SECONDS = 0.5
LONGEST_SECONDS = 180
CASES = ("first deployment", "next version", "environment only")
PYTHON = "/opt/bench-python/python"
PYTHON_PACKAGES = ("python3*", "libpython3*", "libexpat1*", "libffi8*", "libssl3*", "zlib1g*")

DOCKERFILE = """\
FROM scratch
COPY good /app/good
WORKDIR /app
USER 65532:65532
ENTRYPOINT ["/app/good"]
"""
PYINFRA = """\
from pyinfra import host
from pyinfra.operations import files, server

archive = files.put(name="Copy", src=host.data.archive, dest=host.data.remote)
server.shell(name="Load", commands=["docker load -i " + host.data.remote], _if=archive.did_change)
server.shell(name="Replace, wait", commands=[host.data.replace + " && " + host.data.wait])
"""
PLAYBOOK = """\
- hosts: all
  gather_facts: false
  tasks:
    - name: Copy
      ansible.builtin.copy: {src: "{{ archive }}", dest: "{{ remote }}"}
      register: copied
    - name: Load
      ansible.builtin.command: docker load -i {{ remote }}
      when: copied.changed
    - name: Replace
      ansible.builtin.shell: "{{ replace }}"
    - name: Wait
      ansible.builtin.uri: {url: "{{ health }}"}
      register: answer
      until: answer.status == 200
      retries: 100
      delay: 0.1
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """What all measurements of a run share; ``known`` is a known_hosts file for ``wire``."""

    host: LabHost
    engine: LabEngine
    folder: Path
    wire: Wire
    known: Path
    builds: dict[str, Artifact]

    def ssh(self) -> list[str]:
        """Return the OpenSSH client's command line to the host, through the wire."""
        options = (f"UserKnownHostsFile={self.known}", "IdentitiesOnly=yes", "BatchMode=yes")
        flags = [word for option in options for word in ("-o", option)]
        login = ["-i", self.host.key, "-p", str(self.wire.port), "root@127.0.0.1"]
        return ["ssh", "-F", "none", *flags, *login]


@dataclass(frozen=True, slots=True)
class Job:
    """One deployment by one way. ``send`` is off where only the environment has changed."""

    stage: Stage
    service: str
    port: int
    folder: Path
    artifact: Artifact
    greeting: str
    send: bool

    @property
    def tag(self) -> str:
        """The image's tag where docker builds it."""
        return f"{self.service}:{self.artifact.version}"

    @property
    def remote(self) -> str:
        """Where the archive lies on the host."""
        return f"/var/tmp/{self.service}.tar.gz"

    @property
    def health(self) -> str:
        """What a health check asks, as seen from the host."""
        return f"http://127.0.0.1:{self.port}/health"

    @property
    def replace(self) -> str:
        """The shell command that puts the new container in the old one's place.

        The container is as Slipway makes it.
        """
        options = (
            *("--name", self.service, "--restart", "unless-stopped", "--read-only"),
            *("--cap-drop", "ALL", "--log-opt", "max-size=10m", "--log-opt", "max-file=3"),
            *("-p", f"{self.port}:8080", "-e", f"GREETING={self.greeting}"),
        )
        old = f"docker stop {self.service} && docker rm {self.service}"
        return f"({old} || true) 2>&1 && {shlex.join(('docker', 'run', '-d', *options, self.tag))}"

    @property
    def wait(self) -> str:
        """The shell command that waits, at most a minute, until the service answers."""
        knock = f"curl -fsS -o /dev/null {self.health} && exit 0; sleep 0.1"
        return f"(for i in $(seq 600); do {knock}; done; exit 1)"


@dataclass(frozen=True, slots=True)
class Way:
    """A way to deploy, and what it leaves out."""

    title: str
    run: Callable[[Job], None]
    lacks: str


@dataclass(frozen=True, slots=True)
class Cost:
    """One deployment's cost: seconds and bytes. ``served``: when the new one first answered."""

    seconds: float
    served: float
    refused: float
    sent: int
    received: int


def main() -> int:
    """Measure every way on one host and print a table for each case."""
    if sys.argv[1:2] == ["--engine"]:
        return deploy(Path(sys.argv[2]))
    host = find_host(sys.argv[1] if len(sys.argv) > 1 else HOST)
    install_rivals()
    costs: dict[tuple[str, str], list[Cost]] = {}
    with stage_on(host) as stage:
        for turn in range(ROUNDS):
            for number, name in enumerate(WAYS):
                measured = measure(stage, name, FIRST_PORT + number, turn)
                for case, cost in zip(CASES, measured, strict=True):
                    costs.setdefault((case, name), []).append(cost)
    print_tables(host, costs)
    return 0


def find_host(name: str) -> LabHost:
    """Return a host of the lab by name; ends the program if there is no lab."""
    if not (LAB / "hosts.json").is_file():
        raise SystemExit("This needs the lab (Linux, root): python3 dev.py lab up")
    hosts = {host.name: host for host in read_hosts() if host.sudo == "root"}
    if name not in hosts:
        raise SystemExit(f"There is no host {name} where root logs in; there are {list(hosts)}.")
    return hosts[name]


def print_tables(host: LabHost, costs: dict[tuple[str, str], list[Cost]]) -> None:
    """Print the medians of all rounds."""
    load = os.getloadavg()[1]
    print(f"{host.name}, medians of {ROUNDS} rounds; load of the last 5 minutes {load:.1f}")
    for case in CASES:
        print(f"\n{case:24}{'s':>8}{'ratio':>8}{'serves':>8}{'refused':>9}{'sent':>12}{'back':>10}")
        base = median(costs[case, next(iter(WAYS))], "seconds")
        for name, way in WAYS.items():
            print_row(case, way.title, costs[case, name], base)
    print("\nWhat each leaves out:")
    for way in WAYS.values():
        print(f"{way.title:24}{way.lacks}")


def print_row(case: str, title: str, costs: list[Cost], base: float) -> None:
    """Print one way's medians; ``base`` is what the first way took."""
    seconds = median(costs, "seconds")
    refused = "–" if case == CASES[0] else f"{median(costs, 'refused'):.2f}"
    sent, received = median(costs, "sent") / 1e3, median(costs, "received") / 1e3
    print(
        f"{title:24}{seconds:8.2f}{seconds / base:8.2f}{median(costs, 'served'):8.2f}{refused:>9}"
        f"{sent:9.1f} kB{received:7.1f} kB"
    )


def median(costs: list[Cost], what: str) -> float:
    """Return the median of one of the costs."""
    return float(statistics.median(getattr(cost, what) for cost in costs))


# What is measured


def measure(stage: Stage, name: str, port: int, turn: int) -> list[Cost]:
    """Deploy three times one way on a host that has nothing of the service; leave nothing."""
    service = f"bench-{name}"
    folder = stage.folder / f"{name}-{turn}"
    folder.mkdir()
    first = Job(stage, service, port, folder, stage.builds[f"v1-{name}"], "hello", send=True)
    second = replace(first, artifact=stage.builds[f"v2-{name}"])
    third = replace(second, greeting="good evening", send=False)
    own_zone_file(folder)
    clean(stage, service)
    try:
        return [one(name, job) for job in (first, second, third)]
    finally:
        clean(stage, service)


def own_zone_file(folder: Path) -> None:
    """Copy Go's time zones with a comment of their own.

    So no image on the host has this service's base layer, and the first deployment sends it.
    """
    copy = Path(shutil.copy(find_toolchain().zoneinfo, folder / "zoneinfo.zip"))
    with zipfile.ZipFile(copy, "a") as archive:
        archive.comment = os.urandom(16).hex().encode()


def one(name: str, job: Job) -> Cost:
    """Deploy once, watched; raises RuntimeError if the new version does not answer afterwards."""
    wire = job.stage.wire
    want = (job.artifact.version, job.greeting)
    sent, received = wire.sent, wire.received
    with Watch(job.stage.host.ip, job.port) as watch:
        start = time.perf_counter()
        WAYS[name].run(job)
        seconds = time.perf_counter() - start
        watch.wait_for(want)
    served = watch.first(want) - start
    return Cost(seconds, served, watch.refused(), wire.sent - sent, wire.received - received)


def clean(stage: Stage, service: str) -> None:
    """Remove all that a way leaves behind, on the host and in the desktop's engine."""
    stage.host.root(
        f"docker ps -aq --filter name='^/{service}' | xargs -r docker rm -fv;"
        f"docker images -q '{service}' | sort -u | xargs -r docker rmi -f;"
        f"docker images -q 'slipway/{service}' | sort -u | xargs -r docker rmi -f;"
        f"rm -rf /opt/{service} /var/tmp/{service}.tar.gz"
    )
    images = stage.engine.docker("images", "-q", service).split()
    if images:
        stage.engine.docker("rmi", "-f", *dict.fromkeys(images))


# The ways


def slipway(job: Job, *, rehearse: bool = False) -> None:
    """Deploy by Slipway's engine, in a process of its own as the others."""
    target = Target("127.0.0.1", "ssh", job.stage.wire.port, "root", job.stage.host.key)
    docker = DockerOptions(rehearse=rehearse, ports=(f"{job.port}:8080",))
    request = DeployRequest(
        name=job.service,
        deploy=DeployOptions(
            env={"GREETING": job.greeting},
            health=HealthOptions(http=job.health, stable=0),
            docker=docker,
        ),
        targets=(target,),
    )
    order = job.folder / "order"
    zones = job.folder / "zoneinfo.zip"
    order.write_bytes(pickle.dumps((request, job.artifact, zones, job.stage.known)))
    run([sys.executable, "-m", "tests.bench.bench_deploy", "--engine", order], job.folder)


def rehearsed(job: Job) -> None:
    """Deploy by Slipway's engine, starting the new version beside the old one first."""
    slipway(job, rehearse=True)


def deploy(order: Path) -> int:
    """Be Slipway: make the image, look at the server, plan, run; 0 if it succeeded."""
    request, artifact, zones, known = pickle.loads(order.read_bytes())
    target = request.targets[0]
    transport = connect(target, Credentials(), KnownHosts(known, others=()))
    try:
        image = make_image(artifact, request.name, zones)
        facts = probe(transport, request, target)
        problems = [problem.text for problem in readiness(request, facts) if problem.blocking]
        if problems:
            raise SystemExit("\n".join(problems))
        plan = make_plan(request, image, facts)
        return int(Runner(plan, transport, say_error).run(CancelToken()) is not Outcome.SUCCEEDED)
    finally:
        transport.close()


def say_error(event: Event) -> None:
    """Print what a run ended with, if that was an error."""
    if isinstance(event, RunEnded) and event.error:
        print(event.error, file=sys.stderr)


def plain(job: Job) -> None:
    """Deploy by docker and ssh alone."""
    commands = job.replace + " && " + job.wait
    ssh = shlex.join(job.stage.ssh())
    if job.send:
        docker_build(job)
        commands = f"docker load && {commands}"
        save = f"docker -H unix://{job.stage.engine.socket} save {job.tag} | gzip |"
        run(["bash", "-o", "pipefail", "-c", f"{save} {ssh} {shlex.quote(commands)}"], job.folder)
    else:
        run([*job.stage.ssh(), commands], job.folder)


def docker_build(job: Job) -> None:
    """Build the image as one does who has docker on the desktop."""
    context = job.folder / "context"
    context.mkdir(exist_ok=True)
    (context / "Dockerfile").write_text(DOCKERFILE)
    shutil.copy(job.artifact.path, context / "good")
    engine = ("docker", "-H", f"unix://{job.stage.engine.socket}")
    run((*engine, "build", "-q", "--no-cache", "-t", job.tag, context), job.folder)


def saved(job: Job) -> Path:
    """Return the image's archive, made anew if something is to be sent."""
    archive = job.folder / "image.tar.gz"
    if job.send:
        docker_build(job)
        save = f"docker -H unix://{job.stage.engine.socket} save {job.tag} | gzip > {archive}"
        run(["bash", "-o", "pipefail", "-c", save], job.folder)
    return archive


def pyinfra(job: Job) -> None:
    """Deploy by pyinfra."""
    data = {
        "ssh_port": job.stage.wire.port,
        "ssh_user": "root",
        "ssh_key": job.stage.host.key,
        "ssh_known_hosts_file": str(job.stage.known),
        "ssh_strict_host_key_checking": "yes",
        "archive": str(saved(job)),
        "remote": job.remote,
        "replace": job.replace,
        "wait": job.wait,
    }
    (job.folder / "inventory.py").write_text(f"hosts = [('127.0.0.1', {data!r})]\n")
    (job.folder / "service.py").write_text(PYINFRA)
    run([CACHE / "bin" / "pyinfra", "-y", "inventory.py", "service.py"], job.folder)


def ansible(job: Job) -> None:
    """Deploy by Ansible as fast as it can: no facts, pipelining, one login."""
    inventory = {
        "ansible_host": "127.0.0.1",
        "ansible_port": job.stage.wire.port,
        "ansible_user": "root",
        "ansible_ssh_private_key_file": job.stage.host.key,
        "ansible_ssh_common_args": f"-F none -o UserKnownHostsFile={job.stage.known}",
        "ansible_python_interpreter": PYTHON,
        "archive": str(saved(job)),
        "remote": job.remote,
        "replace": job.replace,
        "health": job.health,
    }
    hosts = {"all": {"hosts": {"server": inventory}}}
    (job.folder / "inventory.json").write_text(json.dumps(hosts))
    (job.folder / "service.yml").write_text(PLAYBOOK)
    with tempfile.TemporaryDirectory(prefix="ssh-") as control:
        run(
            [CACHE / "bin" / "ansible-playbook", "-i", "inventory.json", "service.yml"],
            job.folder,
            ANSIBLE_PIPELINING="True",
            ANSIBLE_SSH_CONTROL_PATH_DIR=control,
            ANSIBLE_SSH_ARGS="-C -o ControlMaster=auto -o ControlPersist=5s",
        )


WAYS = {
    "slipway": Way("Slipway", slipway, "the rehearsal"),
    "rehearsed": Way("Slipway, rehearsed", rehearsed, "nothing; its rehearsal watches for 1 s"),
    "plain": Way(
        "docker save | ssh", plain, "rehearsal, lock, journal, record, rollback: the old container"
        " is gone before the new one is proven; CA certificates and time zones in the image"
    ),
    "pyinfra": Way("pyinfra", pyinfra, "the same"),
    "ansible": Way("Ansible", ansible, "the same, and it needs Python on the server"),
}  # fmt: skip


def run(command: Sequence[str | Path], folder: Path, **environment: str) -> None:
    """Run one way's command with an empty home; raises RuntimeError with its output if it fails."""
    home = folder / "home"
    home.mkdir(exist_ok=True)
    names = ("HOME", "XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME")
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env={
            **os.environ,
            **dict.fromkeys(names, str(home)),
            "PYTHONPATH": str(ROOT),
            "LC_ALL": "C.UTF-8",
            **environment,
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LONGEST_SECONDS,
        check=False,
    )
    if done.returncode:
        said = done.stdout.decode(errors="replace")
        raise RuntimeError(f"{command[0]} ended with {done.returncode}:\n{said}")


# The stage


@contextlib.contextmanager
def stage_on(host: LabHost) -> Iterator[Stage]:
    """Build the programs, open the wire, lend the host a Python; take all of it away afterwards."""
    with tempfile.TemporaryDirectory(prefix="bench-deploy-") as name, Wire(host) as wire:
        folder = Path(name)
        known = folder / "known_hosts"
        keys = host.root("cat /etc/ssh/ssh_host_*_key.pub").stdout.splitlines()
        known.write_text("".join(f"[127.0.0.1]:{wire.port} {key}\n" for key in keys))
        lend_python(host)
        try:
            yield Stage(host, read_engine(), folder, wire, known, build_all(folder))
        finally:
            host.root(f"rm -rf {Path(PYTHON).parent}")


def build_all(folder: Path) -> dict[str, Artifact]:
    """Build two versions for each way: no way finds another's layers on the host."""
    toolchain = find_toolchain()
    project = open_project(ROOT / "tests" / "projects" / "good", toolchain)
    return {
        version: build(
            project,
            BuildOptions(version=version, stamp="main.version"),
            "",
            host_platform(),
            toolchain,
            folder / version,
        )
        for name in WAYS
        for version in (f"v1-{name}", f"v2-{name}")
    }


def install_rivals() -> None:
    """Install pyinfra and Ansible into an environment of their own, once."""
    stamp = CACHE / "installed"
    wanted = "\n".join(RIVALS)
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"installing {', '.join(RIVALS)} into {CACHE.relative_to(ROOT)}", flush=True)
    subprocess.run([sys.executable, "-m", "venv", "--clear", CACHE], check=True)
    pip = (CACHE / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check")
    subprocess.run((*pip, *RIVALS), check=True)
    stamp.write_text(wanted)


def lend_python(host: LabHost) -> None:
    """Unpack the Python of the host's own Debian into a folder there, without installing it."""
    archive = CACHE / f"python-{host.system}.tar"
    if not archive.exists():
        print(f"fetching {host.system}'s Python", flush=True)
        fetch_python(host.system, archive)
    folder = Path(PYTHON).parent
    host.root(f"mkdir -p {folder} && tar -x -C {folder}", data=archive.read_bytes())
    libraries = f"$(echo {folder}/usr/lib/*-linux-gnu*):$(echo {folder}/lib/*-linux-gnu*)"
    program = f'#!/bin/sh\nexport LD_LIBRARY_PATH={libraries}\nexec {folder}/usr/bin/python3 "$@"\n'
    host.root(f"cat > {PYTHON} && chmod 755 {PYTHON}", data=program.encode())


def fetch_python(suite: str, archive: Path) -> None:
    """Make a tar file of the Python of a Debian suite."""
    with tempfile.TemporaryDirectory(prefix="bench-python-") as name:
        down, root = Path(name) / "down", Path(name) / "root"
        command = ["debootstrap", "--download-only", "--variant=minbase", "--include=python3"]
        subprocess.run([*command, suite, down], check=True, stdout=subprocess.DEVNULL)
        packages = down / "var/cache/apt/archives"
        for package in (path for words in PYTHON_PACKAGES for path in packages.glob(words)):
            subprocess.run(["dpkg-deb", "-x", package, root], check=True)
        part = archive.with_suffix(".part")
        subprocess.run(["tar", "-C", root, "-cf", part, "."], check=True)
        part.replace(archive)


class Wire:
    """A TCP port of this machine that leads to the host's sshd and counts what passes."""

    def __init__(self, host: LabHost) -> None:
        self.sent = 0
        self.received = 0
        self._to = (host.address, host.port)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._door.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):  # the door was closed: the end
            while True:
                near, _address = self._door.accept()
                far = socket.create_connection(self._to)
                for end in (near, far):
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                for source, dest, count in ((near, far, self._out), (far, near, self._in)):
                    copy = threading.Thread(
                        target=_pass_on, args=(source, dest, count), daemon=True
                    )
                    copy.start()

    def _out(self, count: int) -> None:
        self.sent += count

    def _in(self, count: int) -> None:
        self.received += count


def _pass_on(source: socket.socket, dest: socket.socket, count: Callable[[int], None]) -> None:
    """Copy one direction of a connection until it ends."""
    with contextlib.suppress(OSError):
        while piece := source.recv(256 * 1024):
            dest.sendall(piece)
            count(len(piece))
    with contextlib.suppress(OSError):
        dest.shutdown(socket.SHUT_WR)


Answer = tuple[str, str]


@dataclass(slots=True)
class Watch:
    """Asks a service over HTTP who it is: fifty times a second, whether or not it still answers."""

    address: str
    port: int
    _seen: list[tuple[float, Answer | None]] = field(default_factory=list)
    _over: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    @property
    def seen(self) -> list[tuple[float, Answer | None]]:
        """When each look began and what it found, in order."""
        return sorted(self._seen, key=lambda look: look[0])

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._look, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._over.set()
        if self._thread:
            self._thread.join()

    def _look(self) -> None:
        # A look that hangs must not hide that the next one is answered: each has its own thread.
        most = int(LOOK_SECONDS / POLL_SECONDS) + 1
        start = time.perf_counter()
        with ThreadPoolExecutor(most) as looks:
            while not self._over.wait(POLL_SECONDS):
                if time.perf_counter() > start + LONGEST_SECONDS:
                    return
                looks.submit(self._ask)

    def _ask(self) -> None:
        begun = time.perf_counter()
        answer: Answer | None = None
        client = http.client.HTTPConnection(self.address, self.port, timeout=LOOK_SECONDS)
        with contextlib.suppress(OSError, http.client.HTTPException):
            client.request("GET", "/", headers={"Connection": "close"})
            said = json.loads(client.getresponse().read())
            answer = said["version"], said["greeting"]
        client.close()
        self._seen.append((begun, answer))

    def wait_for(self, want: Answer) -> None:
        """Wait until a look that begins now finds the new version; RuntimeError after 5 s."""
        begun = time.perf_counter()
        while time.perf_counter() < begun + 5:
            if any(when >= begun and answer == want for when, answer in self.seen[-10:]):
                return
            time.sleep(POLL_SECONDS)
        raise RuntimeError(f"{want} does not answer; last: {self.seen[-1:]}")

    def first(self, want: Answer) -> float:
        """Return when the first look began that found what was wanted."""
        return next(when for when, answer in self.seen if answer == want)

    def refused(self) -> float:
        """Return the seconds without an answer, each time from the first failed look to a good one.

        What was before the first good answer does not count.
        """
        total, since = 0.0, None
        served = False
        for when, answer in self.seen:
            if answer:
                total += when - since if since is not None else 0.0
                served, since = True, None
            elif served and since is None:
                since = when
        return total


if __name__ == "__main__":
    sys.exit(main())
