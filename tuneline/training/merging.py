"""What was trained + base -> merged model in 16 bit, checked against the adapter."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.base_model import load_model, load_tokenizer
from tuneline.errors import TrainingError
from tuneline.export import finish_export
from tuneline.machine import Machine
from tuneline.records import Record
from tuneline.training.chat_format import encode
from tuneline.training.saving import attach

if TYPE_CHECKING:
    from torch import Tensor

log = logging.getLogger(__name__)

MIN_AGREEMENT = 0.98
"""Least share of answer tokens on which adapter and merged model must have the same top token."""


def merge(
    base_model: Path, adapter: Path, probe: Sequence[Record], machine: Machine, out: Path
) -> float:
    """Write the merged model, always into 16-bit weights and never into the 4-bit ones.

    Args:
        base_model: Folder of the base model, 16-bit.
        adapter: Folder of the adapter, as saved.
        probe: Records on whose reference answers both are compared.
        machine: Where it runs.
        out: An existing folder for the merged weights and the tokenizer.

    Returns:
        Share of answer tokens with the same top token before and after merging, in [0, 1].

    Raises:
        TrainingError: They agree on less than `MIN_AGREEMENT`.
    """
    tokenizer = load_tokenizer(base_model)
    rows = [encode(record, tokenizer) for record in probe]
    model = attach(load_model(base_model, machine), adapter).eval()
    before = [_top_tokens(model, row.input_ids, row.labels) for row in rows]
    merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
    merged = merged.to(machine.for_storage.dtype).to(machine.dtype)
    after = [_top_tokens(merged, row.input_ids, row.labels) for row in rows]
    agreement = _agreement(before, after)
    log.info("merge: top-1 agreement with the adapter %.4f on %d records", agreement, len(rows))
    if agreement < MIN_AGREEMENT:
        raise TrainingError(
            f"the merged model agrees with its adapter on {agreement:.1%} of answer tokens; "
            f"at least {MIN_AGREEMENT:.0%} are needed, so nothing is measured or registered"
        )
    merged.to(machine.for_storage.dtype).save_pretrained(out)
    tokenizer.save_pretrained(out)
    finish_export(out)
    return agreement


def _top_tokens(model: Any, input_ids: list[int], labels: list[int]) -> "Tensor":
    """The model's top token at every position that predicts a token of the answer."""
    import torch

    ids = torch.tensor([input_ids], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, :-1]
    is_answer = torch.tensor(labels[1:], device=logits.device) >= 0
    top: Tensor = logits[is_answer].argmax(-1)
    return top


def _agreement(before: Sequence["Tensor"], after: Sequence["Tensor"]) -> float:
    equal = sum(int((a == b).sum()) for a, b in zip(before, after, strict=True))
    return equal / max(1, sum(len(a) for a in before))
