"""Which variant for which machine. Pure, with the reason in words."""

from collections.abc import Mapping, Sequence

from tuneline.quantization.config import Target
from tuneline.reports import QuantizedVariant, Recommendation

MIB_PER_GIB = 1024
Doubts = Mapping[str, str]
"""Variant -> why it is not recommended."""


def recommend(
    variants: Sequence[QuantizedVariant], targets: Mapping[str, Target], device: str
) -> list[Recommendation]:
    """One variant per target: of those that pass the gate and fit, the fastest or the nearest.

    Args:
        variants: As measured; references always pass.
        targets: Name -> what the machine has.
        device: Where speeds were measured, `cpu` or `cuda`.
    """
    return [_for_target(name, target, variants, device) for name, target in targets.items()]


def _for_target(
    name: str, target: Target, variants: Sequence[QuantizedVariant], device: str
) -> Recommendation:
    doubts = {v.name: doubt for v in variants if (doubt := _doubt(v, target))}
    fitting = [v for v in variants if v.name not in doubts]
    rest = "; ".join(f"{variant} {doubt}" for variant, doubt in doubts.items())
    if not fitting:
        return Recommendation(name, None, f"nothing fits: {rest}")
    by_speed = target.prefers == "speed"
    best = max(fitting, key=_speed if by_speed else _quality)
    reason = f"{'fastest' if by_speed else 'nearest to the reference'} of what passes and fits"
    reason += f" ({best.tokens_per_s:.0f} tokens/s, {needed_mib(best):,.0f} MiB of memory)"
    if by_speed and device != target.device:
        reason += f"; speeds were measured on {device}, so measure again there"
    return Recommendation(name, best.name, f"{reason}{'; ' if rest else ''}{rest}")


def needed_mib(variant: QuantizedVariant) -> float:
    """Memory that a variant takes: as measured, and never less than its files."""
    return max(variant.peak_memory_mib, variant.size_mib)


def _doubt(variant: QuantizedVariant, target: Target) -> str | None:
    """Why a variant is not for a target; None where it is."""
    if variant.gate is not None and variant.gate.verdict != "pass":
        fails = variant.gate.verdict == "fail"
        return "fails the gate" if fails else "cannot be told from a worse model yet"
    if variant.engine not in target.engines:
        return f"needs {variant.engine}"
    if needed_mib(variant) > target.memory_gib * MIB_PER_GIB:
        return f"needs {needed_mib(variant):,.0f} MiB"
    return None


def _speed(variant: QuantizedVariant) -> tuple[float, float]:
    return variant.tokens_per_s, -variant.size_mib


def _quality(variant: QuantizedVariant) -> tuple[bool, float, float]:
    """References first, then by distance from one, then by size."""
    kl = variant.fidelity.kl if variant.fidelity else float("inf")
    return variant.is_reference, -kl, -variant.size_mib
