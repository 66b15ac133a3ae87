"""One tool on one Parquet file, in a process of its own; `benchmarks.dedup` starts it.

    python dedup_tools.py TOOL FILE LANGUAGE OUT

Writes OUT.json (CPU seconds, peak memory) and OUT.npy (a label per row; rows of a component share
it). Imports, compilation and a warm-up come before the clock starts. Reading, and all that a user
of the tool has to do to get clusters, comes after.
"""

import hashlib
import json
import os
import resource
import sys
import tempfile
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

THRESHOLD = 0.7
BATCH_ROWS = 10_000
N_WARM, N_REPEATED = 100, 10_000
"""Rows of the warm-up, and up to which the best of three runs counts."""
CPU_OF = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
Clusters = NDArray[np.int64]


class Forest:
    """Union-find over rows."""

    def __init__(self, n_rows: int) -> None:
        self.parent = list(range(n_rows))

    def root(self, at: int) -> int:
        """The row that stands for a component."""
        parent = self.parent
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    def join(self, one: int, other: int) -> None:
        """Put two rows into one component."""
        one, other = self.root(one), self.root(other)
        self.parent[max(one, other)] = min(one, other)

    def join_near(self, row: int, others: Iterable[int], sketches: list[Any]) -> None:
        """Join a row with candidates whose estimated similarity reaches the threshold."""
        for other in others:
            is_new = other < row and self.root(row) != self.root(other)
            if is_new and sketches[row].jaccard(sketches[other]) >= THRESHOLD:
                self.join(row, other)

    def labels(self) -> Clusters:
        """Root of every row."""
        return np.array([self.root(row) for row in range(len(self.parent))])


def tuneline(path: Path, language: str) -> Clusters:
    """As the data stage calls it: rows in the order of their digests, the first of each stays.

    Defaults of the project; nothing depends on the language.
    """
    from tuneline.data.dedup.near import components
    from tuneline.data.dedup.shingles import Sketches, concatenate, sketch

    digests: list[bytes] = []

    def sketches() -> Iterator[Sketches]:
        for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(BATCH_ROWS):
            utf8 = batch["text"].cast(pa.large_binary()).to_pylist()
            digests.extend(hashlib.sha256(text).digest() for text in utf8)
            yield sketch(batch["text"].cast(pa.large_string()), THRESHOLD)

    whole = concatenate(sketches())
    order = np.argsort(np.array(digests), kind="stable")
    labels = np.empty(len(order), dtype=np.int64)
    labels[order] = order[components(whole.take(order), THRESHOLD)]
    return labels


def datasketch(path: Path, language: str) -> Clusters:
    """MinHashLSH(0.7, num_perm=128, weights=(0.2, 0.8)), MinHash.generator with xxh32.

    Each row is queried, its candidates checked by `jaccard` >= 0.7, and inserted. Against the
    default weights and hash (SHA-1) without the check: recall .97 for .94, precision .98 for .93,
    and faster.
    """
    import xxhash
    from datasketch import MinHash, MinHashLSH

    from benchmarks.dedup_truth import shingles

    index = MinHashLSH(THRESHOLD, num_perm=128, weights=(0.2, 0.8))
    forest = Forest(_n_rows(path))
    sketches: list[MinHash] = []
    for start, texts in _batches(path):
        sets = ([s.encode() for s in shingles(text, language)] for text in texts)
        made = MinHash.generator(sets, num_perm=128, hashfunc=xxhash.xxh32_intdigest)
        for row, sketch in enumerate(made, start):
            sketches.append(sketch)
            forest.join_near(row, index.query(sketch), sketches)
            index.insert(row, sketch, check_duplication=False)
    return forest.labels()


def rensa(path: Path, language: str) -> Clusters:
    """RMinHash.from_token_sets (128, seed 42) and RMinHashLSH(0.7, 128, 32 bands).

    insert_many, then query_all, candidates checked by `jaccard` >= 0.7. RMinHashDeduplicator has
    the same speed and a recall of .96 for .99; digest matrices flag duplicates but give no
    clusters, and querying what they flag costs a second pass, so it is slower.
    """
    from rensa import RMinHash, RMinHashLSH

    from benchmarks.dedup_truth import shingles

    index, forest = RMinHashLSH(THRESHOLD, 128, 32), Forest(_n_rows(path))
    sketches: list[RMinHash] = []
    for start, texts in _batches(path):
        made = RMinHash.from_token_sets([shingles(t, language) for t in texts], 128, 42)
        index.insert_many(made, start)
        sketches += made
    for start in range(0, len(sketches), BATCH_ROWS):
        found = index.query_all(sketches[start : start + BATCH_ROWS])
        for row, others in enumerate(found, start):
            forest.join_near(row, others, sketches)
    return forest.labels()


