"""What is near in truth: components of the exact Jaccard graph, for `benchmarks.dedup`.

Shares no code with `tuneline.data.dedup`: shingles are strings made with `re`, pairs come from a
prefix filter. `components_by_sets` is plain Python; `components_by_arrays` does the same compiled,
for a million rows, and has to agree with it where both run.
"""

import itertools
import operator
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise

import numpy as np
from numba import njit
from numpy.typing import NDArray

PROSE = r":;!?'\"()、。“”‘’《》〈〉「」『』【】·—–…,."
TOKEN = re.compile(rf"\d+(?:[.,]\d+)+|[^\W_]+|[^\w\s{PROSE}]|_")
NON_WORD = re.compile(r"[\W_]+")
N_SHARED = 3
"""Rare shingles that two texts have to share before they are compared."""


def shingles(text: str, language: str) -> list[str]:
    """Pairs of neighbouring tokens (en) or letters and digits (zh) in NFKC and lower case.

    English tokens are words, numbers with their points, and symbols; punctuation of prose is none.
    """
    plain = unicodedata.normalize("NFKC", text).lower()
    if language == "zh":
        characters = NON_WORD.sub("", plain)
        return list(map(operator.add, characters, characters[1:])) or [characters]
    tokens = TOKEN.findall(plain)
    return [f"{one} {other}" for one, other in pairwise(tokens)] or [" ".join(tokens)]


def word_shingles(text: str, language: str) -> list[str]:
    """The same without symbols: pairs of neighbouring words."""
    assert language == "en"
    words = NON_WORD.sub(" ", unicodedata.normalize("NFKC", text).lower()).split()
    return [f"{one} {other}" for one, other in pairwise(words)] or [" ".join(words)]


