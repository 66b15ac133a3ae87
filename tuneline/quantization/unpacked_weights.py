"""Were a model's 16-bit weights unpacked from 4-bit ones? More bits need not be better then."""

from pathlib import Path
from typing import Any

UNPACKED_LEVELS = 16
"""Most values that a block of 32 weights has where they were quantized to 4 bits or fewer."""
N_BLOCKS = 512
"""Blocks of each matrix that are looked at."""
N_MATRICES = 16


def was_quantized(base_model: Path) -> bool:
    """Whether weights look like 4-bit ones that were unpacked, as from a GGUF file.

    Blocks of 32 neighbouring weights then have 16 values at most; trained ones have about 30. Only
    the base model shows it: merging an adapter moves every weight off its level.

    Args:
        base_model: Folder of safetensors.
    """
    counts = [_levels(matrix) for matrix in _matrices(base_model)]
    return bool(counts) and sum(counts) / len(counts) <= UNPACKED_LEVELS


def _levels(matrix: Any) -> float:
    """Mean number of different values in a block of 32 weights."""
    blocks = matrix.flatten()[: 32 * N_BLOCKS].float().reshape(-1, 32).sort(dim=-1).values
    return float((blocks.diff(dim=-1) != 0).sum(-1).float().mean()) + 1


def _matrices(model: Path) -> list[Any]:
    """Some matrices inside the layers, where a quantization that was unpacked would be seen."""
    from safetensors import safe_open

    found: list[Any] = []
    for file in sorted(model.glob("*.safetensors")):
        with safe_open(file, framework="pt") as opened:
            for name in opened.keys():  # noqa: SIM118, not a mapping
                shape = opened.get_slice(name).get_shape()
                if ".layers." in name and len(shape) == 2 and shape[1] % 32 == 0:
                    found.append(opened.get_slice(name)[: max(1, 32 * N_BLOCKS // shape[1])])
                if len(found) == N_MATRICES:
                    return found
    return found
