"""The search space: what is tried, and what it makes of a profile's settings."""

import pytest

from tuneline.errors import SearchError
from tuneline.profile import parse_override
from tuneline.search.config import SearchConfig
from tuneline.search.space import (
    final_loss,
    for_trials,
    overrides,
    shown,
    space_of,
    trial_settings,
)
from tuneline.training.config import TrainingConfig

SEARCH = SearchConfig()
MODULES = {"attention": ("q_proj", "v_proj"), "mlp": ("up_proj",)}


def test_the_profile_s_own_values_are_always_in_the_space():
    training = TrainingConfig(
        rank=12, dropout=0.3, learning_rate=0.01, target_modules=("c_attn", "c_proj")
    )
    space = space_of(SEARCH, training)
    assert space.choices == {
        "rank": (8, 16, 32, 64, 12),
        "target_modules": ("all-linear", "attention", "mlp", "c_attn+c_proj"),
        "dropout": (0.0, 0.05, 0.1, 0.3),
    }
    assert space.ranges == {"learning_rate": (5e-5, 0.01)}
    assert space.start == {
        "rank": 12,
        "target_modules": "c_attn+c_proj",
        "learning_rate": 0.01,
        "dropout": 0.3,
    }
    assert trial_settings(training, space.start, MODULES) == training


def test_what_has_one_value_is_not_searched():
    search = SearchConfig(ranks=(16,), target_modules=("all-linear",), dropouts=(0.05, 0.1))
    assert space_of(search, TrainingConfig()).choices == {"dropout": (0.05, 0.1)}


@pytest.mark.parametrize(
    ("method", "searched"),
    [
        ("dora", {"rank", "target_modules", "dropout"}),
        ("galore", {"rank"}),
        ("freeze", set()),
        ("full", set()),
    ],
)
def test_only_what_means_something_to_the_method_is_searched(method, searched: set[str]):
    space = space_of(SEARCH, TrainingConfig(method=method))
    assert set(space.choices) == searched
    assert set(space.ranges) == {"learning_rate"}


def test_a_trial_changes_its_values_and_nothing_else():
    values = {"rank": 64, "target_modules": "attention", "learning_rate": 0.000123456}
    config = trial_settings(TrainingConfig(), values, MODULES)
    assert config == TrainingConfig(
        rank=64, target_modules=("q_proj", "v_proj"), learning_rate=0.000123
    )


def test_the_overrides_of_a_trial_give_its_settings_back():
    training = TrainingConfig(method="lora", dropout=0.1)
    values = {"rank": 8, "target_modules": "mlp", "learning_rate": 4.56789e-05, "dropout": 0.1}
    chosen = trial_settings(training, values, MODULES)
    line = overrides(training, values, chosen)
    assert line == (
        "--set training.rank=8 --set training.target_modules=[up_proj] "
        "--set training.learning_rate=0.0000457"
    )
    settings = dict(parse_override(part) for part in line.split() if part != "--set")
    changes = {key.removeprefix("training."): value for key, value in settings.items()}
    assert TrainingConfig.model_validate(training.model_dump() | changes) == chosen
    assert overrides(training, {"rank": 16}, training) == ""


@pytest.mark.parametrize("value", [5e-06, 0.0013, 1e-4, 0.05, 1.0, 0.0])
def test_a_number_is_still_one_after_it_was_read_as_yaml(value: float):
    assert parse_override(shown("learning_rate", value)) == ("training.learning_rate", value)


@pytest.mark.parametrize(
    ("training", "steps", "every"),
    [
        (TrainingConfig(max_steps=100), 96, 12),
        (TrainingConfig(max_steps=8), 8, 1),
        (TrainingConfig(max_steps=5), 5, 1),
        # ceil(401 / 8) = 51 steps an epoch, 2.5 epochs: 128
        (TrainingConfig(epochs=2.5, batch_size=4, gradient_accumulation=2), 128, 16),
    ],
)
def test_trials_are_as_long_as_the_profile_s_training_and_measured_to_the_end(
    training: TrainingConfig, steps: int, every: int
):
    config = for_trials(training, 401, 8)
    assert (config.max_steps, config.validate_every_steps) == (steps, every)
    assert config.checkpoint_every_steps == every
    assert steps % every == 0


def test_early_stopping_is_left_to_the_search():
    training = TrainingConfig(
        validate_every_steps=50, checkpoint_every_steps=50, early_stopping_patience=3
    )
    assert for_trials(training, 400, 8).early_stopping_patience is None


def test_packed_trials_need_a_number_of_steps():
    with pytest.raises(SearchError, match=r"training\.max_steps"):
        for_trials(TrainingConfig(packing=True), 400, 8)
    assert for_trials(TrainingConfig(packing=True, max_steps=16), 400, 8).max_steps == 16


def test_the_loss_is_that_of_the_weights_that_are_kept():
    losses = [(10, 0.5), (20, 0.3), (30, 0.4)]
    assert final_loss(losses, keeps_best=False) == 0.4
    assert final_loss(losses, keeps_best=True) == 0.3


def test_learning_rates_that_are_no_range_are_refused():
    with pytest.raises(ValueError, match=r"\[lowest, highest\] above 0"):
        SearchConfig(learning_rate=(1e-3, 1e-4))
    with pytest.raises(ValueError, match=r"\[lowest, highest\] above 0"):
        SearchConfig(learning_rate=(0, 1e-4))
