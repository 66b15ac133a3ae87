"""What gives way when memory runs out."""

import itertools
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.conftest import TRAINING
from tuneline.base_model import BaseModelRef
from tuneline.errors import TrainingError
from tuneline.machine import this_machine
from tuneline.records import Record
from tuneline.training import trainer
from tuneline.training.config import TrainingConfig
from tuneline.training.ladder import FILE, Ladder, first_rung
from tuneline.training.methods import METHODS

LORA = TRAINING.model_copy(update={"method": "lora", "dropout": 0.0, "max_steps": 6})


def rungs(config: TrainingConfig) -> list[TrainingConfig]:
    """Every rung below."""
    found, ladder = [], Ladder(config).step_down()
    while ladder:
        found.append(ladder.config)
        ladder = ladder.step_down()
    return found


@given(st.integers(1, 64), st.integers(1, 16), st.booleans(), st.sampled_from(["sft", "kto"]))
def test_the_effective_batch_stays_and_the_way_down_ends(
    batch: int, accumulation: int, shorter: bool, objective: str
):
    config = TrainingConfig(
        method="lora",
        objective=objective,
        batch_size=batch,
        gradient_accumulation=accumulation,
        max_seq_tokens=600,
        allow_shorter_sequences=shorter,
    )
    down = rungs(config)
    assert all(c.batch_size * c.gradient_accumulation == batch * accumulation for c in down)
    sizes = [batch, *(c.batch_size for c in down)]
    assert all(b <= a // 2 or b == a for a, b in itertools.pairwise(sizes))
    assert down[-1].activation_checkpointing
    assert down[-1].max_seq_tokens == (150 if shorter else 600)


def test_first_the_batch_then_checkpointing_then_the_length():
    config = TrainingConfig(batch_size=4, max_seq_tokens=256, allow_shorter_sequences=True)
    ladder = Ladder(config)
    while lower := ladder.step_down():
        ladder = lower
    assert ladder.rungs == (
        "batch_size 4 -> 2, gradient_accumulation 1 -> 2",
        "batch_size 2 -> 1, gradient_accumulation 2 -> 4",
        "activation_checkpointing False -> True",
        "max_seq_tokens 256 -> 128",
    )


def test_a_killed_run_stays_on_its_rung(tmp_path: Path):
    lower = Ladder(TrainingConfig(batch_size=4)).step_down()
    assert lower is not None
    lower.save(tmp_path)
    assert first_rung(TrainingConfig(batch_size=4), tmp_path) == lower
    assert (tmp_path / FILE).exists()


@pytest.fixture
def memory(monkeypatch):
    """Lets a forward pass of the model fail as on a full GPU."""

    def limit(fails) -> None:
        import torch

        def build(folder, config, machine):
            model = METHODS["lora"](folder, config, machine)
            layers = model.get_base_model().model
            forward = layers.forward

            def checked(*args, **kwargs):
                if fails(kwargs["input_ids"]):
                    raise torch.OutOfMemoryError("CUDA out of memory (injected)")
                return forward(*args, **kwargs)

            layers.forward = checked
            return model

        monkeypatch.setattr(trainer, "METHODS", {"lora": build})

    return limit


def run(model: BaseModelRef, records: list[Record], out: Path, config: TrainingConfig = LORA):
    out.mkdir()
    return trainer.train(model, records[:32], [], config, this_machine(), out)


@pytest.mark.slow
def test_a_run_out_of_memory_ends_with_the_same_loss_curve(
    tiny_model: BaseModelRef, records: list[Record], tmp_path: Path, memory, caplog
):
    whole = run(tiny_model, records, tmp_path / "whole")
    memory(lambda ids: len(ids) > 1)
    halved = run(tiny_model, records, tmp_path / "halved")
    assert halved.rungs == (
        "batch_size 4 -> 2, gradient_accumulation 1 -> 2",
        "batch_size 2 -> 1, gradient_accumulation 2 -> 4",
    )
    assert [step for step, _ in halved.losses] == [step for step, _ in whole.losses]
    for (_, expected), (_, found) in zip(whole.losses, halved.losses, strict=True):
        assert found == pytest.approx(expected, abs=2e-3)
    assert "out of memory; batch_size 4 -> 2" in caplog.text


def test_it_goes_on_from_the_last_checkpoint(
    tiny_model: BaseModelRef, records: list[Record], tmp_path: Path, memory
):
    """As when a long record comes late."""
    calls = []

    def fails(ids) -> bool:
        calls.append(len(ids))
        return len(ids) == 4 and len(calls) > 4

    memory(fails)
    report = run(tiny_model, records, tmp_path / "late")
    assert [step for step, _ in report.losses] == [1, 2, 3, 4, 5, 6]
    assert calls == [4, 4, 4, 4, 4, 2, 2, 2, 2], "steps 1 to 4, the failure, steps 5 and 6"


@pytest.mark.slow
def test_where_nothing_can_give_way_the_settings_are_named(
    tiny_model: BaseModelRef, records: list[Record], tmp_path: Path, memory
):
    memory(lambda ids: True)
    with pytest.raises(TrainingError, match="batch_size=1, activation checkpointing"):
        run(tiny_model, records, tmp_path / "none")
    assert not (tmp_path / "none" / trainer.ADAPTER).exists()


def test_another_error_is_not_taken_for_memory(
    tiny_model: BaseModelRef, records: list[Record], tmp_path: Path, memory
):
    def fails(ids) -> bool:
        raise RuntimeError("something else")

    memory(fails)
    with pytest.raises(RuntimeError, match="something else"):
        run(tiny_model, records, tmp_path / "other")
