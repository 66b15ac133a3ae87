"""Is it enough data: to learn each kind of task from, and to measure on?"""

from collections.abc import Iterator
from typing import NamedTuple

from tuneline.data.wording import count, some_names
from tuneline.reports import DataReport

Z = 1.96
"""Normal quantile of a 95 % interval."""
LONG_ANSWER_CHARS = 1000
"""Median answer length from which a source is taken for worked-out reasoning."""
SMALL_HOLDOUT = 100


class Kind(NamedTuple):
    """A kind of task and how many records it usually takes."""

    name: str
    enough_from: int
    enough_to: int


CLASSIFICATION = Kind("classification", 100, 500)
QUESTIONS = Kind("questions and answers", 500, 2_000)
REASONING = Kind("long, worked-out answers", 2_000, 10_000)


def kind_of(report: DataReport, source: str) -> Kind:
    """What a source teaches: labels where it has them, else told by the length of its answers."""
    if source in report.labels:
        return CLASSIFICATION
    is_long = report.answer_chars.get(source, 0) >= LONG_ANSWER_CHARS
    return REASONING if is_long else QUESTIONS


def half_width(n: int) -> float:
    """Half of Wilson's 95 % interval around a share of 0.5 of n records."""
    return float(Z / (2 * (n + Z * Z) ** 0.5))


def too_little_to_learn(report: DataReport) -> Iterator[str]:
    """Labels are a task per source; other sources of one kind are learned together."""
    tasks: dict[tuple[Kind, str], list[str]] = {}
    for source in report.sources:
        kind = kind_of(report, source)
        tasks.setdefault((kind, source if kind is CLASSIFICATION else ""), []).append(source)
    for (kind, _), sources in tasks.items():
        n = sum(_to_learn_from(report, source) for source in sources)
        if n < kind.enough_from:
            yield (
                f"Little to learn from: {some_names(sources)} ({kind.name}) "
                f"{'have' if len(sources) > 1 else 'has'} {count(n, 'train record')}; "
                f"{kind.enough_from:,} to {kind.enough_to:,} are often enough: "
                f"add at least {kind.enough_from - n:,}."
            )


def too_little_to_measure(report: DataReport) -> Iterator[str]:
    """What a small holdout can show at all."""
    n = sum(report.splits.get("holdout", {}).values())
    if "holdout" in report.splits and n < SMALL_HOLDOUT:
        yield (
            f"The holdout has {count(n, 'record')}: a share of 0.50 is known there only to "
            f"±{half_width(n):.2f} (95 % interval), so smaller differences hardly show; "
            f"{SMALL_HOLDOUT:,} records give ±{half_width(SMALL_HOLDOUT):.2f}, 400 give "
            f"±{half_width(400):.2f}: add data, or raise split.holdout_fraction."
        )


def _to_learn_from(report: DataReport, source: str) -> int:
    """Train records of a source; kept ones where the run stopped before the split."""
    if "train" in report.splits:
        return report.splits["train"].get(source, 0)
    return report.sources[source].get("kept", 0)
