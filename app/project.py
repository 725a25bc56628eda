"""From a folder to a Go project: what the toolchain says about it, and git."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.errors import ProfileError, ProjectError, SlipwayError
from app.events import Stream
from app.git import GitRevision, git_revision
from app.go_problems import go_problem
from app.gosource import (
    health_pages,
    listening_ports,
    read_tokens,
    string_variables,
    version_variables,
)
from app.i18n import _, first_of
from app.processes import ProcessResult
from app.reasons import reason
from app.toolchain import Toolchain, version_tuple
from app.transport import CancelToken, OnLine, ignore_line

# Packages whose presence means that the program itself answers the Windows service control
# manager; kardianos/service asks for the first only when it is built for Windows.
SERVICE_PACKAGES = frozenset({"golang.org/x/sys/windows/svc", "github.com/kardianos/service"})
ASSET_FOLDERS = (
    "config", "configs", "conf", "etc", "assets", "static", "public", "templates", "views",
    "migrations", "locales", "i18n", "dist", "web/dist", "web/static", "web/templates",
    "ui/dist", "frontend/dist",
)  # fmt: skip
# Folders that are never searched for modules of their own: what go itself ignores, and caches.
SKIPPED_FOLDERS = frozenset({"vendor", "testdata", "node_modules"})
# Windows starts no program in a folder with a longer path, whatever else may be longer.
LONGEST_FOLDER = 258
MODULE_DEPTH = 4
MODULES_NAMED = 12
STAMP_PACKAGES = frozenset({"version", "buildinfo"})
Listing = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class MainPackage:
    """A program of the project.

    ``path`` is relative to the project, like "./cmd/hello" or "."; ``folder`` and
    ``module_folder`` are absolute; ``name`` is its binary's, without ".exe". ``stamps`` are
    variables that look like a version, ``variables`` all of main's that -X can set;
    ``health_pages`` are paths at which it seems to say whether it is well.
    """

    path: str
    import_path: str
    name: str
    cgo: bool
    windows_service: bool
    stamps: tuple[str, ...]
    ports: tuple[int, ...]
    folder: Path
    module: str
    module_folder: Path
    variables: tuple[str, ...] = ()
    health_pages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class GoProject:
    """A folder with a Go module or workspace, and the programs in it.

    ``module`` is the folder's own, or a workspace's first; ``go_version`` the Go that it asks
    for ("" if it does not say); ``assets`` are folders a program may want beside it.
    """

    path: Path
    module: str
    go_version: str
    mains: tuple[MainPackage, ...]
    vendored: bool
    workspace: bool
    revision: GitRevision | None
    assets: tuple[str, ...]
    dockerfile: str

    def main(self, package: str) -> MainPackage:
        """Return the main package of that path, or the only one for "".

        Raises ProfileError (project.package) if there is no such package or no single one.
        """
        choices = ", ".join(main.path for main in self.mains)
        if not package:
            if len(self.mains) == 1:
                return self.mains[0]
            raise ProfileError(
                "project.package",
                _("The project has several programs."),
                choices,
                _("Choose the one to deploy."),
            )
        wanted = package.replace("\\", "/").removeprefix("./").rstrip("/") or "."
        for main in self.mains:
            if wanted in (main.path.removeprefix("./"), main.import_path):
                return main
        raise ProfileError(
            "project.package",
            _("There is no program “{package}” in this project.").format(package=package),
            _("It has: {choices}").format(choices=choices),
            _("Choose one of these."),
        )


def open_project(
    path: Path,
    toolchain: Toolchain,
    *,
    tags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    on_line: OnLine = ignore_line,
    cancel: CancelToken | None = None,
) -> GoProject:
    """Find out what a folder is, downloading the modules that its programs need.

    ``on_line`` hears of downloads and complaints; ``env`` is added to the environment.
    Raises ProjectError, ToolchainError if this Go is too old for it, or Cancelled.
    """
    path = readable_folder(path)
    go = _Go(toolchain, dict(env or {}), tuple(tags), cancel, on_line)
    workspace = (path / "go.work").is_file()
    modules = _modules(go, path, workspace)
    mains: list[MainPackage] = []
    embedded: set[Path] = set()
    broken: list[str] = []
    for root in _roots(go, path, modules, workspace):
        listing = go.packages(root)
        broken += _broken_imports(listing)
        mains += _mains(path, listing, go.packages(root, "windows"))
        embedded.update(_embedded_files(listing))
    if not mains:
        raise go.problem("\n".join(broken)) if broken else _no_main(path)
    return GoProject(
        path=path,
        module=modules[0].name,
        go_version=max((module.go for module in modules), key=version_tuple),
        mains=tuple(sorted(mains, key=lambda main: main.path)),
        vendored=(path / "vendor" / "modules.txt").is_file(),
        workspace=workspace,
        revision=git_revision(path, cancel),
        assets=tuple(name for name in ASSET_FOLDERS if _has_assets(path / name, embedded)),
        dockerfile="Dockerfile" if (path / "Dockerfile").is_file() else "",
    )


def source_digest(
    main: MainPackage,
    toolchain: Toolchain,
    *,
    tags: Sequence[str] = (),
    env: Mapping[str, str] | None = None,
    cancel: CancelToken | None = None,
) -> str:
    """Return the SHA-256 of all source that a program is made of, Go's own apart."""
    go = _Go(toolchain, dict(env or {}), tuple(tags), cancel)
    digest = hashlib.sha256()
    for package in go.packages(_Root(main.module_folder, (package_pattern(main),))):
        if package.get("Standard"):
            continue
        folder = Path(package.get("Dir", ""))
        for key in ("GoFiles", "CgoFiles", "CFiles", "HFiles", "SFiles", "EmbedFiles"):
            for name in sorted(package.get(key) or ()):
                content = hashlib.sha256((folder / name).read_bytes()).hexdigest()
                digest.update(f"{package['ImportPath']}/{name}\0{content}\n".encode())
    return digest.hexdigest()


