"""What people see on the Prefect run page: tables, a picture, the verdict."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from prefect.artifacts import create_markdown_artifact, create_table_artifact

from tuneline.data.wording import certify, verdict
from tuneline.release.guards import wear_sentence
from tuneline.release.reasons import format_p
from tuneline.reports import (
    ALL,
    TASK_SCORE,
    Certificate,
    Comparison,
    DataReport,
    Difference,
    EvalReport,
    Forgetting,
    Look,
    QuantizationReport,
    Score,
    SliceDifference,
    TrainingReport,
)

Row = dict[str, Any]
SLICES_NOTE = "one in twenty looks changed by chance"


def show_table(domain: str, name: str, rows: Iterable[Mapping[str, Any]], text: str) -> None:
    """Put a table on the run page; one per domain and name, with its history."""
    create_table_artifact(
        key=_key(domain, name), table=[dict(row) for row in rows], description=text
    )


def show_text(domain: str, name: str, markdown: str) -> None:
    """Put formatted text on the run page."""
    create_markdown_artifact(key=_key(domain, name), markdown=markdown)


def show_loss_curve(domain: str, report: TrainingReport, picture: Path) -> None:
    """Put the loss curve and what the training was on the run page."""
    advice = f": {report.advice}." if report.advice else ""
    encoded = base64.b64encode(picture.read_bytes()).decode()
    show_text(
        domain,
        "training",
        f"# Training\n\n**{training_text(report)}**{advice}\n\n"
        f"{report.n_steps} steps on {report.n_train_records} records, "
        f"{report.n_trainable_parameters:,} trainable parameters, {report.train_s:.0f} s, "
        f"peak memory {report.peak_memory_mib:,.0f} MiB. {report.machine}.\n\n"
        f"![loss curve](data:image/png;base64,{encoded})",
    )


def training_text(report: TrainingReport) -> str:
    """`healthy, the loss fell from 1.57 to 0.10; 283 tokens/s`."""
    return f"{report.verdict}, {report.evidence}; {report.tokens_per_s:,.0f} tokens/s"


def funnel_rows(report: DataReport) -> list[Row]:
    """Records read, dropped by stage and reason, and kept per split."""
    rows: list[Row] = [{"stage": "read", "reason": "", "records": report.n_read}]
    for stage, reasons in report.dropped.items():
        rows += [
            {"stage": stage, "reason": reason, "records": -count}
            for reason, count in reasons.items()
        ]
    rows.append({"stage": "kept", "reason": "", "records": report.n_kept})
    rows += [
        {"stage": f"  {split}", "reason": "", "records": sum(by_source.values())}
        for split, by_source in report.splits.items()
    ]
    return rows


def file_rows(report: DataReport) -> list[Row]:
    """How each input file was read, and how many of its rows are no record."""
    return [
        {
            "file": file.path,
            "source": file.source,
            "format": file.format,
            "container": file.container,
            "encoding": file.encoding,
            "rows": file.n_read,
            "bad": file.n_bad,
        }
        for file in report.files
    ]


def leak_rows(certificate: Certificate) -> list[Row]:
    """Each comparison of two sides: leaks dropped, and leaks that a second search still finds."""
    return [
        {
            "learned from": check.seen,
            "records": check.n_seen,
            "against": check.hidden,
            "hidden records": check.n_hidden,
            "dropped": check.found,
            "left": check.remaining,
        }
        for check in certificate.checks
    ]


def data_text(report: DataReport, advice: Sequence[str]) -> str:
    """Verdict, advice and certificate of the data stage as Markdown; HTML in labels is escaped."""
    sentences = "\n".join(f"- {escape(sentence, quote=False)}" for sentence in advice)
    return f"**{verdict(report)}.**\n\n{sentences}\n\n{certify(report.certificate)}."


def score_rows(comparison: Comparison) -> list[Row]:
    """Per slice: task_score of baseline and candidate with intervals, and their difference."""
    baseline, candidate = comparison.baseline, comparison.candidate
    return [
        {
            "slice": name,
            "records": difference.n,
            baseline.name: format_score(baseline.scores[name][TASK_SCORE]),
            candidate.name: format_score(candidate.scores[name][TASK_SCORE]),
            "difference": format_difference(difference),
            **evidence_cells(difference),
        }
        for name, difference in comparison.differences.items()
    ]


def gate_rows(comparison: Comparison) -> list[Row]:
    """Per metric of the gate, over all records: both scores and their difference."""
    baseline, candidate = comparison.baseline, comparison.candidate
    return [
        {
            "metric": metric,
            baseline.name: format_score(baseline.scores[ALL][metric]),
            candidate.name: format_score(candidate.scores[ALL][metric]),
            "difference": format_difference(difference),
            **evidence_cells(difference),
        }
        for metric, difference in comparison.metrics.items()
    ]


def evidence_cells(difference: Difference) -> Row:
    """p-value after Holm, the verdict, what was detectable, and the rows that are missing."""
    unclear = difference.verdict == "cannot tell"
    return {
        "p": format_p(difference.p_adjusted).removeprefix("= "),
        "verdict": difference.answer,
        "detectable": format_gain(difference.detectable),
        "more rows": f"about {difference.more_rows:,}" if unclear and difference.more_rows else "",
    }


def declared_rows(baseline: EvalReport, gains: Mapping[str, float | None]) -> list[Row]:
    """Per slice: the baseline's score, and the least gain that the slice shows."""
    return [
        {
            "slice": name,
            "records": baseline.scores[name][TASK_SCORE].n,
            baseline.name: format_score(baseline.scores[name][TASK_SCORE]),
            "detectable": format_gain(gain),
        }
        for name, gain in gains.items()
        if name in baseline.scores
    ]


