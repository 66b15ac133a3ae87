"""Profile and machine -> TRL's arguments, in one place."""

from pathlib import Path
from typing import Any

from tuneline.machine import Machine
from tuneline.training.config import TrainingConfig
from tuneline.training.optimizers import optimizer_arguments


def arguments(
    config: TrainingConfig, machine: Machine, checkpoints: Path, has_validation: bool
) -> dict[str, Any]:
    """What every objective's arguments share, for a run that keeps checkpoints in a folder."""
    return {
        **_schedule(config),
        **optimizer_arguments(config, machine),
        **_hardware(config, machine),
        **_saving(config, checkpoints, has_validation),
        "seed": config.seed,
        "data_seed": config.seed,
        "full_determinism": config.deterministic,
        "train_sampling_strategy": "group_by_length" if config.group_by_length else "random",
        "neftune_noise_alpha": config.neftune_alpha,
        "disable_tqdm": True,
        "report_to": [],
    }


def _schedule(config: TrainingConfig) -> dict[str, Any]:
    return {
        "num_train_epochs": config.epochs,
        "max_steps": config.max_steps or -1,
        "per_device_train_batch_size": config.batch_size,
        "per_device_eval_batch_size": config.batch_size,
        "gradient_accumulation_steps": config.gradient_accumulation,
        "learning_rate": config.learning_rate,
        "lr_scheduler_type": config.schedule,
        "warmup_steps": config.warmup_fraction,
        "max_grad_norm": config.max_grad_norm,
        "weight_decay": config.weight_decay,
        "adam_beta2": config.adam_beta2,
    }


def _hardware(config: TrainingConfig, machine: Machine) -> dict[str, Any]:
    return {
        "bf16": machine.dtype_name == "bfloat16",
        "fp16": machine.dtype_name == "float16",
        "use_cpu": machine.device == "cpu",
        "activation_checkpointing": config.activation_checkpointing,
        "use_liger_kernel": machine.has_liger,
        "dataloader_pin_memory": machine.device == "cuda",
    }


def _saving(config: TrainingConfig, checkpoints: Path, has_validation: bool) -> dict[str, Any]:
    measures = has_validation and config.validate_every_steps is not None
    return {
        "output_dir": str(checkpoints),
        "eval_strategy": "steps" if measures else "no",
        "eval_steps": config.validate_every_steps,
        "load_best_model_at_end": measures and config.early_stopping_patience is not None,
        "save_strategy": "steps",
        "save_steps": config.checkpoint_every_steps,
        "save_total_limit": 2,
        "logging_steps": 1,
        "logging_nan_inf_filter": False,  # it would show the mean in place of a NaN
        "restore_callback_states_from_checkpoint": True,
    }
