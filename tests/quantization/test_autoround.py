"""GPTQ and AWQ by AutoRound: calibrated on training records, in groups that fit the model."""

import importlib.util
import json
from pathlib import Path

import pytest
import torch

from tests.conftest import yes_no_records
from tuneline.base_model import BaseModelRef, load_model, load_tokenizer
from tuneline.errors import QuantizationError
from tuneline.machine import this_machine
from tuneline.quantization.autoround import BLOCK_TOKENS, calibration_samples, group_size
from tuneline.quantization.methods import QUANTIZATIONS
from tuneline.random_model import write_random_model

needs_autoround = pytest.mark.skipif(
    importlib.util.find_spec("auto_round") is None, reason="needs the extra autoround"
)


@pytest.mark.parametrize(("width", "size"), [(128, 128), (64, 64), (192, 64)])
def test_groups_divide_the_width_of_every_matrix(tmp_path: Path, width: int, size: int):
    write_random_model(tmp_path, width)
    assert group_size(tmp_path) == size


def test_calibration_is_made_of_whole_conversations(tiny_model: BaseModelRef):
    records = yes_no_records(60)
    samples = calibration_samples(tiny_model.folder, records)
    assert {len(sample) for sample in samples} == {BLOCK_TOKENS}
    text = load_tokenizer(tiny_model.folder).decode(samples[0])
    assert "Is 0 even?<|im_end|>\n<|im_start|>assistant\nYes<|im_end|>" in text


def test_little_to_calibrate_on_is_one_short_sample(tiny_model: BaseModelRef):
    (sample,) = calibration_samples(tiny_model.folder, yes_no_records(2))
    assert 0 < len(sample) < BLOCK_TOKENS


def test_without_training_records_there_is_no_calibration(tiny_model: BaseModelRef):
    with pytest.raises(QuantizationError, match="calibrated on training records"):
        calibration_samples(tiny_model.folder, [])


@needs_autoround
@pytest.mark.slow
@pytest.mark.parametrize("name", ["gptq", "awq"])
def test_what_autoround_wrote_is_4_bit_and_says_so(
    name: str, tiny_model: BaseModelRef, tmp_path: Path
):
    write = QUANTIZATIONS[name].write
    assert write is not None
    write(tiny_model.folder, this_machine(), tmp_path, yes_no_records(60))
    settings = json.loads((tmp_path / "config.json").read_text())
    said = settings["quantization_config"]
    assert (said["quant_method"], said["bits"], said["group_size"]) == (name, 4, 64)
    assert settings["rope_theta"] == 10000.0
    stored = QUANTIZATIONS[name].inspect(tmp_path)
    assert stored.tensor_types["int4"] == 14
    assert stored.fallbacks == ()
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]
    if name == "gptq":
        ids = torch.arange(5, 25).unsqueeze(0)
        ours, exact = (
            load_model(folder, this_machine()).eval()(ids).logits.float()
            for folder in (tmp_path, tiny_model.folder)
        )
        assert torch.nn.functional.cosine_similarity(ours, exact, dim=-1).mean() > 0.95
