"""The records on the server, kept by the real store.sh, on Windows by slipway-host.exe."""

import json
import os
import platform
import subprocess
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from app import winhost
from app.releases import LOCK_HELD_EXIT, Store, parse_lock
from app.transport import TOOL, Command
from app.transport.windows import go_arch


def run(command: Command) -> subprocess.CompletedProcess[bytes]:
    words = [word if isinstance(word, str) else word.reveal() for word in command.expanded()]
    if words[0] == TOOL:
        words[0] = str(winhost.program(go_arch(platform.machine())))
    stdin = command.stdin if isinstance(command.stdin, bytes) else b""
    return subprocess.run(words, input=stdin, capture_output=True, check=False)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    root = tmp_path / "srv 服务" / "hello"
    return Store(str(root), sudo=False, token="one", windows=os.name == "nt")


@pytest.fixture
def held(store: Store) -> Store:
    """A store whose lock is ours."""
    assert run(store.lock(owner("one"))).returncode == 0
    return store


def owner(token: str) -> bytes:
    known = {"token": token, "run": f"run-{token}", "who": "a@b", "when": "now", "why": "test"}
    return json.dumps(known).encode()


def other(store: Store, token: str) -> Store:
    return replace(store, token=token)


def test_the_lock_is_held_by_one_and_names_him(held: Store) -> None:
    second = run(other(held, "two").lock(owner("two")))
    assert second.returncode == LOCK_HELD_EXIT
    assert parse_lock(second.stdout.decode(), 0).token == "one"
    assert "sign of life" in str(parse_lock(second.stdout.decode(), 0))
    assert "sign of life" not in str(parse_lock(second.stdout.decode()))  # nobody looked for one
    assert run(held.lock(owner("one"))).returncode == 0


def test_only_the_holder_releases_the_lock(held: Store) -> None:
    two = other(held, "two")
    assert run(two.unlock()).returncode == LOCK_HELD_EXIT
    assert run(held.unlock()).returncode == 0
    assert run(held.unlock()).returncode == 0
    assert run(two.lock(owner("two"))).returncode == 0


def test_who_lost_the_lock_changes_nothing(held: Store) -> None:
    run(held.write("state.json", b"{}"))
    two = other(held, "two")
    assert run(two.lock(owner("two"), over="one")).returncode == 0
    for command in (
        held.write("state.json", b'{"current": "mine"}'),
        held.append("journal/x.jsonl", b"{}\n"),
        held.remove("state.json"),
        held.folder("releases/x"),
        held.beat(),
        held.look(),
        held.unlock(),
        held.lock(owner("one")),
    ):
        assert run(command).returncode == LOCK_HELD_EXIT
    assert run(held.read("state.json")).stdout == b"{}"
    assert run(two.beat()).returncode == 0


def test_a_lock_is_taken_over_only_from_whom_it_was_shown(held: Store) -> None:
    three = other(held, "three")
    assert run(three.lock(owner("three"), over="two")).returncode == LOCK_HELD_EXIT
    assert run(held.beat()).returncode == 0


def test_an_owner_cut_short_takes_no_lock(store: Store) -> None:
    command = store.lock(owner("one"))
    assert run(Command(command.argv, b"999\n{")).returncode == 74
    assert run(other(store, "two").lock(owner("two"))).returncode == 0


def test_a_lock_whose_owner_was_never_written_can_be_broken(store: Store) -> None:
    run(store.lock(owner("one")))
    Path(store.root, "lock/owner.json").unlink()
    assert run(store.beat()).returncode == LOCK_HELD_EXIT
    assert run(other(store, "").unlock()).returncode == 0


def test_of_many_at_once_one_gets_the_lock(store: Store) -> None:
    codes: list[int] = []

    def compete(token: str) -> None:
        codes.append(run(other(store, token).lock(owner(token))).returncode)

    threads = [threading.Thread(target=compete, args=(f"t{number}",)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(codes) == [0] + [LOCK_HELD_EXIT] * 7


def test_what_a_run_needs_to_know_before_it_begins(held: Store) -> None:
    run(held.write("state.json", b'{"current": "r"}'))
    run(held.append("journal/open.jsonl", b'{"run": "x"}\n'))
    run(held.append("journal/over.jsonl", b'{"ended": "succeeded"}\n'))
    assert run(held.look()).stdout.decode().splitlines() == ['{"current": "r"}', "open.jsonl"]


def test_after_half_a_line_a_new_one_begins(held: Store) -> None:
    Path(held.root, "journal/x.jsonl").write_text('{"step": 3, "bef')
    run(held.append("journal/x.jsonl", b'{"undoing": true}\n'))
    lines = Path(held.root, "journal/x.jsonl").read_text().splitlines()
    assert lines == ['{"step": 3, "bef', '{"undoing": true}']


def test_lines_cut_short_are_not_written(held: Store) -> None:
    whole = held.append("journal/one.jsonl", b'{"a": 1}\n')
    assert run(whole).returncode == 0
    cut = Command(whole.argv, b'9\n{"a"')
    assert run(cut).returncode == 74
    assert Path(held.root, "journal/one.jsonl").read_bytes() == b'{"a": 1}\n'


def test_a_write_cut_short_leaves_the_old_file(held: Store) -> None:
    text = '{"version": "中文 \\"quoted\\" $HOME `x`"}'.encode()
    assert run(held.write("state.json", text)).returncode == 0
    assert run(Command(held.write("state.json", b"").argv, b"99\nx")).returncode == 74
    assert run(held.read("state.json")).stdout == text
    assert run(held.read("nothing.json")).stdout == b""


@pytest.mark.parametrize("path", ["../outside", "/etc/x", "a/../../b", "..", ""])
def test_paths_that_leave_the_root_are_refused(held: Store, path: str) -> None:
    marker = Path(held.root).parent / "outside"
    marker.write_text("stays")
    assert run(held.write(path, b"x")).returncode == 64
    assert run(held.remove(path)).returncode == 64
    assert marker.read_text() == "stays"
    assert Path(held.root).is_dir()


@pytest.mark.skipif(os.name != "posix", reason="POSIX only: rights as numbers")
def test_records_are_for_their_owner_only(held: Store) -> None:
    run(held.write("releases/r/release.json", b"{}"))
    run(held.write("key", b"k"))
    assert Path(held.root, "key").stat().st_mode & 0o077 == 0
    assert Path(held.root, "releases/r/release.json").stat().st_mode & 0o077 == 0


def test_trim_keeps_the_newest_ended_and_every_open_journal(held: Store) -> None:
    for number in range(6):
        lines = b'{"run": "x"}\n' + (b"" if number == 0 else b'{"ended": "succeeded"}\n')
        run(held.append(f"journal/2026{number}.jsonl", lines))
    run(held.command("trim", "2"))
    left = sorted(path.name for path in Path(held.root, "journal").iterdir())
    assert left == ["20260.jsonl", "20264.jsonl", "20265.jsonl"]
