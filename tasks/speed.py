"""Speed and perplexity of the models of a comparison, as a table."""

from collections.abc import Iterable

from tuneline.reports import ALL, EvalReport, Perplexity

SPEED_NOTE = (
    "latency: seconds from the start of an answer's batch to its end; "
    "perplexity: of the reference answers, lower is better"
)


def speed_rows(reports: Iterable[EvalReport]) -> list[dict[str, str | int]]:
    """Per model: tokens a second, latency percentiles, and perplexity where it was measured."""
    return [
        {
            "model": report.name,
            "answers": report.latency.n,
            "tokens_per_s": f"{report.tokens_per_s:,.1f}",
            "p50_s": f"{report.latency.p50_s:.2f}",
            "p95_s": f"{report.latency.p95_s:.2f}",
            "p99_s": f"{report.latency.p99_s:.2f}",
            "perplexity": format_perplexity(report.perplexity.get(ALL)),
        }
        for report in reports
        if report.latency
    ]


def format_perplexity(perplexity: Perplexity | None) -> str:
    """`4.21 [3.90, 4.55]`, or that it was not asked for."""
    if perplexity is None:
        return "not measured"
    return f"{perplexity.value:.2f} [{perplexity.low:.2f}, {perplexity.high:.2f}]"
