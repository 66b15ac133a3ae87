"""False positives and power of A/B tests that are looked at again and again.

    python -m benchmarks.ab_testing

writes benchmarks/results/ab_testing.json: how many of 1,000 tests without any effect ever said that
there is one, for a naive test and for ours; and how much more traffic ours needs than a test of a
size that is fixed before.
"""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.stats import norm

from tuneline.release.ab.sequential import (
    MIN_EVIDENCE,
    clustered_mean,
    half_width,
    mixture_scale,
)

ALPHA, LOOKS, RUNS = 0.05, 30, 1000
SINGLE_LOOK = float(norm.ppf(1 - ALPHA / 2))
RESULTS = Path(__file__).parent / "results" / "ab_testing.json"


class Traffic(NamedTuple):
    """Users of a simulated test and what they do."""

    per_look: tuple[int, int]
    """New users of champion and challenger between two looks."""
    rate: float
    """Mean of the 0/1 metric."""
    alike: float = 0.0
    """Correlation of two requests of one user."""
    returning: float = 0.0
    """Requests of each known user between two looks, on average."""
    requests: int = 1
    """Requests of a new user."""
    gain: float = 0.0
    """True difference, challenger - champion."""


class Looks(NamedTuple):
    """What was seen; arrays of shape (looks, runs)."""

    gain: np.ndarray
    variance: np.ndarray
    """Between users."""
    between_requests: np.ndarray
    """The variance that would be right if all requests were of different users."""
    evidence: np.ndarray


def arm(
    rng: np.random.Generator, n_new: int, rate: float, traffic: Traffic, runs: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Sums and counts of each user at each look, shape (runs, users so far)."""
    users = n_new * LOOKS
    own: Any = rate
    if traffic.alike:
        weight = (1 - traffic.alike) / traffic.alike
        own = rng.beta(rate * weight, (1 - rate) * weight, (runs, users))
    own = np.broadcast_to(own, (runs, users))
    sums, counts = np.zeros((runs, users)), np.zeros((runs, users))
    for look in range(LOOKS):
        known = n_new * look
        new = np.zeros((runs, users), dtype=int)
        new[:, known : known + n_new] = traffic.requests
        if traffic.returning:
            new[:, :known] = rng.poisson(traffic.returning, (runs, known))
        counts += new
        sums += rng.binomial(new, own)
        yield sums[:, : known + n_new], counts[:, : known + n_new]


def simulate(traffic: Traffic, seed: int, runs: int = RUNS) -> Looks:
    """Run tests side by side and look at each 30 times."""
    rng, seen = np.random.default_rng(seed), []
    rates = (traffic.rate, traffic.rate + traffic.gain)
    arms = [
        arm(rng, n, rate, traffic, runs) for n, rate in zip(traffic.per_look, rates, strict=True)
    ]
    for sides in zip(*arms, strict=True):
        theirs, ours = (clustered_mean(*side) for side in sides)
        naive = sum(
            mean.value * (1 - mean.value) / counts.sum(axis=-1)
            for mean, (_, counts) in zip((theirs, ours), sides, strict=True)
        )
        evidence = np.minimum(ours.evidence, theirs.evidence)
        seen.append((ours.value - theirs.value, ours.variance + theirs.variance, naive, evidence))
    return Looks(*(np.array(part) for part in zip(*seen, strict=True)))


def ever_wrong(
    looks: Looks, min_effect: float, *, truth: float = 0.0, variance: np.ndarray | None = None
) -> float:
    """Share of the tests whose interval ever missed the truth."""
    used = looks.variance if variance is None else variance
    wide = half_width(used, ALPHA, mixture_scale(min_effect, ALPHA))
    missed = (np.abs(looks.gain - truth) > wide) & (looks.evidence >= MIN_EVIDENCE)
    return float(missed.any(axis=0).mean())


def ever_wrong_naively(looks: Looks) -> float:
    """Share of the tests without effect that 30 tests at 5 % ever call a difference."""
    far = np.abs(looks.gain) > SINGLE_LOOK * np.sqrt(looks.variance)
    return float(far.any(axis=0).mean())


def power(true_effect: float, runs: int = 20_000, seed: int = 0) -> dict[str, float]:
    """Traffic that our test takes, in units of what a fixed one needs for 80 % power.

    The fixed test knows the true effect, but for the last number, where it is planned for
    `min_effect` and takes the traffic for that whatever the truth.

    Args:
        true_effect: In units of `min_effect`.
        runs: Simulated tests, as Brownian motion: any metric, once users are many.
        seed: Of the simulation.
    """
    unit = (true_effect / (SINGLE_LOOK + float(norm.ppf(0.8)))) ** 2
    per_unit, units = 50, 8
    size = np.arange(1, per_unit * units + 1) / per_unit
    rng = np.random.default_rng(seed)
    steps = rng.normal(scale=np.sqrt(unit * per_unit), size=(runs, size.size)).astype(np.float32)
    gain = np.cumsum(steps, axis=1) / np.arange(1, size.size + 1) + true_effect
    found = gain > half_width(unit / size, ALPHA, mixture_scale(1.0, ALPHA))
    when = np.where(found.any(axis=1), size[found.argmax(axis=1)], np.inf)
    return {
        "true_effect": true_effect,
        "found_with_the_fixed_traffic": round(float((when <= 1).mean()), 3),
        "traffic_for_80_percent": round(float(np.quantile(when, 0.8)), 2),
        "median_traffic_until_found": round(float(np.median(when)), 2),
        "traffic_for_80_percent_if_planned_for_min_effect": round(
            float(np.quantile(when, 0.8)) / true_effect**2, 2
        ),
    }


CASES = {
    "one request per user": (Traffic((25, 25), 0.5), 0.08),
    "users come again": (Traffic((15, 15), 0.4, alike=0.6, returning=0.2, requests=3), 0.06),
    "split 90/10": (Traffic((180, 20), 0.5, alike=0.2, returning=0.3), 0.05),
    "rate of 4 %": (Traffic((40, 24), 0.04, alike=0.1, requests=4), 0.02),
}
"""Name -> traffic without effect, and the smallest effect of its test."""


def main() -> None:
    """Measure and write the results."""
    false_positives = []
    for name, (traffic, min_effect) in CASES.items():
        looks = simulate(traffic, seed=1)
        false_positives.append(
            {
                "traffic": name,
                "naive": ever_wrong_naively(looks),
                "requests_taken_for_users": ever_wrong(
                    looks, min_effect, variance=looks.between_requests
                ),
                "tuneline": ever_wrong(looks, min_effect),
            }
        )
    result = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "runs": RUNS,
        "looks": LOOKS,
        "alpha": ALPHA,
        "false_positives": false_positives,
        "power": [power(effect) for effect in (1.0, 1.5, 2.0, 3.0)],
    }
    text = json.dumps(result, indent=1)
    RESULTS.write_text(text + "\n")
    print(text)


if __name__ == "__main__":
    main()
