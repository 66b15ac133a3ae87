"""Training in a process of its own: as it trains here, and gone when either side is killed."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.conftest import TRAINING
from tests.training.processes import (
    ROOT,
    checkpoints_of,
    processes_of,
    ranks_of,
    report_of,
    wait_until,
)
from tuneline.base_model import BaseModelRef
from tuneline.errors import TrainingError
from tuneline.machine import this_machine
from tuneline.store import file_digest
from tuneline.training.job import EVENTS
from tuneline.training.launch import launch, run_job

WEIGHTS = "adapter/adapter_model.safetensors"
ALONE = TRAINING.model_copy(update={"max_steps": 60})
LEFT_OVER_S = 60.0


def test_one_process_on_a_cpu_trains_here(tiny_model: BaseModelRef, sides: Path, tmp_path: Path):
    steps: list[int] = []
    config = TRAINING.model_copy(update={"max_steps": 1})
    launch(
        tiny_model, sides, config, this_machine(), tmp_path, lambda done, total: steps.append(done)
    )
    assert steps == [0, 1]
    assert report_of(tmp_path).n_train_records == 32
    assert not (tmp_path.parent / f"{tmp_path.name}.job").exists()


@pytest.mark.slow
def test_a_killed_training_process_is_named_and_the_next_run_ends_with_the_same_bytes(
    tiny_model: BaseModelRef, sides: Path, job, tmp_path: Path
):
    here = tmp_path / "here"
    here.mkdir()
    launch(tiny_model, sides, ALONE, this_machine(), here)
    killed = job(ALONE)

    def kill(done: int, total: int) -> None:
        if done == 4:
            ranks_of(killed.out)[0].kill()

    with pytest.raises(TrainingError, match="rank 0 was ended by SIGKILL"):
        run_job(killed, kill)
    assert not processes_of(killed.out)
    kept = max(checkpoints_of(killed.out))
    steps: list[int] = []
    metrics: dict[int, set[str]] = {}

    def note(values: dict[str, float], step: int) -> None:
        metrics.setdefault(step, set()).update(values)

    run_job(killed, lambda done, total: steps.append(done), note)
    assert steps == list(range(kept, ALONE.max_steps + 1))
    assert {"loss", "learning_rate", "grad_norm"} <= metrics[ALONE.max_steps]
    assert file_digest(killed.out / WEIGHTS) == file_digest(here / WEIGHTS)
    assert not killed.out.with_name("out.job").exists()


@pytest.mark.slow
def test_an_error_of_the_training_process_comes_back_as_itself(job):
    wrong = job(TRAINING.model_copy(update={"target_modules": ("W_pack",)}))
    with pytest.raises(TrainingError, match=r"^training\.target_modules.*W_pack"):
        run_job(wrong)


OWNER = """
import sys
from pathlib import Path
from tuneline.training.job import Job
from tuneline.training.launch import run_job
run_job(Job.model_validate_json(Path(sys.argv[1]).read_text()))
"""


@pytest.mark.slow
def test_a_training_whose_flow_is_killed_saves_a_checkpoint_and_goes(job, tmp_path: Path):
    endless = job(TRAINING.model_copy(update={"max_steps": 9999, "checkpoint_every_steps": 9999}))
    events = endless.out.with_name("out.job") / EVENTS
    spec = tmp_path / "spec.json"
    spec.write_text(endless.model_dump_json())
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    owner = subprocess.Popen([sys.executable, "-c", OWNER, str(spec)], env=env)
    wait_until(
        lambda: events.exists() and '"done": 2,' in events.read_text(), "training did not start"
    )
    owner.kill()
    owner.wait()
    wait_until(lambda: not processes_of(endless.out), "something is left", LEFT_OVER_S)
    assert len(checkpoints_of(endless.out)) == 1


def test_processes_that_do_not_divide_among_the_machines_are_refused(
    tiny_model: BaseModelRef, sides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PET_NNODES", "2")
    config = TRAINING.model_copy(update={"n_processes": 3})
    with pytest.raises(TrainingError, match=r"n_processes=3 is no multiple of the 2 machines"):
        launch(tiny_model, sides, config, this_machine(), tmp_path)


def test_more_processes_than_gpus_are_refused(
    tiny_model: BaseModelRef, sides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    machine = replace(this_machine(), device="cuda")
    config = TRAINING.model_copy(update={"n_processes": 4})
    with pytest.raises(TrainingError, match=r"n_processes=4 .* there are 2 per machine; .* 2 or"):
        launch(tiny_model, sides, config, machine, tmp_path)
