"""What the hardware decides is decided in one place and said in words."""

import gc
import weakref
from dataclasses import replace

import pytest
import torch

from tuneline import machine as machine_module
from tuneline.machine import Machine, free_memory, this_machine

CPU = Machine("cpu", "bfloat16", "eager", True)
GPU = Machine("cuda", "bfloat16", "sdpa", True)


@pytest.mark.parametrize(
    ("machine", "wanted", "chosen"),
    [
        (CPU, "paged_adamw_8bit", "adamw_torch"),
        (CPU, "adamw_8bit", "adamw_8bit"),
        (CPU, "adamw_torch", "adamw_torch"),
        (GPU, "paged_adamw_8bit", "paged_adamw_8bit"),
    ],
)
def test_only_a_paged_optimizer_is_replaced_and_only_without_cuda(machine, wanted, chosen):
    assert machine.optimizer(wanted) == chosen


def test_a_replaced_optimizer_is_said_in_words():
    assert CPU.describe("paged_adamw_8bit") == (
        "cpu, bfloat16, eager attention, adamw_torch (in place of paged_adamw_8bit: no CUDA)"
    )
    assert GPU.describe("paged_adamw_8bit") == "cuda, bfloat16, sdpa attention, paged_adamw_8bit"


@pytest.mark.parametrize("name", ["bfloat16", "float16", "float32"])
def test_the_dtype_is_the_torch_dtype_of_its_name(name: str):
    assert Machine("cpu", name, "eager", True).dtype is getattr(torch, name)


def test_this_machine_has_the_device_that_torch_sees():
    assert this_machine().device == ("cuda" if torch.cuda.is_available() else "cpu")
    assert this_machine() is this_machine()


@pytest.mark.parametrize(
    ("platform", "has_bf16", "dtype"),
    [("x86_64", True, "bfloat16"), ("x86_64", False, "float32"), ("arm64", False, "bfloat16")],
)
def test_a_cpu_that_only_emulates_bfloat16_computes_in_float32(
    platform: str, has_bf16: bool, dtype: str, monkeypatch
):
    monkeypatch.setattr(machine_module.platform, "machine", lambda: platform)
    features = {"avx512bf16": has_bf16}
    monkeypatch.setattr(machine_module, "get_host_cpu_features", lambda: features)
    monkeypatch.setattr(machine_module, "_has_cuda", lambda: False)
    assert machine_module._look.__wrapped__() == Machine("cpu", dtype, "eager", True)


def test_free_memory_takes_models_that_sit_in_reference_cycles():
    model = torch.nn.Linear(2, 2)
    model.me = [model]
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is not None
        free_memory()
    finally:
        gc.enable()
    assert gone() is None


def test_models_are_saved_in_16_bit_where_a_cpu_computes_in_32():
    old_cpu = Machine("cpu", "float32", "eager", has_bitsandbytes=True)
    assert old_cpu.for_storage.dtype_name == "bfloat16"
    assert CPU.for_storage == CPU
    assert replace(GPU, dtype_name="float16").for_storage.dtype_name == "float16"
