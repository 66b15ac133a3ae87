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
from tuneline.data.fates import LAST_COPY, NONE, Fates, Texts
from tuneline.data.keys import ROWS_AT_A_TIME
from tuneline.data.splitting import HOLDOUT, VALIDATION


class Side(NamedTuple):
    """Records that are compared: what they ask, and their sketches."""

    prompts: pl.Series
    """Digest of each whole prompt."""
    questions: pl.Series
    """Per record the hashes of the user's turns, the last one last."""
    sketches: Sketches
    """Of prompt and answer."""


class Hidden(NamedTuple):
    """Texts from outside the data: earlier runs, or a benchmark file."""

    name: str
    """As reports call it."""
    reason: str
    """earlier_holdout or benchmark: end of the drop's reason; or the reason."""
    places: pl.Series
    """`file:line` of each."""
    side: Side


class Matches(NamedTuple):
    """Per compared record the first hidden one that it says the same as, or -1."""

    same_prompt: NDArray[np.int64]
    near: NDArray[np.int64]

    @property
    def n(self) -> int:
        """Records with either."""
        return int(((self.same_prompt >= 0) | (self.near >= 0)).sum())


def find_leaks(seen: Side, hidden: Side, threshold: float) -> Matches:
    """Compare records with hidden ones: by prompt and answer together, and by the prompt alone.

    A prompt leaks as a whole, and where the hidden record's question is a turn of the seen one.
    Records that share an instruction and differ in its input do not leak.
    """
    whole = _first_equal(seen.prompts.to_frame("key"), hidden.prompts.to_frame("key"))
    asked = hidden.questions.list.last().to_frame("key")
    turn = _first_equal(seen.questions.to_frame("key"), asked)
    same_prompt = np.where(whole >= 0, whole, turn)
    return Matches(same_prompt, first_matches(seen.sketches, hidden.sketches, threshold))


def _first_equal(seen: pl.DataFrame, hidden: pl.DataFrame) -> NDArray[np.int64]:
    """Per seen record the first hidden one with an equal key (or a key in its list), or -1."""
    numbered = hidden.with_row_index("hidden").drop_nulls("key")
    firsts = numbered.unique("key", keep="first", maintain_order=True)
    first = np.full(len(seen), NONE)
    for start in range(0, len(seen), ROWS_AT_A_TIME):
        rows = seen.slice(start, ROWS_AT_A_TIME).with_row_index("seen", start)
        rows = rows.explode("key") if isinstance(seen["key"].dtype, pl.List) else rows
        found = rows.join(firsts, on="key").group_by("seen").agg(pl.min("hidden"))
        first[found["seen"].to_numpy()] = found["hidden"].to_numpy()
    return first


def side_of(texts: Texts, rows: NDArray[np.int64]) -> Side:
    """Some of the records, in the order given."""
    columns = texts.keys.load("prompt_digest", "questions", rows=np.sort(rows))
    if (rows[1:] < rows[:-1]).any():
        columns = columns[np.searchsorted(np.sort(rows), rows)]
    return Side(columns["prompt_digest"], columns["questions"], texts.sketches["full"].take(rows))


def drop_known_before(texts: Texts, fates: Fates, known: Hidden, threshold: float) -> int:
    """Records new to the holdout that say what an earlier run trained on, or looked at, go.

    Args:
        texts: All records.
        fates: Changed in place.
        known: What earlier runs trained on, or what other generations held out.
        threshold: Jaccard similarity.

    Returns:
        How many go.
    """
    rows = np.flatnonzero(fates.is_kept("holdout") & ~fates.was_held)
    matches = find_leaks(side_of(texts, rows), known.side, threshold)
    found = np.maximum(matches.near, matches.same_prompt)
    leaks = found >= 0
    places = known.places.gather(found[leaks]).to_list()
    fates.drop_because_of(rows[leaks], known.reason, known.name, places)
    return matches.n


def drop_outside_leaks(texts: Texts, fates: Fates, hidden: Hidden, threshold: float) -> int:
    """Train and validation records that say what texts from outside say go; returns how many."""
    rows = np.flatnonzero(fates.is_kept() & (fates.side != HOLDOUT))
    matches = find_leaks(side_of(texts, rows), hidden.side, threshold)
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
    rows = np.flatnonzero((fates.reason == 0) & (fates.side == seen))
    guards = fates.order[guarding(fates, hidden)[fates.order]]
    matches = find_leaks(side_of(texts, rows), side_of(texts, guards), threshold)
    name = {HOLDOUT: "holdout", VALIDATION: "validation"}[hidden]
    for found, kind in ((matches.near, "near_duplicate"), (matches.same_prompt, "same_prompt")):
        leaks = found >= 0
        fates.drop(rows[leaks], f"{kind}_in_{name}", guards[found[leaks]])
    return matches.n


def guarding(fates: Fates, hidden: int) -> NDArray[np.bool_]:
    """Records of a hidden side that stay, and copies that went for one that stays there."""
    guards: NDArray[np.bool_] = (fates.reason == 0) & (fates.side == hidden)
    copies = np.flatnonzero(
        (fates.reason > 0) & (fates.reason <= LAST_COPY) & (fates.side == hidden)
    )
    because = fates.because[copies]
    for _ in range(LAST_COPY):  # exact copy -> near copy -> semantic copy -> the one that stays
        goes_on = fates.reason[because] > 0
        because = np.where(goes_on, fates.because[because], because)
        copies, because = copies[because != NONE], because[because != NONE]
    guards[copies[guards[because]]] = True
    return guards
