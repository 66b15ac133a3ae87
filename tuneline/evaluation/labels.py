"""Labels: which one an answer opens with, and what the classes are confused with."""

from collections import Counter
from collections.abc import Sequence

from tuneline.evaluation.rouge import f1
from tuneline.records import comparison_text
from tuneline.reports import ClassScore, LabelTable

NAME = "NFKC, lower case, single spaces; leading label"
NO_LABEL = ""
"""What is predicted where no label opens the answer."""


def label_accuracy(predictions: Sequence[str], references: Sequence[str]) -> list[float]:
    """1.0 where the label that the prediction begins with is the reference.

    The references are the labels. The longest label that opens the prediction as whole words is
    its label: "Yes, it does." answers "Yes", "No" does not answer "Not sure".
    """
    pairs = zip(predicted_labels(predictions, references), references, strict=True)
    return [float(label == comparison_text(reference)) for label, reference in pairs]


def label_table(predictions: Sequence[str], references: Sequence[str]) -> LabelTable:
    """Precision, recall and F1 of every class, and the confusion of each with the others.

    Args:
        predictions: N model outputs.
        references: N labels, in the same order.

    Raises:
        ValueError: The lengths differ.
    """
    spelled = {comparison_text(reference): reference.strip() for reference in references}
    predicted = [spelled.get(p, p) for p in predicted_labels(predictions, references)]
    expected = [spelled[comparison_text(reference)] for reference in references]
    cells = Counter(zip(expected, predicted, strict=True))
    n_predicted = Counter(predicted)
    classes = {
        label: _class_score(cells[label, label], n_predicted[label], support)
        for label, support in Counter(expected).most_common()
    }
    columns = [*classes, NO_LABEL]
    confusion = {a: {b: cells[a, b] for b in columns if cells[a, b]} for a in classes}
    macro_f1 = sum(score.f1 for score in classes.values()) / max(1, len(classes))
    return LabelTable(classes, confusion, macro_f1)


def predicted_labels(predictions: Sequence[str], references: Sequence[str]) -> list[str]:
    """The label of each prediction, among those of the references; `NO_LABEL` where none.

    Raises:
        ValueError: The lengths differ.
    """
    pairs = [
        (comparison_text(p), comparison_text(r))
        for p, r in zip(predictions, references, strict=True)
    ]
    labels = sorted({reference for _, reference in pairs}, key=len, reverse=True)
    return [_leading_label(text, labels) for text, _ in pairs]


def _class_score(n_right: int, n_predicted: int, support: int) -> ClassScore:
    precision = n_right / n_predicted if n_predicted else None
    recall = n_right / support
    return ClassScore(precision, recall, f1(n_right, n_predicted, support), support)


def _leading_label(text: str, labels: Sequence[str]) -> str:
    return next((label for label in labels if _opens(text, label)), NO_LABEL)


def _opens(text: str, label: str) -> bool:
    """Whether `text` begins with `label` and no Latin letter or digit goes on after it."""
    if not label or not text.startswith(label):
        return False
    following = text[len(label) : len(label) + 1]
    return not (label[-1].isascii() and following.isascii() and following.isalnum())
