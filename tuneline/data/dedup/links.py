"""Compiled joins over sketches (numba): which texts are near each other, verified one by one.

Texts meet in runs of equal keys, sorted. A run is walked in the order of the texts, so the result
depends on that order and on nothing else.
"""

import numpy as np
from numba import int64, uint64

from tuneline.data.dedup.compiling import compiled, inlined
from tuneline.data.dedup.kernels import overlap

MAX_RUN = 64
"""Texts in a run up to which all pairs are compared, and representatives kept in a longer one."""


@inlined
def is_near(some, i, others, j, threshold):  # type: ignore[no-untyped-def]
    """Whether set i of `some` and set j of `others` reach the Jaccard similarity."""
    start, end, first, last = some[1][i], some[2][i], others[1][j], others[2][j]
    n, m = end - start, last - first
    if min(n, m) < threshold * max(n, m):
        return False
    needed = int(np.ceil(threshold / (1 + threshold) * (n + m) - 1e-9))
    shared = overlap(some[0][start:end], others[0][first:last], needed)
    return shared / (n + m - shared) >= threshold


@inlined
def find(parent, at):  # type: ignore[no-untyped-def]
    """Root of a text's component, with path halving."""
    while parent[at] != at:
        parent[at] = parent[parent[at]]
        at = parent[at]
    return at


@inlined
def end_of_run(packed, start):  # type: ignore[no-untyped-def]
    """Place after the last entry that has the key of the one at `start`."""
    end = start + 1
    while end < len(packed) and packed[end] >> uint64(32) == packed[start] >> uint64(32):
        end += 1
    return end


@inlined
def text_at(packed, at):  # type: ignore[no-untyped-def]
    """Text number of an entry."""
    return int64(packed[at] & uint64(0xFFFFFFFF))


@compiled
def link_runs(packed, texts, answers, both, threshold, parent, crowded):  # type: ignore[no-untyped-def]
    """Join near texts that meet in a run; parent[i] <= i, so a root is its component's first text.

    A run of up to `MAX_RUN` texts is compared pair by pair. In a longer one a text is compared with
    the first texts of the components found there, and marked as crowded.

    Args:
        packed: Ascending key << 32 | text.
        texts: Shingles, starts and ends of what is compared.
        answers: The same of the answers.
        both: Whether the answers must be near too.
        threshold: Jaccard similarity.
        parent: N texts' union-find forest, changed in place.
        crowded: N booleans, set for texts whose run was too long to compare all pairs.
    """
    seen = np.empty(MAX_RUN, dtype=np.int64)
    start = 0
    while start < len(packed):
        end = end_of_run(packed, start)
        is_long, n_seen = end - start > MAX_RUN, 0
        for at in range(start, end):
            text, is_joined = text_at(packed, at), False
            crowded[text] |= is_long
            for n in range(n_seen):
                if is_long and is_joined:
                    break
                one, other = find(parent, seen[n]), find(parent, text)
                if one != other and is_near(texts, seen[n], texts, text, threshold):
                    if not both or is_near(answers, seen[n], answers, text, threshold):
                        parent[max(one, other)] = min(one, other)
                        other = one
                is_joined |= one == other
            if n_seen < MAX_RUN and not (is_long and is_joined):
                seen[n_seen] = text
                n_seen += 1
        start = end


@compiled
def match_runs(packed, n_left, left, right, threshold, match, crowded):  # type: ignore[no-untyped-def]
    """Give each left text the first right text that is near and meets it in a run.

    Args:
        packed: Ascending key << 32 | text; texts below `n_left` are left ones.
        n_left: Left texts.
        left: Shingles, starts and ends of the left texts.
        right: The same of the right texts.
        threshold: Jaccard similarity.
        match: Per left text a right one or -1, changed in place.
        crowded: Booleans of all texts, set where a run was too long to compare all pairs.
    """
    start = 0
    while start < len(packed):
        end = end_of_run(packed, start)
        middle = start
        while middle < end and text_at(packed, middle) < n_left:
            middle += 1
        for at in range(start, middle):
            text = text_at(packed, at)
            for other in range(middle, min(end, middle + MAX_RUN)):
                hidden = text_at(packed, other) - n_left
                if match[text] < 0 and is_near(left, text, right, hidden, threshold):
                    match[text] = hidden
        if middle > start and end - middle > MAX_RUN:
            for at in range(start, end):
                crowded[text_at(packed, at)] = True
        start = end


@inlined
def prefix(n, threshold):  # type: ignore[no-untyped-def]
    """How many of n shingles have to be looked at: two near sets share one of those."""
    return min(n - int(np.ceil(threshold * n - 1e-9)) + 1, n)


@compiled
def rarest(sets, texts, counts, threshold, shift):  # type: ignore[no-untyped-def]
    """Packed shingle << 32 | text + shift of each text's rarest shingles, in no order.

    Two sets of Jaccard >= t share one of the |x| - ceil(t |x|) + 1 rarest of each under one order
    of all shingles (prefix filter, Chaudhuri et al. 2006). The order is by estimated count.
    """
    shingles, starts, ends = sets
    total = 0
    for text in texts:
        total += prefix(ends[text] - starts[text], threshold)
    out = np.empty(total, dtype=np.uint64)
    n_out = 0
    mask = uint64(len(counts) - 1)
    for text in texts:
        values = shingles[starts[text] : ends[text]]
        order = np.empty(len(values), dtype=np.uint64)
        for n in range(len(values)):
            order[n] = uint64(counts[uint64(values[n]) & mask]) << uint64(32) | uint64(values[n])
        order.sort()
        for n in range(prefix(len(values), threshold)):
            key = order[n] & uint64(0xFFFFFFFF)
            out[n_out] = key << uint64(32) | uint64(int64(text) + shift)
            n_out += 1
    return out


@compiled
def count_shingles(sets, texts, counts):  # type: ignore[no-untyped-def]
    """Add the texts' shingles to their slots of `counts`, a power of two long."""
    shingles, starts, ends = sets
    mask = uint64(len(counts) - 1)
    for text in texts:
        for at in range(starts[text], ends[text]):
            counts[uint64(shingles[at]) & mask] += 1
