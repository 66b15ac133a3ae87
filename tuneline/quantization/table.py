"""All that was measured of the variants, as one report."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from tuneline.quantization.comparison import Agreement, Judge, Rows, slice_shares
from tuneline.quantization.config import QuantizationConfig
from tuneline.quantization.gate import judge_variant
from tuneline.quantization.measuring import Measurement
from tuneline.quantization.method import Quantization
from tuneline.quantization.recommendation import recommend
from tuneline.records import Record
from tuneline.reports import (
    ALL,
    AnswerShares,
    DifferentAnswer,
    Fidelity,
    NoiseFloor,
    QuantizationReport,
    QuantizedVariant,
    Score,
    StoredWeights,
)

BITS_OF_NOTE = 0.5
"""Bits per weight that a format may miss by fallbacks before a remark says so."""


class Tried(NamedTuple):
    """One variant as it was made, asked and measured."""

    name: str
    method: Quantization
    folder: str
    digest: str
    rows: Rows
    score: Score
    tokens_per_s: float
    stored: StoredWeights
    measured: Measurement | None


class AskedAgain(NamedTuple):
    """What a reference answered the second time."""

    rows: Rows
    how: str


class Prompts(NamedTuple):
    """What every variant was asked, and how answers are compared."""

    records: Sequence[Record]
    judge: Judge
    asked_again: Mapping[str, AskedAgain]
    """Reference -> its second answers."""


def assemble(
    tried: Sequence[Tried],
    prompts: Prompts,
    config: QuantizationConfig,
    device: str,
    *,
    merge_parity: Fidelity | None = None,
    remarks: Sequence[str] = (),
) -> QuantizationReport:
    """Compare every variant with the reference of its runtime, judge it, and recommend.

    Args:
        tried: References and variants, the merged model first.
        prompts: What they were asked.
        config: Limits and targets.
        device: `cpu` or `cuda`, where speeds were measured.
        merge_parity: The merged model against its adapter.
        remarks: What a reader must know besides.
    """
    by_name = {one.name: one for one in tried}
    noise, unstable = _noise(by_name, prompts)
    variants = tuple(_variant(one, by_name, prompts, unstable, config) for one in tried)
    return QuantizationReport(
        variants=variants,
        n_prompts=len(prompts.records),
        similar_from=config.similar_from,
        noise=noise,
        merge_parity=merge_parity,
        recommendations=tuple(recommend(variants, config.targets, device)),
        remarks=(*remarks, *(note for v in variants for note in _remarks(v))),
    )


def _noise(
    tried: Mapping[str, Tried], prompts: Prompts
) -> tuple[tuple[NoiseFloor, ...], dict[str, list[bool]]]:
    floors, unstable = [], {}
    for name, again in prompts.asked_again.items():
        found = prompts.judge.agreements(again.rows, tried[name].rows)
        changed, different = len(found) - found.count("exact"), found.count("different")
        floors.append(NoiseFloor(name, changed, different, len(found), again.how))
        unstable[name] = [agreement == "different" for agreement in found]
    return tuple(floors), unstable


def _variant(
    one: Tried,
    tried: Mapping[str, Tried],
    prompts: Prompts,
    unstable: Mapping[str, list[bool]],
    config: QuantizationConfig,
) -> QuantizedVariant:
    reference = tried[one.method.reference]
    agreements = prompts.judge.agreements(one.rows, reference.rows)
    shaky = unstable.get(reference.name, [False] * len(agreements))
    slices = slice_shares(one.rows, reference.rows, agreements, shaky, config.limits)
    is_reference = one.name == reference.name
    whole: AnswerShares = slices[ALL]
    return QuantizedVariant(
        name=one.name,
        size_mib=one.stored.size_mib,
        tokens_per_s=one.tokens_per_s,
        score=one.score,
        exact=whole.exact,
        similar=whole.similar,
        different=whole.different,
        reference=reference.name,
        engine=one.method.engine,
        folder=one.folder,
        digest=one.digest,
        stored=one.stored,
        fidelity=one.measured.fidelity if one.measured else None,
        load_s=one.measured.load_s if one.measured else 0.0,
        peak_memory_mib=one.measured.peak_memory_mib if one.measured else 0.0,
        slices={} if is_reference else slices,
        gate=None if is_reference else judge_variant(slices, config.limits),
        different_answers=tuple(_side_by_side(one, reference, prompts, agreements, shaky)),
    )


def _side_by_side(
    one: Tried,
    reference: Tried,
    prompts: Prompts,
    agreements: Sequence[Agreement],
    unstable: Sequence[bool],
) -> list[DifferentAnswer]:
    """Prompts with different answers; of a reference those where its own generation failed."""
    return [
        DifferentAnswer(
            digest=record.digest,
            source=record.source,
            prompt=record.prompt_text,
            reference=record.reference,
            reference_answer=reference.rows.answers[i] or "",
            answer=one.rows.answers[i] or "",
            is_unstable=unstable[i],
        )
        for i, record in enumerate(prompts.records)
        if agreements[i] == "different"
    ]


def _remarks(variant: QuantizedVariant) -> list[str]:
    stored = variant.stored
    if stored is None or not stored.fallbacks:
        return []
    n, asked = len(stored.fallbacks), stored.asked_bits_per_weight
    if asked is not None and stored.bits_per_weight - asked < BITS_OF_NOTE:
        return []
    instead = "" if asked is None else f" instead of {asked}"
    return [
        f"{variant.name}: {n} of {sum(stored.tensor_types.values())} tensors are stored in a "
        f"wider type than the format's ({stored.fallbacks[0]}), so it has "
        f"{stored.bits_per_weight} bits per weight{instead}: size and quality are not those that "
        "its name promises"
    ]
