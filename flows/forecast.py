"""When a retraining will end, from how long its stages usually take. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

SHARES: Mapping[str, float] = {
    "prepare data": 8,
    "preflight": 2,
    "base model": 7,
    "train": 165,
    "merge champion": 15,
    "merge candidate": 15,
    "answers of base": 42,
    "answers of champion": 32,
    "answers of candidate": 32,
    "quantize to int8": 2,
    "quantize to nf4": 5,
    "answers of bf16": 13,
    "answers of int8": 17,
    "answers of nf4": 17,
    "fidelity of bf16": 4,
    "fidelity of int8": 4,
    "fidelity of nf4": 4,
}
"""Stages in their order and their seconds in the demo on two cores without bfloat16."""

PRIOR_S = 30.0
"""How long the reference is believed; see `Forecast.prior_s`."""


@dataclass
class Forecast:
    """Progress over all stages and the time left.

    The shares say how stages relate; the speed is soon that of the run itself. A stage that was
    passed over without a word was reused and leaves the plan.
    """

    started_s: float
    shares: Mapping[str, float] = field(default_factory=lambda: dict(SHARES))
    prior_s: float = PRIOR_S
    """Seconds for which the run is believed to be as fast as the reference, so that the first
    moments decide nothing."""
    done: dict[str, float] = field(default_factory=dict)
    """Stage -> fraction done, of the stages that reported."""

    def update(self, stage: str, done: int, total: int) -> None:
        """Take note of a stage's progress."""
        for earlier in self.done.keys() - {stage}:
            self.done[earlier] = 1.0
        self.done[stage] = max(self.done.get(stage, 0.0), done / max(1, total))

    def fraction(self) -> float:
        """Part of the planned work that is done, in [0, 1]."""
        planned = self._done_share() + self._left_share()
        return self._done_share() / planned if planned else 0.0

    def left_s(self, now_s: float) -> float | None:
        """Seconds until the end; None where neither the run nor a prior says how fast it goes."""
        done = self._done_share() + self.prior_s
        if not done:
            return None
        return (now_s - self.started_s + self.prior_s) / done * self._left_share()

    def _done_share(self) -> float:
        return sum(self.shares.get(stage, 0) * part for stage, part in self.done.items())

    def _left_share(self) -> float:
        order = list(self.shares)
        reported = [order.index(stage) for stage in self.done if stage in self.shares]
        ahead = order[max(reported) + 1 :] if reported else order
        current = sum(self.shares.get(s, 0) * (1 - part) for s, part in self.done.items())
        return current + sum(self.shares[stage] for stage in ahead)