def noise_rows(reports: Iterable[EvalReport]) -> list[Row]:
    """Per model that answered more than once: how much of its answers and scores moved."""
    return [
        {
            "model": report.name,
            "repeats": report.noise.n_repeats,
            "answers changed": f"{report.noise.changed_fraction:.1%}",
            TASK_SCORE: f"moves by {report.noise.moved[ALL].get(TASK_SCORE, 0.0):.3f}",
        }
        for report in reports
        if report.noise is not None
    ]


def slice_rows(slices: Iterable[SliceDifference]) -> list[Row]:
    """Per slice of each dimension: both scores and their difference, or that it is too small."""
    return [
        {
            "dimension": found.dimension,
            "slice": found.value,
            "records": found.difference.n,
            "baseline": format_score(found.baseline),
            "candidate": format_score(found.candidate),
            "difference": format_difference(found.difference),
            "verdict": "too few" if found.is_too_few else found.difference.verdict,
        }
        for found in slices
    ]


def forgetting_rows(found: Forgetting) -> list[Row]:
    """Scores on general questions, their difference, and what it means for the limit."""
    return [
        {
            "questions": found.difference.n,
            "base": format_score(found.base),
            "candidate": format_score(found.candidate),
            "difference": format_difference(found.difference),
            "may lose": f"{found.max_loss:.2f}",
            "verdict": found.verdict,
        }
    ]


def look_text(look: Look, n_records: int) -> str:
    """How often the holdout was looked at, as Markdown, and that it is worn where it is."""
    worn = f"\n\n**{wear_sentence(look)}.**" if look.is_worn else ""
    return (
        f"# Holdout\n\n{n_records} records of generation {look.generation}: look {look.number}, "
        f"{look.max_looks} are planned.{worn}"
    )


def metric_rows(comparisons: Iterable[Comparison]) -> list[Row]:
    """Every model, slice and metric with its interval."""
    reports = {}
    for comparison in comparisons:
        for report in (comparison.baseline, comparison.candidate):
            reports[report.name] = report
    return [
        {"model": name, "slice": part, **{m: format_score(s) for m, s in metrics.items()}}
        for name, report in reports.items()
        for part, metrics in report.scores.items()
    ]


def quantization_rows(report: QuantizationReport) -> list[Row]:
    """Per variant: size, speed, score, and how its answers agree with the reference's."""
    return [
        {
            "variant": variant.name,
            "size_mib": variant.size_mib,
            "tokens_per_s": variant.tokens_per_s,
            TASK_SCORE: format_score(variant.score),
            "exact": variant.exact,
            "similar": variant.similar,
            "different": variant.different,
        }
        for variant in report.variants
    ]


def format_score(score: Score) -> str:
    """`0.93 [0.81, 0.98]`, and the unscored ones where there are any."""
    unscored = f" ({score.n_unscored} unscored)" if score.n_unscored else ""
    return f"{score.value:.2f} [{score.low:.2f}, {score.high:.2f}]{unscored}"


def format_gain(gain: float | None) -> str:
    """`+0.15`, or `none` where no gain can be shown."""
    return "none" if gain is None else f"+{gain:.2f}"


def format_difference(difference: Difference) -> str:
    """`+0.81 [+0.74, +0.88]`."""
    return f"{difference.value:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"


def _key(domain: str, name: str) -> str:
    """Artifact keys take lower-case letters, digits and dashes."""
    return f"{domain.replace('_', '-')}-{name}"
