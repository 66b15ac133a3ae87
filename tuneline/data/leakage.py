"""Training text that appears in the holdout, in validation, in earlier holdouts or in benchmarks.

Dedup cannot promise this alone: it keeps same prompts with different answers, and a cluster's
member that stayed says nothing about the neighbours of those that went. So train and validation
are compared with every record on the holdout side, those that dedup dropped included: then a row
that is added later can never bring a leaked training record back.
"""

from typing import NamedTuple

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tuneline.data.dedup.near import first_matches
from tuneline.data.dedup.shingles import Sketches
from tuneline.data.fates import NONE, Fates, Texts
from tuneline.data.splitting import HOLDOUT, VALIDATION


class Hidden(NamedTuple):
    """Texts from outside the data: an earlier holdout, or a benchmark file."""

    name: str
    """As reports call it."""
    reason: str
    """earlier_holdout or benchmark: end of the drop's reason."""
    prompts: pl.Series
    """Digest of each prompt."""
    places: pl.Series
    """`file:line` of each."""
    sketches: Sketches


class Matches(NamedTuple):
    """Per compared record the first hidden one that it says the same as, or -1."""

    same_prompt: NDArray[np.int64]
    near: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Records with either."""
        return int(((self.same_prompt >= 0) | (self.near >= 0)).sum())


def find_leaks(
    prompts: pl.Series,
    sketches: Sketches,
    hidden_prompts: pl.Series,
    hidden: Sketches,
    threshold: float,
) -> Matches:
    """Compare records with hidden ones: by their whole prompt, and by prompt and answer together.

    Records that share an instruction and differ in its input do not leak.
    """
    numbers = (
        pl.DataFrame({"prompt": hidden_prompts})
        .with_row_index("hidden")
        .unique("prompt", keep="first")
    )
    same = pl.DataFrame({"prompt": prompts}).join(
        numbers, on="prompt", how="left", maintain_order="left"
    )
    found = same["hidden"].cast(pl.Int64).fill_null(NONE).to_numpy()
    return Matches(found, first_matches(sketches, hidden, threshold))


def drop_trained_before(texts: Texts, fates: Fates, trained: Hidden, threshold: float) -> None:
    """Records that are new to the holdout and say what an earlier run trained on go."""
    rows = np.flatnonzero(fates.is_kept("holdout") & ~fates.was_held)
    matches = _compare(texts, rows, trained, threshold)
    found = np.maximum(matches.near, matches.same_prompt)
    leaks = found >= 0
    places = trained.places.gather(found[leaks]).to_list()
    fates.drop_because_of(rows[leaks], "trained_on_before", trained.name, places)


def drop_outside_leaks(texts: Texts, fates: Fates, hidden: Hidden, threshold: float) -> int:
    """Train and validation records that say what texts from outside say go; returns how many."""
    rows = np.flatnonzero(fates.is_kept() & (fates.side != HOLDOUT))
    matches = _compare(texts, rows, hidden, threshold)
    for found, kind in ((matches.near, "near_duplicate"), (matches.same_prompt, "same_prompt")):
        leaks = found >= 0
        places = hidden.places.gather(found[leaks]).to_list()
        fates.drop_because_of(rows[leaks], f"{kind}_in_{hidden.reason}", hidden.name, places)
    return matches.n


def drop_leaks(texts: Texts, fates: Fates, seen: int, hidden: int, threshold: float) -> int:
    """Records of one side that say what records of a hidden side say go; returns how many.

    Args:
        texts: All records.
        fates: Changed in place.
        seen: TRAIN or VALIDATION.
        hidden: VALIDATION or HOLDOUT.
        threshold: Jaccard similarity.
    """
    rows = fates.order[((fates.reason == 0) & (fates.side == seen))[fates.order]]
    guards = fates.order[guarding(fates, hidden)[fates.order]]
    prompts, sketches = texts.keys["prompt_digest"], texts.sketches["full"]
    matches = find_leaks(
        prompts.gather(rows),
        sketches.take(rows),
        prompts.gather(guards),
        sketches.take(guards),
        threshold,
    )
    name = {HOLDOUT: "holdout", VALIDATION: "validation"}[hidden]
    for found, kind in ((matches.near, "near_duplicate"), (matches.same_prompt, "same_prompt")):
        leaks = found >= 0
        fates.drop(rows[leaks], f"{kind}_in_{name}", guards[found[leaks]])
    return matches.n


def guarding(fates: Fates, hidden: int) -> NDArray[np.bool_]:
    """Records of a hidden side that stay, and copies that went for one that stays there."""
    kept = (fates.reason == 0) & (fates.side == hidden)
    copies = (fates.reason > 0) & (fates.reason <= 3) & (fates.side == hidden)
    because = np.where(copies, fates.because, 0)
    for _ in range(3):  # exact copy -> near copy -> semantic copy -> the one that stays
        because = np.where(fates.reason[because] > 0, fates.because[because], because)
    guards: NDArray[np.bool_] = kept | (copies & kept[because])
    return guards


def _compare(texts: Texts, rows: NDArray[np.int64], hidden: Hidden, threshold: float) -> Matches:
    prompts = texts.keys["prompt_digest"].gather(rows)
    sketches = texts.sketches["full"].take(rows)
    return find_leaks(prompts, sketches, hidden.prompts, hidden.sketches, threshold)
