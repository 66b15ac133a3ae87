"""Where a model cannot show that more bits are better, and why: said beside the numbers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tuneline.reports import StoredWeights

UNPACKED_LEVELS = 16
"""Most values that a block of 32 weights has where they were quantized to 4 bits or fewer."""
N_BLOCKS = 512
"""Blocks of each matrix that are looked at."""
N_MATRICES = 16
ORDER = "Q8_0, Q5_K_M, Q4_K_M, Q3_K_M, Q2_K"


def order_caveats(variants: Mapping[str, StoredWeights], base_model: Path) -> list[str]:
    """Sentences on what keeps GGUF variants from coming in the order of their bits.

    Args:
        variants: Name -> what its file holds.
        base_model: Folder of the base model; merging an adapter hides what its weights were.
    """
    caveats = []
    if was_quantized(base_model):
        caveats.append(
            "The base model's weights were quantized to 4 bits or fewer before, and then stored in "
            f"16 bit: quantizing them again need not be better with more bits, so the order {ORDER}"
            " is not to be expected here."
        )
    for name, stored in variants.items():
        if stored.fallbacks and stored.asked_bits_per_weight is not None:
            caveats.append(
                f"{name}: {len(stored.fallbacks)} of {sum(stored.tensor_types.values())} tensors "
                "are of a wider type than asked for, as their rows are no multiple of 256 wide: "
                f"{stored.bits_per_weight:.2f} bits per weight instead of "
                f"{stored.asked_bits_per_weight:.2f}."
            )
    return caveats


def was_quantized(model: Path) -> bool:
    """Whether 16-bit weights look like 4-bit ones that were unpacked.

    Blocks of 32 neighbouring weights then have 16 values at most; trained ones have about 30.
    """
    counts = [_levels(matrix) for matrix in _matrices(model)]
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
