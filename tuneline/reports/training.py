"""How the adapter came to be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How the adapter came to be."""

    n_steps: int
    n_train_records: int
    n_trainable_parameters: int
    train_s: float
    """Wall time inside the trainer, seconds, resumed parts included."""
    peak_memory_mib: float
    losses: tuple[tuple[int, float], ...]
    """(step, training loss per token)."""
    validation_losses: tuple[tuple[int, float], ...]
    machine: str
    """Device, dtype and optimizer in words, and what was replaced."""
    rungs: tuple[str, ...] = ()
    """What gave way when memory ran out, in order; none where it never did."""
    tokens_per_s: float = 0
    """Tokens trained on, padding excluded, per second of the optimizer steps; 0 where unknown."""
    verdict: str = ""
    """healthy, not learning, overfitting or diverging; empty where nobody watched."""
    evidence: str = ""
    """What the verdict rests on, in a sentence."""
    advice: str = ""
    """What to change; empty where nothing is wrong."""
    learning_rates: tuple[tuple[int, float], ...] = ()
    """(step, learning rate)."""
    grad_norms: tuple[tuple[int, float], ...] = ()
    """(step, norm of the gradient before clipping), where it is finite."""
