"""``slipway demo``: the sample project on this computer, broken, taken back, and rolled back.

Nothing is taken from the engine's word: each version is observed over HTTP.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import urllib.request
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

from app import service
from app.commands import planned, run_plan
from app.errors import HealthCheckFailed, SlipwayError
from app.i18n import _
from app.plan import make_rollback_plan
from app.request import DeployRequest
from app.sample import NAME, SAMPLE, free_port, sample_request
from app.session import Session

WATCH_SECONDS = 0.05
ANSWER_SECONDS = 2.0
# the broken version never becomes healthy: how long it may try
HEADLESS_TIMEOUT = 5.0


def window_wanted(arguments: Sequence[str]) -> bool:
    """Return whether ``slipway demo …`` shall open the window: a display is there, and wanted."""
    if arguments[:1] != ["demo"] or not {"--headless", "-h", "--help"}.isdisjoint(arguments):
        return False
    return has_display()


def has_display() -> bool:
    """Return whether a window could be shown here."""
    if sys.platform in ("win32", "darwin"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run(session: Session) -> int:
    """Play the whole story; 0 only if every version was observed to serve when it should."""
    if not session.options.headless:
        session.console.say(_("There is no display here: the demo runs without a window."))
    session.options = Namespace(
        **vars(session.options) | {"yes": True, "target": None, "host_key": "", "json": False}
    )
    session.history = None
    # services in a folder of their own: a demo in the window may be under way
    place = session.folder / "demo"
    port = free_port()
    request = sample_request(SAMPLE, port)
    health = replace(request.deploy.health, timeout=HEADLESS_TIMEOUT)
    deploy = replace(request.deploy, root=place.as_posix(), health=health)
    request = replace(request, deploy=deploy)
    story = Story(session, request, f"http://127.0.0.1:{port}/")
    try:
        story.tell()
    finally:
        story.stop()
    session.console.say()
    session.console.say(_("All of this was observed over HTTP. Nothing of it is left running."))
    return 0


class Story:
    """The demo's steps; each raises SlipwayError if what it claims could not be observed."""

    def __init__(self, session: Session, request: DeployRequest, page: str) -> None:
        self._session = session
        self._request = request
        self._page = page

    def tell(self) -> None:
        """Version 1, a broken version 2, a good version 2, and back to version 1."""
        self._chapter(1, _("Version v1 is built and deployed on this computer."))
        self._expect(self._deploy("v1"), 0)
        self._observe("v1")

        self._chapter(2, _("Version v2-broken starts but can't work: it must be taken back."))
        with Watch(self._page) as watch:
            self._expect(self._deploy("v2-broken", "broken"), 1)
            self._observe("v1")
        self._expect_seen(watch.seen, ["v1", "v2-broken", "v1"])

        self._chapter(3, _("Version v2 is mended and deployed."))
        self._expect(self._deploy("v2"), 0)
        self._observe("v2")

        self._chapter(4, _("Somebody wants the old version back: roll back."))
        self._expect(self._roll_back(), 0)
        self._observe("v1")

    def stop(self) -> None:
        """Stop what runs, and see that it is gone."""
        with self._session.host(self._request) as host:
            if host.facts.process is None or host.facts.process.state == "missing":
                return
            service.control(host.transport, host.request, host.facts, "stop")
        if version_at(self._page):
            raise SlipwayError(
                _("The sample still answers although it was stopped."),
                self._page,
                _("Look for the process “{name}” and end it.").format(name=NAME),
            )
        self._session.console.say(_("Stopped: {page} answers no more.").format(page=self._page))

    def _chapter(self, number: int, text: str) -> None:
        self._session.console.say()
        self._session.console.say(f"── {number}/4 ── {text}")

    def _deploy(self, version: str, *tags: str) -> int:
        build = replace(self._request.build, version=version, tags=tags)
        request = replace(self._request, build=build)
        folder = self._session.folder / version
        session = replace(self._session, packages={}, folder=folder)
        with session.host(request) as host:
            made, _warnings, secrets = planned(session, host)
            session.console.say(made.title)
            return run_plan(session, host, made, secrets)

    def _roll_back(self) -> int:
        with self._session.host(self._request) as host:
            made = make_rollback_plan(self._request, host.facts)
            self._session.console.say(made.title)
            return run_plan(self._session, host, made, {})

    def _expect(self, code: int, wanted: int) -> None:
        if code != wanted:
            raise SlipwayError(
                _("The demo did not go as it should."),
                _("This step ended with {code} instead of {wanted}.").format(
                    code=code, wanted=wanted
                ),
                _("The lines above say why."),
            )

    def _observe(self, version: str) -> None:
        found = version_at(self._page)
        if found != version:
            raise HealthCheckFailed(
                _("{page} shows {found}, not {version}.").format(
                    page=self._page, found=found or _("nothing"), version=version
                ),
                hint=_("The lines above say what was done."),
            )
        self._session.console.say(
            _("Observed: {page} shows {version}.").format(page=self._page, version=version)
        )

    def _expect_seen(self, seen: Sequence[str], wanted: Sequence[str]) -> None:
        if list(seen) != list(wanted):
            raise HealthCheckFailed(
                _("The page did not change the way it should."),
                _("Seen: {seen}. Expected: {wanted}.").format(
                    seen=", ".join(seen), wanted=", ".join(wanted)
                ),
                _("The lines above say what was done."),
            )
        self._session.console.say(
            _("Observed meanwhile, in this order: {versions}.").format(versions=" → ".join(seen))
        )


class Watch:
    """Looks at a page all the time; ``seen`` are the versions it showed, in order."""

    def __init__(self, page: str) -> None:
        self.seen: list[str] = []
        self._page = page
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_exception: object) -> None:
        self._over.set()
        self._thread.join()

    def _look(self) -> None:
        while True:
            # the last look comes after the end: what serves then has to be seen
            last = self._over.is_set()
            version = version_at(self._page)
            if version and self.seen[-1:] != [version]:
                self.seen.append(version)
            if last:
                return
            self._over.wait(WATCH_SECONDS)


def version_at(page: str) -> str:
    """Return the version that the sample's page shows, or "" if nothing answers there."""
    try:
        with urllib.request.urlopen(page, timeout=ANSWER_SECONDS) as answer:  # noqa: S310
            text = answer.read().decode()
    except OSError:
        return ""
    match = re.search(r'id="version">([^<]*)<', text)
    return match.group(1) if match else ""
