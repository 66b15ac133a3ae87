"""What safetensors files hold, from their headers: types, bits per weight, fallbacks."""

import json
import math
import struct
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tuneline.reports import StoredWeights

AUXILIARY = (
    *(".absmax", ".quant_map", ".nested_absmax", ".nested_quant_map"),
    *(".scales", ".qzeros", ".g_idx", ".SCB", ".weight_format"),
)
"""Ends of the names of tensors that only serve another one: scales, zero points, code books."""
PACKED = ".qweight"
"""End of the name of GPTQ's and AWQ's packed integers."""
STATE = ".quant_state.bitsandbytes__"
"""bitsandbytes names the 4-bit type of a tensor in the name of a tensor beside it."""
NOT_QUANTIZED = ("embed_tokens", "lm_head", "wte", "embed_out", "norm")
"""Parts of the names of matrices that these methods leave in 16 bit on purpose."""
INT4_PER_INT32 = 8


class Tensor(NamedTuple):
    """One entry of a header."""

    dtype: str
    shape: tuple[int, ...]
    n_bytes: int


def inspect(folder: Path) -> StoredWeights:
    """Types, size and bits per weight of a folder of safetensors."""
    tensors = dict(_tensors(folder))
    states = {name.split(STATE)[0]: name.split(STATE)[1] for name in tensors if STATE in name}
    kinds: dict[str, str] = {}
    n_weights = 0
    for name, tensor in tensors.items():
        if name.endswith(AUXILIARY) or STATE in name:
            continue
        kinds[name], n = _kind(name, tensor, states)
        n_weights += n
    n_bytes = sum(tensor.n_bytes for tensor in tensors.values())
    return StoredWeights(
        size_mib=round(_size(folder) / 2**20, 1),
        bits_per_weight=round(8 * n_bytes / n_weights, 2),
        tensor_types=dict(Counter(kinds.values()).most_common()),
        fallbacks=_fallbacks(kinds, tensors),
    )


def matrix_widths(folder: Path) -> list[int]:
    """Inputs of every matrix that would be quantized: a layer's width or that of its MLP."""
    return [
        tensor.shape[1]
        for name, tensor in _tensors(folder)
        if len(tensor.shape) == 2 and not any(part in name for part in NOT_QUANTIZED)
    ]


def _kind(name: str, tensor: Tensor, states: Mapping[str, str]) -> tuple[str, int]:
    """Type of a tensor, and the weights that it holds."""
    n = math.prod(tensor.shape)
    if name in states:
        return states[name], 2 * n
    if name.endswith(PACKED):
        return "int4", INT4_PER_INT32 * n
    return ("int8" if tensor.dtype == "I8" else tensor.dtype), n


def _fallbacks(kinds: Mapping[str, str], tensors: Mapping[str, Tensor]) -> tuple[str, ...]:
    """Matrices in 16 or 32 bit in a folder whose other matrices are quantized."""
    wide: dict[bool, list[str]] = defaultdict(list)
    for name, kind in kinds.items():
        is_matrix = len(tensors[name].shape) == 2 and not any(p in name for p in NOT_QUANTIZED)
        if is_matrix:
            wide[kind in {"BF16", "F16", "F32"}].append(f"{name}: {kind}")
    return tuple(wide[True]) if wide[False] else ()


def _tensors(folder: Path) -> Iterator[tuple[str, Tensor]]:
    for file in sorted(folder.glob("*.safetensors")):
        for name, entry in _header(file).items():
            if name != "__metadata__":
                start, end = entry["data_offsets"]
                yield name, Tensor(entry["dtype"], tuple(entry["shape"]), end - start)


def _header(file: Path) -> dict[str, Any]:
    """The JSON at the file's beginning, behind its length in 8 bytes."""
    with file.open("rb") as opened:
        (length,) = struct.unpack("<Q", opened.read(8))
        header: dict[str, Any] = json.loads(opened.read(length))
    return header


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.glob("*.safetensors"))
