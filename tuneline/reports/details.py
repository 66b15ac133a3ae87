"""What stands behind a task's score: classes and JSON fields."""

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One label of a classification."""

    precision: float | None
    """Right among the answers that give this label; None where none gives it."""
    recall: float
    """Right among the records that have this label."""
    f1: float
    support: int
    """Records that have this label."""


@dataclass(frozen=True, slots=True)
class LabelTable:
    """One source whose answers are labels."""

    classes: Mapping[str, ClassScore]
    """Label -> its scores; the most frequent one first."""
    confusion: Mapping[str, Mapping[str, int]]
    """Expected label -> answered label (empty text: none of the labels) -> records, zeros left
    out."""
    macro_f1: float
    """Mean F1 of the classes, each counting the same."""


@dataclass(frozen=True, slots=True)
class FieldScore:
    """One field of the JSON answers of a source."""

    accuracy: float
    """Records whose answer has the expected value there."""
    n: int
    """Records whose reference names it, or whose answer has a value there."""
