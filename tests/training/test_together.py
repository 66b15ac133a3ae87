"""Several processes and machines learn as one, and end together."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.processes import (
    ONE,
    ROOT,
    TWO,
    checkpoints_of,
    processes_of,
    ranks_of,
    report_of,
)
from tuneline.base_model import BaseModelRef
from tuneline.errors import TrainingError
from tuneline.machine import this_machine
from tuneline.training import trainer
from tuneline.training.launch import launch, run_job


@pytest.mark.slow
def test_two_processes_learn_as_one_and_a_killed_rank_ends_both(
    tiny_model: BaseModelRef, sides: Path, job, tmp_path: Path
):
    """Sums are taken in another order, and rounded to bfloat16 where the CPU has it."""
    one = tmp_path / "one"
    one.mkdir()
    launch(tiny_model, sides, ONE, this_machine(), one)
    two = job(TWO)

    def kill_rank_1(done: int, total: int) -> None:
        if done == 3:
            ranks_of(two.out)[1].kill()

    with pytest.raises(TrainingError, match=r"rank 1 was ended by SIGKILL.*go on from there"):
        run_job(two, kill_rank_1)
    assert not processes_of(two.out)
    assert not (two.out / trainer.ADAPTER).exists()

    kept = max(checkpoints_of(two.out))
    steps: list[int] = []
    run_job(two, lambda done, total: steps.append(done))
    assert steps == list(range(kept, ONE.max_steps + 1)), "rank 0 tells, and no other"
    curves = [[loss for _, loss in report_of(out).losses] for out in (one, two.out)]
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
    measured = [report_of(out).validation_losses[-1][1] for out in (one, two.out)]
    assert measured[1] == pytest.approx(measured[0], rel=1e-3)
    assert {path.name for path in two.out.iterdir()} == {path.name for path in one.iterdir()}


@pytest.mark.slow
def test_two_processes_that_are_asked_to_end_save_one_checkpoint_together(job):
    endless = job(TWO.model_copy(update={"max_steps": 9999, "checkpoint_every_steps": 9999}))

    def cancel(done: int, total: int) -> None:
        if done >= 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_job(endless, cancel)
    assert not processes_of(endless.out)
    assert len(checkpoints_of(endless.out)) == 1
    checkpoint = next(endless.out.glob("checkpoints/checkpoint-*"))
    assert {"rng_state_0.pth", "rng_state_1.pth"} <= {path.name for path in checkpoint.iterdir()}


@pytest.mark.slow
def test_a_second_machine_joins_and_both_learn_as_one(
    tiny_model: BaseModelRef, sides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """Two agents, as on two machines that share a workspace; one rank each."""
    config = ONE.model_copy(update={"max_steps": 4})
    one, out = tmp_path / "one", tmp_path / "work" / "train-two"
    for folder in (one, out):
        folder.mkdir(parents=True)
    launch(tiny_model, sides, config, this_machine(), one)
    shared = {
        "TUNELINE_WORKSPACE": str(tmp_path),
        "PYTHONPATH": str(ROOT),
        "PET_NNODES": "2",
        "PET_MASTER_ADDR": "127.0.0.1",
        "PET_MASTER_PORT": str(free_port()),
        "PET_RDZV_ID": "night-7",
    }
    command = [sys.executable, "-m", "tuneline.training.join"]
    second = subprocess.Popen(command, env=os.environ | shared | {"PET_NODE_RANK": "1"})
    for name, value in (shared | {"PET_NODE_RANK": "0"}).items():
        monkeypatch.setenv(name, value)
    try:
        both = config.model_copy(update={"batch_size": 4, "n_processes": 2})
        launch(tiny_model, sides, both, this_machine(), out)
        assert second.wait(60) == 0
    finally:
        second.kill()
        second.wait()
    curves = [[loss for _, loss in report_of(folder).losses] for folder in (one, out)]
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


OUT_OF_MEMORY = """
import os
if os.environ.get("RANK") == "1":
    import torch
    from transformers import Trainer
    step = Trainer.training_step
    def training_step(self, model, inputs, *more):
        if len(inputs["input_ids"]) > 2:
            raise torch.OutOfMemoryError("out of memory (injected)")
        return step(self, model, inputs, *more)
    Trainer.training_step = training_step
"""


@pytest.mark.slow
def test_all_processes_come_down_when_memory_runs_out_in_one(
    job, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(OUT_OF_MEMORY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "site"))
    two = job(TWO.model_copy(update={"max_steps": 2, "activation_checkpointing": True}))
    run_job(two)
    assert len(report_of(two.out).rungs) == 1
    assert report_of(two.out).rungs[0].startswith("batch_size 4 -> 2")
    assert report_of(two.out).n_steps == 2
