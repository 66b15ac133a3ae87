"""Raw records -> clean -> train -> evaluate -> quantize -> gate -> register."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect import flow

from tasks import (
    base_model,
    data,
    evaluation,
    guards,
    preflight,
    quantization,
    release,
    report,
    training,
)
from tasks.lineage import lineage_of
from tasks.stage import StageRun, collected_stages
from tuneline.profile import load_profile
from tuneline.registry import Version
from tuneline.release.promotion import Decision
from tuneline.reports import (
    Comparison,
    DataReport,
    Forgetting,
    Look,
    QuantizationReport,
    TrainingReport,
)


@dataclass(frozen=True, slots=True)
class Retrained:
    """What a retraining did."""

    data: DataReport
    training: TrainingReport
    comparisons: Sequence[Comparison]
    """Candidate against base, and against the champion where there is one."""
    quantizations: QuantizationReport
    decision: Decision
    version: Version | None
    """None for a refused candidate."""
    alias: str | None
    """`champion` or `challenger`, where the version is one of them."""
    stages: Sequence[StageRun]
    places: dict[str, str]
    """What a person may want to open -> where it is."""
    forecast: Sequence[dict[str, str]] = ()
    """What training was forecast to take, and what it took."""
    forgetting: Forgetting | None = None
    """Candidate against base on general questions; None where the profile asks none."""
    look: Look | None = None
    """Which look at the holdout this was."""


@flow(name="retrain", flow_run_name="retrain {profile}")
def retrain(profile: str, overrides: dict[str, Any] | None = None) -> Retrained:
    """Raw records to promotion verdict for one domain.

    Args:
        profile: A file of `profiles/` without its ending, such as `demo`.
        overrides: Settings to change for this run, such as `{"training.epochs": 1}`.
    """
    settings = load_profile(profile, overrides)
    release.check(settings)
    with collected_stages() as stages:
        described = base_model.tokenizer(settings.base_model)
        splits = data.prepare(settings, described)
        checked = preflight.inspect(settings, splits, described)
        base = base_model.get(settings.base_model)
        key = training.candidate_key(settings, splits, base)
        with release.tracked(settings, key) as run:
            n_down = preflight.n_down(checked)
            adapter = training.train(settings, splits, base, run.log_metrics, n_down)
            preflight.measure(settings, checked, adapter)
            baseline = release.find_baseline(settings, key)
            champion = release.champion_model(baseline, splits)
            merged = training.merged_model("candidate", base, training.adapter_of(adapter), splits)
            models = [base_model.untrained(base), *champion, merged]
            look = guards.count_look(settings, splits, key)
            evaluated = evaluation.evaluate_all(models, settings, splits)
            lost = evaluation.list_regressions(settings, evaluated[-1].folder, evaluated[-2].folder)
            comparisons = evaluation.compare(settings, evaluated, lost)
            forgetting = guards.ask_general(models[0], merged, settings, splits)
            compared = quantization.compare_quantizations(merged, settings, splits, evaluated[-1])
            quantization.log(run.run_id, compared)
            quantizations = compared.report
            decision = release.decide(settings, comparisons[-1], forgetting, look)
            run.log_reports(splits, adapter, evaluated, lost, look)
            candidate = release.Candidate(
                key,
                training.adapter_of(adapter),
                lineage_of(settings, splits, base, adapter),
                run.run_id,
            )
            measured = report.Measured(
                splits, checked, adapter, evaluated, comparisons, quantizations, forgetting, look
            )
            facts = report.gather(settings, measured, decision, candidate)
            released = release.record(settings, candidate, baseline, decision, facts.digest)
            page = report.publish(facts, candidate, released)
    return Retrained(
        data=data.report_of(splits),
        training=training.report_of(adapter),
        comparisons=comparisons,
        quantizations=quantizations,
        decision=decision,
        version=released.version,
        alias=released.alias,
        stages=tuple(stages),
        places={"release report": str(page), **release.places(splits, evaluated, lost, run)},
        forecast=preflight.measured_rows(checked, adapter),
        forgetting=forgetting,
        look=look,
    )