def package_pattern(main: MainPackage) -> str:
    """Return the pattern that names a main package to go, run in its module's folder."""
    inner = main.folder.relative_to(main.module_folder).as_posix()
    return "." if inner == "." else f"./{inner}"


@dataclass(frozen=True, slots=True)
class _Module:
    name: str
    folder: Path
    go: str


@dataclass(frozen=True, slots=True)
class _Root:
    """Where ``go list`` is run, and for what."""

    folder: Path
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Go:
    """The go command with its environment."""

    toolchain: Toolchain
    env: dict[str, str]
    tags: tuple[str, ...]
    cancel: CancelToken | None
    on_line: OnLine = ignore_line

    def run(self, folder: Path, *words: str, **env: str) -> ProcessResult:
        return self.toolchain.run(
            words, cwd=folder, env=self.env | env, on_line=self._report, cancel=self.cancel
        )

    def _report(self, stream: Stream, text: str) -> None:
        # The answers come on stdout; on stderr go tells what it downloads.
        if stream == "stderr":
            self.on_line(stream, text)

    def json(self, folder: Path, *words: str) -> dict[str, Any]:
        """Run a command that answers with one JSON object."""
        result = self.run(folder, *words)
        if result.exit_code != 0:
            raise self.problem(result.stderr)
        answer: dict[str, Any] = json.loads(result.stdout)
        return answer

    def packages(self, root: _Root, goos: str = "linux") -> Listing:
        """List packages and all that they are made of, with cgo's share of it."""
        fields = (
            "Dir,ImportPath,Name,Standard,Target,Module,Deps,Error,DepsErrors,"
            "GoFiles,CgoFiles,CFiles,HFiles,SFiles,EmbedFiles"
        )
        # CGO_ENABLED=1 shows cgo files also where the build will leave them out.
        result = self.run(
            root.folder,
            *("list", "-e", "-deps", f"-json={fields}", f"-tags={','.join(self.tags)}"),
            *root.patterns,
            GOOS=goos,
            GOARCH="amd64",
            CGO_ENABLED="1",
        )
        if result.exit_code != 0:
            raise self.problem(result.stderr)
        return list(_json_stream(result.stdout))

    def problem(self, text: str) -> SlipwayError:
        """Return go's complaint as an error, an unknown one in its own words."""
        return go_problem(text, self.toolchain) or ProjectError(
            _("Go does not accept this project"),
            text.strip(),
            _("Correct what go complains about."),
        )


