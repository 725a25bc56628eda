"""What git says of a project's folder: the commit that is checked out, and what it is called."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from app.processes import run_process
from app.request import PROFILE_NAME
from app.transport import CancelToken

# Set while git runs a hook, they would make it answer for another repository.
_GIT_POINTERS = frozenset({"GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_COMMON_DIR"})


@dataclass(frozen=True, slots=True)
class GitRevision:
    """The commit that is checked out; ``commit_time`` in seconds UTC."""

    commit: str
    commit_time: int
    describe: str
    dirty: bool


def git_revision(path: Path, cancel: CancelToken | None = None) -> GitRevision | None:
    """Return what git says about a folder; None without git, repository or commit."""
    if not (git := shutil.which("git")):
        return None

    def ask(*words: str) -> str | None:
        # Without optional locks, looking at a repository never disturbs another git in it.
        env = {key: value for key, value in os.environ.items() if key not in _GIT_POINTERS}
        env |= {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C"}
        result = run_process([git, *words], cwd=path, env=env, cancel=cancel)
        return result.stdout.strip() if result.exit_code == 0 else None

    head = ask("log", "-1", "--no-show-signature", "--format=%H %ct")
    if not head:
        return None
    commit, when = head.split()
    # The profile is Slipway's own file and no part of the program: it makes no version "dirty".
    changes = ask("status", "--porcelain", "--", ":/", f":(top,exclude,glob)**/{PROFILE_NAME}")
    describe = ask("describe", "--tags", "--always") or commit[:12]
    dirty = bool(changes)
    return GitRevision(commit, int(when), describe + ("-dirty" if dirty else ""), dirty)
