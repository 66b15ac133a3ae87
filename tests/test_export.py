"""What transformers 4 and servers of other users need in a model folder."""

import json
from pathlib import Path

import pytest

from tuneline.base_model import BaseModelRef, load_model, load_tokenizer
from tuneline.export import finish_export
from tuneline.machine import this_machine
from tuneline.random_model import random_tokenizer


def written(folder: Path, config: dict[str, object]) -> dict[str, object]:
    (folder / "config.json").write_text(json.dumps(config))
    finish_export(folder)
    return dict(json.loads((folder / "config.json").read_text()))


@pytest.fixture
def saved(tiny_model: BaseModelRef, tmp_path: Path) -> Path:
    """A folder as transformers 5 saves it."""
    load_model(tiny_model.folder, this_machine().for_storage).save_pretrained(tmp_path)
    random_tokenizer().save_pretrained(tmp_path)
    return tmp_path


def test_what_transformers_5_saves_lacks_what_version_4_reads(saved: Path):
    """Should this fail, transformers writes it by itself and the export can do less."""
    config = json.loads((saved / "config.json").read_text())
    assert not {"rope_theta", "torch_dtype"} & config.keys()
    tokenizer = json.loads((saved / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "TokenizersBackend"
    assert (saved / "model.safetensors").stat().st_mode & 0o077 == 0


def test_an_export_has_the_keys_that_older_readers_need(saved: Path):
    before = json.loads((saved / "config.json").read_text())
    finish_export(saved)
    config = json.loads((saved / "config.json").read_text())
    assert config == before | {"rope_theta": 10000.0, "torch_dtype": "bfloat16"}
    tokenizer = json.loads((saved / "tokenizer_config.json").read_text())
    assert tokenizer["tokenizer_class"] == "PreTrainedTokenizerFast"


def test_weights_can_be_read_by_whoever_can_read_their_settings(saved: Path):
    finish_export(saved)
    modes = {file.stat().st_mode & 0o777 for file in saved.iterdir()}
    assert len(modes) == 1


def test_an_export_loads_as_what_it_was(saved: Path):
    ids = load_tokenizer(saved)("Is 4 even?")["input_ids"]
    before = load_model(saved, this_machine()).config.to_dict()
    finish_export(saved)
    assert load_model(saved, this_machine()).config.to_dict() == before
    assert load_tokenizer(saved)("Is 4 even?")["input_ids"] == ids
    assert load_tokenizer(saved).chat_template


def test_finishing_twice_changes_nothing(saved: Path):
    finish_export(saved)
    first = (saved / "config.json").read_bytes()
    finish_export(saved)
    assert (saved / "config.json").read_bytes() == first


def test_scaled_rotary_settings_are_named_as_version_4_names_them(tmp_path: Path):
    rope = {"rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0}
    config = written(tmp_path, {"rope_parameters": rope})
    assert config["rope_theta"] == 500000.0
    assert config["rope_scaling"] == {"rope_type": "llama3", "factor": 8.0}


def test_rotary_settings_per_kind_of_layer_are_named_as_version_4_names_them(tmp_path: Path):
    rope = {
        "full_attention": {"rope_type": "default", "rope_theta": 1e6},
        "sliding_attention": {"rope_type": "default", "rope_theta": 1e4},
    }
    config = written(tmp_path, {"rope_parameters": rope})
    assert (config["rope_theta"], config["rope_local_base_freq"]) == (1e6, 1e4)
    assert "rope_scaling" not in config


def test_a_model_without_rotary_embeddings_gets_none(tmp_path: Path):
    assert written(tmp_path, {"model_type": "gpt2"}) == {"model_type": "gpt2"}
