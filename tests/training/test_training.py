"""What is learned, what is saved, and what a kill may not change."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from tests.conftest import TRAINING, yes_no_records
from tuneline.base_model import load_tokenizer
from tuneline.errors import TrainingError
from tuneline.generation import GenerationConfig, Generator, ModelArtifact
from tuneline.machine import this_machine
from tuneline.records import Message, Record
from tuneline.training import merging
from tuneline.training.chat_format import IGNORED, encode, encode_all
from tuneline.training.checkpoints import last_complete_checkpoint, mark_complete
from tuneline.training.methods import METHODS


@pytest.mark.parametrize("pad_is_eos", [False, True])
def test_only_the_answer_and_its_end_token_carry_loss(tiny_model, pad_is_eos):
    tokenizer = load_tokenizer(tiny_model.folder)
    if pad_is_eos:
        tokenizer.pad_token = tokenizer.eos_token
    row = encode(yes_no_records(1)[0], tokenizer)
    learned = [token for token in row.labels if token != IGNORED]
    assert tokenizer.decode(learned) == "Yes<|im_end|>"
    assert row.input_ids[-len(learned) :] == learned


def test_of_several_turns_only_the_last_answer_is_learned(tiny_model):
    tokenizer = load_tokenizer(tiny_model.folder)
    turns = [("user", "a"), ("assistant", "No"), ("user", "b"), ("assistant", "Yes")]
    record = Record(tuple(Message(r, c) for r, c in turns), "s", "f", 1)
    learned = [token for token in encode(record, tokenizer).labels if token != IGNORED]
    assert tokenizer.decode(learned) == "Yes<|im_end|>"


def test_a_template_that_renders_the_prompt_differently_is_refused(tiny_model):
    tokenizer = load_tokenizer(tiny_model.folder)
    tokenizer.chat_template = (
        "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}"
    )
    with pytest.raises(TrainingError, match=r"even.jsonl:1: the chat template"):
        encode(yes_no_records(1)[0], tokenizer)


def test_records_that_are_too_long_are_left_out_and_counted(tiny_model):
    tokenizer = load_tokenizer(tiny_model.folder)
    long = Record(
        (Message("user", "x" * 500), Message("assistant", "Yes")), "even", "even.jsonl", 9
    )
    kept, n_left_out = encode_all([*yes_no_records(3), long], tokenizer, 100)
    assert (len(kept), n_left_out) == (3, 1)
    with pytest.raises(TrainingError, match="no record fits into max_seq_tokens=100"):
        encode_all([long], tokenizer, 100)


def test_a_checkpoint_that_was_not_written_to_its_end_is_never_resumed_from(tmp_path: Path):
    for step in (2, 4, 10):
        (tmp_path / f"checkpoint-{step}").mkdir()
    mark_complete(tmp_path / "checkpoint-2")
    mark_complete(tmp_path / "checkpoint-4")
    assert last_complete_checkpoint(tmp_path) == tmp_path / "checkpoint-4"
    assert not (tmp_path / "checkpoint-10").exists()


def test_the_loss_falls_and_the_adapter_names_its_base_and_no_folder(trained):
    out, report = trained
    assert report.losses[-1][1] < report.losses[0][1]
    assert report.validation_losses
    assert (out / "loss_curve.png").stat().st_size > 1000
    config = json.loads((out / "adapter" / "adapter_config.json").read_text())
    assert config["base_model_name_or_path"] == "tiny-qwen2"


def test_an_evaluation_before_training_does_not_change_the_gradients(tiny_model):
    """bitsandbytes repacks 4-bit weights in eval mode on some CPUs; gradients then go wrong."""
    model = METHODS["qlora"](tiny_model.folder, TRAINING, this_machine())
    ids = torch.arange(10, 42).unsqueeze(0).to(model.device)

    def gradient_norm() -> float:
        model.train()
        torch.manual_seed(0)
        model.zero_grad()
        model(input_ids=ids, labels=ids).loss.backward()
        grads = [p.grad.norm() for p in model.parameters() if p.grad is not None]
        return float(torch.stack(grads).norm())

    before = gradient_norm()
    model.eval()
    with torch.no_grad():
        model(input_ids=ids)
    assert gradient_norm() == pytest.approx(before, rel=1e-3)


def test_target_modules_that_the_model_lacks_are_named(tiny_model):
    config = TRAINING.model_copy(update={"target_modules": ("c_attn",)})
    with pytest.raises(TrainingError, match="c_attn"):
        METHODS["lora"](tiny_model.folder, config, this_machine())


def test_the_merged_model_answers_as_the_adapter_does(trained, tiny_model, tmp_path: Path):
    out, _ = trained
    probe = yes_no_records(4)
    merged = tmp_path / "merged"
    merged.mkdir()
    parity = merging.merge(tiny_model.folder, out / "adapter", probe, this_machine(), merged)
    assert parity.top1_agreement >= merging.MIN_AGREEMENT
    prompts = [record.prompt for record in probe]
    with_adapter = ModelArtifact("adapter", tiny_model.folder, "a", out / "adapter")
    answers = [
        [p.text for p in _generator(artifact).generate(prompts)[0]]
        for artifact in (with_adapter, ModelArtifact("merged", merged, "m"))
    ]
    assert answers[0] == answers[1]
    assert {"Yes", "No"} >= set(answers[0])


SCRIPT = """
import sys
from pathlib import Path
from tests.conftest import TRAINING, yes_no_records
from tuneline.base_model import BaseModelRef
from tuneline.machine import this_machine
from tuneline.training.trainer import train
out = Path(sys.argv[2]); out.mkdir(exist_ok=True)
records = yes_no_records(40)
config = TRAINING.model_copy(update={"max_steps": 30})
base = BaseModelRef(Path(sys.argv[1]), "digest", "tiny-qwen2")
train(base, records[:32], records[32:], config, this_machine(), out)
"""


@pytest.mark.slow
def test_a_training_killed_with_sigkill_ends_with_the_same_adapter_bytes(
    tiny_model, tmp_path: Path
):
    def start(name: str) -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-c", SCRIPT, str(tiny_model.folder), str(tmp_path / name)]
        env = os.environ | {"OMP_NUM_THREADS": "1"}
        root = Path(__file__).parent.parent.parent
        return subprocess.Popen(command, env=env, cwd=root, stderr=subprocess.DEVNULL)

    undisturbed, killed = start("undisturbed"), start("killed")
    while not list((tmp_path / "killed").glob("checkpoints/checkpoint-*/COMPLETE")):
        assert killed.poll() is None
        time.sleep(0.01)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert not (tmp_path / "killed" / "adapter").exists()
    assert start("killed").wait() == 0
    assert undisturbed.wait() == 0
    digests = {
        hashlib.sha256(
            (tmp_path / name / "adapter" / "adapter_model.safetensors").read_bytes()
        ).hexdigest()
        for name in ("undisturbed", "killed")
    }
    assert len(digests) == 1


def _generator(artifact: ModelArtifact) -> Generator:
    return Generator.load(artifact, this_machine(), GenerationConfig(max_new_tokens=6))
