"""Settings of the quantization comparison."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from tuneline.quantization.methods import QUANTIZATIONS
from tuneline.reports import ALL


class Limit(BaseModel):
    """What a variant may change of a task before it is not the same model any more."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    max_different: float = Field(default=0.10, gt=0, lt=1)
    """Share of different answers that the variant must be below, with 95 % confidence."""
    margin: float = Field(default=0.05, gt=0, lt=1)
    """Score that the variant may lose; it must be beyond doubt that it loses less."""


class Target(BaseModel):
    """A kind of machine that a variant is recommended for."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    device: Literal["cpu", "cuda"]
    """Where it computes; speeds measured on the other kind say little."""
    memory_gib: float = Field(gt=0)
    """Memory for weights and one conversation."""
    engines: tuple[str, ...] = Field(min_length=1)
    """Runtimes that it has: transformers, llama_cpp."""
    prefers: Literal["speed", "quality"] = "quality"
    """Of what passes and fits: the fastest, or the one nearest to the reference."""


TARGETS = {
    "cpu": Target(
        device="cpu", memory_gib=16, engines=("llama_cpp", "transformers"), prefers="speed"
    ),
    "gpu-8gb": Target(device="cuda", memory_gib=7.5, engines=("transformers", "llama_cpp")),
    "gpu-24gb": Target(device="cuda", memory_gib=23, engines=("transformers", "llama_cpp")),
}


class QuantizationConfig(BaseModel):
    """Which quantizations of the merged model are compared, and on how many prompts."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    variants: tuple[str, ...] = ("int8", "nf4")
    """Names in `QUANTIZATIONS`: int8, nf4, fp4, gguf-q4_k_m, gptq, ...; each is compared with the
    16-bit model of its runtime. Empty skips the comparison."""
    max_prompts: int = Field(default=100, ge=1)
    """Holdout prompts answered by every variant: the first by digest."""
    similar_from: float = Field(default=0.6, ge=0, le=1)
    """An answer that differs from the reference model's counts as similar from this ROUGE-L on,
    where the source's metric does not say by itself what is the same."""
    noise_floor: bool = True
    """Ask the reference a second time, in other batches, to see how far it differs from itself."""
    fidelity_tokens: int = Field(default=4096, ge=0)
    """Answer tokens on which next-token distributions are compared; they take 2 bytes x
    vocabulary each on disk meanwhile. 0 skips it."""
    calibration_records: int = Field(default=128, ge=1)
    """Training records shown to methods that look at some: the first by digest."""
    limits: dict[str, Limit] = {ALL: Limit()}
    """`all` or a source -> what a variant may change of it."""
    targets: dict[str, Target] = TARGETS
    """Name of a kind of machine -> what it has."""

    @field_validator("variants")
    @classmethod
    def _variants_exist(cls, variants: tuple[str, ...]) -> tuple[str, ...]:
        for name in variants:
            if name not in QUANTIZATIONS:
                raise ValueError(f"{name!r} is not known; known are {', '.join(QUANTIZATIONS)}")
        return variants
