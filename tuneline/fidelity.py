"""How near one model's next-token distributions are to another's, on the same answers."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tuneline.reports import Fidelity


class Distributions:
    """A model's next-token distributions on disk, so that two models are never in memory at once.

    Log-probabilities in float16, an answer a file; they are made to sum to 1 again when read, so
    that rounding moves a KL divergence by its square only.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def has(self, index: int) -> bool:
        """Whether an answer was saved."""
        return self._file(index).is_file()

    def save(self, index: int, logits: np.ndarray) -> None:
        """Save the distributions of answer `index` from logits (tokens, vocabulary)."""
        partial = self._file(index).with_suffix(".partial")
        with partial.open("wb") as file:
            np.save(file, log_softmax(logits).astype(np.float16))
        partial.replace(self._file(index))

    def load(self, index: int) -> np.ndarray:
        """Log-probabilities of answer `index`, float32 of shape (tokens, vocabulary)."""
        return log_softmax(np.load(self._file(index)))

    def _file(self, index: int) -> Path:
        return self.folder / f"{index:06}.npy"


@dataclass(slots=True)
class FidelityMeter:
    """Adds up answers; see `Fidelity` for what comes out."""

    tie: float = 0.0
    """Another top token counts as the same where the reference holds it less than so many nats
    below its own: rounding alone decides between the two."""
    n_tokens: int = 0
    n_same: int = 0
    kl: float = 0.0
    nll: float = 0.0
    reference_nll: float = 0.0

    def add(self, reference: np.ndarray, logits: np.ndarray, token_ids: list[int]) -> None:
        """Take an answer into account.

        Args:
            reference: Log-probabilities of the reference, (tokens, vocabulary).
            logits: The other model's, of the same shape.
            token_ids: The answer's tokens.

        Raises:
            ValueError: The shapes differ: two tokenizers or vocabularies.
        """
        if not reference.shape == logits.shape or len(token_ids) != len(logits):
            raise ValueError(
                f"distributions of {reference.shape} and {logits.shape} for {len(token_ids)} "
                "tokens cannot be compared"
            )
        other = log_softmax(logits)
        rows = np.arange(len(token_ids))
        ours, theirs = reference.argmax(-1), other.argmax(-1)
        behind = reference[rows, ours] - reference[rows, theirs]
        self.n_tokens += len(token_ids)
        self.n_same += int(((ours == theirs) | (behind < self.tie)).sum())
        self.kl += float((np.exp(reference) * (reference - other)).sum(dtype=np.float64))
        self.nll -= float(other[rows, token_ids].sum(dtype=np.float64))
        self.reference_nll -= float(reference[rows, token_ids].sum(dtype=np.float64))

    def result(self) -> Fidelity:
        """Means over all tokens.

        Raises:
            ValueError: No token was added.
        """
        if not self.n_tokens:
            raise ValueError("no token was compared")
        return Fidelity(
            top1_agreement=self.n_same / self.n_tokens,
            kl=max(0.0, self.kl / self.n_tokens),
            perplexity=float(np.exp(self.nll / self.n_tokens)),
            reference_perplexity=float(np.exp(self.reference_nll / self.n_tokens)),
            n_tokens=self.n_tokens,
        )


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-probabilities over the last axis, float32."""
    shifted = logits.astype(np.float32)
    shifted -= shifted.max(-1, keepdims=True)
    shifted -= np.log(np.exp(shifted).sum(-1, keepdims=True))
    return shifted
