"""Search of training settings: trials on train and validation, below one MLflow run."""

import base64
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks.artifacts import Row, show_table, show_text
from tasks.progress import progress_of
from tuneline import tracking
from tuneline.base_model import BaseModelRef
from tuneline.data.prepare import report_of
from tuneline.errors import SearchError
from tuneline.machine import free_memory, this_machine
from tuneline.profile import Profile
from tuneline.records import read_records
from tuneline.reports import save_report
from tuneline.search import study as studies
from tuneline.search.picture import draw_search
from tuneline.search.results import SearchReport
from tuneline.search.space import Space, for_trials, overrides, space_of, trial_settings
from tuneline.search.targets import module_groups
from tuneline.search.trial import Bench, IsBehind, Outcome, run_trial, trial_key
from tuneline.store import StageOutput, code_version, digest_of, package_versions, workspace
from tuneline.training.config import TrainingConfig
from tuneline.training.mixture import mix

FOLDER = "search"
PICTURE, REPORT, TRIALS = "search.png", "report.json", "trials"
N_SHOWN = 10


@dataclass(frozen=True, slots=True)
class Searched:
    """What a search found."""

    report: SearchReport
    overrides: str
    """`--set` arguments of the best trial; empty where the profile's own settings are the best."""
    rows: Sequence[Row]
    """The best trials, then those that did not end well."""
    picture: Path
    run_id: str
    """Of the MLflow run with the trials below it."""


@dataclass(frozen=True, slots=True)
class _Search:
    """One search: what its trials share, and where it is kept."""

    settings: Profile
    shared: TrainingConfig
    """The profile's settings as every trial has them."""
    bench: Bench
    space: Space
    modules: Mapping[str, tuple[str, ...]]
    name: str
    folder: Path


@task(name="search trials", task_run_name="trials of {settings.domain}", cache_policy=NO_CACHE)
def search(settings: Profile, splits: StageOutput, base: BaseModelRef) -> Searched:
    """Run trials until the budget is used up; the holdout is not even read.

    Raises:
        SearchError: There is no validation to measure on, or every trial fails.
    """
    this = _search(settings, splits, base)
    every = this.shared.validate_every_steps or 1
    study = studies.open_study(this.name, this.folder, this.space, settings.search, every)
    name = f"search {this.name}"
    with tracking.run(settings.domain, f"search:{this.name}", name=name) as parent:
        tracking.log_params(parent, {"training": this.shared.model_dump(mode="json")})

        def attempt(number: int, values: dict[str, Any], is_behind: IsBehind) -> Outcome:
            return _attempt(this, parent, number, values, is_behind)

        progress = progress_of("search")
        studies.run_trials(study, this.folder, this.space, settings.search, attempt, progress)
        return _conclude(this, studies.report(study, settings.search), parent)


def _search(settings: Profile, splits: StageOutput, base: BaseModelRef) -> _Search:
    if not sum(report_of(splits).splits.get("validation", {}).values()):
        raise SearchError(
            "a search compares validation losses and there are no validation records; "
            "raise data.split.validation_fraction or add data"
        )
    train = read_records(splits.path / "train.parquet")
    n_records = len(mix(train, settings.training.source_fractions))
    shared = for_trials(settings.training, n_records, settings.search.measurements)
    space = space_of(settings.search, settings.training)
    name = f"{settings.domain}-{_key(settings, shared, space, splits, base)[:12]}"
    folder = workspace() / FOLDER / name
    keeps_best = settings.training.early_stopping_patience is not None
    bench = Bench(base, splits.path, this_machine(), folder / TRIALS, keeps_best)
    words = {"attention", "mlp"} & set(space.choices.get("target_modules", ()))
    modules = module_groups(base.folder) if words else {}
    return _Search(settings, shared, bench, space, modules, name, folder)


