"""How the training benchmark compares; expected numbers are calculated by hand."""

from pathlib import Path

import pytest
import yaml

from benchmarks import llamafactory_tool
from benchmarks.training import medians, ratios
from benchmarks.training_job import Prepared


def measured(tokens_per_s: float, wall_s: float = 10, cpu_s: float = 10) -> dict[str, object]:
    numbers = {"tokens_per_s": tokens_per_s, "wall_s": wall_s, "cpu_s": cpu_s, "train_s": 1.0}
    memory = {"peak_rss_mib": 100, "peak_gpu_mib": 0}
    return {**numbers, **memory, "steps": 2, "tokens": 8, "losses": [4.0, 2.0]}


def test_a_ratio_compares_tools_within_a_round_and_not_across_a_machine_that_slows_down():
    rounds = [
        {"tuneline": measured(100), "trl": measured(50)},
        {"tuneline": measured(10), "trl": measured(5)},
        {"tuneline": measured(30), "trl": measured(10)},
    ]
    assert ratios(rounds)["ratio_to_trl"] == 2.0


def test_a_shorter_time_than_the_peers_is_a_ratio_above_1():
    rounds = [{"tuneline": measured(1, wall_s=8, cpu_s=5), "llamafactory": measured(1)}]
    found = ratios(rounds)
    assert (found["wall_ratio_to_llamafactory"], found["cpu_ratio_to_llamafactory"]) == (1.25, 2.0)


def test_a_peer_that_failed_has_no_ratio_and_its_reason_stays():
    rounds = [{"tuneline": measured(1), "trl": {"failed": "RuntimeError: no"}}]
    assert "ratio_to_trl" not in ratios(rounds)
    assert medians(rounds, "trl") == {"failed": "RuntimeError: no"}


@pytest.mark.parametrize(("method", "bits"), [("qlora", 4), ("lora", None)])
def test_llamafactory_is_told_the_settings_of_the_job(
    tmp_path: Path, method: str, bits: int | None
):
    machine = {
        "device": "cpu",
        "dtype": "float32",
        "attention": "eager",
        "optimizer": "adamw_torch",
    }
    files = {"model": "/model", "rows": "/rows.jsonl"}
    limits = {"activation_checkpointing": False, "max_tokens": 1024}
    job = Prepared({**machine, **files, **limits}, {}).job(method, tmp_path, rank=8, seed=3)
    llamafactory_tool.command(Path("python"), vars(job))
    told = yaml.safe_load((tmp_path / "train.yaml").read_text())
    assert told.get("quantization_bit") == bits
    assert (told["lora_rank"], told["seed"], told["optim"]) == (8, 3, "adamw_torch")
    assert told["flash_attn"] == "disabled"  # its word for eager
    assert told["disable_gradient_checkpointing"]
