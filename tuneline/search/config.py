"""Settings of a search for training settings."""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Targets = Literal["all-linear", "attention", "mlp"] | tuple[str, ...]


class SearchConfig(BaseModel):
    """What is tried, and how much of it; the profile's own settings are always the first trial."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    trials: int = Field(default=20, ge=1)
    """Trials of the whole search, over all its processes and repetitions."""
    minutes: float | None = Field(default=None, gt=0)
    """Wall time of one `tuneline search`: no trial starts that would likely end later."""
    ranks: tuple[Annotated[int, Field(ge=1)], ...] = Field(default=(8, 16, 32, 64), min_length=1)
    """Values of `training.rank`; alpha stays as it is, so that the rank does not move the best
    learning rate."""
    target_modules: tuple[Targets, ...] = Field(
        default=("all-linear", "attention", "mlp"), min_length=1
    )
    """Values of `training.target_modules`. attention and mlp: the linear modules of the base model
    inside its attention blocks, and outside of them. Else names of modules."""
    learning_rate: tuple[float, float] = (5e-5, 3e-3)
    """Lowest and highest `training.learning_rate`, tried evenly by their logarithm."""
    dropouts: tuple[Annotated[float, Field(ge=0, lt=1)], ...] = Field(
        default=(0.0, 0.05, 0.1), min_length=1
    )
    """Values of `training.dropout`."""
    measurements: int = Field(default=8, ge=2)
    """Validation losses per trial; after each, a trial that is behind may be stopped."""
    full_trials: int = Field(default=5, ge=1)
    """Trials that run to their end before others are compared with them and stopped early."""
    seed: int = 0
    """Seed of the values that are tried."""

    @model_validator(mode="after")
    def _rates_are_a_range(self) -> "SearchConfig":
        low, high = self.learning_rate
        if not 0 < low <= high:
            raise ValueError(
                f"learning_rate must be [lowest, highest] above 0, not [{low}, {high}]"
            )
        return self
