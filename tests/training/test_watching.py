"""A training tells its numbers, and one that diverges stops and leaves its last good checkpoint."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import TRAINING
from tuneline.base_model import BaseModelRef, load_tokenizer
from tuneline.errors import TrainingError
from tuneline.machine import this_machine
from tuneline.records import Record
from tuneline.reports import TrainingReport
from tuneline.store import file_digest
from tuneline.training import speed, trainer
from tuneline.training.chat_format import encode_all
from tuneline.training.config import TrainingConfig
from tuneline.training.lookout import Lookout
from tuneline.training.methods import METHODS
from tuneline.training.speed import Spent, Stopwatch, Usage
from tuneline.training.trainer import train

WEIGHTS = "adapter/adapter_model.safetensors"


class Run:
    """Trains the tiny model, and remembers what it told."""

    def __init__(self, base: BaseModelRef, records: list[Record], patch: pytest.MonkeyPatch):
        self.base, self.records, self.patch = base, records, patch
        self.steps: list[int] = []
        self.numbers: dict[int, dict[str, float]] = {}
        self.model: Any = None
        self.at_step: Callable[[int], None] = lambda step: None

    def __call__(self, out: Path, **changes: object) -> TrainingReport:
        config = TrainingConfig.model_validate(TRAINING.model_dump() | changes)
        out.mkdir(exist_ok=True)
        self.steps.clear()
        return train(
            *(self.base, self.records[:32], self.records[32:], config, this_machine(), out),
            progress=self.progress,
            log_metrics=lambda numbers, step: self.numbers.setdefault(step, {}).update(numbers),
        )

    def progress(self, done: int, total: int) -> None:
        self.steps.append(done)
        self.at_step(done)

    def breaks(self, at: int, hurt: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Let a fault into the forward pass of one optimizer step."""
        build = METHODS["qlora"]

        def hook(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> Any:
            is_now = module.training and self.steps and self.steps[-1] == at - 1
            return hurt(output) if is_now else output

        def broken(*args: Any) -> Any:
            self.model = build(*args)
            self.model.get_base_model().model.norm.register_forward_hook(hook)
            return self.model

        self.patch.setitem(METHODS, "qlora", broken)


@pytest.fixture
def run(tiny_model, records, monkeypatch) -> Run:
    return Run(tiny_model, records, monkeypatch)


def nan(output: torch.Tensor) -> torch.Tensor:
    return output * torch.nan


def nan_gradient(output: torch.Tensor) -> torch.Tensor:
    output.register_hook(lambda gradient: gradient * torch.nan)
    return output


def checkpoints(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "checkpoints").glob("checkpoint-*"))


def assert_finite(folder: Path) -> None:
    weights = load_file(folder / "adapter_model.safetensors")
    assert weights and all(tensor.isfinite().all() for tensor in weights.values())


def test_every_step_tells_its_speed_memory_and_time_left(run: Run, tmp_path: Path):
    report = run(tmp_path, max_steps=3)
    for step in (1, 2, 3):
        told = run.numbers[step]
        assert {"loss", "learning_rate", "grad_norm", "left_s"} <= told.keys()
        assert told["tokens_per_s"] > 0
        assert told["memory_mib"] > 100, "torch alone takes more"
        assert told["done_fraction"] == pytest.approx(step / 3)
    assert run.numbers[3]["left_s"] == 0
    assert report.tokens_per_s > 0
    assert [step for step, _ in report.learning_rates] == [1, 2, 3]
    assert [step for step, _ in report.grad_norms] == [1, 2, 3]


def test_padding_is_no_token_of_the_speed(run: Run, tiny_model: BaseModelRef, tmp_path: Path):
    """Records of one epoch: every token is seen once."""
    rows, _ = encode_all(run.records[:32], load_tokenizer(tiny_model.folder), 1024)
    assert len({len(row.input_ids) for row in rows}) > 1, "else nothing is padded"
    run(tmp_path, max_steps=8)
    assert run.numbers[8]["num_tokens"] == sum(len(row.input_ids) for row in rows)


def test_the_verdict_and_its_evidence_are_in_the_report(trained: tuple[Path, TrainingReport]):
    report = trained[1]
    assert (report.verdict, report.advice) == ("healthy", "")
    assert report.evidence.startswith("the loss fell from 5.") and " to 4." in report.evidence
    saved = json.loads((trained[0] / trainer.REPORT).read_text())
    assert saved["verdict"] == "healthy"


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


