"""Blinded pairs: two models' answers to one prompt, sides by a seed; who is who lies in the key."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

import polars as pl

from tuneline.errors import ReviewError
from tuneline.records import comparison_text
from tuneline.store import digest_of

Side = Literal["left", "right"]
ID_DIGITS = 12
"""Hexadecimal digits of the ids of reviews and pairs."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What a reviewer sees."""

    review: str
    pair: str
    """Id; it tells nothing about the sides."""
    prompt: str
    left: str
    right: str
    reference: str
    """What the holdout expects."""


@dataclass(frozen=True, slots=True)
class ReviewKey:
    """Who is who; kept apart from the pairs."""

    review: str
    run_id: str
    """MLflow run of the candidate."""
    candidate: str
    baseline: str
    seed: int
    candidate_side: Mapping[str, Side]
    """Pair -> side on which the candidate stands."""
    records: Mapping[str, str]
    """Pair -> digest of its holdout record."""
    n_equal: int
    """Prompts that both models answer alike; they make no pair."""


class Review(NamedTuple):
    """Pairs in the order in which they are shown, and their key."""

    pairs: tuple[Pair, ...]
    key: ReviewKey


class Contest(NamedTuple):
    """Two models of one run."""

    run_id: str
    candidate: str
    baseline: str


def make_review(
    contest: Contest,
    scores: Mapping[str, pl.DataFrame],
    n_pairs: int,
    seed: int,
    protect: Callable[[str], str] = str,
) -> Review:
    """Draw prompts that the two models answer otherwise, and the sides of their answers.

    The candidate stands on either side equally often.

    Args:
        contest: The two models, and the run that holds their answers.
        scores: Model -> its `scores.parquet`; both of the same rows.
        n_pairs: Most pairs.
        seed: Decides prompts, order and sides; the same seed gives the same review.
        protect: Hides what must not be shown, such as personal data.

    Raises:
        ReviewError: There is no prompt that both answered otherwise.
    """
    ours, theirs = scores[contest.candidate], scores[contest.baseline]
    both = ours.select("digest", "prompt", "reference", ours="prediction").join(
        theirs.select("digest", theirs="prediction"), on="digest"
    )
    rows = [row for row in both.sort("digest").iter_rows(named=True) if _is_answered(row)]
    differing = [row for row in rows if not _is_equal(row)]
    if not differing:
        raise ReviewError(
            f"{contest.candidate} and {contest.baseline} give the same answer to all {len(rows)} "
            "prompts; there is nothing to compare"
        )
    rng = random.Random(seed)
    drawn = rng.sample(differing, min(n_pairs, len(differing)))
    sides: list[Side] = ["left" if i % 2 else "right" for i in range(len(drawn))]
    rng.shuffle(sides)
    review = digest_of([*contest, seed, drawn])[:ID_DIGITS]
    pairs = [_pair(review, row, side, protect) for row, side in zip(drawn, sides, strict=True)]
    key = ReviewKey(
        review=review,
        run_id=contest.run_id,
        candidate=contest.candidate,
        baseline=contest.baseline,
        seed=seed,
        candidate_side={p.pair: side for p, side in zip(pairs, sides, strict=True)},
        records={p.pair: row["digest"] for p, row in zip(pairs, drawn, strict=True)},
        n_equal=len(rows) - len(differing),
    )
    return Review(tuple(pairs), key)


def _pair(review: str, row: Mapping[str, str], side: Side, protect: Callable[[str], str]) -> Pair:
    ours, theirs = protect(row["ours"]), protect(row["theirs"])
    left, right = (ours, theirs) if side == "left" else (theirs, ours)
    pair = digest_of([review, row["digest"]])[:ID_DIGITS]
    return Pair(review, pair, protect(row["prompt"]), left, right, protect(row["reference"]))


def _is_answered(row: Mapping[str, str | None]) -> bool:
    return row["ours"] is not None and row["theirs"] is not None


def _is_equal(row: Mapping[str, str]) -> bool:
    return comparison_text(row["ours"]) == comparison_text(row["theirs"])
