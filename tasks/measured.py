"""A candidate with all that was built and measured for it, before anything is decided."""

from collections.abc import Sequence
from typing import NamedTuple

from tasks.evaluation import Evaluated
from tasks.release import Baseline
from tuneline.base_model import BaseModelRef
from tuneline.reports import Comparison, Forgetting, Look, QuantizationReport
from tuneline.store import StageOutput


class Measured(NamedTuple):
    """What a retraining built and measured, before the decision."""

    candidate: str
    """Key of the candidate."""
    splits: StageOutput
    checked: StageOutput
    """Of the pre-flight."""
    base: BaseModelRef
    adapter: StageOutput
    baseline: Baseline
    look: Look
    evaluated: Sequence[Evaluated]
    """The untrained base, the champion where there is one, the candidate."""
    lost: StageOutput
    """Regressions of the candidate."""
    comparisons: Sequence[Comparison]
    """Candidate against base, and against the champion where there is one."""
    forgetting: Forgetting | None
    quantizations: QuantizationReport
