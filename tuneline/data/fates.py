"""What becomes of each record: a side of the split, or a stage where it went, and because of which.

Everything here works on keys and sketches; texts are not needed any more.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tuneline.data.config import DataConfig, NearDedupConfig
from tuneline.data.dedup.near import components
from tuneline.data.dedup.shingles import Sketches
from tuneline.data.keys import ORDER, Keys
from tuneline.data.splitting import DECISIVE, SIDES, assign_sides

REASONS = (
    ("", ""),
    ("exact_dedup", "same_text"),
    ("near_dedup", "similar_text"),
    ("semantic_dedup", "similar_meaning"),
    ("leakage", "trained_on_before"),
    ("leakage", "same_prompt_in_holdout"),
    ("leakage", "near_duplicate_in_holdout"),
    ("leakage", "same_prompt_in_validation"),
    ("leakage", "near_duplicate_in_validation"),
    ("leakage", "same_prompt_in_earlier_holdout"),
    ("leakage", "near_duplicate_in_earlier_holdout"),
    ("leakage", "same_prompt_in_benchmark"),
    ("leakage", "near_duplicate_in_benchmark"),
    ("leakage", "held_out_by_another_generation"),
    ("leakage", "near_another_generation"),
)
"""Stage and reason by code; 0 for records that stay."""
CODES = {reason: code for code, (_, reason) in enumerate(REASONS)}
LAST_COPY = CODES["similar_meaning"]
"""Codes from 1 up to this one are of records that another record stands for."""
NONE = -1


class Texts(NamedTuple):
    """Records as keys and sketches."""

    keys: Keys
    sketches: Mapping[str, Sketches]
    """full; and what near dedup compares: prompt or answer."""


@dataclass
class Fates:
    """Per record of a `Texts`, in its order."""

    side: NDArray[np.int8]
    """Index in `SIDES`: where it is, or where it would have been."""
    rank: NDArray[np.int8]
    """Of two records that say the same the one with the lower rank stays."""
    was_held: NDArray[np.bool_]
    """Held out by an earlier run."""
    reason: NDArray[np.int8]
    """Index in `REASONS`."""
    because: NDArray[np.int64]
    """The record that it repeats or leaks into; -1 for none."""
    order: NDArray[np.int64]
    """All records, the one that stays first."""
    outside: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Record -> what it was compared with from outside, and the place of the text there."""

    def is_kept(self, side: str | None = None) -> NDArray[np.bool_]:
        """Records that stay, on one side or on any."""
        kept: NDArray[np.bool_] = self.reason == 0
        return kept if side is None else np.logical_and(kept, self.side == SIDES.index(side))

    def drop_because_of(
        self, rows: NDArray[np.int64], reason: str, name: str, places: Sequence[str]
    ) -> None:
        """Let records go because of texts from outside, which have no number here."""
        self.drop(rows, reason, np.full(len(rows), NONE))
        self.outside |= {row: (name, at) for row, at in zip(rows.tolist(), places, strict=True)}

    def drop(self, rows: NDArray[np.int64], reason: str, because: NDArray[np.int64]) -> None:
        """Let records go because of others."""
        self.reason[rows], self.because[rows] = CODES[reason], because


def first_fates(keys: Keys, memory: pl.DataFrame, config: DataConfig) -> Fates:
    """Sides of all records; only what other generations of the holdout held out has gone."""
    sides = assign_sides(keys.load(*DECISIVE), memory, config.split)
    n, rank = len(keys), sides["rank"].to_numpy().astype(np.int8)
    order = _in_order(keys, rank)
    side, was_held = sides["side"].to_numpy().astype(np.int8), sides["was_held"].to_numpy()
    fates = Fates(side, rank, was_held, np.zeros(n, dtype=np.int8), np.full(n, NONE), order)
    retired = np.flatnonzero(sides["is_retired"].to_numpy())
    fates.drop(retired, "held_out_by_another_generation", np.full(len(retired), NONE))
    return fates


def _in_order(keys: Keys, rank: NDArray[np.int8]) -> NDArray[np.int64]:
    """All records by rank and `ORDER`.

    Position and digest tell most records apart, so the other columns are read for copies only.
    """
    digests, position = keys.digests("digest"), keys.load("position")["position"].to_numpy()
    columns = (digests.low, digests.high, position, rank)
    order = np.lexsort(columns)
    is_equal = np.ones(max(0, len(order) - 1), dtype=np.bool_)
    for column in columns:
        is_equal &= column[order[1:]] == column[order[:-1]]
    is_tie = np.zeros(len(order), dtype=np.bool_)
    is_tie[1:] |= is_equal
    is_tie[:-1] |= is_equal
    tied = np.sort(order[is_tie])
    copies = keys.load(*ORDER, rows=tied).with_columns(rank=rank[tied])
    places = copies.select(row=pl.arg_sort_by("rank", *ORDER, nulls_last=False))
    order[is_tie] = tied[places["row"].to_numpy()]
    return order


def drop_exact_duplicates(keys: Keys, fates: Fates) -> None:
    """Of each digest the record that comes first in order stays."""
    rows = fates.order[fates.reason[fates.order] == 0]
    first = keys.digests("digest").take(rows).firsts()
    is_copy = first != np.arange(len(rows))
    fates.drop(rows[is_copy], "same_text", rows[first[is_copy]])


def drop_near_duplicates(
    texts: Texts, fates: Fates, config: NearDedupConfig, sources: Sequence[str]
) -> None:
    """Of each component of near-duplicates one record stays."""
    rows = fates.order[fates.reason[fates.order] == 0]
    compared = texts.sketches["full" if config.compare == "both" else config.compare].take(rows)
    answers = texts.sketches["answer"].take(rows) if config.compare == "both" else None
    root = components(compared, config.threshold, answers)
    drop_all_but_one(texts.keys, fates, rows, root, config.keep, sources, "similar_text")


def drop_all_but_one(
    keys: Keys, fates: Fates, rows: NDArray[np.int64], root: NDArray[np.int64],
    keep: str, sources: Sequence[str], reason: str,
) -> None:  # fmt: skip
    """Of the records that share a root one stays: a record of the lowest rank, by the policy.

    Args:
        keys: All records.
        fates: Changed in place.
        rows: N records in order.
        root: Per record the place in `rows` of its component's first one.
        keep: Policy of `NearDedupConfig`.
        sources: Names in the profile's order.
        reason: Of the drop.
    """
    stays = root.copy()
    if keep != "first":
        columns = keys.load("n_answer_chars", "source")[rows]
        stays = _chosen(columns, fates.rank[rows], root, keep, sources)[root]
    goes = stays != np.arange(len(rows))
    fates.drop(rows[goes], reason, rows[stays[goes]])


def _chosen(
    keys: pl.DataFrame,
    rank: NDArray[np.int8],
    root: NDArray[np.int64],
    keep: str,
    sources: Sequence[str],
) -> NDArray[np.int64]:
    """Per root the place of the member that stays."""
    wanted = {
        "longest_answer": -pl.col("n_answer_chars"),
        "source_order": pl.col("source").replace_strict({s: n for n, s in enumerate(sources)}),
    }[keep]
    members = keys.select(wanted=wanted, at=pl.int_range(pl.len())).with_columns(
        root=pl.Series(root), rank=pl.Series(rank)
    )
    best = (
        members.sort("root", "rank", "wanted", "at").group_by("root", maintain_order=True).first()
    )
    chosen = np.arange(len(root))
    chosen[best["root"].to_numpy()] = best["at"].to_numpy()
    return chosen
