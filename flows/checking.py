"""`tuneline check`: all that the data stage would do, without training, shown to a person."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.tables import print_table
from tasks.artifacts import file_rows, funnel_rows, leak_rows
from tuneline.base_model import materialize_tokenizer
from tuneline.data.advice import advise
from tuneline.data.config import DataConfig
from tuneline.data.prepare import HTML, objections, prepare, report_of
from tuneline.data.reading.config import SourceConfig
from tuneline.data.wording import verdict
from tuneline.errors import BaseModelError, DataError
from tuneline.profile import PROFILES, Profile, load_profile, validate
from tuneline.reports import DataReport
from tuneline.store import Store, workspace

if TYPE_CHECKING:
    from rich.console import Console

FILE_DOMAIN = "check"


def check(target: str, settings: Mapping[str, Any], console: "Console") -> None:
    """Read, clean, deduplicate and split; show what came of it and what would stop a run.

    Args:
        target: A profile's name, a YAML file, or a data file, folder, glob or URL.
        settings: Overrides of the profile; for data, settings of the source such as `format`.
        console: Where tables go.

    Raises:
        DataError: Something would stop a run.
    """
    store = Store(workspace())
    domain, data, tokenizer, max_tokens = FILE_DOMAIN, None, None, 0
    if is_profile(target):
        profile = load_profile(target, settings)
        domain, data = profile.domain, profile.data
        tokenizer, max_tokens = _tokenizer(profile, store, console), profile.training.max_seq_tokens
    else:
        data = data_of(target, settings)
    output = prepare(domain, data, store, tokenizer, max_tokens, is_draft=True)
    report = report_of(output)
    show(report, console)
    console.print(f"Report: {output.path / HTML}", markup=False, soft_wrap=True)
    if found := objections(domain, report, data, store):
        raise DataError(" ".join(found))


def is_profile(target: str) -> bool:
    """Whether a name is that of a profile; anything else is data."""
    return target.endswith((".yaml", ".yml")) or (PROFILES / f"{target}.yaml").is_file()


def data_of(target: str, settings: Mapping[str, Any]) -> DataConfig:
    """Settings for data that no profile names."""
    name = re.sub("[^a-z0-9]+", "-", Path(target).stem.lower()).strip("-")
    known = {"name": name or "data", "path": target, "license": "unknown"}
    source = validate(SourceConfig, target, known | dict(settings))
    return DataConfig(sources=(source,))


def show(report: DataReport, console: "Console") -> None:
    """Print funnel, files, findings, leak checks and advice."""
    print_table(console, "Records", funnel_rows(report))
    print_table(console, "Files", file_rows(report))
    print_table(console, "Findings", finding_rows(report))
    if report.certificate is not None:
        print_table(console, "Leak checks", leak_rows(report.certificate))
    console.print(verdict(report), markup=False)
    for sentence in advise(report):
        console.print(f"  - {sentence}", markup=False)


def finding_rows(report: DataReport) -> Sequence[dict[str, Any]]:
    """Records that a cleaning rule changed or only saw."""
    return [
        {"rule": rule, "action": action, "records": n}
        for rule, actions in report.findings.items()
        for action, n in actions.items()
    ]


def _tokenizer(profile: Profile, store: Store, console: "Console") -> Path | None:
    """The tokenizer, or None where the base model is not at hand: the data can still be checked."""
    try:
        return materialize_tokenizer(profile.base_model, store)
    except BaseModelError as error:
        console.print(f"Lengths in tokens are not shown: {error}", markup=False, soft_wrap=True)
        return None
