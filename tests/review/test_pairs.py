import dataclasses
import json

import polars as pl
import pytest

from tuneline.errors import ReviewError
from tuneline.review.pairs import Contest, make_review

CONTEST = Contest("run7", "candidate", "base")


def scores(n=40, **answers):
    """Model -> scores.parquet, answers numbered."""
    return {
        name: pl.DataFrame(
            {
                "digest": [f"d{i:03}" for i in range(n)],
                "prompt": [f"问题 {i}" for i in range(n)],
                "reference": "支付租金",
                "prediction": [answer(i) for i in range(n)],
            },
            schema_overrides={"prediction": pl.String},
        )
        for name, answer in answers.items()
    }


def review(seed=0, n_pairs=30, **changes):
    answers = {"candidate": lambda i: f"ours {i}", "base": lambda i: f"theirs {i}"} | changes
    return make_review(CONTEST, scores(**answers), n_pairs, seed)


def test_the_sides_follow_the_key_and_the_candidate_stands_on_each_equally_often():
    pairs, key = review()
    assert len(pairs) == 30
    for pair in pairs:
        ours = pair.left if key.candidate_side[pair.pair] == "left" else pair.right
        assert ours.startswith("ours")
    assert list(key.candidate_side.values()).count("left") == 15


def test_pairs_tell_nothing_about_the_sides():
    pairs, _ = review()
    text = json.dumps([dataclasses.asdict(pair) for pair in pairs])
    assert not any(word in text for word in ("candidate", "base", "run7", "seed"))


def test_the_same_seed_gives_the_same_review_and_another_one_another():
    assert review() == review()
    one, other = review().key, review(seed=1).key
    assert one.review != other.review
    assert not one.candidate_side.keys() & other.candidate_side.keys()


def test_equal_and_failed_answers_make_no_pair():
    pairs, key = review(
        candidate=lambda i: None if i == 3 else f"Answer {min(i, 9)}",
        base=lambda i: f"answer  {i}",  # reads the same up to 9
    )
    assert key.n_equal == 9
    assert len(pairs) == 30
    assert set(key.records.values()) == {f"d{i:03}" for i in range(10, 40)}


def test_two_models_that_always_agree_cannot_be_compared():
    with pytest.raises(ReviewError, match="the same answer to all 40 prompts"):
        review(candidate=lambda i: "A", base=lambda i: "a")


def test_what_must_not_be_shown_is_hidden_in_all_texts():
    answers = {"candidate": lambda i: f"支付 {i}", "base": lambda i: f"租金 {i}"}
    pairs, _ = make_review(
        CONTEST, scores(**answers), 9, 0, lambda text: text.replace("租金", "**")
    )
    assert not any("租金" in str(pair) for pair in pairs)
    assert {pair.reference for pair in pairs} == {"支付**"}