def gaoya(path: Path, language: str) -> Clusters:
    """MinHashStringIndex(32, 0.7, num_bands=32, band_size=4), own shingles of the text in NFKC.

    analyzer word (en) or char (zh), ngram_range (2, 2), lowercase, id_container smallvec;
    par_bulk_insert_docs, then par_bulk_query. Without NFKC it misses full-width copies (recall .86
    for .98, en); 25 to 64 bands of 3 to 5 hashes give the same recall within .01.
    """
    from gaoya.minhash import MinHashStringIndex

    index = MinHashStringIndex(
        hash_size=32, jaccard_threshold=THRESHOLD, num_bands=32, band_size=4,
        analyzer="word" if language == "en" else "char", lowercase=True, ngram_range=(2, 2),
        id_container="smallvec",
    )  # fmt: skip
    forest = Forest(_n_rows(path))
    for start, texts in _batches(path):
        plain = [unicodedata.normalize("NFKC", text) for text in texts]
        index.par_bulk_insert_docs(list(range(start, start + len(plain))), plain)
    for start, texts in _batches(path):
        plain = [unicodedata.normalize("NFKC", text) for text in texts]
        for row, others in enumerate(index.par_bulk_query(plain), start):
            for other in others:
                forest.join(row, other)
    return forest.labels()


def text_dedup(path: Path, language: str) -> Clusters:
    """text_dedup.minhash as it comes: word 5-grams, threshold 0.7, 250 permutations; 1 process."""
    from text_dedup import minhash

    with tempfile.TemporaryDirectory() as folder:
        minhash.main(
            [
                *("--path", "parquet", "--data_files", str(path), "--split", "train"),
                *("--column", "text", "--num_proc", "1", "--no-clean_cache"),
                *("--output", f"{folder}/out", "--cache_dir", f"{folder}/cache"),
            ],
            standalone_mode=False,
        )
    return np.array([minhash.uf.find(row) for row in range(_n_rows(path))])


TOOLS: dict[str, Callable[[Path, str], Clusters]] = {
    "tuneline": tuneline,
    "datasketch": datasketch,
    "rensa": rensa,
    "gaoya": gaoya,
    "text-dedup": text_dedup,
}


def main(tool: str, path: Path, language: str, out: Path) -> None:
    """Warm up, run, measure."""
    run = TOOLS[tool]
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "warm.parquet"
        table = pq.read_table(path).slice(0, N_WARM)
        pq.write_table(table, warm)
        run(warm, language)
        if tool == "tuneline":  # has another way for many texts, to be compiled too
            pq.write_table(pa.concat_tables([table] * 60), warm)
            run(warm, language)
    seconds = []
    for _ in range(3 if _n_rows(path) <= N_REPEATED else 1):
        before = _cpu_s()
        labels = run(path, language)
        seconds.append(_cpu_s() - before)
    np.save(out.with_suffix(".npy"), labels)
    measured = {"cpu_s": min(seconds), "peak_rss_mib": _peak_rss_mib()}
    out.with_suffix(".json").write_text(json.dumps(measured))


def _batches(path: Path) -> Iterator[tuple[int, list[str]]]:
    """First row and texts of each batch."""
    start = 0
    for batch in pq.ParquetFile(path, pre_buffer=False).iter_batches(BATCH_ROWS):
        yield start, batch["text"].to_pylist()
        start += len(batch)


def _n_rows(path: Path) -> int:
    return int(pq.read_metadata(path).num_rows)


def _cpu_s() -> float:
    """User and system time of this process and its children."""
    return sum(sum(resource.getrusage(who)[:2]) for who in CPU_OF)


def _peak_rss_mib() -> int:
    """Of the larger of this process and its children.

    `ru_maxrss` of the process itself would begin with the size of the one that started it.
    """
    own_kib = int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])
    return max(own_kib, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss) // 1024


if __name__ == "__main__":
    os.environ["HF_HUB_OFFLINE"] = "1"
    sys.path[0] = str(Path(__file__).parents[1])
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
