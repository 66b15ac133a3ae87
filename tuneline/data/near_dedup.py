"""Records that say nearly the same: MinHash LSH finds pairs, true Jaccard decides."""

import logging
from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tuneline.data.config import NearDedupConfig
from tuneline.data.drops import Drop, Sifted, drop_record
from tuneline.data.minhash import candidate_pairs
from tuneline.data.shingles import jaccard, shingle_sets
from tuneline.data.splitting import keep_order
from tuneline.records import Record

log = logging.getLogger(__name__)

WARN_FRACTION = 0.5
"""Share of a source whose loss is worth a warning: template text looks like this."""


class NearDuplicates(NamedTuple):
    """M pairs of texts at or above the threshold."""

    pairs: NDArray[np.int64]
    """M x 2: numbers in `left` and in `right` (in `left`, the lower one first, without `right`)."""
    jaccard: NDArray[np.float64]


def near_duplicates(
    left: Sequence[str], right: Sequence[str] | None, threshold: float
) -> NearDuplicates:
    """Pairs of texts whose shingle sets have a Jaccard similarity >= threshold.

    Args:
        left: Texts.
        right: Texts to pair `left` with; None pairs `left` with itself.
        threshold: In (0, 1].

    Returns:
        Every pair verified by its true similarity, in ascending order.
    """
    if not left or (right is not None and not right):
        return NearDuplicates(np.empty((0, 2), dtype=np.int64), np.empty(0))
    n_left = None if right is None else len(left)
    shingles = shingle_sets([*left, *(right or [])])
    pairs = candidate_pairs(shingles, threshold, n_left)
    similarity = jaccard(shingles, pairs)
    is_near = similarity >= threshold
    return NearDuplicates(pairs[is_near] - np.array([0, n_left or 0]), similarity[is_near])


def full_text(record: Record) -> str:
    """What two records are compared by: prompt and answer."""
    return f"{record.prompt_text}\n{record.reference}"


def drop_near_duplicates(records: Sequence[Record], config: NearDedupConfig) -> Sifted:
    """Keep of each cluster of near-duplicates the record that comes first in `keep_order`.

    A cluster is a connected component of verified pairs. A pair must be near in its answers too:
    a prompt with two answers, or two almost equal clauses with the labels Yes and No, are not the
    same record.
    """
    ordered = sorted(records, key=keep_order)
    clusters = _clusters(ordered, config.threshold)
    first: dict[int, Record] = {}
    drops: list[Drop] = []
    for record, cluster in zip(ordered, clusters, strict=True):
        kept = first.setdefault(cluster, record)
        if kept is not record:
            detail = f"one cluster with {kept.place}, jaccard >= {config.threshold:.2f}"
            drops.append(drop_record(record, "near_dedup", "similar_text", detail, kept.digest))
    counts = (len(first), len(drops), config.threshold)
    log.info("near_dedup: kept=%d dropped=%d threshold=%.2f", *counts)
    _warn_of_losses(records, drops)
    return Sifted(list(first.values()), drops)


def _clusters(records: Sequence[Record], threshold: float) -> list[int]:
    """The number of each record's cluster."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    pairs = near_duplicates([full_text(record) for record in records], None, threshold).pairs
    answers = shingle_sets([record.reference for record in records])
    pairs = pairs[jaccard(answers, pairs) >= threshold]
    n = len(records)
    graph = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(n, n))
    clusters: list[int] = connected_components(graph, directed=False)[1].tolist()
    return clusters


def _warn_of_losses(records: Sequence[Record], drops: Sequence[Drop]) -> None:
    given = Counter(record.source for record in records)
    for source, n_lost in Counter(drop.source for drop in drops).items():
        if n_lost > WARN_FRACTION * given[source]:
            counts = (source, n_lost, given[source])
            log.warning("near_dedup: source=%s dropped=%d of=%d; raise the threshold?", *counts)
