"""Modules by what they belong to, without the weights."""

from pathlib import Path

import pytest

from tuneline.base_model import BaseModelRef
from tuneline.errors import SearchError
from tuneline.search.targets import module_groups


def test_attention_and_mlp_of_a_llama_like_model(tiny_model: BaseModelRef):
    assert module_groups(tiny_model.folder) == {
        "attention": ("q_proj", "k_proj", "v_proj", "o_proj"),
        "mlp": ("gate_proj", "up_proj", "down_proj"),
    }


def test_only_the_configuration_is_needed(tiny_model: BaseModelRef, tmp_path: Path):
    (tmp_path / "config.json").write_bytes((tiny_model.folder / "config.json").read_bytes())
    assert "q_proj" in module_groups(tmp_path)["attention"]


def test_names_that_stand_in_both_are_told_apart_by_their_block(tmp_path: Path):
    from peft import LoraConfig, get_peft_model
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=32)
    config.save_pretrained(tmp_path)
    groups = module_groups(tmp_path)
    assert groups == {
        "attention": ("attn.c_attn", "attn.c_proj"),
        "mlp": ("mlp.c_fc", "mlp.c_proj"),
    }
    adapter = LoraConfig(target_modules=list(groups["mlp"]), fan_in_fan_out=True)
    model = get_peft_model(GPT2LMHeadModel(config), adapter)
    adapted = [name for name, _ in model.named_parameters() if "lora_A" in name]
    assert len(adapted) == 2 and all(".mlp." in name for name in adapted)


def test_a_model_without_attention_modules_says_what_to_leave_out(tmp_path: Path):
    from transformers import MambaConfig

    MambaConfig(num_hidden_layers=1, hidden_size=8, vocab_size=32).save_pretrained(tmp_path)
    with pytest.raises(SearchError, match=r"'attention'; take it out of search\.target_modules"):
        module_groups(tmp_path)
