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
from typing import Any, Literal

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
DECISIVE = ("raw_digest", "digest", "group_digest", "position")
"""Keys that decide where a record goes."""
STRATA = {"none": (), "source": ("source",), "label": ("source", "label")}
"""`SplitConfig.stratify` -> keys that make a stratum."""
USES = {HELD_OUT: 0, RETIRED: 1, TRAINED_ON: 2}
"""Where memory says several things of a record, the first one counts."""


def position(group_digest: str) -> float:
    """Where a group lies in [0, 1): the first 52 bits of a salted SHA-256."""
    digest = hashlib.sha256(f"{SALT}{group_digest}".encode()).hexdigest()
    return int(digest[:13], 16) / 16**13


def assign_sides(keys: pl.DataFrame, memory: pl.DataFrame, config: SplitConfig) -> pl.DataFrame:
    """Side and rank of every record.

    Args:
        keys: One row a record: the columns of `DECISIVE`.
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
    used = _first_uses(known, known, "group_digest")
    side = pl.DataFrame({"side": _sides_by_position(keys["position"], used, config)})
    was_held, is_held = _is(own, HELD_OUT), pl.col("side") == HOLDOUT
    was_trained = _is(known["used"], TRAINED_ON)
    is_retired = ~was_held & (_is(used, RETIRED) | _is(own, RETIRED))
    rank = (
        pl.when(was_held).then(0).when(was_trained & ~is_held).then(1).otherwise(pl.col("side") + 2)
    )
    return side.select("side", rank=rank, was_held=was_held, is_retired=is_retired)


def top_up(
    groups: NDArray[np.int32],
    keys: pl.DataFrame,
    side: NDArray[np.int8],
    rank: NDArray[np.int8],
    is_kept: NDArray[np.bool_],
    config: SplitConfig,
) -> NDArray[np.int8]:
    """Sides after each stratum got what its holdout lacks.

    Args:
        groups: Per record the rank of its group's digest (see `Digests.ranks`).
        keys: One row a record: position, and what `config.stratify` names.
        side: Index in `SIDES` of each record.
        rank: As `assign_sides` gave it.
        is_kept: Records that dedup kept.
        config: Shares and strata.

    Returns:
        New sides: groups that no run used before, with the next positions, are held out.
    """
    if keys.is_empty():
        return side
    n_groups = int(groups.max()) + 1
    is_new = np.ones(n_groups, dtype=np.bool_)
    is_new[groups[rank <= VALIDATION + 1]] = False
    stratum = keys.with_columns(stratum=_stratum(config.stratify))["stratum"].rank("dense")
    table = pl.DataFrame({
        "group": np.arange(n_groups, dtype=np.int32),
        "position": _of_groups(groups, keys["position"].to_numpy(), n_groups),
        "side": _of_groups(groups, side, n_groups),
        "stratum": _of_groups(groups, stratum.to_numpy(), n_groups),
        "is_new": is_new,
        "n": np.bincount(groups[is_kept], minlength=n_groups),
    })  # fmt: skip
    is_added = np.zeros(n_groups, dtype=np.bool_)
    for _, some in table.group_by("stratum"):
        is_added[_lacking(some, config.holdout_fraction)["group"].to_numpy()] = True
    return np.where(is_added[groups], np.int8(HOLDOUT), side)


def _of_groups(groups: NDArray[np.int32], values: NDArray[Any], n: int) -> NDArray[Any]:
    """The least value of each group."""
    least = np.full(n, values.max(), dtype=values.dtype)
    np.minimum.at(least, groups, values)
    return least


def _lacking(groups: pl.DataFrame, fraction: float) -> pl.DataFrame:
    """The groups that one stratum's holdout lacks."""
    held = groups.filter(pl.col("side") == HOLDOUT)["n"].sum()
    lacking = math.ceil(fraction * int(groups["n"].sum()) - 1e-9) - held
    spare = groups.filter((pl.col("side") != HOLDOUT) & pl.col("is_new") & (pl.col("n") > 0))
    spare = spare.sort("position", "group")
    return spare.filter(pl.col("n").cum_sum() - pl.col("n") < lacking)


def _used_before(keys: pl.DataFrame, memory: pl.DataFrame, by: str) -> pl.Series:
    """The first of `USES` that memory says of each record; null for new ones."""
    code = pl.col("used").replace_strict(USES, return_dtype=pl.Int8)
    return _first_uses(keys, memory.select(by, code), by)


def _first_uses(keys: pl.DataFrame, uses: pl.DataFrame, by: str) -> pl.Series:
    """Per record the first use (its number) that is known of an equal key."""
    known = uses.filter(pl.col("used").is_not_null())
    if known.is_empty():
        return pl.Series("used", [None], dtype=pl.Int8).new_from_index(0, len(keys))
    firsts = known.group_by(by).agg(pl.min("used"))
    return keys.select(by).join(firsts, on=by, how="left", maintain_order="left")["used"]


def _is(used: pl.Series, use: str) -> pl.Series:
    return (used == USES[use]).fill_null(value=False)


def _stratum(stratify: str) -> pl.Expr:
    parts = [pl.lit(""), *STRATA[stratify]]
    return pl.concat_str(parts, separator="\x1f", ignore_nulls=True)


def _sides_by_position(position: pl.Series, used: pl.Series, config: SplitConfig) -> pl.Series:
    at, held = pl.col("position"), config.holdout_fraction
    is_validation = at.is_between(held, held + config.validation_fraction, closed="left")
    other = pl.when(is_validation).then(VALIDATION).otherwise(TRAIN)
    was_held = pl.col("used") <= USES[RETIRED]
    is_held = was_held | (pl.col("used").is_null() & (at < held))
    side = pl.when(is_held).then(HOLDOUT).otherwise(other).cast(pl.Int8)
    return pl.DataFrame({"position": position, "used": used}).select(side=side)["side"]
