"""The command line against real servers: deploy, next, back, and every exit code."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from app import profile
from app.cli import main
from app.request import (
    BuildOptions,
    DeployOptions,
    DeployRequest,
    DockerOptions,
    HealthOptions,
    ProjectOptions,
    Target,
)
from tests.command_line import ROOT, Run, begin, converse
from tests.lab.hosts import LabHost, LabRegistry

PROJECTS = ROOT / "tests" / "projects"
NAME = "cli-lab"


@dataclass
class Service:
    """A profile for one host, and what answers there."""

    host: LabHost
    file: Path
    port: int
    request: DeployRequest

    def change(self, project: str, version: str, **deploy: Any) -> Service:
        """Choose another project and version for the next command."""
        # a copy: in the checkout, whoever commits meanwhile changes what is built
        source = self.file.parent / project
        shutil.copytree(PROJECTS / project, source, dirs_exist_ok=True)
        self.request = replace(
            self.request,
            project=ProjectOptions(source),
            build=replace(self.request.build, version=version),
            deploy=replace(self.request.deploy, **deploy),
        )
        profile.save(self.request, self.file)
        return self

    def version(self) -> str:
        with urllib.request.urlopen(f"http://{self.host.ip}:{self.port}/", timeout=5) as answer:
            return str(json.load(answer)["version"])

    def health(self, **values: Any) -> HealthOptions:
        return replace(self.request.deploy.health, **values)


def target_of(host: LabHost) -> Target:
    return Target(host.address, "ssh", host.port, host.user, host.key)


def request_for(host: LabHost, port: int) -> DeployRequest:
    return DeployRequest(
        name=NAME,
        build=BuildOptions(version="v1", stamp="main.version"),
        deploy=DeployOptions(
            env={"PORT": "8080"},
            health=HealthOptions(http=f"http://localhost:{port}/health", timeout=15.0, stable=0.2),
            docker=DockerOptions(ports=(f"{port}:8080",)),
        ),
        targets=(target_of(host),),
    )


def clean(host: LabHost) -> None:
    """Remove all of the service from a host, whoever deployed it."""
    host.root(
        f"docker ps -aq --filter label=io.slipway.name={NAME} | xargs -r docker rm -f;"
        f" rm -rf /opt/{NAME} ~{host.user}/.local/share/slipway/{NAME}"
    )


def make_service(host: LabHost, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Service:
    if host.password:
        monkeypatch.setenv("SLIPWAY_PASSWORD", host.password)
    clean(host)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    made = Service(host, folder / f"{host.name}.toml", port, request_for(host, port))
    return made.change("good", "v1")


@pytest.fixture
def service(
    hosts: dict[str, LabHost], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Service]:
    """A service of root's on one host, not deployed yet; its key is trusted already."""
    host = hosts["trixie-root"]
    made = make_service(host, tmp_path, monkeypatch)
    assert main(["status", str(made.file), "--host-key", host.host_key]) == 0
    yield made
    clean(host)


@pytest.mark.parametrize("name", ["bookworm-deploy", "trixie-dock"])
def test_first_next_back_and_from_another_desktop(
    name: str,
    hosts: dict[str, LabHost],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = hosts[name]
    service = make_service(host, tmp_path, monkeypatch)
    try:
        first = run("deploy", service.file, "--yes", "--host-key", host.host_key)
        assert first.code == 0, first.out + first.err
        assert service.version() == "v1"

        second = run("deploy", service.change("good", "v2").file, "--yes", "--json")
        assert second.code == 0, second.out + second.err
        assert service.version() == "v2"
        assert second.shapes[-1]["outcome"] == "succeeded"
        assert run("deploy", service.file, "--yes").out.count("Nothing to do") == 1

        (shape,) = run("status", service.file, "--json").shapes
        assert (shape["version"], shape["state"], shape["healthy"]) == ("v2", "running", True)
        assert "version v2 listens" in run("logs", service.file).out

        # another desktop: nothing known of this host, nothing of these runs
        monkeypatch.setenv("HOME", str(tmp_path))
        for folder in ("CONFIG", "DATA", "STATE", "CACHE"):
            monkeypatch.setenv(f"XDG_{folder}_HOME", str(tmp_path / folder))
        assert run("rollback", service.file, "--yes").code == 2
        back = run("rollback", service.file, "--yes", "--host-key", host.host_key)
        assert back.code == 0, back.out + back.err
        assert service.version() == "v1"
        (shape,) = run("releases", service.file, "--json").shapes
        assert [item["current"] for item in shape["releases"]] == [False, True]
        everything = first.out + first.err + second.out + second.err + back.out
        assert not host.password or host.password not in everything
    finally:
        clean(host)


def test_a_stranger_is_not_talked_to(
    service: Service, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "fresh"))
    answer = run("deploy", service.file, "--yes", "--json")
    assert answer.code == 2
    assert answer.shapes[-1]["fingerprint"] in service.host.host_keys.values()
    assert "--host-key" in answer.err
    answer = run("deploy", service.file, "--yes", "--host-key", "SHA256:" + "A" * 43)
    assert answer.code == 2
    assert "not the server" in answer.err
    said = ["status", service.file]
    code, text = converse(said, [("Trust this server", "n")])
    assert code == 2
    assert service.host.host_key in text
    code, text = converse(said, [("Trust this server", "y")])
    assert code == 0, text
    assert "State:" in text
    assert run("status", service.file).code == 0


