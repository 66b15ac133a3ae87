"""Near-duplicates in any number of texts: components of one set, or matches between two sets.

MinHash bands say which texts meet. Up to `EXACT_UP_TO` texts, and for texts that met too many
others to compare all pairs, those that share a rare shingle meet as well (prefix filter). Every
pair is verified by its true similarity, so nothing is joined by chance.
"""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tuneline.data.dedup import links
from tuneline.data.dedup.shingles import TEXTS_AT_A_TIME, Bands, Sketches

EXACT_UP_TO = 5_000
ENTRIES = 1_024
"""Keys that are compared before memory of files is given back."""
N_COUNTS = 2**22
HIGH = 1 if sys.byteorder == "little" else 0
"""Which half of a 64-bit number in memory is the high one."""


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
    in_files = (texts,) if answers is None else (texts, answers)
    for packed in _packed_bands(texts.bands):
        for some in _slices(packed, in_files):
            links.link_runs(some, *more)
    crowded |= texts.n_texts <= EXACT_UP_TO
    if crowded.any():
        packed = _rarest([(texts, np.flatnonzero(crowded), 0)], threshold)
        for some in _slices(packed, in_files):
            links.link_runs(some, *more)
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
        for some in _slices(packed, (left, right)):
            links.match_runs(some, *more)
    crowded |= n_all <= EXACT_UP_TO
    crowded[:n_left] &= match < 0
    if crowded[:n_left].any():
        sides = [
            (left, np.flatnonzero(crowded[:n_left]), 0),
            (right, np.flatnonzero(crowded[n_left:]), n_left),
        ]
        for some in _slices(_rarest(sides, threshold), (left, right)):
            links.match_runs(some, *more)
    return match


def _packed_bands(*bands: Bands) -> Iterator[NDArray[np.uint64]]:
    """Per band, ascending key << 32 | text of the texts whose key is not their own."""
    for keys in zip(*bands, strict=True):
        packed = np.concatenate(keys, dtype=np.uint64)
        packed <<= np.uint64(32)
        packed |= np.arange(len(packed), dtype=np.uint32)
        packed.sort()
        halves = packed.view(np.uint32).reshape(-1, 2)[:, HIGH]
        is_equal = halves[1:] == halves[:-1]
        is_shared = np.zeros(len(packed), dtype=np.bool_)
        is_shared[1:] |= is_equal
        is_shared[:-1] |= is_equal
        yield packed[is_shared]


def _slices(
    packed: NDArray[np.uint64], in_files: Sequence[Sketches]
) -> Iterator[NDArray[np.uint64]]:
    """Whole runs of equal keys, about `ENTRIES` at a time; after each, memory is given back."""
    start = 0
    while start < len(packed):
        last = packed[min(start + ENTRIES, len(packed)) - 1]
        end = np.searchsorted(packed, last | np.uint64(0xFFFFFFFF), side="right")
        yield packed[start:end]
        for sketches in in_files:
            sketches.let_go()
        start = end


def _sets(texts: Sketches) -> tuple[NDArray[Any], ...]:
    return texts.shingles, texts.starts, texts.ends


def _rarest(
    sides: Sequence[tuple[Sketches, NDArray[np.int64], int]], threshold: float
) -> NDArray[np.uint64]:
    """Ascending shingle << 32 | text of the rarest shingles, under one order of all sides' ones.

    Args:
        sides: Texts, which of them, and the number of the first one.
        threshold: Jaccard similarity.
    """
    counts = np.zeros(N_COUNTS, dtype=np.uint32)
    for texts, which, _ in _pieces(sides):
        links.count_shingles(_sets(texts), which, counts)
    packed = [
        links.rarest(_sets(texts), which, counts, threshold, shift)
        for texts, which, shift in _pieces(sides)
    ]
    return np.sort(np.concatenate(packed))


def _pieces(
    sides: Sequence[tuple[Sketches, NDArray[np.int64], int]],
) -> Iterator[tuple[Sketches, NDArray[np.int64], int]]:
    """The same texts, a part at a time; after each, memory is given back."""
    for texts, which, shift in sides:
        for start in range(0, max(1, len(which)), TEXTS_AT_A_TIME):
            yield texts, which[start : start + TEXTS_AT_A_TIME], shift
            texts.let_go()
