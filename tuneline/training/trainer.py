"""Splits to adapter with TRL's SFTTrainer: resumable, seeded, and watched."""

import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.base_model import BaseModelRef, load_tokenizer
from tuneline.machine import Machine
from tuneline.progress import Progress, silent
from tuneline.records import Record
from tuneline.reports import TrainingReport, load_report, save_report
from tuneline.training.chat_format import Encoded, encode_all
from tuneline.training.checkpoints import last_complete_checkpoint, mark_complete
from tuneline.training.config import TrainingConfig
from tuneline.training.loss_curve import draw_loss_curve
from tuneline.training.methods import METHODS

if TYPE_CHECKING:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

log = logging.getLogger(__name__)

ADAPTER = "adapter"
"""Folder of the adapter in a training output."""
REPORT = "report.json"
LOSS_CURVE = "loss_curve.png"
CHECKPOINTS = "checkpoints"

LogMetrics = Callable[[dict[str, float], int], None]
"""Called with metrics (loss, learning_rate, grad_norm, eval_loss) and the optimizer step."""


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
    rows, n_left_out = encode_all(train_records, tokenizer, config.max_seq_tokens)
    validation, _ = encode_all(validation_records, tokenizer, config.max_seq_tokens)
    log.info("train: records=%d too_long=%d", len(rows), n_left_out)
    log.info("train: %s", machine.describe(config.optimizer))
    trainer = _trainer(base_model.folder, tokenizer, rows, validation, config, machine, checkpoints)
    watch = _watch(checkpoints, progress, log_metrics)
    trainer.add_callback(watch)
    resume_from = last_complete_checkpoint(checkpoints)
    if resume_from:
        log.info("train: continuing from %s", resume_from.name)
    trainer.train(resume_from_checkpoint=str(resume_from) if resume_from else None)
    if validation and config.validate_every_steps is None:
        trainer.evaluate()
    _save_adapter(trainer, base_model, out / ADAPTER)
    report = _report(trainer, len(rows), watch.elapsed_s(), machine.describe(config.optimizer))
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
        args=_arguments(config, machine, checkpoints, bool(validation)),
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


def _arguments(
    config: TrainingConfig, machine: Machine, checkpoints: Path, has_validation: bool
) -> "SFTConfig":
    from trl import SFTConfig

    measures = has_validation and config.validate_every_steps is not None
    return SFTConfig(
        output_dir=str(checkpoints),
        num_train_epochs=config.epochs,
        max_steps=config.max_steps or -1,
        per_device_train_batch_size=config.batch_size,
        per_device_eval_batch_size=config.batch_size,
        gradient_accumulation_steps=config.gradient_accumulation,
        learning_rate=config.learning_rate,
        lr_scheduler_type=config.schedule,
        warmup_steps=config.warmup_fraction,
        max_grad_norm=config.max_grad_norm,
        weight_decay=config.weight_decay,
        adam_beta2=config.adam_beta2,
        optim=machine.optimizer(config.optimizer),
        bf16=machine.dtype_name == "bfloat16",
        fp16=machine.dtype_name == "float16",
        use_cpu=machine.device == "cpu",
        activation_checkpointing=config.activation_checkpointing,
        max_length=None,
        train_sampling_strategy="group_by_length" if config.group_by_length else "random",
        eval_strategy="steps" if measures else "no",
        eval_steps=config.validate_every_steps,
        load_best_model_at_end=measures and config.early_stopping_patience is not None,
        save_strategy="steps",
        save_steps=config.checkpoint_every_steps,
        save_total_limit=2,
        logging_steps=1,
        seed=config.seed,
        data_seed=config.seed,
        restore_callback_states_from_checkpoint=True,
        dataloader_pin_memory=machine.device == "cuda",
        disable_tqdm=True,
        report_to=[],
    )


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


def _watch(checkpoints: Path, progress: Progress, log_metrics: LogMetrics) -> Any:
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


def _save_adapter(trainer: "SFTTrainer", base_model: BaseModelRef, out: Path) -> None:
    """Save the adapter; it names its base model and no folder of this machine."""
    trainer.model.save_pretrained(out)
    (out / "README.md").unlink(missing_ok=True)  # names the folder, and little else
    config = out / "adapter_config.json"
    settings = json.loads(config.read_text()) | {"base_model_name_or_path": base_model.name}
    config.write_text(json.dumps(settings, indent=2, sort_keys=True))


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
