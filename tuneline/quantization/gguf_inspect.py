"""What a GGUF file really holds: types, bits per weight, and what llama.cpp had to do otherwise.

Reads with the `gguf` package; llama.cpp need not be installed.
"""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from tuneline.generation.llama_cpp_model import gguf_file
from tuneline.reports import StoredWeights

BLOCK = 256
"""Weights of a row that K-quants quantize together."""
STAND_INS = {"Q4_0": "Q3_K", "Q5_0": "Q4_K", "Q5_1": "Q5_K", "Q8_0": "Q6_K"}
"""Type with blocks of 32 -> the K-quant in whose place llama.cpp takes it for a row that is no
multiple of `BLOCK` wide (`tensor_type_fallback` in llama-quant.cpp)."""
MIXED = ("attn_v.", "attn_output.", "ffn_down.")
"""Matrices that the mixture Q2_K has in Q3_K; the others are in Q2_K."""
FILE_TYPES = {1: "F16", 7: "Q8_0", 10: "Q2_K", 12: "Q3_K_M", 15: "Q4_K_M", 17: "Q5_K_M"}
"""`general.file_type` -> name of the mixture."""


class Tensor(NamedTuple):
    """One tensor of a file."""

    name: str
    type: str
    """As it is."""
    asked: str
    """As the mixture wanted it."""
    n_columns: int
    n_weights: int
    n_bytes: int


def inspect(folder: Path) -> StoredWeights:
    """Types, size and bits per weight of the one GGUF file of a folder."""
    file = gguf_file(folder)
    tensors = list(read_tensors(file))
    n_weights = sum(tensor.n_weights for tensor in tensors)
    asked = sum(tensor.n_weights * bits_per_weight(tensor.asked) for tensor in tensors)
    fallbacks = [tensor for tensor in tensors if tensor.type != tensor.asked]
    return StoredWeights(
        size_mib=round(file.stat().st_size / 2**20, 1),
        bits_per_weight=round(8 * sum(tensor.n_bytes for tensor in tensors) / n_weights, 2),
        tensor_types=dict(Counter(tensor.type for tensor in tensors).most_common()),
        fallbacks=tuple(
            f"{t.name}: {t.type} in place of {t.asked}, {t.n_columns} wide" for t in fallbacks
        ),
        asked_bits_per_weight=round(asked / n_weights, 2),
    )


def read_tensors(file: Path) -> Iterator[Tensor]:
    """Every tensor of a file, in its order, from the header alone."""
    from gguf import GGUFReader

    reader = GGUFReader(file)
    mixture = FILE_TYPES.get(int(reader.fields["general.file_type"].contents()), "")
    for entry in reader.tensors:
        columns, kind = int(entry.shape[0]), entry.tensor_type.name
        yield Tensor(
            name=entry.name,
            type=kind,
            asked=_asked(entry.name, kind, columns, mixture),
            n_columns=columns,
            n_weights=int(entry.n_elements),
            n_bytes=int(entry.n_bytes),
        )


def bits_per_weight(kind: str) -> float:
    """Bits that a type takes per weight, scales included."""
    from gguf import GGML_QUANT_SIZES, GGMLQuantizationType

    sizes: Any = GGML_QUANT_SIZES[GGMLQuantizationType[kind]]
    n_weights, n_bytes = sizes
    return 8 * float(n_bytes) / float(n_weights)


def _asked(name: str, kind: str, n_columns: int, mixture: str) -> str:
    """Type that the mixture wants for a tensor; other than its own only where it cannot be had."""
    is_k_mixture = "_K" in mixture
    if not is_k_mixture or n_columns % BLOCK == 0 or kind not in STAND_INS:
        return kind
    if kind == "Q4_0" and mixture == "Q2_K" and not any(part in name for part in MIXED):
        return "Q2_K"
    return STAND_INS[kind]
