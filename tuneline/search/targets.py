"""Names of the base model's linear modules, read from its configuration without its weights."""

from pathlib import Path

from tuneline.errors import SearchError

ATTENTION = ("attn", "attention")
"""What the name of a block of attention holds in transformers' models."""


def module_groups(folder: Path) -> dict[str, tuple[str, ...]]:
    """`attention` and `mlp` -> names of the linear modules inside attention blocks, and of others.

    Args:
        folder: The base model; only its `config.json` is read.

    A name that stands in both groups is told apart by its block: `attn.c_proj`, `mlp.c_proj`.

    Raises:
        SearchError: One of the groups is empty, so that it cannot be tried.
    """
    names = {group: dict[str, None]() for group in ("attention", "mlp")}
    blocks = {group: dict[str, None]() for group in ("attention", "mlp")}
    for name in _linear_modules(folder):
        parents, _, leaf = name.rpartition(".")
        block = parents.rpartition(".")[2]
        group = "attention" if any(word in parents.lower() for word in ATTENTION) else "mlp"
        names[group][leaf] = None
        blocks[group][f"{block}.{leaf}"] = None
    if empty := [group for group in names if not names[group]]:
        raise SearchError(
            f"the base model has no linear modules for {empty[0]!r}; "
            "take it out of search.target_modules"
        )
    both = names["attention"].keys() & names["mlp"].keys()
    return {group: tuple(blocks[group] if both else names[group]) for group in names}


def _linear_modules(folder: Path) -> list[str]:
    """Every linear module but the head, as peft's `all-linear` takes them."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM
    from transformers.pytorch_utils import Conv1D

    with torch.device("meta"):
        model = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder))
    head = model.get_output_embeddings()
    return [
        name
        for name, module in model.named_modules()
        if isinstance(module, torch.nn.Linear | Conv1D) and module is not head
    ]
