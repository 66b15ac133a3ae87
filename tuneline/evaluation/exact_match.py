"""Is the answer right? Whole answers and labels."""

from collections.abc import Sequence

from tuneline.records import comparison_text


def exact_match(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """1.0 where prediction and reference read the same (NFKC, lower case, single spaces)."""
    pairs = zip(predictions, references, strict=True)
    return [float(comparison_text(p) == comparison_text(r)) for p, r in pairs]


def label_accuracy(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """1.0 where the label that the prediction begins with is the reference.

    The references are the labels. The longest label that opens the prediction as whole words is
    its label: "Yes, it does." answers "Yes", "No" does not answer "Not sure".
    """
    pairs = [
        (comparison_text(p), comparison_text(r))
        for p, r in zip(predictions, references, strict=True)
    ]
    labels = sorted({reference for _, reference in pairs}, key=len, reverse=True)
    return [float(_leading_label(text, labels) == reference) for text, reference in pairs]


def _leading_label(text: str, labels: Sequence[str]) -> str | None:
    return next((label for label in labels if _opens(text, label)), None)


def _opens(text: str, label: str) -> bool:
    """Whether `text` begins with `label` and no Latin letter or digit goes on after it."""
    if not label or not text.startswith(label):
        return False
    following = text[len(label) : len(label) + 1]
    return not (label[-1].isascii() and following.isascii() and following.isalnum())
