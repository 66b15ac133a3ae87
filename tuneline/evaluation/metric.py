"""What a metric is: a function, and everything that its scores depend on."""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

ScoreRecords = Callable[[Sequence[str], Sequence[str]], Sequence[float | None]]


def always(tokenizer: str) -> Callable[[Sequence[str]], str]:
    """The same tokenizer, whatever the references are."""
    return lambda references: tokenizer


@dataclass(frozen=True, slots=True)
class Metric:
    """A function of predictions and references, and what its scores depend on."""

    score: ScoreRecords
    """N predictions, N references -> N scores in [0, 1], higher is better; None where the metric
    has nothing to judge."""
    tokenizer: Callable[[Sequence[str]], str]
    """Names how texts are cut, as chosen for these references."""
    packages: tuple[str, ...] = ("tuneline",)
    """Libraries that compute it; their versions are part of the identity."""
    is_general: bool = False
    """Computed for every record: it is cheap and says something about any text."""
    is_per_record: bool = True
    """A record's score depends on that record alone, so records are scored in portions."""
    settings: str = ""
    """What else decides scores: a tolerance, or the digest of a table or of source code."""

    def identity(self, name: str, decoding: str, rows: str, references: Sequence[str] = ()) -> str:
        """Everything that two scores must share to be compared.

        Args:
            name: How the profile names the metric.
            decoding: How the answers were generated.
            rows: Digest of the holdout.
            references: The expected answers, by which the tokenizer is chosen.
        """
        versions = [f"{package} {importlib.metadata.version(package)}" for package in self.packages]
        parts = [name, self.tokenizer(references), ", ".join(versions), self.settings]
        return "|".join([*filter(None, parts), decoding, rows])
