"""A desktop that is killed with SIGKILL as a row of its run enters a state (JSON says which)."""

import json
import os
import signal
import sys
from dataclasses import replace
from pathlib import Path

from app.events import Event, StepChanged
from tests.lab.windows_desk import WindowsDesk, windows_request
from tests.lab.windows_host import read_windows_hosts


def main() -> None:
    wanted = json.loads(sys.argv[1])
    host = next(item for item in read_windows_hosts() if item.name == wanted["host"])
    folder = Path(wanted["folder"])
    request = windows_request(host, wanted["name"], wanted["port"], folder)
    request = replace(request, build=replace(request.build, version=wanted["version"]))
    desk = WindowsDesk(host, request, folder)

    def die(event: Event) -> None:
        if isinstance(event, StepChanged) and (event.index, event.state) == tuple(wanted["at"]):
            os.kill(os.getpid(), signal.SIGKILL)

    desk.on_event = die
    desk.deploy()


main()
