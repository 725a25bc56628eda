"""The windows beside the wizard: History, the guide, one Server window for each service."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtWidgets import QWidget

from app.errors import SlipwayError
from app.history import History, Run
from app.request import DeployRequest
from ui.draft import Draft
from ui.history_window import HistoryWindow
from ui.run import Access
from ui.server_window import ServerWindow
from ui.widgets.error_box import tell_error

if TYPE_CHECKING:
    from ui.guide_window import GuideWindow
    from ui.jobs import Visit


class Windows(QObject):
    """Opens them, brings the same one to the front the second time, and knows which are open.

    ``changed_server`` carries the request of a service that one of them has rolled back,
    ``wizard_wanted`` that of one whose interrupted run is to be dealt with.
    """

    changed_server = Signal(object)
    wizard_wanted = Signal(object)

    def __init__(self, draft: Draft, history: History) -> None:
        super().__init__()
        self._draft = draft
        self._records = history
        self._history: HistoryWindow | None = None
        self._guide: GuideWindow | None = None
        self._servers: dict[tuple[str, str, str], ServerWindow] = {}

    def shown(self) -> tuple[QWidget, ...]:
        """Return the windows that are open."""
        single = (each for each in (self._history, self._guide) if each is not None)
        return (*single, *self._servers.values())

    def show_guide(self) -> None:
        """Show the user guide."""
        if self._guide is None:
            from ui.guide_window import GuideWindow

            self._guide = GuideWindow(self._draft.settings)
            self._guide.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            self._guide.closed.connect(self._guide_closed)
        _to_front(self._guide)

    def show_history(self) -> None:
        """Show all runs of this desktop."""
        if self._history is None:
            self._history = HistoryWindow(self._records, self._draft.settings)
            self._history.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            self._history.server_wanted.connect(self._show_server_of)
            self._history.closed.connect(self._history_closed)
        else:
            self._history.reload()
        _to_front(self._history)

    def _show_server_of(self, run: Run) -> None:
        try:
            request = run.request
        except SlipwayError as error:
            if self._history is not None:
                tell_error(self._history, error)
            return
        self.show_server(request).show_releases()

    def show_server(self, request: DeployRequest) -> ServerWindow:
        """Show a service on its server."""
        draft, target = self._draft, request.targets[0]
        key = (request.name, str(target), request.deploy.kind)
        window = self._servers.get(key)
        if window is None:
            same = target == draft.target
            visit = draft.sign_ins.visit(request, target)
            access = Access(visit, draft.transport if same else None)
            window = ServerWindow(access, self._records, draft.settings)
            window.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
            window.closed.connect(self._server_closed)
            window.changed_server.connect(self.changed_server)
            window.signed_in.connect(self._signed_in)
            window.wizard_wanted.connect(self.wizard_wanted)
            self._servers[key] = window
        else:
            window.look()
        _to_front(window)
        return window

    def _signed_in(self, visit: Visit) -> None:
        self._draft.sign_ins.take(visit.target, visit.credentials, frozenset())

    def _guide_closed(self) -> None:
        self._guide = None

    def _history_closed(self) -> None:
        self._history = None

    def _server_closed(self) -> None:
        gone = self.sender()
        self._servers = {key: each for key, each in self._servers.items() if each is not gone}


def _to_front(window: QWidget) -> None:
    window.show()
    window.raise_()
    window.activateWindow()
