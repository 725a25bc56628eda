"""Everything before the server: open the project, build it, make the image."""

from __future__ import annotations

from pathlib import Path

from app.build import build
from app.git import git_revision
from app.image import make_context, make_image
from app.project import open_project
from app.request import DeployRequest
from app.step import Package
from app.toolchain import Toolchain, find_toolchain
from app.transport import CancelToken, OnLine, ignore_line


def prepare(
    request: DeployRequest,
    platform: str,
    out: Path,
    *,
    toolchain: Toolchain | None = None,
    on_line: OnLine = ignore_line,
    cancel: CancelToken | None = None,
) -> Package:
    """Return what is deployed, built for ``platform`` (``os/arch``) under the folder ``out``.

    Raises ProjectError, ToolchainError, BuildError, Cancelled.
    """
    deploy = request.deploy
    if deploy.kind == "docker" and deploy.docker.base == "dockerfile":
        folder = request.project.path
        return make_context(
            folder, deploy.docker.dockerfile, request.name, out,
            git_revision(folder, cancel), cancel=cancel,
        )  # fmt: skip
    toolchain = toolchain or find_toolchain()
    project = open_project(
        request.project.path, toolchain, tags=request.build.tags, env=request.build.env,
        cancel=cancel,
    )  # fmt: skip
    artifact = build(
        project, request.build, request.project.package, platform, toolchain, out,
        on_line=on_line, cancel=cancel,
    )  # fmt: skip
    if deploy.kind != "docker":
        return artifact
    return make_image(artifact, request.name, toolchain.zoneinfo)
