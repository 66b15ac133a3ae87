"""Search space: profile -> what is tried, a trial's values -> training settings. Pure."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from tuneline.errors import SearchError
from tuneline.search.config import SearchConfig
from tuneline.training.config import TrainingConfig

Value = str | int | float
WITHOUT_ADAPTER: Mapping[str, frozenset[str]] = {
    "galore": frozenset({"rank", "learning_rate"}),
    "freeze": frozenset({"learning_rate"}),
    "full": frozenset({"learning_rate"}),
}
"""Method -> the searched settings that mean something to it; adapters know all of them."""
BETWEEN = "+"
"""Joins the names of modules in a trial's value."""


@dataclass(frozen=True, slots=True)
class Space:
    """Setting of `TrainingConfig` -> what is tried."""

    choices: Mapping[str, Sequence[Value]]
    """Setting -> its values, more than one."""
    ranges: Mapping[str, tuple[float, float]]
    """Setting -> lowest and highest value, logarithmic."""
    start: Mapping[str, Value]
    """The profile's own values, tried first; always inside the space."""


def space_of(search: SearchConfig, training: TrainingConfig) -> Space:
    """What is tried for a profile: the search's values and the profile's own."""
    start: dict[str, Value] = {
        "rank": training.rank,
        "target_modules": encode_targets(training.target_modules),
        "learning_rate": training.learning_rate,
        "dropout": training.dropout,
    }
    tried: dict[str, Sequence[Value]] = {
        "rank": search.ranks,
        "target_modules": [encode_targets(targets) for targets in search.target_modules],
        "dropout": search.dropouts,
    }
    used = WITHOUT_ADAPTER.get(training.method, frozenset(start))
    choices = {name: _with(start[name], tried[name]) for name in tried if name in used}
    low, high = search.learning_rate
    rate = training.learning_rate
    return Space(
        choices={name: values for name, values in choices.items() if len(values) > 1},
        ranges={"learning_rate": (min(low, rate), max(high, rate))},
        start=start,
    )


def _with(own: Value, values: Sequence[Value]) -> Sequence[Value]:
    return tuple(dict.fromkeys([*values, own]))


def encode_targets(targets: str | Sequence[str]) -> str:
    """`target_modules` as one value: a word, or names with `+` between them."""
    return targets if isinstance(targets, str) else BETWEEN.join(targets)


def trial_settings(
    training: TrainingConfig,
    values: Mapping[str, Value],
    modules: Mapping[str, tuple[str, ...]],
) -> TrainingConfig:
    """The profile's settings with a trial's values, learning rates to three digits.

    Args:
        training: The profile's settings.
        values: Setting -> value, as in a `Space`.
        modules: attention, mlp -> names of the base model's modules.
    """
    changes: dict[str, Any] = dict(values)
    rate = float(values.get("learning_rate", training.learning_rate))
    if rate != training.learning_rate:
        changes["learning_rate"] = float(f"{rate:.2e}")
    if targets := changes.get("target_modules"):
        changes["target_modules"] = _decode_targets(str(targets), modules)
    return TrainingConfig.model_validate(training.model_dump() | changes)


def _decode_targets(value: str, modules: Mapping[str, tuple[str, ...]]) -> str | tuple[str, ...]:
    if value == "all-linear":
        return value
    return modules.get(value) or tuple(value.split(BETWEEN))


def for_trials(training: TrainingConfig, n_records: int, measurements: int) -> TrainingConfig:
    """The profile's settings as every trial has them: as long, and measured evenly to the end.

    The steps are cut to a multiple of the distance between two measurements, and early stopping is
    left to the search.

    Raises:
        SearchError: Packing leaves open how many steps there are.
    """
    if training.packing and training.max_steps is None:
        raise SearchError(
            "with training.packing the number of steps is not known before; "
            "give training.max_steps for the search, such as --set training.max_steps=200"
        )
    batch = training.batch_size * training.gradient_accumulation * training.n_processes
    per_epoch = math.ceil(n_records / batch)
    steps = training.max_steps or math.ceil(training.epochs * per_epoch)
    every = max(1, steps // measurements)
    changes = {
        "max_steps": steps - steps % every,
        "validate_every_steps": every,
        "checkpoint_every_steps": every,
        "early_stopping_patience": None,
    }
    return TrainingConfig.model_validate(training.model_dump() | changes)


def final_loss(losses: Sequence[tuple[int, float]], *, keeps_best: bool) -> float:
    """The validation loss of the weights that a training ends with.

    Args:
        losses: (step, validation loss) in order, at least one.
        keeps_best: Whether the profile stops early and keeps the best checkpoint.
    """
    values = [loss for _, loss in losses]
    return min(values) if keeps_best else values[-1]


def overrides(training: TrainingConfig, values: Mapping[str, Value], chosen: TrainingConfig) -> str:
    """`--set` arguments that make the profile's settings those of a trial; empty where they are.

    Args:
        training: The profile's settings.
        values: The trial's values.
        chosen: The trial's settings.
    """
    changed = [name for name in values if getattr(chosen, name) != getattr(training, name)]
    return " ".join(f"--set {shown(name, getattr(chosen, name))}" for name in changed)


def shown(name: str, value: Any) -> str:
    """A setting of the training as an override: `training.target_modules=[q_proj,v_proj]`."""
    if isinstance(value, float):
        value = f"{Decimal(repr(value)):f}"  # YAML takes 5e-06 for a word
    elif not isinstance(value, str | int):
        value = f"[{','.join(value)}]"
    return f"training.{name}={value}"
