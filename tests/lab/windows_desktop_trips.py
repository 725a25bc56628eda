"""The wizard in its window on the lab's Windows desktop, by hand: a container, and a service.

Windows Python runs this there, and only there: tests/windows_trips starts it, file and test named.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pytestqt.qtbot import QtBot

from tests.lab import test_wizard as linux
from tests.lab import test_wizard_windows as windows
from tests.lab.hands import (
    DONE,
    FAILED,
    Hands,
    Keyboard,
    Mouse,
    deploy,
    next_version,
    runs,
    say_how_to_build,
)
from tests.lab.hosts import LabHost
from tests.lab.windows_host import WindowsHost
from tests.shots import with_few_colours
from ui.wizard import Wizard

PROJECT = Path(r"C:\项目 one\hello")
PICTURES = Path(r"C:\pictures")
NAME = "hello-window"
PORT = 20_800

pytestmark = [
    pytest.mark.timeout(500),
    pytest.mark.usefixtures("garbage_here"),
]

Take = Callable[[str], None]


@pytest.fixture
def take(qtbot: QtBot, wizard: Wizard) -> Take:
    """Return what takes a picture of the wizard's window, as it is to be seen on the screen."""
    PICTURES.mkdir(exist_ok=True)
    wizard.resize(1180, 800)

    def save(name: str) -> None:
        qtbot.wait(300)
        picture = wizard.screen().grabWindow(wizard.winId()).toImage()
        assert with_few_colours(picture).save(str(PICTURES / f"windows-{name}.png"), quality=1)

    return save


def write_project() -> None:
    if PROJECT.exists():
        shutil.rmtree(PROJECT)
    shutil.copytree(linux.PROJECTS / "good", PROJECT)


def look_at_every_page(hands: Hands, take: Take, suffix: str = "") -> None:
    """Go from Review back to the first page, and to Review again."""
    hands.button("Deploy")  # the plan is there
    take("review" + suffix)
    for page in ("server", "method", "build", "project"):
        hands.press("Back")
        take(page + suffix)
    for _page in range(4):
        hands.press("Next")
    hands.button("Deploy")


def test_a_container_over_ssh_by_mouse(
    qtbot: QtBot, wizard: Wizard, take: Take, hosts: dict[str, LabHost]
) -> None:
    host = hosts["trixie-root"]
    write_project()
    mouse, hello = Mouse(qtbot), linux.Service(host, PROJECT, NAME, PORT)
    linux.choose_project(mouse, hello)
    say_how_to_build(mouse, "v1")
    linux.say_how_it_runs(mouse, hello)
    linux.go_on_to_review(mouse, host)
    look_at_every_page(mouse, take)
    assert deploy(mouse, wizard).startswith(DONE)
    assert hello.version() == "v1"
    take("deployed")

    next_version(mouse, wizard, "v2")
    mouse.wait_for_words("Version\nv1\nv2\n")
    assert deploy(mouse, wizard).startswith(DONE)
    assert hello.version() == "v2"

    hello.write_source("crashes-at-start")
    next_version(mouse, wizard, "v3")
    banner = deploy(mouse, wizard)
    assert banner.startswith(FAILED)
    assert "cannot reach the database" in banner
    assert "Exit code 0" not in banner
    assert hello.version() == "v2"
    take("taken-back")

    linux.look_beside(mouse, wizard, hello, "v1")
    assert runs(mouse, wizard) == [
        ("v1", "succeeded"),
        ("v3", "failed, all as before"),
        ("v2", "succeeded"),
        ("v1", "succeeded"),
    ]


def test_a_service_over_winrm_by_keyboard(
    qtbot: QtBot, wizard: Wizard, take: Take, windows_hosts: dict[str, WindowsHost]
) -> None:
    write_project()
    source = PROJECT / "main.go"
    # Wine gives a service no environment
    text = source.read_text("utf-8").replace('port = "8080"', f'port = "{PORT}"')
    source.write_text(text, "utf-8", newline="\n")
    keys = Keyboard(qtbot)
    hello = windows.Service(windows_hosts["windows-winrm"], PROJECT, NAME, PORT)
    linux.choose_project(keys, hello)
    say_how_to_build(keys, "v1")
    windows.say_how_it_runs(keys, hello)
    windows.name_server(keys, hello.host)
    look_at_every_page(keys, take, "-service")
    windows.watch_break_and_take_back(keys, wizard, hello)
    take("rolled-back")
    windows.look_beside(keys, wizard, hello)
