"""Which release is which: the state, the journal, the names."""

import json

from app.releases import (
    Release,
    State,
    fingerprint,
    read_journal,
    release_id,
)
from app.transport import Secret


def test_roll_back_goes_to_what_served_before() -> None:
    state = State().now_serving("1").now_serving("2").now_serving("3")
    assert state.rollback_target() == "2"
    assert (state.current, state.previous) == ("3", "2")


def test_rolling_back_twice_goes_further_back_not_forth() -> None:
    state = State().now_serving("1").now_serving("2").now_serving("3").now_serving("2")
    assert state.rollback_target() == "1"
    assert state.now_serving("1").rollback_target() == ""


def test_after_a_rollback_a_new_release_goes_back_to_what_served() -> None:
    state = State().now_serving("1").now_serving("2").now_serving("1").now_serving("3")
    assert state.rollback_target() == "1"


def test_a_bad_release_is_never_chosen() -> None:
    state = State().now_serving("1").now_serving("2").with_bad("3")
    assert state.rollback_target() == "1"
    assert "3" not in state.verified


def test_state_and_release_survive_json() -> None:
    state = State().now_serving("1").with_bad("2")
    assert State.from_json(json.loads(state.to_json())) == state
    release = Release("1", "hello", "docker", args=("-a", "中文"), env={"A": "b"})
    again = json.loads(release.to_json()) | {"of_a_later_version": 1}
    assert Release.from_json(again) == release
    assert b"\n" not in release.to_json()


def test_release_names_are_safe_as_file_names() -> None:
    assert release_id("20261120-143000", "v1.4.2") == "20261120-143000-v1.4.2"
    assert release_id("20261120-143000", "../../x y/中") == "20261120-143000-x-y"
    assert release_id("20261120-143000", "") == "20261120-143000"


def test_fingerprints_show_equality_and_nothing_else() -> None:
    key, other = Secret("k"), Secret("l")
    assert fingerprint(key, Secret("a")) == fingerprint(key, Secret("a"))
    assert fingerprint(key, Secret("a")) != fingerprint(key, Secret("b"))
    assert fingerprint(key, Secret("a")) != fingerprint(other, Secret("a"))


HEADER = {
    "run": "r", "title": "Deploy", "release": "1", "by": "a@b",
    "titles": ["send", "switch", "check"], "steps": [{}, {}, {}],
}  # fmt: skip


def journal(*lines: dict[str, object]) -> list[str]:
    return [json.dumps(line) for line in (HEADER, *lines)]


def test_an_open_journal_tells_how_far_the_run_came() -> None:
    lines = journal(
        {"step": 0, "before": {"present": False}},
        {"step": 0, "state": "done"},
        {"step": 1, "before": {"out": "x"}},
    )
    found = read_journal(lines)
    assert found is not None
    assert found.done == ("send",)
    assert found.under_way == "switch"
    assert found.not_begun == ("check",)
    assert found.entries[1].before == {"out": "x"}


def test_a_step_that_had_nothing_to_do_is_done_once_a_later_one_is_begun() -> None:
    found = read_journal(journal({"step": 1, "before": {}}))
    assert found is not None
    assert (found.done, found.under_way, found.not_begun) == (("send",), "switch", ("check",))
    found = read_journal(
        journal(
            {"step": 0, "before": {}},
            {"step": 0, "state": "done"},
            {"step": 2, "before": {}},
            {"step": 2, "state": "done"},
        )
    )
    assert found is not None
    assert (found.done, found.under_way, found.not_begun) == (("send", "switch", "check"), "", ())


def test_what_was_put_back_again_is_neither_done_nor_never_begun() -> None:
    lines = ({"undoing": True}, {"step": 1, "state": "undone"})
    found = read_journal(journal({"step": 1, "before": {}}, *lines))
    assert found is not None
    assert (found.done, found.under_way, found.not_begun) == ((), "", ("check",))


def test_an_ended_journal_is_no_interrupted_run() -> None:
    assert read_journal(journal({"step": 0, "before": {}}, {"ended": "succeeded"})) is None
    assert read_journal([]) is None


def test_a_line_cut_short_counts_as_not_written() -> None:
    found = read_journal([*journal({"step": 0, "before": {}}), '{"step": 0, "sta'])
    assert found is not None
    assert found.under_way == "send"


def test_what_was_undone_is_not_undone_again() -> None:
    found = read_journal(
        journal(
            {"step": 0, "before": {}},
            {"step": 0, "state": "done"},
            {"undoing": True},
            {"step": 0, "state": "undone"},
        )
    )
    assert found is not None
    assert found.undoing
    assert found.done == ()
