"""Which prompts are generated together, and running such batches one after the other.

Greedy text changes slightly with the batch that it is made in (16-bit sums round differently), so
the plan is a function of lengths and settings alone: every model of a comparison, and a run that
goes on after a kill, sees the same batches.
"""

import logging
import math
import random
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from tuneline.generation.journal import Finished, Journal
from tuneline.machine import free_memory, is_out_of_memory
from tuneline.progress import Progress

log = logging.getLogger(__name__)

T = TypeVar("T")
Work = Callable[[Sequence[int]], list[T]]
"""Does one batch of rows, given by index; one value per row, in their order."""


def plan_batches(
    lengths: Sequence[int],
    batch_tokens: int,
    batch_size: int,
    new_tokens: int = 0,
    seed: int = 0,
) -> list[list[int]]:
    """Indices in batches of similar length, longest first: memory runs out early or never.

    Args:
        lengths: Tokens of each row.
        batch_tokens: Most tokens of a batch, padding and `new_tokens` of each row included; a row
            that alone has more is a batch of its own.
        batch_size: Most rows of a batch.
        new_tokens: Tokens that may be added to each row.
        seed: 0 sorts by length alone. Another lets a row share its batch with others of similar
            length, and cuts the first batch short, so that even a single batch is divided.
    """
    drawn = random.Random(seed)
    order = _shuffled(lengths, drawn) if seed else _longest_first(lengths)
    most = drawn.randint(1, max(1, min(batch_size, len(order) - 1))) if seed else batch_size
    batches = []
    start = 0
    while start < len(order):
        longest = max(lengths[row] for row in order[start : start + most])
        n_rows = max(1, min(most, batch_tokens // max(1, longest + new_tokens)))
        batches.append(order[start : start + n_rows])
        start, most = start + n_rows, batch_size
    return batches


def _longest_first(lengths: Sequence[int]) -> list[int]:
    return sorted(range(len(lengths)), key=lambda row: (-lengths[row], row))


def _shuffled(lengths: Sequence[int], drawn: random.Random) -> list[int]:
    """Longest first, in any order among rows whose lengths differ by less than a fifth."""
    keys = [(-round(4 * math.log2(max(1, length))), drawn.random()) for length in lengths]
    return sorted(range(len(lengths)), key=lambda row: keys[row])


def run_batches(
    plan: Sequence[Sequence[int]],
    work: Work[T],
    failed: T,
    progress: Progress,
    journal: Journal[T] | None = None,
) -> tuple[list[T], float]:
    """Do every batch of a plan that is not in the journal yet.

    Args:
        plan: Holds every row from 0 to N - 1 once.
        work: Does one batch; halved while it does not fit in memory.
        failed: Value of a row that does not fit alone.
        progress: Told the rows done after each batch.
        journal: Where finished batches are kept, so that a killed run goes on behind them.

    Returns:
        N values in the order of the rows, and the seconds of wall time that the batches took, in
        this process and in those before it.
    """
    n_rows = sum(len(batch) for batch in plan)
    finished = journal.read() if journal else {}
    values: dict[int, T] = {}
    seconds = 0.0
    progress(0, n_rows)
    for batch in plan:
        rows = tuple(batch)
        done = finished.get(rows)
        if done is None:
            started = time.monotonic()
            found = _halving(work, rows, failed)
            done = Finished(rows, found, time.monotonic() - started)
            if journal:
                journal.append(done)
        values.update(zip(rows, done.values, strict=True))
        seconds += done.seconds
        progress(len(values), n_rows)
    return [values[row] for row in range(n_rows)], seconds


def _halving(work: Work[T], rows: tuple[int, ...], failed: T) -> list[T]:
    """One batch; on out-of-memory its halves, one by one."""
    try:
        return work(rows)
    except (RuntimeError, MemoryError) as error:
        if not is_out_of_memory(error):
            raise
    free_memory()  # the error is gone by now, and with it the frames that held the batch
    if len(rows) == 1:
        log.warning("generate: row %d does not fit in memory", rows[0])
        return [failed]
    half = len(rows) // 2
    log.warning("generate: out of memory, batch of %d halved", len(rows))
    return _halving(work, rows[:half], failed) + _halving(work, rows[half:], failed)
