"""Of the suites under Windows Python what differs most there, in minutes instead of an hour."""

from __future__ import annotations

from dataclasses import replace

import pytest

import dev
from tests.lab import desktop
from tests.lab.machines import Lab

MOST_DIFFERENT = (
    "tests/unit/test_windows_desktop.py",
    "tests/unit/test_processes.py",
    "tests/unit/test_store.py",
    "tests/unit/test_history.py",
    "tests/unit/test_credentials.py",
    "tests/ui/test_finish.py",
)


@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(desktop.DESKTOPS["chinese"], id="chinese"),
        pytest.param(desktop.DESKTOPS["western"], id="western", marks=pytest.mark.long),
    ],
)
def test_what_differs_most(kind: desktop.Desktop) -> None:
    lab = Lab(dev.ROOT / ".lab")
    lab.start_engine()
    own = replace(kind, name=f"{kind.name}-short")
    assert desktop.run_job(lab, dev.ROOT, desktop.make_image(lab), own, "", [*MOST_DIFFERENT]) == 0
