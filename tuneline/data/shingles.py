"""Texts as sets of hashed shingles, and their true Jaccard similarity.

A token is a word, a number, a symbol, or a single character of a script written without spaces; a
shingle is two neighbouring tokens. That makes English word 2-grams, Chinese character 2-grams and
whatever mixed text needs. Punctuation of prose counts for nothing; `+`, `-` or `<` do.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneline.records import comparison_text

UNSPACED = (
    r"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # kana, Han
)
PROSE_MARKS = r".,;:!?'\"()、。“”‘’《》〈〉「」『』【】·—–…"
TOKEN = rf"[{UNSPACED}]|\d+(?:[.,]\d+)+|[^\W_{UNSPACED}]+|[^\w\s{PROSE_MARKS}]|_"
PAIRS_PER_BLOCK = 50_000
"""Bounds the memory of comparing, about 100 shingles a text."""


class Shingles(NamedTuple):
    """N sets of shingle hashes, end to end."""

    hashes: NDArray[np.uint64]
    """Distinct and ascending within each text."""
    offsets: NDArray[np.int64]
    """N + 1 bounds: text i owns hashes[offsets[i]:offsets[i + 1]]."""

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Shingles in each text; at least 1."""
        return np.diff(self.offsets)

    @property
    def rows(self) -> NDArray[np.int64]:
        """The text that each hash belongs to."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)


def shingle_sets(texts: Sequence[str]) -> Shingles:
    """Shingle every text; one with fewer than two tokens is one shingle as a whole.

    Without that, short texts would vanish (no shingles) or all look alike (the same empty set).
    """
    import polars as pl

    compared = pl.Series([comparison_text(text) for text in texts], dtype=pl.String)
    tokens = compared.str.extract_all(TOKEN)
    sizes = tokens.list.len().to_numpy().astype(np.int64)
    hashes = tokens.list.explode().drop_nulls().hash().to_numpy()
    rows = np.repeat(np.arange(len(sizes)), sizes)
    is_pair = rows[1:] == rows[:-1]
    short = np.flatnonzero(sizes < 2)
    pairs = mix(hashes[:-1], hashes[1:])[is_pair]
    all_hashes = np.concatenate([pairs, compared.hash().to_numpy()[short]])
    return _as_sets(all_hashes, np.concatenate([rows[1:][is_pair], short]), len(sizes))


def jaccard(shingles: Shingles, pairs: NDArray[np.int64]) -> NDArray[np.float64]:
    """True Jaccard similarity of M pairs of texts.

    Args:
        shingles: Sets of N texts.
        pairs: M x 2 text numbers.

    Returns:
        M values in [0, 1].
    """
    matrix = _as_matrix(shingles)
    blocks = [pairs[i : i + PAIRS_PER_BLOCK] for i in range(0, len(pairs), PAIRS_PER_BLOCK)]
    shared = [matrix[block[:, 0]].multiply(matrix[block[:, 1]]).sum(axis=1) for block in blocks]
    both = np.concatenate([np.asarray(part).ravel() for part in shared] or [np.empty(0)])
    union = shingles.sizes[pairs].sum(axis=1) - both
    return np.asarray(both / union, dtype=np.float64)


def mix(first: NDArray[np.uint64], second: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Hash two hashes, order included (the finalizer of splitmix64); overflow is meant."""
    value = first * np.uint64(0x9E3779B97F4A7C15) + second
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        value = (value ^ (value >> np.uint64(shift))) * np.uint64(factor)
    return value ^ (value >> np.uint64(31))


def _as_sets(hashes: NDArray[np.uint64], rows: NDArray[np.int64], n_rows: int) -> Shingles:
    order = np.lexsort((hashes, rows))
    hashes, rows = hashes[order], rows[order]
    is_new = np.ones(len(hashes), dtype=bool)
    is_new[1:] = (hashes[1:] != hashes[:-1]) | (rows[1:] != rows[:-1])
    counts = np.bincount(rows[is_new], minlength=n_rows)
    return Shingles(hashes[is_new], np.concatenate([[0], np.cumsum(counts)]).astype(np.int64))


def _as_matrix(shingles: Shingles) -> Any:
    """Texts x distinct shingles, 1 where the text has the shingle (scipy CSR)."""
    from scipy.sparse import csr_matrix

    distinct, numbers = np.unique(shingles.hashes, return_inverse=True)
    ones = np.ones(len(numbers), dtype=np.int32)
    shape = (len(shingles.sizes), len(distinct))
    return csr_matrix((ones, numbers, shingles.offsets), shape=shape)
