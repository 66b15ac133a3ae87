"""Optimizers that a method brings along; the others are named in the profile."""

from typing import TYPE_CHECKING, Any

from tuneline.machine import Machine
from tuneline.training.config import TrainingConfig

if TYPE_CHECKING:
    from peft import PeftModel
    from torch.optim import Optimizer

LORAPLUS_RATIO = 16
"""As its authors advise."""
UPDATE_PROJECTION_EVERY = 200
"""Steps between two SVDs of GaLore's gradients, as its authors have it."""
GALORE_SCALE = 0.25


def optimizer_arguments(config: TrainingConfig, machine: Machine) -> dict[str, Any]:
    """The optimizer as TRL's arguments name it."""
    wanted = machine.optimizer(config.optimizer)
    if config.method != "galore":
        return {"optim": wanted}
    targets = config.target_modules
    return {
        "optim": "galore_adamw_8bit" if "8bit" in wanted else "galore_adamw",
        "optim_target_modules": targets if isinstance(targets, str) else list(targets),
        "optim_args": (
            f"rank={config.rank}, update_proj_gap={UPDATE_PROJECTION_EVERY}, scale={GALORE_SCALE}"
        ),
    }


def own_optimizer(
    model: "PeftModel", config: TrainingConfig, machine: Machine
) -> "Optimizer | None":
    """LoRA+'s optimizer: B learns `loraplus_ratio` times as fast as A (Hayou et al. 2024)."""
    ratio = config.loraplus_ratio or (LORAPLUS_RATIO if config.method == "loraplus" else 1)
    if ratio == 1:
        return None
    from peft.optimizers import create_loraplus_optimizer

    optimizer: Optimizer = create_loraplus_optimizer(
        model,
        _adamw(machine.optimizer(config.optimizer)),
        lr=config.learning_rate,
        loraplus_lr_ratio=ratio,
        betas=(0.9, config.adam_beta2),
        eps=1e-8,
        weight_decay=config.weight_decay,
    )
    return optimizer


def _adamw(name: str) -> Any:
    import torch

    if name == "adamw_torch":
        return torch.optim.AdamW
    from bitsandbytes import optim

    return {"adamw_8bit": optim.AdamW8bit, "paged_adamw_8bit": optim.PagedAdamW8bit}[name]


def allow_galore_checkpoints() -> None:
    """Let torch load GaLore's projections from a checkpoint: they are objects, not tensors."""
    import torch
    from galore_torch.galore_projector import GaLoreProjector

    torch.serialization.add_safe_globals([GaLoreProjector])
