"""What a service says: its log, followed live, and Windows' event log, read again and again."""

from __future__ import annotations

from app import service
from app.errors import SlipwayError
from app.events import Emit, Stream
from app.i18n import _
from app.request import DeployRequest
from app.transport import CancelToken
from ui.jobs import Found
from ui.widgets.log_view import LogView
from ui.worker import Worker

FIRST_LINES = 500


class ServiceLog(LogView):
    """Follows the log of one service."""

    stderr_role = "text"  # Go's own log package writes there

    def __init__(self, request: DeployRequest) -> None:
        super().__init__(_("Log of the service"))
        self._request = request
        self._worker: Worker | None = None
        self._since = ""
        self.suggest_name(f"{request.name}.log")
        self.say_while_empty(_("What the program prints appears here."))

    def follow(self, found: Found, since: str, *, anew: bool) -> None:
        """Show the last lines and those to come, unless they are shown already.

        ``since`` is when the service was started, "" while it is stopped: Docker ends a log with
        its container, and one that was started since has more to say.
        """
        over = self._worker is None and since not in ("", self._since)
        if anew or over:
            self._since = since
            self._begin(found)

    def stop(self) -> None:
        """Follow no more."""
        if self._worker is not None:
            self._worker.cancel()

    def _begin(self, found: Found) -> None:
        self.clear()
        self.stop()
        request = self._request

        def job(emit: Emit, cancel: CancelToken) -> None:
            transport = found.transport.another()

            def line(stream: Stream, text: str) -> None:
                emit((stream, text))  # type: ignore[arg-type]

            try:
                service.follow_logs(
                    transport, request, found.facts, lines=FIRST_LINES, on_line=line, cancel=cancel
                )
            finally:
                transport.close()

        worker = Worker(job, self)
        self._worker = worker
        worker.drained.connect(self.add)
        worker.failed.connect(self._failed)
        worker.ended.connect(self._ended)
        worker.start()

    def _failed(self, error: SlipwayError) -> None:
        self.add([("note", text) for text in str(error).splitlines()])

    def _ended(self) -> None:
        if self.sender() is self._worker:
            self._worker = None


class EventLog(LogView):
    """Shows what Windows' event log says of one service; it has no way to be followed."""

    def __init__(self, request: DeployRequest) -> None:
        super().__init__(_("Windows event log"))
        self._request = request
        self._worker: Worker | None = None
        self.suggest_name(f"{request.name}-events.log")

    def read(self, found: Found) -> None:
        """Read it again, while it is looked at."""
        if not self.isVisible() or self._worker is not None:
            return
        request = self._request

        def job(_emit: Emit, _cancel: CancelToken) -> list[str]:
            own = found.transport.another()
            try:
                return service.read_events(own, request)
            finally:
                own.close()

        worker = Worker(job, self)
        self._worker = worker
        worker.succeeded.connect(self._read)
        worker.failed.connect(self._failed)
        worker.ended.connect(self._ended)
        worker.ended.connect(worker.deleteLater)
        worker.start()

    def _read(self, lines: list[str]) -> None:
        words = lines or [_("The event log says nothing of this service.")]
        if self.all_lines != words:
            self.clear()
            self.add([("stdout", text) for text in words])

    def _failed(self, error: SlipwayError) -> None:
        self.clear()
        self.add([("note", text) for text in str(error).splitlines()])

    def _ended(self) -> None:
        self._worker = None
