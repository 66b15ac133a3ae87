"""A registered release on the holdout of today."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from prefect import flow

from flows.one_sentence import fails_in_one_sentence
from tasks import base_model, comparison, data, guards, training
from tasks import replay as replaying
from tasks.release import fetch_adapter
from tuneline.profile import load_profile
from tuneline.registry import Version
from tuneline.reports import Comparison, EvalReport, Look


@dataclass(frozen=True, slots=True)
class EvaluatedRelease:
    """What a release scores today."""

    version: Version
    report: EvalReport
    comparisons: Sequence[Comparison]
    """Release against its base model."""
    look: Look


@flow(name="evaluate-release", flow_run_name="evaluate {domain} {release}")
@fails_in_one_sentence
def evaluate_release(
    domain: str,
    release: str = "champion",
    profile: str | None = None,
    overrides: dict[str, Any] | None = None,
) -> EvaluatedRelease:
    """Score a registered release and its base model on the holdout of today; counts as a look.

    Args:
        domain: Such as `lawyer`.
        release: Release name, version number, `champion` or `challenger`.
        profile: Profile that names the data of today; empty: that of the release.
        overrides: Settings to change, such as `{"evaluation.max_records": 200}`.
    """
    recorded = replaying.find(domain, release)
    settings = (
        load_profile(profile, overrides)
        if profile
        else replaying.settings_of(recorded, overrides or {})
    )
    splits = data.prepare(settings, base_model.tokenizer(settings.base_model))
    base = base_model.get(replaying.settings_of(recorded, {}).base_model)
    adapter = fetch_adapter(recorded.version)
    merged = training.merged_model(recorded.version.release, base, adapter, splits)
    look = guards.count_look(settings, splits, recorded.version.candidate)
    models = [base_model.untrained(base), merged]
    evaluated = comparison.evaluate_all(models, settings, splits)
    lost = comparison.list_regressions(settings, evaluated[-1].folder, evaluated[0].folder)
    comparisons = comparison.compare(settings, evaluated, lost)
    return EvaluatedRelease(recorded.version, evaluated[-1].report, comparisons, look)
