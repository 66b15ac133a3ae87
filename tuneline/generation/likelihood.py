"""How likely an answer is, from the logits that predict it."""

from collections.abc import Sequence

import numpy as np

from tuneline.generation.artifact import Likelihood


def likelihood(logits: np.ndarray, token_ids: Sequence[int]) -> Likelihood:
    """Likelihood of an answer.

    Args:
        logits: Shape (tokens, vocabulary); row i predicts token i.
        token_ids: The answer's tokens, end token included.
    """
    rows = logits.astype(np.float64)
    top = rows.max(axis=1, keepdims=True)
    log_sum = top[:, 0] + np.log(np.exp(rows - top).sum(axis=1))
    chosen = rows[np.arange(len(token_ids)), list(token_ids)]
    return Likelihood(float((log_sum - chosen).sum()), len(token_ids))
