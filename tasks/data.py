"""Stage 1: raw files to splits."""

from pathlib import Path

from tasks.artifacts import data_text, file_rows, funnel_rows, leak_rows, show_table, show_text
from tasks.progress import progress_of
from tasks.stage import stage, store
from tuneline.data.advice import advise
from tuneline.data.prepare import load_splits, report_of
from tuneline.data.prepare import prepare as prepare_data
from tuneline.profile import Profile
from tuneline.store import StageOutput

__all__ = ["load_splits", "prepare", "report_of"]


@stage("prepare data", timeout_s=24 * 3600)
def prepare(settings: Profile, tokenizer: Path) -> StageOutput:
    """Clean, deduplicate and split the domain's records, and show what came of it."""
    output = prepare_data(
        settings.domain,
        settings.data,
        store(),
        tokenizer,
        settings.training.max_seq_tokens,
        progress_of("prepare data"),
    )
    _show(settings.domain, output)
    return output


def _show(domain: str, output: StageOutput) -> None:
    report = report_of(output)
    show_text(domain, "data-advice", data_text(report, advise(report)))
    show_table(domain, "data", funnel_rows(report), f"Records of {domain}: {output.path}")
    show_table(domain, "data-files", file_rows(report), "Files as they were read")
    if report.certificate is not None:
        show_table(domain, "data-leaks", leak_rows(report.certificate), "Leak checks")
