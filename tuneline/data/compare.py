"""All comparisons of records with each other and with texts from outside, in their order."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from tuneline.data.config import DataConfig
from tuneline.data.dedup.scratch import Scratch
from tuneline.data.dedup.shingles import SEED, Sketches, rehash
from tuneline.data.fates import (
    CODES,
    REASONS,
    Fates,
    Texts,
    drop_exact_duplicates,
    drop_near_duplicates,
    first_fates,
)
from tuneline.data.leakage import (
    drop_known_before,
    drop_leaks,
    drop_outside_leaks,
    guarding,
)
from tuneline.data.memory import Memory
from tuneline.data.outside import Outside
from tuneline.data.showing import places, shown_texts
from tuneline.data.splitting import HOLDOUT, SIDES, STRATA, TRAIN, VALIDATION, top_up
from tuneline.records import iter_records, rows_digest
from tuneline.reports import Certificate, DataReport, Leak, LeakCheck

log = logging.getLogger(__name__)

MAX_ROUNDS = 4
"""Searches for leaks, each with other hash functions; the last one must find nothing."""
MAX_EXAMPLES = 10
BOTH = "train and validation"
KINDS = ("same_prompt", "near_duplicate")
INSIDE = ((VALIDATION, HOLDOUT), (TRAIN, HOLDOUT), (TRAIN, VALIDATION))


class Compared(NamedTuple):
    """What becomes of each record, and what the leak checks found."""

    fates: Fates
    checks: tuple[LeakCheck, ...]
    threshold: float

    def certified(self, report: DataReport, folder: Path) -> DataReport:
        """The report with a certificate for the sides that were written to a folder."""
        digests = {
            f"{side}_digest": rows_digest(iter_records(folder / f"{side}.parquet"))
            for side in SIDES
        }
        return replace(report, certificate=Certificate(self.checks, self.threshold, **digests))


def compare_all(
    texts: Texts,
    memory: Memory,
    outside: Outside,
    config: DataConfig,
    files: Sequence[Path],
    rows: int,
    scratch: Scratch,
) -> Compared:
    """Dedup, split and leak checks.

    Args:
        texts: All cleaned records.
        memory: What earlier runs used.
        outside: Texts of earlier runs and benchmarks.
        config: Settings.
        files: Cleaned files, for texts that are compared by their meaning.
        rows: Rows in hand at a time.
        scratch: Where keys by other hash functions go.
    """
    threshold = config.split.leak_threshold
    fates = first_fates(texts.keys, memory.uses("raw_digest", "digest", "group_digest"), config)
    drop_exact_duplicates(texts.keys, fates)
    if config.near_dedup.enabled:
        names = [source.name for source in config.sources]
        drop_near_duplicates(texts, fates, config.near_dedup, names)
    if config.semantic_dedup.model is not None:
        from tuneline.data.dedup.semantic import drop_semantic_duplicates

        drop_semantic_duplicates(texts.keys, fates, config.semantic_dedup, files, rows)
    groups = texts.keys.digests("group_digest").ranks()
    for _ in range(MAX_ROUNDS):
        columns = texts.keys.load("position", *STRATA[config.split.stratify])
        marks = fates.side, fates.rank, fates.is_kept()
        fates.side = top_up(groups, columns, *marks, config.split)
        if not sum(drop_known_before(texts, fates, k, threshold) for k in outside.known):
            break
    checks = _check_until_clean(texts, fates, outside, config, scratch)
    _log(checks)
    checks = tuple(replace(c, examples=_examples(c, fates, files)) for c in checks)
    return Compared(fates, checks, threshold)


def _check_until_clean(
    texts: Texts, fates: Fates, outside: Outside, config: DataConfig, scratch: Scratch
) -> tuple[LeakCheck, ...]:
    """Drop leaks, then search again with other hash functions until a search finds nothing."""
    rounds: list[dict[tuple[str, str], int]] = []
    for number in range(MAX_ROUNDS):
        if number:
            again = partial(
                rehash, threshold=config.least_threshold, seed=SEED + number, scratch=scratch
            )
            texts, outside = _rehashed(texts, outside, again)
        rounds.append(_one_round(texts, fates, outside, config.split.leak_threshold))
        if number and not sum(rounds[-1].values()):
            break
    n_hidden = {hidden.name: len(hidden.places) for hidden in outside.hidden}
    n_hidden |= {name: int(guarding(fates, side).sum()) for side, name in enumerate(SIDES[:2])}
    return tuple(
        LeakCheck(
            seen, hidden, _count(fates, seen), n_hidden[hidden],
            found=sum(found[seen, hidden] for found in rounds),
            remaining=rounds[-1][seen, hidden], examples=(),
        )
        for seen, hidden in rounds[0]
    )  # fmt: skip


def _one_round(
    texts: Texts, fates: Fates, outside: Outside, threshold: float
) -> dict[tuple[str, str], int]:
    found: dict[tuple[str, str], int] = {
        (SIDES[seen], SIDES[hidden]): drop_leaks(texts, fates, seen, hidden, threshold)
        for seen, hidden in INSIDE
    }
    for hidden in outside.hidden:
        pair = (BOTH, hidden.name)
        found[pair] = drop_outside_leaks(texts, fates, hidden, threshold)
    return found


def _rehashed(
    texts: Texts, outside: Outside, again: Callable[[Sketches], Sketches]
) -> tuple[Texts, Outside]:
    """The same sets under other hash functions."""
    hidden = []
    for each in outside.hidden:
        side = each.side._replace(sketches=again(each.side.sketches))
        hidden.append(each._replace(side=side))
    texts = texts._replace(sketches={"full": again(texts.sketches["full"])})
    return texts, outside._replace(hidden=tuple(hidden))


def _count(fates: Fates, seen: str) -> int:
    sides = (TRAIN, VALIDATION) if seen == BOTH else (SIDES.index(seen),)
    return int(np.isin(fates.side[fates.reason == 0], sides).sum())


def _examples(check: LeakCheck, fates: Fates, files: Sequence[Path]) -> tuple[Leak, ...]:
    """The first records that went because of one comparison."""
    if check.seen == BOTH:
        rows = [row for row, (name, _) in fates.outside.items() if name == check.hidden]
    else:
        is_leak = np.isin(fates.reason, [CODES[f"{kind}_in_{check.hidden}"] for kind in KINDS])
        seen = SIDES.index(check.seen)
        rows = np.flatnonzero(is_leak & (fates.side == seen)).tolist()
    rows = rows[:MAX_EXAMPLES]
    texts = shown_texts(files, np.array(rows, dtype=np.int64))
    return tuple(
        Leak(places(files, [row])[0], _hidden_place(files, fates, row), _kind(fates, row), text)
        for row, text in zip(rows, texts, strict=True)
    )


def _hidden_place(files: Sequence[Path], fates: Fates, row: int) -> str:
    return fates.outside[row][1] if row in fates.outside else places(files, [fates.because[row]])[0]


def _kind(fates: Fates, row: int) -> Literal["same_prompt", "near_duplicate"]:
    reason = REASONS[fates.reason[row]][1]
    return "same_prompt" if reason.startswith("same_prompt") else "near_duplicate"


def _log(checks: Sequence[LeakCheck]) -> None:
    for check in checks:
        counts = (check.seen, check.hidden, check.found, check.remaining)
        log.info("leakage: %s / %s: found=%d remaining=%d", *counts)
