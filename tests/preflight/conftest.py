"""Small configurations of real architectures, and what a pre-flight looks at."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers

from tuneline.base_model import BaseModelConfig, materialize_tokenizer
from tuneline.machine import Machine
from tuneline.preflight.inspection import Subject
from tuneline.preflight.licenses import Licenses
from tuneline.preflight.speed import Hardware
from tuneline.records import Record
from tuneline.store import Store
from tuneline.training.config import TrainingConfig

SHAPE: dict[str, Any] = {
    "vocab_size": 128,
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 2,
}
GQA = SHAPE | {"num_key_value_heads": 2}
ARCHITECTURES: dict[str, Callable[[], Any]] = {
    "llama": lambda: transformers.LlamaConfig(**SHAPE),
    "qwen2": lambda: transformers.Qwen2Config(**GQA, tie_word_embeddings=True),
    "gpt2": lambda: transformers.GPT2Config(
        vocab_size=128, n_embd=64, n_layer=3, n_head=4, bos_token_id=0, eos_token_id=1
    ),
    "gpt_neox": lambda: transformers.GPTNeoXConfig(**SHAPE),
    "falcon": lambda: transformers.FalconConfig(**SHAPE),
    "bloom": lambda: transformers.BloomConfig(
        vocab_size=128, hidden_size=64, n_layer=3, n_head=4, eos_token_id=1, pad_token_id=2
    ),
    "phi3": lambda: transformers.Phi3Config(**GQA),
    "mixtral": lambda: transformers.MixtralConfig(**GQA, num_local_experts=4),
}
CPU = Machine("cpu", "bfloat16", "eager", True)
CUDA = Machine("cuda", "bfloat16", "sdpa", True)
XEON = Hardware("Xeon, 2 cores", 2, 24_000)
H100 = Hardware("NVIDIA H100 80GB HBM3", 16, 81_000)


@pytest.fixture(params=ARCHITECTURES)
def architecture_folder(request, tmp_path: Path) -> Path:
    """A folder with the configuration of one architecture."""
    ARCHITECTURES[request.param]().save_pretrained(tmp_path)
    return tmp_path


@pytest.fixture
def folder_of(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a folder with the configuration of a named architecture."""

    def make(name: str) -> Path:
        ARCHITECTURES[name]().save_pretrained(tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def subject(workspace_dir: Path, records: list[Record]) -> Subject:
    """The tiny model and the records about even numbers."""
    config = BaseModelConfig(source="random", name="tiny-qwen2")
    return Subject(
        digest="this run",
        folder=materialize_tokenizer(config, Store(workspace_dir)),
        train=records[:32],
        validation=records[32:],
        config=TrainingConfig(),
        licenses=Licenses("Apache-2.0", {"even": "MIT"}, None),
        machine=CPU,
        hardware=XEON,
    )
