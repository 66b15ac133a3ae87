"""METHODS: name -> how the trainable model is built from the base model's folder."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.base_model import load_model
from tuneline.errors import TrainingError
from tuneline.machine import Machine
from tuneline.training.config import TrainingConfig

if TYPE_CHECKING:
    from peft import PeftModel
    from torch.nn import ModuleList
    from transformers import PreTrainedModel

Build = Callable[[Path, TrainingConfig, Machine], "PeftModel | PreTrainedModel"]


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
    return _with_adapter(load_model(folder, machine, quantization_config=quantization), config)


def lora(folder: Path, config: TrainingConfig, machine: Machine) -> "PeftModel":
    """LoRA on a frozen 16-bit base (Hu et al. 2021)."""
    return _with_adapter(load_model(folder, machine), config)


def rslora(folder: Path, config: TrainingConfig, machine: Machine) -> "PeftModel":
    """LoRA scaled by alpha / sqrt(rank), which lets high ranks learn (Kalajdzievski 2023)."""
    return _with_adapter(load_model(folder, machine), config, use_rslora=True)


def dora(folder: Path, config: TrainingConfig, machine: Machine) -> "PeftModel":
    """LoRA with a learned magnitude beside the direction of each weight (Liu et al. 2024)."""
    return _with_adapter(load_model(folder, machine), config, use_dora=True)


def pissa(folder: Path, config: TrainingConfig, machine: Machine) -> "PeftModel":
    """LoRA that begins at the principal singular vectors (Meng et al. 2024), by an exact SVD."""
    return _with_adapter(load_model(folder, machine), config, init_lora_weights="pissa")


def full(folder: Path, config: TrainingConfig, machine: Machine) -> "PreTrainedModel":
    """Every weight is trained."""
    return _without_cache(load_model(folder, machine))


def freeze(folder: Path, config: TrainingConfig, machine: Machine) -> "PreTrainedModel":
    """The last `trainable_layers` layers are trained and all else is frozen."""
    model = _without_cache(load_model(folder, machine))
    layers = _layers(model)
    if config.trainable_layers > len(layers):
        raise TrainingError(
            f"training.trainable_layers is {config.trainable_layers}; "
            f"the base model has {len(layers)} layers"
        )
    model.requires_grad_(False)
    for layer in layers[-config.trainable_layers :]:
        layer.requires_grad_(True)
    return model


METHODS: dict[str, Build] = {
    "qlora": qlora,
    "lora": lora,
    "rslora": rslora,
    "dora": dora,
    "pissa": pissa,
    "loraplus": lora,  # its own is the optimizer
    "galore": full,  # its own is the optimizer
    "freeze": freeze,
    "full": full,
}


def _with_adapter(model: "PreTrainedModel", config: TrainingConfig, **kwargs: Any) -> "PeftModel":
    from peft import LoraConfig, get_peft_model

    _without_cache(model).enable_input_require_grads()
    targets = config.target_modules
    adapter = LoraConfig(
        r=config.rank,
        lora_alpha=config.alpha,
        lora_dropout=config.dropout,
        target_modules=targets if isinstance(targets, str) else list(targets),
        task_type="CAUSAL_LM",
        **kwargs,
    )
    try:
        return get_peft_model(model, adapter)
    except ValueError as error:  # peft: target modules that the model does not have
        raise TrainingError(f"training.target_modules {targets}: {error}") from error


def _without_cache(model: "PreTrainedModel") -> "PreTrainedModel":
    model.config.use_cache = False
    return model


def _layers(model: "PreTrainedModel") -> "ModuleList":
    """The decoder's layers: the longest list of modules."""
    from torch.nn import ModuleList

    return max((m for m in model.modules() if isinstance(m, ModuleList)), key=len)
