"""int8, NF4 and FP4 by bitsandbytes: quantized while loading, saved as transformers loads them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from tuneline.base_model import load_model, load_tokenizer
from tuneline.export import finish_export
from tuneline.machine import Machine
from tuneline.records import Record


def int8(source: Path, machine: Machine, out: Path, calibration: Sequence[Record]) -> None:
    """LLM.int8() (Dettmers et al. 2022): 8-bit weights, outliers of the input in 16 bit."""
    from transformers import BitsAndBytesConfig

    _save(source, machine, out, BitsAndBytesConfig(load_in_8bit=True))


def nf4(source: Path, machine: Machine, out: Path, calibration: Sequence[Record]) -> None:
    """4-bit NormalFloat with double quantization (Dettmers et al. 2023)."""
    _save(source, machine, out, _four_bit("nf4", machine))


def fp4(source: Path, machine: Machine, out: Path, calibration: Sequence[Record]) -> None:
    """4-bit floating point (e2m1) with double quantization."""
    _save(source, machine, out, _four_bit("fp4", machine))


def _four_bit(kind: Literal["nf4", "fp4"], machine: Machine) -> Any:
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type=kind,
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=machine.dtype,
    )


def _save(source: Path, machine: Machine, out: Path, config: Any) -> None:
    model = load_model(source, machine.for_storage, quantization_config=config)
    model.save_pretrained(out)
    load_tokenizer(source).save_pretrained(out)
    finish_export(out)
