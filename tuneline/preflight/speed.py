"""How fast this machine trains: measured by earlier runs on it, else assumed and said so."""

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from tuneline.machine import Machine
from tuneline.training.config import TrainingConfig

GPU_TFLOPS = {
    "H200": 989, "H100": 989, "A100": 312, "L40S": 362, "A40": 150, "L4": 121, "A10": 125,
    "A6000": 155, "4090": 165, "3090": 71, "V100": 125, "T4": 65,
}  # fmt: skip
"""Part of a GPU's name -> its 16-bit TFLOP/s without sparsity, by the maker's data sheet."""
UNKNOWN_TFLOPS = 100
REACHED = 0.3
"""Share of them that LoRA training is assumed to reach."""
CORE_GFLOPS = {"bfloat16": 70, "float16": 10, "float32": 45}
"""dtype -> GFLOP/s of a CPU core in training, measured with a 135M model on a 2.8 GHz Xeon."""
MODEL_SIZE_FACTOR = 2.0
"""Runs of a model up to so many times larger or smaller tell about this one."""


class Hardware(NamedTuple):
    """Where a training runs, by name."""

    name: str
    n_cores: int
    memory_mib: float
    """Of the GPU, else of the machine."""


@dataclass(frozen=True, slots=True)
class MeasuredSpeed:
    """What a finished run tells about the next one."""

    subject: str
    """Digest of what was trained on what, by which settings: a run is not measured by itself."""
    hardware: str
    machine: str
    """Device, dtype, attention and optimizer in words."""
    method: str
    n_processes: int
    n_parameters: int
    flops_per_s: float
    """Of all processes together."""


class Speed(NamedTuple):
    """Operations per second, and where the number comes from."""

    flops_per_s: float
    basis: str


def this_hardware(machine: Machine) -> Hardware:
    """Look at the GPU or the processor."""
    import psutil

    cores = psutil.cpu_count() or 1
    if machine.device == "cuda":
        import torch

        gpu = torch.cuda.get_device_properties(0)
        return Hardware(gpu.name, cores, gpu.total_memory / 2**20)
    total_mib = psutil.virtual_memory().total / 2**20
    return Hardware(f"{_processor()}, {cores} cores", cores, total_mib)


def choose_speed(
    runs: Sequence[MeasuredSpeed],
    subject: str,
    config: TrainingConfig,
    n_parameters: int,
    hardware: Hardware,
    machine: Machine,
) -> Speed:
    """The median of comparable runs, else an assumption. Pure."""
    described = machine.describe(config.optimizer)
    same = (hardware.name, described, config.method, config.n_processes)
    comparable = [
        run.flops_per_s
        for run in runs
        if (run.hardware, run.machine, run.method, run.n_processes) == same
        and run.subject != subject
        and 1 / MODEL_SIZE_FACTOR <= run.n_parameters / n_parameters <= MODEL_SIZE_FACTOR
    ]
    if comparable:
        n = "1 earlier run" if len(comparable) == 1 else f"{len(comparable)} earlier runs"
        return Speed(statistics.median(comparable), f"measured by {n} on {hardware.name}")
    return assumed_speed(hardware, machine, config.n_processes)


def assumed_speed(hardware: Hardware, machine: Machine, n_processes: int = 1) -> Speed:
    """From the data sheet of a GPU, one per process; or from the cores of a CPU. Pure."""
    if machine.device == "cuda":
        names = [part for part in GPU_TFLOPS if part in hardware.name]
        tflops = GPU_TFLOPS[max(names, key=len)] if names else UNKNOWN_TFLOPS
        of = f"{n_processes} x {hardware.name}" if n_processes > 1 else hardware.name
        basis = f"assumed: {REACHED:.0%} of the {tflops} TFLOP/s of {of}"
        return Speed(REACHED * tflops * 1e12 * n_processes, basis)
    gflops = CORE_GFLOPS[machine.dtype_name]
    return Speed(
        gflops * 1e9 * hardware.n_cores,
        f"assumed: {gflops} GFLOP/s per core in {machine.dtype_name}, {hardware.n_cores} cores",
    )


def _processor() -> str:
    from pathlib import Path
    from platform import processor

    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else processor() or "CPU"
