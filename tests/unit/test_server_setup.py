"""What is told to do on a server: filled in, nothing of a user's spliced into PowerShell."""

from __future__ import annotations

import pytest

from app.request import Target
from app.server_setup import fingerprint_lines, server_setups


def test_winrm_over_https_with_a_port_of_its_own() -> None:
    enable, local = server_setups(Target("win1.example.com", "winrm", port=15986))
    assert "-DnsName $env:COMPUTERNAME, 'win1.example.com' `" in enable.lines
    assert "-Transport HTTPS -Address * -Port 15986 `" in enable.lines
    assert "-LocalPort 15986 -Action Allow -Profile Any" in enable.lines
    assert fingerprint_lines("certificate", windows=True) in enable.lines
    assert "LocalAccountTokenFilterPolicy" in local.lines


@pytest.mark.parametrize(
    ("target", "has", "port"),
    [
        (Target("w", "winrm"), "New-SelfSignedCertificate", 5986),
        (Target("w", "winrm", scheme="http"), "Enable-PSRemoting", 5985),
        (Target("w"), "OpenSSH.Server~~~~0.0.1.0", 22),
    ],
)
def test_each_way_has_its_lines(target: Target, has: str, port: int) -> None:
    lines = server_setups(target)[0].lines
    assert has in lines
    assert f"-Name Slipway-{port} " in lines
    assert "@" not in lines.replace("@{", "")  # nothing was left to fill in
    assert lines.count("{") == lines.count("}")


def test_an_address_that_is_none_never_gets_into_the_lines() -> None:
    lines = server_setups(Target("a'; Remove-Item C:\\ #", "winrm"))[0].lines
    assert "Remove-Item" not in lines
    assert "-DnsName $env:COMPUTERNAME `" in lines


def test_keys_are_shown_as_the_server_can() -> None:
    assert "ssh-keygen -lf $_.FullName" in fingerprint_lines("ssh-ed25519", windows=True)
    assert "/etc/ssh/" in fingerprint_lines("ssh-ed25519", windows=False)
    assert server_setups(Target("localhost", "local")) == ()
