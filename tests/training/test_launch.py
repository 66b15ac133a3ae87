"""Training in processes of its own: as one process trains, and gone when either side is killed."""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from tests.conftest import TRAINING
from tuneline.base_model import BaseModelRef
from tuneline.errors import DataError, TrainingError
from tuneline.machine import this_machine
from tuneline.records import Record, write_records
from tuneline.reports import TrainingReport, load_report
from tuneline.store import file_digest
from tuneline.training import trainer
from tuneline.training.config import TrainingConfig
from tuneline.training.job import (
    EVENTS,
    EXITS,
    Failure,
    Job,
    Listener,
    Teller,
    write_failure,
)
from tuneline.training.launch import failed, launch, run_job

WEIGHTS = "adapter/adapter_model.safetensors"
ROOT = Path(__file__).parent.parent.parent
ALONE = TRAINING.model_copy(update={"max_steps": 60})
# At the high rate of TRAINING a difference in the last digit grows within 20 steps.
CALM = {"dropout": 0.0, "batch_size": 8, "max_steps": 24, "learning_rate": 0.002}
ONE = TRAINING.model_copy(update=CALM)
TWO = ONE.model_copy(update={"batch_size": 4, "n_processes": 2})
"""As many records a step as `ONE`."""
LEFT_OVER_S = 60.0


@pytest.fixture(scope="module")
def sides(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sides")
    write_records(folder / "train.parquet", records[:32])
    write_records(folder / "validation.parquet", records[32:])
    return folder


@pytest.fixture
def job(tiny_model: BaseModelRef, sides: Path, tmp_path: Path):
    def make(config: TrainingConfig) -> Job:
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        return Job(base_model=tiny_model, sides=sides, config=config, out=out)

    return make


def wait_until(holds: Callable[[], bool], what: str, timeout_s: float = 200) -> float:
    started = time.monotonic()
    while not holds():
        assert time.monotonic() - started < timeout_s, what
        time.sleep(0.05)
    return time.monotonic() - started


def processes_of(folder: Path) -> list[psutil.Process]:
    """Training processes of a job: its name is in their command line."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        line = process.info["cmdline"] or []
        if f"{folder}.job" in line and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process)
    return found


def ranks_of(folder: Path) -> dict[int, psutil.Process]:
    workers = [p for p in processes_of(folder) if "tuneline.training.worker" in p.cmdline()]
    return {int(process.environ().get("RANK", "0")): process for process in workers}


def checkpoints_of(out: Path) -> set[int]:
    found = out.glob("checkpoints/checkpoint-*/COMPLETE")
    return {int(path.parent.name.split("-")[1]) for path in found}


def report_of(out: Path) -> TrainingReport:
    return load_report(out / trainer.REPORT, TrainingReport)


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
def test_two_processes_learn_as_one_and_a_killed_rank_ends_both(
    tiny_model: BaseModelRef, sides: Path, job, tmp_path: Path
):
    """Sums are taken in another order; else the curves would be equal to the last digit."""
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
    assert curves[1] == pytest.approx(curves[0], abs=1e-3)
    measured = [report_of(out).validation_losses[-1][1] for out in (one, two.out)]
    assert measured[1] == pytest.approx(measured[0], abs=1e-3)
    assert {path.name for path in two.out.iterdir()} == {path.name for path in one.iterdir()}


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
    assert curves[1] == pytest.approx(curves[0], abs=1e-3)


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


def test_processes_that_do_not_divide_among_the_machines_are_refused(
    tiny_model: BaseModelRef, sides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("PET_NNODES", "2")
    config = TRAINING.model_copy(update={"n_processes": 3})
    with pytest.raises(TrainingError, match=r"n_processes=3 is no multiple of the 2 machines"):
        launch(tiny_model, sides, config, this_machine(), tmp_path)


def test_a_listener_hears_each_event_once_and_no_half_line(tmp_path: Path):
    heard: list[tuple[object, ...]] = []
    listener = Listener(tmp_path, lambda *a: heard.append(a), lambda *a: heard.append(a))
    listener.listen()
    assert heard == []
    teller = Teller(tmp_path)
    teller.progress(1, 9)
    teller.log_metrics({"loss": 2.5}, 1)
    listener.listen()
    with (tmp_path / EVENTS).open("a") as file:
        file.write('{"done": 2, "to')
    listener.listen()
    assert heard == [(1, 9), ({"loss": 2.5}, 1)]
    with (tmp_path / EVENTS).open("a") as file:
        file.write('tal": 9}\n')
    listener.listen()
    assert heard[2:] == [(2, 9)]


def test_what_a_training_process_logs_is_logged_here(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
):
    log = logging.Logger("tuneline.training.trainer")
    log.addHandler(Teller(tmp_path))
    log.warning("train: out of memory; %s", "batch_size 4 -> 2")
    log.debug("not told")
    Listener(tmp_path, lambda *a: None, lambda *a: None).listen()
    assert caplog.record_tuples == [
        ("tuneline.training.trainer", logging.WARNING, "train: out of memory; batch_size 4 -> 2")
    ]


def test_more_processes_than_gpus_are_refused(
    tiny_model: BaseModelRef, sides: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    machine = replace(this_machine(), device="cuda")
    config = TRAINING.model_copy(update={"n_processes": 4})
    with pytest.raises(TrainingError, match=r"n_processes=4 .* there are 2 per machine; .* 2 or"):
        launch(tiny_model, sides, config, machine, tmp_path)


def test_the_error_of_the_rank_that_failed_first_is_told(tmp_path: Path):
    write_failure(tmp_path, 0, Failure("RuntimeError", "connection closed by peer", 20.0))
    write_failure(tmp_path, 1, Failure("DataError", "a.jsonl:3 is empty", 10.0))
    error = failed(tmp_path, 1)
    assert type(error) is DataError
    assert str(error) == "a.jsonl:3 is empty"


def test_an_error_that_is_not_ours_names_rank_kind_and_output(tmp_path: Path):
    write_failure(tmp_path, 1, Failure("ValueError", "odd", 10.0))
    expected = rf"rank 1 failed: ValueError: odd; its output is in {tmp_path}"
    with pytest.raises(TrainingError, match=expected):
        raise failed(tmp_path, 1)


@pytest.mark.parametrize(
    ("exits", "expected"),
    [
        ({0: -signal.SIGTERM, 1: -signal.SIGSEGV}, "rank 1 was ended by SIGSEGV;"),
        ({0: -signal.SIGTERM}, "rank 0 was ended by SIGTERM;"),
        ({1: 3}, "training ended with exit code 1"),
    ],
)
def test_a_signal_is_told_with_the_rank_that_it_ended(tmp_path: Path, exits, expected: str):
    (tmp_path / EXITS).write_text(json.dumps(exits))
    with pytest.raises(TrainingError, match=expected):
        raise failed(tmp_path, 1)
