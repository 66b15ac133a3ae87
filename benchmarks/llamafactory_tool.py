"""LLaMA-Factory on a job: an environment of its own, its settings, and what it measured."""

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import yaml

VERSION = "0.9.5"
NOT_FOR_TEXT = ("torchvision", "torchaudio")
"""Imported at start, called for pictures and sound only; PyPI's builds need torch's CUDA build."""
LAUNCH = """
import atexit, json, pathlib, sys, torch
out = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: (out / "peak_gpu_mib.json").write_text(
    json.dumps(round(torch.cuda.max_memory_allocated() / 2**20))))
from llamafactory.cli import main
sys.exit(main())
"""
"""`llamafactory-cli`, which tells its peak GPU memory at its end."""


def environment(folder: Path) -> Path:
    """Python of LLaMA-Factory's environment, made if it is not there: its needs exclude ours."""
    python = folder / "bin" / "python"
    ready = folder / "READY"
    if not ready.exists():
        subprocess.run([sys.executable, "-m", "venv", "--clear", folder], check=True)
        packages = [f"llamafactory=={VERSION}", *(_pin(name) for name in ("torch", "bitsandbytes"))]
        subprocess.run([python, "-m", "pip", "install", "--quiet", *packages], check=True)
        for name in NOT_FOR_TEXT:
            _replace_if_broken(python, name)
        ready.touch()
    return python


def _pin(name: str) -> str:
    """The version that Tuneline runs with, without its build."""
    return f"{name}=={version(name).split('+')[0]}"


def _replace_if_broken(python: Path, name: str) -> None:
    """Put an empty module where the installed one cannot be imported."""
    tried = subprocess.run([str(python), "-c", f"import {name}"], check=False, capture_output=True)
    if tried.returncode == 0:
        return
    subprocess.run([python, "-m", "pip", "uninstall", "--quiet", "-y", name], check=True)
    if name == "torchaudio":  # transformers does without torchvision
        command = [python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
        purelib = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        (Path(purelib) / f"{name}.py").write_text('"""Empty: this torch has no build of it."""\n')


def versions(python: Path) -> dict[str, str]:
    """Versions of the packages that decide its speed."""
    names = ["llamafactory", "transformers", "trl", "peft", "accelerate", "torch", "bitsandbytes"]
    code = (
        f"import importlib.metadata as m, json; print(json.dumps([m.version(n) for n in {names}]))"
    )
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return dict(zip(names, json.loads(done.stdout), strict=True))


def command(python: Path, job: dict[str, Any]) -> list[str]:
    """Write its settings beside the job's output; returns what to run."""
    out = Path(job["out"])
    dataset = {
        "rows": {
            "file_name": job["rows"],
            "formatting": "sharegpt",
            "columns": {"messages": "messages"},
            "tags": {
                "role_tag": "role",
                "content_tag": "content",
                "user_tag": "user",
                "assistant_tag": "assistant",
            },
        }
    }
    (out / "dataset_info.json").write_text(json.dumps(dataset))
    settings = out / "train.yaml"
    settings.write_text(yaml.safe_dump(_settings(job), sort_keys=False))
    return [str(python), "-c", LAUNCH, str(out), "train", str(settings)]


def _settings(job: dict[str, Any]) -> dict[str, Any]:
    quantization = {"quantization_bit": 4, "quantization_type": "nf4", "double_quantization": True}
    return {
        "model_name_or_path": job["model"],
        "stage": "sft",
        "do_train": True,
        "finetuning_type": "lora",
        "lora_rank": job["rank"],
        "lora_alpha": job["alpha"],
        "lora_dropout": job["dropout"],
        "lora_target": "all",
        **(quantization if job["method"] == "qlora" else {}),
        "flash_attn": {"eager": "disabled"}.get(job["attention"], job["attention"]),
        "disable_gradient_checkpointing": not job["activation_checkpointing"],
        "dataset": "rows",
        "dataset_dir": job["out"],
        "cutoff_len": job["max_tokens"],
        "output_dir": str(Path(job["out"]) / "adapter"),
        "per_device_train_batch_size": job["batch_size"],
        "gradient_accumulation_steps": 1,
        "num_train_epochs": job["epochs"],
        "learning_rate": job["learning_rate"],
        "lr_scheduler_type": "cosine",
        "warmup_steps": job["warmup_fraction"],
        "optim": job["optimizer"],
        "bf16": job["dtype"] == "bfloat16",
        "fp16": job["dtype"] == "float16",
        "use_cpu": job["device"] == "cpu",
        "dataloader_pin_memory": job["device"] == "cuda",
        "logging_steps": 1,
        "seed": job["seed"],
        "data_seed": job["seed"],
        "report_to": "none",
        "include_num_input_tokens_seen": "non_padding",
    }


def result(out: Path) -> dict[str, Any]:
    """What its own files say."""
    trained = json.loads((out / "adapter" / "train_results.json").read_text())
    state = json.loads((out / "adapter" / "trainer_state.json").read_text())
    return {
        "steps": state["global_step"],
        "train_s": trained["train_runtime"],
        "tokens": state["num_input_tokens_seen"],
        "losses": [log["loss"] for log in state["log_history"] if "loss" in log],
        "peak_gpu_mib": json.loads((out / "peak_gpu_mib.json").read_text()),
    }
