"""The whole gate on simulated pairs of equal models: how often is one promoted or refused?"""

import numpy as np
import pytest
from scipy.stats import binom

from tuneline.release.promotion import PromotionGate, decide_promotion
from tuneline.reports import Comparison, EvalReport
from tuneline.significance import intervals, judged_together, paired_difference, score

N_RUNS = 80
GATE = PromotionGate(metrics={"rougeL": "not worse"}, max_metric_loss=0.2)


@pytest.fixture(autouse=True)
def few_resamples(monkeypatch):
    monkeypatch.setattr(intervals, "N_RESAMPLES", 199)


def compared(rng: np.random.Generator, gain: float) -> Comparison:
    """90 records of three sources, task_score right or wrong, rougeL equal on the whole."""
    ours = {"task_score": rng.random(90) < 0.5 + gain, "rougeL": rng.beta(4, 4, 90)}
    theirs = {"task_score": rng.random(90) < 0.5, "rougeL": rng.beta(4, 4, 90)}
    certainty, thresholds = GATE.certainty, GATE.thresholds
    metrics = judged_together(
        {
            metric: paired_difference(
                ours[metric].astype(float).tolist(),
                theirs[metric].astype(float).tolist(),
                certainty,
                threshold=than,
            )
            for metric, than in thresholds.items()
        },
        certainty,
    )
    parts = {name: slice(30 * i, 30 * i + 30) for i, name in enumerate("abc")}
    sources = judged_together(
        {
            name: paired_difference(
                ours["task_score"][rows].astype(float).tolist(),
                theirs["task_score"][rows].astype(float).tolist(),
                certainty,
            )
            for name, rows in parts.items()
        },
        certainty,
    )
    reports = [
        EvalReport(name, name, "rows", {}, _scores(columns, parts), 1.0)
        for name, columns in (("candidate", ours), ("base", theirs))
    ]
    return Comparison(*reports, {"all": metrics["task_score"], **sources}, metrics)


def _scores(columns, parts):
    return {
        name: {m: score(values[rows].astype(float).tolist()) for m, values in columns.items()}
        for name, rows in {"all": slice(None), **parts}.items()
    }


def verdicts(gain: float, n_runs: int) -> list[str]:
    rng = np.random.default_rng(21)
    return [decide_promotion(compared(rng, gain), GATE).verdict for _ in range(n_runs)]


def test_equal_models_are_promoted_and_refused_no_more_often_than_stated():
    """alpha / 2 = 2.5 % promoted; refused by a metric (2.5 %) or by one of the sources (2.5 %)."""
    found = verdicts(0.0, N_RUNS)
    assert found.count("promote") <= binom.ppf(0.999, N_RUNS, GATE.alpha / 2)
    assert found.count("refuse") <= binom.ppf(0.999, N_RUNS, GATE.alpha)


def test_a_large_gain_passes_the_whole_gate():
    """0.8 against 0.5 on 90 records: 4.5 standard errors."""
    assert verdicts(0.3, 30).count("promote") >= 27
