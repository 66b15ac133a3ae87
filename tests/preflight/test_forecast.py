"""Forecasts against what torch, transformers and bitsandbytes count."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from peft import LoraConfig, get_peft_model
from torch.utils.flop_counter import FlopCounterMode
from transformers import AutoModelForCausalLM, LlamaConfig

from tuneline.machine import Machine, this_machine
from tuneline.preflight.architecture import Architecture, architecture_of
from tuneline.preflight.batches import Batches, n_validation_tokens, plan_batches
from tuneline.preflight.compute import training_flops
from tuneline.preflight.forecast import (
    Run,
    forecast,
    measured_flops_per_s,
    memory_check,
)
from tuneline.preflight.memory import MIB, estimate_memory
from tuneline.preflight.rows import InspectedRows, RowFacts
from tuneline.preflight.speed import (
    Hardware,
    MeasuredSpeed,
    Speed,
    assumed_speed,
    choose_speed,
)
from tuneline.preflight.targets import n_trainable, resolve_targets
from tuneline.random_model import write_random_model
from tuneline.reports import TrainingReport
from tuneline.training.config import TrainingConfig
from tuneline.training.methods import METHODS

CPU = Machine("cpu", "bfloat16", "eager", True)
CUDA = Machine("cuda", "bfloat16", "sdpa", True)
H100 = Hardware("NVIDIA H100 80GB HBM3", 16, 81_000)
XEON = Hardware("Xeon, 2 cores", 2, 24_000)
SEVEN_B = LlamaConfig(
    vocab_size=152064, hidden_size=3584, intermediate_size=18944, num_hidden_layers=28,
    num_attention_heads=28, num_key_value_heads=4, tie_word_embeddings=False,
)  # fmt: skip
"""The shape of Qwen2.5-7B, less its biases."""


def of(config: LlamaConfig) -> Architecture:
    with torch.device("meta"):
        return architecture_of(AutoModelForCausalLM.from_config(config), config)


@pytest.fixture(scope="module")
def seven_b() -> Architecture:
    return of(SEVEN_B)


def rows(*lengths: int, n_records: int | None = None) -> InspectedRows:
    facts = tuple(RowFacts(f"r:{n}", length, 10, True, True) for n, length in enumerate(lengths))
    return InspectedRows(n_records or len(facts), 0, facts, ())


def memory(architecture: Architecture, machine: Machine, batches: Batches, **settings):
    config = TrainingConfig(**settings)
    targets = resolve_targets(architecture, config.target_modules)
    n = n_trainable(architecture, targets, config)
    return estimate_memory(architecture, targets, n, config, machine, batches)


ONE_BATCH = Batches(4, 1, 4096, 400, 4096, 400, 1024)


@pytest.mark.parametrize(
    ("n", "settings", "steps"),
    [
        (100, {"batch_size": 4, "epochs": 3}, 75),
        (101, {"batch_size": 4, "epochs": 3}, 78),
        (101, {"batch_size": 4, "gradient_accumulation": 4, "epochs": 1.5}, 11),
        (101, {"batch_size": 2, "n_processes": 2, "epochs": 1}, 26),
        (100, {"max_steps": 7}, 7),
    ],
)
def test_steps_are_counted_as_the_trainer_counts_them(n: int, settings, steps: int):
    assert plan_batches(rows(*[20] * n), TrainingConfig(**settings)).n_steps == steps


def test_tokens_hold_the_padding_and_leave_out_rows_that_are_too_long():
    config = TrainingConfig(batch_size=2, epochs=2, max_seq_tokens=100)
    batches = plan_batches(rows(40, 40, 20, 20, 500, n_records=5), config)
    assert (batches.n_rows, batches.n_steps) == (4, 4)
    assert 2 * 120 <= batches.n_tokens <= 2 * 160
    assert (batches.widest, batches.widest_loss, batches.longest) == (80, 20, 40)
    grouped = plan_batches(
        rows(40, 20, 40, 20), config.model_copy(update={"group_by_length": True})
    )
    assert grouped.n_tokens == 2 * 120


def test_packed_rows_have_no_padding_and_fewer_steps():
    config = TrainingConfig(batch_size=2, epochs=1, max_seq_tokens=100, packing=True)
    batches = plan_batches(rows(*[30] * 20), config)
    assert (batches.n_rows, batches.n_steps, batches.n_tokens) == (6, 3, 600)
    assert batches.n_loss_tokens == 200


def test_a_sample_of_the_rows_stands_for_all():
    config = TrainingConfig(batch_size=4, epochs=1)
    assert plan_batches(rows(*[50] * 10, n_records=1000), config).n_tokens == 50_000


def test_validation_is_counted_each_time_it_is_measured():
    config = TrainingConfig(max_steps=100, validate_every_steps=30)
    assert n_validation_tokens(rows(10, 20), config, 100) == 3 * 30
    assert n_validation_tokens(rows(10, 20), TrainingConfig(), 100) == 30


def test_qlora_weights_are_as_large_as_bitsandbytes_makes_them(tmp_path: Path):
    write_random_model(tmp_path, hidden_size=512)
    config = TrainingConfig(method="qlora", rank=4)
    model = METHODS["qlora"](tmp_path, config, this_machine())
    architecture = architecture_of(AutoModelForCausalLM.from_pretrained(tmp_path), model.config)
    held = 0
    for name, parameter in model.named_parameters():
        if "lora_" in name:
            continue
        held += parameter.numel() * parameter.element_size()
        state = getattr(parameter, "quant_state", None)
        if state is not None:
            held += state.absmax.numel() + 4 * state.state2.absmax.numel()
    largest = max(m.n_weights for m in architecture.linears) * this_machine().dtype.itemsize
    estimated = memory(architecture, this_machine(), ONE_BATCH, method="qlora")["weights"]
    assert estimated * MIB - largest == pytest.approx(held, rel=0.02)


@pytest.mark.parametrize("n_key_value_heads", [8, 2])
def test_activations_are_near_what_autograd_keeps(n_key_value_heads: int):
    config = LlamaConfig(
        vocab_size=512, hidden_size=256, intermediate_size=704, num_hidden_layers=3,
        num_attention_heads=8, num_key_value_heads=n_key_value_heads, use_cache=False,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, attn_implementation="sdpa").to(torch.bfloat16)
    model.enable_input_require_grads()
    model = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear"))
    own = {p.untyped_storage().data_ptr() for p in model.parameters()}
    kept: dict[int, torch.Tensor] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        if tensor.untyped_storage().data_ptr() not in own:
            kept[tensor.untyped_storage().data_ptr()] = tensor
        return tensor

    ids = torch.zeros(2, 64, dtype=torch.long)
    hooks = torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor)
    with hooks, torch.autocast("cpu", dtype=torch.bfloat16):
        model.get_base_model().model(input_ids=ids)
    held = sum(tensor.untyped_storage().nbytes() for tensor in kept.values())
    machine = Machine("cpu", "bfloat16", "sdpa", True)
    batches = Batches(2, 1, 128, 10, 128, 10, 64)
    parts = memory(of(config), machine, batches, method="lora", rank=8, dropout=0)
    assert parts["activations"] * MIB == pytest.approx(held, rel=0.3)


def test_operations_are_near_those_that_torch_counts():
    config = LlamaConfig(
        vocab_size=512, hidden_size=128, intermediate_size=352, num_hidden_layers=3,
        num_attention_heads=4, use_cache=False,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config, attn_implementation="eager")
    model.enable_input_require_grads()
    model = get_peft_model(model, LoraConfig(r=8, target_modules="all-linear"))
    ids = torch.zeros(2, 64, dtype=torch.long)
    with FlopCounterMode(display=False) as counter:
        model(input_ids=ids, labels=ids).loss.backward()
    architecture = of(config)
    settings = TrainingConfig(method="lora", rank=8, batch_size=2)
    n = n_trainable(architecture, architecture.linears, settings)
    # every position carries loss here, and its logits are not computed twice
    batches = Batches(2, 1, 128, 128 * 2 // 3, 128, 128, 64)
    flops = training_flops(architecture, n, settings, batches, 0)
    assert flops == pytest.approx(counter.get_total_flops(), rel=0.1)


def test_a_7b_qlora_run_is_forecast_as_the_papers_say(seven_b: Architecture):
    """About 8 GB at 1,024 tokens, batch 1, checkpointing (issue of bitsandbytes' own examples)."""
    batch = Batches(1, 1, 1024, 500, 1024, 500, 1024)
    parts = memory(seven_b, CUDA, batch, method="qlora", activation_checkpointing=True)
    assert seven_b.n_parameters == pytest.approx(7.6e9, rel=0.02)
    # 6.5e9 weights in 4.13 bit, 1.1e9 of embedding and head in 16 bit
    assert parts["weights"] == pytest.approx(5460, rel=0.03)
    assert 6_000 < sum(parts.values()) < 8_000


def test_memory_falls_where_it_should(seven_b: Architecture):
    def total(**settings) -> float:
        return sum(memory(seven_b, CUDA, ONE_BATCH, **settings).values())

    assert total(method="qlora") < total(method="lora") < total(method="galore")
    assert total(method="galore") < total(method="full", optimizer="adamw_torch")
    assert total(method="full") < total(method="full", optimizer="adamw_torch")
    assert total(method="freeze") < total(method="full")
    assert total(method="qlora", activation_checkpointing=True) < total(method="qlora")
    assert total(method="lora") < total(method="dora")
    assert "process" not in memory(seven_b, CUDA, ONE_BATCH)


def test_full_training_keeps_16_bytes_per_parameter_with_plain_adamw(seven_b: Architecture):
    parts = memory(seven_b, CUDA, ONE_BATCH, method="full", optimizer="adamw_torch")
    held = sum(parts[name] for name in ("weights", "gradients", "optimizer"))
    assert held * MIB == pytest.approx(16 * seven_b.n_parameters, rel=1e-3)


def run(architecture: Architecture, **settings) -> Run:
    config = TrainingConfig(**settings)
    targets = resolve_targets(architecture, config.target_modules)
    n = n_trainable(architecture, targets, config)
    return Run(architecture, targets, n, config, CUDA, H100, ONE_BATCH, 0)


def test_time_and_cost_follow_from_speed_and_price(seven_b: Architecture):
    made = forecast(run(seven_b, price_per_hour=3.0), Speed(1e12, "measured"))
    assert made.train_s == pytest.approx(made.flops / 1e12)
    assert made.cost == pytest.approx(3.0 * made.train_s / 3600)
    assert forecast(run(seven_b), Speed(1e12, "measured")).cost is None
    # 4,096 tokens x 4 x 6.5e9, and somewhat more for attention, head and adapter
    lora = forecast(run(seven_b, method="lora"), Speed(1e12, "measured"))
    assert lora.flops == pytest.approx(4096 * 4 * 6.53e9, rel=0.05)


def test_each_setting_that_costs_time_is_counted(seven_b: Architecture):
    def flops(**settings) -> float:
        return forecast(run(seven_b, **settings), Speed(1e12, "")).flops

    plain = flops(method="lora")
    assert flops(method="lora", activation_checkpointing=True) == pytest.approx(
        1.5 * plain, rel=0.05
    )
    assert flops(method="full") == pytest.approx(1.5 * plain, rel=0.05)
    assert flops(method="freeze", trainable_layers=2) < plain
    assert flops(method="lora", objective="dpo") > plain
    assert flops(method="lora", objective="kto") > flops(method="lora", objective="dpo")


def test_a_forecast_that_does_not_fit_is_a_warning_with_the_way_out(seven_b: Architecture):
    made = forecast(run(seven_b, method="full"), Speed(1e12, ""))
    found = memory_check(made, H100)
    assert found.level == "warning"
    assert "of 81,000 MiB (estimate); lower batch_size" in found.sentence
    assert memory_check(forecast(run(seven_b), Speed(1e12, "")), H100).level == "ok"


def measured(flops_per_s: float, **changes) -> MeasuredSpeed:
    found = MeasuredSpeed(
        "another run", H100.name, CUDA.describe("paged_adamw_8bit"), "qlora", 1, 7_000_000_000,
        flops_per_s,
    )  # fmt: skip
    return replace(found, **changes)


def test_runs_on_the_same_machine_tell_the_speed():
    runs = [measured(1e12), measured(3e12), measured(2e12)]
    speed = choose_speed(runs, "this run", TrainingConfig(), 7_000_000_000, H100, CUDA)
    assert speed == Speed(2e12, "measured by 3 earlier runs on NVIDIA H100 80GB HBM3")


@pytest.mark.parametrize(
    "changes",
    [
        {"hardware": "NVIDIA T4"}, {"machine": "cpu, bfloat16"}, {"method": "lora"},
        {"n_processes": 2}, {"n_parameters": 1_000_000_000}, {"subject": "this run"},
    ],
)  # fmt: skip
def test_runs_that_do_not_compare_and_the_run_itself_do_not_count(changes):
    runs = [measured(1e12, **changes)]
    speed = choose_speed(runs, "this run", TrainingConfig(), 7_000_000_000, H100, CUDA)
    assert speed == assumed_speed(H100, CUDA)


def test_an_assumed_speed_says_so():
    assert assumed_speed(H100, CUDA) == Speed(
        0.3 * 989e12, "assumed: 30% of the 989 TFLOP/s of NVIDIA H100 80GB HBM3"
    )
    two = assumed_speed(H100, CUDA, 2)
    assert two.flops_per_s == 2 * assumed_speed(H100, CUDA).flops_per_s
    assert "of 2 x NVIDIA H100" in two.basis
    unknown = assumed_speed(Hardware("Fast 1", 8, 1000), CUDA)
    assert unknown.flops_per_s == 0.3 * 100e12
    l40s, l4 = (assumed_speed(Hardware(f"NVIDIA {name}", 8, 1), CUDA) for name in ("L40S", "L4"))
    assert (l40s.flops_per_s, l4.flops_per_s) == (0.3 * 362e12, 0.3 * 121e12)
    assert assumed_speed(XEON, CPU) == Speed(
        140e9, "assumed: 70 GFLOP/s per core in bfloat16, 2 cores"
    )


def test_a_finished_run_tells_its_speed_by_the_steps_it_made(seven_b: Architecture):
    made = replace(forecast(run(seven_b), Speed(1e12, "")), n_steps=10)
    report = TrainingReport(5, 32, 1, 50.0, 1.0, (), (), "cpu")
    assert measured_flops_per_s(made, report) == pytest.approx(made.flops / 2 / 50)