def test_early_stopping_saves_the_best_adapter_and_not_the_last(run: Run, tmp_path: Path):
    run.patch.setattr(trainer, "shutil", SimpleNamespace(rmtree=lambda *args, **kwargs: None))
    report = run(
        tmp_path,
        learning_rate=5.0,  # so large that the loss soon stops falling
        validate_every_steps=1,
        checkpoint_every_steps=1,
        early_stopping_patience=3,
    )
    best = min(report.validation_losses, key=lambda point: point[1])[0]
    assert best == report.n_steps - 3 < TRAINING.max_steps
    adapter = load_file(tmp_path / WEIGHTS)
    folders = {step: tmp_path / f"checkpoints/checkpoint-{step}" for step in (best, report.n_steps)}
    kept = {s: load_file(folder / "adapter_model.safetensors") for s, folder in folders.items()}
    assert all(torch.equal(adapter[name], kept[best][name]) for name in adapter)
    assert not all(torch.equal(adapter[name], kept[report.n_steps][name]) for name in adapter)


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.s = 0.0

    def __call__(self) -> float:
        return self.s


@pytest.fixture
def clock() -> Iterator[Clock]:
    return Clock()


def test_only_steps_count_for_the_speed(tmp_path: Path, clock: Clock):
    watch = Stopwatch(tmp_path, clock)
    clock.s = 10  # the model is moved to the GPU
    watch.begin_step()
    clock.s = 12
    assert watch.end_step(100) == 50.0
    clock.s = 20  # a validation
    watch.pause()
    watch.begin_step()
    clock.s = 24
    assert watch.end_step(500) == 100.0
    assert watch.total() == Spent(wall_s=24.0, step_s=6.0, tokens=500)
    assert watch.here_s() == 24.0


def test_a_resumed_run_counts_what_it_spent_up_to_the_checkpoint(tmp_path: Path, clock: Clock):
    first = Stopwatch(tmp_path, clock)
    first.begin_step()
    clock.s = 5
    first.end_step(50)
    first.save()
    clock.s = 9
    first.end_step(90)  # lost: killed before the next checkpoint
    clock.s = 100
    second = Stopwatch(tmp_path, clock)
    second.begin_step()
    clock.s = 103
    second.end_step(30)
    assert second.total() == Spent(wall_s=8.0, step_s=8.0, tokens=80)


def test_a_trainer_that_counts_no_tokens_has_no_speed(tmp_path: Path, clock: Clock):
    watch = Stopwatch(tmp_path, clock)
    watch.begin_step()
    clock.s = 2
    assert watch.end_step(None) is None
    assert watch.total() == Spent(wall_s=2.0, step_s=2.0, tokens=0)


def test_use_of_the_machine_is_read_at_most_once_a_second(monkeypatch: pytest.MonkeyPatch):
    reads: list[int] = []
    monkeypatch.setattr(speed, "_read_usage", lambda: {"memory_mib": float(len(reads))})
    now = Clock()
    monkeypatch.setattr(speed, "time", SimpleNamespace(monotonic=now))
    usage = Usage()
    for now.s in (0.0, 0.5, 0.9, 1.0, 1.5):
        usage()
        reads.append(1)
    assert usage() == {"memory_mib": 3.0}, "read at 0.0 and 1.0"


@pytest.mark.parametrize("has_nvml", [True, False])
def test_the_gpu_tells_its_memory_and_where_it_can_how_busy_it_is(monkeypatch, has_nvml: bool):
    found = object() if has_nvml else None
    util = SimpleNamespace(find_spec=lambda name: found if name == "pynvml" else None)
    monkeypatch.setattr(speed, "importlib", SimpleNamespace(util=util))
    gpu = SimpleNamespace(memory_reserved=lambda: 3 * 2**20, utilization=lambda: 87)
    busy = {"gpu_busy_fraction": 0.87} if has_nvml else {}
    assert speed._read_gpu(gpu) == {"gpu_memory_mib": 3.0} | busy


def test_a_pattern_is_said_once_while_the_run_goes_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    lookout = Lookout(tmp_path)
    lookout.begin([], vocabulary=32_000)
    with caplog.at_level(logging.WARNING, "tuneline"):
        for step in range(1, 1001):
            entry = {"step": step, "loss": 2.3, "grad_norm": 1.0}
            lookout.see(entry, step / 1000)
    assert lookout.check().pattern == "not learning"
    assert len(caplog.records) == 1
    assert "not learning: the loss is flat: 2.30 at the beginning" in caplog.text
    assert len(lookout.history) <= 400