def test_a_changed_key_blocks_even_if_it_is_named(
    service: Service, run: Run, hosts: dict[str, LabHost]
) -> None:
    config = Path(os.environ["XDG_CONFIG_HOME"]) / "slipway" / "known_hosts"
    name, kind, _key = config.read_text().split()
    other = "AAAAC3NzaC1lZDI1NTE5AAAAIJXm7Qq0c1J8mJ0cNq0l3w8b0w1m2n3o4p5q6r7s8t9u"
    config.write_text(f"{name} {kind} {other}\n")
    answer = run("status", service.file, "--host-key", service.host.host_key)
    assert answer.code == 2
    assert "changed" in answer.err
    assert service.host.host_key in answer.err


def test_passwords_come_from_the_environment_or_a_person(
    hosts: dict[str, LabHost], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    host = hosts["bookworm-deploy"]
    service = make_service(host, tmp_path, monkeypatch)
    monkeypatch.delenv("SLIPWAY_PASSWORD")
    answer = run("status", service.file, "--host-key", host.host_key)
    assert answer.code == 2
    assert "SLIPWAY_PASSWORD" in answer.err
    monkeypatch.setenv("SLIPWAY_PASSWORD", "wrong-password")
    answer = run("status", service.file)
    assert answer.code == 2
    assert "wrong-password" not in answer.err
    assert "came from SLIPWAY_PASSWORD" in answer.err
    monkeypatch.delenv("SLIPWAY_PASSWORD")
    code, text = converse(["status", service.file], [("Password", host.password)])
    assert code == 0, text
    assert host.password not in text
    monkeypatch.setenv("SLIPWAY_PASSWORD", host.password)
    assert run("status", service.file).code == 0


def test_through_a_registry_with_a_password(
    service: Service, registry: LabRegistry, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    through = replace(
        service.request.deploy.docker,
        registry=registry.address,
        registry_user=registry.user,
    )
    service.change("good", "v1", docker=through)
    answer = run("deploy", service.file, "--yes")
    assert answer.code == 2
    assert "SLIPWAY_REGISTRY_PASSWORD" in answer.err
    monkeypatch.setenv("SSL_CERT_FILE", registry.ca)
    monkeypatch.setenv("SLIPWAY_REGISTRY_PASSWORD", registry.password)
    answer = run("deploy", service.file, "--yes", "--json")
    assert answer.code == 0, answer.out + answer.err
    assert registry.password not in answer.out + answer.err
    assert service.version() == "v1"


def test_1_failed_and_the_old_version_serves(service: Service, run: Run) -> None:
    assert run("deploy", service.file, "--yes").code == 0
    answer = run("deploy", service.change("crashes-at-start", "v2").file, "--yes")
    assert answer.code == 1, answer.out + answer.err
    assert service.version() == "v1"
    assert "All is as it was before" in answer.err


def test_3_failed_and_not_restored(service: Service, run: Run) -> None:
    assert run("deploy", service.file, "--yes").code == 0
    once = replace(service.request.deploy.docker, rehearse=False)
    service.change("never-healthy", "v2", docker=once, health=service.health(timeout=6.0))
    process = begin("deploy", service.file, "--yes", waits_for="] Health check")
    kept = service.host.docker("ps", "-aq", "--filter", f"name=^{NAME}\\.")
    service.host.docker("rm", "-f", *kept.split())
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 3, err
    assert "NOT" in err


def test_130_cancelled_and_the_old_version_serves(service: Service, run: Run) -> None:
    assert run("deploy", service.file, "--yes").code == 0
    once = replace(service.request.deploy.docker, rehearse=False)
    service.change("never-healthy", "v2", docker=once, health=service.health(timeout=60.0))
    process = begin("deploy", service.file, "--yes", waits_for="] Health check")
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert service.version() == "v1"
    (shape,) = run("status", service.file, "--json").shapes
    assert shape["lock"] is None
    assert shape["interrupted"] is None


def test_several_hosts_one_after_another(
    service: Service, hosts: dict[str, LabHost], run: Run
) -> None:
    other = hosts["bookworm-root"]
    clean(other)
    service.request = replace(service.request, targets=(*service.request.targets, target_of(other)))
    service.change("good", "v1")
    try:
        answer = run("deploy", service.file, "--yes", "--host-key", other.host_key)
        assert answer.code == 0, answer.out + answer.err
        assert answer.out.count("Building for") == 1
        shapes = run("status", service.file, "--json").shapes
        assert [shape["version"] for shape in shapes] == ["v1", "v1"]
        assert len({shape["target"] for shape in shapes}) == 2
        only = run("status", service.file, "--json", "--target", str(target_of(other)))
        assert [shape["target"] for shape in only.shapes] == [str(target_of(other))]
    finally:
        clean(other)
