"""The data report: counts of every file and every comparison, put together."""

import logging
from collections.abc import Sequence
from pathlib import Path

import polars as pl

from tuneline.data import statistics as count
from tuneline.data.advice import LOST_FRACTION
from tuneline.data.compare import Compared
from tuneline.data.fates import LAST_COPY, Fates
from tuneline.data.ingest import IngestReport
from tuneline.reports import DataReport

log = logging.getLogger(__name__)

COUNTED = ("source", "language", "label", "n_tokens", "n_answer_chars")


def data_report(
    reports: Sequence[IngestReport],
    files: Sequence[Path],
    keys: pl.DataFrame,
    compared: Compared,
    max_seq_tokens: int,
) -> DataReport:
    """Everything but the certificate, which needs the written sides.

    Args:
        reports: Counts of each input file.
        files: Their cleaned files.
        keys: Keys of all cleaned records.
        compared: What became of them.
        max_seq_tokens: Longest record that training takes; 0 where unknown.
    """
    fates = compared.fates
    kept = keys.select(COUNTED).filter(pl.Series(fates.is_kept()))
    dropped = count.add_counts(_early_drops(reports), count.count_drops(fates))
    n_read, n_kept = sum(r.file.n_read for r in reports), len(kept)
    n_dropped = sum(n for reasons in dropped.values() for n in reasons.values())
    assert n_read == n_kept + n_dropped, f"{n_read} read, {n_kept} kept, {n_dropped} dropped"
    conflicts = count.conflicting(keys, fates)
    report = DataReport(
        n_read=n_read,
        n_kept=n_kept,
        dropped=dropped,
        splits=count.count_sides(keys, fates),
        sources=_sources(reports, kept),
        n_conflicts=len(conflicts),
        files=tuple(r.file for r in reports),
        findings=count.add_counts(*(r.findings for r in reports)),
        languages=count.count_languages(kept),
        labels=count.count_labels(kept),
        tokens=count.count_tokens(kept),
        n_truncated=int((kept["n_tokens"] > max_seq_tokens).sum()) if max_seq_tokens else 0,
        max_tokens=max_seq_tokens,
        cluster_sizes=count.count_clusters(fates),
        clusters=count.largest_clusters(files, keys, fates),
        conflicts=count.first_conflicts(files, keys, conflicts),
        answer_chars=count.median_answer_chars(kept),
    )
    _log(report)
    _warn_of_losses(keys, fates)
    return report


def _early_drops(reports: Sequence[IngestReport]) -> dict[str, dict[str, int]]:
    """Drops of reading and cleaning, by stage and reason."""
    return count.add_counts(
        *({"formats": report.bad} for report in reports),
        *({"cleaning": report.dropped} for report in reports),
    )


def _sources(reports: Sequence[IngestReport], kept: pl.DataFrame) -> dict[str, dict[str, int]]:
    n_kept = dict(kept.group_by("source").len().iter_rows())
    found: dict[str, dict[str, int]] = {}
    for report in reports:
        own = found.setdefault(report.file.source, {"read": 0, "kept": 0})
        own["read"] += report.file.n_read
        own["kept"] = n_kept.get(report.file.source, 0)
    return found


def _log(report: DataReport) -> None:
    sides = {side: sum(by_source.values()) for side, by_source in report.splits.items()}
    counts = (report.n_read, report.n_kept, report.n_conflicts, sides)
    log.info("data: read=%d kept=%d conflicts=%d sides=%s", *counts)


def _warn_of_losses(keys: pl.DataFrame, fates: Fates) -> None:
    is_copy = pl.Series((fates.reason > 0) & (fates.reason <= LAST_COPY))
    lost = (
        keys.select("source", is_copy=is_copy)
        .group_by("source")
        .agg(pl.sum("is_copy"), pl.len().alias("n"))
    )
    for source, n_lost, n in lost.sort("source").iter_rows():
        if n_lost > LOST_FRACTION * n:
            log.warning(
                "dedup: source=%s dropped=%d of=%d; raise the threshold?", source, n_lost, n
            )
