"""Train, validation or holdout by content digest: a record never moves.

A record's position is a number in [0, 1) made from nothing but its group (or its prompt where it
has none). Positions below `holdout_fraction` are the holdout, the next ones validation, the rest
train. No order of rows and no random seed has a say, and no other record, but for two things: what
earlier runs held out or trained on stays so (`memory.py`), and where a stratum has too few holdout
records, groups new to the domain with the next positions are added. A new generation of the holdout
moves no position either: it begins with what no run used before, for all else was seen by a model
or by those who chose one.
"""

import hashlib
import math
from typing import Literal

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tuneline.data.config import SplitConfig

SALT = "tuneline-split-v1:"
"""Part of every position: changing it moves every record of every holdout."""

Side = Literal["train", "validation", "holdout"]
SIDES: tuple[Side, ...] = ("holdout", "validation", "train")
HOLDOUT, VALIDATION, TRAIN = range(3)
HELD_OUT, RETIRED, TRAINED_ON = "held_out", "retired", "trained_on"
"""What memory knows of a record; retired: held out, but by another generation of the holdout."""
USES = {HELD_OUT: 0, RETIRED: 1, TRAINED_ON: 2}
"""Where memory says several things of a record, the first one counts."""


def position(group_digest: str) -> float:
    """Where a group lies in [0, 1): the first 52 bits of a salted SHA-256."""
    digest = hashlib.sha256(f"{SALT}{group_digest}".encode()).hexdigest()
    return int(digest[:13], 16) / 16**13


def assign_sides(keys: pl.DataFrame, memory: pl.DataFrame, config: SplitConfig) -> pl.DataFrame:
    """Side and rank of every record.

    Args:
        keys: One row a record: raw_digest, digest, group_digest, position, source, label.
        memory: What earlier runs used: the same digests, used (a key of `USES`).
        config: Shares and strata.

    Returns:
        In the order of `keys`: `side` (index in `SIDES`), `rank` (of two records that say the same
        the lower one stays: held out before, trained on before, holdout, validation, train),
        `was_held` (this very record was held out before) and `is_retired` (its group was held out
        by another generation: it is neither trained on nor measured on).
    """
    by_raw, by_text, by_group = (
        _used_before(keys, memory, by) for by in ("raw_digest", "digest", "group_digest")
    )
    own = pl.select(pl.min_horizontal(by_raw, by_text)).to_series()
    known = keys.select("group_digest", used=own.zip_with(own.is_not_null(), by_group))
    groups = keys.group_by("group_digest").agg(pl.first("position"))
    groups = groups.join(known.group_by("group_digest").agg(pl.min("used")), on="group_digest")
    sides = groups.select("group_digest", side=_sides_by_position(groups, config))
    side = _per_record(keys, sides)
    was_held, is_held = _is(own, HELD_OUT), pl.col("side") == HOLDOUT
    was_trained = _is(known["used"], TRAINED_ON)
    used = _per_record(keys, groups.select("group_digest", "used"))["used"]
    is_retired = ~was_held & (_is(used, RETIRED) | _is(own, RETIRED))
    rank = (
        pl.when(was_held).then(0).when(was_trained & ~is_held).then(1).otherwise(pl.col("side") + 2)
    )
    return side.select("side", rank=rank, was_held=was_held, is_retired=is_retired)


def top_up(
    keys: pl.DataFrame,
    side: NDArray[np.int8],
    rank: NDArray[np.int8],
    is_kept: NDArray[np.bool_],
    config: SplitConfig,
) -> NDArray[np.int8]:
    """Sides after each stratum got what its holdout lacks.

    Args:
        keys: One row a record: group_digest, position, source, label.
        side: Index in `SIDES` of each record.
        rank: As `assign_sides` gave it.
        is_kept: Records that dedup kept.
        config: Shares and strata.

    Returns:
        New sides: groups that no run used before, with the next positions, are held out.
    """
    if keys.is_empty():
        return side
    marks = {"side": side, "is_new": rank > VALIDATION + 1, "n": is_kept.astype(np.int64)}
    table = keys.with_columns(stratum=_stratum(config.stratify), **{
        name: pl.Series(values) for name, values in marks.items()
    })  # fmt: skip
    groups = table.group_by("group_digest").agg(
        pl.first("position", "side"), pl.min("stratum"), pl.all("is_new"), pl.sum("n")
    )
    added = pl.concat(
        _lacking(stratum, config.holdout_fraction) for _, stratum in groups.group_by("stratum")
    )
    moved = _per_record(keys, added.select("group_digest", is_added=pl.lit(value=True)))
    return np.where(moved["is_added"].fill_null(value=False).to_numpy(), HOLDOUT, side).astype(
        np.int8
    )


def _lacking(groups: pl.DataFrame, fraction: float) -> pl.DataFrame:
    """The groups that one stratum's holdout lacks."""
    held = groups.filter(pl.col("side") == HOLDOUT)["n"].sum()
    lacking = math.ceil(fraction * int(groups["n"].sum()) - 1e-9) - held
    spare = groups.filter((pl.col("side") != HOLDOUT) & pl.col("is_new") & (pl.col("n") > 0))
    spare = spare.sort("position", "group_digest")
    return spare.filter(pl.col("n").cum_sum() - pl.col("n") < lacking)


def _used_before(keys: pl.DataFrame, memory: pl.DataFrame, by: str) -> pl.Series:
    """The first of `USES` that memory says of each record; null for new ones."""
    code = pl.col("used").replace_strict(USES, return_dtype=pl.Int8)
    uses = memory.select(by, code).group_by(by).agg(pl.min("used"))
    return keys.select(by).join(uses, on=by, how="left", maintain_order="left")["used"]


def _is(used: pl.Series, use: str) -> pl.Series:
    return (used == USES[use]).fill_null(value=False)


def _stratum(stratify: str) -> pl.Expr:
    parts = {"none": [], "source": ["source"], "label": ["source", "label"]}[stratify]
    return pl.concat_str([pl.lit(""), *parts], separator="\x1f", ignore_nulls=True)


def _sides_by_position(groups: pl.DataFrame, config: SplitConfig) -> pl.Series:
    at, held = pl.col("position"), config.holdout_fraction
    is_validation = at.is_between(held, held + config.validation_fraction, closed="left")
    other = pl.when(is_validation).then(VALIDATION).otherwise(TRAIN)
    was_held = pl.col("used") <= USES[RETIRED]
    is_held = was_held | (pl.col("used").is_null() & (at < held))
    return groups.select(side=pl.when(is_held).then(HOLDOUT).otherwise(other).cast(pl.Int8))["side"]


def _per_record(keys: pl.DataFrame, groups: pl.DataFrame) -> pl.DataFrame:
    """What is known of each record's group, in the order of the records."""
    return keys.select("group_digest").join(
        groups, on="group_digest", how="left", maintain_order="left"
    )
