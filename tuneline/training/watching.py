"""What a training tells while it runs, and when it is stopped."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuneline.progress import Progress
from tuneline.training import ranks
from tuneline.training.checkpoints import mark_complete
from tuneline.training.divergence import diverging
from tuneline.training.lookout import Lookout
from tuneline.training.speed import Stopwatch, Usage

LogMetrics = Callable[[dict[str, float], int], None]
"""Called with metrics and the optimizer step: loss, learning_rate, grad_norm, eval_loss,
tokens_per_s, memory_mib, gpu_memory_mib, gpu_busy_fraction, done_fraction, left_s, and what else
the trainer logs."""


def watch(checkpoints: Path, progress: Progress, log_metrics: LogMetrics) -> Any:
    """A trainer callback: tells each step, measures time and tokens, and stops a divergence.

    Its `findings()` are for the report. A run that diverges ends after the step
    that shows it, and nothing is saved from there on; `findings()` then raises.

    Args:
        checkpoints: Where the run keeps them.
        progress: Told the optimizer steps done.
        log_metrics: Told the numbers of each step.
    """
    from transformers import TrainerCallback

    class Watch(TrainerCallback):  # type: ignore[misc]
        def __init__(self) -> None:
            self.lookout, self.stopwatch = Lookout(checkpoints), Stopwatch(checkpoints)
            self.usage, self.first_step = Usage(), 0

        def findings(self) -> dict[str, Any]:
            """Fields of the training report; raises a TrainingError where the run diverged."""
            verdict, spent = self.lookout.check(), self.stopwatch.total()
            return {
                "train_s": round(spent.wall_s, 1),
                "tokens_per_s": round(spent.tokens / spent.step_s, 1) if spent.step_s else 0.0,
                "verdict": verdict.pattern,
                "evidence": verdict.sentence,
                "advice": verdict.advice,
            }

        def on_train_begin(
            self, args: Any, state: Any, control: Any, model: Any, **kwargs: Any
        ) -> None:
            self.first_step = state.global_step
            self.lookout.begin(
                state.log_history, _vocabulary(model), args.fp16, state.is_world_process_zero
            )
            progress(state.global_step, state.max_steps)

        def on_step_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.stopwatch.begin_step()

        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if state.is_world_process_zero:
                self.stopwatch.save()
            progress(state.global_step, state.max_steps)

        def on_log(
            self, args: Any, state: Any, control: Any, logs: Any, model: Any, **kwargs: Any
        ) -> None:
            done = state.global_step / max(1, state.max_steps)
            numbers = {k: float(v) for k, v in logs.items() if isinstance(v, int | float)}
            if "loss" in logs:
                numbers |= self._speed(logs) | self.usage() | {"done_fraction": done}
                numbers |= self._left(state)
            verdict = self.lookout.see(state.log_history[-1], done)
            if control.should_save and not verdict.should_stop and not _is_finite(model):
                sentence = f"a weight is not finite after step {state.global_step}"
                self.lookout.conclude(diverging(sentence))
            self._hold(state, control)
            log_metrics(numbers, state.global_step)

        def _speed(self, logs: Any) -> dict[str, float]:
            tokens_per_s = self.stopwatch.end_step(logs.get("num_tokens"))
            return {} if tokens_per_s is None else {"tokens_per_s": tokens_per_s}

        def _left(self, state: Any) -> dict[str, float]:
            steps = state.global_step - self.first_step
            left = state.max_steps - state.global_step
            return {"left_s": self.stopwatch.here_s() / steps * left} if steps else {}

        def _hold(self, state: Any, control: Any) -> None:
            """Stop a run that diverged; save and measure nothing that may be bad."""
            if self.lookout.verdict.should_stop:
                control.should_training_stop = True
            elif state.global_step >= state.max_steps:
                return
            if not self.lookout.may_save():
                control.should_save = control.should_evaluate = False

        def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            self.stopwatch.pause()

        def on_save(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            ranks.wait_for_all()  # each has written its random state
            if state.is_world_process_zero:
                self.stopwatch.save()
                mark_complete(checkpoints / f"checkpoint-{state.global_step}")
            ranks.wait_for_all()  # none may take a checkpoint without its mark for a broken one
            self.stopwatch.pause()

    return Watch()


def _vocabulary(model: Any) -> int | None:
    return getattr(model.config.get_text_config(), "vocab_size", None)


def _is_finite(model: Any) -> bool:
    """Whether every weight that is trained is finite."""
    import torch

    trained = (p for p in model.parameters() if p.requires_grad)
    return all(bool(torch.isfinite(p).all()) for p in trained)
