"""How a variant's answers compare with those of the reference, slice by slice."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, NamedTuple

from tuneline.quantization.config import Limit
from tuneline.records import comparison_text
from tuneline.reports import ALL, AnswerShares, Difference
from tuneline.significance import paired_difference

Agreement = Literal["exact", "similar", "different"]
Similarity = Callable[[Sequence[str], Sequence[str]], Sequence[float | None]]
"""Scores in [0, 1] of answers against the reference model's, such as ROUGE-L."""
SameAnswers = Callable[[Sequence[str], Sequence[str]], list[bool]]
SIMILARITY = "ROUGE-L"


class Rows(NamedTuple):
    """What one model did on the prompts of the comparison, in their order."""

    sources: list[str]
    answers: list[str | None]
    """None where generation failed."""
    scores: list[float | None]
    """`task_score`."""


class Judge(NamedTuple):
    """How two models' answers are compared."""

    same: Mapping[str, SameAnswers]
    """Source -> whether two answers say the same, where its metric can tell; else by how they
    read, and then likeness has degrees."""
    similarity: Similarity
    similar_from: float
    """Similarity from which differing free text counts as similar."""

    def agreements(self, rows: Rows, reference: Rows) -> list[Agreement]:
        """Each answer against the reference's; a failed generation is different.

        Raises:
            ValueError: The two were not asked the same.
        """
        if rows.sources != reference.sources or len(rows.answers) != len(reference.answers):
            raise ValueError("answers to other prompts are not compared")
        found: dict[int, Agreement] = {}
        for source in dict.fromkeys(rows.sources):
            at = [i for i, name in enumerate(rows.sources) if name == source]
            pairs = [(rows.answers[i], reference.answers[i]) for i in at]
            found |= zip(at, self._compare(source, pairs), strict=True)
        return [found[i] for i in range(len(rows.answers))]

    def _compare(
        self, source: str, pairs: Sequence[tuple[str | None, str | None]]
    ) -> list[Agreement]:
        answers, others = [a or "" for a, _ in pairs], [b or "" for _, b in pairs]
        tells = self.same.get(source)
        same = (tells or _reads_the_same)(answers, others)
        likeness = [0.0] * len(pairs) if tells else self.similarity(answers, others)
        return [
            _agreement(None not in pair, is_same, like or 0.0, self.similar_from, bool(tells))
            for pair, is_same, like in zip(pairs, same, likeness, strict=True)
        ]


def _reads_the_same(answers: Sequence[str], others: Sequence[str]) -> list[bool]:
    pairs = zip(answers, others, strict=True)
    return [comparison_text(a) == comparison_text(b) for a, b in pairs]


def _agreement(
    is_answered: bool, is_same: bool, like: float, similar_from: float, is_told: bool
) -> Agreement:
    if not is_answered:
        return "different"
    if is_same:
        return "exact"
    return "similar" if not is_told and like >= similar_from else "different"


def slice_shares(
    rows: Rows,
    reference: Rows,
    agreements: Sequence[Agreement],
    unstable: Sequence[bool],
    limits: Mapping[str, Limit],
) -> dict[str, AnswerShares]:
    """Shares and paired score difference over all prompts and per source.

    Args:
        rows: The variant's.
        reference: The reference's, on the same prompts.
        agreements: From `Judge.agreements`.
        unstable: Whether the reference, asked again, differs from itself.
        limits: Slice -> its limit; the margin is what score differences are tested against.
    """
    slices = {ALL: list(range(len(rows.sources)))}
    for i, source in enumerate(rows.sources):
        slices.setdefault(source, []).append(i)
    shares = {}
    for name, at in slices.items():
        counts = Counter(agreements[i] for i in at)
        margin = limits.get(name, limits.get(ALL, Limit())).margin
        shares[name] = AnswerShares(
            exact=counts["exact"],
            similar=counts["similar"],
            different=counts["different"],
            unstable=sum(unstable[i] for i in at),
            different_beyond_noise=sum(
                agreements[i] == "different" and not unstable[i] for i in at
            ),
            difference=_difference(
                [rows.scores[i] for i in at], [reference.scores[i] for i in at], margin
            ),
        )
    return shares


def _difference(
    scores: Sequence[float | None], reference: Sequence[float | None], margin: float
) -> Difference | None:
    if all(None in pair for pair in zip(scores, reference, strict=True)):
        return None
    return paired_difference(scores, reference, threshold=-margin)
