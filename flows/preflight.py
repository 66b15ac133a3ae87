"""`tuneline preflight`: will this training start, will it learn, and what will it take?"""

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from flows.tables import print_table
from tasks import preflight as task
from tuneline.base_model import materialize_tokenizer
from tuneline.data.prepare import objections, prepare, report_of
from tuneline.preflight.report import Check, check, check_rows, forecast_rows
from tuneline.profile import load_profile
from tuneline.progress import silent
from tuneline.store import Store, workspace

if TYPE_CHECKING:
    from rich.console import Console


def preflight(profile: str, settings: Mapping[str, Any], console: "Console") -> None:
    """Prepare the data as a draft, check the training, and show checks and forecast.

    Args:
        profile: Its name, or a YAML file.
        settings: Overrides of the profile.
        console: Where tables go.

    Raises:
        TrainingError: Names everything that would stop a run.
    """
    read = load_profile(profile, settings)
    store = Store(workspace())
    model = materialize_tokenizer(read.base_model, store)
    most = read.training.max_seq_tokens
    splits = prepare(read.domain, read.data, store, model, most, is_draft=True)
    report = task.report_of(task.build(read, splits, model, silent))
    if found := objections(read.domain, report_of(splits), read.data, store):
        report = replace(report, checks=(Check("data", "error", " ".join(found)), *report.checks))
    print_table(console, "Checks", check_rows(report))
    if report.forecast is not None:
        print_table(
            console, "Forecast (every number is an estimate)", forecast_rows(report.forecast)
        )
    check(report)
