"""What an administrator does on a server so that Slipway can reach it: the exact lines.

They are right for Windows Server 2016 to 2025 with Windows PowerShell 5.1, and may be run twice.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from app.credentials import CERTIFICATE
from app.i18n import _
from app.request import Target

WINRM_HTTPS = """\
Set-Service WinRM -StartupType Automatic
Start-Service WinRM
$https = { $_.Keys -contains 'Transport=HTTPS' }
if (-not (Get-ChildItem WSMan:\\localhost\\Listener | Where-Object $https)) {
    $made = New-SelfSignedCertificate -DnsName @NAMES@ `
        -CertStoreLocation Cert:\\LocalMachine\\My -NotAfter (Get-Date).AddYears(5)
    New-Item WSMan:\\localhost\\Listener -Transport HTTPS -Address * -Port @PORT@ `
        -CertificateThumbPrint $made.Thumbprint -Force
}
"""

WINRM_FINGERPRINT = """\
Get-ChildItem WSMan:\\localhost\\Listener |
    Where-Object { $_.Keys -contains 'Transport=HTTPS' } | ForEach-Object {
        $used = Get-ChildItem "WSMan:\\localhost\\Listener\\$($_.Name)" |
            Where-Object Name -eq CertificateThumbprint
        $file = Get-Item "Cert:\\LocalMachine\\My\\$($used.Value -replace ' ')"
        $hash = [Security.Cryptography.SHA256]::Create().ComputeHash($file.RawData)
        'SHA256:' + [Convert]::ToBase64String($hash).TrimEnd('=')
    }
"""

WINRM_HTTP = """\
Enable-PSRemoting -SkipNetworkProfileCheck -Force
"""

LOCAL_ADMINISTRATORS = """\
New-ItemProperty HKLM:\\SOFTWARE\\Microsoft\\Windows\\CurrentVersion\\Policies\\System `
    -Name LocalAccountTokenFilterPolicy -PropertyType DWord -Value 1 -Force
"""

OPENSSH = """\
Add-WindowsCapability -Online -Name OpenSSH.Server~~~~0.0.1.0
Set-Service sshd -StartupType Automatic
Start-Service sshd
"""

OPENSSH_FINGERPRINT = """\
Get-ChildItem $env:ProgramData\\ssh\\ssh_host_*_key.pub | ForEach-Object {
    ssh-keygen -lf $_.FullName
}
"""

# A rule of our own: those that Windows has may be limited to some of its networks.
FIREWALL = """\
if (-not (Get-NetFirewallRule -Name Slipway-@PORT@ -ErrorAction SilentlyContinue)) {
    New-NetFirewallRule -Name Slipway-@PORT@ -DisplayName 'Slipway: port @PORT@' `
        -Direction Inbound -Protocol TCP -LocalPort @PORT@ -Action Allow -Profile Any
}
"""

LINUX_FINGERPRINT = """\
for key in /etc/ssh/ssh_host_*_key.pub; do ssh-keygen -lf "$key"; done
"""


@dataclass(frozen=True, slots=True)
class Setup:
    """Something to do on the server: what it is for, in words, and the lines that do it."""

    title: str
    words: str
    lines: str


def server_setups(target: Target) -> tuple[Setup, ...]:
    """Return what makes a Windows server reachable in the target's way; none for this computer."""
    if target.transport == "winrm":
        enable = _winrm_https if target.scheme == "https" else _winrm_http
        return enable(target), _local_administrators()
    return (_openssh(target),) if target.transport == "ssh" else ()


def fingerprint_lines(key_type: str, *, windows: bool) -> str:
    """Return the lines that show on the server the fingerprint of what it identifies itself by."""
    if key_type == CERTIFICATE:
        return WINRM_FINGERPRINT
    return OPENSSH_FINGERPRINT if windows else LINUX_FINGERPRINT


def _winrm_https(target: Target) -> Setup:
    names = "$env:COMPUTERNAME"
    if re.fullmatch(r"[\w.-]+", target.address):
        names += f", '{target.address}'"
    lines = WINRM_HTTPS + FIREWALL + WINRM_FINGERPRINT
    return Setup(
        _("Enable WinRM over HTTPS"),
        _(
            "With a certificate that the server makes itself. The last lines show its "
            "fingerprint, which Slipway asks you to compare."
        ),
        lines.replace("@NAMES@", names).replace("@PORT@", str(target.port or 5986)),
    )


def _winrm_http(target: Target) -> Setup:
    return Setup(
        _("Enable WinRM over HTTP"),
        _(
            "NTLM and Kerberos encrypt the messages, but nothing shows that the server is the "
            "right one: HTTPS is better."
        ),
        (WINRM_HTTP + FIREWALL).replace("@PORT@", str(target.port or 5985)),
    )


def _local_administrators() -> Setup:
    return Setup(
        _("Only for a local account other than Administrator"),
        _(
            "Windows takes the rights of an administrator from local accounts that come over the "
            "network. Accounts of a domain don't need this."
        ),
        LOCAL_ADMINISTRATORS,
    )


def _openssh(target: Target) -> Setup:
    return Setup(
        _("Enable OpenSSH"),
        _(
            "It is part of Windows Server 2019 and newer. On Windows Server 2016 install the "
            "package of the project PowerShell/Win32-OpenSSH first and leave the first line out. "
            "The last lines show the fingerprints that Slipway asks you to compare."
        ),
        (OPENSSH + FIREWALL + OPENSSH_FINGERPRINT).replace("@PORT@", str(target.port or 22)),
    )
