"""Two registered releases side by side, from what the registry and their runs keep."""

import io
from dataclasses import dataclass

import polars as pl

from tasks import report
from tuneline import tracking
from tuneline.errors import TrackingError
from tuneline.evaluation.holdout import SCORES
from tuneline.registry import Registry, Version
from tuneline.release.difference import Answers, Changed, changes, count_changes, metric_rows
from tuneline.release.version import ReleaseName
from tuneline.reporting.facts import ReleaseFacts


@dataclass(frozen=True, slots=True)
class ReleaseDifference:
    """What is different between two releases."""

    before: Version
    after: Version
    changed: list[Changed]
    metrics: list[dict[str, str]]
    """Empty where a release has no stored numbers."""
    answers: Answers | None
    """None where a release has no stored answers."""


def compare(before: str, after: str) -> ReleaseDifference:
    """Compare two releases of any domains by their names.

    Raises:
        RegistryError: One does not exist, or its lineage is gone or damaged.
    """
    registry = Registry(tracking.tracking_uri())
    one, other = (registry.find(ReleaseName.parse(name).domain, name) for name in (before, after))
    changed = changes(registry.lineage(one), registry.lineage(other))
    old, new = _facts(one), _facts(other)
    if old is None or new is None:
        return ReleaseDifference(one, other, changed, [], None)
    counts = count_changes(old.data, new.data)
    candidates = [facts.comparisons[-1].candidate for facts in (old, new)]
    return ReleaseDifference(
        one, other, [*changed, *counts], metric_rows(*candidates), _answers(one, other)
    )


def _facts(version: Version) -> ReleaseFacts | None:
    return report.stored_facts(version.run_id)


def _answers(before: Version, after: Version) -> Answers | None:
    try:
        one, other = (_predictions(version) for version in (before, after))
    except TrackingError:
        return None
    both = one.join(other, on="digest", suffix="_after")
    equal = both.filter(pl.col("prediction").eq_missing(pl.col("prediction_after")))
    return Answers(len(both), len(equal))


def _predictions(version: Version) -> pl.DataFrame:
    content = tracking.read_artifact(version.run_id, f"evaluation/candidate/{SCORES}")
    return pl.read_parquet(io.BytesIO(content), columns=["digest", "prediction"])
