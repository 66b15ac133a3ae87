"""All of pre-flight for one run, from a folder without weights and the records."""

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from tuneline.base_model import load_tokenizer
from tuneline.errors import BaseModelError, TrainingError
from tuneline.machine import Machine
from tuneline.preflight.architecture import (
    Architecture,
    LinearModule,
    count_adapter,
    read_architecture,
)
from tuneline.preflight.batches import n_validation_tokens, plan_batches
from tuneline.preflight.checks import row_checks
from tuneline.preflight.costs import METHOD_COSTS
from tuneline.preflight.forecast import Run, forecast, memory_check
from tuneline.preflight.licenses import Licenses, license_checks
from tuneline.preflight.report import Check, Forecast, PreflightReport
from tuneline.preflight.rows import InspectedRows, inspect_rows, turn_end
from tuneline.preflight.speed import Hardware, MeasuredSpeed, choose_speed
from tuneline.preflight.targets import (
    ALL_LINEAR,
    describe_targets,
    n_trainable,
    resolve_targets,
)
from tuneline.progress import Progress, silent
from tuneline.records import Record
from tuneline.training.config import TrainingConfig
from tuneline.training.ladder import Ladder, rung
from tuneline.training.mixture import mix

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is looked at."""

    digest: str
    """Identifies base model, records, settings and machine."""
    folder: Path
    """Tokenizer, configuration and licence files of the base model, as `materialize_tokenizer`
    leaves them."""
    train: Sequence[Record]
    validation: Sequence[Record]
    config: TrainingConfig
    licenses: Licenses
    machine: Machine
    hardware: Hardware


class Fitted(NamedTuple):
    """A model that the settings fit."""

    architecture: Architecture
    targets: Sequence[LinearModule]
    """Linear modules that get an adapter or are trained."""
    n_trained: int


def inspect(
    subject: Subject, runs: Sequence[MeasuredSpeed] = (), progress: Progress = silent
) -> PreflightReport:
    """Check a run and forecast it; loads no weights and needs no GPU.

    Args:
        subject: What is looked at.
        runs: Earlier trainings, for the speed.
        progress: Told the training records done.

    Raises:
        BaseModelError: The tokenizer has no chat template.
    """
    checks = license_checks(subject.licenses, subject.folder)
    fitted, found = _check_model(subject)
    checks += found
    inspected, found = _check_rows(subject, progress)
    checks += found
    made = None
    if fitted is not None and inspected is not None and inspected.rows:
        made = _forecast(subject, fitted, inspected, runs)
        down = rung(subject.config, made.n_down).rungs
        checks.append(memory_check(made, subject.hardware, down))
    n_bad = sum(check.level == "error" for check in checks)
    log.info("preflight: checks=%d errors=%d rows=%d", len(checks), n_bad, len(subject.train))
    return PreflightReport(subject.digest, tuple(checks), made)


def _check_model(subject: Subject) -> tuple[Fitted | None, list[Check]]:
    """The model as it will be trained, where the settings fit it."""
    name, config = "target modules", subject.config
    try:
        fitted = _fit(subject)
    except (BaseModelError, TrainingError) as error:
        return None, [Check(name, "error", str(error))]
    architecture, trains = fitted.architecture, METHOD_COSTS[config.method].trains
    if trains == "adapter":
        return fitted, [Check(name, "ok", describe_targets(architecture, fitted.targets))]
    what = "all weights" if trains == "all" else f"the last {config.trainable_layers} layers"
    sentence = f"method {config.method} trains {what} of {architecture.model_type}"
    return fitted, [Check(name, "ok", sentence)]


def _fit(subject: Subject) -> Fitted:
    config, cost = subject.config, METHOD_COSTS[subject.config.method]
    architecture = read_architecture(subject.folder)
    names = config.target_modules
    targets = resolve_targets(architecture, names if cost.trains == "adapter" else ALL_LINEAR)
    if cost.trains != "adapter" or not architecture.n_expert_parameters:
        return Fitted(architecture, targets, n_trainable(architecture, targets, config))
    adapter = {
        "r": config.rank,
        "target_modules": names if isinstance(names, str) else list(names),
        "use_dora": cost.has_magnitude,
    }
    return Fitted(architecture, targets, count_adapter(subject.folder, adapter))


def _check_rows(subject: Subject, progress: Progress) -> tuple[InspectedRows | None, list[Check]]:
    config = subject.config
    tokenizer = load_tokenizer(subject.folder)
    try:
        end = turn_end(tokenizer)
    except TrainingError as error:
        return None, [Check("chat template", "error", str(error))]
    records = mix(subject.train, config.source_fractions)
    inspected = inspect_rows(records, config, tokenizer, progress)
    return inspected, row_checks(inspected, config, tokenizer, end, _stops(subject.folder))


def _forecast(
    subject: Subject, fitted: Fitted, inspected: InspectedRows, runs: Sequence[MeasuredSpeed]
) -> Forecast:
    config, machine, hardware = subject.config, subject.machine, subject.hardware
    validation = inspect_rows(subject.validation, config, load_tokenizer(subject.folder))
    size = fitted.architecture.n_parameters
    speed = choose_speed(runs, subject.digest, config, size, hardware, machine)

    def on(ladder: Ladder) -> Forecast:
        batches = plan_batches(inspected, ladder.config)
        n_tokens = n_validation_tokens(validation, ladder.config, batches.n_steps)
        run = Run(*fitted, ladder.config, machine, hardware, batches, n_tokens)
        return replace(forecast(run, speed), n_down=len(ladder.rungs))

    ladder: Ladder | None = Ladder(config)
    made = None
    while ladder and (made is None or made.peak_memory_mib > hardware.memory_mib):
        made, ladder = on(ladder), ladder.step_down()
    assert made is not None  # the first rung is always there
    return made


def _stops(folder: Path) -> list[int]:
    """Tokens at which the base model's own settings stop generation."""
    path = folder / "generation_config.json"
    path = path if path.is_file() else folder / "config.json"
    stops = json.loads(path.read_text()).get("eos_token_id")
    return stops if isinstance(stops, list) else [stops]
