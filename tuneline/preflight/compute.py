"""Floating-point operations of a training. Pure; an estimate.

A matrix of W weights takes 2 W operations per token forward, 2 W for the gradient of its input, and
2 W for its own where it is trained (Kaplan et al. 2020, section 2.1).
"""

from tuneline.preflight.architecture import Architecture
from tuneline.preflight.batches import Batches
from tuneline.preflight.costs import METHOD_COSTS, OBJECTIVE_COSTS
from tuneline.training.config import TrainingConfig


def training_flops(
    architecture: Architecture,
    n_trained: int,
    config: TrainingConfig,
    batches: Batches,
    n_validation_tokens: int,
) -> float:
    """Operations of all steps and of the measurements of the validation loss."""
    cost = METHOD_COSTS[config.method]
    rows_per_step = config.batch_size * config.gradient_accumulation * config.n_processes
    length = batches.n_tokens / max(1, batches.n_steps * rows_per_step)
    forward = forward_flops(architecture, length)
    share = min(1.0, config.trainable_layers / architecture.n_layers)
    backward = {
        "adapter": forward + 4 * n_trained,
        "layers": 2 * forward * share,
        "all": 2 * forward,
    }[cost.trains]
    passes = 1 + OBJECTIVE_COSTS[config.objective].extra_forwards
    passes += 1 if config.activation_checkpointing else 0
    head = 2 * architecture.vocab_size * architecture.hidden_size
    body = batches.n_tokens * (passes * forward + backward)
    # Logits are computed again in the backward pass, and give the gradient of the hidden state.
    logits = batches.n_loss_tokens * head * (passes + 2)
    validation = n_validation_tokens * (forward + head)
    return (body + logits + validation) * cost.slowdown


def forward_flops(architecture: Architecture, length: float) -> float:
    """Per token, without the head: the matrices, and attention over half of `length` tokens."""
    weights = sum(module.n_weights for module in architecture.linears)
    matrices = 2 * (weights + architecture.n_expert_parameters * architecture.active_share)
    return matrices + 2 * architecture.n_layers * architecture.hidden_size * length
