"""The comparison with GGUF variants: one file in float16, and every other held against it."""

from pathlib import Path

import pytest
from prefect import flow

from tasks import base_model, data, quantization
from tests.quantization.needs_llama_cpp import needs_llama_cpp
from tests.quantization.tiny_llama import write_tiny_llama
from tuneline.generation import ModelArtifact
from tuneline.profile import load_profile
from tuneline.quantization.gguf_parity import PARITY, ConversionParity
from tuneline.reports import load_report

pytestmark = needs_llama_cpp
ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def compared(
    prefect_server: str, tmp_path_factory: pytest.TempPathFactory
) -> quantization.Compared:
    model = tmp_path_factory.mktemp("tiny_llama")
    write_tiny_llama(model)
    changes = {
        "base_model": {"source": "folder", "name": str(model)},
        "data.sources.0.path": str(ROOT / "examples" / "lawyer" / "overruling.jsonl"),
        "quantization.variants": ["gguf-q8_0", "gguf-q2_k"],
        "quantization.max_prompts": 6,
        "quantization.fidelity_tokens": 40,
    }
    settings = load_profile(str(ROOT / "profiles" / "smoke.yaml"), changes)
    splits = data.prepare(settings, base_model.tokenizer(settings.base_model))
    merged = ModelArtifact("first", model, base_model.get(settings.base_model).digest)
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
