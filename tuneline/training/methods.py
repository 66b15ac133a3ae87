"""METHODS: name -> how the trainable model is built from the base model's folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from tuneline.base_model import load_model
from tuneline.errors import TrainingError
from tuneline.machine import Machine
from tuneline.training.config import TrainingConfig

if TYPE_CHECKING:
    from peft import PeftModel


def qlora(folder: Path, config: TrainingConfig, machine: Machine) -> "PeftModel":
    """LoRA on a frozen base in NF4 with double quantization (Dettmers et al. 2023)."""
    from transformers import BitsAndBytesConfig

    if not machine.has_bitsandbytes:
        raise TrainingError(
            "training.method qlora needs the package bitsandbytes, which is not installed; "
            "install it or set training.method=lora"
        )
    quantization = BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=machine.dtype,
    )
    return _with_adapter(folder, config, machine, quantization_config=quantization)


def lora(folder: Path, config: TrainingConfig, machine: Machine) -> "PeftModel":
    """LoRA on a frozen 16-bit base (Hu et al. 2021)."""
    return _with_adapter(folder, config, machine)


def _with_adapter(
    folder: Path, config: TrainingConfig, machine: Machine, **kwargs: object
) -> "PeftModel":
    from peft import LoraConfig, get_peft_model

    model = load_model(folder, machine, **kwargs)
    model.config.use_cache = False
    model.enable_input_require_grads()
    targets = config.target_modules
    adapter = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
    )
    try:
        return get_peft_model(model, adapter)
    except ValueError as error:  # peft: target modules that the model does not have
        raise TrainingError(f"training.target_modules {targets}: {error}") from error


METHODS: dict[str, Callable[[Path, TrainingConfig, Machine], "PeftModel"]] = {
    "qlora": qlora,
    "lora": lora,
}
