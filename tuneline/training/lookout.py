"""Looks at a running training through the watchdog, and ends it where it diverges."""

import json
import logging
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tuneline.errors import TrainingError
from tuneline.training.checkpoints import COMPLETE
from tuneline.training.divergence import GUESS_LOSS, Verdict, is_in_doubt
from tuneline.training.history import Point, points, thin
from tuneline.training.watchdog import judge

log = logging.getLogger(__name__)

DIVERGED = "diverged.json"
"""Among the checkpoints: how often the run diverged, and how it did the last time."""
MAX_POINTS = 400
"""Points from which the history is thinned."""


class Lookout:
    """Judges each point that a trainer logs.

    Args:
        checkpoints: Where the run keeps them.
    """

    def __init__(self, checkpoints: Path) -> None:
        self.checkpoints = checkpoints
        self.history: list[Point] = []
        self.verdict = judge([])
        self.known: dict[str, Any] = {"guess_loss": GUESS_LOSS, "scales_loss": False}
        self.told: set[str] = set()
        self.good_until = 0
        self.earlier: dict[str, Any] = {}
        self.is_main = True

    def begin(
        self,
        log_history: Sequence[dict[str, Any]],
        vocabulary: int | None,
        scales_loss: bool = False,
        is_main: bool = True,
    ) -> None:
        """Training begins, or goes on after what was logged before.

        Args:
            log_history: The trainer's, from the checkpoint.
            vocabulary: Tokens that the model knows; None where that is not known.
            scales_loss: Whether float16 loss scaling is on.
            is_main: Whether this process writes for all processes of the training.
        """
        self.history = thin(points(log_history))
        self.good_until = max((p.step for p in self.history), default=0) - 1
        guess_loss = math.log(vocabulary) if vocabulary else GUESS_LOSS
        self.known = {"guess_loss": guess_loss, "scales_loss": scales_loss}
        self.is_main = is_main
        path = self.checkpoints / DIVERGED
        if path.exists():
            self.earlier = json.loads(path.read_text())
            log.warning("train: an earlier attempt diverged: %s", self.earlier["sentence"])

    def see(self, entry: dict[str, Any], done_fraction: float) -> Verdict:
        """Judge the run after one more entry of its log."""
        self.history += points([entry])
        if len(self.history) > MAX_POINTS:
            self.history = thin(self.history)
        if not self.verdict.should_stop:
            self.conclude(judge(self.history, done_fraction=done_fraction, **self.known))
        if "loss" in entry and self.may_save():
            self.good_until = int(entry["step"]) - 1  # those weights gave this step's numbers
        return self.verdict

    def conclude(self, verdict: Verdict) -> None:
        """Take a verdict, and say it where it is the first of its kind and no error will."""
        self.verdict = verdict
        if verdict.pattern not in self.told and verdict.advice and not verdict.should_stop:
            log.warning("train: %s: %s; %s", verdict.pattern, verdict.sentence, verdict.advice)
        self.told.add(verdict.pattern)

    def may_save(self) -> bool:
        """Whether the weights may replace those of an older checkpoint."""
        return not self.verdict.should_stop and not is_in_doubt(
            self.history, self.known["guess_loss"]
        )

    def check(self) -> Verdict:
        """The verdict on the whole run.

        Raises:
            TrainingError: It diverged; names the last good checkpoint, and later ones are gone.
        """
        if not self.verdict.should_stop:
            return judge(self.history, **self.known)
        attempts = 1 + self.earlier.get("attempts", 0)
        if self.is_main:
            self._leave(attempts)
        again = f" (attempt {attempts}; the same settings diverge again)" if attempts > 1 else ""
        raise TrainingError(
            f"training diverged{again}: {self.verdict.sentence}; {self.verdict.advice}. "
            f"{self._kept()}."
        )

    def _leave(self, attempts: int) -> None:
        """Remove the checkpoints whose weights diverged, and remember that they did."""
        for step, checkpoint in self._complete():
            if step > self.good_until:
                shutil.rmtree(checkpoint)
        self.checkpoints.mkdir(exist_ok=True)
        told = {"attempts": attempts, "sentence": self.verdict.sentence}
        (self.checkpoints / DIVERGED).write_text(json.dumps(told))

    def _kept(self) -> str:
        good = [found for found in self._complete() if found[0] <= self.good_until]
        if not good:
            return "No checkpoint was written while it was good: training.checkpoint_every_steps"
        return f"The last good checkpoint is {max(good)[1]}"

    def _complete(self) -> list[tuple[int, Path]]:
        found = (path.parent for path in self.checkpoints.glob(f"checkpoint-*/{COMPLETE}"))
        return [(int(path.name.split("-")[1]), path) for path in found]
