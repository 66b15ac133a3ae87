"""SIGTERM while training: a checkpoint first, then out, in a real process."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import TRAINING
from tuneline.base_model import BaseModelRef
from tuneline.machine import this_machine
from tuneline.records import Record
from tuneline.store import file_digest
from tuneline.training import trainer

WEIGHTS = "adapter/adapter_model.safetensors"
PROCESS = """
import os, signal, sys
from pathlib import Path
from tests.conftest import TRAINING, yes_no_records
from tuneline.base_model import BaseModelRef
from tuneline.machine import this_machine
from tuneline.training.trainer import train

folder, out = sys.argv[1:]
records = yes_no_records(40)
config = TRAINING.model_copy(update={"checkpoint_every_steps": 100})

def stop(done, total):
    if done == 5:
        os.kill(os.getpid(), signal.SIGTERM)

model = BaseModelRef(Path(folder), "", "tiny-qwen2")
train(model, records[:32], records[32:], config, this_machine(), Path(out), stop)
"""


@pytest.mark.slow
def test_a_preempted_training_goes_on_as_if_it_had_not_been(
    tiny_model: BaseModelRef, records: list[Record], trained, tmp_path: Path
):
    command = [sys.executable, "-c", PROCESS, str(tiny_model.folder), str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert process.returncode == -signal.SIGTERM, process.stderr
    checkpoints = sorted(path.name for path in tmp_path.glob("checkpoints/checkpoint-*"))
    assert checkpoints == ["checkpoint-5"], "one at once, long before the next would be due"
    told: list[int] = []
    trainer.train(
        tiny_model,
        records[:32],
        records[32:],
        TRAINING.model_copy(update={"checkpoint_every_steps": 100}),
        this_machine(),
        tmp_path,
        progress=lambda done, total: told.append(done),
    )
    assert told[0] == 5
    assert file_digest(tmp_path / WEIGHTS) == file_digest(trained[0] / WEIGHTS)


def test_the_handler_of_before_is_back_after_training(trained):
    assert signal.getsignal(signal.SIGTERM) in (signal.SIG_DFL, signal.default_int_handler)
