"""Rows -> steps and tokens: how training will batch them. Pure, with a seeded shuffle."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tuneline.preflight.costs import OBJECTIVE_COSTS
from tuneline.preflight.rows import InspectedRows, RowFacts
from tuneline.training.config import TrainingConfig


@dataclass(frozen=True, slots=True)
class Batches:
    """What passes through the model."""

    n_rows: int
    """Rows trained on in an epoch; of packed rows the packs."""
    n_steps: int
    """Optimizer steps of the run."""
    n_tokens: int
    """Tokens of all forward passes of the run that are followed by a backward pass."""
    n_loss_tokens: int
    """Those of them that carry loss."""
    widest: int
    """Most tokens in one forward pass of one process."""
    widest_loss: int
    """Those of them that carry loss, at most."""
    longest: int
    """Tokens of the longest row, which attention looks over."""


def plan_batches(inspected: InspectedRows, config: TrainingConfig) -> Batches:
    """Steps and tokens of a run over the rows that fit.

    Args:
        inspected: Of the training side, or of a sample of it.
        config: The run's settings.
    """
    kept = [row for row in inspected.rows if row.n_tokens <= config.max_seq_tokens]
    n_rows = round(len(kept) * inspected.n_records / max(1, inspected.n_inspected))
    lengths = np.array([row.n_tokens for row in kept] or [0])
    if config.packing:
        lengths = _packs(lengths, config.max_seq_tokens)
        n_rows = max(1, round(n_rows * len(lengths) / max(1, len(kept))))
    n_steps = _steps(n_rows, config)
    n_answers = OBJECTIVE_COSTS[config.objective].n_answers
    rows_per_step = config.batch_size * config.gradient_accumulation * config.n_processes
    n_passes = min(n_steps * rows_per_step, round(n_steps / _per_epoch(n_rows, config) * n_rows))
    loss = _mean_loss_tokens(kept) * (len(kept) / len(lengths) if config.packing else 1)
    widest_loss = max((row.n_loss_tokens for row in kept), default=0)
    size = config.batch_size * n_answers
    longest = int(lengths.max())
    return Batches(
        n_rows=n_rows,
        n_steps=n_steps,
        n_tokens=round(n_passes * n_answers * _padded_mean(lengths, config)),
        n_loss_tokens=round(n_passes * n_answers * loss),
        widest=size * longest,
        widest_loss=size * (longest if config.packing else widest_loss),
        longest=longest,
    )


def n_validation_tokens(inspected: InspectedRows, config: TrainingConfig, n_steps: int) -> int:
    """Tokens of all measurements of the validation loss."""
    kept = [row.n_tokens for row in inspected.rows if row.n_tokens <= config.max_seq_tokens]
    every = config.validate_every_steps
    n_answers = OBJECTIVE_COSTS[config.objective].n_answers
    return sum(kept) * n_answers * (n_steps // every if every else 1)


def _per_epoch(n_rows: int, config: TrainingConfig) -> int:
    batches = math.ceil(n_rows / (config.batch_size * config.n_processes))
    return max(1, math.ceil(batches / config.gradient_accumulation))


def _steps(n_rows: int, config: TrainingConfig) -> int:
    """As transformers' trainer counts them."""
    return config.max_steps or math.ceil(config.epochs * _per_epoch(n_rows, config))


def _packs(lengths: np.ndarray, most: int) -> np.ndarray:
    """Lengths of packs: best-fit packing leaves them all but full."""
    n = max(1, math.ceil(int(lengths.sum()) / most))
    return np.full(n, int(lengths.sum()) / n)


def _padded_mean(lengths: np.ndarray, config: TrainingConfig) -> float:
    """Mean tokens of a row when each batch is padded to its longest row."""
    if config.group_by_length or config.packing:
        order = np.sort(lengths)
    else:
        order = np.random.default_rng(0).permutation(lengths)
    starts = np.arange(0, len(order), config.batch_size)
    sizes = np.diff(np.append(starts, len(order)))
    return float((np.maximum.reduceat(order, starts) * sizes).sum() / len(order))


def _mean_loss_tokens(rows: Sequence[RowFacts]) -> float:
    return sum(row.n_loss_tokens for row in rows) / max(1, len(rows))
