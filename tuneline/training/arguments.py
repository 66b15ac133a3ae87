"""Profile and machine -> TRL's arguments, in one place."""

from pathlib import Path
from typing import TYPE_CHECKING

from tuneline.machine import Machine
from tuneline.training.config import TrainingConfig

if TYPE_CHECKING:
    from trl import SFTConfig


def arguments(
    config: TrainingConfig, machine: Machine, checkpoints: Path, has_validation: bool
) -> "SFTConfig":
    """TRL's arguments for a run that keeps its checkpoints in `checkpoints`."""
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
