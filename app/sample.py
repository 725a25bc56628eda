"""The sample project of the demo: a small service that runs on this computer."""

from __future__ import annotations

import shutil
import socket
from pathlib import Path

import platformdirs

from app import profile
from app.errors import SlipwayError
from app.i18n import _
from app.request import (
    PROFILE_NAME,
    BuildOptions,
    DeployOptions,
    DeployRequest,
    HealthOptions,
    ProjectOptions,
    Target,
)

SAMPLE = Path(__file__).resolve().parent.parent / "resources" / "sample"
NAME = "harbour"


def sample_profile(folder: Path | None = None) -> Path:
    """Copy the sample project where it can be changed; return its profile, ready to deploy.

    ``folder`` is by default the demo's own under the user's data; a sample that is there already
    is left as the user changed it. Raises SlipwayError.
    """
    folder = folder or demo_folder() / "project"
    file = folder / PROFILE_NAME
    if file.exists():
        return file
    try:
        shutil.copytree(SAMPLE, folder, dirs_exist_ok=True)
    except (OSError, shutil.Error) as problem:
        raise SlipwayError(
            _("The sample project can't be copied."),
            str(problem),
            _("Make {folder} writable, or free some space.").format(folder=folder),
        ) from problem
    profile.save(sample_request(folder, free_port()), file)
    return file


def demo_folder() -> Path:
    """Return the folder of the user's data that belongs to the demo alone."""
    return platformdirs.user_data_path("slipway", appauthor=False) / "demo"


def sample_request(project: Path, port: int) -> DeployRequest:
    """Return the answers for the sample project as a process on this computer."""
    return DeployRequest(
        name=NAME,
        project=ProjectOptions(project),
        build=BuildOptions(version="v1", stamp="main.version"),
        deploy=DeployOptions(
            kind="process",
            env={"HOST": "127.0.0.1", "PORT": str(port)},
            health=HealthOptions(http=f"http://127.0.0.1:{port}/health", timeout=10.0, stable=1.0),
        ),
        targets=(Target("localhost", "local"),),
    )


def free_port() -> int:
    """Return a TCP port that nobody listens on at this moment."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port
