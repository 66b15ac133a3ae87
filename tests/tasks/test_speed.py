"""The table of speeds says what was measured, and that something was not."""

from tasks.speed import speed_rows
from tuneline.reports import ALL, EvalReport, Latency, Perplexity


def report(name: str, latency: Latency | None, perplexity: dict[str, Perplexity]) -> EvalReport:
    return EvalReport(
        "digest", name, "rows", {}, {}, 123.45, latency=latency, perplexity=perplexity
    )


def test_a_model_is_a_row_and_what_was_not_measured_is_said():
    known = report(
        "base", Latency(0.5, 1.25, 2.0, 36), {ALL: Perplexity(4.214, 3.9, 4.55, 36, 900)}
    )
    unknown = report("candidate", Latency(0.5, 1.25, 2.0, 36), {})
    first, second = speed_rows([known, unknown])
    assert first == {
        "model": "base",
        "answers": 36,
        "tokens_per_s": "123.5",
        "p50_s": "0.50",
        "p95_s": "1.25",
        "p99_s": "2.00",
        "perplexity": "4.21 [3.90, 4.55]",
    }
    assert second["perplexity"] == "not measured"


def test_a_model_that_answered_nothing_has_no_row():
    assert speed_rows([report("base", None, {})]) == []
