"""METRICS: name -> metric. A metric has an identity; two scores compare only where it is equal."""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuneline.evaluation.bleu import NAME as BLEU_NAME
from tuneline.evaluation.bleu import bleu
from tuneline.evaluation.exact_match import exact_match, label_accuracy
from tuneline.evaluation.rouge import rouge_1, rouge_2, rouge_l
from tuneline.evaluation.words import NAME as WORDS

ScoreRecords = Callable[[Sequence[str], Sequence[str]], list[float]]


@dataclass(frozen=True, slots=True)
class Metric:
    """A function of predictions and references, and what its scores depend on."""

    score: ScoreRecords
    """N predictions, N references -> N scores in [0, 1]; higher is better."""
    tokenizer: str
    package: str | None = None
    """The library that computes it; its version is part of the identity."""

    def identity(self, name: str, decoding: str, rows: str) -> str:
        """Everything that two scores must share to be compared.

        Args:
            name: The metric's name in `METRICS`.
            decoding: How the answers were generated.
            rows: Digest of the holdout.
        """
        package = self.package or "tuneline"
        version = importlib.metadata.version(package)
        return f"{name}|{self.tokenizer}|{package} {version}|{decoding}|{rows}"


METRICS: dict[str, Metric] = {
    "exact_match": Metric(exact_match, "NFKC, lower case, single spaces"),
    "label_accuracy": Metric(label_accuracy, "NFKC, lower case, single spaces; leading label"),
    "rouge1": Metric(rouge_1, WORDS, "rouge-score"),
    "rouge2": Metric(rouge_2, WORDS, "rouge-score"),
    "rougeL": Metric(rouge_l, WORDS, "rouge-score"),
    "bleu": Metric(bleu, BLEU_NAME, "sacrebleu"),
}
