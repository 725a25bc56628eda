"""The command line against the lab's Windows, over WinRM and over SSH."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from app import profile
from tests.command_line import Run
from tests.lab.desk import sample
from tests.lab.windows_desk import WindowsDesk, windows_request
from tests.lab.windows_host import WindowsHost


@pytest.mark.parametrize("way", ["windows-winrm", "windows-ssh"])
def test_first_next_broken_and_back_from_another_desktop(
    way: str,
    windows_hosts: dict[str, WindowsHost],
    run: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = windows_hosts[way]
    monkeypatch.setenv("SLIPWAY_PASSWORD", host.password)
    request = windows_request(host, f"cli-{way}", 24001, tmp_path)
    desk = WindowsDesk(host, request, tmp_path)
    file = tmp_path / "slipway.toml"

    def save(version: str, project: str = "good") -> None:
        build = replace(request.build, version=version)
        profile.save(replace(request, build=build, project=sample(tmp_path, project)), file)

    try:
        save("v1")
        stranger = run("deploy", file, "--yes", "--json")
        assert stranger.code == 2
        shown = stranger.shapes[-1]["fingerprint"]
        assert host.transport == "winrm" or shown == host.host_key
        first = run("deploy", file, "--yes", "--host-key", shown)
        assert first.code == 0, first.out + first.err
        assert desk.serves("v1")

        save("v2")
        second = run("deploy", file, "--yes", "--json")
        assert second.code == 0, second.out + second.err
        assert desk.serves("v2")
        assert run("deploy", file, "--yes").out.count("Nothing to do") == 1
        (shape,) = run("status", file, "--json").shapes
        assert (shape["version"], shape["state"], shape["healthy"]) == ("v2", "running", True)
        assert "version v2 listens" in run("logs", file).out

        save("v3", "crashes-at-start")
        third = run("deploy", file, "--yes")
        assert third.code == 1, third.out + third.err
        assert "cannot reach the database" in third.out + third.err
        assert desk.serves("v2")

        # another desktop: nothing known of this server, nothing of these runs
        monkeypatch.setenv("HOME", str(tmp_path))
        for folder in ("CONFIG", "DATA", "STATE"):
            monkeypatch.setenv(f"XDG_{folder}_HOME", str(tmp_path / folder))
        assert run("rollback", file, "--yes").code == 2
        back = run("rollback", file, "--yes", "--host-key", shown)
        assert back.code == 0, back.out + back.err
        assert desk.serves("v1")
        everything = "".join(each.out + each.err for each in (first, second, third, back))
        assert host.password not in everything
    finally:
        desk.clean_up()
