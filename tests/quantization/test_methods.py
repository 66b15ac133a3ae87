"""Each quantization of a merged model: what was saved is what was made, and it answers."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch

from tuneline.base_model import BaseModelRef, load_model
from tuneline.errors import QuantizationError
from tuneline.generation import GenerationConfig, Generator, ModelArtifact
from tuneline.machine import this_machine
from tuneline.quantization import bits_and_bytes
from tuneline.quantization.methods import QUANTIZATIONS, with_needed
from tuneline.records import Record
from tuneline.reports import TrainingReport
from tuneline.training.merging import merge

IDS = list(range(5, 25))
BITSANDBYTES = ("int8", "nf4", "fp4")


class Quantized(NamedTuple):
    """A variant on disk, and the model in memory that it was saved from."""

    name: str
    folder: Path
    model: Any


@pytest.fixture(scope="module")
def merged_model(
    trained: tuple[Path, TrainingReport],
    tiny_model: BaseModelRef,
    records: list[Record],
    tmp_path_factory: pytest.TempPathFactory,
) -> Path:
    out = tmp_path_factory.mktemp("merged")
    merge(tiny_model.folder, trained[0] / "adapter", records[:4], this_machine(), out)
    return out


@pytest.fixture(scope="module", params=BITSANDBYTES)
def quantized(
    request: pytest.FixtureRequest,
    merged_model: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Quantized:
    out, loaded = tmp_path_factory.mktemp(request.param), []

    def load_and_remember(*args: Any, **kwargs: Any) -> Any:
        loaded.append(load_model(*args, **kwargs))
        return loaded[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bits_and_bytes, "load_model", load_and_remember)
        write = QUANTIZATIONS[request.param].write
        assert write is not None
        write(merged_model, this_machine(), out, ())
    return Quantized(request.param, out, loaded[0])


def logits(model: Any) -> torch.Tensor:
    with torch.inference_mode():
        ids = torch.tensor([IDS], device=model.device)
        return model.eval()(input_ids=ids).logits[0].float()


def test_what_is_loaded_computes_what_was_saved(quantized: Quantized):
    reloaded = load_model(quantized.folder, this_machine())
    assert torch.equal(logits(reloaded), logits(quantized.model))


def test_a_variant_that_has_answered_can_be_saved_again(quantized: Quantized, tmp_path: Path):
    """bitsandbytes repacks 4-bit weights in eval mode on some CPUs and then saves garbage."""
    expected = logits(quantized.model)
    quantized.model.save_pretrained(tmp_path)
    assert torch.equal(logits(load_model(tmp_path, this_machine())), expected)


def test_a_variant_is_near_the_merged_model_and_not_equal(quantized: Quantized, merged_model: Path):
    exact, ours = logits(load_model(merged_model, this_machine())), logits(quantized.model)
    # Two unrelated models of this width give about 0; NF4 is coarse on so small a model.
    assert torch.nn.functional.cosine_similarity(ours, exact, dim=-1).mean() > 0.7
    assert not torch.equal(ours, exact)


def test_a_variant_says_how_it_was_quantized_and_is_smaller(
    quantized: Quantized, merged_model: Path
):
    settings = json.loads((quantized.folder / "config.json").read_text())
    said = settings["quantization_config"]
    assert (said["load_in_8bit"], said["load_in_4bit"]) == {
        "int8": (True, False), "nf4": (False, True), "fp4": (False, True)
    }[quantized.name]  # fmt: skip
    assert (settings["rope_theta"], settings["torch_dtype"]) == (10000.0, "bfloat16")
    stored = QUANTIZATIONS[quantized.name].inspect(quantized.folder)
    assert 0 < stored.size_mib < QUANTIZATIONS["bf16"].inspect(merged_model).size_mib


def test_the_headers_tell_types_and_bits_per_weight(quantized: Quantized, merged_model: Path):
    """By hand: 2 layers of 7 matrices; embeddings, head, norms and biases stay in 16 bit."""
    whole = QUANTIZATIONS["bf16"].inspect(merged_model)
    stored = QUANTIZATIONS[quantized.name].inspect(quantized.folder)
    assert whole.bits_per_weight == 16
    assert list(whole.tensor_types) == ["BF16"]
    assert stored.tensor_types[quantized.name] == 14
    assert sum(stored.tensor_types.values()) == whole.tensor_types["BF16"]
    assert stored.fallbacks == ()
    low, high = {"int8": (8, 16), "nf4": (4, 10), "fp4": (4, 10)}[quantized.name]
    assert low < stored.bits_per_weight < high


def test_a_variant_comes_behind_what_it_is_made_from_and_compared_with():
    assert with_needed(["nf4", "int8"]) == ["bf16", "nf4", "int8"]
    assert with_needed([]) == []


@pytest.mark.parametrize("name", QUANTIZATIONS)
def test_every_quantization_names_others_that_exist_and_engines_that_load_it(name: str):
    from tuneline.generation import ENGINES

    method = QUANTIZATIONS[name]
    assert {method.made_from, method.reference} <= QUANTIZATIONS.keys()
    assert QUANTIZATIONS[method.reference].engine == method.engine
    assert QUANTIZATIONS[method.reference].reference == method.reference
    assert method.engine in ENGINES


def test_a_package_that_is_missing_is_named_with_the_way_to_get_it():
    method = replace(QUANTIZATIONS["nf4"], packages=("no-such-package",), extra="gguf")
    with pytest.raises(QuantizationError, match=r"nf4 needs the package no-such-package.*\[gguf"):
        method.check_installed("nf4")


def test_a_variant_answers_from_its_folder_alone(quantized: Quantized, records: list[Record]):
    artifact = ModelArtifact(quantized.name, quantized.folder, "digest")
    generator = Generator.load(artifact, this_machine(), GenerationConfig(max_new_tokens=4))
    predictions, _ = generator.generate([record.prompt for record in records[:6]])
    assert {p.text for p in predictions} <= {"Yes", "No"}
    assert all(0 < p.n_tokens <= 4 for p in predictions)
