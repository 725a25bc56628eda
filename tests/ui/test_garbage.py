"""Widgets in cyclic garbage are destroyed on the GUI thread, whoever allocates."""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator

import pytest
from PySide6.QtCore import QObject
from pytestqt.qtbot import QtBot

from ui.garbage import GarbageCollector

died_on: list[int] = []


class Cycle:
    """Garbage that only the cyclic collector finds."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        died_on.append(threading.get_ident())


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    died_on.clear()
    was_on = gc.isenabled()
    yield
    if was_on:
        gc.enable()


def allocate(kept: list[object]) -> None:
    for _number in range(200_000):
        kept.append([])  # noqa: PERF401 (each one counts for the collector)


def test_garbage_waits_for_the_gui_thread(qtbot: QtBot) -> None:
    owner = QObject()
    collector = GarbageCollector(owner)
    for _number in range(2000):
        Cycle()
    kept: list[object] = []  # what is freed again would no longer count
    thread = threading.Thread(target=allocate, args=(kept,))
    thread.start()
    thread.join()
    assert died_on == []
    qtbot.waitUntil(lambda: len(died_on) == 2000, timeout=20_000)
    assert set(died_on) == {threading.get_ident()}
    assert collector.parent() is owner
