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
from tuneline.reports.details import ClassScore, FieldScore, LabelTable
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
    AnswerShares,
    DifferentAnswer,
    Fidelity,
    GateVerdict,
    NoiseFloor,
    QuantizationReport,
    QuantizedVariant,
    Recommendation,
    StoredWeights,
    VariantVerdict,
)
from tuneline.reports.review import Agreement, JudgeReport, ReviewReport, WinRate
from tuneline.reports.saving import load_report, save_report
from tuneline.reports.speed import Latency, Perplexity
from tuneline.reports.training import TrainingReport

__all__ = [
    "ALL",
    "TASK_SCORE",
    "Agreement",
    "AnswerShares",
    "Certificate",
    "ClassScore",
    "Cluster",
    "Comparison",
    "ComparisonVerdict",
    "Conflict",
    "DataReport",
    "Difference",
    "DifferentAnswer",
    "Dimension",
    "EvalReport",
    "Fidelity",
    "FieldScore",
    "FileReport",
    "Forgetting",
    "ForgettingVerdict",
    "GateVerdict",
    "JudgeReport",
    "LabelTable",
    "Latency",
    "Leak",
    "LeakCheck",
    "Look",
    "Noise",
    "NoiseFloor",
    "Perplexity",
    "QuantizationReport",
    "QuantizedVariant",
    "Recommendation",
    "Regressions",
    "ReviewReport",
    "Score",
    "SliceDifference",
    "StoredWeights",
    "TrainingReport",
    "VariantVerdict",
    "WinRate",
    "load_report",
    "save_report",
]
