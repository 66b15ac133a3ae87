"""What pre-flight found, what it forecasts, and what stops a run."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tuneline.errors import TrainingError
from tuneline.reports import TrainingReport

Level = Literal["ok", "warning", "error"]
Row = dict[str, str]
ESTIMATE = "estimate"
"""Column of forecast numbers: none of them is measured."""


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    level: Level
    """error: the run would fail or learn the wrong thing, and does not start."""
    sentence: str
    """What is so, with numbers; for warnings and errors also the way out."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """Estimates, made from configuration, settings and token counts before anything is loaded."""

    n_trainable: int
    """Trained parameters; exact, as the shapes are known."""
    n_parameters: int
    """Parameters of the base model."""
    memory_mib: Mapping[str, float]
    """Part (weights, adapter, gradients, optimizer, activations, ...) -> MiB at the peak."""
    n_steps: int
    """Optimizer steps; fewer where early stopping ends the run."""
    n_tokens: int
    """Tokens that pass through the model in training, padding included."""
    flops: float
    """Floating-point operations of the run, validation included."""
    flops_per_s: float
    """Speed that the time is estimated by."""
    speed_basis: str
    """Where that speed comes from."""
    hardware: str
    """Name of the GPU, or of the processor and its cores."""
    cost: float | None
    """Time x price per hour, in the unit of the price; None without a price."""
    n_down: int = 0
    """Steps down the ladder of memory (`training.ladder`) that the run begins with."""

    @property
    def train_s(self) -> float:
        """Seconds inside the trainer."""
        return self.flops / self.flops_per_s

    @property
    def peak_memory_mib(self) -> float:
        """All parts of the memory together."""
        return sum(self.memory_mib.values())


@dataclass(frozen=True, slots=True)
class PreflightReport:
    """All checks and the forecast."""

    subject: str
    """Digest of base model, records, settings and machine."""
    checks: tuple[Check, ...]
    forecast: Forecast | None
    """None where the settings do not fit the model."""

    @property
    def errors(self) -> tuple[Check, ...]:
        """Checks that stop a run."""
        return tuple(check for check in self.checks if check.level == "error")


def check(report: PreflightReport) -> None:
    """Stop where something would fail.

    Raises:
        TrainingError: Names every failed check at once.
    """
    if failed := report.errors:
        n = len(failed)
        count = "1 check fails" if n == 1 else f"{n} checks fail"
        raise TrainingError(
            f"pre-flight: {count}. " + " ".join(f"{c.name}: {c.sentence}." for c in failed)
        )


def check_rows(report: PreflightReport) -> list[Row]:
    """The checks as a table, worst first."""
    order: Sequence[Level] = ("error", "warning", "ok")
    found = sorted(report.checks, key=lambda c: order.index(c.level))
    return [{"check": c.name, "result": c.level, "what was found": c.sentence} for c in found]


def forecast_rows(forecast: Forecast, measured: TrainingReport | None = None) -> list[Row]:
    """The forecast as a table: what, its estimate, what was measured, how the estimate came to be.

    Args:
        forecast: Made before the run.
        measured: What the run was; None before it.
    """
    return [
        {
            "quantity": quantity,
            ESTIMATE: estimate,
            **({} if measured is None else {"measured": value}),
            "how it was estimated": basis,
        }
        for quantity, estimate, value, basis in _quantities(forecast, measured)
    ]


def _quantities(
    forecast: Forecast, measured: TrainingReport | None
) -> list[tuple[str, str, str, str]]:
    found = measured or TrainingReport(0, 0, 0, 0.0, 0.0, (), (), "")
    share = forecast.n_trainable / forecast.n_parameters
    memory = ", ".join(f"{part} {mib:,.0f}" for part, mib in forecast.memory_mib.items())
    quantities = [
        (
            "trainable parameters",
            f"{forecast.n_trainable:,}",
            f"{found.n_trainable_parameters:,}",
            f"from the shapes; {share:.2%} of {forecast.n_parameters:,}",
        ),
        (
            "peak memory, MiB",
            f"{forecast.peak_memory_mib:,.0f}",
            f"{found.peak_memory_mib:,.0f}",
            memory,
        ),
        ("steps", f"{forecast.n_steps:,}", f"{found.n_steps:,}", "rows, batch and epochs"),
        ("training time", duration(forecast.train_s), duration(found.train_s), _speed(forecast)),
    ]
    if forecast.cost is not None:
        spent = forecast.cost * found.train_s / forecast.train_s
        basis = "training time x price_per_hour"
        quantities.append(("cost", f"{forecast.cost:,.2f}", f"{spent:,.2f}", basis))
    return quantities


def _speed(forecast: Forecast) -> str:
    rate = forecast.n_tokens / forecast.train_s
    return (
        f"{forecast.n_tokens:,} tokens at {rate:,.0f} tokens/s: {forecast.flops_per_s / 1e12:.3g} "
        f"TFLOP/s, {forecast.speed_basis}"
    )


def duration(seconds: float) -> str:
    """`under 1 s`, `45 s`, `12 min` or `3 h 20 min`."""
    if seconds < 1:
        return "under 1 s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60:02d} min"
