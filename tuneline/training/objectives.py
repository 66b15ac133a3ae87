"""OBJECTIVES: what is learned -> rows of a data set, and TRL's trainer for them."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from tuneline.errors import TrainingError
from tuneline.machine import Machine
from tuneline.records import Message, Record
from tuneline.training.chat_format import encode_all, encode_batch, usable
from tuneline.training.config import TrainingConfig

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedTokenizerBase

log = logging.getLogger(__name__)
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Objective:
    """How records become a loss."""

    rows: Callable[
        [Sequence[Record], "PreTrainedTokenizerBase", TrainingConfig], tuple[list[Row], int]
    ]
    """(records, tokenizer, settings) -> rows that fit, and how many did not."""
    trl: Callable[[], tuple[type, type]]
    """TRL's classes of arguments and trainer; imported when called."""
    arguments: Callable[[TrainingConfig, Machine], dict[str, Any]]
    """Arguments that this objective has for itself or otherwise than the others."""


def data_set(
    objective: Objective,
    records: Sequence[Record],
    tokenizer: "PreTrainedTokenizerBase",
    config: TrainingConfig,
) -> "Dataset":
    """The rows to train on or to validate with.

    Raises:
        TrainingError: No record fits the objective or the model.
    """
    from datasets import Dataset

    rows, n_left_out = objective.rows(records, tokenizer, config)
    if not rows:
        raise TrainingError(f"no record fits into max_seq_tokens={config.max_seq_tokens}")
    log.info("train: rows=%d left_out=%d objective=%s", len(rows), n_left_out, config.objective)
    return Dataset.from_list(rows)


def _sft_rows(
    records: Sequence[Record], tokenizer: "PreTrainedTokenizerBase", config: TrainingConfig
) -> tuple[list[Row], int]:
    encoded, n_left_out = encode_all(records, tokenizer, config.max_seq_tokens, config.loss_on)
    return [row._asdict() for row in encoded], n_left_out


def _dpo_rows(
    records: Sequence[Record], tokenizer: "PreTrainedTokenizerBase", config: TrainingConfig
) -> tuple[list[Row], int]:
    pairs = [record for record in records if record.rejected is not None]
    _some(pairs, records, "dpo", "a better and a worse answer (fields chosen and rejected)")
    worse = [
        replace(record, messages=(*record.prompt, Message("assistant", record.rejected or "")))
        for record in pairs
    ]
    fits = _fit(pairs, tokenizer, config) & _fit(worse, tokenizer, config)
    rows = [
        {
            "prompt": _turns(record.prompt),
            "chosen": [_answer(record.reference)],
            "rejected": [_answer(record.rejected or "")],
        }
        for index, record in enumerate(pairs)
        if index in fits
    ]
    return rows, len(records) - len(rows)


def _kto_rows(
    records: Sequence[Record], tokenizer: "PreTrainedTokenizerBase", config: TrainingConfig
) -> tuple[list[Row], int]:
    labelled = [record for record in records if record.is_desirable is not None]
    _some(labelled, records, "kto", "a label true or false")
    fits = _fit(labelled, tokenizer, config)
    rows = [
        {
            "prompt": _turns(record.prompt),
            "completion": [_answer(record.reference)],
            "label": record.is_desirable,
        }
        for index, record in enumerate(labelled)
        if index in fits
    ]
    return rows, len(records) - len(rows)


def _some(usable: Sequence[Record], records: Sequence[Record], objective: str, need: str) -> None:
    if records and not usable:
        raise TrainingError(
            f"training.objective {objective} needs records with {need}; none of the "
            f"{len(records)} has one; name the fields in the source's mapping, or train with sft"
        )


def _fit(
    records: Sequence[Record], tokenizer: "PreTrainedTokenizerBase", config: TrainingConfig
) -> set[int]:
    """Indices of the records that fit; rendering also checks the template as for sft."""
    rows = usable(encode_batch(records, tokenizer))
    return {i for i, row in enumerate(rows) if len(row.input_ids) <= config.max_seq_tokens}


def _turns(messages: Sequence[Message]) -> list[dict[str, str]]:
    return [{"role": m.role, "content": m.content} for m in messages]


def _answer(text: str) -> dict[str, str]:
    return {"role": "assistant", "content": text}


def _sft_classes() -> tuple[type, type]:
    from trl import SFTConfig, SFTTrainer

    return SFTConfig, SFTTrainer


def _dpo_classes() -> tuple[type, type]:
    from trl import DPOConfig, DPOTrainer

    return DPOConfig, DPOTrainer


def _kto_classes() -> tuple[type, type]:
    from trl import KTOConfig, KTOTrainer

    return KTOConfig, KTOTrainer


def _sft_arguments(config: TrainingConfig, machine: Machine) -> dict[str, Any]:
    if config.packing:
        return {"max_length": config.max_seq_tokens, "packing": True, "packing_strategy": "bfd"}
    # FlashAttention computes no padding where a batch is one long row.
    return {"max_length": None, "padding_free": machine.attention == "flash_attention_2"}


def _dpo_arguments(config: TrainingConfig, machine: Machine) -> dict[str, Any]:
    return {"max_length": None, "beta": config.beta}


def _kto_arguments(config: TrainingConfig, machine: Machine) -> dict[str, Any]:
    # Rows are compared with their neighbours: the order, by digest, is a random one that stays.
    return {**_dpo_arguments(config, machine), "train_sampling_strategy": "sequential"}


OBJECTIVES = {
    "sft": Objective(_sft_rows, _sft_classes, _sft_arguments),
    "dpo": Objective(_dpo_rows, _dpo_classes, _dpo_arguments),
    "kto": Objective(_kto_rows, _kto_classes, _kto_arguments),
}
