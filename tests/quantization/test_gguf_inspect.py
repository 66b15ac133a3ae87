"""What a GGUF file holds is read from its header, without llama.cpp."""

from pathlib import Path

import gguf
import numpy as np
import pytest

from tuneline.errors import EvaluationError
from tuneline.quantization.gguf_inspect import bits_per_weight, inspect, read_tensors

Types = gguf.GGMLQuantizationType


def write(folder: Path, file_type: int, tensors: dict[str, tuple[int, int, str]]) -> None:
    """A file of zeros: name -> rows, columns, type."""
    writer = gguf.GGUFWriter(folder / "model.gguf", "llama")
    writer.add_file_type(file_type)
    for name, (rows, columns, kind) in tensors.items():
        n_weights, n_bytes = gguf.GGML_QUANT_SIZES[Types[kind]]
        data = np.zeros((rows, columns // n_weights * n_bytes), dtype=np.uint8)
        writer.add_tensor(name, data, raw_dtype=Types[kind])
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_bits_per_weight_are_those_of_the_formats_with_their_scales():
    # ggml-common.h: bytes of a block of 256 (K-quants) or 32 weights.
    kinds = {"Q8_0": 8.5, "Q6_K": 6.5625, "Q5_K": 5.5, "Q4_K": 4.5, "Q3_K": 3.4375, "Q2_K": 2.625}
    assert {kind: bits_per_weight(kind) for kind in kinds} == kinds


def test_types_and_bits_are_counted_over_all_tensors(tmp_path: Path):
    tensors = {"token_embd.weight": (4, 256, "Q6_K"), "blk.0.attn_q.weight": (12, 256, "Q4_K")}
    write(tmp_path, 15, tensors)
    stored = inspect(tmp_path)
    assert stored.tensor_types == {"Q6_K": 1, "Q4_K": 1}
    # By hand: (4 * 6.5625 + 12 * 4.5) / 16.
    assert stored.bits_per_weight == stored.asked_bits_per_weight == 5.02
    assert stored.fallbacks == ()


def test_a_row_that_is_no_multiple_of_256_is_named_with_the_type_that_was_asked_for(tmp_path: Path):
    tensors = {
        "token_embd.weight": (4, 576, "Q8_0"),
        "blk.0.attn_q.weight": (4, 576, "Q4_0"),
        "blk.0.attn_output.weight": (4, 576, "Q4_0"),
        "blk.0.ffn_down.weight": (4, 1536, "Q3_K"),
    }
    write(tmp_path, 10, tensors)
    stored = inspect(tmp_path)
    assert stored.fallbacks == (
        "token_embd.weight: Q8_0 in place of Q6_K, 576 wide",
        "blk.0.attn_q.weight: Q4_0 in place of Q2_K, 576 wide",
        "blk.0.attn_output.weight: Q4_0 in place of Q3_K, 576 wide",
    )
    # By hand: (576 * (8.5 + 4.5 + 4.5) + 1536 * 3.4375) / 3264 and with 6.5625, 2.625, 3.4375.
    assert (stored.bits_per_weight, stored.asked_bits_per_weight) == (4.71, 3.85)


@pytest.mark.parametrize(("file_type", "kind"), [(7, "Q8_0"), (1, "F16")])
def test_a_type_that_was_asked_for_is_no_fallback_whatever_the_width(
    tmp_path: Path, file_type: int, kind: str
):
    write(tmp_path, file_type, {"blk.0.attn_q.weight": (4, 576, kind)})
    assert inspect(tmp_path).fallbacks == ()
    (tensor,) = read_tensors(tmp_path / "model.gguf")
    assert (tensor.type, tensor.asked, tensor.n_weights) == (kind, kind, 4 * 576)


def test_a_folder_without_its_file_is_an_error_that_names_it(tmp_path: Path):
    with pytest.raises(EvaluationError, match=f"{tmp_path} holds 0 GGUF files; expected one"):
        inspect(tmp_path)
