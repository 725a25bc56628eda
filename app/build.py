"""From a Go project to a verified binary for the server's platform."""

from __future__ import annotations

import contextlib
import hashlib
import json
import platform as this_computer
import re
import shlex
import tempfile
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from app.artifact import Artifact
from app.binary import BinaryHeader, read_header
from app.diagnostics import TestReport, diagnostics
from app.errors import BuildError, Diagnostic, ProfileError, ToolchainError
from app.events import Stream
from app.go_problems import go_problem
from app.i18n import _
from app.include import included_files
from app.patience import is_held, patiently
from app.project import GoProject, MainPackage, package_pattern, source_digest
from app.reasons import reason
from app.request import BuildOptions
from app.toolchain import Toolchain
from app.transport import CancelToken, OnLine, ignore_line
from app.transport.output import without_url_passwords

# How much of a failed command's output an error can quote and diagnostics are read from.
KEPT_LINES = 2000
QUOTED_LINES = 20
# What other answers decide; set twice, one of them would lie.
DECIDED_ELSEWHERE = {
    "GOOS": "build.platform",
    "GOARCH": "build.platform",
    "CGO_ENABLED": "build.cgo",
    "GOROOT": "",
    "GOTMPDIR": "",
}
_FORMATS = {"windows": "pe", "darwin": "macho"}


def build(
    project: GoProject,
    options: BuildOptions,
    package: str,
    platform: str,
    toolchain: Toolchain,
    out: Path,
    *,
    on_line: OnLine = ignore_line,
    cancel: CancelToken | None = None,
) -> Artifact:
    """Check, compile and verify one program; the binary lies in the folder ``out`` afterwards.

    The binary appears there whole or not at all. ``platform`` is like "linux/amd64". The same
    source and options give the same bytes. Files in diagnostics are absolute. Raises
    ProfileError for options that cannot be used, before anything runs, then BuildError,
    ToolchainError or Cancelled.
    """
    main = project.main(package)
    system, machine = _split_platform(platform)
    _check_options(options)
    binary = main.name + (".exe" if system == "windows" else "")
    included = included_files(project.path, options.include, binary)
    with _temporary_folder("slipway-") as scratch:
        job = _Job(main, options, toolchain, system, machine, scratch, on_line, cancel)
        version = _version(project, job)
        ldflags = link_flags(options, version)
        for check in options.checks:
            _CHECKS[check](job)
        # Beside the final place, so that putting it there is one renaming.
        with _temporary_folder(".part-", out.absolute()) as folder:
            part = folder / binary
            _compile(job, part, ldflags)
            with _unwritten():
                header, information = _verify(job, part)
                sha256, size = patiently(lambda: _measure(part))
                path = patiently(lambda: part.replace(out.absolute() / binary))
    revision = project.revision
    return Artifact(
        path=path,
        binary=binary,
        platform=platform,
        sha256=sha256,
        size=size,
        static=header.static,
        go_version=information.go_version,
        module=main.module,
        package=main.import_path,
        version=version,
        commit=revision.commit if revision else "",
        commit_time=revision.commit_time if revision else 0,
        dirty=revision.dirty if revision else False,
        options=information.settings | _recorded(options, ldflags),
        included=included,
        windows_service=main.windows_service,
    )


def warnings(project: GoProject, options: BuildOptions, package: str) -> tuple[str, ...]:
    """Return what may surprise the user about a build, in words, before it is made."""
    main = project.main(package)
    found = []
    if main.cgo and not options.cgo:
        found.append(
            _(
                "The program or one of its modules uses cgo, but cgo is off: that part is left "
                "out, and the build or the program may fail because of it."
            )
        )
    if (
        options.cgo
        and options.platform not in ("auto", host_platform())
        and "CC" not in options.env
    ):
        found.append(
            _(
                "cgo is on and the server's platform is another one: set CC in the build's "
                "environment to a C compiler for {platform}."
            ).format(platform=options.platform)
        )
    variable = options.stamp.removeprefix("main.")
    if options.stamp.startswith("main.") and variable not in main.variables:
        found.append(
            _(
                "The program has no string variable “{stamp}” at package level: it will not know "
                "its version."
            ).format(stamp=options.stamp)
        )
    if project.revision is None and options.version == "auto":
        found.append(_("There is no git revision: the version is made from the source's hash."))
    if project.revision is not None and project.revision.dirty:
        found.append(_("The project has changes that are not committed: they are built too."))
    return tuple(found)


