"""Answers that follow from what a project is: proposed once, the user's own are never touched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from app.docker_rules import asked_port, published_ports
from app.errors import ProfileError
from app.request import DeployRequest

if TYPE_CHECKING:
    from app.project import GoProject, MainPackage

Proposals = Mapping[str, Any]


def value_of(request: DeployRequest, key: str) -> Any:
    """Return the answer with the profile key ``key``, like ``deploy.docker.ports``."""
    found: Any = request
    for name in _names(key):
        found = getattr(found, name)
    return found


def with_value(request: DeployRequest, key: str, value: Any) -> DeployRequest:
    """Return ``request`` with another answer for the profile key ``key``."""
    changed: DeployRequest = _with_value(request, _names(key), value)
    return changed


def _with_value(part: Any, names: list[str], value: Any) -> Any:
    first, *others = names
    return replace(part, **{first: _with_value(getattr(part, first), others, value)} if others
                   else {first: value})  # fmt: skip


def _names(key: str) -> list[str]:
    return key.replace("-", "_").split(".")


def service_name(text: str) -> str:
    """Return ``text`` as a name that services and containers may have, or "" if nothing is left."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).lstrip("-0123456789")[:63].rstrip("-")


def propose(project: GoProject, package: str, kind: str) -> Proposals:
    """Return what the source of a main package suggests, by profile key.

    Raises ProfileError as long as it is not clear which package is meant.
    """
    main = project.main(package)
    port = main.ports[0] if main.ports else 0
    page = health_address(port, main) if port and main.health_pages else ""
    found: dict[str, Any] = {
        "name": service_name(main.name),
        "build.stamp": main.stamps[0] if main.stamps else "",
        "build.include": project.assets,
        "deploy.health.http": page,
        "deploy.health.tcp": 0 if page else port,
    }
    if kind == "docker":
        found["deploy.docker.ports"] = (f"{port}:{port}",) if port else ()
    return found


def accept(request: DeployRequest, new: Proposals, former: Proposals) -> DeployRequest:
    """Return ``request`` with the new proposals where the user left the former ones standing."""
    untouched = DeployRequest()
    for key, value in new.items():
        if value_of(request, key) in (value_of(untouched, key), former.get(key)):
            request = with_value(request, key, value)
    return request


def health_address(port: int, main: MainPackage | None) -> str:
    """Return where the program says whether it is well, as seen from the server."""
    pages = main.health_pages if main else ()
    return f"http://localhost:{port}{pages[0] if pages else '/'}"


def of_kind(request: DeployRequest, kind: str, project: GoProject | None) -> DeployRequest:
    """Return the answers for another kind: proposals for the former one go, its own come."""
    changed = with_value(request, "deploy.kind", kind)
    if project is None:
        return changed
    try:
        former, new = (
            propose(project, request.project.package, each) for each in (request.deploy.kind, kind)
        )
    except ProfileError:
        return changed  # nothing was proposed yet
    untouched = DeployRequest()
    for key in former.keys() - new.keys():
        if value_of(request, key) == former[key]:
            changed = with_value(changed, key, value_of(untouched, key))
    changed = accept(changed, {key: new[key] for key in new.keys() - former.keys()}, {})
    return _asking_where_it_answers(request, changed)


def _asking_where_it_answers(former: DeployRequest, request: DeployRequest) -> DeployRequest:
    """Let the check ask the program's port: Docker may publish another one in its place."""
    asked = asked_port(request.deploy.health)
    program = _published(former).get(asked, asked)
    port = next((port for port, to in _published(request).items() if to == program), program)
    return _asking(request, port) if asked and port != asked else request


def _published(request: DeployRequest) -> dict[int, int]:
    return published_ports(request.deploy.docker) if request.deploy.kind == "docker" else {}


class AskedPort:
    """Keeps a health check at the container's port that it asks, while ports are edited."""

    def __init__(self) -> None:
        self._inside = 0  # also while its line is empty, because another number is being typed

    def follow(self, former: DeployRequest, request: DeployRequest) -> DeployRequest:
        """Return ``request``, its check asking where the port is published now."""
        if request.deploy.health != former.deploy.health:
            self._inside = 0
            return request
        before, now = (published_ports(each.deploy.docker) for each in (former, request))
        if before == now:
            return request
        asked = asked_port(request.deploy.health)
        self._inside = before.get(asked, self._inside)
        places = [port for port, to in now.items() if to == self._inside]
        return _asking(request, places[0]) if places and asked not in now else request


def _asking(request: DeployRequest, port: int) -> DeployRequest:
    health = request.deploy.health
    if not health.http:
        return with_value(request, "deploy.health.tcp", port)
    url = urlsplit(health.http)
    moved = url._replace(netloc=url.netloc.removesuffix(f":{url.port}") + f":{port}")
    return with_value(request, "deploy.health.http", moved.geturl())
