"""The lab itself: what the other tests take for granted about hosts, engine and registry."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

from tests.lab.hosts import LabEngine, LabHost, LabRegistry

PROGRAM = """\
package main

import "net/http"

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("here")) })
	panic(http.ListenAndServe(":8080", nil))
}
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory, engine: LabEngine) -> str:
    """Return the name of an image of a small server, made without Slipway."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "main.go").write_text(PROGRAM)
    (folder / "go.mod").write_text("module server\n\ngo 1.21\n")
    go = shutil.which("go")
    assert go
    subprocess.run(
        [go, "build", "-o", "server", "."],
        cwd=folder,
        check=True,
        env={**os.environ, "CGO_ENABLED": "0"},
    )
    tar = subprocess.run(
        ["tar", "-c", "server"], cwd=folder, check=True, capture_output=True
    ).stdout
    engine.docker("import", "--change", 'ENTRYPOINT ["/server"]', "-", "lab/server:1", input=tar)
    return "lab/server:1"


def test_each_user_has_the_rights_that_the_list_says(host: LabHost) -> None:
    assert host.ssh("id -un").stdout.strip() == host.user
    without_password = host.ssh("sudo -n id -u", check=False).stdout.strip()
    assert without_password == ("0" if host.sudo in {"root", "nopasswd"} else "")
    if host.sudo == "password":
        answer = host.ssh("sudo -S -p '' id -u", data=f"{host.password}\n".encode())
        assert answer.stdout.strip() == "0"
    docker = host.ssh("docker version -f '{{.Server.Version}}'", check=False)
    assert (docker.returncode == 0) == (host.user in {"root", "dock"})


def test_both_image_stores_are_there(hosts: dict[str, LabHost]) -> None:
    classic = hosts["bookworm-root"].docker("info", "-f", "{{.ServerVersion}} {{.Driver}}")
    containerd = hosts["trixie-root"].docker("info", "-f", "{{.ServerVersion}} {{.DriverStatus}}")
    assert classic.startswith("20.10.")
    assert classic.endswith("overlay2")
    assert containerd.startswith("26.1.")
    assert "io.containerd.snapshotter.v1" in containerd


def test_host_runs_systemd_and_shows_its_own_host_key(root_host: LabHost) -> None:
    assert root_host.root("systemctl is-system-running").stdout.strip() == "running"
    scan = subprocess.run(
        ["ssh-keyscan", "-t", "ed25519", "-p", str(root_host.port), root_host.address],
        capture_output=True,
        check=True,
    )
    shown = subprocess.run(
        ["ssh-keygen", "-l", "-f", "-"], input=scan.stdout, capture_output=True, check=True
    )
    assert root_host.host_key in shown.stdout.decode()


def test_image_goes_through_the_registry_and_answers_from_outside(
    root_host: LabHost, engine: LabEngine, registry: LabRegistry, image: str, home: Path
) -> None:
    name = f"{registry.address}/lab/server:1"
    assert "no basic auth credentials" in _push(engine, image, name)
    password = registry.password.encode()
    engine.docker(
        "login", "-u", registry.user, "--password-stdin", registry.address, input=password
    )
    assert "digest: sha256:" in _push(engine, image, name)
    docker = "docker --config /tmp/lab-test-docker"
    assert root_host.root(f"{docker} pull {name}", check=False).returncode != 0
    login = f"{docker} login -u {registry.user} --password-stdin {registry.address}"
    root_host.root(login, data=password)
    try:
        root_host.root(f"{docker} pull {name}")
        root_host.docker("run", "-d", "--name", "lab-server", "-p", "18080:8080", name)
        assert _get(f"http://{root_host.ip}:18080/") == "here"
        assert root_host.root("curl -s http://127.0.0.1:18080/").stdout == "here"
    finally:
        root_host.docker("rm", "-f", "lab-server", check=False)
        root_host.docker("image", "rm", name, check=False)
        root_host.root("rm -rf /tmp/lab-test-docker")


def _push(engine: LabEngine, image: str, name: str) -> str:
    engine.docker("tag", image, name)
    done = engine.run("push", name)
    return (done.stdout + done.stderr).decode()


def _get(address: str) -> str:
    deadline = time.monotonic() + 10
    while True:
        try:
            with urllib.request.urlopen(address, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.URLError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)
