"""A variant loaded once: time, memory, and its next-token distributions beside the reference's."""

import ctypes
import gc
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from tuneline.errors import QuantizationError
from tuneline.fidelity import Distributions, FidelityMeter, log_softmax
from tuneline.generation import GenerationConfig, Generator, ModelArtifact
from tuneline.machine import Machine
from tuneline.progress import Progress, silent
from tuneline.records import Message
from tuneline.reports import Fidelity

COMPLETE = "complete"
"""File that says that a folder has the reference's distributions of all answers."""
LOOK_EVERY_S = 0.02


class Exchange(NamedTuple):
    """A prompt and what the reference answered."""

    prompt: tuple[Message, ...]
    answer: str


@dataclass(frozen=True, slots=True)
class Measurement:
    """What loading and reading cost, and how near the distributions are."""

    load_s: float
    peak_memory_mib: float
    fidelity: Fidelity | None
    """None where no token was to be compared."""


@dataclass(frozen=True, slots=True)
class Bench:
    """Where and on what the variants of one reference are measured."""

    machine: Machine
    generation: GenerationConfig
    exchanges: Sequence[Exchange]
    max_tokens: int
    """Answer tokens after which it is enough."""
    folder: Path
    """Scratch for the reference's distributions: 2 bytes x vocabulary per token."""

    def measure(
        self, model: ModelArtifact, reference: ModelArtifact, progress: Progress = silent
    ) -> Measurement:
        """Measure a variant; the reference before it where its distributions are not there.

        Raises:
            QuantizationError: The two have different vocabularies.
        """
        if not (self.folder / COMPLETE).is_file():
            measured = self._run(reference, True, silent)
            (self.folder / COMPLETE).touch()
            if model.digest == reference.digest:
                return measured
        return self._run(model, False, progress)

    def _run(self, model: ModelArtifact, is_reference: bool, progress: Progress) -> Measurement:
        stored, meter = Distributions(self.folder), FidelityMeter()
        with memory_watch(self.machine) as peak:
            started = time.monotonic()
            with Generator.load(model, self.machine, self.generation) as generator:
                load_s = time.monotonic() - started
                for i, exchange in enumerate(self.exchanges):
                    progress(i, len(self.exchanges))
                    if meter.n_tokens >= self.max_tokens:
                        break
                    prompt = generator.engine.render(exchange.prompt)
                    logits = generator.engine.answer_logits(prompt, exchange.answer)
                    ids = generator.engine.answer_token_ids(prompt, exchange.answer)
                    if is_reference:
                        stored.save(i, logits)
                    expected = log_softmax(logits) if is_reference else stored.load(i)
                    self._add(meter, model, expected, logits, ids)
                progress(len(self.exchanges), len(self.exchanges))
        fidelity = meter.result() if meter.n_tokens else None
        return Measurement(round(load_s, 2), round(peak(), 1), fidelity)

    def _add(self, meter: FidelityMeter, model: ModelArtifact, *answer: Any) -> None:
        try:
            meter.add(*answer)
        except ValueError as error:
            raise QuantizationError(
                f"{model.name} cannot be held against its reference: {error}"
            ) from error


@contextmanager
def memory_watch(machine: Machine) -> Iterator[Callable[[], float]]:
    """Watch the memory that the block takes beyond what is taken now.

    Yields:
        Peak in MiB so far: what torch allocated on a GPU, else resident memory of the process.
    """
    _tidy()
    if machine.device == "cuda":
        import torch

        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        yield lambda: (torch.cuda.max_memory_allocated() - before) / 2**20
        return
    watch = _ResidentMemory()
    watch.start()
    try:
        yield watch.peak_mib
    finally:
        watch.stop.set()
        watch.join()


class _ResidentMemory(threading.Thread):
    """Looks at the process's resident memory a few times a second."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.stop = threading.Event()
        self.process = psutil.Process()
        self.before = self.most = self.process.memory_info().rss

    def run(self) -> None:
        """Look until told to stop."""
        while not self.stop.wait(LOOK_EVERY_S):
            self.look()

    def look(self) -> None:
        """Look once."""
        self.most = max(self.most, self.process.memory_info().rss)

    def peak_mib(self) -> float:
        """Most memory seen beyond that at the start."""
        self.look()
        return float(self.most - self.before) / 2**20


def _tidy() -> None:
    """Give freed memory back to the system, so that it is not counted as there before."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)
