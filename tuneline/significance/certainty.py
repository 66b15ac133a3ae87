"""How sure a verdict has to be."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Certainty:
    """What is asked of every verdict about two models; settled before they are compared."""

    alpha: float = 0.05
    """Two-sided error: intervals hold 1 - alpha, and a model that is no better is called better
    at most alpha / 2 of the time."""
    power: float = 0.8
    """Share of real gains of the detectable size that are to be found."""
    wanted_gain: float = 0.05
    """Gain for which the rows needed are counted."""
    correlation: float = 0.5
    """Expected between two models' scores of the same rows, before they are compared; Miller 2024
    (arXiv 2411.00640) finds 0.3 to 0.7. 0 expects the least of a holdout."""
