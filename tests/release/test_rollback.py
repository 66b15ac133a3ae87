"""What a rollback takes out of service, and for how long."""

import pytest

from tests.release.test_ledger import chain
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
