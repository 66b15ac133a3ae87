"""Stage 1: raw files to splits."""

from pathlib import Path

from tasks.artifacts import funnel_rows, show_table
from tasks.stage import stage, store
from tuneline.data.config import DataConfig
from tuneline.data.prepare import load_splits
from tuneline.data.prepare import prepare as prepare_data
from tuneline.reports import DataReport, load_report
from tuneline.store import StageOutput

__all__ = ["load_splits", "prepare", "report_of"]


@stage("prepare data", timeout_s=3600)
def prepare(domain: str, data: DataConfig) -> StageOutput:
    """Clean, deduplicate and split the domain's records, and show the funnel."""
    output = prepare_data(data, store())
    report = report_of(output)
    show_table(domain, "data", funnel_rows(report), f"Records of {domain}: {output.path}")
    return output


def report_of(output: StageOutput) -> DataReport:
    """The data funnel."""
    return load_report(Path(output.path) / "report.json", DataReport)
