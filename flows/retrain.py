"""Raw records -> clean -> train -> evaluate -> quantize -> gate -> register."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from prefect import flow
from prefect.runtime import flow_run

from flows.gpu_part import measure
from flows.one_sentence import fails_in_one_sentence
from tasks import (
    approval,
    base_model,
    data,
    dead_runs,
    gate,
    gpu,
    hooks,
    preflight,
    release,
    report,
    run_log,
    training,
)
from tasks.gate import Gated
from tasks.lineage import lineage_of
from tasks.measured import Measured
from tasks.release import Baseline, Candidate, Released, TrackedRun
from tasks.stage import StageRun, collected_stages
from tasks.turns import turn_of
from tuneline.profile import Profile, load_profile
from tuneline.registry import Version
from tuneline.release.checks import GateCheck
from tuneline.release.promotion import Decision
from tuneline.reports import (
    Comparison,
    DataReport,
    Forgetting,
    Look,
    QuantizationReport,
    TrainingReport,
)
from tuneline.store import fresh as built_afresh


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
    domain: str = ""
    checks: Sequence[GateCheck] = ()
    """What the gate looked at."""
    note: str = ""
    """Why a candidate that passed is not champion; empty where it is, or did not pass."""


class Settled(NamedTuple):
    """What became of a candidate."""

    gated: Gated
    released: Released
    page: Path
    """The release report."""


@flow(name="retrain", flow_run_name="retrain {profile}")
@fails_in_one_sentence
def retrain(
    profile: str,
    overrides: dict[str, Any] | None = None,
    gpu_deployment: str | None = None,
    when_busy: Literal["wait", "refuse"] = "wait",
    fresh: bool = False,
    major: bool = False,
) -> Retrained:
    """Raw records to promotion verdict for one domain.

    Args:
        profile: A file of `profiles/` without its ending, such as `demo`.
        overrides: Settings to change for this run, such as `{"training.epochs": 1}`; each is
            checked before anything starts.
        gpu_deployment: Deployment that trains, answers and quantizes, such as `gpu-part/gpu`;
            empty: this process does.
        when_busy: What to do while another retraining of the domain runs.
        fresh: Build every stage again, whatever the store has; gives a new candidate.
        major: Make its release a major one, though base model, template and labels are the same.
    """
    settings = load_profile(profile, overrides)
    release.check(settings)
    dead_runs.close(settings.domain)
    with turn_of(settings.domain, when_busy), built_afresh(str(flow_run.id) if fresh else None):
        return _retrain(settings, gpu.Work(gpu_deployment, profile, overrides or {}), major)


def _retrain(settings: Profile, work: gpu.Work, major: bool) -> Retrained:
    with collected_stages() as stages:
        described = base_model.tokenizer(settings.base_model)
        splits = data.prepare(settings, described)
        with gpu.done_by(work, settings, splits):
            checked = preflight.inspect(settings, splits, described)
            base = base_model.get(settings.base_model)
            key = training.candidate_key(settings, splits, base)
            with release.tracked(settings, key) as run:
                dead_runs.own(run.run_id)
                measured = measure(settings, splits, checked, base, run)
                settled = _settle(settings, measured, run, major)
    _tell(settings, measured.baseline, settled.released)
    version = settled.released.version
    run_log.keep(settings.domain, work.profile, key, version.number if version else None, stages)
    return _retrained(settings.domain, measured, settled, stages, run)


def _settle(settings: Profile, measured: Measured, run: TrackedRun, major: bool) -> Settled:
    """Decide on what was measured, and write down the verdict and what follows from it."""
    gated = gate.decide(settings, measured)
    run.log_reports(
        measured.splits, measured.adapter, measured.evaluated, measured.lost, measured.look
    )
    candidate = _candidate(settings, measured, gated, run, major)
    facts = report.gather(settings, measured, gated, candidate)
    candidate = report.with_card(candidate, facts, settings)
    released = release.record(settings, candidate, measured.baseline, gated.decision, facts.digest)
    return Settled(gated, released, report.publish(facts, candidate, released))


def _candidate(
    settings: Profile, measured: Measured, gated: Gated, run: TrackedRun, major: bool
) -> Candidate:
    """The adapter, with all that decided it and what the gate says of it."""
    made_of = lineage_of(settings, measured.splits, measured.base, measured.adapter)
    return Candidate(
        key=measured.candidate,
        adapter=training.adapter_of(measured.adapter),
        lineage=made_of | gate.record(gated, measured.baseline.champion, settings),
        run_id=run.run_id,
        is_major=major,
    )


def _tell(settings: Profile, baseline: Baseline, released: Released) -> None:
    """Tell the hooks what changed, and ask for an approval where one is needed."""
    hooks.tell(settings.domain, settings.hooks, since=baseline.head)
    if released.version and released.needs_approval:
        approval.request(released.version.release, settings.gate.approval_timeout_h)


def _retrained(
    domain: str,
    measured: Measured,
    settled: Settled,
    stages: Sequence[StageRun],
    run: TrackedRun,
) -> Retrained:
    """Put together what a retraining did."""
    splits, released = measured.splits, settled.released
    return Retrained(
        data=data.report_of(splits),
        training=training.report_of(measured.adapter),
        comparisons=measured.comparisons,
        quantizations=measured.quantizations,
        decision=settled.gated.decision,
        version=released.version,
        alias=released.alias,
        stages=tuple(stages),
        places={
            "release report": str(settled.page),
            **release.places(splits, measured.evaluated, measured.lost, run),
        },
        forecast=preflight.measured_rows(measured.checked, measured.adapter),
        forgetting=measured.forgetting,
        look=measured.look,
        domain=domain,
        checks=settled.gated.checks,
        note=released.note,
    )
