import hashlib

import pytest

from tuneline.data.config import DataConfig, SplitConfig
from tuneline.data.leakage import drop_leaks
from tuneline.data.splitting import position, side, split
from tuneline.records import Message, Record

CONFIG = DataConfig.model_validate({"sources": [{"name": "s", "path": "f", "license": "MIT"}]})
LONG = "the tenant shall pay the rent on the first day of each month to the landlord in full"


def record(prompt, answer="Yes", group=None):
    return Record((Message("user", prompt), Message("assistant", answer)), "s", "f", 1, group)


def group_on(name):
    """A group whose records lie on the given side."""
    groups = (f"g{n}" for n in range(1000))
    return next(g for g in groups if side(record("x", group=g), CONFIG.split) == name)


def test_position_is_the_salted_digest_of_the_group_and_nothing_else():
    one, other = record("Q", "A", group="g"), record("Q2", "A2", group="g")
    assert position(one) == position(other)
    digest = hashlib.sha256(f"tuneline-split-v1:{one.group_digest}".encode()).hexdigest()
    assert position(one) == pytest.approx(int(digest, 16) / 2**256)


def test_known_positions_never_change():
    # Written down on 2026-11-24: a change here moves every holdout there is.
    assert position(record("Q")) == pytest.approx(0.3036364008327841, abs=1e-15)


def test_answers_to_one_prompt_lie_on_one_side():
    assert position(record("Q", "A")) == position(record("Q", "B"))


def test_shares_are_about_those_asked_for():
    splits = split([record(f"question {n}") for n in range(5000)], CONFIG.split)
    # Three standard deviations of a binomial with p = 0.1 and n = 5000 are 64.
    assert abs(len(splits.holdout) - 500) < 64
    assert abs(len(splits.validation) - 500) < 64


def test_a_larger_holdout_contains_the_smaller_one():
    records = [record(f"question {n}") for n in range(200)]
    small = split(records, SplitConfig(holdout_fraction=0.1)).holdout
    large = split(records, SplitConfig(holdout_fraction=0.2)).holdout
    assert large[: len(small)] == small


@pytest.mark.parametrize(
    ("hidden_side", "leaking_side", "reason"),
    [
        ("holdout", "train", "near_duplicate_in_holdout"),
        ("holdout", "validation", "near_duplicate_in_holdout"),
        ("validation", "train", "near_duplicate_in_validation"),
    ],
)
def test_a_near_duplicate_of_a_hidden_record_is_dropped(hidden_side, leaking_side, reason):
    hidden = record(LONG, "Yes", group_on(hidden_side))
    leaking = record(LONG + " today", "No", group_on(leaking_side))
    kept, (drop,) = drop_leaks([hidden, leaking], [hidden, leaking], CONFIG)
    assert (kept, drop.reason, drop.duplicate_of) == ([hidden], reason, hidden.digest)


def test_the_same_prompt_with_another_answer_leaks():
    hidden = record("Is it?", "Yes, by law.", group_on("holdout"))
    leaking = record("is  it?", "Nobody can tell.", group_on("train"))
    _, (drop,) = drop_leaks([hidden, leaking], [hidden, leaking], CONFIG)
    assert (drop.reason, drop.detail) == (
        "same_prompt_in_holdout",
        "same prompt as holdout record f:1",
    )


def test_the_same_instruction_with_another_input_does_not_leak():
    hidden = record("Is it fair?\nNo refunds are given.", "No", group_on("holdout"))
    other = record("Is it fair?\nYou may cancel at any time.", "Yes", group_on("train"))
    assert drop_leaks([hidden, other], [hidden, other], CONFIG).drops == []


def test_holdout_records_that_near_dedup_dropped_still_guard_their_neighbours():
    dropped = record(LONG, "Yes", group_on("holdout"))
    leaking = record(LONG + " today", "No", group_on("train"))
    assert drop_leaks([leaking], [dropped, leaking], CONFIG).kept == []
