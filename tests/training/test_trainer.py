"""What a training leaves behind, and what an interrupted one may not change.

The kill -9 of a training process is in `test_training.py`; here the same interruptions happen
inside one process, at chosen steps.
"""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from tests.conftest import TRAINING
from tuneline.base_model import BaseModelRef, load_model
from tuneline.errors import TrainingError
from tuneline.machine import this_machine
from tuneline.records import Message, Record
from tuneline.reports import TrainingReport, load_report
from tuneline.store import file_digest
from tuneline.training import trainer
from tuneline.training.config import TrainingConfig
from tuneline.training.methods import METHODS
from tuneline.training.trainer import train

Trained = tuple[Path, TrainingReport]
WEIGHTS = "adapter/adapter_model.safetensors"


class Killed(BaseException):
    """Stands for SIGKILL: nothing in the library may catch it."""


@pytest.fixture
def retrain(tiny_model: BaseModelRef, records: list[Record]):
    """Train as the fixture `trained` did, with other settings where given."""

    def run(out: Path, config: TrainingConfig = TRAINING, **watchers: Callable) -> TrainingReport:
        out.mkdir(exist_ok=True)
        machine = this_machine()
        return train(tiny_model, records[:32], records[32:], config, machine, out, **watchers)

    return run


def killed_at(step: int) -> Callable[[int, int], None]:
    def progress(done: int, total: int) -> None:
        if done == step:
            raise Killed

    return progress


def test_the_loss_falls_and_every_step_is_in_the_report(trained: Trained):
    report = trained[1]
    assert [step for step, _ in report.losses] == list(range(1, TRAINING.max_steps + 1))
    # It begins near that of a uniform guess: ln 281 tokens = 5.64.
    assert report.losses[0][1] == pytest.approx(5.64, abs=0.2)
    assert report.losses[-1][1] < report.losses[0][1] - 0.5
    assert [step for step, _ in report.validation_losses] == [TRAINING.max_steps]


def test_the_report_on_disk_is_the_one_returned(trained: Trained):
    out, report = trained
    assert load_report(out / trainer.REPORT, TrainingReport) == report
    assert (report.n_steps, report.n_train_records) == (12, 32)
    # Rank 8, per layer: q, o 64->64; k, v 64->32; gate, up 64->128; down 128->64; two layers.
    per_layer = 2 * (64 + 64) + 2 * (64 + 32) + 2 * (64 + 128) + (128 + 64)
    assert report.n_trainable_parameters == 2 * 8 * per_layer
    assert report.train_s > 0
    assert report.peak_memory_mib > 0


def test_the_loss_curve_is_a_picture_and_no_checkpoint_is_left(trained: Trained):
    assert (trained[0] / trainer.LOSS_CURVE).read_bytes().startswith(b"\x89PNG")
    assert {path.name for path in trained[0].iterdir()} == {
        "adapter",
        "report.json",
        "loss_curve.png",
    }


def test_the_adapter_names_its_base_model_and_no_folder_of_this_machine(
    trained: Trained, tiny_model: BaseModelRef
):
    folder = trained[0] / trainer.ADAPTER
    assert json.loads((folder / "adapter_config.json").read_text())["base_model_name_or_path"] == (
        "tiny-qwen2"
    )
    for path in folder.iterdir():
        assert str(tiny_model.folder).encode() not in path.read_bytes(), path.name


def test_who_may_read_the_adapters_settings_may_read_its_weights(trained: Trained):
    folder = trained[0] / trainer.ADAPTER
    settings, weights = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    assert weights.stat().st_mode == settings.stat().st_mode


def test_the_adapter_loads_on_its_base_and_every_tensor_has_moved(
    trained: Trained, tiny_model: BaseModelRef
):
    from peft import PeftModel

    base = load_model(tiny_model.folder, this_machine())
    model = PeftModel.from_pretrained(base, str(trained[0] / trainer.ADAPTER))
    late = [p for name, p in model.named_parameters() if "lora_B" in name]
    assert len(late) == 2 * 7, "every linear module of both layers, and not the head"
    assert all(p.abs().max() > 0 for p in late), "B begins at zero"


