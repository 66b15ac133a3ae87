"""The comparison with GGUF variants: one file in float16, and every other held against it."""

from datetime import date
from pathlib import Path

import pytest
from prefect import flow

from flows.export import export
from tasks import base_model, data, quantization, training
from tasks.lineage import lineage_of
from tests.quantization.needs_llama_cpp import needs_llama_cpp
from tests.quantization.tiny_llama import write_tiny_llama
from tuneline.data.prepare import load_splits
from tuneline.generation import ModelArtifact
from tuneline.generation.llama_cpp_engine import LlamaCppEngine
from tuneline.machine import this_machine
from tuneline.profile import Profile, load_profile
from tuneline.quantization.gguf_parity import PARITY, ConversionParity
from tuneline.registry import Registry
from tuneline.reports import load_report
from tuneline.store import StageOutput
from tuneline.tracking import open_run, tracking_uri

pytestmark = needs_llama_cpp
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Profile:
    """The smoke profile on a model that llama.cpp knows."""
    model = tmp_path_factory.mktemp("tiny_llama")
    write_tiny_llama(model)
    changes = {
        "domain": "gguf",
        "base_model": {"source": "folder", "name": str(model)},
        "data.sources.0.path": str(ROOT / "examples" / "lawyer" / "overruling.jsonl"),
        "quantization.variants": ["gguf-q8_0", "gguf-q2_k"],
        "quantization.max_prompts": 6,
        "quantization.fidelity_tokens": 40,
    }
    return load_profile(str(ROOT / "profiles" / "smoke.yaml"), changes)


@pytest.fixture(scope="module")
def splits(prefect_server: str, settings: Profile) -> StageOutput:
    return data.prepare(settings, base_model.tokenizer(settings.base_model))


@pytest.fixture(scope="module")
def compared(settings: Profile, splits: StageOutput) -> quantization.Compared:
    base = base_model.get(settings.base_model)
    merged = ModelArtifact("first", Path(settings.base_model.name), base.digest)
    compare = flow(name="compare", validate_parameters=False)(quantization.compare_quantizations)
    found: quantization.Compared = compare(merged, settings, splits)
    return found


def test_variants_are_held_against_float16_of_the_same_runtime(compared: quantization.Compared):
    variants = {variant.name: variant for variant in compared.report.variants}
    assert list(variants) == ["bf16", "gguf-f16", "gguf-q8_0", "gguf-q2_k"]
    assert [floor.reference for floor in compared.report.noise] == ["bf16", "gguf-f16"]
    eight, two = (variants[name].fidelity for name in ("gguf-q8_0", "gguf-q2_k"))
    assert eight is not None
    assert two is not None
    assert 0 < eight.kl < two.kl
    sizes = [variants[name].stored for name in ("gguf-f16", "gguf-q8_0", "gguf-q2_k")]
    bits = [stored.bits_per_weight for stored in sizes if stored is not None]
    assert bits == sorted(bits, reverse=True)
    assert len(bits) == 3


def test_float16_is_made_once_and_checked(compared: quantization.Compared, workspace_dir: Path):
    (made,) = (workspace_dir / "store" / "quantize").glob("*/model-F16.gguf")
    parity = load_report(made.parent / PARITY, ConversionParity)
    assert (parity.n_prompts, parity.n_different) == (50, 0)


def test_a_release_is_exported_as_a_file_that_llama_cpp_answers_with(
    settings: Profile, splits: StageOutput, tmp_path: Path
):
    base = base_model.get(settings.base_model)
    adapter = training.train(settings, splits, base, lambda metrics, step: None)
    version = Registry(tracking_uri()).register(
        "gguf", adapter=training.adapter_of(adapter), candidate="first", day=date(2026, 4, 1),
        lineage=lineage_of(settings, splits, base, adapter), run_id=open_run("gguf", "first"),
        description="", actor="ann",
    )  # fmt: skip
    folder = Path(export("gguf", version.release, "gguf-q8_0", str(tmp_path)))
    assert folder.name.startswith(f"{version.release}-gguf-q8_0-")
    exported = ModelArtifact("exported", folder, "", engine="llama_cpp")
    engine = LlamaCppEngine(exported, this_machine(), settings.evaluation.generation)
    questions = [engine.render(record.prompt) for record in load_splits(splits).holdout[:4]]
    assert all(prediction.text for prediction in engine.answer(questions))
    engine.close()
