"""SIGTERM while training: a checkpoint at the end of the step, then out."""

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.errors import TrainingError
from tuneline.training import ranks
from tuneline.training.checkpoints import last_complete_checkpoint

if TYPE_CHECKING:
    from transformers import Trainer

log = logging.getLogger(__name__)


@contextmanager
def checkpoint_on_sigterm(trainer: "Trainer") -> Iterator[None]:
    """Save and stop when the process is asked to end, as spot instances are; then let it end.

    Signals reach the main thread only: in another one the block does nothing.

    Raises:
        TrainingError: SIGTERM came and whoever handles it next let the process live.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = threading.Event()
    trainer.add_callback(_stop_when(asked))
    before = signal.signal(signal.SIGTERM, lambda number, frame: asked.set())
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
    if asked.is_set():
        where = _kept(Path(trainer.args.output_dir))
        log.warning("train: SIGTERM; %s", where)
        signal.raise_signal(signal.SIGTERM)
        raise TrainingError(
            f"training was asked to end at step {trainer.state.global_step}; {where}: "
            "run the same command again to go on"
        )


def _kept(checkpoints: Path) -> str:
    if not ranks.is_main():  # which may still be marking it
        return "the first process keeps the checkpoint"
    kept = last_complete_checkpoint(checkpoints)
    return f"{kept.name} is kept" if kept else "no checkpoint was good yet"


def _stop_when(asked: threading.Event) -> Any:
    from transformers import TrainerCallback

    class StopWhen(TrainerCallback):  # type: ignore[misc]
        def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
            if ranks.any_rank(asked.is_set()):  # all stop after the same step
                asked.set()
                control.should_save = True
                control.should_training_stop = True

    return StopWhen()
