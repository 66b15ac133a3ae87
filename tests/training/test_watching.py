"""A training tells its numbers, its verdict, and what looks odd while it goes on."""

import json
import logging
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import load_file

from tests.conftest import TRAINING
from tests.training.watched import WEIGHTS, Run
from tuneline.base_model import BaseModelRef, load_tokenizer
from tuneline.reports import TrainingReport
from tuneline.training import trainer
from tuneline.training.chat_format import encode_all
from tuneline.training.lookout import Lookout


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
