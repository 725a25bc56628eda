"""git.exe and ssh-keygen.exe of the lab's desktop: the Linux programs beneath Wine, on its files.

Becomes a Windows program by standing behind pip's launcher under the name of what it starts. Wine
starts Linux programs, but gives them no pipes, and us no handle to wait for them: files tell what
they said and how they ended. They get no input.
"""

import _winapi
import ctypes
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path, PureWindowsPath

POLL_SECONDS = 0.01
SCRIPT = """\
"$0" "$@" </dev/null >"$TOLD/out" 2>"$TOLD/err"
echo $? >"$TOLD/part"
mv "$TOLD/part" "$TOLD/end"
"""


def main() -> int:
    """Run the Linux program of our own name with our arguments; return its exit code."""
    program = "/usr/bin/" + Path(sys.argv[0]).stem
    with tempfile.TemporaryDirectory() as name:
        told = Path(name)
        words = ["sh", "-c", SCRIPT, program, *map(linux_word, sys.argv[1:])]
        line = subprocess.list2cmdline(words)
        environment = {**os.environ, "TOLD": linux_path(told)}
        _winapi.CreateProcess(r"Z:\bin\sh", line, None, None, False, 0, environment, None, None)
        while not (told / "end").exists():
            time.sleep(POLL_SECONDS)
        for stream, file in ((sys.stdout, "out"), (sys.stderr, "err")):
            stream.buffer.write((told / file).read_bytes())
        return int((told / "end").read_text())


def linux_word(word: str) -> str:
    """Return an argument as the Linux program wants it: paths on drive C: are its own."""
    return linux_path(Path(word)) if PureWindowsPath(word).drive == "C:" else word


def linux_path(path: Path) -> str:
    """Return where a path on drive C: lies on the Linux beneath, which minds capital letters."""
    ask = ctypes.CDLL("kernel32").wine_get_unix_file_name
    ask.argtypes, ask.restype = (ctypes.c_wchar_p,), ctypes.c_char_p
    return ask(str(path)).decode()


if __name__ == "__main__":
    sys.exit(main())
