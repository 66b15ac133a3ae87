"""Training, answers and quantization of a retraining, on the machine with the GPU."""

from typing import Any

from prefect import flow

from flows.one_sentence import fails_in_one_sentence
from tasks import (
    base_model,
    comparison,
    data,
    dead_runs,
    gpu,
    guards,
    preflight,
    quantization,
    release,
    training,
)
from tasks.measured import Measured
from tasks.release import TrackedRun
from tasks.stage import collected_stages
from tuneline.base_model import BaseModelRef
from tuneline.profile import Profile, load_profile
from tuneline.store import StageOutput, fresh


@flow(name="gpu-part", flow_run_name="GPU part of {profile}")
@fails_in_one_sentence
def gpu_part(
    profile: str,
    call: str,
    overrides: dict[str, Any] | None = None,
    fresh_name: str | None = None,
) -> None:
    """Train, merge, answer and quantize for a retraining that runs elsewhere; decides nothing.

    Args:
        profile: A file of `profiles/` without its ending, such as `demo`.
        call: Name of the file in which the retraining asks for this.
        overrides: Settings to change for this run, such as `{"training.epochs": 1}`.
        fresh_name: Of a run that takes nothing from the store but what it built itself.
    """
    settings = load_profile(profile, overrides)
    gpu.accept(call)
    with fresh(fresh_name), collected_stages() as stages:
        described = base_model.tokenizer(settings.base_model)
        splits = data.prepare(settings, described)
        checked = preflight.inspect(settings, splits, described)
        base = base_model.get(settings.base_model)
        key = training.candidate_key(settings, splits, base)
        with release.tracked(settings, key) as run:
            dead_runs.own(run.run_id)
            measured = measure(settings, splits, checked, base, run)
    champion = measured.baseline.champion
    gpu.reply(call, key, champion.number if champion else None, stages)


def measure(
    settings: Profile,
    splits: StageOutput,
    checked: StageOutput,
    base: BaseModelRef,
    run: TrackedRun,
) -> Measured:
    """All that wants the GPU: train, merge, answer, compare and quantize.

    Args:
        settings: The profile.
        splits: Of the data stage.
        checked: Of the pre-flight.
        base: The base model.
        run: The candidate's MLflow run.
    """
    key = training.candidate_key(settings, splits, base)
    adapter = training.train(settings, splits, base, run.log_metrics, preflight.n_down(checked))
    preflight.measure(settings, checked, adapter)
    baseline = release.find_baseline(settings, key)
    champion = release.champion_model(baseline, splits)
    merged = training.merged_model("candidate", base, training.adapter_of(adapter), splits)
    models = [base_model.untrained(base), *champion, merged]
    look = guards.count_look(settings, splits, key)
    evaluated = comparison.evaluate_all(models, settings, splits)
    lost = comparison.list_regressions(settings, evaluated[-1].folder, evaluated[-2].folder)
    comparisons = comparison.compare(settings, evaluated, lost)
    forgetting = guards.ask_general(models[0], merged, settings, splits)
    compared = quantization.compare_quantizations(merged, settings, splits, evaluated[-1])
    quantization.log(run.run_id, compared)
    return Measured(
        candidate=key,
        splits=splits,
        checked=checked,
        base=base,
        adapter=adapter,
        baseline=baseline,
        look=look,
        evaluated=evaluated,
        lost=lost,
        comparisons=comparisons,
        forgetting=forgetting,
        quantizations=compared.report,
    )
