"""Splits to adapter with TRL's trainers: resumable, seeded, watched, and down the memory ladder."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.base_model import BaseModelRef, load_tokenizer
from tuneline.errors import TrainingError
from tuneline.machine import Machine, free_memory, is_out_of_memory
from tuneline.progress import Progress, silent
from tuneline.records import Record
from tuneline.reports import TrainingReport, load_report, save_report
from tuneline.training import ranks
from tuneline.training.arguments import arguments
from tuneline.training.checkpoints import last_complete_checkpoint
from tuneline.training.config import TrainingConfig
from tuneline.training.history import curve
from tuneline.training.ladder import Ladder, first_rung
from tuneline.training.loss_curve import draw_loss_curve
from tuneline.training.methods import METHODS
from tuneline.training.mixture import mix
from tuneline.training.objectives import OBJECTIVES, data_set
from tuneline.training.optimizers import allow_galore_checkpoints, own_optimizer
from tuneline.training.preemption import checkpoint_on_sigterm
from tuneline.training.saving import save_initial, save_trained
from tuneline.training.watching import LogMetrics, watch

if TYPE_CHECKING:
    from transformers import Trainer

log = logging.getLogger(__name__)

ADAPTER = "adapter"
"""Folder of the adapter in a training output."""
REPORT = "report.json"
LOSS_CURVE = "loss_curve.png"
CHECKPOINTS = "checkpoints"
INITIAL = "initial"
"""The adapter before training, among the checkpoints of a method that needs it."""


def train(
    base_model: BaseModelRef,
    train_records: Sequence[Record],
    validation_records: Sequence[Record],
    config: TrainingConfig,
    machine: Machine,
    out: Path,
    progress: Progress = silent,
    log_metrics: LogMetrics = lambda metrics, step: None,
    n_down: int = 0,
) -> TrainingReport:
    """Train an adapter and write it, its report and its loss curve to `out`.

    Where `out` holds checkpoints of a killed run, training goes on from the last complete one and
    ends with the adapter that an undisturbed run gives.

    Args:
        base_model: The base model, 16-bit.
        train_records: What is learned from.
        validation_records: What the validation loss is measured on; may be empty.
        config: The run's settings.
        machine: Where it runs.
        out: An existing folder.
        progress: Told the optimizer steps done.
        log_metrics: Told the metrics of each step.
        n_down: Steps down the ladder of memory that the run begins with.

    Raises:
        TrainingError: The records or target modules do not fit the model.
    """
    checkpoints = out / CHECKPOINTS
    if (out / REPORT).exists():  # killed after the last write, while tidying up
        shutil.rmtree(checkpoints, ignore_errors=True)
        return load_report(out / REPORT, TrainingReport)
    records = mix(train_records, config.source_fractions), validation_records
    ladder = first_rung(config, checkpoints, n_down)
    while True:
        try:
            return _attempt(base_model, records, ladder, machine, out, progress, log_metrics)
        except Exception as error:
            if not is_out_of_memory(error):
                raise
        # Out of the handler, which would keep the model alive.
        ladder = _step_down(ladder, checkpoints)
        if ranks.n_ranks() > 1:
            raise ranks.StartAgainError("out of memory; the other processes must come down as well")


def _step_down(ladder: Ladder, checkpoints: Path) -> Ladder:
    lower = ladder.step_down()
    if lower is None:
        raise TrainingError(
            f"out of memory with batch_size={ladder.config.batch_size}, activation checkpointing "
            f"and max_seq_tokens={ladder.config.max_seq_tokens}; use method qlora, a smaller base "
            "model, fewer tokens or allow_shorter_sequences"
        )
    log.warning("train: out of memory; %s", lower.rungs[-1])
    free_memory()
    if lower.changes_rows(ladder):
        shutil.rmtree(checkpoints, ignore_errors=True)
    lower.save(checkpoints)
    return lower


def _attempt(
    base_model: BaseModelRef,
    records: tuple[Sequence[Record], Sequence[Record]],
    ladder: Ladder,
    machine: Machine,
    out: Path,
    progress: Progress,
    log_metrics: LogMetrics,
) -> TrainingReport:
    """Train to the end on one rung of the ladder."""
    config, checkpoints = ladder.config, out / CHECKPOINTS
    log.info("train: %s", machine.describe(config.optimizer))
    trainer = _trainer(base_model, records, config, machine, checkpoints)
    initial = save_initial(trainer.model, checkpoints / INITIAL)
    watcher = watch(checkpoints, progress, log_metrics)
    trainer.add_callback(watcher)
    resume_from = last_complete_checkpoint(checkpoints)
    if resume_from:
        log.info("train: continuing from %s", resume_from.name)
    with checkpoint_on_sigterm(trainer):
        trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    watcher.findings()  # raises where the run diverged
    if trainer.eval_dataset is not None and config.validate_every_steps is None:
        trainer.evaluate()
    ranks.wait_for_all()
    report = _report(trainer, watcher.findings(), machine.describe(config.optimizer), ladder)
    if ranks.is_main():
        save_trained(trainer.model, base_model, machine, initial, out / ADAPTER)
        draw_loss_curve(report, out / LOSS_CURVE)
        save_report(out / REPORT, report)
        shutil.rmtree(checkpoints, ignore_errors=True)
    return report


def _trainer(
    base_model: BaseModelRef,
    records: tuple[Sequence[Record], Sequence[Record]],
    config: TrainingConfig,
    machine: Machine,
    checkpoints: Path,
) -> "Trainer":
    from transformers import EarlyStoppingCallback, PrinterCallback, set_seed

    tokenizer = load_tokenizer(base_model.folder)
    objective = OBJECTIVES[config.objective]
    rows, validation = (
        data_set(objective, side, tokenizer, config) if side else None for side in records
    )
    set_seed(config.seed)
    _compact_lm_head()
    if config.method == "galore":
        allow_galore_checkpoints()
    model = METHODS[config.method](base_model.folder, config, machine)
    patience = config.early_stopping_patience
    arguments_class, trainer_class = objective.trl()
    shared = arguments(config, machine, checkpoints, validation is not None)
    trainer = trainer_class(
        model=model,
        args=arguments_class(**{**shared, **objective.arguments(config, machine)}),
        train_dataset=rows,
        eval_dataset=validation,
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(patience)] if patience and validation else None,
        optimizers=(own_optimizer(model, config, machine), None),
    )
    trainer.remove_callback(PrinterCallback)
    _train_in_32_bit(trainer.model)
    return trainer


def _train_in_32_bit(model: Any) -> None:
    """A 16-bit adapter would come back from a checkpoint in 32 bit and train differently."""
    import torch

    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.float32)


def _compact_lm_head() -> None:
    """Let TRL skip the LM head on masked positions without Triton too: 40 % of a CPU step."""
    import trl.trainer.utils as trl_utils

    if hasattr(trl_utils, "_use_triton"):
        trl_utils._use_triton = lambda device: True


def _report(
    trainer: "Trainer", findings: dict[str, Any], machine: str, ladder: Ladder
) -> TrainingReport:
    history = trainer.state.log_history
    return TrainingReport(
        n_steps=trainer.state.global_step,
        n_train_records=len(trainer.train_dataset),
        n_trainable_parameters=sum(
            p.numel() for p in trainer.model.parameters() if p.requires_grad
        ),
        peak_memory_mib=_peak_memory_mib(),
        losses=curve(history, "loss"),
        validation_losses=curve(history, "eval_loss"),
        learning_rates=curve(history, "learning_rate"),
        grad_norms=curve(history, "grad_norm"),
        machine=machine,
        rungs=ladder.rungs,
        **findings,
    )


def _peak_memory_mib() -> float:
    """Most GPU memory that torch allocated, or the process's peak resident memory on a CPU."""
    import resource
    import sys

    import torch

    if torch.cuda.is_available():
        return round(float(torch.cuda.max_memory_allocated()) / 2**20, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)
