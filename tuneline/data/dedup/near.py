"""Near-duplicates in any number of texts: components of one set, or matches between two sets.

MinHash bands say which texts meet. Up to `EXACT_UP_TO` texts, and for texts that met too many
others to compare all pairs, those that share a rare shingle meet as well (prefix filter). Every
pair is verified by its true similarity, so nothing is joined by chance.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneline.data.dedup import links
from tuneline.data.dedup.shingles import Sketches

EXACT_UP_TO = 5_000
N_COUNTS = 2**22


def components(
    texts: Sketches, threshold: float, answers: Sketches | None = None
) -> NDArray[np.int64]:
    """Number of the first text of each text's component of near-duplicates.

    Args:
        texts: N texts in an order that decides which one is first.
        threshold: Jaccard similarity from which two texts are near.
        answers: The same N texts' answers, where those have to be near too.

    Returns:
        N numbers, each at most its own place.
    """
    parent = np.arange(texts.n_texts)
    crowded = np.zeros(texts.n_texts, dtype=np.bool_)
    answer_sets = _sets(texts if answers is None else answers)
    more = (_sets(texts), answer_sets, answers is not None, threshold, parent, crowded)
    for packed in _packed_bands(texts.bands):
        links.link_runs(packed, *more)
    crowded |= texts.n_texts <= EXACT_UP_TO
    if crowded.any():
        links.link_runs(_rarest(texts, np.flatnonzero(crowded), threshold), *more)
    while (parent != parent[parent]).any():
        parent = parent[parent]
    return parent


def first_matches(left: Sketches, right: Sketches, threshold: float) -> NDArray[np.int64]:
    """For each of N left texts a right text that is near, or -1.

    Args:
        left: N texts.
        right: M texts, sketched with the same threshold and seed.
        threshold: Jaccard similarity from which two texts are near.
    """
    match = np.full(left.n_texts, -1)
    if not left.n_texts or not right.n_texts:
        return match
    n_left, n_all = left.n_texts, left.n_texts + right.n_texts
    crowded = np.zeros(n_all, dtype=np.bool_)
    more = (n_left, _sets(left), _sets(right), threshold, match, crowded)
    for packed in _packed_bands(left.bands, right.bands):
        links.match_runs(packed, *more)
    crowded |= n_all <= EXACT_UP_TO
    crowded[:n_left] &= match < 0
    if crowded[:n_left].any():
        links.match_runs(_rarest_of_two(left, right, crowded, threshold), *more)
    return match


def _packed_bands(*bands: NDArray[np.uint32]) -> Iterator[NDArray[np.uint64]]:
    """Per band, ascending key << 32 | text of the texts whose key is not their own."""
    for keys in zip(*bands, strict=True):
        key = np.concatenate(keys).astype(np.uint64)
        packed = key << np.uint64(32) | np.arange(len(key), dtype=np.uint64)
        packed.sort()
        is_equal = packed[1:] >> np.uint64(32) == packed[:-1] >> np.uint64(32)
        is_shared = np.zeros(len(packed), dtype=np.bool_)
        is_shared[1:] |= is_equal
        is_shared[:-1] |= is_equal
        yield packed[is_shared]


def _sets(texts: Sketches) -> tuple[NDArray[Any], ...]:
    return texts.shingles, texts.starts, texts.ends


def _rarest(texts: Sketches, which: NDArray[np.int64], threshold: float) -> NDArray[np.uint64]:
    counts = np.zeros(N_COUNTS, dtype=np.uint32)
    links.count_shingles(_sets(texts), which, counts)
    packed: NDArray[np.uint64] = links.rarest(_sets(texts), which, counts, threshold, 0)
    return packed


def _rarest_of_two(
    left: Sketches, right: Sketches, crowded: NDArray[np.bool_], threshold: float
) -> NDArray[np.uint64]:
    """One order of rarity for both sides; right texts are numbered after the left ones."""
    sides = [
        (_sets(left), np.flatnonzero(crowded[: left.n_texts]), 0),
        (_sets(right), np.flatnonzero(crowded[left.n_texts :]), left.n_texts),
    ]
    counts = np.zeros(N_COUNTS, dtype=np.uint32)
    for sets, which, _ in sides:
        links.count_shingles(sets, which, counts)
    packed = [links.rarest(sets, which, counts, threshold, shift) for sets, which, shift in sides]
    return np.sort(np.concatenate(packed))
