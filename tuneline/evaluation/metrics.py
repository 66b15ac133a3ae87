"""METRICS: name -> metric. A metric has an identity; two scores compare only where it is equal."""

import importlib.metadata
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tuneline.evaluation import bleu, chrf, rouge, token_f1
from tuneline.evaluation.exact_match import exact_match, label_accuracy
from tuneline.evaluation.words import NAME as WORDS

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
    """Computed for every record, because it is cheap and says something about any text."""
    is_per_record: bool = True
    """A record's score depends on that record alone, so records are scored in portions."""
    settings: str = ""
    """What else decides scores: a tolerance, or the digest of a table or of source code."""

    def identity(self, name: str, decoding: str, rows: str, references: Sequence[str] = ()) -> str:
        """Everything that two scores must share to be compared.

        Args:
            name: The metric's name in `METRICS`.
            decoding: How the answers were generated.
            rows: Digest of the holdout.
            references: The expected answers, by which tokenizers are chosen.
        """
        versions = [f"{package} {importlib.metadata.version(package)}" for package in self.packages]
        parts = [name, self.tokenizer(references), ", ".join(versions), self.settings]
        return "|".join([part for part in parts if part] + [decoding, rows])


_READ = "NFKC, lower case, single spaces"

METRICS: dict[str, Metric] = {
    "exact_match": Metric(exact_match, always(_READ), is_general=True),
    "token_f1": Metric(token_f1.token_f1, always(token_f1.NAME), is_general=True),
    "rouge1": Metric(rouge.rouge_1, always(WORDS), ("tuneline", "rjieba"), is_general=True),
    "rouge2": Metric(rouge.rouge_2, always(WORDS), ("tuneline", "rjieba"), is_general=True),
    "rougeL": Metric(rouge.rouge_l, always(WORDS), ("rapidfuzz", "rjieba"), is_general=True),
    "rougeLsum": Metric(rouge.rouge_lsum, always(WORDS), ("rapidfuzz", "rjieba"), is_general=True),
    "bleu": Metric(bleu.bleu, bleu.tokenizer, ("sacrebleu",), is_general=True),
    "chrf": Metric(chrf.chrf, always(chrf.NAME), ("sacrebleu",), is_general=True),
    "label_accuracy": Metric(
        label_accuracy, always(f"{_READ}; leading label"), is_per_record=False
    ),
}
