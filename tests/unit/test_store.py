"""The records on the server, kept by the real store.sh under a real sh."""

import json
import subprocess
import threading
from pathlib import Path

import pytest

from app.releases import LOCK_HELD_EXIT, Store, parse_lock
from app.transport import Command


def run(command: Command) -> subprocess.CompletedProcess[bytes]:
    words = [word if isinstance(word, str) else word.reveal() for word in command.expanded()]
    stdin = command.stdin if isinstance(command.stdin, bytes) else b""
    return subprocess.run(words, input=stdin, capture_output=True, check=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store((tmp_path / "srv 服务" / "hello").as_posix(), sudo=False)


def owner(run_id: str) -> bytes:
    return json.dumps({"run": run_id, "who": "a@b", "when": "now", "why": "test"}).encode()


def test_the_lock_is_held_by_one_and_names_him(store: Store) -> None:
    assert run(store.lock("one", owner("one"))).returncode == 0
    second = run(store.lock("two", owner("two")))
    assert second.returncode == LOCK_HELD_EXIT
    assert parse_lock(second.stdout.decode(), 0).run == "one"
    assert run(store.lock("one", owner("one"))).returncode == 0


def test_only_the_holder_releases_the_lock(store: Store) -> None:
    run(store.lock("one", owner("one")))
    assert run(store.unlock("two")).returncode == LOCK_HELD_EXIT
    assert run(store.unlock("one")).returncode == 0
    assert run(store.unlock("one")).returncode == 0
    assert run(store.lock("two", owner("two"))).returncode == 0


def test_of_many_at_once_one_gets_the_lock(store: Store) -> None:
    codes: list[int] = []

    def compete(number: int) -> None:
        codes.append(run(store.lock(f"run-{number}", owner(f"run-{number}"))).returncode)

    threads = [threading.Thread(target=compete, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [0] + [LOCK_HELD_EXIT] * 7


def test_lines_cut_short_are_not_written(store: Store) -> None:
    run(store.lock("one", owner("one")))
    whole = store.append("journal/one.jsonl", b'{"a": 1}\n')
    assert run(whole).returncode == 0
    cut = Command(whole.argv, b'9\n{"a"')
    assert run(cut).returncode == 74
    assert Path(store.root, "journal/one.jsonl").read_bytes() == b'{"a": 1}\n'


def test_a_write_cut_short_leaves_the_old_file(store: Store) -> None:
    text = '{"version": "中文 \\"quoted\\" $HOME `x`"}'.encode()
    assert run(store.write("state.json", text)).returncode == 0
    assert run(Command(store.write("state.json", b"").argv, b"99\nx")).returncode == 74
    assert run(store.read("state.json")).stdout == text
    assert run(store.read("nothing.json")).stdout == b""


@pytest.mark.parametrize("path", ["../outside", "/etc/x", "a/../../b", "..", ""])
def test_paths_that_leave_the_root_are_refused(store: Store, path: str) -> None:
    run(store.lock("one", owner("one")))
    marker = Path(store.root).parent / "outside"
    marker.write_text("stays")
    assert run(store.write(path, b"x")).returncode == 64
    assert run(store.remove(path)).returncode == 64
    assert marker.read_text() == "stays"
    assert Path(store.root).is_dir()


def test_records_are_for_their_owner_only(store: Store) -> None:
    run(store.lock("one", owner("one")))
    run(store.write("releases/r/release.json", b"{}"))
    run(store.write("key", b"k"))
    assert Path(store.root, "key").stat().st_mode & 0o077 == 0
    assert Path(store.root, "releases/r/release.json").stat().st_mode & 0o077 == 0


def test_trim_keeps_the_newest_ended_and_every_open_journal(store: Store) -> None:
    run(store.lock("one", owner("one")))
    for number in range(6):
        lines = b'{"run": "x"}\n' + (b"" if number == 0 else b'{"ended": "succeeded"}\n')
        run(store.append(f"journal/2026{number}.jsonl", lines))
    run(store.command("trim", "2"))
    left = sorted(path.name for path in Path(store.root, "journal").iterdir())
    assert left == ["20260.jsonl", "20264.jsonl", "20265.jsonl"]
