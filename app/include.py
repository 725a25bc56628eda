"""Files that are shipped beside the program: from the rules of a profile to single files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath, PureWindowsPath

from app.artifact import IncludedFile
from app.errors import ProfileError
from app.i18n import _
from app.reasons import reason

KEY = "build.include"
# Histories of version control: never meant to be shipped, and full of what was once deleted.
LEFT_OUT = frozenset({".git", ".hg", ".svn"})
# How scripts begin, and programs for Linux and macOS.
_RUNS = (b"#!", b"\x7fELF", b"\xcf\xfa\xed\xfe")


def included_files(
    project: Path, rules: Iterable[str], binary: str = ""
) -> tuple[IncludedFile, ...]:
    """Return the files that the rules name, sorted, each once.

    A rule is a file or folder relative to the project. Symbolic links are followed where they
    stay in the project. Raises ProfileError (build.include) for a missing or unreadable path,
    one that leaves the project, one that is no file, and one that takes the ``binary``'s name.
    """
    root = project.resolve()
    found: dict[str, IncludedFile] = {}
    for rule in rules:
        start = _start(root, rule)
        for path in _files(root, start, rule, ()):
            name = path.relative_to(root).as_posix()
            found[name] = IncludedFile(path, name, _is_executable(path))
    for name in found:
        if binary and name.split("/")[0].casefold() == binary.casefold():
            raise ProfileError(
                KEY,
                _("“{name}” is also the name of the program").format(name=name.split("/")[0]),
                _("Both would lie at the same place on the server."),
                _("Rename the folder or file, or the program's folder."),
            )
    return tuple(found[name] for name in sorted(found))


def _start(root: Path, rule: str) -> Path:
    """Return the rule's path in the project, not resolved: its name is what is shipped."""
    # As Windows reads it too: a profile means the same on every desktop.
    words = PurePosixPath(rule.replace("\\", "/"))
    if not rule.strip() or words.is_absolute() or PureWindowsPath(rule).drive:
        raise _refused(rule, _("It is not a path relative to the project."))
    if ".." in words.parts:
        raise _refused(rule, _("It leaves the project's folder."))
    return root / words


def _files(root: Path, path: Path, rule: str, above: tuple[Path, ...]) -> Iterator[Path]:
    """Yield the files at or below a path; ``above`` are the real folders that led here."""
    try:
        real = path.resolve(strict=True)
        if not real.is_relative_to(root):
            raise _refused(rule, _("{path} leads out of the project.").format(path=path))
        if real.is_file():
            _check_readable(real)
            yield path
        elif not real.is_dir():
            raise _refused(rule, _("{path} is neither file nor folder.").format(path=path))
        elif real in above:
            raise _refused(rule, _("{path} leads back to itself.").format(path=path))
        else:
            for entry in sorted(real.iterdir()):
                if entry.name not in LEFT_OUT:
                    yield from _files(root, path / entry.name, rule, (*above, real))
    except FileNotFoundError:
        raise ProfileError(
            KEY,
            _("“{rule}” is not in the project").format(rule=rule),
            _("There is nothing at {path}.").format(path=path),
            _("Make it (a build step of the web front end?) or take it off the list."),
        ) from None
    except (OSError, RuntimeError) as error:
        raise _refused(rule, reason(error)) from error


def _check_readable(path: Path) -> None:
    with path.open("rb"):
        pass


def _is_executable(path: Path) -> bool:
    # Not by the desktop's own mode, which Windows lacks: every desktop is to ship the same.
    with path.open("rb") as file:
        return file.read(4).startswith(_RUNS)


def _refused(rule: str, why: str) -> ProfileError:
    return ProfileError(
        KEY,
        _("“{rule}” cannot be included").format(rule=rule),
        why,
        _("Name a file or folder inside of the project, like config or web/dist."),
    )
