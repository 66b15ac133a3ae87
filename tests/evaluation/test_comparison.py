"""From scores per record of two models to differences that are judged together."""

from dataclasses import replace

import polars as pl
import pytest

from tuneline.errors import EvaluationError
from tuneline.evaluation.comparison import compare, detectable_gains
from tuneline.reports import ALL, EvalReport, Noise
from tuneline.significance import Certainty, paired_difference, score

N = 80


def model(name: str, **columns: list[float | None]) -> tuple[EvalReport, pl.DataFrame]:
    """40 records of source even, 40 of source odd."""
    table = pl.DataFrame(
        {
            "digest": [f"d{row}" for row in range(N)],
            "source": ["even", "odd"] * (N // 2),
            **{metric: pl.Series(values, dtype=pl.Float64) for metric, values in columns.items()},
        }
    )
    parts = {ALL: table, **{p["source"][0]: p for p in table.partition_by("source")}}
    return (
        EvalReport(
            model=name,
            name=name,
            holdout_digest="rows",
            identities=dict.fromkeys(columns, "v1"),
            scores={
                part: {m: score(rows[m].to_list()) for m in columns} for part, rows in parts.items()
            },
            tokens_per_s=1.0,
        ),
        table,
    )


def right(n: int) -> list[float | None]:
    return [1.0] * n + [0.0] * (N - n)


BASE = model("base", task_score=right(20), rougeL=[0.4, 0.6] * (N // 2))
CANDIDATE = model("candidate", task_score=right(50), rougeL=[0.41, 0.58] * (N // 2))


def compared(ours=CANDIDATE, theirs=BASE, certainty=None, **thresholds: float):
    asked = {"task_score": 0.0, **thresholds}
    return compare(ours[0], theirs[0], ours[1], theirs[1], certainty, asked)


def test_every_metric_of_the_gate_is_compared_with_what_is_asked_of_it():
    found = compared(rougeL=-0.1)
    assert list(found.metrics) == ["task_score", "rougeL"]
    assert found.differences[ALL] == found.metrics["task_score"]
    assert found.metrics["task_score"].verdict == "better"
    assert found.metrics["rougeL"].answer == "better than -0.10"
    assert found.metrics["rougeL"].value == pytest.approx(-0.005)


def test_metrics_are_judged_together_and_so_are_the_sources():
    """Holm by hand: the smallest of two p-values counts twice, the other is no smaller."""
    found = compared(rougeL=0.0)
    for family in (found.metrics, {k: d for k, d in found.differences.items() if k != ALL}):
        small, large = sorted(family.values(), key=lambda d: d.p_value)
        assert small.p_adjusted == min(1, 2 * small.p_value)
        assert large.p_adjusted == max(small.p_adjusted, large.p_value)


def test_rows_are_paired_by_their_digest_and_not_by_their_place():
    report, table = BASE
    assert compared(theirs=(report, table.reverse())).differences == compared().differences


def test_what_a_holdout_shows_is_declared_from_the_baseline_alone():
    before = detectable_gains(BASE[1], Certainty(), 2)
    assert list(before) == [ALL, "even", "odd"]
    weak = model("candidate", task_score=right(21), rougeL=[0.5] * N)
    for ours in (CANDIDATE, weak):
        found = compared(ours, rougeL=-0.05).differences
        assert {name: d.detectable for name, d in found.items()} == before


def test_a_gain_within_the_noise_of_either_model_cannot_be_told():
    noise = Noise(1, 0.5, {ALL: {"task_score": 0.375}})
    for quiet, loud in ((CANDIDATE, BASE), (BASE, CANDIDATE)):
        noisy = (replace(loud[0], noise=noise), loud[1])
        found = compared(quiet, noisy) if loud is BASE else compared(noisy, quiet)
        assert found.differences[ALL].verdict == "cannot tell"
    assert compared().differences[ALL].value == 0.375


def test_the_gates_error_decides():
    five_more = model("candidate", task_score=right(26), rougeL=[0.5] * N)
    assert compared(five_more).differences[ALL].verdict == "better"
    strict = compared(five_more, certainty=Certainty(alpha=0.01))
    assert strict.confidence == 0.99
    assert strict.differences[ALL].verdict == "cannot tell"


def test_a_metric_of_the_gate_that_was_not_measured_is_an_error_that_says_what_to_do():
    with pytest.raises(EvaluationError, match=r"citations is in the gate, but not measured"):
        compared(citations=0.0)
    empty = model("base", task_score=right(20), rougeL=[0.5] * N)
    empty = (empty[0], empty[1].with_columns(rougeL=pl.lit(None, pl.Float64)))
    with pytest.raises(EvaluationError, match="rougeL of all: no record is scored for both"):
        compared(theirs=empty, rougeL=0.0)


def test_scores_of_another_identity_are_never_compared():
    other = (replace(BASE[0], identities={"task_score": "v1", "rougeL": "v2"}), BASE[1])
    with pytest.raises(EvaluationError, match="rougeL of candidate and base cannot be compared"):
        compared(theirs=other)


def test_a_difference_is_that_of_the_pairs():
    pairs = CANDIDATE[1]["task_score"].to_list(), BASE[1]["task_score"].to_list()
    assert compared().differences[ALL] == paired_difference(*pairs)
