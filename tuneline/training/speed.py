"""Time and tokens of a training over all its attempts, and what it uses of the machine."""

import importlib.util
import json
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

FILE = "clock.json"
"""Among the checkpoints: what was spent so far, steps that a kill undid included."""
READ_EVERY_S = 1.0
"""Seconds between two readings of memory and GPU."""


@dataclass
class Spent:
    """What a training took."""

    wall_s: float = 0.0
    """Inside the trainer, validation and checkpoints included."""
    step_s: float = 0.0
    """In optimizer steps alone."""
    tokens: int = 0
    """Tokens trained on, padding excluded."""


class Stopwatch:
    """Measures a training over all its attempts, those that were killed included.

    Args:
        folder: The checkpoints.
        now: The time in seconds.
    """

    def __init__(self, folder: Path, now: Callable[[], float] = time.monotonic) -> None:
        self.file, self.now = folder / FILE, now
        self.spent = Spent(**json.loads(self.file.read_text())) if self.file.exists() else Spent()
        self.began = self.counted_from = now()
        self.step_from: float | None = None
        self.seen_tokens = 0

    def begin_step(self) -> None:
        """The first step begins; those after it begin where the one before ended."""
        if self.step_from is None:
            self.step_from = self.now()

    def pause(self) -> None:
        """What happened since the last step was no training: validation, or a checkpoint."""
        self.step_from = self.now()

    def end_step(self, seen_tokens: int | None) -> float | None:
        """Count a step; its tokens per second, or None where the trainer counts none.

        Args:
            seen_tokens: Tokens of all steps of this attempt.
        """
        step_s = self.now() - (self.now() if self.step_from is None else self.step_from)
        self.step_from = self.now()
        self.spent.step_s += step_s
        if seen_tokens is None:
            return None
        tokens, self.seen_tokens = seen_tokens - self.seen_tokens, seen_tokens
        self.spent.tokens += tokens
        return tokens / step_s if step_s > 0 else None

    def here_s(self) -> float:
        """Seconds of this attempt."""
        return self.now() - self.began

    def total(self) -> Spent:
        """What was spent so far."""
        now = self.now()
        self.spent.wall_s += now - self.counted_from
        self.counted_from = now
        return self.spent

    def save(self) -> None:
        """Remember what was spent so far."""
        partial = self.file.with_suffix(f".{os.getpid()}")
        partial.write_text(json.dumps(asdict(self.total())))
        partial.replace(self.file)


class Usage:
    """Memory and GPU use of this process, read at most once a second."""

    def __init__(self) -> None:
        self.read_at = -READ_EVERY_S
        self.numbers: dict[str, float] = {}

    def __call__(self) -> dict[str, float]:
        """`memory_mib` (resident), and on CUDA `gpu_memory_mib` and `gpu_busy_fraction`.

        The last one is there where nvidia-ml-py is installed.
        """
        if time.monotonic() - self.read_at >= READ_EVERY_S:
            self.numbers = _read_usage()
            self.read_at = time.monotonic()
        return self.numbers


def _read_usage() -> dict[str, float]:
    import psutil
    import torch

    numbers = {"memory_mib": psutil.Process().memory_info().rss / 2**20}
    if torch.cuda.is_available():
        numbers |= _read_gpu(torch.cuda)
    return numbers


def _read_gpu(cuda: Any) -> dict[str, float]:
    numbers = {"gpu_memory_mib": cuda.memory_reserved() / 2**20}
    if importlib.util.find_spec("pynvml"):
        numbers["gpu_busy_fraction"] = cuda.utilization() / 100
    return numbers
