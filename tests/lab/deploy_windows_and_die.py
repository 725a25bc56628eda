"""A desktop that is killed with SIGKILL as a row of its run enters a state (JSON says which)."""

import json
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

from app.events import Event, StepChanged, StepState
from tests.lab.windows_desk import WindowsDesk, windows_request
from tests.lab.windows_host import read_windows_hosts

# What makes it impossible, and possible again, to write to a run's journal.
AWAY = "cd /d {folder} && ren {run}.jsonl kept && md {run}.jsonl"
BACK = "cd /d {folder} && rd {run}.jsonl && ren kept {run}.jsonl"


def main() -> None:
    wanted = json.loads(sys.argv[1])
    host = next(item for item in read_windows_hosts() if item.name == wanted["host"])
    folder = Path(wanted["folder"])
    request = windows_request(host, wanted["name"], wanted["port"], folder)
    request = replace(request, build=replace(request.build, version=wanted["version"]))
    desk = WindowsDesk(host, request, folder)
    runner = desk.runner(desk.plan())
    journal = rf"C:\Services\{desk.name}\journal"

    def write(script: str) -> None:
        text = script.format(folder=journal, run=runner.plan.run)
        host.witness.wine("cmd", "/c", text)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def follow(event: Event) -> None:
        if not isinstance(event, StepChanged):
            return
        if [event.index, event.state] == wanted["at"]:
            threading.Timer(wanted["seconds"], die).start() if wanted["seconds"] else die()
        if (event.index, event.state) == (wanted["cancel"], StepState.RUNNING):
            desk.cancel.cancel()
        if (event.index, event.state) == (wanted["unwritten"], StepState.UNDOING):
            write(AWAY)
        if (event.index, event.state) == (wanted["unwritten"], StepState.UNDONE):
            write(BACK)

    desk.on_event = follow
    runner.run(desk.cancel)


main()
