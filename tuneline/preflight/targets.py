"""Which modules get an adapter, and how many parameters are trained. Pure."""

from collections.abc import Iterable, Sequence
from typing import Literal

from tuneline.errors import TrainingError
from tuneline.preflight.architecture import Architecture, LinearModule
from tuneline.preflight.costs import METHOD_COSTS
from tuneline.training.config import TrainingConfig

FUSED = ("c_attn", "W_pack", "query_key_value", "qkv_proj", "Wqkv", "qkv")
"""Names of modules that hold query, key and value in one matrix."""
SPLIT = ("q_proj", "k_proj", "v_proj", "query", "key", "value")
"""Names of modules that hold one of them."""
ALL_LINEAR: Literal["all-linear"] = "all-linear"


def resolve_targets(
    architecture: Architecture, wanted: Literal["all-linear"] | Sequence[str]
) -> tuple[LinearModule, ...]:
    """The linear modules that are meant.

    Args:
        architecture: Of the base model.
        wanted: `all-linear` for every linear module but the head; or names, each the end of a
            module's full name, such as `q_proj` or `self_attn.q_proj`.

    Raises:
        TrainingError: A name fits no linear module; names those that exist.
    """
    if isinstance(wanted, str):
        return architecture.linears
    missing = [name for name in wanted if not any(_fits(m, name) for m in architecture.linears)]
    if missing:
        raise TrainingError(_explain(architecture, missing))
    return tuple(m for m in architecture.linears if any(_fits(m, name) for name in wanted))


def n_trainable(
    architecture: Architecture, targets: Iterable[LinearModule], config: TrainingConfig
) -> int:
    """Trained parameters: rank x (in + out) for each target, or the weights that are not frozen.

    Raises:
        TrainingError: More layers are to be trained than the model has.
    """
    cost = METHOD_COSTS[config.method]
    if cost.trains == "all":
        return architecture.n_parameters
    if cost.trains == "layers":
        return sum(_last(architecture, config.trainable_layers))
    per_target = (
        config.rank * (t.in_features + t.out_features)
        + (t.out_features if cost.has_magnitude else 0)
        for t in targets
    )
    return sum(per_target)


def describe_targets(architecture: Architecture, targets: Sequence[LinearModule]) -> str:
    """One sentence for people: kinds of modules with their shapes, and what is special."""
    kinds = dict.fromkeys(f"{t.kind} {t.in_features}x{t.out_features}" for t in targets)
    names = dict.fromkeys(t.kind for t in targets)
    notes = [f"{kind} holds query, key and value" for kind in names if kind in FUSED]
    if architecture.n_key_value_heads < architecture.n_heads:
        n, of = architecture.n_key_value_heads, architecture.n_heads
        notes.append(f"grouped-query attention, {n} key-value heads for {of}")
    noted = f" ({'; '.join(notes)})" if notes else ""
    return (
        f"{len(targets)} linear modules in {architecture.n_layers} layers of "
        f"{architecture.model_type}: {', '.join(kinds)}{noted}"
    )


def _fits(module: LinearModule, name: str) -> bool:
    return module.name == name or module.name.endswith(f".{name}")


def _last(architecture: Architecture, n: int) -> tuple[int, ...]:
    if n > architecture.n_layers:
        raise TrainingError(
            f"training.trainable_layers is {n}; the base model has {architecture.n_layers} layers"
        )
    return architecture.layer_parameters[-n:]


def _explain(architecture: Architecture, missing: Sequence[str]) -> str:
    kinds = list(dict.fromkeys(module.kind for module in architecture.linears))
    fused = [kind for kind in kinds if kind in FUSED]
    hint = ""
    if fused and any(name.rpartition(".")[2] in SPLIT for name in missing):
        hint = f"query, key and value are one module there, {fused[0]}; "
    return (
        f"training.target_modules names {', '.join(missing)}, which {architecture.model_type} does "
        f"not have as linear modules besides the head; it has {', '.join(kinds)}; "
        f"{hint}name some of these, or set {ALL_LINEAR}"
    )
