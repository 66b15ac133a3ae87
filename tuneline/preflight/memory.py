"""Memory at the peak of a training, in parts. Pure; an estimate of torch's own allocations.

Weights, adapter, gradients and optimizer follow from shapes. Activations follow the tensors that
autograd keeps for a decoder layer (counted with saved-tensor hooks on Llama layers with and without
grouped-query attention): inputs and outputs of its linear modules in 16 bit, and what norms and the
activation function keep besides.
"""

from collections.abc import Mapping, Sequence

from tuneline.machine import Machine
from tuneline.preflight.architecture import Architecture, LinearModule
from tuneline.preflight.batches import Batches
from tuneline.preflight.costs import METHOD_COSTS
from tuneline.training.config import TrainingConfig

MIB = 2**20
NF4_BYTES = 0.5 + 1 / 64 + 4 / (64 * 256)
"""Per weight: 4 bits, an 8-bit scale per 64 weights, a 32-bit scale per 256 scales (Dettmers et al.
2023, section 3)."""
TRAINED_BYTES = 4
"""Trained parameters and their gradients are kept in 32 bit."""
STATE_BYTES = {"adamw_torch": 8.0, "adamw_8bit": 2.03, "paged_adamw_8bit": 2.03}
"""Optimizer -> bytes of its two states per trained parameter."""
TILE_TOKENS, TILE_VOCABULARY = 4096, 32768
"""Tokens and words of the logits that TRL computes at a time."""
PROCESS_MIB = 1100
"""On a CPU: what Python and the libraries take before a model is loaded."""


def estimate_memory(
    architecture: Architecture,
    targets: Sequence[LinearModule],
    n_trained: int,
    config: TrainingConfig,
    machine: Machine,
    batches: Batches,
) -> Mapping[str, float]:
    """MiB of each part at the peak: of GPU memory, or of the process on a CPU."""
    trained_in_place = n_trained if METHOD_COSTS[config.method].trains != "adapter" else 0
    adapter = n_trained - trained_in_place
    parts = {
        "process": PROCESS_MIB * MIB if machine.device == "cpu" else 0,
        "weights": _weights(architecture, config, machine, trained_in_place),
        "adapter": TRAINED_BYTES * adapter,
        "gradients": TRAINED_BYTES * n_trained,
        "optimizer": _optimizer(targets, n_trained, config, machine),
        "activations": _activations(architecture, targets, config, machine, batches),
        "logits": _logits(architecture, machine, batches),
    }
    return {name: round(size / MIB, 1) for name, size in parts.items() if size}


def _weights(
    architecture: Architecture, config: TrainingConfig, machine: Machine, trained: int
) -> float:
    """The base model; trained weights in 32 bit. The largest 4-bit matrix is unpacked for use."""
    size = 4 if machine.dtype_name == "float32" else 2
    if not METHOD_COSTS[config.method].is_4_bit:
        return (architecture.n_parameters - trained) * size + trained * TRAINED_BYTES
    packed = [module.n_weights for module in architecture.linears if module.takes_4_bit]
    others = architecture.n_parameters - sum(packed)
    return sum(packed) * NF4_BYTES + others * size + max(packed, default=0) * size


def _optimizer(
    targets: Sequence[LinearModule], n_trained: int, config: TrainingConfig, machine: Machine
) -> float:
    per_parameter = STATE_BYTES[machine.optimizer(config.optimizer)]
    if not METHOD_COSTS[config.method].projects_gradients:
        return n_trained * per_parameter
    # GaLore: states of rank x the longer side, and a projection of rank x the shorter one.
    whole = n_trained - sum(t.n_weights for t in targets)
    sides = [sorted((t.in_features, t.out_features)) for t in targets]
    states = sum(min(config.rank, short) * long for short, long in sides)
    projections = sum(min(config.rank, short) * short for short, _ in sides)
    return (whole + states) * per_parameter + projections * TRAINED_BYTES


def _activations(
    architecture: Architecture,
    targets: Sequence[LinearModule],
    config: TrainingConfig,
    machine: Machine,
    batches: Batches,
) -> float:
    layer = _layer_bytes(architecture, targets, config, machine, batches)
    n, hidden = architecture.n_layers, architecture.hidden_size
    if config.activation_checkpointing:
        per_token = 2 * hidden * n + layer
    elif METHOD_COSTS[config.method].trains == "layers":
        per_token = layer * min(config.trainable_layers, n)
    else:
        per_token = layer * n
    largest = max((max(m.in_features, m.out_features) for m in architecture.linears), default=0)
    return batches.widest * (per_token + 8 * largest)  # the gradients in flight, in 32 bit


def _layer_bytes(
    architecture: Architecture,
    targets: Sequence[LinearModule],
    config: TrainingConfig,
    machine: Machine,
    batches: Batches,
) -> float:
    """Bytes that one layer keeps for each token until the backward pass."""
    cost, n = METHOD_COSTS[config.method], max(1, architecture.n_layers)
    linears = architecture.linears
    out = sum(m.out_features for m in linears) / n
    # An adapter copies its input, a trained matrix keeps it; a frozen one keeps none.
    kept = sum(m.in_features for m in (targets if cost.trains == "adapter" else linears)) / n
    largest = max((max(m.in_features, m.out_features) for m in linears), default=0)
    size = 2 * (out + kept + largest) + 8 * architecture.hidden_size
    if cost.trains == "adapter" and config.dropout:
        size += kept * (1 if machine.device == "cuda" else 4)  # the mask
    if cost.has_magnitude:
        size += 9 * sum(t.out_features for t in targets) / n
    if machine.attention == "eager":
        size += 6 * architecture.n_heads * batches.longest
    return size * (2 if machine.dtype_name == "float32" else 1)


def _logits(architecture: Architecture, machine: Machine, batches: Batches) -> float:
    tile = min(batches.widest_loss, TILE_TOKENS) * min(architecture.vocab_size, TILE_VOCABULARY)
    return tile * (8 if machine.device == "cuda" else 16)
