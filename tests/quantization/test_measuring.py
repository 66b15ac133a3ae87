"""A variant beside its reference: distributions, memory, and one model at a time."""

from pathlib import Path

import numpy as np
import pytest

from tuneline.base_model import BaseModelRef
from tuneline.generation import GenerationConfig, Generator, ModelArtifact
from tuneline.machine import this_machine
from tuneline.quantization import measuring
from tuneline.quantization.bits_and_bytes import nf4
from tuneline.quantization.measuring import Bench, Exchange, memory_watch
from tuneline.records import Record


@pytest.fixture(scope="module")
def reference(tiny_model: BaseModelRef) -> ModelArtifact:
    return ModelArtifact("bf16", tiny_model.folder, "reference")


@pytest.fixture(scope="module")
def variant(tiny_model: BaseModelRef, tmp_path_factory: pytest.TempPathFactory) -> ModelArtifact:
    out = tmp_path_factory.mktemp("nf4")
    nf4(tiny_model.folder, this_machine(), out, ())
    return ModelArtifact("nf4", out, "variant")


def bench(folder: Path, records: list[Record], max_tokens: int = 1000) -> Bench:
    exchanges = [Exchange(record.prompt, record.reference) for record in records]
    return Bench(this_machine(), GenerationConfig(), exchanges, max_tokens, folder)


def test_a_reference_is_no_distance_from_itself_and_a_variant_is(
    reference: ModelArtifact, variant: ModelArtifact, records: list[Record], tmp_path: Path
):
    place = bench(tmp_path, records[:6])
    own = place.measure(reference, reference).fidelity
    other = place.measure(variant, reference).fidelity
    assert own is not None
    assert other is not None
    assert own.kl < 1e-6
    assert own.top1_agreement == 1
    assert own.perplexity == own.reference_perplexity
    assert other.kl > 1e-5
    assert other.n_tokens == own.n_tokens > 6
    assert other.reference_perplexity == pytest.approx(own.perplexity, rel=1e-3)


def test_the_reference_is_read_once_for_all_variants(
    reference: ModelArtifact, variant: ModelArtifact, records: list[Record], tmp_path: Path,
    monkeypatch,
):  # fmt: skip
    loaded = []
    load = Generator.load

    def counted(artifact: ModelArtifact, *rest):
        loaded.append(artifact.name)
        return load(artifact, *rest)

    monkeypatch.setattr(measuring.Generator, "load", counted)
    place = bench(tmp_path, records[:2])
    for model in (reference, variant, variant):
        place.measure(model, reference)
    assert loaded == ["bf16", "nf4", "nf4"]


def test_a_variant_alone_reads_its_reference_first(
    reference: ModelArtifact, variant: ModelArtifact, records: list[Record], tmp_path: Path
):
    alone = bench(tmp_path / "a", records[:3]).measure(variant, reference)
    place = bench(tmp_path / "b", records[:3])
    place.measure(reference, reference)
    assert alone.fidelity == place.measure(variant, reference).fidelity


def test_enough_tokens_are_enough(
    reference: ModelArtifact, variant: ModelArtifact, records: list[Record], tmp_path: Path
):
    place = bench(tmp_path, records, max_tokens=10)
    own = place.measure(reference, reference).fidelity
    other = place.measure(variant, reference).fidelity
    assert own is not None
    assert other is not None
    assert 10 <= own.n_tokens < 20
    assert other.n_tokens == own.n_tokens
    assert len(list(tmp_path.glob("*.npy"))) < len(records)


def test_without_an_answer_nothing_is_compared(reference: ModelArtifact, tmp_path: Path):
    assert bench(tmp_path, []).measure(reference, reference).fidelity is None


def test_memory_is_what_the_block_takes():
    if this_machine().device != "cpu":
        pytest.skip("on a GPU, torch's own counter")
    with memory_watch(this_machine()) as peak:
        block = np.ones(40 * 2**17)  # 40 MiB
        block += 1
        del block
        seen = peak()
    assert seen >= 0
    with memory_watch(this_machine()) as peak:
        kept = np.ones(40 * 2**17)
        assert peak() == pytest.approx(40, abs=12)
    assert kept.any()
