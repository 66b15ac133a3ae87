"""The data report: counts of every file and every comparison, put together."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from tuneline.data import statistics as count
from tuneline.data.advice import LOST_FRACTION
from tuneline.data.compare import Compared
from tuneline.data.fates import LAST_COPY, Fates
from tuneline.data.ingest import IngestReport
from tuneline.data.keys import Keys
from tuneline.reports import DataReport

log = logging.getLogger(__name__)


def data_report(
    reports: Sequence[IngestReport],
    files: Sequence[Path],
    keys: Keys,
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
    rows = np.flatnonzero(fates.is_kept())
    dropped = count.add_counts(_early_drops(reports), count.count_drops(fates))
    n_read, n_kept = sum(r.file.n_read for r in reports), len(rows)
    n_dropped = sum(n for reasons in dropped.values() for n in reasons.values())
    assert n_read == n_kept + n_dropped, f"{n_read} read, {n_kept} kept, {n_dropped} dropped"
    conflicts = count.conflicting(keys, rows)
    n_tokens = keys.load("n_tokens", rows=rows)["n_tokens"]
    report = DataReport(
        n_read=n_read,
        n_kept=n_kept,
        dropped=dropped,
        splits=(splits := count.count_sides(keys, fates)),
        sources=_sources(reports, splits),
        n_conflicts=len(conflicts),
        files=tuple(r.file for r in reports),
        findings=count.add_counts(*(r.findings for r in reports)),
        languages=count.count_languages(keys.load("language", rows=rows)),
        labels=count.count_labels(keys.load("source", "label", rows=rows)),
        tokens=count.count_tokens(n_tokens),
        n_truncated=int((n_tokens > max_seq_tokens).sum()) if max_seq_tokens else 0,
        max_tokens=max_seq_tokens,
        cluster_sizes=count.count_clusters(fates),
        clusters=count.largest_clusters(files, fates),
        conflicts=count.first_conflicts(files, conflicts),
        answer_chars=count.median_answer_chars(keys.load("source", "n_answer_chars", rows=rows)),
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


def _sources(
    reports: Sequence[IngestReport], splits: Mapping[str, Mapping[str, int]]
) -> dict[str, dict[str, int]]:
    n_kept = sum((Counter(side) for side in splits.values()), Counter[str]())
    found: dict[str, dict[str, int]] = {}
    for report in reports:
        own = found.setdefault(report.file.source, {"read": 0, "kept": 0})
        own["read"] += report.file.n_read
        own["kept"] = n_kept[report.file.source]
    return found


def _log(report: DataReport) -> None:
    sides = {side: sum(by_source.values()) for side, by_source in report.splits.items()}
    counts = (report.n_read, report.n_kept, report.n_conflicts, sides)
    log.info("data: read=%d kept=%d conflicts=%d sides=%s", *counts)


def _warn_of_losses(keys: Keys, fates: Fates) -> None:
    is_copy = (fates.reason > 0) & (fates.reason <= LAST_COPY)
    lost = (
        keys.load("source")
        .with_columns(is_copy=is_copy)
        .group_by("source")
        .agg(pl.sum("is_copy"), pl.len().alias("n"))
    )
    for source, n_lost, n in lost.sort("source").iter_rows():
        if n_lost > LOST_FRACTION * n:
            log.warning(
                "dedup: source=%s dropped=%d of=%d; raise the threshold?", source, n_lost, n
            )
