"""How far the scores of one model move: hand calculations."""

import polars as pl
import pytest

from tuneline.evaluation.noise import noise_floor
from tuneline.reports import ALL


def scores(answers: list[str | None], task_score: list[float | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "source": ["a", "a", "b", "b"],
            "prediction": answers,
            "n_tokens": [1, 1, 1, 1],
            "task_score": task_score,
            "rougeL": [0.5, 0.5, None, None],
        },
        schema_overrides={"task_score": pl.Float64},
    )


TOLD = scores(["x", "y", "z", None], [1.0, 0.0, 1.0, None])


def test_the_largest_move_of_each_mean_is_told():
    """task_score: 2/3 told; 1/3 and 2/3 in the repeats. In source a 1/2 told, 0 and 1/2."""
    repeats = [
        scores(["x!", "y", "z", None], [0.0, 0.0, 1.0, None]),
        scores(["x", "y", "z!", None], [1.0, 0.0, 1.0, None]),
    ]
    noise = noise_floor(TOLD, repeats)
    assert noise.n_repeats == 2
    assert noise.moved[ALL]["task_score"] == pytest.approx(1 / 3)
    assert noise.moved["a"] == {"task_score": 0.5, "rougeL": 0.0}
    assert noise.moved["b"] == {"task_score": 0.0}
    assert noise.changed_fraction == 0.5


def test_a_model_that_repeats_itself_has_no_noise():
    noise = noise_floor(TOLD, [TOLD])
    assert noise.changed_fraction == 0
    assert {move for part in noise.moved.values() for move in part.values()} == {0.0}


def test_an_answer_that_fails_only_in_a_repeat_has_changed_and_is_no_zero():
    """task_score of the rest: 1/2, against 2/3."""
    failed = scores([None, "y", "z", None], [None, 0.0, 1.0, None])
    noise = noise_floor(TOLD, [failed])
    assert noise.changed_fraction == 0.25
    assert noise.moved[ALL]["task_score"] == pytest.approx(1 / 6)
