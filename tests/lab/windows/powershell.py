"""Plays powershell.exe for the one script resources/scripts/receive.ps1, and for nothing else.

Called with the script's text (and, on Linux, the folder that stands for drive C). It does what the
script says, with the same input, output and exit codes; any other text ends with an error.
"""

from __future__ import annotations

import gzip
import hashlib
import sys
from pathlib import Path

PIECE_BYTES = 1024 * 1024
KNOWN = "Takes a file from stdin, whole or not at all"


def main(script: str, drive: str) -> int:
    """Play the script; return its exit code."""
    if KNOWN not in script:
        print("This PowerShell knows one script only.", file=sys.stderr)
        return 1
    words = [sys.stdin.buffer.readline() for _line in range(4)]
    if not words[-1].endswith(b"\n"):
        return 74
    dest, part, size, sha256 = (word.decode().rstrip("\n") for word in words)
    return take(_place(dest, drive), _place(part, drive), int(size), sha256)


def take(dest: Path, part: Path, size: int, sha256: str) -> int:
    """Unpack stdin into ``part``, compare, rename."""
    dest.parent.mkdir(parents=True, exist_ok=True)
    digest, done = hashlib.sha256(), 0
    try:
        with part.open("wb") as file, gzip.open(sys.stdin.buffer) as packed:
            while piece := packed.read(PIECE_BYTES):
                file.write(piece)
                digest.update(piece)
                done += len(piece)
    except EOFError:
        pass  # .NET ends a cut-off stream without a word: the size tells
    except gzip.BadGzipFile as problem:
        print(problem, file=sys.stderr)
        part.unlink()
        return 1
    code = 74 if done != size else 65 if digest.hexdigest() != sha256 else 0
    if code:
        part.unlink()
        return code
    part.replace(dest)
    dest.chmod(0o755)
    return 0


def _place(path: str, drive: str) -> Path:
    return Path(drive + path[2:].replace("\\", "/")) if drive else Path(path)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1], sys.argv[2]))
