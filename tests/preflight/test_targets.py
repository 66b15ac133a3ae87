"""Target modules come from the architecture, and their adapter has the size that peft gives it."""

from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch import nn
from transformers import AutoConfig, AutoModelForCausalLM

from tuneline.base_model import BaseModelRef
from tuneline.errors import BaseModelError, TrainingError
from tuneline.machine import this_machine
from tuneline.preflight.architecture import (
    Architecture,
    LinearModule,
    count_adapter,
    read_architecture,
)
from tuneline.preflight.costs import METHOD_COSTS
from tuneline.preflight.targets import describe_targets, n_trainable, resolve_targets
from tuneline.training.config import TrainingConfig
from tuneline.training.methods import METHODS

pytestmark = [  # of peft, about GPT-2 and about experts
    pytest.mark.filterwarnings("ignore:fan_in_fan_out is set to False:UserWarning"),
    pytest.mark.filterwarnings("ignore:The following .*_pattern keys:RuntimeWarning"),
]


def trained(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters() if p.requires_grad)


@pytest.mark.parametrize("method", ["lora", "dora"])
def test_the_adapter_has_as_many_parameters_as_peft_gives_it(
    architecture_folder: Path, method: str
):
    architecture = read_architecture(architecture_folder)
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(architecture_folder))
    assert architecture.n_parameters == sum(p.numel() for p in model.parameters())
    adapter = {"r": 8, "target_modules": "all-linear", "use_dora": method == "dora"}
    if architecture.n_expert_parameters and method == "dora":
        with pytest.raises(BaseModelError, match=r"does not work with use_dora.*; use method lora"):
            count_adapter(architecture_folder, adapter)
        return
    expected = trained(get_peft_model(model, LoraConfig(task_type="CAUSAL_LM", **adapter)))
    if architecture.n_expert_parameters:
        assert count_adapter(architecture_folder, adapter) == expected
    else:
        targets = resolve_targets(architecture, "all-linear")
        config = TrainingConfig(rank=8, method=method)
        assert n_trainable(architecture, targets, config) == expected


@pytest.mark.parametrize("method", METHODS)
def test_every_method_trains_what_is_forecast(tiny_model: BaseModelRef, method: str):
    config = TrainingConfig(method=method, rank=4, trainable_layers=1)
    architecture = read_architecture(tiny_model.folder)
    targets = resolve_targets(architecture, config.target_modules)
    model = METHODS[method](tiny_model.folder, config, this_machine())
    assert n_trainable(architecture, targets, config) == trained(model)


def test_every_method_has_its_costs():
    assert METHOD_COSTS.keys() == METHODS.keys()


def test_names_are_ends_of_full_names_as_peft_takes_them(folder_of):
    folder = folder_of("gpt2")
    architecture = read_architecture(folder)
    names = ["attn.c_proj", "c_attn"]
    found = resolve_targets(architecture, names)
    assert {target.name for target in found} == {
        f"transformer.h.{n}.attn.{kind}" for n in range(3) for kind in ("c_attn", "c_proj")
    }
    model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    adapted = get_peft_model(model, LoraConfig(r=16, target_modules=names))
    assert n_trainable(architecture, found, TrainingConfig(method="lora")) == trained(adapted)


@pytest.mark.parametrize(
    ("name", "wanted", "sentence"),
    [
        ("gpt2", ["q_proj", "v_proj"], "it has c_attn, c_proj, c_fc; query, key and value are one "
         "module there, c_attn; name some of these, or set all-linear"),
        ("bloom", ["q_proj"], "query, key and value are one module there, query_key_value"),
        ("llama", ["q_proj", "W_pack"], "names W_pack, which llama does not have .*it has q_proj, "
         "k_proj, v_proj, o_proj, gate_proj, up_proj, down_proj; name some"),
        ("llama", ["lm_head"], "which llama does not have as linear modules besides the head"),
        ("llama", ["embed_tokens"], "names embed_tokens"),
    ],
)  # fmt: skip
def test_a_module_that_does_not_exist_is_named_with_those_that_do(
    folder_of, name: str, wanted: list[str], sentence: str
):
    with pytest.raises(TrainingError, match=sentence):
        resolve_targets(read_architecture(folder_of(name)), wanted)


def test_a_fused_module_that_transformers_does_not_ship_is_a_target_like_others():
    linear = LinearModule("model.layers.0.self_attn.W_pack", 64, 192, True)
    architecture = Architecture(
        model_type="baichuan", n_parameters=1, linears=(linear,), n_expert_parameters=0,
        active_share=0.0, layer_parameters=(1,), hidden_size=64, n_heads=4, n_key_value_heads=4,
        vocab_size=10,
    )  # fmt: skip
    assert resolve_targets(architecture, ["W_pack"]) == (linear,)
    with pytest.raises(TrainingError, match="are one module there, W_pack"):
        resolve_targets(architecture, ["q_proj", "k_proj"])


def test_what_gets_an_adapter_is_said_with_shapes(folder_of):
    architecture = read_architecture(folder_of("qwen2"))
    assert describe_targets(architecture, resolve_targets(architecture, ["q_proj", "k_proj"])) == (
        "6 linear modules in 3 layers of qwen2: q_proj 64x64, k_proj 64x32 "
        "(grouped-query attention, 2 key-value heads for 4)"
    )
    gpt2 = read_architecture(folder_of("gpt2"))
    assert describe_targets(gpt2, gpt2.linears) == (
        "12 linear modules in 3 layers of gpt2: c_attn 64x192, c_proj 64x64, c_fc 64x256, "
        "c_proj 256x64 (c_attn holds query, key and value)"
    )


def test_no_weights_are_made(folder_of, monkeypatch):
    made = []
    real = torch.empty

    def empty(*args, **kwargs):
        tensor = real(*args, **kwargs)
        made.append(tensor.device.type)
        return tensor

    monkeypatch.setattr(torch, "empty", empty)
    read_architecture(folder_of("llama"))
    assert made and set(made) == {"meta"}


def test_more_layers_than_there_are_is_an_error(folder_of):
    architecture = read_architecture(folder_of("llama"))
    config = TrainingConfig(method="freeze", trainable_layers=4)
    with pytest.raises(TrainingError, match="trainable_layers is 4; the base model has 3 layers"):
        n_trainable(architecture, architecture.linears, config)


def test_a_model_that_is_no_causal_language_model_is_one_sentence(tmp_path: Path):
    from transformers import T5Config

    T5Config(vocab_size=128, d_model=64, num_layers=2, num_heads=4).save_pretrained(tmp_path)
    with pytest.raises(BaseModelError, match="t5 is no causal language model that transformers"):
        read_architecture(tmp_path)
