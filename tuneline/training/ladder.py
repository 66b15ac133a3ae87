"""What gives way when memory runs out, in which order; the effective batch never does."""

import json
import os
from dataclasses import dataclass, replace
from pathlib import Path

from tuneline.training.config import TrainingConfig

MIN_SEQ_TOKENS = 128
"""Sequences are never shortened below this."""
FILE = "ladder.json"


@dataclass(frozen=True, slots=True)
class Ladder:
    """The settings that a run came down to, and how."""

    config: TrainingConfig
    rungs: tuple[str, ...] = ()
    """Each step down in words, in order."""

    def step_down(self) -> "Ladder | None":
        """The next rung, or None at the bottom. Pure."""
        config = self.config
        if config.batch_size > least_batch(config):
            return self._with(_smaller_batch(config))
        if not config.activation_checkpointing:
            return self._with({"activation_checkpointing": True})
        shorter = config.max_seq_tokens // 2
        if config.allow_shorter_sequences and shorter >= MIN_SEQ_TOKENS:
            return self._with({"max_seq_tokens": shorter})
        return None

    def changes_rows(self, before: "Ladder") -> bool:
        """Whether other rows are trained on than before, so that a checkpoint is of no use."""
        return self.config.max_seq_tokens != before.config.max_seq_tokens

    def save(self, folder: Path) -> None:
        """Remember the rung, so that a killed run does not climb up again."""
        folder.mkdir(exist_ok=True)
        partial = folder / f"{FILE}.{os.getpid()}"
        settings = self.config.model_dump(mode="json")
        partial.write_text(json.dumps({"rungs": self.rungs, "config": settings}))
        partial.replace(folder / FILE)

    def _with(self, changes: dict[str, object]) -> "Ladder":
        words = ", ".join(f"{key} {getattr(self.config, key)} -> {changes[key]}" for key in changes)
        config = self.config.model_copy(update=changes)
        return replace(self, config=config, rungs=(*self.rungs, words))


def rung(config: TrainingConfig, n_down: int) -> Ladder:
    """So many steps down from the settings, or as many as there are."""
    ladder = Ladder(config)
    for _ in range(n_down):
        ladder = ladder.step_down() or ladder
    return ladder


def first_rung(config: TrainingConfig, folder: Path, n_down: int = 0) -> Ladder:
    """Where a run begins: where an earlier attempt of it had come down to, else at a forecast.

    Args:
        config: The settings of the profile.
        folder: The checkpoints.
        n_down: Steps down that pre-flight takes to be needed.
    """
    if not (folder / FILE).exists():
        return rung(config, n_down)
    saved = json.loads((folder / FILE).read_text())
    return Ladder(TrainingConfig.model_validate(saved["config"]), tuple(saved["rungs"]))


def least_batch(config: TrainingConfig) -> int:
    """KTO compares the records of a batch with each other."""
    return 2 if config.objective == "kto" else 1


def _smaller_batch(config: TrainingConfig) -> dict[str, object]:
    """At most half the batch, and as many more forward passes: records per step stay the same."""
    effective = config.batch_size * config.gradient_accumulation
    batch = config.batch_size // 2
    while effective % batch:
        batch -= 1
    return {"batch_size": batch, "gradient_accumulation": effective // batch}
