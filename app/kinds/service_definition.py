"""What a Windows service shall be, in the words of slipway-host, and how NSSM writes it down."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from typing import Any

from app.kinds.windows_host import Host
from app.layout import Draft
from app.releases import Store
from app.request import DeployRequest, WindowsOptions

OWN_PROCESS = 16
NORMAL_ERROR_CONTROL = 1
RESET_SECONDS = 24 * 3600
SECRETS_FILE = "secrets.json"
RUN_FILE = "run.json"
SIZES = {"k": 1024, "m": 1024**2, "g": 1024**3}


@dataclass(frozen=True, slots=True)
class Places:
    """Where the files of one release lie on the server."""

    store: Store
    release: str
    binary: str

    @property
    def folder(self) -> str:
        """The release's folder."""
        return self.store.path("releases", self.release)

    @property
    def program(self) -> str:
        """The program itself."""
        return self.store.path("releases", self.release, self.binary)

    @property
    def run(self) -> str:
        """What the service host reads."""
        return self.store.path("releases", self.release, RUN_FILE)

    @property
    def secrets(self) -> str:
        """The values of the secrets, readable by the service's account."""
        return self.store.path("releases", self.release, SECRETS_FILE)

    @property
    def logs(self) -> str:
        """The folder of the service's log, shared by all releases."""
        return self.store.path("logs")


def size_bytes(text: str) -> int:
    """Return the bytes of a size like ``10m``."""
    return int(text[:-1]) * SIZES[text[-1]]


def command_line(program: str, arguments: tuple[str, ...]) -> str:
    r"""Return a service's binPath: the program always quoted, each argument as Windows reads it.

    An unquoted path with blanks would let ``C:\Program.exe`` run in the service's place.
    """
    # a path can't hold a quote; what is between quotes is taken as it is
    words = [f'"{program}"', *([subprocess.list2cmdline(arguments)] if arguments else [])]
    return " ".join(words)


def run_settings(request: DeployRequest, places: Places) -> str:
    """Return run.json: how the service host runs the program."""
    deploy, windows = request.deploy, request.deploy.windows
    return json.dumps(
        {
            "name": request.name,
            "program": places.program,
            "args": list(deploy.args),
            "directory": places.folder,
            "env": dict(deploy.env),
            "secrets": places.secrets if deploy.secrets else "",
            "logs": places.logs,
            "grace": windows.stop_timeout,
            "restart": list(windows.restart),
            "log_max_size": size_bytes(windows.log_max_size),
            "log_max_files": windows.log_max_file,
        },
        ensure_ascii=False,
    )


def make_definition(draft: Draft, places: Places, host: Host, nssm: str) -> dict[str, Any]:
    """Return the Definition of a service that the profile describes."""
    request, facts = draft.request, draft.facts
    deploy, windows = request.deploy, request.deploy.windows
    tool = facts.windows.tool if facts.windows else ""
    binary_path = {
        "native": command_line(places.program, deploy.args),
        "wrapped": command_line(tool, ("serve", places.run)),
        "nssm": command_line(nssm, ()),
    }[host]
    outside = host != "wrapped"  # the service host reads run.json instead
    return {
        "binary_path": binary_path,
        "display_name": windows.display_name or request.name,
        "description": windows.description,
        "start": windows.start,
        "account": windows.account,
        "grant_logon": windows.grant_logon,
        "dependencies": list(windows.dependencies),
        "type": OWN_PROCESS,
        "error_control": NORMAL_ERROR_CONTROL,
        "group": "",
        "recovery": {
            "reset": RESET_SECONDS if windows.restart else 0,
            "actions": [{"action": "restart", "delay": delay} for delay in windows.restart],
            "command": "",
            "message": "",
        },
        # our host and NSSM restart the program themselves and mean it when they give up
        "non_crash": host == "native",
        "environment": [f"{key}={value}" for key, value in deploy.env.items()] if outside else [],
        "secrets": places.secrets if outside and deploy.secrets else "",
        "tree": nssm_tree(request, places) if host == "nssm" else None,
        "acl": "",
        "restrict": outside and bool(deploy.secrets),
        "firewall": list(windows.firewall),
    }


def nssm_tree(request: DeployRequest, places: Places) -> dict[str, Any]:
    """Return NSSM's settings as it keeps them in the service's registry key.

    Names and meanings are those of NSSM 2.24's README. Texts are REG_SZ, so that NSSM does not
    expand a % in an argument.
    """
    windows = request.deploy.windows
    log = request.name + ".log"
    texts = {
        "Application": places.program,
        "AppParameters": subprocess.list2cmdline(request.deploy.args),
        "AppDirectory": places.folder,
        "AppStdout": f"{places.logs}\\{log}",
        "AppStderr": f"{places.logs}\\{log}",
    }
    numbers = {
        "AppRotateFiles": 1,
        "AppRotateOnline": 1,
        "AppRotateBytes": min(size_bytes(windows.log_max_size), 0xFFFFFFFF),
        "AppStopMethodConsole": int(windows.stop_timeout * 1000),
        "AppRestartDelay": int(windows.restart[0] * 1000) if windows.restart else 0,
    }
    values: dict[str, Any] = {key: _value("REG_SZ", text) for key, text in texts.items()}
    values |= {key: _value("REG_DWORD", number) for key, number in numbers.items()}
    ending = {"": _value("REG_SZ", "Restart" if windows.restart else "Exit")}
    exits = {"AppExit": {"values": ending, "keys": {}}}
    return {"values": {}, "keys": {"Parameters": {"values": values, "keys": exits}}}


def _value(kind: str, data: object) -> dict[str, object]:
    return {"type": kind, "data": data}


def summary(windows: WindowsOptions, host: Host, nssm: str) -> dict[str, Any]:
    """Return what a release's record says of the service, without the paths of the release."""
    return {
        "host": host,
        "nssm": nssm,
        "account": windows.account,
        "start": windows.start,
        "restart": list(windows.restart),
        "display_name": windows.display_name,
        "description": windows.description,
        "dependencies": list(windows.dependencies),
        "firewall": list(windows.firewall),
        "stop_timeout": windows.stop_timeout,
        "log_max_size": windows.log_max_size,
        "log_max_file": windows.log_max_file,
    }
