"""Which answers a page shows: first where the candidate is worse, then where it is better."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

import polars as pl

from tuneline.reports import TASK_SCORE

Group = Literal["worse", "better", "same"]

LIMITS: dict[Group, int] = {"worse": 20, "better": 10, "same": 10}
"""Rows shown of each group, in the order of the page."""
MAX_CHARS = 1500
"""Of a prompt or an answer; the scores of the run hold all of it."""


@dataclass(frozen=True, slots=True)
class ModelAnswer:
    """What one model said."""

    text: str | None
    """None where the generation failed."""
    score: float | None
    """task_score; None where it is unscored."""


@dataclass(frozen=True, slots=True)
class ShownRow:
    """One holdout row with every model's answer."""

    digest: str
    place: str
    source: str
    prompt: str
    reference: str
    answers: Mapping[str, ModelAnswer]
    """Model -> answer, in the order of the page."""
    group: Group
    """How the candidate's task_score stands to the baseline's; no answer is worse than one."""


def choose_rows(
    scores: Mapping[str, pl.DataFrame],
    candidate: str,
    baseline: str,
    protect: Callable[[str], str] = str,
) -> tuple[ShownRow, ...]:
    """The rows that a page shows: the largest losses first, then gains, then equals.

    Args:
        scores: Model -> its `scores.parquet`; all of the same rows.
        candidate: Name of the candidate.
        baseline: Name of the model that it is compared with.
        protect: Hides what must not be shown, such as personal data.
    """
    order = _ordered(scores[candidate], scores[baseline])
    tables = {
        name: {row["digest"]: row for row in table.iter_rows(named=True)}
        for name, table in scores.items()
    }
    chosen = [
        (digest, group)
        for group, limit in LIMITS.items()
        for digest in order.filter(pl.col("group") == group)["digest"].head(limit)
    ]
    return tuple(_row(digest, group, tables, candidate, protect) for digest, group in chosen)


def _ordered(candidate: pl.DataFrame, baseline: pl.DataFrame) -> pl.DataFrame:
    """Digest and group of each row: the largest losses first, the largest gains first."""
    other = baseline.select("digest", pl.col(TASK_SCORE).alias("other"))
    is_lost = pl.col(TASK_SCORE).is_null() & pl.col("other").is_not_null()
    gain = pl.when(is_lost).then(-1.0).otherwise(pl.col(TASK_SCORE) - pl.col("other"))
    group = pl.when(gain < 0).then(pl.lit("worse")).when(gain > 0).then(pl.lit("better"))
    return (
        candidate.join(other, on="digest", how="left")
        .select("digest", gain=gain, group=group.otherwise(pl.lit("same")))
        .sort(pl.col("gain").abs(), "digest", descending=[True, False], nulls_last=True)
    )


def _row(
    digest: str,
    group: Group,
    tables: Mapping[str, Mapping[str, Mapping[str, object]]],
    candidate: str,
    protect: Callable[[str], str],
) -> ShownRow:
    row = tables[candidate][digest]
    return ShownRow(
        digest=digest,
        place=str(row["place"]),
        source=str(row["source"]),
        prompt=cut(protect(str(row["prompt"]))),
        reference=cut(protect(str(row["reference"]))),
        answers=dict(_answers(digest, tables, protect)),
        group=group,
    )


def _answers(
    digest: str,
    tables: Mapping[str, Mapping[str, Mapping[str, object]]],
    protect: Callable[[str], str],
) -> Iterator[tuple[str, ModelAnswer]]:
    for name, table in tables.items():
        if (row := table.get(digest)) is None:
            continue
        text, score = row["prediction"], row[TASK_SCORE]
        shown = None if text is None else cut(protect(str(text)))
        yield name, ModelAnswer(shown, score if isinstance(score, float) else None)


def cut(text: str) -> str:
    """The text, or the beginning that a page shows."""
    return text if len(text) <= MAX_CHARS else f"{text[:MAX_CHARS]}…"
