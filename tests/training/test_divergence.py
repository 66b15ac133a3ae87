"""A training that diverges stops, and leaves its last good checkpoint."""

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.training.watched import WEIGHTS, Run, checkpoints
from tuneline.errors import TrainingError
from tuneline.reports import TrainingReport
from tuneline.store import file_digest
from tuneline.training.methods import METHODS


def nan(output: torch.Tensor) -> torch.Tensor:
    return output * torch.nan


def nan_gradient(output: torch.Tensor) -> torch.Tensor:
    output.register_hook(lambda gradient: gradient * torch.nan)
    return output


def assert_finite(folder: Path) -> None:
    weights = load_file(folder / "adapter_model.safetensors")
    assert weights and all(tensor.isfinite().all() for tensor in weights.values())


@pytest.mark.parametrize(
    ("hurt", "what"), [(nan, "the loss is NaN"), (nan_gradient, "the gradient norm is NaN")]
)
def test_a_nan_stops_at_its_step_and_keeps_the_last_good_checkpoint(
    run: Run, tmp_path: Path, hurt: Callable[[torch.Tensor], torch.Tensor], what: str
):
    run.breaks(6, hurt)  # a step with a checkpoint
    with pytest.raises(TrainingError, match=f"training diverged: {what} at step 6") as error:
        run(tmp_path)
    assert run.steps[-1] == max(run.numbers) == 6
    last_good = tmp_path / "checkpoints" / "checkpoint-4"
    assert f"The last good checkpoint is {last_good}." in str(error.value)
    assert "divide training.learning_rate by 3" in str(error.value)
    assert checkpoints(tmp_path) == ["checkpoint-2", "checkpoint-4"]
    assert_finite(last_good)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoints"}, "no adapter, no report"


def test_the_same_settings_again_say_that_they_diverged_before_and_diverge_again(
    run: Run, tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    run.breaks(6, nan)
    with pytest.raises(TrainingError):
        run(tmp_path)
    with (
        caplog.at_level(logging.WARNING, "tuneline"),
        pytest.raises(
            TrainingError, match=r"diverged \(attempt 2; the same settings diverge again"
        ),
    ):
        run(tmp_path)
    assert run.steps == [4, 5, 6], "from the last good checkpoint"
    assert "an earlier attempt diverged: the loss is NaN at step 6" in caplog.text
    assert checkpoints(tmp_path) == ["checkpoint-2", "checkpoint-4"]


def test_where_the_fault_is_gone_the_next_attempt_ends_as_if_there_had_been_none(
    run: Run, trained: tuple[Path, TrainingReport], tmp_path: Path
):
    with pytest.MonkeyPatch.context() as patch:
        run.patch = patch
        run.breaks(6, nan)
        with pytest.raises(TrainingError):
            run(tmp_path)
    report = run(tmp_path)
    assert file_digest(tmp_path / WEIGHTS) == file_digest(trained[0] / WEIGHTS)
    assert report.losses == trained[1].losses
    assert report.verdict == "healthy"


@pytest.mark.parametrize(
    ("learning_rate", "what", "last_step"),
    [(1e3, "the gradient is exactly 0", 5), (1e30, "the loss is NaN", 3)],
)
def test_a_learning_rate_that_blows_the_weights_up_stops_the_run(
    run: Run, tmp_path: Path, learning_rate: float, what: str, last_step: int
):
    """Step 1 warms up at a rate of 0. Weights are good if the step after them was."""
    with pytest.raises(TrainingError, match=what):
        run(tmp_path, learning_rate=learning_rate, checkpoint_every_steps=1)
    assert run.steps[-1] == last_step
    good = {5: ["checkpoint-2"], 3: ["checkpoint-1"]}[last_step]
    assert checkpoints(tmp_path) == good
    with pytest.raises(TrainingError, match="attempt 2"):
        run(tmp_path, learning_rate=learning_rate, checkpoint_every_steps=1)
    assert run.steps[0] == int(good[0].split("-")[1])


def test_without_a_checkpoint_the_error_names_the_setting(run: Run, tmp_path: Path):
    run.breaks(2, nan)
    with pytest.raises(TrainingError, match=r"No checkpoint .* training\.checkpoint_every_steps"):
        run(tmp_path, checkpoint_every_steps=50)


def test_a_weight_that_is_not_finite_is_never_saved(run: Run, tmp_path: Path):
    def spoil(step: int) -> None:
        if step == 4:
            next(p for p in run.model.parameters() if p.requires_grad).data.view(-1)[0] = torch.inf

    run.breaks(0, nan)  # never, but keeps the model
    run.at_step = spoil
    with pytest.raises(TrainingError, match="a weight is not finite after step 4"):
        run(tmp_path)
    assert checkpoints(tmp_path) == ["checkpoint-2"]


def test_after_a_jump_checkpoints_wait_until_it_proves_harmless(run: Run, tmp_path: Path):
    seen: dict[int, list[str]] = {}
    run.at_step = lambda step: seen.setdefault(step, checkpoints(tmp_path))
    run.breaks(6, lambda output: output * -100)
    report = run(tmp_path)
    jump = dict(report.losses)[6]
    assert jump > 2 * 5.7
    assert seen[7] == seen[9] == seen[10] == ["checkpoint-2", "checkpoint-4"]
    assert seen[11] == ["checkpoint-10", "checkpoint-4"]
    assert report.n_steps == 12


def test_a_validation_loss_that_is_nan_at_the_end_stops_the_adapter_from_being_saved(
    run: Run, tmp_path: Path
):
    build = METHODS["qlora"]

    def broken(*args: Any) -> Any:
        model = build(*args)
        model.get_base_model().model.norm.register_forward_hook(
            lambda module, inputs, output: output if module.training else output * torch.nan
        )
        return model

    run.patch.setitem(METHODS, "qlora", broken)
    with pytest.raises(TrainingError, match="the validation loss is NaN at step 12"):
        run(tmp_path)
    assert not (tmp_path / "adapter").exists()
