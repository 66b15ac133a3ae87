"""How fast a model answers, and how likely it finds the reference answers."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles over the answers of the seconds from the start of a batch to an answer's end.

    What a request waits for that is served together with the rest of its batch. Waiting for a
    batch to begin is not in it, and a larger batch has longer latencies and more tokens a second.
    """

    p50_s: float
    p95_s: float
    p99_s: float
    n: int
    """Answers. Of fewer than 100, p99 is the slowest."""


@dataclass(frozen=True, slots=True)
class Perplexity:
    """exp of the mean -ln p over all tokens of the reference answers, with its 95 % interval.

    From 1, lower is better; comparable between models of one tokenizer only.
    """

    value: float
    low: float
    high: float
    n: int
    """Records measured."""
    n_tokens: int
