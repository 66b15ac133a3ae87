"""Requests of a test -> what is known of it now. Looking changes nothing: all is computed anew."""

import math
from datetime import datetime
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from tuneline.release.ab.config import ABTestConfig
from tuneline.release.ab.guarding import check_guardrail
from tuneline.release.ab.outcomes import RowCounts
from tuneline.release.ab.report import ABReport, Arm, GuardrailStatus, Look, UserRatio
from tuneline.release.ab.sequential import (
    MIN_EVIDENCE,
    clustered_mean,
    half_width,
    log_e_value,
    mixture_scale,
    needed_variance,
)

if TYPE_CHECKING:
    import polars as pl

N_LOOKS = 60
"""Points of the picture over time."""
RATIO_CONCENTRATION = 100.0
"""Of the beta distribution around the set share of users, as in Lindon & Malek (2022)."""
DAY_S = 86_400.0


class Facts(NamedTuple):
    """What the ledger says of a test."""

    domain: str
    test: str
    champion: str
    """Release name."""
    challenger: str
    start: datetime


def analyse(
    facts: Facts, config: ABTestConfig, requests: "pl.DataFrame", rows: RowCounts, now: datetime
) -> ABReport:
    """Interval, ratio of users, guardrails and time left.

    Args:
        facts: The test.
        config: Its settings.
        requests: As `requests_of` gives them.
        rows: Where all rows went.
        now: Time of the look, in UTC.
    """
    days = max((now - facts.start).total_seconds() / DAY_S, 1 / 24)
    looks = _looks(requests, config, facts.start, now)
    champion, challenger = (
        _arm(requests, variant, config.metric, release)
        for variant, release in (("champion", facts.champion), ("challenger", facts.challenger))
    )
    return ABReport(
        domain=facts.domain,
        test=facts.test,
        config=config,
        started=_iso(facts.start),
        at=_iso(now),
        champion=champion,
        challenger=challenger,
        looks=looks,
        ratio=user_ratio(challenger.users, champion.users, config),
        guardrails=_guardrails(requests, config),
        rows=rows,
        days=days,
        requests_per_day=requests.height / days,
        days_left=_days_left(looks, config, days),
    )


def gain_look(
    at: datetime, sums: np.ndarray, counts: np.ndarray, is_challenger: np.ndarray,
    config: ABTestConfig,
) -> Look:  # fmt: skip
    """The gain and its interval from each user's sum and count of the metric."""
    sides = (clustered_mean(sums[side], counts[side]) for side in (is_challenger, ~is_challenger))
    ours, theirs = sides
    measured = int(counts.sum())
    gain = float(ours.value - theirs.value) * (-1 if config.lower_is_better else 1)
    if not math.isfinite(gain):
        return Look(_iso(at), measured, None, None, None, None)
    if not min(ours.evidence, theirs.evidence) >= MIN_EVIDENCE:
        return Look(_iso(at), measured, gain, None, None, None)
    variance = ours.variance + theirs.variance
    scale = mixture_scale(config.min_effect, config.alpha)
    half = float(half_width(variance, config.alpha, scale))
    return Look(_iso(at), measured, gain, gain - half, gain + half, float(variance))


def user_ratio(n_challenger: int, n_champion: int, config: ABTestConfig) -> UserRatio:
    """Compare the users seen with the split; exact, since each user is one independent draw."""
    n, share = n_challenger + n_champion, config.challenger_share
    prior = (RATIO_CONCENTRATION * share, RATIO_CONCENTRATION * (1 - share))
    p_value = min(1.0, math.exp(-log_e_value(n_challenger, n, share, prior)))
    observed = n_challenger / n if n else None
    return UserRatio(share, observed, p_value, p_value <= config.srm_alpha)


def _looks(
    requests: "pl.DataFrame", config: ABTestConfig, start: datetime, now: datetime
) -> tuple[Look, ...]:
    measured = _with(requests, config.metric)
    times = measured["time"].to_numpy().astype("datetime64[us]")
    users = measured["user_id"].rank("dense").to_numpy().astype(int) - 1
    values = measured[config.metric].to_numpy() if measured.height else np.zeros(0)
    is_challenger = np.zeros(users.max(initial=-1) + 1, dtype=bool)
    is_challenger[users[(measured["variant"] == "challenger").to_numpy()]] = True
    looks = []
    for number in range(1, N_LOOKS + 1):
        at = start + (now - start) * number / N_LOOKS
        stop = int(np.searchsorted(times, np.datetime64(at.replace(tzinfo=None), "us"), "right"))
        counts = np.bincount(users[:stop], minlength=is_challenger.size).astype(float)
        sums = np.bincount(users[:stop], weights=values[:stop], minlength=is_challenger.size)
        looks.append(gain_look(at, sums, counts, is_challenger, config))
    return tuple(looks)


def _arm(requests: "pl.DataFrame", variant: str, metric: str, release: str) -> Arm:
    own = requests.filter(requests["variant"] == variant)
    measured = _with(own, metric)
    value = float(measured[metric].to_numpy().mean()) if measured.height else None
    return Arm(release, own["user_id"].n_unique(), own.height, measured.height, value)


def _guardrails(requests: "pl.DataFrame", config: ABTestConfig) -> tuple[GuardrailStatus, ...]:
    challenger = requests.filter(requests["variant"] == "challenger")
    checked = []
    for guard in config.guards():
        own = _with(challenger, guard.field)
        users = own["user_id"].rank("dense").to_numpy().astype(int) - 1
        values = own[guard.field].to_numpy() if own.height else np.zeros(0)
        checked.append(check_guardrail(guard, values, users, config.alpha))
    return tuple(checked)


def _with(requests: "pl.DataFrame", field: str) -> "pl.DataFrame":
    """Requests that have the field."""
    if field not in requests.columns:
        return requests.clear()
    return requests.filter(requests[field].is_not_null())


def _days_left(looks: tuple[Look, ...], config: ABTestConfig, days: float) -> float | None:
    """From what the second half of the time added to the information, which is 1 / variance.

    Users who come again add less than new ones; the information counts what they add.
    """
    last, half = looks[-1].variance, looks[len(looks) // 2 - 1].variance
    if last is None:
        return None
    missing = 1 / needed_variance(config.min_effect, config.alpha) - 1 / last
    if missing <= 0:
        return 0.0
    per_day = (1 / last - (1 / half if half else 0.0)) / (days / 2 if half else days)
    return missing / per_day if per_day > 0 else None


def _iso(time: datetime) -> str:
    return time.isoformat(timespec="seconds")
