"""Where more bits need not be better, the report says so."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tuneline.quantization.gguf_order import order_caveats, was_quantized
from tuneline.reports import StoredWeights


def write_layer(folder: Path, matrix: torch.Tensor) -> Path:
    tensors = {"model.layers.0.mlp.up_proj.weight": matrix, "model.norm.weight": torch.ones(64)}
    save_file(
        {name: tensor.to(torch.bfloat16) for name, tensor in tensors.items()},
        folder / "model.safetensors",
    )
    return folder


@pytest.fixture
def trained() -> torch.Tensor:
    return torch.randn(64, 256, generator=torch.Generator().manual_seed(0))


def test_weights_that_were_4_bit_are_known_by_their_few_levels(tmp_path: Path, trained):
    blocks = trained.reshape(-1, 32)
    step = (blocks.amax(-1, keepdim=True) - blocks.amin(-1, keepdim=True)) / 15
    unpacked = (blocks / step).round() * step
    assert was_quantized(write_layer(tmp_path, unpacked.reshape(64, 256)))


def test_trained_weights_are_not_taken_for_quantized_ones(tmp_path: Path, trained):
    assert not was_quantized(write_layer(tmp_path, trained))
    eight_bit = (trained * 40).round() / 40  # about 180 levels
    assert not was_quantized(write_layer(tmp_path, eight_bit))


def test_a_folder_without_layers_is_not_called_quantized(tmp_path: Path):
    assert not was_quantized(tmp_path)


def test_fallbacks_are_counted_with_what_they_cost(tmp_path: Path, trained):
    narrow = StoredWeights(1.0, 5.46, {"Q5_0": 180, "Q4_K": 92}, ("x: Q5_0",) * 180, 4.81)
    wide = StoredWeights(1.0, 8.5, {"Q8_0": 272}, (), 8.5)
    variants = {"gguf-q8_0": wide, "gguf-q4_k_m": narrow}
    assert order_caveats(variants, write_layer(tmp_path, trained)) == [
        "gguf-q4_k_m: 180 of 272 tensors are of a wider type than asked for, as their rows are no "
        "multiple of 256 wide: 5.46 bits per weight instead of 4.81."
    ]


def test_a_base_model_that_was_quantized_takes_the_expected_order_away(tmp_path: Path):
    constant = write_layer(tmp_path, torch.ones(64, 256))
    (sentence,) = order_caveats({}, constant)
    assert "quantized to 4 bits or fewer before" in sentence
    assert "Q8_0, Q5_K_M, Q4_K_M, Q3_K_M, Q2_K is not to be expected here" in sentence
