"""Before stage 2: is the training sound, and what will it take; after it: what did it take."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.artifacts import show_table
from tasks.progress import progress_of
from tasks.stage import stage, store
from tasks.training import report_of as training_report_of
from tuneline.base_model import locate
from tuneline.data.prepare import load_splits
from tuneline.data.prepare import report_of as data_report_of
from tuneline.machine import this_machine
from tuneline.preflight.forecast import measured_flops_per_s
from tuneline.preflight.inspection import Subject
from tuneline.preflight.inspection import inspect as inspect_subject
from tuneline.preflight.licenses import Licenses
from tuneline.preflight.report import (
    PreflightReport,
    Row,
    check,
    check_rows,
    forecast_rows,
)
from tuneline.preflight.speed import Hardware, MeasuredSpeed, this_hardware
from tuneline.profile import Profile
from tuneline.progress import Progress
from tuneline.reports import load_report, save_report
from tuneline.store import StageOutput, code_version, digest_of, package_versions

REPORT, SPEED = "report.json", "speed.json"
MEASURED = "measured_speed"
"""Stage of the store with the speed of each finished training."""

_elsewhere: list[Hardware] = []


@stage("preflight", timeout_s=3600)
def inspect(settings: Profile, splits: StageOutput, model: Path) -> StageOutput:
    """Check the training before any weights are fetched, and show checks and forecast.

    Args:
        settings: The profile.
        splits: Of the data stage.
        model: Tokenizer and configuration of the base model.

    Raises:
        TrainingError: Names every check that failed.
    """
    output = build(settings, splits, model, progress_of("preflight"))
    report = report_of(output)
    show_table(settings.domain, "preflight", check_rows(report), "Pre-flight checks")
    if report.forecast is not None:
        rows = forecast_rows(report.forecast)
        show_table(settings.domain, "forecast", rows, "Forecast: every number is an estimate")
    check(report)
    return output


def build(settings: Profile, splits: StageOutput, model: Path, progress: Progress) -> StageOutput:
    """The pre-flight report in the store, made where it is not there; stops nothing."""
    subject = _subject(settings, splits, model)
    runs = [run for run in measured_speeds() if run.subject != subject.digest]

    def write(out: Path) -> None:
        save_report(out / REPORT, inspect_subject(subject, runs, progress))

    inputs = {
        "subject": subject.digest,
        "licenses": subject.licenses._asdict(),
        "hardware": subject.hardware.name,
        "price_per_hour": settings.training.price_per_hour,
        "runs": sorted(digest_of([run.subject, run.flops_per_s]) for run in runs),
        **code_version("preflight", "training/chat_format", "training/prompt_tokens"),
        **package_versions("transformers"),
    }
    return store().build("preflight", inputs, write)


@stage("forecast against run", timeout_s=600)
def measure(settings: Profile, checked: StageOutput, adapter: StageOutput) -> StageOutput:
    """Show what the training took beside its forecast, and keep its speed for the next one."""
    report, measured = report_of(checked), training_report_of(adapter)
    made = report.forecast
    assert made is not None  # else a check had failed

    def write(out: Path) -> None:
        machine = this_machine().describe(settings.training.optimizer)
        run = MeasuredSpeed(
            subject=report.subject,
            hardware=made.hardware,
            machine=machine,
            method=settings.training.method,
            n_processes=settings.training.n_processes,
            n_parameters=made.n_parameters,
            flops_per_s=measured_flops_per_s(made, measured),
        )
        save_report(out / SPEED, run)

    inputs = {"preflight": checked.key, "train": adapter.key, **code_version("preflight")}
    output = store().build(MEASURED, inputs, write)
    rows = measured_rows(checked, adapter)
    show_table(settings.domain, "forecast", rows, "Forecast (estimates) and what was measured")
    return output


def measured_rows(checked: StageOutput, adapter: StageOutput) -> list[Row]:
    """The forecast with what was measured beside it."""
    made = report_of(checked).forecast
    return [] if made is None else forecast_rows(made, training_report_of(adapter))


@contextmanager
def forecast_for(hardware: Hardware) -> Iterator[None]:
    """Forecast for the hardware of another machine, on which the training was done."""
    _elsewhere.append(hardware)
    try:
        yield
    finally:
        _elsewhere.pop()


def n_down(checked: StageOutput) -> int:
    """How far the settings come down before the first step, so that they fit the memory."""
    made = report_of(checked).forecast
    return 0 if made is None else made.n_down


def measured_speeds() -> list[MeasuredSpeed]:
    """The speed of every training in this workspace."""
    files = sorted((store().root / "store" / MEASURED).glob(f"*/{SPEED}"))
    return [load_report(file, MeasuredSpeed) for file in files]


def report_of(output: StageOutput) -> PreflightReport:
    """What pre-flight found."""
    return load_report(output.path / REPORT, PreflightReport)


def _subject(settings: Profile, splits: StageOutput, model: Path) -> Subject:
    sides, machine = load_splits(splits), this_machine()
    return Subject(
        digest=_digest(settings, splits),
        folder=model,
        train=sides.train,
        validation=sides.validation,
        config=settings.training,
        licenses=Licenses(
            settings.base_model.license,
            {source.name: source.license for source in settings.data.sources},
            settings.allowed_licenses,
        ),
        machine=machine,
        hardware=_elsewhere[-1] if _elsewhere else this_hardware(machine),
    )


def _digest(settings: Profile, splits: StageOutput) -> str:
    certificate = data_report_of(splits).certificate
    assert certificate is not None  # written with every split
    inputs: dict[str, Any] = {
        "base_model": locate(settings.base_model),
        "train": certificate.train_digest,
        "validation": certificate.validation_digest,
        "settings": settings.training.model_dump(mode="json", exclude={"price_per_hour"}),
        "machine": this_machine().describe(settings.training.optimizer),
    }
    return digest_of(inputs)
