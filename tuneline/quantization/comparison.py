"""The table: how each variant answers compared with the reference, its score, size and speed."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Literal, NamedTuple

from tuneline.records import comparison_text
from tuneline.reports import QuantizationReport, QuantizedVariant, Score

Agreement = Literal["exact", "similar", "different"]
Similarity = Callable[[Sequence[str], Sequence[str]], list[float]]


class Measured(NamedTuple):
    """What one variant did on the prompts of the comparison."""

    name: str
    size_mib: float
    tokens_per_s: float
    score: Score
    """Its `task_score`."""
    answers: list[str | None]
    """One per prompt, None where generation failed."""


def compare_variants(
    measured: Sequence[Measured], similarity: Similarity, similar_from: float
) -> QuantizationReport:
    """Compare every variant's answers with those of the first one.

    Args:
        measured: The reference, then the variants; all on the same prompts in the same order.
        similarity: Scores in [0, 1] of answers against the reference's, such as ROUGE-L.
        similar_from: Similarity from which a differing answer counts as similar.
    """
    reference = measured[0]
    rows = []
    for variant in measured:
        counts = Counter(agreements(variant.answers, reference.answers, similarity, similar_from))
        rows.append(
            QuantizedVariant(
                name=variant.name,
                size_mib=variant.size_mib,
                tokens_per_s=variant.tokens_per_s,
                score=variant.score,
                exact=counts["exact"],
                similar=counts["similar"],
                different=counts["different"],
            )
        )
    return QuantizationReport(tuple(rows), len(reference.answers), similar_from)


def agreements(
    answers: Sequence[str | None],
    reference: Sequence[str | None],
    similarity: Similarity,
    similar_from: float,
) -> list[Agreement]:
    """Each answer against the reference model's; a failed generation is different."""
    pairs = list(zip(answers, reference, strict=True))
    scores = similarity([a or "" for a, _ in pairs], [r or "" for _, r in pairs])
    return [
        _agreement(answer, other, score, similar_from)
        for (answer, other), score in zip(pairs, scores, strict=True)
    ]


def _agreement(
    answer: str | None, reference: str | None, score: float, similar_from: float
) -> Agreement:
    if answer is None or reference is None:
        return "different"
    if comparison_text(answer) == comparison_text(reference):
        return "exact"
    return "similar" if score >= similar_from else "different"