def _key(
    settings: Profile,
    shared: TrainingConfig,
    space: Space,
    splits: StageOutput,
    base: BaseModelRef,
) -> str:
    """What must be the same for losses to be compared; the budget may grow."""
    certificate = report_of(splits).certificate
    assert certificate is not None  # written with every split
    return digest_of(
        {
            "base_model": base.digest,
            "train": certificate.train_digest,
            "validation": certificate.validation_digest,
            "settings": shared.model_dump(mode="json"),
            "keeps_best": settings.training.early_stopping_patience is not None,
            "space": asdict(space),
            "search": settings.search.model_dump(mode="json", include={"full_trials", "seed"}),
            "machine": this_machine().describe(shared.optimizer),
            **code_version("training", "base_model", "machine", "search/trial", "search/space"),
            **package_versions("torch", "transformers", "peft", "trl", "bitsandbytes"),
        }
    )


def _attempt(
    this: _Search, parent: str, number: int, values: dict[str, Any], is_behind: IsBehind
) -> Outcome:
    """One trial as an MLflow run; one that is tried again continues the run of the killed one."""
    config = trial_settings(this.shared, values, this.modules)
    key, name = f"search:{this.name}:{trial_key(config)}", f"trial {number}"
    with tracking.child_run(this.settings.domain, parent, key, name=name) as run_id:
        tracking.log_params(run_id, {"training": config.model_dump(mode="json")})

        def log_metrics(metrics: dict[str, float], step: int) -> None:
            named = {f"train/{name}": value for name, value in metrics.items()}
            tracking.log_metrics(run_id, named, step)

        try:
            outcome = run_trial(this.bench, config, is_behind, log_metrics)
        finally:
            free_memory()
        tracking.log_metrics(run_id, {"validation_loss": outcome.loss})
        stopped = "yes" if outcome.is_stopped else "no"
        tracking.set_tags(run_id, {"tuneline.trial": str(number), "tuneline.stopped": stopped})
    return outcome


def _conclude(this: _Search, report: SearchReport, parent: str) -> Searched:
    picture = this.folder / PICTURE
    draw_search(report, picture)
    save_report(this.folder / REPORT, report)
    for path in (picture, this.folder / REPORT):
        tracking.log_artifacts(parent, path)
    if best := report.best():
        tracking.log_metrics(
            parent, {"best_validation_loss": best[0].loss or 0.0}, len(report.trials)
        )
    found = Searched(report, _best_overrides(this, report), trial_rows(report), picture, parent)
    _show(this.settings.domain, found)
    return found


def _best_overrides(this: _Search, report: SearchReport) -> str:
    best = report.best()
    if not best:
        return ""
    chosen = trial_settings(this.shared, best[0].values, this.modules)
    return overrides(this.settings.training, best[0].values, chosen)


def trial_rows(report: SearchReport) -> list[Row]:
    """The best complete trials, lowest loss first, then the last ones that ended otherwise."""
    others = [trial for trial in report.trials if trial.state in ("stopped", "failed")]
    others.sort(key=lambda trial: (trial.state, trial.loss is None, trial.loss or 0.0))
    return [
        {
            "trial": trial.number,
            "validation loss": "" if trial.loss is None else f"{trial.loss:.4f}",
            **{name: _short(value) for name, value in trial.values.items()},
            "seconds": f"{trial.seconds:.0f}",
            "state": trial.error or trial.state,
        }
        for trial in [*report.best(), *others][:N_SHOWN]
    ]


def _short(value: Any) -> Any:
    return f"{value:.3g}" if isinstance(value, float) else value


def _show(domain: str, found: Searched) -> None:
    encoded = base64.b64encode(found.picture.read_bytes()).decode()
    chosen = f"`{found.overrides}`" if found.overrides else "the profile's own settings"
    text = f"# Search\n\nBest: {chosen}\n\n![search](data:image/png;base64,{encoded})"
    show_text(domain, "search", text)
    show_table(domain, "search-trials", found.rows, f"Trials of {found.report.study}")
