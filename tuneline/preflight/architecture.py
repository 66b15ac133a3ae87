"""The model's modules and their shapes, from its configuration alone: no weights, no memory."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.errors import BaseModelError
from tuneline.model_card import load_config

if TYPE_CHECKING:
    from transformers import PreTrainedConfig


@dataclass(frozen=True, slots=True)
class LinearModule:
    """A module that multiplies by a matrix: torch's Linear, or GPT-2's Conv1D."""

    name: str
    """Full, such as `model.layers.0.self_attn.q_proj`."""
    in_features: int
    out_features: int
    takes_4_bit: bool
    """Whether bitsandbytes replaces it: not a linear class that the architecture brings along."""

    @property
    def n_weights(self) -> int:
        """Entries of the matrix."""
        return self.in_features * self.out_features

    @property
    def kind(self) -> str:
        """Last part of the name: the same in every layer."""
        return self.name.rpartition(".")[2]


@dataclass(frozen=True, slots=True)
class Architecture:
    """What adapters, memory and time depend on."""

    model_type: str
    n_parameters: int
    """Tied ones counted once."""
    linears: tuple[LinearModule, ...]
    """All linear modules but the head, in the model's order."""
    n_expert_parameters: int
    """In the experts of a mixture, which are tensors of three dimensions and no linear modules."""
    active_share: float
    """Share of the experts that a token passes through."""
    layer_parameters: tuple[int, ...]
    """Parameters of each decoder layer."""
    hidden_size: int
    n_heads: int
    n_key_value_heads: int
    vocab_size: int

    @property
    def n_layers(self) -> int:
        """Decoder layers."""
        return len(self.layer_parameters)


def read_architecture(folder: Path) -> Architecture:
    """The architecture of a folder with `config.json`.

    Raises:
        BaseModelError: transformers has no causal language model for it.
    """
    model = _without_weights(folder)
    return architecture_of(model, model.config)


def count_adapter(folder: Path, adapter: Mapping[str, Any]) -> int:
    """Parameters of an adapter as peft makes it: mixtures of experts have rules of their own.

    Args:
        folder: With `config.json`.
        adapter: Arguments of peft's `LoraConfig`.

    Raises:
        BaseModelError: peft cannot make such an adapter for this model.
    """
    from peft import LoraConfig, get_peft_model

    model = _without_weights(folder)
    try:
        adapted = get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **adapter))
    except ValueError as error:
        raise BaseModelError(f"{model.config.model_type}: {error}; use method lora") from error
    return sum(p.numel() for p in adapted.parameters() if p.requires_grad)


def _without_weights(folder: Path) -> Any:
    import torch
    from transformers import AutoModelForCausalLM

    config = load_config(folder)
    try:
        with torch.device("meta"):
            return AutoModelForCausalLM.from_config(config, trust_remote_code=False)
    except ValueError as error:
        raise BaseModelError(
            f"{config.model_type} is no causal language model that transformers knows "
            f"({' '.join(str(error).split())[:120]}); use another base model"
        ) from error


def architecture_of(model: Any, config: "PreTrainedConfig") -> Architecture:
    """The shapes of a model, on any device."""
    text = config.get_text_config()
    heads = getattr(text, "num_attention_heads", 1)
    head = model.get_output_embeddings()
    return Architecture(
        model_type=config.model_type,
        n_parameters=sum(p.numel() for p in model.parameters()),
        linears=tuple(_linears(model, head)),
        n_expert_parameters=sum(p.numel() for p in _layers(model).parameters() if p.ndim == 3),
        active_share=_active_share(text),
        layer_parameters=tuple(sum(p.numel() for p in m.parameters()) for m in _layers(model)),
        hidden_size=text.hidden_size,
        n_heads=heads,
        n_key_value_heads=getattr(text, "num_key_value_heads", None) or heads,
        vocab_size=text.vocab_size,
    )


def _linears(model: Any, head: Any) -> Iterator[LinearModule]:
    from torch.nn import Linear
    from transformers.pytorch_utils import Conv1D

    for name, module in model.named_modules():
        if module is head:
            continue
        if isinstance(module, Conv1D):
            n_in, n_out = module.weight.shape
            yield LinearModule(name, n_in, n_out, True)
        elif isinstance(module, Linear):
            is_plain = type(module) is Linear
            yield LinearModule(name, module.in_features, module.out_features, is_plain)


def _active_share(text: Any) -> float:
    """Experts per token over experts, under the names that configurations give them."""
    names = ("num_local_experts", "num_experts", "n_routed_experts")
    n = next((getattr(text, name) for name in names if getattr(text, name, None)), 0)
    return float(getattr(text, "num_experts_per_tok", n)) / n if n else 0.0


def _layers(model: Any) -> Any:
    """The decoder's layers: the longest list of modules, as `methods` takes them."""
    from torch.nn import ModuleList

    return max((m for m in model.modules() if isinstance(m, ModuleList)), key=len)
