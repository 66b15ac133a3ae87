"""GPTQ and AWQ files by AutoRound (Cheng et al. 2023), calibrated on training records.

AutoRound tunes the rounding of each block of layers on what the model computes for the domain's
own rows, and packs the integers as GPTQ's and AWQ's readers want them.
"""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from tuneline.base_model import load_tokenizer
from tuneline.errors import QuantizationError
from tuneline.export import finish_export
from tuneline.machine import Machine
from tuneline.processes import run
from tuneline.quantization.method import Quantization
from tuneline.quantization.safetensors_headers import inspect, matrix_widths
from tuneline.records import Record
from tuneline.store import workspace

GROUPS = (128, 64, 32)
"""Weights that share a scale: the largest that divides the width of every matrix."""
BLOCK_TOKENS = 512
"""Tokens of a calibration sample: records joined and cut."""
ITERATIONS = {"cuda": 200, "cpu": 20}
"""Tuning steps per block of layers."""
N_LINES = 3
"""Last lines of a failed process that its error shows."""


def write(
    packing: str, source: Path, machine: Machine, out: Path, calibration: Sequence[Record]
) -> None:
    """Quantize to 4 bits in a process of its own, which AutoRound's workers need.

    Args:
        packing: `auto_gptq` or `auto_awq`.
        source: Folder of the merged model.
        machine: Where it runs.
        out: An existing empty folder.
        calibration: Training records.

    Raises:
        QuantizationError: There is nothing to calibrate on, or AutoRound failed; shows what it
            said.
    """
    with tempfile.TemporaryDirectory(dir=out) as work:
        order = Path(work) / "order.json"
        wanted = {
            "source": str(source),
            "out": str(Path(work) / "model"),
            "packing": packing,
            "group_size": group_size(source),
            "iterations": ITERATIONS[machine.device],
            "device": machine.device,
            "samples": calibration_samples(source, calibration),
        }
        order.write_text(json.dumps(wanted))
        _run(order, Path(work) / "output.txt")
        for file in _model_folder(Path(work) / "model").iterdir():
            shutil.move(file, out / file.name)
    finish_export(out)


def group_size(folder: Path) -> int:
    """Weights that share a scale.

    Raises:
        QuantizationError: The width of a matrix is a multiple of none of `GROUPS`.
    """
    widths = matrix_widths(folder)
    for size in GROUPS:
        if all(width % size == 0 for width in widths):
            return size
    raise QuantizationError(
        f"GPTQ and AWQ need matrices whose width is a multiple of {GROUPS[-1]}; this model has "
        f"widths {sorted(set(widths))}; use nf4 or a GGUF variant"
    )


def calibration_samples(source: Path, records: Sequence[Record]) -> list[list[int]]:
    """Records as the model sees them, prompt and answer, joined and cut into equal samples.

    Raises:
        QuantizationError: There are no records.
    """
    if not records:
        raise QuantizationError("GPTQ and AWQ are calibrated on training records; there are none")
    tokenizer = load_tokenizer(source)
    ids: list[int] = []
    for record in records:
        turns = [{"role": m.role, "content": m.content} for m in record.messages]
        text = tokenizer.apply_chat_template(turns, tokenize=False)
        ids += tokenizer(text, add_special_tokens=False)["input_ids"]
    size = min(BLOCK_TOKENS, len(ids))
    return [ids[start : start + size] for start in range(0, len(ids) - size + 1, size)]


def _run(order: Path, output: Path) -> None:
    command = [sys.executable, "-m", "tuneline.quantization.autoround_worker", str(order)]
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}
    code = run(command, workspace() / "processes", output, env=os.environ | offline)
    if code:
        said = output.read_text(encoding="utf-8", errors="replace").replace("\r", "\n")
        lines = [line.strip() for line in said.splitlines() if line.strip()][-N_LINES:]
        raise QuantizationError(
            f"AutoRound failed (exit code {code}); it said: {' | '.join(lines)}"
        )


def _model_folder(folder: Path) -> Path:
    """Where AutoRound wrote: in the folder, or in one below it that it named."""
    return next(file.parent for file in sorted(folder.rglob("config.json")))


def _autoround(packing: str, engines: tuple[str, ...]) -> Quantization:
    return Quantization(
        partial(write, packing),
        inspect,
        engines=engines,
        is_calibrated=True,
        packages=("torch", "transformers", "auto-round"),
        extra="autoround",
        modules=("quantization/autoround", "quantization/autoround_worker"),
    )


AUTOROUND: dict[str, Quantization] = {
    "gptq": _autoround("auto_gptq", ("transformers", "vllm")),
    "awq": _autoround("auto_awq", ("vllm",)),
}
"""Entries of `QUANTIZATIONS`; of AWQ's kernels none is for transformers beside our versions."""
