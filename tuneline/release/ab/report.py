"""What is known of a test at one time."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

from tuneline.release.ab.config import ABTestConfig
from tuneline.release.ab.outcomes import RowCounts

GuardrailVerdict = Literal["pass", "fail", "cannot tell"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One variant's traffic."""

    release: str
    users: int
    requests: int
    measured: int
    """Requests that have the metric."""
    value: float | None
    """Mean of the metric over these; None where there are none."""


@dataclass(frozen=True, slots=True)
class Look:
    """The gain at one time, challenger against champion; positive is better."""

    at: str
    """ISO 8601 in UTC."""
    measured: int
    """Requests with the metric until then, of both variants."""
    gain: float | None
    low: float | None
    """Lower end of the interval; None where too few users carry the variance for one."""
    high: float | None
    variance: float | None
    """Of the gain, between users."""


@dataclass(frozen=True, slots=True)
class GuardrailStatus:
    """Whether the challenger keeps a rule."""

    rule: str
    verdict: GuardrailVerdict
    reason: str
    value: float | None = None
    """What the rule bounds, as observed: a percentile, a rate or a mean."""


@dataclass(frozen=True, slots=True)
class UserRatio:
    """Whether the users are split as they should be (sample ratio mismatch)."""

    expected: float
    """Share of the challenger that the test set."""
    observed: float | None
    p_value: float
    """Always valid: the chance of ever seeing as much evidence of a wrong ratio without one."""
    is_wrong: bool


@dataclass(frozen=True, slots=True)
class ABReport:
    """A test at one time, from its start."""

    domain: str
    test: str
    config: ABTestConfig
    started: str
    """ISO 8601 in UTC."""
    at: str
    champion: Arm
    challenger: Arm
    looks: tuple[Look, ...]
    """By time; the last one is now."""
    ratio: UserRatio
    guardrails: tuple[GuardrailStatus, ...]
    rows: RowCounts
    days: float
    """Since the start."""
    requests_per_day: float
    days_left: float | None
    """Until the interval is `min_effect` wide to each side at the present pace; None: unknown."""

    @property
    def now(self) -> Look:
        """The last look."""
        return self.looks[-1]

    def to_json(self) -> dict[str, Any]:
        """All of it, JSON-ready; its digest is the evidence of a verdict."""
        return {**asdict(self), "config": self.config.model_dump(mode="json")}
