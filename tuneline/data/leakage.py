"""Training text that appears in the holdout, and in validation.

Dedup cannot promise this alone: it keeps same prompts with different answers, and a cluster's
member that stayed says nothing about the neighbours of those that went. So train and validation
are compared with every record on the holdout side of the split, those that near_dedup dropped
included: then a row that is added later can never bring a leaked training record back.
"""

import logging
from collections.abc import Mapping, Sequence

from tuneline.data.config import DataConfig
from tuneline.data.drops import Drop, Sifted, drop_record
from tuneline.data.near_dedup import full_text, near_duplicates
from tuneline.data.splitting import split
from tuneline.records import Record, comparison_text

log = logging.getLogger(__name__)


def drop_leaks(records: Sequence[Record], unique: Sequence[Record], config: DataConfig) -> Sifted:
    """Drop validation records that leak into the holdout, and train records that leak into either.

    Args:
        records: Records after near_dedup.
        unique: Records after exact_dedup, which `records` are part of.
        config: Threshold and split.

    Returns:
        Holdout records and the others without leaks.
    """
    threshold = config.near_dedup.threshold
    sides, hidden = split(records, config.split), split(unique, config.split)
    validation = _drop(sides.validation, hidden.holdout, "holdout", threshold)
    unheld = _drop(sides.train, hidden.holdout, "holdout", threshold)
    train = _drop(unheld.kept, hidden.validation, "validation", threshold)
    kept = [*sides.holdout, *validation.kept, *train.kept]
    drops = [*validation.drops, *unheld.drops, *train.drops]
    log.info("leakage: kept=%d dropped=%d threshold=%.2f", len(kept), len(drops), threshold)
    return Sifted(kept, drops)


def find_leaks(
    records: Sequence[Record], hidden: Sequence[Record], threshold: float
) -> dict[int, tuple[str, Record]]:
    """Number of each leaking record -> (same_prompt or near_duplicate, the hidden record).

    The whole prompt counts: records that share an instruction and differ in its input do not leak.
    """
    left, right = [full_text(r) for r in records], [full_text(r) for r in hidden]
    found = near_duplicates(left, right, threshold).pairs.tolist()
    leaks = {i: ("near_duplicate", hidden[j]) for i, j in reversed(found)}
    prompts = _by_prompt(hidden)
    for i, record in enumerate(records):
        if match := prompts.get(comparison_text(record.prompt_text)):
            leaks[i] = ("same_prompt", match)
    return leaks


def _by_prompt(records: Sequence[Record]) -> Mapping[str, Record]:
    return {comparison_text(record.prompt_text): record for record in reversed(records)}


def _drop(
    records: Sequence[Record], hidden: Sequence[Record], name: str, threshold: float
) -> Sifted:
    leaks = find_leaks(records, hidden, threshold)
    drops: list[Drop] = []
    for i, (how, match) in sorted(leaks.items()):
        detail = f"{how.replace('_', ' ')} as {name} record {match.place}"
        reason = f"{how}_in_{name}"
        drops.append(drop_record(records[i], "leakage", reason, detail, match.digest))
    return Sifted([r for i, r in enumerate(records) if i not in leaks], drops)
