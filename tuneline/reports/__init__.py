"""What stages tell each other in numbers: frozen, and JSON on disk."""

from tuneline.reports.data import (
    Certificate,
    Cluster,
    Conflict,
    DataReport,
    FileReport,
    Leak,
    LeakCheck,
)
from tuneline.reports.evaluation import (
    ALL,
    TASK_SCORE,
    Comparison,
    ComparisonVerdict,
    Difference,
    Dimension,
    EvalReport,
    Noise,
    Regressions,
    Score,
    SliceDifference,
)
from tuneline.reports.guards import Forgetting, ForgettingVerdict, Look
from tuneline.reports.quantization import (
    Fidelity,
    QuantizationReport,
    QuantizedVariant,
    StoredWeights,
)
from tuneline.reports.review import Agreement, JudgeReport, ReviewReport, WinRate
from tuneline.reports.saving import load_report, save_report
from tuneline.reports.training import TrainingReport

__all__ = [
    "ALL",
    "TASK_SCORE",
    "Agreement",
    "Certificate",
    "Cluster",
    "Comparison",
    "ComparisonVerdict",
    "Conflict",
    "DataReport",
    "Difference",
    "Dimension",
    "EvalReport",
    "Fidelity",
    "FileReport",
    "Forgetting",
    "ForgettingVerdict",
    "JudgeReport",
    "Leak",
    "LeakCheck",
    "Look",
    "Noise",
    "QuantizationReport",
    "QuantizedVariant",
    "Regressions",
    "ReviewReport",
    "Score",
    "SliceDifference",
    "StoredWeights",
    "TrainingReport",
    "WinRate",
    "load_report",
    "save_report",
]
