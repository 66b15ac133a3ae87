"""Rows that are no record: kept where a person can open them, and too many of them stop a run."""

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path

from tuneline.data.config import DataConfig
from tuneline.data.drops import Drop, read_drops, write_drops
from tuneline.errors import DataError
from tuneline.reports import DataReport, FileReport

log = logging.getLogger(__name__)

SIDES_NEEDED = {
    "train": "add data, or lower holdout_fraction and validation_fraction",
    "holdout": "add data that no run used before, or raise holdout_fraction",
}


def quarantine(bad_rows: Mapping[str, Iterable[Drop]], folder: Path) -> None:
    """Write each source's bad rows to `<folder>/<source>.jsonl`; none leaves no file."""
    for source, drops in bad_rows.items():
        path = folder / f"{source}.jsonl"
        if n_bad := write_drops(path, drops):
            log.warning("quarantine: source=%s rows=%d file=%s", source, n_bad, path)
        else:
            path.unlink(missing_ok=True)


def bad_row_objections(
    files: Sequence[FileReport], config: DataConfig, folder: Path
) -> Iterator[str]:
    """Sources with too many bad rows, in sentences with the first rows and the way out."""
    for source in (*config.sources, *config.benchmarks):
        own = [file for file in files if file.source == source.name]
        n_bad, n_read = sum(f.n_bad for f in own), sum(f.n_read for f in own)
        if n_bad <= config.max_bad_fraction * n_read:
            continue
        path = folder / f"{source.name}.jsonl"
        drops = read_drops(path) if path.exists() else iter(())
        first = "; ".join(f"{drop.place}: {drop.detail}" for drop in islice(drops, 3))
        yield (
            f"source {source.name!r}: {n_bad} of {n_read} rows are unusable, more than "
            f"max_bad_fraction={config.max_bad_fraction:g}. First: {first}. All of them are in "
            f"{path}; mend them in {_names(own)}, or raise max_bad_fraction"
        )


def side_objections(report: DataReport) -> Iterator[str]:
    """Sides without which there is nothing to train on or nothing to measure on."""
    for name, way_out in SIDES_NEEDED.items():
        if not sum(report.splits[name].values()):
            dropped = {stage: dict(reasons) for stage, reasons in report.dropped.items()}
            yield (
                f"{name} would be empty: {report.n_read} records were read, {report.n_kept} are "
                f"left after cleaning and dedup, dropped by stage: {dropped or 'none'}; {way_out}"
            )


def stop_at_first(objections: Iterator[str]) -> None:
    """Raise the first one as a DataError."""
    for objection in objections:
        raise DataError(objection)


def _names(files: Sequence[FileReport]) -> str:
    bad = [file.path for file in files if file.n_bad]
    return bad[0] if len(bad) == 1 else f"{bad[0]} and {len(bad) - 1} other files"
