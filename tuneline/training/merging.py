"""What was trained + base -> merged model in 16 bit, checked against the adapter."""

import logging
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tuneline.base_model import load_model, load_tokenizer
from tuneline.errors import TrainingError
from tuneline.export import finish_export
from tuneline.fidelity import Distributions, FidelityMeter
from tuneline.machine import Machine
from tuneline.records import Record
from tuneline.reports import Fidelity, load_report, save_report
from tuneline.training.chat_format import Encoded, encode
from tuneline.training.saving import attach

if TYPE_CHECKING:
    import numpy as np

log = logging.getLogger(__name__)

PARITY = "merge_parity.json"
"""File beside the merged weights: a `Fidelity`, the adapter being the reference."""
MIN_AGREEMENT = 0.98
"""Least share of answer tokens on which adapter and merged model must have the same top token."""
TIE = 0.1
"""Nats within which two tokens are as likely: rounding to 16 bit alone turns them."""
MAX_KL = 0.02
"""Most that the merged model's distributions may differ from the adapter's, nats per token;
rounding alone makes 0.002."""


def merge(
    base_model: Path, adapter: Path, probe: Sequence[Record], machine: Machine, out: Path
) -> Fidelity:
    """Write the merged model, always into 16-bit weights and never into the 4-bit ones.

    Args:
        base_model: Folder of the base model, 16-bit.
        adapter: Folder of the adapter, as saved.
        probe: Records on whose reference answers both are compared.
        machine: Where it runs.
        out: An existing folder for the merged weights and the tokenizer.

    Returns:
        The merged model against the adapter.

    Raises:
        TrainingError: The base model is quantized, or the two agree on less than `MIN_AGREEMENT`
            or differ by more than `MAX_KL`.
    """
    tokenizer = load_tokenizer(base_model)
    rows = [encode(record, tokenizer) for record in probe]
    base = load_model(base_model, machine)
    if getattr(base, "is_quantized", False):
        raise TrainingError(
            f"the base model in {base_model} is quantized; an adapter is merged into 16-bit "
            "weights only, so base_model must name the model that it was quantized from"
        )
    model = attach(base, adapter).eval()
    with tempfile.TemporaryDirectory(dir=out) as scratch:
        before = Distributions(Path(scratch))
        for i, row in enumerate(rows):
            before.save(i, _answer_logits(model, row))
        merged = model.merge_and_unload() if hasattr(model, "merge_and_unload") else model
        merged = merged.to(machine.for_storage.dtype).to(machine.dtype)
        meter = FidelityMeter(TIE)
        for i, row in enumerate(rows):
            meter.add(before.load(i), _answer_logits(merged, row), _answer_ids(row))
    parity = meter.result()
    check_parity(parity, len(rows))
    merged.to(machine.for_storage.dtype).save_pretrained(out)
    tokenizer.save_pretrained(out)
    finish_export(out)
    save_report(out / PARITY, parity)
    return parity


def parity_of(merged_model: Path) -> Fidelity | None:
    """What merging measured; None for a folder that `merge` did not write."""
    file = merged_model / PARITY
    return load_report(file, Fidelity) if file.is_file() else None


def check_parity(parity: Fidelity, n_records: int) -> None:
    """Refuse a merged model that is not its adapter's model.

    Raises:
        TrainingError: Says what was measured, the limit, and what follows.
    """
    log.info(
        "merge: top-1 agreement with the adapter %.4f, KL %.2g on %d records, %d tokens",
        *(parity.top1_agreement, parity.kl, n_records, parity.n_tokens),
    )
    if parity.top1_agreement < MIN_AGREEMENT:
        raise TrainingError(
            f"the merged model agrees with its adapter on {parity.top1_agreement:.1%} of answer "
            f"tokens, near-ties aside; at least {MIN_AGREEMENT:.0%} are needed, so nothing is "
            "measured or registered"
        )
    if not parity.kl <= MAX_KL:
        raise TrainingError(
            f"the merged model's distributions are {parity.kl:.3g} nats per token (KL) from its "
            f"adapter's; at most {MAX_KL} are allowed, so nothing is measured or registered"
        )


def _answer_logits(model: Any, row: Encoded) -> "np.ndarray":
    """Logits at the positions that predict the answer, float32 of shape (tokens, vocabulary)."""
    import torch

    ids = torch.tensor([row.input_ids], device=model.device)
    with torch.inference_mode():
        logits = model(input_ids=ids).logits[0, :-1]
    is_answer = torch.tensor(row.labels[1:], device=logits.device) >= 0
    answer: np.ndarray = logits[is_answer].float().cpu().numpy()
    return answer


def _answer_ids(row: Encoded) -> list[int]:
    return [label for label in row.labels[1:] if label >= 0]
