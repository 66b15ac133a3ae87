"""A training of the tiny model that remembers what it told, and that faults can be let into."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.conftest import TRAINING
from tuneline.base_model import BaseModelRef
from tuneline.machine import this_machine
from tuneline.records import Record
from tuneline.reports import TrainingReport
from tuneline.training.config import TrainingConfig
from tuneline.training.methods import METHODS
from tuneline.training.trainer import train

WEIGHTS = "adapter/adapter_model.safetensors"


class Run:
    """Trains the tiny model, and remembers what it told."""

    def __init__(self, base: BaseModelRef, records: list[Record], patch: pytest.MonkeyPatch):
        self.base, self.records, self.patch = base, records, patch
        self.steps: list[int] = []
        self.numbers: dict[int, dict[str, float]] = {}
        self.model: Any = None
        self.at_step: Callable[[int], None] = lambda step: None

    def __call__(self, out: Path, **changes: object) -> TrainingReport:
        config = TrainingConfig.model_validate(TRAINING.model_dump() | changes)
        out.mkdir(exist_ok=True)
        self.steps.clear()
        return train(
            *(self.base, self.records[:32], self.records[32:], config, this_machine(), out),
            progress=self.progress,
            log_metrics=lambda numbers, step: self.numbers.setdefault(step, {}).update(numbers),
        )

    def progress(self, done: int, total: int) -> None:
        self.steps.append(done)
        self.at_step(done)

    def breaks(self, at: int, hurt: Callable[[torch.Tensor], torch.Tensor]) -> None:
        """Let a fault into the forward pass of one optimizer step."""
        build = METHODS["qlora"]

        def hook(module: torch.nn.Module, inputs: object, output: torch.Tensor) -> Any:
            is_now = module.training and self.steps and self.steps[-1] == at - 1
            return hurt(output) if is_now else output

        def broken(*args: Any) -> Any:
            self.model = build(*args)
            self.model.get_base_model().model.norm.register_forward_hook(hook)
            return self.model

        self.patch.setitem(METHODS, "qlora", broken)


def checkpoints(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "checkpoints").glob("checkpoint-*"))
