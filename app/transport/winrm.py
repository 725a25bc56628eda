"""A Windows machine reached over WinRM: nothing but what Windows itself brings."""

from __future__ import annotations

import base64
import secrets
import socket
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from app.credentials import Credentials, KnownHosts
from app.i18n import _
from app.request import Target
from app.transport import SCRIPTS, CancelToken, Command, ignore_line
from app.transport.output import Mask, Output
from app.transport.reading import Reading
from app.transport.windows import FOREVER, Call, MixedSplitter, Tool, WindowsTransport
from app.transport.winrm_connection import Site
from app.transport.winrm_shell import Shell

SCRIPT = "receive.ps1"
POWERSHELL = ("powershell.exe", "-NoProfile", "-NonInteractive", "-EncodedCommand")
ARCHITECTURE = ("echo", "%PROCESSOR_ARCHITECTURE%")
SECONDS = 60.0


class WinRmTransport(WindowsTransport):
    """A machine reached over WinRM; see Transport for what the methods promise.

    ``site`` is that of another transport to the same machine: its certificate was judged.
    """

    tally = True  # an answer that never came held output that nobody can ask for again
    announced_uploads = False  # the end of its input ends it, and one answer less is waited for

    def __init__(
        self,
        target: Target,
        credentials: Credentials,
        known_hosts: KnownHosts,
        tool: Tool,
        *,
        site: Site | None = None,
    ) -> None:
        super().__init__(target, credentials, tool)
        self._known_hosts = known_hosts
        self._site = site or Site(target, credentials, known_hosts)
        self._shell = Shell(self._site)

    def open(self) -> None:
        """Log in, and make sure that the tool is there.

        Raises ConnectError, AuthError or UntrustedHost.
        """
        self._shell.open()
        self._ensure_tool()

    def connect_tcp(self, port: int, host: str = "127.0.0.1") -> socket.socket | None:  # noqa: ARG002
        """Return None: WinRM carries commands only."""
        return None

    def another(self) -> WinRmTransport:
        """Return a transport with a remote shell of its own for use in another thread."""
        twin = WinRmTransport(
            self._target, self._credentials, self._known_hosts, self._tool, site=self._site
        )
        twin.fallback = self.fallback
        return twin

    def close(self) -> None:
        """Close the remote shell; what still runs in it ends."""
        self._shell.close()

    def _converse(
        self,
        call: Call,
        output: Output,
        cancel: CancelToken | None,
        deadline: float,
        each_round: Callable[[], None] | None,
    ) -> int:
        words = (f'"{self._tool.path}"', "-")
        return self._shell.converse(words, call, output, cancel, deadline, each_round)

    def _architecture(self) -> str:
        return self._ask(ARCHITECTURE, Call(tuple, announced=False, repeatable=True))[1].strip()

    def _send_tool(self, program: Path) -> str:
        """Send it through the script, which makes the folder; return what went wrong, or ""."""
        reading = Reading(program)
        part = f"{self._tool.path}.{secrets.token_hex(4)}.part"
        head = "\n".join((self._tool.path, part, str(reading.total), reading.sha256, ""))

        def stdin() -> Iterator[bytes]:
            yield head.encode()
            yield from reading.packed(self.level)

        script = (SCRIPTS / SCRIPT).read_text(encoding="utf-8")
        encoded = base64.b64encode(script.encode("utf-16-le")).decode()
        call = Call(stdin, announced=False, repeatable=True)
        code, said = self._ask((*POWERSHELL, encoded), call, FOREVER)
        if code == 0:
            return ""
        return said.strip() or _("The upload ended with exit code {code}.").format(code=code)

    def _ask(self, words: tuple[str, ...], call: Call, seconds: float = SECONDS) -> tuple[int, str]:
        """Run one of the two fixed texts that need no tool; return its code and all it said."""
        output = Output(Mask(()), ignore_line, lambda: MixedSplitter(self.fallback))
        deadline = time.monotonic() + seconds
        code = self._shell.converse(words, call, output, None, deadline)
        result = output.result(Command(words[:1]), code)
        return code, result.stdout + result.stderr
