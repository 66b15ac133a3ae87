"""When do two models give the same answer? As the metric that judges the task sees it."""

from collections.abc import Callable, Sequence

from tuneline.evaluation.metrics import METRICS
from tuneline.records import comparison_text

SameAnswers = Callable[[Sequence[str], Sequence[str]], list[bool]]
"""N answers, N answers of another model -> whether the two say the same."""

BY_SCORE = ("exact_match", "json_fields", "multiple_choice", "numeric")
"""Metrics that read a meaning out of both sides: full marks for one answer measured against the
other mean that they say the same."""
BY_LABEL = ("label_accuracy",)
"""Metrics whose references are the labels."""


def same_answers(metric: str, references: Sequence[str]) -> SameAnswers | None:
    """How answers of a source are compared, or None for free text, where likeness has degrees.

    Args:
        metric: Name of the metric that the source is judged by.
        references: The source's expected answers; labels are found among them.
    """
    if metric in BY_LABEL:
        labels = sorted(set(references))
        return lambda answers, others: _same(answers, others, lambda text: _label(text, labels))
    if metric in BY_SCORE:
        return lambda answers, others: _full_marks(metric, answers, others)
    return None


def _same(
    answers: Sequence[str], others: Sequence[str], meaning: Callable[[str], str]
) -> list[bool]:
    return [meaning(a) == meaning(b) for a, b in zip(answers, others, strict=True)]


def _label(text: str, labels: Sequence[str]) -> str:
    """The label that an answer gives; the whole answer where it gives none."""
    found = METRICS["label_accuracy"].score([text] * len(labels), labels)
    return next((a for a, score in zip(labels, found, strict=True) if score), comparison_text(text))


def _full_marks(metric: str, answers: Sequence[str], others: Sequence[str]) -> list[bool]:
    """Measured both ways; where the metric finds nothing to judge, by how the two read."""
    there = METRICS[metric].score(answers, others)
    back = METRICS[metric].score(others, answers)
    return [
        comparison_text(a) == comparison_text(b) or (x == 1 and y == 1)
        for a, b, x, y in zip(answers, others, there, back, strict=True)
    ]
