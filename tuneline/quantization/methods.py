"""QUANTIZATIONS: name -> how the merged model is quantized and saved."""

from collections.abc import Callable
from pathlib import Path

from tuneline.base_model import load_model, load_tokenizer
from tuneline.machine import Machine

REFERENCE = "bf16"
"""The merged model as it is, which every variant is compared with."""


def int8(merged_model: Path, machine: Machine, out: Path) -> None:
    """LLM.int8() of bitsandbytes (Dettmers et al. 2022): 8-bit weights, outliers in 16 bit."""
    from transformers import BitsAndBytesConfig

    _save_quantized(merged_model, machine, out, BitsAndBytesConfig(load_in_8bit=True))


def nf4(merged_model: Path, machine: Machine, out: Path) -> None:
    """4-bit NormalFloat of bitsandbytes with double quantization (Dettmers et al. 2023)."""
    from transformers import BitsAndBytesConfig

    config = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=machine.dtype,
    )
    _save_quantized(merged_model, machine, out, config)


def _save_quantized(merged_model: Path, machine: Machine, out: Path, config: object) -> None:
    model = load_model(merged_model, machine.for_storage, quantization_config=config)
    model.save_pretrained(out)
    load_tokenizer(merged_model).save_pretrained(out)


QUANTIZATIONS: dict[str, Callable[[Path, Machine, Path], None]] = {"int8": int8, "nf4": nf4}


def size_mib(model: Path) -> float:
    """Weights on disk, MiB."""
    return round(sum(file.stat().st_size for file in model.glob("*.safetensors")) / 2**20, 1)
