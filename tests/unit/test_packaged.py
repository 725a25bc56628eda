"""What a packaged Slipway does differently from one run from source."""

from __future__ import annotations

import os
import sys

import pytest

from app.packaged import leave_packaging


def test_what_is_started_sees_the_environment_of_the_user(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sys, "_MEIPASS", "/opt/slipway/_internal", raising=False)
    environment = {
        "PATH": os.pathsep.join(("/opt/slipway/_internal", "/usr/bin", "/bin")),
        "QT_PLUGIN_PATH": "/opt/slipway/_internal/PySide6/Qt/plugins",
        "QML2_IMPORT_PATH": "/opt/slipway/_internal/PySide6/Qt/qml",
        "_PYI_APPLICATION_HOME_DIR": "/opt/slipway/_internal",
        "_PYI_ARCHIVE_FILE": "/opt/slipway/slipway",
        "LD_LIBRARY_PATH": "/opt/slipway/_internal:/usr/local/lib",
        "LD_LIBRARY_PATH_ORIG": "/usr/local/lib",
    }
    leave_packaging(environment)
    assert environment == {
        "PATH": os.pathsep.join(("/usr/bin", "/bin")),
        "LD_LIBRARY_PATH": "/usr/local/lib",
    }


def test_a_library_path_that_the_user_never_set_is_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/opt/slipway/_internal")
    leave_packaging()
    assert "LD_LIBRARY_PATH" not in os.environ
