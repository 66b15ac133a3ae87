"""Estimates of a run: parameters, memory, steps, tokens, time and cost. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

from tuneline.machine import Machine
from tuneline.preflight.architecture import Architecture, LinearModule
from tuneline.preflight.batches import Batches
from tuneline.preflight.compute import training_flops
from tuneline.preflight.memory import estimate_memory
from tuneline.preflight.report import Check, Forecast
from tuneline.preflight.speed import Hardware, Speed
from tuneline.reports import TrainingReport
from tuneline.training.config import TrainingConfig

TIGHT = 0.9
"""Share of the memory from which a forecast is called tight: it is an estimate."""


@dataclass(frozen=True, slots=True)
class Run:
    """What a forecast is made from."""

    architecture: Architecture
    targets: Sequence[LinearModule]
    n_trained: int
    config: TrainingConfig
    machine: Machine
    hardware: Hardware
    batches: Batches
    n_validation_tokens: int


def forecast(run: Run, speed: Speed) -> Forecast:
    """All estimates of a run at a speed."""
    architecture, config, n_trained = run.architecture, run.config, run.n_trained
    flops = training_flops(architecture, n_trained, config, run.batches, run.n_validation_tokens)
    price = config.price_per_hour
    return Forecast(
        n_trainable=n_trained,
        n_parameters=architecture.n_parameters,
        memory_mib=estimate_memory(
            architecture, run.targets, n_trained, config, run.machine, run.batches
        ),
        n_steps=run.batches.n_steps,
        n_tokens=run.batches.n_tokens,
        flops=flops,
        flops_per_s=speed.flops_per_s,
        speed_basis=speed.basis,
        hardware=run.hardware.name,
        cost=None if price is None else price * flops / speed.flops_per_s / 3600,
    )


def memory_check(made: Forecast, hardware: Hardware, down: Sequence[str] = ()) -> Check:
    """Whether the forecast fits into the memory that is there; never stops a run by itself.

    Args:
        made: For the rung that the run begins on.
        hardware: What is there.
        down: The steps down to that rung, in words.
    """
    need, there = made.peak_memory_mib, hardware.memory_mib
    said = f"about {need:,.0f} of {there:,.0f} MiB (estimate)"
    if down:
        said += f", after coming down: {'; '.join(down)}"
    if need <= TIGHT * there:
        return Check("memory", "warning" if down else "ok", said)
    return Check(
        "memory",
        "warning",
        f"{said}; lower batch_size and raise gradient_accumulation, or set "
        "activation_checkpointing or method qlora",
    )


def measured_flops_per_s(made: Forecast, measured: TrainingReport) -> float:
    """Speed of a finished run, in the operations that were forecast for its steps."""
    done = measured.n_steps / made.n_steps
    return made.flops * done / max(measured.train_s, 1e-9)
