"""What is missing or wrong in the wizard's answers, and what was found in the way."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from app import rules
from app.errors import Problem, ProfileError
from app.i18n import _
from app.windows_rules import ACCOUNT_PASSWORD

if TYPE_CHECKING:
    from ui.draft import Draft


def all_problems(draft: Draft) -> tuple[Problem, ...]:
    """Return the problems of all pages, in the order of the pages."""
    return (
        *rules.problems(draft.request),
        *project_problems(draft),
        *_build_problems(draft),
        *_secret_problems(draft),
        *_windows_problems(draft),
        *_server_problems(draft),
        *map(_elsewhere, draft.readiness()),
    )


def project_problems(draft: Draft) -> tuple[Problem, ...]:
    """Return what keeps the project from being understood."""
    if draft.request.project.path == Path():
        return ()
    for task in (draft.reading, draft.inspection):
        if task.error is not None:
            return (Problem("project.path", task.error.title, task.error.hint),)
    if draft.project is None:
        return (Problem("project.path", _("The project is being looked at…")),)
    try:
        draft.project.main(draft.request.project.package)
    except ProfileError as error:
        return (Problem(error.key, error.title, error.hint),)
    return ()


def _build_problems(draft: Draft) -> tuple[Problem, ...]:
    project, package = draft.project, draft.request.project.package
    if project is None or project_problems(draft):
        return ()
    from app.build import warnings

    doubts = tuple(
        Problem("build", text, blocking=False)
        for text in warnings(project, draft.request.build, package)
    )
    error = draft.building.error
    return (*((Problem("build", error.title, error.hint),) if error else ()), *doubts)


def _secret_problems(draft: Draft) -> tuple[Problem, ...]:
    return tuple(_no_value(draft, name) for name in draft.missing_secrets)


def _no_value(draft: Draft, name: str) -> Problem:
    if name == ACCOUNT_PASSWORD:
        account = draft.request.deploy.windows.account
        return Problem(
            "deploy.windows.account",
            _("The password of {account} is missing.").format(account=account),
            _("Choose Set password… and enter it."),
        )
    return Problem(
        "deploy.secrets",
        _("{name} has no value yet.").format(name=name),
        _("Choose Set value… and enter it."),
    )


def _windows_problems(draft: Draft) -> tuple[Problem, ...]:
    main, deploy = draft.main, draft.request.deploy
    native = deploy.kind == "windows-service" and deploy.windows.host == "native"
    if main is None or main.windows_service or not native:
        return ()
    words = _("{name} is no service by itself: its start would fail with error 1053.")
    return (
        Problem(
            "deploy.windows.host",
            words.format(name=main.name),
            _("Let Slipway choose, or its service host run it."),
        ),
    )


def _server_problems(draft: Draft) -> tuple[Problem, ...]:
    if draft.target is None or not draft.target.address or draft.facts:
        return ()
    if draft.connecting.running:
        return (Problem("targets", _("Connecting…")),)
    if error := draft.connecting.error:
        return (Problem("targets", error.title, error.hint),)
    return (
        Problem(
            "targets", _("The server has not been looked at yet."), _("Press Test connection.")
        ),
    )


def _elsewhere(problem: Problem) -> Problem:
    """Return what the server lacks as a doubt only: the page of its field must let one go on.

    It blocks on the Server page, and what concerns runs there on Review.
    """
    return problem if problem.field == "run" else replace(problem, blocking=False)
