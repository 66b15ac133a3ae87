"""Counts over keys for the data report: languages, labels, lengths, clusters, conflicts."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tuneline.data.fates import CODES, REASONS, Fates
from tuneline.data.keys import Keys
from tuneline.data.showing import places, shorten, shown_texts
from tuneline.data.snapshot import take
from tuneline.data.splitting import SIDES
from tuneline.records import record_of
from tuneline.reports import Cluster, Conflict

MAX_LABELS = 50
"""Distinct short answers up to which a source is a classification."""
MAX_EXAMPLES = 10
TOKEN_BINS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384, 32768)


def count_sides(keys: Keys, fates: Fates) -> dict[str, dict[str, int]]:
    """Side -> source -> records that stay, train first."""
    rows = np.flatnonzero(fates.is_kept())
    kept = keys.load("source", rows=rows).with_columns(side=fates.side[rows])
    counts: dict[str, dict[str, int]] = {name: {} for name in reversed(SIDES)}
    for side, source, n in kept.group_by("side", "source").len().sort("side", "source").iter_rows():
        counts[SIDES[side]][source] = n
    return counts


def count_drops(fates: Fates) -> dict[str, dict[str, int]]:
    """Stage -> reason -> records, of the stages that compare records."""
    counts: dict[str, dict[str, int]] = {}
    for code, n in enumerate(np.bincount(fates.reason, minlength=len(REASONS)).tolist()):
        if code and n:
            stage, reason = REASONS[code]
            counts.setdefault(stage, {})[reason] = n
    return counts


def count_languages(kept: pl.DataFrame) -> dict[str, int]:
    """Language -> records, the most frequent first."""
    counts = kept.group_by("language").len().sort(-pl.col("len").cast(pl.Int64), "language")
    return dict(counts.iter_rows())


def count_labels(kept: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Source -> label -> records, of sources whose answers are a few labels that repeat."""
    found = {}
    labels_of = kept.select("source", "label").sort("source", maintain_order=True)
    for (source,), rows in labels_of.group_by("source", maintain_order=True):
        labels = Counter(rows["label"].drop_nulls().to_list())
        is_complete = rows["label"].null_count() == 0
        if is_complete and len(labels) <= MAX_LABELS and 2 * len(labels) <= len(rows):
            found[str(source)] = dict(labels.most_common())
    return found


def count_tokens(kept: pl.Series) -> dict[str, int]:
    """Upper bound of a bin, tokens -> records; empty where nothing counted tokens."""
    n_tokens = kept.drop_nulls().to_numpy()
    if not len(n_tokens):
        return {}
    bins = np.searchsorted(TOKEN_BINS, n_tokens)
    counts = np.bincount(bins, minlength=len(TOKEN_BINS) + 1).tolist()
    names = [*(str(bound) for bound in TOKEN_BINS), f"over {TOKEN_BINS[-1]}"]
    return {name: n for name, n in zip(names, counts, strict=True) if n}


def median_answer_chars(kept: pl.DataFrame) -> dict[str, int]:
    """Source -> median length of its answers, characters."""
    median = kept.group_by("source").agg(pl.median("n_answer_chars").cast(pl.Int64)).sort("source")
    return dict(median.iter_rows())


def count_clusters(fates: Fates) -> dict[str, int]:
    """Size of a cluster of near-duplicates -> clusters."""
    kept = fates.because[fates.reason == CODES["similar_text"]]
    sizes = Counter((np.unique(kept, return_counts=True)[1] + 1).tolist())
    return {str(size): n for size, n in sorted(sizes.items())}


def largest_clusters(files: Sequence[Path], fates: Fates) -> tuple[Cluster, ...]:
    """The largest clusters of near-duplicates with their first members."""
    rows = np.flatnonzero(fates.reason == CODES["similar_text"])
    kept, sizes = np.unique(fates.because[rows], return_counts=True)
    largest = kept[np.lexsort((kept, -sizes))][:MAX_EXAMPLES]
    texts = shown_texts(files, largest)
    return tuple(
        Cluster(
            size=int((fates.because[rows] == row).sum()) + 1,
            kept=places(files, [row])[0],
            text=text,
            dropped=tuple(places(files, rows[fates.because[rows] == row][:MAX_EXAMPLES])),
        )
        for row, text in zip(largest.tolist(), texts, strict=True)
    )


def conflicting(keys: Keys, kept: NDArray[np.int64]) -> pl.DataFrame:
    """Rows of prompts that kept more than one answer: prompt_digest and `rows`.

    Args:
        keys: All records.
        kept: Those that stay, ascending.
    """
    prompts = keys.digests("prompt_digest").take(kept).ranks()
    rows = kept[np.bincount(prompts)[prompts] > 1]
    several = keys.load("prompt_digest", "digest", rows=rows).with_columns(row=rows)
    groups = several.group_by("prompt_digest").agg("row", n=pl.n_unique("digest"))
    return groups.filter(pl.col("n") > 1).sort("prompt_digest")


def first_conflicts(files: Sequence[Path], conflicts: pl.DataFrame) -> tuple[Conflict, ...]:
    """The first prompts with their different answers."""
    found = []
    for rows in conflicts["row"].head(MAX_EXAMPLES):
        numbers = rows.sort().to_numpy()[:MAX_EXAMPLES]
        records = [record_of(row) for row in take(files, numbers).to_pylist()]
        answers = tuple(shorten(record.reference) for record in records)
        prompt = shorten(records[0].prompt[-1].content)
        found.append(Conflict(prompt, answers, tuple(places(files, numbers))))
    return tuple(found)


def add_counts(*parts: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Sum of nested counts, in the order of their first mention."""
    total: dict[str, dict[str, int]] = {}
    for part in parts:
        for outer, counts in part.items():
            for name, n in counts.items():
                inner = total.setdefault(outer, {})
                inner[name] = inner.get(name, 0) + n
    return total