def host_platform() -> str:
    """Return this computer's platform in Go's words."""
    machines = {"x86_64": "amd64", "aarch64": "arm64", "i386": "386", "i686": "386"}
    machine = this_computer.machine().lower()
    return f"{this_computer.system().lower()}/{machines.get(machine, machine)}"


def link_flags(options: BuildOptions, version: str) -> str:
    """Return the text of -ldflags: reproducible, the user's own, the version stamped.

    Raises ProfileError if the version cannot be written there.
    """
    # An empty build ID: the one that go would write depends on how the build was run.
    parts = ["-buildid=", options.ldflags.strip()]
    if options.stamp:
        parts.append("-X " + _quoted(f"{options.stamp}={version}"))
    return " ".join(filter(None, parts))


def _quoted(word: str) -> str:
    """Quote as go splits flags: either kind of quotes around a word, no escapes inside."""
    if not re.search(r"[\s'\"]", word):
        return word
    for quote in ("'", '"'):
        if quote not in word:
            return quote + word + quote
    raise ProfileError(
        "build.version",
        _("The version cannot be stamped"),
        _("It contains both kinds of quotes, which Go's linker flags cannot express."),
        _("Leave out one kind of quotes."),
    )


@dataclass(frozen=True, slots=True)
class _Job:
    """What all commands of one build have in common."""

    main: MainPackage
    options: BuildOptions
    toolchain: Toolchain
    system: str
    machine: str
    scratch: Path
    on_line: OnLine
    cancel: CancelToken | None

    @property
    def tags(self) -> tuple[str, ...]:
        return (f"-tags={','.join(self.options.tags)}",) if self.options.tags else ()

    @property
    def target(self) -> dict[str, str]:
        return {"GOOS": self.system, "GOARCH": self.machine}

    def go(self, *words: str | Path, on_line: OnLine, env: Mapping[str, str]) -> int:
        """Run go in the module's folder and return its exit code."""
        self.on_line("note", "$ " + shlex.join(["go", *map(str, words)]))
        # What a killed go leaves behind lies in our own folder and goes with it.
        own = {"CGO_ENABLED": "01"[self.options.cgo], "GOTMPDIR": str(self.scratch)}
        result = self.toolchain.run(
            words,
            cwd=self.main.module_folder,
            env=self.options.env | own | dict(env),
            on_line=on_line,
            cancel=self.cancel,
            capture=False,
        )
        return result.exit_code


class _Tail:
    """Passes lines on and keeps the last of them."""

    def __init__(self, on_line: OnLine) -> None:
        self._on_line = on_line
        self.lines: deque[str] = deque(maxlen=KEPT_LINES)

    def __call__(self, stream: Stream, text: str) -> None:
        text = without_url_passwords(text)  # of a GOPROXY, or of git
        self.lines.append(text)
        self._on_line(stream, text)

    def quote(self) -> str:
        """Return the first lines: the first error is the one that counts."""
        return "\n".join(list(self.lines)[:QUOTED_LINES])


def _compile(job: _Job, part: Path, ldflags: str) -> None:
    tail = _Tail(job.on_line)
    words: list[str | Path] = ["build", "-trimpath", *job.tags, f"-ldflags={ldflags}"]
    if "-buildvcs" not in job.options.env.get("GOFLAGS", ""):
        # The commit stands in the release's record. In the binary it would give every commit
        # other bytes, and a deployment of unchanged code could not be told from a new one.
        words.append("-buildvcs=false")
    code = job.go(
        *words, "-o", part, package_pattern(job.main), on_line=tail, env=job.target
    )  # fmt: skip
    if code != 0:
        raise _build_error(job, tail)


def _vet(job: _Job) -> None:
    tail = _Tail(job.on_line)
    if job.go("vet", *job.tags, "./...", on_line=tail, env=job.target) != 0:
        found = diagnostics(list(tail.lines), job.main.module_folder)
        raise _known(job, tail, found) or BuildError(
            _("“go vet” found problems"),
            tail.quote(),
            _("Correct them, or take “vet” off the checks."),
            found,
        )