def _json_stream(text: str) -> Iterator[dict[str, Any]]:
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text):
        value, position = decoder.raw_decode(text, position)
        yield value
        while position < len(text) and text[position].isspace():
            position += 1


def readable_folder(path: Path) -> Path:
    """Return the folder's real path; raises ProjectError if it is none or can't be read."""
    hint = _("Choose the folder that contains go.mod.")
    if os.name == "nt" and len(str(path)) > LONGEST_FOLDER:
        raise ProjectError(
            _("The path of this folder is too long for Windows"),
            _("It has {length} characters, and {most} is the most.").format(
                length=len(str(path)), most=LONGEST_FOLDER
            ),
            _("Move the project to a folder with a shorter path."),
        )
    try:
        path = path.expanduser().resolve(strict=True)
        with os.scandir(path):
            return path
    except FileNotFoundError:
        raise ProjectError(_("The folder does not exist"), str(path), hint) from None
    except NotADirectoryError:
        raise ProjectError(_("This is not a folder"), str(path), hint) from None
    except (OSError, RuntimeError) as error:
        raise ProjectError(
            _("The folder cannot be read"),
            f"{path}: {reason(error)}",
            _("Ask its owner for the right to read it, or choose another one."),
        ) from error


def _modules(go: _Go, path: Path, workspace: bool) -> tuple[_Module, ...]:
    """Return the modules that the folder itself stands for."""
    if workspace:
        work = go.json(path, "work", "edit", "-json")
        folders = [(path / entry["DiskPath"]).resolve() for entry in work.get("Use") or ()]
        found = [_module(go, folder) for folder in folders if (folder / "go.mod").is_file()]
        if not found:
            raise ProjectError(
                _("The file go.work names no module"),
                str(path / "go.work"),
                _("Add one with “go work use FOLDER”."),
            )
        return tuple(sorted(found, key=lambda module: module.folder != path))
    if (path / "go.mod").is_file():
        return (_module(go, path),)
    raise _no_module(path)


def _module(go: _Go, folder: Path) -> _Module:
    answer = go.json(folder, "mod", "edit", "-json")
    name = (answer.get("Module") or {}).get("Path", "")
    if not name:
        raise ProjectError(
            _("The file go.mod names no module"),
            str(folder / "go.mod"),
            _("Add a line like “module example.com/name”."),
        )
    return _Module(name, folder, answer.get("Go") or "")


def _no_module(path: Path) -> ProjectError:
    title = _("There is no go.mod in this folder")
    for parent in path.parents:
        if (parent / "go.mod").is_file():
            return ProjectError(
                title,
                str(path),
                _("It belongs to the module in {folder}: choose that one.").format(folder=parent),
            )
    if nested := sorted(str(folder) for folder in _nested_modules(path)):
        named = first_of(nested, MODULES_NAMED)
        return ProjectError(title, str(path), _("Choose one of: {folders}").format(folders=named))
    return ProjectError(
        title,
        str(path),
        _("Choose the folder that contains go.mod, or make one there with “go mod init NAME”."),
    )


def _no_main(path: Path) -> ProjectError:
    return ProjectError(
        _("There is no program in this project"),
        _("No package in {folder} is a “package main”: it is a library.").format(folder=path),
        _("Choose a project with a main package, or check the build tags."),
    )


def _nested_modules(path: Path) -> Iterator[Path]:
    """Yield folders below that have a go.mod of their own."""
    for folder, names, files in os.walk(path):
        here = Path(folder)
        if here != path and "go.mod" in files:
            yield here
        deep = len(here.relative_to(path).parts) >= MODULE_DEPTH
        names[:] = [] if deep else [
            name for name in sorted(names)
            if name not in SKIPPED_FOLDERS and not name.startswith((".", "_"))
        ]  # fmt: skip


def _roots(go: _Go, path: Path, modules: tuple[_Module, ...], workspace: bool) -> Iterator[_Root]:
    """Yield where to list packages: the folder's modules at once, then nested ones."""
    own = [module.folder for module in modules if module.folder.is_relative_to(path)]
    patterns = []
    for folder in own:
        inner = folder.relative_to(path).as_posix()
        patterns.append("./..." if inner == "." else f"./{inner}/...")
    if patterns:
        yield _Root(path, tuple(patterns))
    if workspace:
        # A module that go.work leaves out can't be built inside of the workspace.
        return
    for folder in _nested_modules(path):
        # A nested module that does not work is no reason to refuse the others.
        if go.run(folder, "list", "-m").exit_code == 0:
            yield _Root(folder, ("./...",))


