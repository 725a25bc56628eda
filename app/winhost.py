"""slipway-host.exe, the program for Windows servers: made from Go sources, found, understood."""

from __future__ import annotations

import gzip
import hashlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import platformdirs

from app.errors import BuildError
from app.i18n import _
from app.patience import patiently
from app.reasons import reason
from app.toolchain import Toolchain, find_toolchain
from app.transport import CancelToken, CommandResult, OnLine, ignore_line
from app.transport.tool import HostError, read_host_error

SOURCES = Path(__file__).resolve().parent.parent / "resources" / "winhost"
REMOTE_FOLDER = r"C:\Program Files\Slipway"
ARCHITECTURES = ("amd64", "arm64")
QUOTED_LINES = 20

Tell = Callable[[str], None]


def tell_nobody(words: str) -> None:
    """Drop what is under way."""


def source_id() -> str:
    """Return the id of the sources: 12 hex digits of their SHA-256, whatever their line ends."""
    digest = hashlib.sha256()
    for path in sorted(_sources(), key=lambda path: path.name):
        content = path.read_bytes().replace(b"\r\n", b"\n")
        digest.update(path.name.encode() + b"\0" + content + b"\0")
    return digest.hexdigest()[:12]


def _sources() -> Iterator[Path]:
    for path in SOURCES.iterdir():
        code = path.suffix == ".go" and not path.name.endswith("_test.go")
        if code or path.name in ("go.mod", "go.sum", "errors.json"):
            yield path


def remote_path(tool_id: str) -> str:
    """Return where the program of this id lies on every Windows server."""
    return rf"{REMOTE_FOLDER}\slipway-host-{tool_id}.exe"


def program(
    arch: str,
    toolchain: Toolchain | None = None,
    cancel: CancelToken | None = None,
    on_line: OnLine = ignore_line,
    tell: Tell = tell_nobody,
) -> Path:
    """Return slipway-host.exe for ``arch`` ("amd64", "arm64"): prebuilt, or built once and kept.

    ``tell`` hears of a build before it begins: it takes a minute. Raises BuildError,
    ToolchainError, Cancelled.
    """
    if arch not in ARCHITECTURES:
        raise BuildError(
            _("Slipway can't work on a Windows server with this processor."),
            arch,
            _("It knows {known}.").format(known=", ".join(ARCHITECTURES)),
        )
    wanted = source_id()
    folder = platformdirs.user_cache_path("slipway", appauthor=False) / "winhost"
    kept = folder / f"slipway-host-{wanted}-{arch}.exe"
    if kept.is_file():
        return kept
    prebuilt = SOURCES / "prebuilt" / f"slipway-host-{arch}.exe.gz"
    stamp = prebuilt.with_name(f"slipway-host-{arch}.id")
    if prebuilt.is_file() and stamp.is_file() and stamp.read_text("utf-8").strip() == wanted:
        with _whole(kept) as part:
            part.write_bytes(gzip.decompress(prebuilt.read_bytes()))
    else:
        tell(_("Building Slipway's own tool for the server…"))
        build_program(arch, kept, toolchain or find_toolchain(), cancel, on_line)
    return kept


class WindowsTool:
    """The program of our own sources, as the transports to Windows need it.

    ``tell`` hears what takes its time while the program is got and sent.
    """

    def __init__(self, tell: Tell = tell_nobody) -> None:
        self.tell = tell
        self._id = ""

    @property
    def id(self) -> str:
        """The id that it answers."""
        self._id = self._id or source_id()
        return self._id

    @property
    def path(self) -> str:
        """Where it lies on every server."""
        return remote_path(self.id)

    def program(self, arch: str) -> Path:
        """Return it for an architecture; raises BuildError or ToolchainError."""
        return program(arch, tell=self.tell)


def build_program(
    arch: str,
    dest: Path,
    toolchain: Toolchain,
    cancel: CancelToken | None = None,
    on_line: OnLine = ignore_line,
) -> None:
    """Build slipway-host.exe from its sources to ``dest``, whole or not at all.

    The same sources and Go give the same bytes; nothing is fetched. Raises BuildError,
    ToolchainError, Cancelled.
    """
    with _whole(dest) as part:
        _compile(arch, part, toolchain, cancel, on_line)


@contextmanager
def _whole(dest: Path) -> Iterator[Path]:
    """Give a place to write ``dest`` to: it is there whole or not at all. Raises BuildError."""
    try:
        dest.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".part-", dir=dest.parent) as scratch:
            part = Path(scratch) / dest.name
            yield part
            patiently(lambda: part.replace(dest))
    except OSError as error:
        raise BuildError(
            _("slipway-host.exe can't be written"),
            reason(error),
            _("Make room, or make {folder} writable.").format(folder=dest.parent),
        ) from error


def _compile(
    arch: str, part: Path, toolchain: Toolchain, cancel: CancelToken | None, on_line: OnLine
) -> None:
    result = toolchain.run(
        [
            "build", "-mod=vendor", "-trimpath", "-buildvcs=false",
            f"-ldflags=-s -w -buildid= -X main.id={source_id()}", "-o", part, ".",
        ],
        cwd=SOURCES,
        env={
            "GOOS": "windows", "GOARCH": arch, "CGO_ENABLED": "0",
            "GOFLAGS": "", "GOWORK": "off", "GOTOOLCHAIN": "local",
        },
        on_line=on_line,
        cancel=cancel,
    )  # fmt: skip
    if result.exit_code != 0:
        raise BuildError(
            _("slipway-host.exe does not build"),
            "\n".join((result.stderr or result.stdout).strip().splitlines()[:QUOTED_LINES]),
            _("Try another Go, 1.21 or newer; if it stays so, reinstall Slipway."),
        )


def host_error(result: CommandResult) -> HostError | None:
    """Return why a verb of slipway-host failed, in the user's language; None if it doesn't say."""
    return read_host_error(result.stderr)