def _test(job: _Job) -> None:
    """Run the module's tests: on this computer, whatever platform is built for."""
    tail = _Tail(job.on_line)
    report = TestReport(
        job.main.module, job.main.module_folder, lambda text: tail("stdout", text)
    )  # fmt: skip

    def take(stream: Stream, text: str) -> None:
        if stream == "stdout":
            report.feed(text)
        else:
            tail(stream, text)

    if job.go("test", "-json", *job.tags, "./...", on_line=take, env={}) != 0:
        found = report.diagnostics() or diagnostics(list(tail.lines), job.main.module_folder)
        raise _known(job, tail, found) or BuildError(
            _("The tests do not pass"),
            "\n".join(list(tail.lines)[-QUOTED_LINES:]),
            _("Correct what fails, or take “test” off the checks."),
            found,
        )


_CHECKS = {"vet": _vet, "test": _test}


def _known(
    job: _Job, tail: _Tail, found: tuple[Diagnostic, ...]
) -> BuildError | ToolchainError | None:
    """Return the error for what go says before it looks at any source, if that is all it said."""
    return None if found else _problem(job, tail)


def _problem(
    job: _Job, tail: _Tail, found: tuple[Diagnostic, ...] = ()
) -> BuildError | ToolchainError | None:
    text = tail.quote()
    for pattern, title, hint in _setup_problems(job):
        if re.search(pattern, text):
            return BuildError(title, text, hint, found)
    problem = go_problem(text, job.toolchain)
    if problem is None or isinstance(problem, ToolchainError):
        return problem
    return BuildError(problem.title, problem.detail, problem.hint, found)


def _setup_problems(job: _Job) -> Iterator[tuple[str, str, str]]:
    """Yield pattern, title and hint of what is wrong around the source, not in it."""
    yield (
        r"unsupported GOOS/GOARCH",
        _("Go cannot build for {platform}").format(platform=f"{job.system}/{job.machine}"),
        _("Choose another platform; “go tool dist list” shows them all."),
    )
    yield (
        r"C compiler .* not found|cgo: .*executable file not found|exec: \".*(gcc|clang|cc)\"",
        _("cgo needs a C compiler, and there is none"),
        _("Install gcc or clang, or name one for the platform with CC; or turn cgo off."),
    )
    yield (
        r"build constraints exclude all Go files",
        _("The program has no source for this platform"),
        _("Choose another platform or other build tags; what needs cgo is left out without it."),
    )
    yield (
        r"no space left on device|not enough space on the disk",
        _("The disk is full"),
        _("Make room; “go clean -cache” frees what Go keeps for later builds."),
    )
    yield (
        r"invalid value .* for flag|parsing \$GOFLAGS",
        _("Go does not accept the build's options"),
        _("Correct build.ldflags, build.tags or GOFLAGS: quotes must come in pairs."),
    )


def _build_error(job: _Job, tail: _Tail) -> BuildError | ToolchainError:
    """Return why nothing was compiled."""
    found = diagnostics(list(tail.lines), job.main.module_folder)
    return _problem(job, tail, found) or BuildError(
        _("The program does not compile"),
        tail.quote(),
        _("Correct the source at the places named, then build again."),
        found,
    )


@dataclass(frozen=True, slots=True)
class _Information:
    """What go wrote into a binary."""

    go_version: str
    path: str
    settings: dict[str, str]


def _verify(job: _Job, part: Path) -> tuple[BinaryHeader, _Information]:
    """Read the result itself: what was asked for and what came out must be the same."""
    if not part.is_file() or (header := patiently(lambda: read_header(part))) is None:
        raise _not_wanted(job, _("no program at all"))
    information = _information(job, part)
    settings = information.settings
    if (
        header.format != _FORMATS.get(job.system, "elf")
        or header.machine not in ("", job.machine)
        or (settings.get("GOOS"), settings.get("GOARCH")) != (job.system, job.machine)
        or settings.get("-buildmode", "exe") not in ("exe", "pie")
        or information.path != job.main.import_path
    ):
        raise _not_wanted(job, f"{information.path} {header.format} {settings}")
    return header, information


def _not_wanted(job: _Job, got: str) -> BuildError:
    return BuildError(
        _("The result is not the program that was asked for"),
        _("Wanted: {wanted}. Got: {got}.").format(
            wanted=f"{job.main.import_path} {job.system}/{job.machine}", got=got
        ),
        _("Look for GOFLAGS with -n, -o or -buildmode in the build's environment."),
    )


