"""Prompts to predictions: greedy, in planned batches, resumable, and bounded in memory."""

import hashlib
import json
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

from tuneline.generation.artifact import Likelihood, ModelArtifact, Prediction
from tuneline.generation.batching import plan_batches, run_batches
from tuneline.generation.config import GenerationConfig
from tuneline.generation.engine import (
    ENGINES,
    BatchScorer,
    Engine,
    engine_name,
    engine_versions,
)
from tuneline.generation.journal import Journal
from tuneline.generation.likelihood import likelihood
from tuneline.machine import Machine
from tuneline.progress import Progress, silent
from tuneline.records import Message

MAX_LOGITS = 2**28
"""Most logits that are held at a time: 1 GiB in float32."""

T = TypeVar("T")


class Generator(AbstractContextManager["Generator"]):
    """A loaded model that answers prompts greedily; a context manager that frees it.

    Args:
        engine: The runtime with the model in it.
        config: How answers are generated.
        model: Digest of the model, so that no other model goes on in its journal.
    """

    def __init__(self, engine: Engine, config: GenerationConfig, model: str = "") -> None:
        self.engine = engine
        self.config = config
        self.model = model

    @classmethod
    def load(
        cls, artifact: ModelArtifact, machine: Machine, config: GenerationConfig
    ) -> "Generator":
        """Load an artifact as a server would.

        Raises:
            EvaluationError: Its engine is not known or not installed.
        """
        name = engine_name(artifact, config)
        engine_versions(name)
        return cls(ENGINES[name](artifact, machine, config), config, artifact.digest)

    def __exit__(self, *error: object) -> None:
        """Give back the model's memory."""
        self.engine.close()

    @property
    def decoding(self) -> str:
        """How answers come about, part of the identity of their scores."""
        return f"{self.config.decoding}, {self.engine.identity}"

    def generate(
        self,
        prompts: Sequence[Sequence[Message]],
        progress: Progress = silent,
        journal: Path | None = None,
    ) -> tuple[list[Prediction], float]:
        """Answer every prompt.

        Args:
            prompts: N conversations, each ending with a user's turn.
            progress: Told the prompts done after each batch.
            journal: File that keeps finished batches; a killed run goes on behind them.

        Returns:
            N predictions in the order of the prompts, and the seconds of wall time they took.
        """
        texts = [self.engine.render(prompt) for prompt in prompts]
        plan = plan_batches(
            self.engine.count_tokens(texts),
            self.config.batch_tokens,
            self.config.batch_size,
            self.config.max_new_tokens,
            self.config.batch_seed,
        )
        return run_batches(
            plan,
            lambda rows: self.engine.answer([texts[row] for row in rows]),
            Prediction(None, 0),
            progress,
            self._journal(journal, texts, Prediction),
        )

    def reference_nll(
        self,
        prompts: Sequence[Sequence[Message]],
        answers: Sequence[str],
        progress: Progress = silent,
        journal: Path | None = None,
    ) -> list[Likelihood]:
        """How likely the model finds the given answers, teacher-forced.

        Logits are kept for one batch at most, and only those of the answers.

        Args:
            prompts: N conversations, each ending with a user's turn.
            answers: N answers to them.
            progress: Told the answers done after each batch.
            journal: As for `generate`, another file.
        """
        texts = [self.engine.render(prompt) for prompt in prompts]
        wholes = [text + answer for text, answer in zip(texts, answers, strict=True)]
        tokens = self.config.batch_tokens
        if isinstance(self.engine, BatchScorer):
            tokens = min(tokens, MAX_LOGITS // self.engine.vocabulary)
        plan = plan_batches(
            self.engine.count_tokens(wholes), tokens, self.config.batch_size, new_tokens=1
        )
        found, _ = run_batches(
            plan,
            lambda rows: self._nll([texts[row] for row in rows], [answers[row] for row in rows]),
            Likelihood(None, 0),
            progress,
            self._journal(journal, wholes, Likelihood),
        )
        return found

    def _nll(self, prompts: list[str], answers: list[str]) -> list[Likelihood]:
        if isinstance(self.engine, BatchScorer):
            return self.engine.answer_nll(prompts, answers)
        return [
            likelihood(
                self.engine.answer_logits(prompt, answer),
                self.engine.answer_token_ids(prompt, answer),
            )
            for prompt, answer in zip(prompts, answers, strict=True)
        ]

    def _journal(self, path: Path | None, texts: list[str], kind: type[T]) -> Journal[T] | None:
        if path is None:
            return None
        decides = [self.model, self.engine.identity, self.config.model_dump(mode="json"), texts]
        return Journal(path, hashlib.sha256(json.dumps(decides).encode()).hexdigest(), kind)
