"""The data stage: source files in, train, validation and holdout out, and every drop accounted for.

formats -> cleaning -> exact_dedup -> near_dedup -> split -> leakage
"""

import logging
from collections import Counter
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

from tuneline.data.cleaning import clean
from tuneline.data.config import DataConfig
from tuneline.data.drops import Drop, Sifted, count_drops, write_drops
from tuneline.data.exact_dedup import drop_exact_duplicates
from tuneline.data.leakage import drop_leaks
from tuneline.data.near_dedup import drop_near_duplicates
from tuneline.data.sources import SourceRows, read_source
from tuneline.data.splitting import Splits, split
from tuneline.errors import DataError
from tuneline.records import Record, comparison_text, read_records, write_records
from tuneline.reports import DataReport, save_report
from tuneline.store import StageOutput, Store, code_version, file_digest, package_versions

log = logging.getLogger(__name__)


class Prepared(NamedTuple):
    """Records on their sides and all that was dropped on the way."""

    splits: Splits
    drops: list[Drop]


def prepare(config: DataConfig, store: Store) -> StageOutput:
    """Write train, validation and holdout.parquet, dropped.jsonl and report.json, once per input.

    Raises:
        DataError: A file cannot be used, a source has too many bad rows, or train or holdout
            would be empty. Bad rows then lie in `<store root>/quarantine/<source>.jsonl`.
    """
    inputs = {
        "settings": config.model_dump(mode="json"),
        "files": {str(source.path): _digest(source.path) for source in config.sources},
        **code_version("data", "records"),
        **package_versions("rensa", "polars"),
    }
    return store.build("data", inputs, partial(_write, config, store.root / "quarantine"))


def load_splits(output: StageOutput) -> Splits:
    """Read the records that `prepare` wrote."""
    return Splits(*(read_records(output.path / f"{name}.parquet") for name in Splits._fields))


def prepare_records(records: Sequence[Record], config: DataConfig) -> Prepared:
    """Everything after the door; the same records in any order give the same splits."""
    cleaned = clean(records, config.cleaning)
    unique = drop_exact_duplicates(cleaned.kept)
    near = Sifted(unique.kept, [])
    if config.near_dedup.enabled:
        near = drop_near_duplicates(unique.kept, config.near_dedup)
    tight = drop_leaks(near.kept, unique.kept, config)
    drops = [*cleaned.drops, *unique.drops, *near.drops, *tight.drops]
    return Prepared(split(tight.kept, config.split), drops)


def count_conflicts(records: Sequence[Record]) -> int:
    """Prompts that have more than one answer."""
    answers: dict[str, set[str]] = {}
    for record in records:
        prompt = comparison_text(record.prompt_text)
        answers.setdefault(prompt, set()).add(comparison_text(record.reference))
    return sum(len(texts) > 1 for texts in answers.values())


def _digest(path: Path) -> str:
    if not path.is_file():
        raise DataError(f"{path}: no such file in {Path.cwd()}; correct the source's 'path'")
    return file_digest(path)


def _write(config: DataConfig, quarantine: Path, folder: Path) -> None:
    sources = [read_source(source) for source in config.sources]
    for rows in sources:
        _quarantine(rows, quarantine / f"{rows.source.name}.jsonl", config.max_bad_fraction)
    prepared = prepare_records([r for rows in sources for r in rows.records], config)
    drops = [*(drop for rows in sources for drop in rows.drops), *prepared.drops]
    report = _report(sources, prepared.splits, drops)
    _check_sides(report)
    for name, records in prepared.splits._asdict().items():
        write_records(folder / f"{name}.parquet", records)
    write_drops(folder / "dropped.jsonl", drops)
    save_report(folder / "report.json", report)


def _quarantine(rows: SourceRows, path: Path, max_bad_fraction: float) -> None:
    """Write a source's bad rows where a person can open them; stop if there are too many."""
    path.unlink(missing_ok=True)
    if not rows.drops:
        return
    write_drops(path, rows.drops)
    log.warning("quarantine: source=%s rows=%d file=%s", rows.source.name, len(rows.drops), path)
    if len(rows.drops) > max_bad_fraction * rows.n_read:
        first = "; ".join(f"{drop.place}: {drop.detail}" for drop in rows.drops[:3])
        raise DataError(
            f"source {rows.source.name!r}: {len(rows.drops)} of {rows.n_read} rows are unusable, "
            f"more than max_bad_fraction={max_bad_fraction:g}. First: {first}. All of them are in "
            f"{path}; mend them in {rows.source.path}, or raise max_bad_fraction"
        )


def _report(sources: Sequence[SourceRows], splits: Splits, drops: Sequence[Drop]) -> DataReport:
    kept = [record for records in splits for record in records]
    n_read, kept_by_source = sum(rows.n_read for rows in sources), Counter(r.source for r in kept)
    assert n_read == len(kept) + len(drops), (
        f"{n_read} read, {len(kept)} kept, {len(drops)} dropped"
    )
    sides = {
        name: dict(sorted(Counter(record.source for record in records).items()))
        for name, records in splits._asdict().items()
    }
    by_source = {
        rows.source.name: {"read": rows.n_read, "kept": kept_by_source[rows.source.name]}
        for rows in sources
    }
    n_conflicts = count_conflicts(kept)
    counts = (n_read, len(kept), len(drops), n_conflicts, *(len(records) for records in splits))
    log.info(
        "data: read=%d kept=%d dropped=%d conflicts=%d train=%d validation=%d holdout=%d", *counts
    )
    encodings = {str(rows.source.path): rows.encoding for rows in sources}
    return DataReport(
        n_read, len(kept), count_drops(drops), sides, by_source, n_conflicts, encodings
    )


def _check_sides(report: DataReport) -> None:
    """Raise unless there is something to train on and something to measure on."""
    for name, way_out in {
        "train": "add data, or lower holdout_fraction and validation_fraction",
        "holdout": "add data, or raise holdout_fraction",
    }.items():
        if not report.splits[name]:
            raise DataError(
                f"{name} would be empty: {report.n_read} records were read, {report.n_kept} are "
                f"left after cleaning and dedup, dropped by stage: {report.dropped or 'none'}; "
                f"{way_out}"
            )
