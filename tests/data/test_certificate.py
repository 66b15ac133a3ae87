"""No text of the holdout or of a benchmark is trained on, and a certificate says so."""

import numpy as np
import pytest

from tests.data.rows import N_GOOD, good_rows, source_of
from tuneline.data.prepare import load_splits, prepare, report_of
from tuneline.errors import DataError
from tuneline.records import rows_digest
from tuneline.reports import Certificate, load_report


def test_the_certificate_names_the_rows_it_is_about(store, config_of):
    output = prepare("civil", config_of(good_rows()), store)
    certificate = load_report(output.path / "certificate.json", Certificate)
    splits = load_splits(output)
    assert certificate.is_clean
    assert certificate.holdout_digest == rows_digest(splits.holdout)
    assert certificate.train_digest == rows_digest(splits.train)
    assert {(c.seen, c.hidden) for c in certificate.checks} == {
        ("validation", "holdout"),
        ("train", "holdout"),
        ("train", "validation"),
        ("train and validation", "earlier holdouts"),
    }


def test_planted_near_duplicate_leaks_are_found(store, config_of):
    random = np.random.default_rng(3)
    words = [f"词{n}" if n % 2 else f"word{n}" for n in range(400)]

    def row(tokens, answer):
        return {"instruction": " ".join(words[t] for t in tokens), "output": answer}

    planted = []
    for n in range(300):
        tokens = random.integers(0, 400, 40)
        copy = tokens.copy()
        copy[random.integers(0, 40)] = random.integers(0, 400)
        planted += [row(tokens, f"answer {n}"), row(copy, f"another {n * 7}")]
    splits = load_splits(prepare("civil", config_of(planted, split={"leak_threshold": 0.7}), store))
    prompts = [
        {record.prompt_text for record in side}
        for side in ([*splits.train, *splits.validation], splits.holdout)
    ]
    pairs = [tuple(r["instruction"] for r in planted[i : i + 2]) for i in range(0, 600, 2)]
    leaks = [p for p in pairs if len({*p} & prompts[0]) and len({*p} & prompts[1])]
    assert len(leaks) <= 0.01 * len(pairs)


def test_benchmark_rows_are_not_trained_on(store, config_of, tmp_path):
    benchmark = tmp_path / "benchmark.jsonl"
    rows = [good_rows()[n] for n in range(0, N_GOOD, 6)]
    source = source_of(benchmark, rows, "exam")
    output = prepare("civil", config_of(good_rows(), benchmarks=[source]), store)
    splits, report = load_splits(output), report_of(output)
    seen = {record.prompt_text for record in [*splits.train, *splits.validation]}
    assert not seen & {row["instruction"] for row in rows}
    check = next(c for c in report.certificate.checks if c.hidden == str(benchmark))
    assert (check.n_hidden, check.remaining) == (10, 0)
    assert check.found == report.dropped["leakage"]["same_prompt_in_benchmark"] > 0
    assert check.examples[0].hidden.startswith(f"{benchmark}:")


def test_a_benchmark_row_that_training_would_drop_is_compared_all_the_same(
    store, config_of, tmp_path
):
    benchmark = tmp_path / "exam.jsonl"
    rows = [row | {"output": "Sorry, I cannot help with that."} for row in good_rows()[::3]]
    source = source_of(benchmark, rows, "exam")
    report = report_of(prepare("civil", config_of(good_rows(), benchmarks=[source]), store))
    check = next(c for c in report.certificate.checks if c.hidden == str(benchmark))
    assert check.n_hidden == 20
    assert check.found > 10


def test_a_benchmark_that_cannot_be_compared_stops_the_run(store, config_of, tmp_path):
    benchmark = tmp_path / "exam.jsonl"
    rows = [{"instruction": row["instruction"], "output": ""} for row in good_rows()]
    source = source_of(benchmark, rows, "exam")
    with pytest.raises(DataError, match="source 'exam': 60 of 60 rows are unusable"):
        prepare("civil", config_of(good_rows(), benchmarks=[source]), store)
