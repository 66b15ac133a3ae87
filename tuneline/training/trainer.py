"""Splits to adapter with TRL's SFTTrainer: resumable, seeded, and watched."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.base_model import BaseModelRef, load_tokenizer
from tuneline.machine import Machine
from tuneline.progress import Progress, silent
from tuneline.records import Record
from tuneline.reports import TrainingReport, load_report, save_report
from tuneline.training.arguments import arguments
from tuneline.training.chat_format import Encoded, encode_all
from tuneline.training.checkpoints import last_complete_checkpoint
from tuneline.training.config import TrainingConfig
from tuneline.training.loss_curve import draw_loss_curve
from tuneline.training.methods import METHODS
from tuneline.training.mixture import mix
from tuneline.training.saving import save_adapter
from tuneline.training.watching import LogMetrics, watch

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import SFTTrainer

log = logging.getLogger(__name__)

ADAPTER = "adapter"
"""Folder of the adapter in a training output."""
REPORT = "report.json"
LOSS_CURVE = "loss_curve.png"
CHECKPOINTS = "checkpoints"


def train(
    base_model: BaseModelRef,
    train_records: Sequence[Record],
    validation_records: Sequence[Record],
    config: TrainingConfig,
    machine: Machine,
    out: Path,
    progress: Progress = silent,
    log_metrics: LogMetrics = lambda metrics, step: None,
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

    Raises:
        TrainingError: The records or target modules do not fit the model.
    """
    checkpoints = out / CHECKPOINTS
    if (out / REPORT).exists():  # killed after the last write, while tidying up
        shutil.rmtree(checkpoints, ignore_errors=True)
        return load_report(out / REPORT, TrainingReport)
    tokenizer = load_tokenizer(base_model.folder)
    mixture = mix(train_records, config.source_fractions)
    rows, n_left_out = encode_all(mixture, tokenizer, config.max_seq_tokens)
    validation, _ = encode_all(validation_records, tokenizer, config.max_seq_tokens)
    log.info("train: records=%d too_long=%d", len(rows), n_left_out)
    log.info("train: %s", machine.describe(config.optimizer))
    trainer = _trainer(base_model.folder, tokenizer, rows, validation, config, machine, checkpoints)
    watcher = watch(checkpoints, progress, log_metrics)
    trainer.add_callback(watcher)
    resume_from = last_complete_checkpoint(checkpoints)
    if resume_from:
        log.info("train: continuing from %s", resume_from.name)
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    if validation and config.validate_every_steps is None:
        trainer.evaluate()
    save_adapter(trainer, base_model, out / ADAPTER)
    report = _report(trainer, len(rows), watcher.elapsed_s(), machine.describe(config.optimizer))
    draw_loss_curve(report, out / LOSS_CURVE)
    save_report(out / REPORT, report)
    shutil.rmtree(checkpoints, ignore_errors=True)
    return report


def _trainer(
    base_model: Path,
    tokenizer: Any,
    rows: Sequence[Encoded],
    validation: Sequence[Encoded],
    config: TrainingConfig,
    machine: Machine,
    checkpoints: Path,
) -> "SFTTrainer":
    import torch
    from transformers import EarlyStoppingCallback, PrinterCallback, set_seed
    from trl import SFTTrainer

    set_seed(config.seed)
    _compact_lm_head()
    model = METHODS[config.method](base_model, config, machine)
    patience = config.early_stopping_patience
    trainer = SFTTrainer(
        model=model,
        args=arguments(config, machine, checkpoints, bool(validation)),
        train_dataset=_dataset(rows),
        eval_dataset=_dataset(validation) if validation else None,
        processing_class=tokenizer,
        callbacks=[EarlyStoppingCallback(patience)] if patience and validation else None,
    )
    trainer.remove_callback(PrinterCallback)
    for parameter in trainer.model.parameters():
        if parameter.requires_grad:
            # A 16-bit adapter would come back from a checkpoint in 32 bit and train differently.
            parameter.data = parameter.data.to(torch.float32)
    return trainer


def _dataset(rows: Sequence[Encoded]) -> "Dataset":
    from datasets import Dataset

    return Dataset.from_dict(
        {"input_ids": [r.input_ids for r in rows], "labels": [r.labels for r in rows]}
    )


def _compact_lm_head() -> None:
    """Let TRL skip the LM head on masked positions without Triton too: 40 % of a CPU step."""
    import trl.trainer.utils as trl_utils

    if hasattr(trl_utils, "_use_triton"):
        trl_utils._use_triton = lambda device: True


def _report(trainer: "SFTTrainer", n_records: int, train_s: float, machine: str) -> TrainingReport:
    history = trainer.state.log_history
    return TrainingReport(
        n_steps=trainer.state.global_step,
        n_train_records=n_records,
        n_trainable_parameters=sum(
            p.numel() for p in trainer.model.parameters() if p.requires_grad
        ),
        train_s=round(train_s, 1),
        peak_memory_mib=_peak_memory_mib(),
        losses=tuple((h["step"], h["loss"]) for h in history if "loss" in h),
        validation_losses=tuple((h["step"], h["eval_loss"]) for h in history if "eval_loss" in h),
        machine=machine,
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