class Sets:
    """N texts, shortest first, as ascending numbers of distinct shingles; the rarest is 0."""

    def __init__(
        self,
        texts: Iterable[str],
        language: str,
        shingle: Callable[[str, str], list[str]] = shingles,
    ) -> None:
        numbers: defaultdict[str, int] = defaultdict(itertools.count().__next__)
        number = numbers.__getitem__
        parts = [np.fromiter(map(number, set(shingle(text, language))), np.int32) for text in texts]
        self.order = np.argsort([len(part) for part in parts], kind="stable")
        counts = np.zeros(len(numbers), dtype=np.int64)
        for part in parts:
            counts[part] += 1
        rank = np.empty(len(numbers), dtype=np.int32)
        rank[np.argsort(counts, kind="stable")] = np.arange(len(numbers), dtype=np.int32)
        self.bounds = np.cumsum([0, *(len(parts[text]) for text in self.order)])
        self.values = np.empty(self.bounds[-1], dtype=np.int32)
        for text, start, end in zip(self.order, self.bounds, self.bounds[1:], strict=False):
            self.values[start:end] = np.sort(rank[parts[text]])

    def labels(self, parent: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        """Components in the texts' own order."""
        found = np.empty(len(self.order), dtype=np.int64)
        found[self.order] = parent
        return found

    def prefixes(self, threshold: float) -> NDArray[np.int64]:
        """How many of a text's rarest shingles hold `N_SHARED` of those of every near text.

        The prefix filter (Chaudhuri et al. 2006) for more than one shared element: two sets that
        share a = ceil(t n) elements share k of the n - a + k smallest ones of each.
        """
        sizes = np.diff(self.bounds)
        least = np.ceil(threshold * sizes - 1e-9).astype(np.int64)
        assert least.min() >= N_SHARED
        return sizes - least + N_SHARED


def components_by_sets(sets: Sets, threshold: float) -> NDArray[np.int64]:
    """N labels, by plain Python."""
    parent = list(range(len(sets.order)))

    def root(at: int) -> int:
        while parent[at] != at:
            parent[at] = parent[parent[at]]
            at = parent[at]
        return at

    bounds = pairwise(sets.bounds.tolist())
    members = [sets.values[start:end].tolist() for start, end in bounds]
    as_sets = [frozenset(member) for member in members]
    postings: defaultdict[int, list[int]] = defaultdict(list)
    for text, n_prefix in enumerate(sets.prefixes(threshold).tolist()):
        own = as_sets[text]
        lists = [postings[shingle] for shingle in members[text][:n_prefix]]
        for other, n_shared in Counter(itertools.chain.from_iterable(lists)).items():
            if n_shared >= N_SHARED and len(as_sets[other]) >= threshold * len(own):
                shared = len(own & as_sets[other])
                if shared / (len(own) + len(as_sets[other]) - shared) >= threshold:
                    parent[root(other)] = root(text)
        for posting in lists:
            posting.append(text)
    return sets.labels([root(text) for text in range(len(parent))])


def components_by_arrays(sets: Sets, threshold: float) -> NDArray[np.int64]:
    """N labels, compiled: fast enough for a million texts."""
    prefixes = sets.prefixes(threshold)
    owner = np.repeat(np.arange(len(prefixes), dtype=np.int32), prefixes)
    within = np.arange(len(owner)) - np.repeat(np.cumsum(prefixes) - prefixes, prefixes)
    key = sets.values[np.repeat(sets.bounds[:-1], prefixes) + within]
    owner = owner[np.argsort(key, kind="stable")]
    starts = np.cumsum(np.concatenate([[0], np.bincount(key)]))
    parent = np.arange(len(prefixes))
    _join(starts, owner, sets.values, sets.bounds, prefixes, threshold, parent)
    while (parent != parent[parent]).any():
        parent = parent[parent]
    return sets.labels(parent)


@njit
def _root(parent, at):  # type: ignore[no-untyped-def]
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = parent[at]
    return at


@njit
def _join(starts, owner, values, bounds, prefixes, threshold, parent):  # type: ignore[no-untyped-def]
    """Compare each text with the shorter ones that share enough of its prefix.

    `starts` and `owner` list, per shingle, the texts that have it in their prefix, ascending.
    """
    n_texts = len(parent)
    counts, begins = np.zeros(n_texts, dtype=np.uint8), starts[:-1].copy()
    ends, touched = starts[:-1].copy(), np.empty(n_texts, dtype=np.int32)
    for text in range(n_texts):
        first, n = bounds[text], bounds[text + 1] - bounds[text]
        n_touched = 0
        for at in range(first, first + prefixes[text]):
            shingle = values[at]
            while begins[shingle] < ends[shingle]:
                other = owner[begins[shingle]]
                if bounds[other + 1] - bounds[other] >= threshold * n:
                    break
                begins[shingle] += 1
            for place in range(begins[shingle], ends[shingle]):
                other = owner[place]
                if counts[other] == 0:
                    touched[n_touched] = other
                    n_touched += 1
                counts[other] += counts[other] < 255
            ends[shingle] += 1
        for place in range(n_touched):
            other = touched[place]
            is_candidate = counts[other] >= N_SHARED
            counts[other] = 0
            if is_candidate and _root(parent, text) != _root(parent, other):
                m = bounds[other + 1] - bounds[other]
                if _reaches(values, first, n, bounds[other], m, threshold):
                    parent[_root(parent, other)] = _root(parent, text)


@njit
def _reaches(values, i, n, j, m, threshold):  # type: ignore[no-untyped-def]
    """Whether two ascending sets reach the similarity; gives up when they cannot any more."""
    needed = threshold / (1 + threshold) * (n + m) - 1e-9
    i_end, j_end, shared = i + n, j + m, 0
    while i < i_end and j < j_end:
        if shared + min(i_end - i, j_end - j) < needed:
            return False
        a, b = values[i], values[j]
        shared += a == b
        i += a <= b
        j += b <= a
    return shared / (n + m - shared) >= threshold


def precision_and_recall(found: NDArray[np.int64], truth: NDArray[np.int64]) -> tuple[float, float]:
    """Over pairs of texts that share a component, by what was found and in truth."""
    both = found.astype(np.int64) * (len(truth) + 1) + truth
    agreed, by_found, by_truth = (_n_pairs(labels) for labels in (both, found, truth))
    return agreed / max(1, by_found), agreed / max(1, by_truth)


def _n_pairs(labels: NDArray[np.int64]) -> int:
    sizes = np.unique(labels, return_counts=True)[1].astype(np.int64)
    return int((sizes * (sizes - 1) // 2).sum())
