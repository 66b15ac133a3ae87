"""QUANTIZATIONS: name -> how a merged model is made smaller, what runs it, what it is held to."""

from collections.abc import Iterable

from tuneline.quantization.autoround import AUTOROUND
from tuneline.quantization.bits_and_bytes import fp4, int8, nf4
from tuneline.quantization.gguf import GGUF
from tuneline.quantization.method import REFERENCE, Quantization, Write
from tuneline.quantization.safetensors_headers import inspect


def _by_bitsandbytes(write: Write) -> Quantization:
    packages = ("torch", "transformers", "bitsandbytes")
    return Quantization(write, inspect, packages=packages, modules=("quantization/bits_and_bytes",))


QUANTIZATIONS: dict[str, Quantization] = {
    REFERENCE: Quantization(None, inspect),
    "int8": _by_bitsandbytes(int8),
    "nf4": _by_bitsandbytes(nf4),
    "fp4": _by_bitsandbytes(fp4),
    **AUTOROUND,
    **GGUF,
}


def with_needed(names: Iterable[str]) -> list[str]:
    """Variants in the order in which they are made: each behind what it needs.

    What it is made from and what it is compared with come along, also where nobody named them.
    """
    ordered: list[str] = []
    for name in names:
        method = QUANTIZATIONS[name]
        needed = [n for n in (method.reference, method.made_from) if n != name]
        ordered += [n for n in [*with_needed(needed), name] if n not in ordered]
    return ordered
