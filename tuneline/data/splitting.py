"""Train, validation or holdout by content digest: a record never moves.

A record's position is a number in [0, 1) made from nothing but its group (or its prompt where it
has none). Positions below `holdout_fraction` are the holdout, the next ones validation, the rest
train. No other record, no order of rows and no random seed has a say.

Both dedups keep the member of a cluster with the smallest position, so the holdout always wins: if
any copy of a text lies in the holdout, a holdout copy stays and the train copies go. A cluster that
grows by new rows can only hand its place to a smaller position, which is in the holdout too; no
later row can bring a text back into train that once was held out.
"""

import hashlib
from collections.abc import Sequence
from typing import Literal, NamedTuple

from tuneline.data.config import SplitConfig
from tuneline.records import Record

SALT = "tuneline-split-v1:"
"""Part of every position: changing it moves every record of every holdout."""

Side = Literal["train", "validation", "holdout"]


class Splits(NamedTuple):
    """Records by side."""

    train: list[Record]
    validation: list[Record]
    holdout: list[Record]


def position(record: Record) -> float:
    """Where the record's group lies in [0, 1): the first 52 bits of a salted SHA-256."""
    digest = hashlib.sha256(f"{SALT}{record.group_digest}".encode()).hexdigest()
    return int(digest[:13], 16) / 16**13


def side(record: Record, config: SplitConfig) -> Side:
    """The side of the split that the record's position lies on."""
    at = position(record)
    if at < config.holdout_fraction:
        return "holdout"
    return "validation" if at < config.holdout_fraction + config.validation_fraction else "train"


def keep_order(record: Record) -> tuple[float | str | int, ...]:
    """Sort key of records: of duplicates the first one stays.

    Position and digest decide. What follows tells apart texts that only compare equal, so that the
    order of rows has no say; file and line come last and matter for full copies alone.
    """
    texts = "\x1e".join(message.content for message in record.messages)
    origin = (record.source, record.group or "", texts, record.file, record.line)
    return (position(record), record.digest, *origin)


def split(records: Sequence[Record], config: SplitConfig) -> Splits:
    """Records by side, each side in `keep_order`."""
    splits = Splits([], [], [])
    for record in sorted(records, key=keep_order):
        getattr(splits, side(record, config)).append(record)
    return splits
