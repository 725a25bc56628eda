"""Windows' remote shell behind WS-Management: envelopes in, envelopes out, real processes below."""

from __future__ import annotations

import base64
import binascii
import queue
import re
import time
import uuid
import xml.etree.ElementTree as ET
from pathlib import Path
from xml.sax.saxutils import escape

from children import Child, start, start_powershell
from misbehaviour import Misbehaviour

SHELL = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
NAMES = {
    "s": "http://www.w3.org/2003/05/soap-envelope",
    "a": "http://schemas.xmlsoap.org/ws/2004/08/addressing",
    "w": "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd",
    "x": "http://schemas.xmlsoap.org/ws/2004/09/transfer",
    "rsp": SHELL,
    "p": "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd",
}
DECLARED = " ".join(f'xmlns:{name}="{uri}"' for name, uri in NAMES.items())
FAULT = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"
FAULT_ACTION = "http://schemas.dmtf.org/wbem/wsman/1/wsman/fault"
POWERSHELL = re.compile(r"powershell(?:\.exe)? .*-EncodedCommand (\S+)$", re.IGNORECASE)
MOST_SHELLS = 30
MOST_PROCESSES = 25
MOST_SECONDS = 60.0
# What of an answer's envelope is not output.
ROOM_BYTES = 8 * 1024
TEXTS = {
    5: ("s:Sender", "w:AccessDenied", "Access is denied."),
    995: ("s:Receiver", "w:InternalError", "The I/O operation has been aborted."),
    2150858793: (
        "s:Receiver",
        "w:TimedOut",
        "The WS-Management service cannot complete the operation within OperationTimeout.",
    ),
    2150858843: ("s:Sender", "w:InvalidSelectors", "The shell was not found on the server."),
    2150859173: ("s:Receiver", "w:QuotaLimit", "This user has too many shells."),
    2150859174: ("s:Receiver", "w:QuotaLimit", "This user has too many concurrent operations."),
}


