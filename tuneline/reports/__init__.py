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
    Regressions,
    Score,
    SliceDifference,
)
from tuneline.reports.guards import Forgetting, ForgettingVerdict, Look
from tuneline.reports.quantization import QuantizationReport, QuantizedVariant, StoredWeights
from tuneline.reports.saving import load_report, save_report
from tuneline.reports.training import TrainingReport

__all__ = [
    "ALL",
    "TASK_SCORE",
    "Certificate",
    "Cluster",
    "Comparison",
    "ComparisonVerdict",
    "Conflict",
    "DataReport",
    "Difference",
    "Dimension",
    "EvalReport",
    "FileReport",
    "Forgetting",
    "ForgettingVerdict",
    "Leak",
    "LeakCheck",
    "Look",
    "Noise",
    "QuantizationReport",
    "QuantizedVariant",
    "Regressions",
    "Score",
    "SliceDifference",
    "StoredWeights",
    "TrainingReport",
    "load_report",
    "save_report",
]
