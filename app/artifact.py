"""The built program as a value: what the build makes, and images and plans are made from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class IncludedFile:
    """One file shipped beside the binary: ``name`` is its POSIX path relative to the binary."""

    source: Path
    name: str
    executable: bool


@dataclass(frozen=True, slots=True)
class Artifact:
    """A verified binary and what it was made from; sizes in bytes, times in seconds UTC.

    ``windows_service``: whether the program itself answers the Windows service control manager.
    """

    path: Path
    binary: str
    platform: str
    sha256: str
    size: int
    static: bool
    go_version: str
    module: str
    package: str
    version: str
    commit: str
    commit_time: int
    dirty: bool
    options: dict[str, str]
    included: tuple[IncludedFile, ...] = ()
    windows_service: bool = False
