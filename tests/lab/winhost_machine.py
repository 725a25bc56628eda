"""slipway-host.exe in the lab's Windows machine, called as transports do."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app import winhost
from app.toolchain import find_toolchain
from tests.lab.windows_host import WindowsWitness

TOOL = winhost.remote_path("0123456789ab")
ROOT = r"C:\Services\hello 服务"
PORT = 18080
ARGUMENTS = ["two words", 'a "quoted" one', "中文 参数", "back\\slash\\", "", "%PATH%"]


@dataclass
class Host:
    """The tool in the machine, called as transports do, and the services that it made."""

    witness: WindowsWitness
    services: set[str] = field(default_factory=set)

    def call(
        self, *words: str, stdin: bytes = b"", code: int | None = 0
    ) -> subprocess.CompletedProcess[bytes]:
        request = json.dumps({"argv": words}, ensure_ascii=False).encode() + b"\n"
        done = self.witness.wine(TOOL, "-", input=request + stdin, check=False)
        assert code is None or done.returncode == code, (done.stdout, done.stderr)
        return done

    def answer(self, *words: str, stdin: bytes = b"") -> dict[str, Any]:
        answer: dict[str, Any] = json.loads(self.call(*words, stdin=stdin).stdout)
        return answer

    def store(self, verb: str, *words: str, content: bytes | None = None, code: int = 0) -> bytes:
        stdin = b"" if content is None else b"%d\n%s" % (len(content), content)
        return self.call("store", verb, ROOT, "one", *words, stdin=stdin, code=code).stdout

    def switch(self, name: str, code: int | None = 0, **order: Any) -> dict[str, Any]:
        self.services.add(name)
        done = self.call(
            "service", "switch", name, ROOT, "one", stdin=json.dumps(order).encode(), code=code
        )
        answer: dict[str, Any] = json.loads(done.stderr if done.returncode else done.stdout)
        return answer

    def query(self, name: str = "hello") -> dict[str, Any]:
        return self.answer("service", "query", name)

    def save(self, name: str) -> dict[str, Any]:
        self.call("service", "save", name, ROOT, "one", "saved/service.json")
        saved: dict[str, Any] = json.loads(self.store("read", "saved/service.json"))
        return saved

    def run_json(self, release: str, **settings: Any) -> str:
        """Write a run.json; return the command line of a service that runs it."""
        run = {
            "name": "hello", "program": r"C:\test programs\good.exe", "args": ARGUMENTS,
            "directory": ROOT, "env": {"PORT": str(PORT), "GREETING": release}, "secrets": "",
            "logs": rf"{ROOT}\logs", "grace": 5, "restart": [0.2, 0.2],
            "log_max_size": 100_000, "log_max_files": 3,
        } | settings  # fmt: skip
        self.store("write", rf"releases\{release}\run.json", content=json.dumps(run).encode())
        return rf'"{TOOL}" serve "{ROOT}\releases\{release}\run.json"'

    def log(self, *words: str) -> str:
        return self.call("log", rf"{ROOT}\logs", "200", *words).stdout.decode()

    def listens(self, port: int = PORT) -> bool:
        found = self.answer("facts", ROOT, "hello")["ports"]
        return port in {one["port"] for one in found}


def definition(binary_path: str, **fields: Any) -> dict[str, Any]:
    return {
        "binary_path": binary_path, "display_name": "Hello 服务", "description": "says 你好",
        "start": "auto", "account": "LocalSystem", "grant_logon": False, "dependencies": [],
        "type": 16, "error_control": 1, "group": "",
        "recovery": {
            "reset": 86400, "actions": [{"action": "restart", "delay": 5}], "command": "",
            "message": "",
        },
        "non_crash": True, "environment": [], "secrets": "", "tree": None, "acl": "",
        "restrict": False, "firewall": [PORT],
    } | fields  # fmt: skip


def built(folder: Path, out: Path) -> bytes:
    go = find_toolchain()
    subprocess.run(
        [go.go, "build", "-o", out, "."],
        cwd=folder,
        env=go.environment({"GOOS": "windows", "GOARCH": "amd64", "CGO_ENABLED": "0"}),
        check=True,
    )
    return out.read_bytes()
