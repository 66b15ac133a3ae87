"""A training as it runs: its last numbers beside the progress, and as a table on the run page."""

from collections import deque
from collections.abc import Callable, Mapping
from uuid import UUID

from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import ArtifactUpdate
from prefect.context import TaskRunContext

from tasks.progress import Pace, StageProgress
from tuneline.training.divergence import Verdict
from tuneline.training.history import Point, points, thin
from tuneline.training.watchdog import judge
from tuneline.training.watching import LogMetrics

N_ROWS = 10
"""Last steps in the table."""
FORMATS: Mapping[str, Callable[[float], str]] = {
    "loss": "{:.4f}".format,
    "eval_loss": "{:.4f}".format,
    "learning_rate": "{:.2e}".format,
    "grad_norm": "{:.3f}".format,
    "tokens_per_s": "{:,.0f}".format,
    "gpu_memory_mib": "{:,.0f}".format,
    "gpu_busy_fraction": "{:.0%}".format,
    "memory_mib": "{:,.0f}".format,
}
"""Number -> how it is shown, in the order of the columns."""
HEADINGS: Mapping[str, str] = {
    "eval_loss": "validation loss",
    "learning_rate": "learning rate",
    "grad_norm": "gradient norm",
    "tokens_per_s": "tokens/s",
    "gpu_memory_mib": "GPU memory (MiB)",
    "gpu_busy_fraction": "GPU busy",
    "memory_mib": "memory (MiB)",
}
Rows = Mapping[int, Mapping[str, float]]
"""Step -> its numbers."""


class LiveTraining:
    """Passes numbers on to MLflow, and shows them.

    Args:
        domain: Names the artifact on the run page.
        progress: The stage's progress.
        log_metrics: Where the numbers go.
    """

    def __init__(self, domain: str, progress: StageProgress, log_metrics: LogMetrics) -> None:
        self.key = f"{domain.replace('_', '-')}-training-live"
        self.progress, self.log_metrics = progress, log_metrics
        self.rows: dict[int, dict[str, float]] = {}
        self.order: deque[int] = deque()
        self.history: list[Point] = []
        self.artifact: UUID | None = None
        self.pace, self.done_fraction = Pace(), 0.0

    def __call__(self, numbers: dict[str, float], step: int) -> None:
        """Take the numbers of a step."""
        self._remember(numbers, step)
        self.log_metrics(numbers, step)
        self.done_fraction = numbers.get("done_fraction", self.done_fraction)
        verdict = judge(self.history, done_fraction=self.done_fraction)
        self.progress.tell(note(self.rows[step], verdict))
        if TaskRunContext.get() is None:
            return
        is_last = verdict.should_stop or self.progress.done >= self.progress.total
        self.pace.update(lambda: self._show(verdict), must=is_last)

    def _remember(self, numbers: dict[str, float], step: int) -> None:
        if step not in self.rows:
            self.rows[step] = {}
            self.order.append(step)
        if len(self.order) > N_ROWS:
            del self.rows[self.order.popleft()]
        self.rows[step] |= numbers
        self.history = thin([*self.history, *points([{**numbers, "step": step}])])

    def _show(self, verdict: Verdict) -> None:
        text = markdown(self.rows, verdict, self.progress)
        if self.artifact is None:
            created = create_markdown_artifact(key=self.key, markdown=text)
            assert isinstance(created, UUID)  # outside of async code it is no coroutine
            self.artifact = created
        else:
            get_client(sync_client=True).update_artifact(self.artifact, ArtifactUpdate(data=text))


def note(numbers: Mapping[str, float], verdict: Verdict) -> str:
    """`loss 0.42, 283 tokens/s`, and the pattern where it asks for a change."""
    parts = []
    if "loss" in numbers:
        parts.append(f"loss {numbers['loss']:.2f}")
    if "tokens_per_s" in numbers:
        parts.append(f"{numbers['tokens_per_s']:,.0f} tokens/s")
    if verdict.advice:
        parts.append(verdict.pattern)
    return ", ".join(parts)


def markdown(rows: Rows, verdict: Verdict, progress: StageProgress) -> str:
    """Progress, verdict and the last steps, the newest first."""
    left_s = progress.left_s()
    left = f", about {left_s:.0f} s left" if left_s else ""
    percent = 100 * progress.done / max(1, progress.total)
    advice = f": {verdict.advice}" if verdict.advice else ""
    return (
        f"**Step {progress.done} of {progress.total} ({percent:.0f} %){left}**\n\n"
        f"{verdict.pattern}: {verdict.sentence}{advice}\n\n{_table(rows)}"
    )


def _table(rows: Rows) -> str:
    names = [name for name in FORMATS if any(name in numbers for numbers in rows.values())]
    lines = ["| step | " + " | ".join(HEADINGS.get(n, n) for n in names) + " |"]
    lines.append("|---:" * (len(names) + 1) + "|")
    for step, numbers in sorted(rows.items(), reverse=True):
        cells = [FORMATS[name](numbers[name]) if name in numbers else "" for name in names]
        lines.append(f"| {step} | " + " | ".join(cells) + " |")
    return "\n".join(lines)
