"""What methods and objectives cost, in the terms of memory and time. One row for each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MethodCost:
    """How a method of training differs from others."""

    trains: Literal["adapter", "layers", "all"]
    is_4_bit: bool = False
    """Whether the frozen linear modules are held in NF4."""
    has_magnitude: bool = False
    """Whether each target has one more trained number per output."""
    projects_gradients: bool = False
    """Whether the optimizer keeps its states in `rank` dimensions of each target."""
    slowdown: float = 1.0
    """Time per floating-point operation against LoRA, measured on a CPU with a 135M model."""


METHOD_COSTS: Mapping[str, MethodCost] = {
    "qlora": MethodCost("adapter", is_4_bit=True, slowdown=1.2),
    "lora": MethodCost("adapter"),
    "rslora": MethodCost("adapter"),
    "dora": MethodCost("adapter", has_magnitude=True, slowdown=1.35),
    "pissa": MethodCost("adapter"),
    "loraplus": MethodCost("adapter"),
    "galore": MethodCost("all", projects_gradients=True),
    "freeze": MethodCost("layers"),
    "full": MethodCost("all"),
}


@dataclass(frozen=True, slots=True)
class ObjectiveCost:
    """How often a record passes through the model."""

    n_answers: int
    """Answers of a record in a forward pass: a pair has two."""
    extra_forwards: int
    """Forward passes without a backward pass: of the base model as reference, and of KTO's
    mismatched prompts and answers."""


OBJECTIVE_COSTS: Mapping[str, ObjectiveCost] = {
    "sft": ObjectiveCost(1, 0),
    "dpo": ObjectiveCost(2, 1),
    "kto": ObjectiveCost(1, 3),
}
