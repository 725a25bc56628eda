"""An SSH server for the lab that is to its clients what OpenSSH for Windows is.

    python ssh_server.py CONFIG.json          prints "ready" when it listens

Needs asyncssh. CONFIG.json:

    address          where to listen, default 127.0.0.1
    port             where commands are given to cmd, as it is after the installation
    powershell_port  where they are given to PowerShell; 0 or absent: none
    bash_port        where they are given to bash; 0 or absent: none
    host_key         private key file in OpenSSH's format
    users            {"name": "password"}; a name with "" has no password
    authorized_keys  file with the public keys that log in as any of the users; "" or absent: none
    drive            on Linux only: the folder that stands for drive C

What is like the original: its banner; ``cmd /c`` around the command as it came; exit codes of 32
bits; no signal and no end of the connection ends a command, but when the command's own process has
ended, so do all that it started (a job); SFTP with paths like /C:/folder; direct-tcpip. PowerShell
and bash are played: they know ``echo`` and a quoted program with plain words behind it.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import os
import re
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import IO, Any

import asyncssh
from asyncssh.connection import MSG_SERVICE_REQUEST, SSHConnection
from asyncssh.packet import SSHPacket, UInt32
from children import READ_BYTES, WINDOWS, Child, start

BANNER = "OpenSSH_for_Windows_9.5"
MOST_THREADS = 256
NOT_FOUND = {"powershell": 1, "bash": 127}
PROGRAM = re.compile(r"'((?:[^']|'')*)'((?: [\w.-]+)*)")
VARIABLE = {
    "powershell": re.compile(r"\$env:(\w+)|\$\w+"),
    "bash": re.compile(r"\$(\w+)"),
}


def _be_patient() -> None:
    """Let clients ask for the login's service before each of their tries, as OpenSSH does."""
    handlers = SSHConnection._packet_handlers
    accept = handlers[MSG_SERVICE_REQUEST]

    def accept_again(connection: SSHConnection, kind: int, number: int, packet: SSHPacket) -> None:
        if not connection._auth_complete:
            connection._next_service = b"ssh-userauth"
        accept(connection, kind, number, packet)

    handlers[MSG_SERVICE_REQUEST] = accept_again


class Login(asyncssh.SSHServer):
    """Passwords and keys, and every port of the machine."""

    users: dict[str, str] = {}  # noqa: RUF012 (set once, before the server listens)

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        expected = self.users.get(username)
        return bool(expected) and hmac.compare_digest(expected.encode(), password.encode())

    def connection_requested(
        self, dest_host: str, dest_port: int, orig_host: str, orig_port: int
    ) -> bool:
        return True


class Files(asyncssh.SFTPServer):
    """SFTP with /C:/ for drive C."""

    drive = ""

    def map_path(self, path: bytes) -> bytes:
        if not WINDOWS:
            return self.drive.encode() + re.sub(rb"^/?C:", b"", path)
        return path.removeprefix(b"/") if path[2:3] == b":" else path

    def reverse_map_path(self, path: bytes) -> bytes:
        return path if WINDOWS else b"/C:" + path.removeprefix(self.drive.encode())


class Commands:
    """Runs what clients ask for."""

    def __init__(self, shell: str, drive: str) -> None:
        self._shell = shell
        self._drive = drive

    async def run(self, process: asyncssh.SSHServerProcess[bytes]) -> None:
        """Run one command to its end; whether the client still listens makes no difference."""
        command = process.command
        if command is None:
            process.stderr.write(b"There is no terminal here.\r\n")
            process.exit(1)
            return
        line = command if self._shell == "cmd" else self._played(command, process)
        if line is None:
            return
        child = start(line, drive=self._drive)
        outputs = [
            asyncio.create_task(_outward(child.process.stdout, process.stdout)),
            asyncio.create_task(_outward(child.process.stderr, process.stderr)),
        ]
        inward = asyncio.create_task(_inward(process.stdin, child))
        code = await asyncio.to_thread(child.process.wait)
        child.end_tree()
        await asyncio.gather(*outputs)
        inward.cancel()
        _exit(process, code)

    def _played(self, command: str, process: asyncssh.SSHServerProcess[bytes]) -> str | None:
        """Return the line for cmd, or None if the command is answered already."""
        if command.startswith("echo "):
            process.stdout.write(_echo(self._shell, command[5:]))
            process.exit(0)
            return None
        text = command.removeprefix("& ") if self._shell == "powershell" else command
        found = PROGRAM.fullmatch(text)
        if found is None or (text is command and self._shell == "powershell"):
            process.stderr.write(f"{self._shell}: {command}: not found\n".encode())
            _exit(process, NOT_FOUND[self._shell])
            return None
        program = found[1].replace("''", "'").replace("/", "\\")
        return f'"{program}"{found[2]}'


def _echo(shell: str, text: str) -> bytes:
    environment = {"PROCESSOR_ARCHITECTURE": "AMD64", **os.environ}

    def value(found: re.Match[str]) -> str:
        return environment.get(found[1] or "", "")

    words = [VARIABLE[shell].sub(value, word) for word in text.split()]
    end = "\r\n" if shell == "powershell" else " "
    return (end.join(words).strip(" ") + "\n").encode()


async def _outward(pipe: IO[bytes] | None, client: asyncssh.SSHWriter[bytes]) -> None:
    while pipe is not None:
        data = await asyncio.to_thread(os.read, pipe.fileno(), READ_BYTES)
        if not data:
            return
        try:
            client.write(data)
            await client.drain()
        except (OSError, asyncssh.Error):
            continue  # nobody listens any more; the command goes on


async def _inward(client: asyncssh.SSHReader[bytes], child: Child) -> None:
    while True:
        try:
            data = await client.read(READ_BYTES)
        except asyncssh.Error:
            data = b""
        except (asyncssh.BreakReceived, asyncssh.SignalReceived):
            continue
        await asyncio.to_thread(child.feed, data, end=not data)
        if not data:
            return


def _exit(process: asyncssh.SSHServerProcess[bytes], code: int) -> None:
    """Send an exit code of 32 bits: asyncssh's own method keeps eight of them."""
    channel = process.channel
    if channel.is_closing():
        return
    channel._send_request(b"exit-status", UInt32(code & 0xFFFFFFFF))
    channel.close()


async def _listen(shell: str, port: int, config: dict[str, Any]) -> None:
    await asyncssh.listen(
        config.get("address", "127.0.0.1"),
        port,
        server_factory=Login,
        server_host_keys=[config["host_key"]],
        authorized_client_keys=config.get("authorized_keys") or None,
        server_version=BANNER,
        process_factory=Commands(shell, Files.drive).run,
        sftp_factory=Files,
        encoding=None,
        line_editor=False,
        keepalive_interval=0,
    )


async def serve(config: dict[str, Any]) -> None:
    """Serve what a configuration says, for ever."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(MOST_THREADS))
    _be_patient()
    Login.users = config["users"]
    Files.drive = config.get("drive", "")
    for shell, port in (
        ("cmd", config["port"]),
        ("powershell", config.get("powershell_port")),
        ("bash", config.get("bash_port")),
    ):
        if port:
            await _listen(shell, port, config)
    print("ready", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))
