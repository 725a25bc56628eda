"""What is said to run after a run that did not succeed."""

from typing import NamedTuple

import pytest

from app.events import Outcome, RunEnded
from app.outcomes import what_runs


class Known(NamedTuple):
    serving: str = ""
    current: str = ""
    first: bool = False


@pytest.mark.parametrize(
    ("serving", "first", "switched", "words"),
    [
        ("v1", False, True, "v1 runs again."),
        ("v1", False, False, "v1 was not interrupted: this run did not come to the switch."),
        ("", False, False, "What was there before was not touched: this run did not come"),
        ("", True, True, "Nothing of that name runs, as before."),
        ("", True, False, "Nothing of that name runs, as before."),
    ],
)
@pytest.mark.parametrize(
    "outcome", [Outcome.FAILED_RESTORED, Outcome.CANCELLED, Outcome.ROLLED_BACK]
)
def test_what_was_put_back_is_said_to_run(
    outcome: Outcome, serving: str, first: bool, switched: bool, words: str
) -> None:
    ended = RunEnded(outcome, switched=switched)
    assert what_runs(ended, Known(serving, first=first)).startswith(words)


def test_no_more_is_said_than_is_known() -> None:
    taken_back = RunEnded(Outcome.ROLLED_BACK, switched=True)
    assert what_runs(taken_back, Known(current="v1")) == "v1 is the current release again."
    assert what_runs(taken_back, Known()) == ""
    for outcome in (Outcome.SUCCEEDED, Outcome.FAILED_NOT_RESTORED):
        assert what_runs(RunEnded(outcome), Known("v1")) == ""
