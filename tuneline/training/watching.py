"""What a training tells while it runs."""

import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuneline.progress import Progress
from tuneline.training.checkpoints import mark_complete

LogMetrics = Callable[[dict[str, float], int], None]
"""Called with metrics (loss, learning_rate, grad_norm, eval_loss) and the optimizer step."""


def watch(checkpoints: Path, progress: Progress, log_metrics: LogMetrics) -> Any:
    """A trainer callback: progress and metrics of each step, and the time over all attempts."""
    from transformers import TrainerCallback

    clock = checkpoints / "elapsed_s.json"

    class Watch(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.before_s: float = json.loads(clock.read_text()) if clock.exists() else 0.0
            self.started = time.monotonic()

        def elapsed_s(self) -> float:
            return self.before_s + time.monotonic() - self.started

        def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            progress(state.global_step, state.max_steps)

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            progress(state.global_step, state.max_steps)

        def on_log(self, args: Any, state: Any, control: Any, logs: Any, **kwargs: Any) -> None:
            numbers = {k: float(v) for k, v in logs.items() if isinstance(v, int | float)}
            log_metrics(numbers, state.global_step)

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            partial = clock.with_suffix(f".{os.getpid()}")
            partial.write_text(json.dumps(self.elapsed_s()))
            partial.replace(clock)
            mark_complete(checkpoints / f"checkpoint-{state.global_step}")

    return Watch()
