"""What a rollback takes out of service, and for how long."""

import pytest

from tests.release.test_ledger import chain, event
from tuneline.release.ledger import replay
from tuneline.release.rollback import withdrawal


def taken(*steps):
    state = chain(*steps)
    return {v for v in ("1", "2", "3") if withdrawal(state, v)}


THREE = [("promote", "1"), ("promote", "2"), ("promote", "3")]


@pytest.mark.parametrize(
    ("then", "out"),
    [
        ([], set()),
        ([("rollback", "2")], {"3"}),
        ([("rollback", "1")], {"2", "3"}),
        ([("rollback", "2"), ("rollback", "1")], {"2", "3"}),
        ([("rollback", "2"), ("promote", "3")], set()),
        ([("rollback", "1"), ("promote", "2")], {"3"}),
    ],
)
def test_a_rollback_takes_out_every_champion_that_it_passes_until_one_is_promoted_again(then, out):
    assert taken(*THREE, *then) == out


def test_a_version_that_was_champion_twice_is_taken_out_too():
    steps = [("promote", "1"), ("promote", "2"), ("promote", "1"), ("rollback", "2")]
    assert taken(*steps) == {"1"}


@pytest.mark.parametrize(
    ("then", "out"),
    [([("refuse", "1")], {"1"}), ([("refuse", "1"), ("approve", "1")], set())],
)
def test_a_refusal_speaks_against_a_version_until_somebody_approves_it(then, out):
    assert taken(("register", "1"), *then) == out


def test_a_test_that_keeps_the_champion_speaks_against_the_tested_version():
    steps = [event("promote", "1", 1, 0), event("ab_start", "2", 2, 1)]
    kept = replay([*steps, event("ab_end", "2", 3, 2, verdict="keep")])
    assert withdrawal(kept, "2") == kept.events[-1]
    assert withdrawal(kept, "1") is None