def _information(job: _Job, part: Path) -> _Information:
    result = job.toolchain.run(
        ["version", "-m", part],
        cwd=job.scratch,
        env={"GOTOOLCHAIN": "local", "GOFLAGS": ""},
        cancel=job.cancel,
    )
    first, _end, rest = result.stdout.partition("\n")
    path = ""
    settings = {}
    for line in rest.splitlines():
        kind, _tab, value = line.strip().partition("\t")
        if kind == "path":
            path = value
        elif kind == "build":
            key, _equals, setting = value.partition("=")
            settings[key] = _unquoted(setting)
    return _Information(first.rpartition(": ")[2].removeprefix("go"), path, settings)


def _unquoted(text: str) -> str:
    """Undo Go's quoting of a setting with blanks in it."""
    if text.startswith('"'):
        with contextlib.suppress(ValueError):
            return str(json.loads(text))
    return text


def _measure(path: Path) -> tuple[str, int]:
    with path.open("rb") as file:
        sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    return sha256, path.stat().st_size


@contextlib.contextmanager
def _temporary_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Give a new folder that is gone afterwards, whatever happened."""
    with _unwritten():
        if parent is not None:
            parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(prefix=prefix, dir=parent, ignore_cleanup_errors=True)
    with folder as name:
        yield Path(name)


@contextlib.contextmanager
def _unwritten() -> Iterator[None]:
    """Say what to do where the result can't be written."""
    try:
        yield
    except OSError as error:
        hint = _("End the program if it runs from there, make room, or choose another folder.")
        if is_held(error):
            hint = _(
                "Another program has the file open: end it if it runs from there; a virus scanner "
                "can be told to leave the folder of the result alone. Then build again."
            )
        words = f"{error.filename}: {reason(error)}" if error.filename else reason(error)
        raise BuildError(_("The result cannot be written"), words, hint) from error


def _version(project: GoProject, job: _Job) -> str:
    """Return the version to stamp: the user's, git's, or one made from the source.

    The last is "0.0.0-" and the start of the SHA-256 of all source but Go's own: it says no more
    than is known, and the same source gets the same one.
    """
    if job.options.version != "auto":
        return job.options.version
    if project.revision is not None:
        return project.revision.describe
    digest = source_digest(
        job.main, job.toolchain, tags=job.options.tags, env=job.options.env, cancel=job.cancel
    )
    return f"0.0.0-{digest[:12]}"


def _recorded(options: BuildOptions, ldflags: str) -> dict[str, str]:
    """Return what go does not write into the binary itself; values of env may be secret."""
    return {
        "ldflags": ldflags,
        "checks": " ".join(options.checks),
        "env": " ".join(sorted(options.env)),
    }


def _split_platform(platform: str) -> tuple[str, str]:
    if not (match := re.fullmatch(r"([a-z0-9]+)/([a-z0-9]+)", platform)):
        raise ProfileError(
            "build.platform",
            _("“{platform}” is not a platform").format(platform=platform),
            _("It is written as system and machine, like linux/amd64 or windows/arm64."),
            _("Choose a platform, or “auto” for the server's own."),
        )
    return match[1], match[2]


def _check_options(options: BuildOptions) -> None:
    for name in options.env:
        if (decider := DECIDED_ELSEWHERE.get(name.upper())) is not None:
            raise ProfileError(
                "build.env",
                _("{name} cannot be set in the build's environment").format(name=name),
                _("Slipway sets it by itself."),
                _("Use {key} instead.").format(key=decider) if decider else _("Take it out."),
            )
    for tag in options.tags:
        if not re.fullmatch(r"[\w.]+", tag):
            raise ProfileError(
                "build.tags",
                _("“{tag}” is not a build tag").format(tag=tag),
                _("A tag consists of letters, digits, _ and dots."),
                _("Write each tag as an entry of its own."),
            )
    if options.stamp and not re.fullmatch(r"[^\s='\"]+\.[^\W\d]\w*", options.stamp):
        raise ProfileError(
            "build.stamp",
            _("“{stamp}” is not a variable").format(stamp=options.stamp),
            _("It is written as package and name, like main.version."),
            _("Name a string variable of the program, or leave it empty."),
        )
    if not options.version or not options.version.isprintable():
        raise ProfileError(
            "build.version",
            _("The version is empty or has characters that cannot be shown"),
            repr(options.version),
            _("Write it on one line, like v1.4.2, or “auto”."),
        )
