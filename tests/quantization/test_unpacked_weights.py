"""Weights that were quantized before are known by their few levels."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from tuneline.quantization.unpacked_weights import was_quantized


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
