"""What an A/B test asks, settled before it starts."""

import re
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tuneline.errors import ABTestError

FIELD = r"[a-z][a-z0-9_]*"
"""Grammar of a metric's name in the outcomes."""
GUARDRAIL = re.compile(
    rf"(?:p(?P<percent>[1-9][0-9]?)_(?P<quantile>{FIELD})|mean_(?P<mean>{FIELD})|"
    rf"(?P<rate>{FIELD})_rate)\s*(?P<sign><=|>=)\s*(?P<limit>-?[0-9]+(?:\.[0-9]+)?)"
)


@dataclass(frozen=True, slots=True)
class Guardrail:
    """What the challenger must keep, whatever it gains."""

    rule: str
    """As it was written."""
    kind: Literal["quantile", "mean", "rate"]
    field: str
    """Metric that it is about."""
    is_upper: bool
    """True for `<=`."""
    limit: float
    quantile: float = 0.0
    """In (0, 1), for kind quantile."""


def parse_guardrail(rule: str) -> Guardrail:
    """Read `p95_latency_s<=1.0`, `error_rate<=0.01` or `mean_tokens<=400`.

    Raises:
        ABTestError: The text has another form, or a rate has a limit outside (0, 1).
    """
    match = GUARDRAIL.fullmatch(rule.strip())
    if match is None:
        raise ABTestError(
            f"guardrail '{rule}' is none; write p95_latency_s<=1.0 for a percentile, "
            "error_rate<=0.01 for the share of a 0/1 field 'error', mean_tokens<=400 for a mean"
        )
    kind: Literal["quantile", "mean", "rate"] = (
        "quantile" if match["quantile"] else "mean" if match["mean"] else "rate"
    )
    limit = float(match["limit"])
    if kind == "rate" and not 0 < limit < 1:
        raise ABTestError(f"guardrail '{rule}': the limit of a rate lies between 0 and 1")
    quantile = int(match["percent"] or 0) / 100
    return Guardrail(rule, kind, match[kind], match["sign"] == "<=", limit, quantile)


def parse_split(text: str) -> float:
    """Share of the challenger in `90/10`, champion first.

    Raises:
        ABTestError: The text is no split of 100.
    """
    match = re.fullmatch(r"([0-9]{1,2}(?:\.[0-9]+)?)/([0-9]{1,2}(?:\.[0-9]+)?)", text.strip())
    champion, challenger = (float(match[1]), float(match[2])) if match else (0.0, 0.0)
    if champion <= 0 or challenger <= 0 or abs(champion + challenger - 100) > 1e-9:
        raise ABTestError(f"split '{text}' is none; write champion/challenger in percent: 90/10")
    return challenger / 100


class ABTestConfig(BaseModel):
    """The question of one test; it stands in the ledger and is never changed."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    metric: str = Field(pattern=f"^{FIELD}$")
    """Field of the outcomes that is compared: its mean over requests."""
    min_effect: float = Field(gt=0)
    """Smallest gain worth a change of the champion, in the metric's own unit."""
    challenger_share: float = Field(default=0.1, gt=0, lt=1)
    """Share of the users that sees the challenger."""
    guardrails: tuple[str, ...] = ()
    """Rules that the challenger must keep, such as `error_rate<=0.01`."""
    lower_is_better: bool = False
    """For metrics such as turns per task."""
    alpha: float = Field(default=0.05, gt=0, lt=0.5)
    """Chance that the metric's intervals ever miss the true difference; the same per guardrail."""
    srm_alpha: float = Field(default=0.001, gt=0, lt=0.5)
    """Chance of ever seeing a wrong ratio of users where there is none."""
    max_days: float = Field(default=28, gt=0)
    """The scheduled flow ends the test after so many days even if nobody can tell."""
    salt: str = Field(min_length=1, max_length=200)
    """Salt of the assignment; one per test."""

    @field_validator("guardrails")
    @classmethod
    def _are_rules(cls, rules: tuple[str, ...]) -> tuple[str, ...]:
        for rule in rules:
            parse_guardrail(rule)
        return rules

    def guards(self) -> list[Guardrail]:
        """The guardrails, read."""
        return [parse_guardrail(rule) for rule in self.guardrails]