def test_no_4_bit_layer_may_be_repacked_for_inference(tiny_model: BaseModelRef):
    from bitsandbytes.nn import Linear4bit

    model = METHODS["qlora"](tiny_model.folder, TRAINING, this_machine())
    layers = [module for module in model.modules() if isinstance(module, Linear4bit)]
    assert len(layers) == 2 * 7
    assert [layer.support_avx512bf16_for_cpu for layer in layers] == [False] * 14


def test_target_modules_that_the_model_lacks_are_named_before_training(retrain, tmp_path: Path):
    config = TRAINING.model_copy(update={"target_modules": ("c_attn", "W_pack")})
    with pytest.raises(TrainingError, match=r"training\.target_modules.*c_attn.*W_pack"):
        retrain(tmp_path, config)
    assert not list(tmp_path.iterdir())


def test_only_the_records_that_fit_are_trained_on_and_counted(
    tiny_model: BaseModelRef, records: list[Record], tmp_path: Path
):
    long = Record(
        (Message("user", "even? " * 200), Message("assistant", "Yes")), "even", "even.jsonl", 99
    )
    config = TRAINING.model_copy(update={"max_steps": 1, "max_seq_tokens": 64})
    report = train(tiny_model, [*records[:4], long], [], config, this_machine(), tmp_path)
    assert report.n_train_records == 4
    assert report.validation_losses == ()


def test_progress_and_metrics_are_told_for_every_step(retrain, tmp_path: Path):
    steps: list[tuple[int, int]] = []
    metrics: dict[int, set[str]] = {}

    def note(values: dict[str, float], step: int) -> None:
        metrics.setdefault(step, set()).update(values)

    config = TRAINING.model_copy(update={"max_steps": 3})
    retrain(tmp_path, config, progress=lambda *done: steps.append(done), log_metrics=note)
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert all({"loss", "learning_rate", "grad_norm"} <= metrics[step] for step in (1, 2, 3))
    assert "eval_loss" in metrics[3]


def test_an_interrupted_training_ends_with_the_same_bytes_and_all_losses(
    retrain, trained: Trained, tmp_path: Path
):
    with pytest.raises(Killed):
        retrain(tmp_path, progress=killed_at(7))
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoints"}
    told: list[int] = []
    report = retrain(tmp_path, progress=lambda done, total: told.append(done))
    assert told[0] == 6, "the last complete checkpoint"
    assert file_digest(tmp_path / WEIGHTS) == file_digest(trained[0] / WEIGHTS)
    assert report.losses == trained[1].losses
    assert report.validation_losses == trained[1].validation_losses


def test_a_training_killed_while_it_removes_its_checkpoints_can_be_run_again(
    retrain, trained: Trained, tmp_path: Path, monkeypatch
):
    """A folder is removed file by file: the mark of a checkpoint may outlive its weights."""

    def removes_one_file(folder: Path, **kwargs: object) -> None:
        newest = max(folder.glob("checkpoint-*"), key=lambda path: int(path.name.split("-")[1]))
        (newest / "adapter_model.safetensors").unlink()
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(trainer, "shutil", SimpleNamespace(rmtree=removes_one_file))
        with pytest.raises(Killed):
            retrain(tmp_path)
    retrain(tmp_path)
    assert file_digest(tmp_path / WEIGHTS) == file_digest(trained[0] / WEIGHTS)


def test_early_stopping_keeps_its_patience_through_an_interruption(retrain, tmp_path: Path):
    settings = {
        "learning_rate": 5.0,  # so large that the loss soon stops falling
        "validate_every_steps": 1,
        "checkpoint_every_steps": 1,
        "early_stopping_patience": 3,
    }
    config = TrainingConfig.model_validate(TRAINING.model_dump() | settings)
    undisturbed = retrain(tmp_path / "undisturbed", config)
    assert undisturbed.n_steps < TRAINING.max_steps, "it stops early"
    with pytest.raises(Killed):
        retrain(tmp_path / "killed", config, progress=killed_at(undisturbed.n_steps))
    again = retrain(tmp_path / "killed", config)
    assert again.n_steps == undisturbed.n_steps
    assert again.validation_losses == undisturbed.validation_losses
    digests = {file_digest(tmp_path / name / WEIGHTS) for name in ("undisturbed", "killed")}
    assert len(digests) == 1
