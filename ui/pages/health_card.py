"""How a new version shows that it is healthy."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from PySide6.QtWidgets import QComboBox

from app.docker_rules import published_ports
from app.i18n import _
from app.request import DeployRequest
from ui.pages.answers import (
    Answer,
    FormPage,
    NumberAnswer,
    SecondsAnswer,
    TextAnswer,
    calm,
)
from ui.proposals import health_address
from ui.widgets.basics import Card
from ui.widgets.form import Field, like


class HealthCard(Card):
    """How the new version is asked, and how long it may take."""

    def __init__(self, page: FormPage) -> None:
        super().__init__(
            _("Health check"),
            _("If the new version fails it, the old one comes back by itself."),
        )
        self._how = HealthAnswer()
        self._check = Field("deploy.health", _("&How"), page.tie(self._how))
        self._http = Field(
            "deploy.health.http",
            _("&Address"),
            page.tie(TextAnswer("deploy.health.http", like("http://localhost:8080/health"))),
            _("As seen from the server itself."),
        )
        self._expect = Field(
            "deploy.health.expect",
            _("&Expected status"),
            page.tie(NumberAnswer("deploy.health.expect", 100, 599)),
        )
        self._tcp = Field(
            "deploy.health.tcp",
            _("Po&rt"),
            page.tie(NumberAnswer("deploy.health.tcp", 0, 65535, _("choose"))),
            _("As seen from the server itself."),
        )
        timeout = Field(
            "deploy.health.timeout",
            _("&Wait at most"),
            page.tie(SecondsAnswer("deploy.health.timeout", 0.1, 86400)),
            _("How long it may take until the first good answer."),
        )
        stable = Field(
            "deploy.health.stable",
            _("&Stay up for"),
            page.tie(SecondsAnswer("deploy.health.stable", 0, 86400)),
            _("It must go on answering this long without being restarted."),
        )
        for field in (self._check, self._http, self._expect, self._tcp, timeout, stable):
            self.body.addWidget(field)

    def refresh(self) -> None:
        """Show what belongs to the sort of check that is chosen."""
        how = self._how.read()
        self._check.explain(
            {
                "none": _("Nothing shows that it answers."),
                "tcp": _("An open port does not show that it works: a web address shows more."),
            }.get(how, "")
        )
        self._http.setVisible(how == "http")
        self._expect.setVisible(how == "http")
        self._tcp.setVisible(how == "tcp")


class HealthAnswer(Answer):
    """Which sort of health check: by HTTP, by TCP, or only that the program stays up.

    What is chosen stays chosen while its address is empty: the user is about to enter it.
    """

    def __init__(self) -> None:
        self._box = QComboBox()
        super().__init__("deploy.health", self._box)
        for how, words in (
            ("none", _("Only that it stays up")),
            ("http", _("Ask a web address (HTTP)")),
            ("tcp", _("Connect to a port (TCP)")),
        ):
            self._box.addItem(words, how)
        calm(self._box)
        self._box.activated.connect(self._chosen)

    def read(self) -> str:
        return str(self._box.currentData())

    def show(self, value: Any) -> None:
        self._box.setCurrentIndex(self._box.findData(value))

    def refresh(self) -> None:
        if self.draft is None:
            return
        health = self.draft.request.deploy.health
        if health.http or health.tcp:
            self.show("http" if health.http else "tcp")

    def _chosen(self) -> None:
        if self.draft is None:
            return
        request = self.draft.request
        health, how = request.deploy.health, self.read()
        port = likely_port(request)
        http = health.http or health_address(port, self.draft.main)
        self.draft.set(
            "deploy.health",
            replace(
                health,
                http=http if how == "http" else "",
                tcp=(health.tcp or port) if how == "tcp" else 0,
            ),
        )


def likely_port(request: DeployRequest) -> int:
    """Return the port that the program most likely answers on, as seen from the server."""
    deploy, published = request.deploy, tuple(published_ports(request.deploy.docker))
    reachable = {"docker": published, "windows-service": deploy.windows.firewall}.get(deploy.kind)
    asked = deploy.health.tcp
    with contextlib.suppress(ValueError):
        asked = asked or urlsplit(deploy.health.http).port or 0
    if asked and (not reachable or asked in reachable):
        return asked
    return next(iter(reachable or published), 8080)