def _mains(path: Path, listing: Listing, on_windows: Listing) -> Iterator[MainPackage]:
    """Yield the main packages of the project's own modules, whatever system they are for."""
    packages = {package["ImportPath"]: package for package in on_windows}
    packages |= {package["ImportPath"]: package for package in listing if package.get("Name")}
    with_windows = {package["ImportPath"]: package for package in on_windows}
    unloadable = _unloadable(listing)
    for import_path, package in packages.items():
        own = (package.get("Module") or {}).get("Main", False)
        if package.get("Name") != "main" or not own or unloadable & set(package.get("Deps") or ()):
            continue
        yield _main(path, package, packages, with_windows.get(import_path, package))


def _main(
    path: Path,
    package: dict[str, Any],
    packages: dict[str, dict[str, Any]],
    windows: dict[str, Any],
) -> MainPackage:
    folder = Path(package["Dir"])
    module = package["Module"]
    inner = folder.relative_to(path).as_posix()
    parts = [package, *(packages.get(name, {}) for name in package.get("Deps") or ())]
    foreign = [part for part in parts if not part.get("Standard")]
    own = [part for part in foreign if (part.get("Module") or {}).get("Main")]
    variables = string_variables(map(read_tokens, _sources(package)))
    sources = [read_tokens(source) for part in own for source in _sources(part)]
    return MainPackage(
        path="." if inner == "." else f"./{inner}",
        import_path=package["ImportPath"],
        name=_binary_name(package),
        cgo=any(part.get("CgoFiles") for part in foreign),
        windows_service=not SERVICE_PACKAGES.isdisjoint(windows.get("Deps") or ()),
        stamps=tuple(f"main.{name}" for name in version_variables(variables))
        + _stamps_elsewhere(own[1:]),
        ports=listening_ports(sources),
        folder=folder,
        module=module["Path"],
        module_folder=Path(module["Dir"]),
        variables=variables,
        health_pages=health_pages(sources),
    )


def _stamps_elsewhere(packages: Listing) -> tuple[str, ...]:
    """Return version variables of packages that exist for the purpose, like internal/version."""
    return tuple(
        f"{package['ImportPath']}.{name}"
        for package in packages
        if package["ImportPath"].rsplit("/", 1)[-1] in STAMP_PACKAGES
        for name in version_variables(string_variables(map(read_tokens, _sources(package))))
    )


def _sources(package: dict[str, Any]) -> list[Path]:
    names = [*(package.get("GoFiles") or ()), *(package.get("CgoFiles") or ())]
    return [Path(package["Dir"]) / name for name in names]


def _binary_name(package: dict[str, Any]) -> str:
    """Return the name that ``go install`` would give."""
    if target := package.get("Target"):
        return Path(str(target)).name.removesuffix(".exe")
    import_path = str(package["ImportPath"])
    parts = [part for part in import_path.split("/") if not re.fullmatch(r"v\d+", part)]
    return parts[-1] if parts else import_path


def _unloadable(listing: Listing) -> set[str]:
    """Return the imports that go could not find: without a name there was nothing to read."""
    return {
        package["ImportPath"]
        for package in listing
        if package.get("Error") and not package.get("Name")
    }


def _broken_imports(listing: Listing) -> list[str]:
    """Return go's words on each import that could not be found."""
    names = _unloadable(listing)
    return [package["Error"]["Err"] for package in listing if package["ImportPath"] in names]


def _embedded_files(listing: Listing) -> Iterator[Path]:
    for package in listing:
        if not package.get("Standard"):
            for name in package.get("EmbedFiles") or ():
                yield Path(package["Dir"]) / name


def _has_assets(folder: Path, embedded: set[Path]) -> bool:
    """Whether a folder holds something that is neither source nor already in the program."""
    if not folder.is_dir():
        return False
    for where, _names, files in os.walk(folder):
        for name in files:
            path = Path(where) / name
            if not name.startswith(".") and path.suffix != ".go" and path not in embedded:
                return True
    return False
