"""Local process trees: real programs, their output, and that nothing of them is left."""

import os
import sys
import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import Cancelled
from app.processes import LONGEST_LINE, LineSplitter, run_process
from app.transport import CancelToken
from tests.waiting import alive, wait_until

posix_only = pytest.mark.skipif(os.name != "posix", reason="POSIX only: signals and sh")


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def test_both_streams_and_the_exit_code_are_reported():
    lines = []
    code = "import sys; print('out'); print('err', file=sys.stderr); sys.exit(3)"
    result = run_process(python(code), on_line=lambda *line: lines.append(line))
    assert result.exit_code == 3
    assert result.stdout.splitlines() == ["out"]
    assert result.stderr.splitlines() == ["err"]
    assert sorted(lines) == [("stderr", "err"), ("stdout", "out")]


def test_lines_come_while_the_program_runs():
    code = "import time; print('first', flush=True); time.sleep(1); print('second')"
    times = []
    run_process(python(code), on_line=lambda *_line: times.append(time.monotonic()))
    assert times[1] - times[0] > 0.8


def test_stdin_is_passed_and_closed():
    data = "你好\n".encode() * 100_000
    code = "import sys; data = sys.stdin.buffer.read(); print(len(data))"
    assert run_process(python(code), stdin=data).stdout.strip() == str(len(data))


def test_a_program_that_does_not_read_its_stdin_is_no_error():
    assert run_process(python("print('done')"), stdin=b"x" * 1_000_000).exit_code == 0


def test_environment_and_folder(tmp_path):
    folder = tmp_path / "项目 one"
    folder.mkdir()
    code = "import os; print(os.getcwd(), os.environ['GREETING'])"
    env = {**os.environ, "GREETING": "你好", "PYTHONIOENCODING": "utf-8"}
    result = run_process(python(code), cwd=folder, env=env)
    assert result.stdout.strip() == f"{folder} 你好"


def test_a_missing_program_is_an_oserror():
    with pytest.raises(FileNotFoundError):
        run_process(["no-such-program-anywhere"])


def test_output_is_not_kept_where_nobody_wants_it():
    lines = []
    result = run_process(
        python("print('x' * 10)"), capture=False, on_line=lambda *line: lines.append(line)
    )
    assert result.stdout == ""
    assert lines == [("stdout", "x" * 10)]


def test_a_flood_arrives_whole_and_in_order():
    code = "for n in range(200000): print(n)"
    numbers = []
    run_process(python(code), capture=False, on_line=lambda _s, text: numbers.append(int(text)))
    assert numbers == list(range(200_000))


def test_a_line_without_an_end_is_reported_in_pieces():
    size = 3 * LONGEST_LINE + 5
    lines = []
    code = f"import sys; sys.stdout.write('x' * {size})"
    result = run_process(python(code), on_line=lambda _s, text: lines.append(text))
    assert len(result.stdout) == size
    assert "".join(lines) == result.stdout
    assert max(map(len, lines)) == LONGEST_LINE


@posix_only
def test_something_left_behind_does_not_hold_the_end_up(tmp_path):
    start = time.monotonic()
    result = run_process(["sh", "-c", "sleep 30 & echo $!"])
    assert time.monotonic() - start < 5
    pid = int(result.stdout)
    assert alive(pid)
    os.kill(pid, 15)


@posix_only
@pytest.mark.parametrize("how", ["cancel", "timeout", "callback"])
def test_the_whole_tree_is_ended_within_two_seconds(how):
    # A child and a grandchild, all of them deaf to SIGTERM.
    script = "trap '' TERM; sh -c 'echo $$; sleep 60; sleep 60' & echo $$; sleep 60; sleep 60"
    token = CancelToken()
    pids = []
    started: list[float] = []

    def take(_stream, text):
        pids.append(int(text))
        if len(pids) == 2:
            started.append(time.monotonic())
            if how == "cancel":
                threading.Timer(0.1, token.cancel).start()
            if how == "callback":
                raise ZeroDivisionError

    expected = {"cancel": Cancelled, "timeout": TimeoutError, "callback": ZeroDivisionError}[how]
    with pytest.raises(expected):
        run_process(
            ["sh", "-c", script],
            on_line=take,
            cancel=token,
            timeout=0.5 if how == "timeout" else 30,
        )
    assert time.monotonic() - started[0] < 2.5
    assert wait_until(lambda: not any(alive(pid) for pid in pids), 1)


@posix_only
def test_a_flooding_program_can_be_cancelled():
    token = CancelToken()
    threading.Timer(0.3, token.cancel).start()
    start = time.monotonic()
    with pytest.raises(Cancelled):
        run_process(["yes"], cancel=token, capture=False)
    assert time.monotonic() - start < 2


@posix_only
def test_the_polite_signal_comes_first(tmp_path):
    note = tmp_path / "note"
    code = (
        "import signal, sys, time, pathlib\n"
        "def bye(*_):\n"
        f"    pathlib.Path({str(note)!r}).write_text('cleaned up'); sys.exit(0)\n"
        "signal.signal(signal.SIGTERM, bye)\n"
        "print('ready', flush=True); time.sleep(60)\n"
    )
    token = CancelToken()
    with pytest.raises(Cancelled):
        run_process(python(code), cancel=token, on_line=lambda *_line: token.cancel())
    assert note.read_text() == "cleaned up"


def test_already_cancelled_starts_nothing(tmp_path):
    token = CancelToken()
    token.cancel()
    note = tmp_path / "note"
    with pytest.raises(Cancelled):
        run_process(python(f"open({str(note)!r}, 'w')"), cancel=token)
    assert not note.exists()


@given(st.binary(max_size=200), st.integers(1, 7))
def test_splitting_does_not_depend_on_where_the_chunks_end(data, size):
    splitter = LineSplitter()
    pieces = [splitter.feed(data[at : at + size]) for at in range(0, len(data), size)]
    pieces.append(splitter.feed(b"", final=True))
    text = "".join(piece[0] for piece in pieces)
    lines = [line for piece in pieces for line in piece[1]]
    assert text == data.decode("utf-8", "replace")
    expected = text.split("\n")
    if not expected[-1]:
        expected.pop()
    assert lines == [line.removesuffix("\r") for line in expected]
