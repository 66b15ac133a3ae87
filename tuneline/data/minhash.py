"""Which pairs of texts are worth comparing: MinHash signatures in LSH bands.

A band is `rows` neighbouring values of the signature; two texts meet in it with probability
jaccard ** rows. Bands are chosen so that a pair at the threshold is missed in all of them less than
once in a million, and every pair that met is verified later: precision is exact, recall nearly.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneline.data.shingles import Shingles, mix

N_PERMUTATIONS = 128
SEED = 42
MAX_MISS = 1e-6
MAX_BUCKET = 50
"""Texts in one bucket from which comparing them all is too much."""


class Keys(NamedTuple):
    """Which text has which key; texts with an equal key are to be paired."""

    texts: NDArray[np.int64]
    keys: NDArray[np.uint64]


def candidate_pairs(
    shingles: Shingles, threshold: float, n_left: int | None = None
) -> NDArray[np.int64]:
    """Pairs that may reach the threshold.

    Args:
        shingles: Sets of N texts.
        threshold: Jaccard similarity that must not be missed.
        n_left: Pair only the first `n_left` texts with the others; None pairs all with all.

    Returns:
        M x 2 text numbers, the lower one first, each pair once, ascending.
    """
    shared, crowd = _shared_buckets(_signatures(shingles), rows_per_band(threshold))
    rarest, rare = _rare_shingles(shingles, crowd, threshold)
    pairs = np.concatenate([_join(shared, shared, n_left), _join(rarest, rare, n_left)])
    n = len(shingles.sizes)
    return np.stack(np.divmod(np.unique(pairs @ np.array([n, 1])), n), axis=1)


def rows_per_band(threshold: float) -> int:
    """Most rows per band, so fewest false candidates, that miss a pair less than `MAX_MISS`.

    Below a threshold of 0.11 even one row per band misses more.
    """
    for n_rows in (32, 16, 8, 4, 2):
        if (1 - threshold**n_rows) ** (N_PERMUTATIONS // n_rows) < MAX_MISS:
            return n_rows
    return 1


def _signatures(shingles: Shingles) -> NDArray[np.uint64]:
    from rensa import RMinHash

    matrix = RMinHash.digest_matrix_from_flat_token_hashes(
        shingles.hashes, shingles.offsets.astype(np.uint64), N_PERMUTATIONS, SEED
    )
    return np.array(matrix.to_rows(), dtype=np.uint64).reshape(-1, N_PERMUTATIONS)


def _shared_buckets(signatures: NDArray[np.uint64], n_rows: int) -> tuple[Keys, NDArray[np.bool_]]:
    """Texts in buckets of 2 to `MAX_BUCKET`, and which texts are in a larger one."""
    numbers, buckets = [], []
    crowd = np.zeros(len(signatures), dtype=bool)
    for start in range(0, N_PERMUTATIONS, n_rows):
        keys = np.full(len(signatures), start, dtype=np.uint64)
        for column in signatures[:, start : start + n_rows].T:
            keys = mix(keys, column)
        _, bucket, counts = np.unique(keys, return_inverse=True, return_counts=True)
        sizes = counts[bucket]
        crowd |= sizes > MAX_BUCKET
        is_shared = (sizes > 1) & (sizes <= MAX_BUCKET)
        numbers.append(np.flatnonzero(is_shared))
        buckets.append(keys[is_shared])
    return Keys(np.concatenate(numbers), np.concatenate(buckets)), crowd


def _rare_shingles(
    shingles: Shingles, crowd: NDArray[np.bool_], threshold: float
) -> tuple[Keys, Keys]:
    """The rarest shingles of crowded texts, fewer and more: near pairs share one (prefix filter).

    Texts cut from one template meet in every band and differ in their rare shingles. Two sets
    x, y of Jaccard >= t, y the smaller, share at least t * |x| and 2t / (1 + t) * |y| shingles, so
    one of the |y| - 2t / (1 + t) * |y| + 1 rarest of y is among the |x| - t * |x| + 1 rarest of x
    (Xiao et al. 2008, PPJoin).
    """
    is_crowded = crowd[shingles.rows]
    rows, hashes = shingles.rows[is_crowded], shingles.hashes[is_crowded]
    _, which, frequency = np.unique(hashes, return_inverse=True, return_counts=True)
    hashes = hashes[np.lexsort((hashes, frequency[which], rows))]
    sizes = np.bincount(rows, minlength=len(crowd))
    rank = np.arange(len(rows)) - (np.cumsum(sizes) - sizes)[rows]

    def rarest(least_shared: float) -> Keys:
        n_rarest = sizes - np.ceil(least_shared * sizes - 1e-9).astype(np.int64) + 1
        return Keys(rows[rank < n_rarest[rows]], hashes[rank < n_rarest[rows]])

    return rarest(2 * threshold / (1 + threshold)), rarest(threshold)


def _join(first: Keys, second: Keys, n_left: int | None) -> NDArray[np.int64]:
    """Distinct pairs of texts with equal keys, the lower number first."""
    import polars as pl

    tables = [pl.LazyFrame({"text": keys.texts, "key": keys.keys}) for keys in (first, second)]
    met = tables[0].join(tables[1], on="key").filter(pl.col("text") != pl.col("text_right"))
    if n_left is not None:
        met = met.filter((pl.col("text") < n_left) != (pl.col("text_right") < n_left))
    pairs = met.select("text", "text_right").unique().collect().to_numpy().astype(np.int64)
    return np.sort(pairs, axis=1)
