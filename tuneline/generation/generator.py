"""Prompts to predictions: greedy, batched by length, and bounded in memory."""

import gc
import logging
import time
from collections.abc import Sequence

from tuneline.errors import EvaluationError
from tuneline.generation.artifact import ModelArtifact, Prediction
from tuneline.generation.batching import batches_by_length
from tuneline.generation.config import GenerationConfig
from tuneline.generation.engine import ENGINES, Engine
from tuneline.machine import Machine, is_out_of_memory
from tuneline.progress import Progress, silent
from tuneline.records import Message

log = logging.getLogger(__name__)


class Generator:
    """A loaded model that answers prompts greedily."""

    def __init__(self, engine: Engine, config: GenerationConfig) -> None:
        self.engine = engine
        self.config = config

    @classmethod
    def load(
        cls, artifact: ModelArtifact, machine: Machine, config: GenerationConfig
    ) -> "Generator":
        """Load an artifact as a server would, by the engine that it names.

        Raises:
            EvaluationError: There is no such engine.
        """
        if artifact.engine not in ENGINES:
            raise EvaluationError(
                f"{artifact.name}: unknown engine {artifact.engine!r}; known are "
                f"{', '.join(ENGINES)}"
            )
        return cls(ENGINES[artifact.engine](artifact, machine, config), config)

    def generate(
        self, prompts: Sequence[Sequence[Message]], progress: Progress = silent
    ) -> tuple[list[Prediction], float]:
        """Answer every prompt.

        Args:
            prompts: N conversations, each ending with a user's turn.
            progress: Told the prompts done after each batch.

        Returns:
            N predictions in the order of the prompts, and the seconds of wall time they took.
        """
        started = time.monotonic()
        texts = [self.engine.render(prompt) for prompt in prompts]
        predictions: list[Prediction | None] = [None] * len(texts)
        done = 0
        progress(0, len(texts))
        for batch in batches_by_length([len(text) for text in texts], self.config.batch_size):
            for index, answer in zip(batch, self._answer([texts[i] for i in batch]), strict=True):
                predictions[index] = answer
            done += len(batch)
            progress(done, len(texts))
        return [p for p in predictions if p is not None], time.monotonic() - started

    def _answer(self, texts: list[str]) -> list[Prediction]:
        """One batch; on out-of-memory its halves, one by one; a single that fails is unscored."""
        import torch

        try:
            return self.engine.answer(texts)
        except (RuntimeError, MemoryError) as error:
            if not is_out_of_memory(error):
                raise
            gc.collect()
            torch.cuda.empty_cache()
        if len(texts) == 1:
            log.warning("generate: a prompt of %d characters does not fit in memory", len(texts[0]))
            return [Prediction(None, 0)]
        half = len(texts) // 2
        log.warning("generate: out of memory, batch of %d halved", len(texts))
        return self._answer(texts[:half]) + self._answer(texts[half:])