class Fault(Exception):
    """A refusal, by the number that WS-Management gives it."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


class Running:
    """A command of a shell: its process, and its output until somebody receives it."""

    def __init__(self, child: Child, *, console: bool) -> None:
        self.child = child
        self.console = console
        self.terminated = False
        self._queue: queue.SimpleQueue[tuple[str, bytes]] = queue.SimpleQueue()
        self._rest: dict[str, bytes] = {"stdout": b"", "stderr": b""}
        self._open = {"stdout", "stderr"}
        child.listen(lambda name, data: self._queue.put((name, data)))

    def send(self, data: bytes, *, end: bool) -> None:
        """Take input: with a console no end of it is ever seen."""
        self.child.feed(data, end=end and not self.console)

    def receive(self, seconds: float, most: int) -> tuple[dict[str, bytes], int | None]:
        """Wait for output; return at most ``most`` bytes of each stream, and how it ended."""
        until = time.monotonic() + seconds
        while not self.terminated and not any(self._rest.values()) and self._open:
            self._take(min(0.2, until - time.monotonic()))
            if time.monotonic() >= until:
                break
        while sum(map(len, self._rest.values())) < most and self._take(0):
            pass
        given = {name: data[:most] for name, data in self._rest.items()}
        self._rest = {name: data[most:] for name, data in self._rest.items()}
        ended = not self._open and not any(self._rest.values())
        return given, self.child.process.wait() if ended else None

    def terminate(self) -> None:
        """End the process; what it started is not looked after."""
        self.terminated = self.child.process.poll() is None
        self.child.end_shell()

    def _take(self, seconds: float) -> bool:
        try:
            name, data = (
                self._queue.get(timeout=seconds) if seconds > 0 else self._queue.get_nowait()
            )
        except queue.Empty:
            return False
        self._rest[name] += data
        if not data:
            self._open.discard(name)
        return True


class Shell:
    """One remote shell: environment, code page, commands."""

    def __init__(self, env: dict[str, str], code_page: int) -> None:
        self.env = env
        self.code_page = code_page
        self.commands: dict[str, Running] = {}

    def end(self) -> None:
        """End all its processes."""
        for command in self.commands.values():
            command.terminated = True
            command.child.end_tree()


class Service:
    """All shells of the server. ``script`` is the one PowerShell script it can play."""

    def __init__(self, misbehaviour: Misbehaviour, script: Path, drive: str) -> None:
        self._misbehaviour = misbehaviour
        self._script = script
        self._drive = drive
        self._shells: dict[str, Shell] = {}

    def answer(self, soap: bytes, action: str, root: ET.Element) -> tuple[int, bytes]:
        """Carry a request out; return HTTP status and envelope."""
        header = root.find("s:Header", NAMES)
        assert header is not None
        related = header.findtext("a:MessageID", "", NAMES).strip()
        name = action.rsplit("/", 1)[-1]
        self._misbehaviour.count_action(name, len(soap))
        known = {
            "Create": self._create,
            "Command": self._command,
            "Send": self._send,
            "Receive": self._receive,
            "Signal": self._signal,
            "Delete": self._delete,
        }
        try:
            body = known[name](root, header)
        except Fault as fault:
            return self.fault(fault.number, related)
        return 200, _envelope(action + "Response", related, body)

    def fault(self, number: int, related: str) -> tuple[int, bytes]:
        """Return a refusal."""
        code, subcode, text = TEXTS.get(number, ("s:Receiver", "w:InternalError", "Refused."))
        return 500, _envelope(
            FAULT_ACTION,
            related,
            f"<s:Fault><s:Code><s:Value>{code}</s:Value><s:Subcode><s:Value>{subcode}</s:Value>"
            f'</s:Subcode></s:Code><s:Reason><s:Text xml:lang="en-US">{text}</s:Text></s:Reason>'
            f'<s:Detail><f:WSManFault xmlns:f="{FAULT}" Code="{number}" Machine="127.0.0.1">'
            f"<f:Message>{text}</f:Message></f:WSManFault>"
            "</s:Detail></s:Fault>",
        )

    def lose(self, root: ET.Element) -> None:
        """Forget the shell that a request is about."""
        header = root.find("s:Header", NAMES)
        assert header is not None
        shell = self._shells.pop(_shell_id(header), None)
        if shell is not None:
            shell.end()

    def _shell(self, header: ET.Element) -> Shell:
        shell = self._shells.get(_shell_id(header))
        if shell is None:
            raise Fault(2150858843)
        return shell

    def _running(self, header: ET.Element, command_id: str | None) -> Running:
        running = self._shell(header).commands.get(command_id or "")
        if running is None:
            raise Fault(2150858843)
        return running

    def _create(self, root: ET.Element, header: ET.Element) -> str:
        if len(self._shells) >= MOST_SHELLS:
            raise Fault(2150859173)
        wanted = root.find("s:Body/rsp:Shell", NAMES)
        assert wanted is not None
        variables = wanted.iterfind("rsp:Environment/rsp:Variable", NAMES)
        env = {variable.get("Name", ""): variable.text or "" for variable in variables}
        shell_id = str(uuid.uuid4()).upper()
        self._shells[shell_id] = Shell(env, int(_option(header, "WINRS_CODEPAGE") or 437))
        return (
            "<x:ResourceCreated><a:Address>http://127.0.0.1/wsman</a:Address>"
            f"<a:ReferenceParameters><w:ResourceURI>{SHELL}/cmd</w:ResourceURI><w:SelectorSet>"
            f'<w:Selector Name="ShellId">{shell_id}</w:Selector></w:SelectorSet>'
            "</a:ReferenceParameters></x:ResourceCreated>"
            f"<rsp:Shell><rsp:ShellId>{shell_id}</rsp:ShellId>"
            f"<rsp:ResourceUri>{SHELL}/cmd</rsp:ResourceUri><rsp:Owner>tester</rsp:Owner>"
            "<rsp:ClientIP>127.0.0.1</rsp:ClientIP><rsp:IdleTimeOut>PT7200.000S</rsp:IdleTimeOut>"
            "<rsp:InputStreams>stdin</rsp:InputStreams>"
            "<rsp:OutputStreams>stdout stderr</rsp:OutputStreams></rsp:Shell>"
        )

    def _command(self, root: ET.Element, header: ET.Element) -> str:
        shell = self._shell(header)
        if len(shell.commands) >= MOST_PROCESSES:
            raise Fault(2150859174)
        wanted = root.find("s:Body/rsp:CommandLine", NAMES)
        assert wanted is not None
        words = [wanted.findtext("rsp:Command", "", NAMES)]
        words += [word.text or "" for word in wanted.iterfind("rsp:Arguments", NAMES)]
        line = " ".join(words)
        self._misbehaviour.note(line)
        command_id = wanted.get("CommandId") or str(uuid.uuid4()).upper()
        console = (_option(header, "WINRS_CONSOLEMODE_STDIN") or "").upper() == "TRUE"
        shell.commands[command_id] = Running(self._start(line, shell), console=console)
        told = f"<rsp:CommandId>{command_id}</rsp:CommandId>"
        return f"<rsp:CommandResponse>{told}</rsp:CommandResponse>"

    def _start(self, line: str, shell: Shell) -> Child:
        found = POWERSHELL.match(line)
        if found:
            script = self._script.read_text(encoding="utf-8")
            try:
                given = base64.b64decode(found[1], validate=True).decode("utf-16-le")
            except (binascii.Error, UnicodeDecodeError):
                given = ""
            return start_powershell(script if given == script else "", drive=self._drive)
        return start(line, drive=self._drive, env=shell.env, code_page=shell.code_page)

    def _send(self, root: ET.Element, header: ET.Element) -> str:
        for stream in root.iterfind("s:Body/rsp:Send/rsp:Stream", NAMES):
            running = self._running(header, stream.get("CommandId"))
            end = (stream.get("End") or "").lower() in ("true", "1")
            running.send(base64.b64decode(stream.text or ""), end=end)
        return "<rsp:SendResponse/>"

    def _receive(self, root: ET.Element, header: ET.Element) -> str:
        wanted = root.find("s:Body/rsp:Receive/rsp:DesiredStream", NAMES)
        assert wanted is not None
        command_id = wanted.get("CommandId") or ""
        running = self._running(header, command_id)
        given, code = running.receive(_seconds(header), self._most(header))
        if running.terminated:
            raise Fault(995)
        if code is None and not any(given.values()):
            raise Fault(2150858793)
        parts = [
            f'<rsp:Stream Name="{name}" CommandId="{command_id}">{base64.b64encode(data).decode()}'
            "</rsp:Stream>"
            for name, data in given.items()
            if data
        ]
        if code is None:
            parts.append(
                f'<rsp:CommandState CommandId="{command_id}" State="{SHELL}/CommandState/Running"/>'
            )
        else:
            parts += [
                f'<rsp:Stream Name="{name}" CommandId="{command_id}" End="true"></rsp:Stream>'
                for name in given
            ]
            parts.append(
                f'<rsp:CommandState CommandId="{command_id}" State="{SHELL}/CommandState/Done">'
                f"<rsp:ExitCode>{code & 0xFFFFFFFF}</rsp:ExitCode></rsp:CommandState>"
            )
        return f"<rsp:ReceiveResponse>{''.join(parts)}</rsp:ReceiveResponse>"

    def _most(self, header: ET.Element) -> int:
        """How much of each stream fits the envelope that the client accepts."""
        if self._misbehaviour.trickle:
            return self._misbehaviour.trickle
        size = int(header.findtext("w:MaxEnvelopeSize", "153600", NAMES))
        return max(1, (size - ROOM_BYTES) * 3 // 4 // 2)

    def _signal(self, root: ET.Element, header: ET.Element) -> str:
        wanted = root.find("s:Body/rsp:Signal", NAMES)
        assert wanted is not None
        command_id = wanted.get("CommandId")
        running = self._running(header, command_id)
        if wanted.findtext("rsp:Code", "", NAMES).endswith("/terminate"):
            running.terminate()
            self._shell(header).commands.pop(command_id or "", None)
        return "<rsp:SignalResponse/>"

    def _delete(self, root: ET.Element, header: ET.Element) -> str:
        self._shell(header)
        self.lose(root)
        return ""


def _envelope(action: str, related: str, body: str) -> bytes:
    return (
        f'<s:Envelope xml:lang="en-US" {DECLARED}><s:Header><a:Action>{action}</a:Action>'
        f"<a:MessageID>uuid:{str(uuid.uuid4()).upper()}</a:MessageID>"
        f"<a:To>{NAMES['a']}/role/anonymous</a:To><a:RelatesTo>{escape(related)}</a:RelatesTo>"
        f"</s:Header><s:Body>{body}</s:Body></s:Envelope>"
    ).encode()


def _shell_id(header: ET.Element) -> str:
    for selector in header.iterfind("w:SelectorSet/w:Selector", NAMES):
        if selector.get("Name") == "ShellId":
            return (selector.text or "").upper()
    return ""


def _option(header: ET.Element, name: str) -> str | None:
    for option in header.iterfind("w:OptionSet/w:Option", NAMES):
        if option.get("Name") == name:
            return option.text
    return None


def _seconds(header: ET.Element) -> float:
    text = header.findtext("w:OperationTimeout", "", NAMES)
    found = re.fullmatch(r"PT([\d.]+)S", text.strip())
    return min(float(found[1]), MOST_SECONDS) if found else MOST_SECONDS
