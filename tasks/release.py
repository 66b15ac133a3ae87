"""Stage 5: reports to a decision, and what follows from it in MLflow."""

import getpass
import json
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from prefect import task
from prefect.cache_policies import NO_CACHE

from tasks import base_model, training
from tasks.evaluation import Evaluated
from tasks.stage import network_task
from tuneline import tracking
from tuneline.base_model import BaseModelConfig, locate
from tuneline.data.prepare import report_of
from tuneline.evaluation import holdout, regressions
from tuneline.generation import ModelArtifact
from tuneline.profile import Profile
from tuneline.registry import LINEAGE, Registry, Version
from tuneline.release.event import Event
from tuneline.release.promotion import Decision
from tuneline.release.rollback import withdrawal
from tuneline.reports import (
    DataReport,
    EvalReport,
    Look,
    Regressions,
    load_report,
)
from tuneline.store import StageOutput, workspace
from tuneline.training import trainer

CONTEXTS = {"train": "training", "validation": "validation", "holdout": "holdout"}
"""Side -> the context that MLflow shows for it."""
SAID = {"rollback": "rolled it back", "refuse": "refused it", "ab_end": "kept the champion"}
"""Event that speaks against a release -> what its actor did."""
DATA_FILES = ("report.json", "report.html", "dropped.jsonl", "certificate.json")


class Baseline(NamedTuple):
    """What a candidate is decided against."""

    champion: Version | None
    """The champion when the candidate was first decided on; None where there was none."""
    head: int
    """Ledger event up to which that was seen."""
    decided: Event | None
    """The event of an earlier run that decided on the same candidate."""


class Candidate(NamedTuple):
    """The adapter that a decision is about."""

    key: str
    """Identifies it before it is trained; its version in the registry is found by it."""
    adapter: Path
    lineage: dict[str, Any]
    run_id: str
    is_major: bool = False
    """Whether a major release is asked for; other changes may make it one as well."""
    card: str = ""
    """Its model card, Markdown."""


class Released(NamedTuple):
    """What the registry says after the decision."""

    version: Version | None
    """None for a refused candidate."""
    alias: str | None
    """`champion` or `challenger`, where the version is one of them now."""
    note: str = ""
    """Why a candidate that passed is not champion; empty where it is, or did not pass."""
    needs_approval: bool = False
    """Whether it waits for a person."""


@task(name="check", task_run_name="check servers and base model", cache_policy=NO_CACHE)
def check(settings: Profile) -> None:
    """Fail in seconds, before any work, where MLflow or the base model is not to be had."""
    tracking.check_server(tracking.tracking_uri())
    locate(settings.base_model)
    tracking.close_dead_runs(settings.domain)


@network_task("find baseline", timeout_s=1800)
def find_baseline(settings: Profile, candidate: str) -> Baseline:
    """The champion that the candidate has to beat.

    A candidate that was decided on before keeps its baseline, so that an unchanged rerun comes to
    the same decision instead of comparing the new champion with itself.
    """
    registry = Registry(tracking.tracking_uri())
    state = registry.mend(settings.domain)
    keys = {_register_key(candidate), _refuse_key(candidate)}
    decided = next((event for event in state.events if event.key in keys), None)
    number = decided.from_version if decided else state.champion
    champion = registry.find(settings.domain, number) if number else None
    return Baseline(champion, state.head, decided)


def champion_model(baseline: Baseline, splits: StageOutput) -> list[ModelArtifact]:
    """The champion as it serves, its adapter merged into its own base; or nothing."""
    if baseline.champion is None:
        return []
    folder = fetch_adapter(baseline.champion)
    lineage = json.loads((folder / LINEAGE).read_text())
    base = base_model.get(BaseModelConfig.model_validate(lineage["profile"]["base_model"]))
    return [training.merged_model("champion", base, folder, splits)]


@network_task("fetch champion", run_name="fetch {version.release}", timeout_s=1800)
def fetch_adapter(version: Version) -> Path:
    """Download a registered adapter."""
    return Registry(tracking.tracking_uri()).download(version, workspace() / "downloads")


@network_task("record", run_name="record {decision.verdict}", timeout_s=1800)
def record(
    settings: Profile,
    candidate: Candidate,
    baseline: Baseline,
    decision: Decision,
    evidence: str,
) -> Released:
    """Write what follows from the decision into the registry, each part once per candidate.

    Args:
        settings: The profile.
        candidate: What was decided on.
        baseline: What it was decided against.
        decision: Verdict and reasons.
        evidence: Digest of the numbers that the decision rests on.
    """
    registry = Registry(tracking.tracking_uri())
    reason = "; ".join(decision.reasons)
    because = {"actor": whoami(), "reason": reason, "evidence": evidence}
    if decision.verdict == "refuse":
        registry.refuse(settings.domain, None, key=_refuse_key(candidate.key), **because)
        return Released(None, None)
    version = registry.register(
        settings.domain,
        adapter=candidate.adapter,
        candidate=candidate.key,
        day=datetime.now(UTC).date(),
        lineage={**candidate.lineage, "evidence": evidence},
        run_id=candidate.run_id,
        description=_description(settings, decision),
        actor=whoami(),
        is_major=candidate.is_major,
        card=candidate.card,
    )
    note = _withheld(registry, settings, version) if decision.verdict == "promote" else ""
    if decision.verdict == "promote" and not note:
        key = f"promote:{candidate.key}"
        registry.promote(
            settings.domain, version.number, key=key, expected_head=baseline.head, **because
        )
    is_asked = bool(note) and settings.gate.approval and settings.promotion == "automatic"
    needs_approval = (
        is_asked and withdrawal(registry.state(settings.domain), version.number) is None
    )
    return Released(version, alias_of(registry, version), note, needs_approval)


def _withheld(registry: Registry, settings: Profile, version: Version) -> str:
    """Why a version that passed is not promoted by the line itself; empty where it is."""
    release = version.release
    state = registry.state(settings.domain)
    if state.champion == version.number:
        return ""
    if event := withdrawal(state, version.number):
        return (
            f"{release} passed, but {event.actor} {SAID[event.kind]} on {event.at} "
            f"({event.reason}); "
            f'only `tuneline promote {settings.domain} --version {release} --reason "..."` '
            "brings it back"
        )
    if settings.promotion == "manual":
        return f"{release} passed and waits for `tuneline promote {settings.domain}`"
    if settings.gate.approval:
        return (
            f"{release} passed and waits for a person: answer in the Prefect UI, or run "
            f'`tuneline approve {release} --reason "..."` or `tuneline refuse {release}`'
        )
    return ""


def alias_of(registry: Registry, version: Version) -> str | None:
    """`champion`, `challenger` or None."""
    state = registry.mend(version.domain)
    if state.champion == version.number:
        return "champion"
    return "challenger" if state.challenger == version.number else None


def whoami() -> str:
    """Who acts, for the ledger: user and host."""
    return f"{getpass.getuser()}@{socket.gethostname()}"


@dataclass(frozen=True, slots=True)
class TrackedRun:
    """The MLflow run of one candidate."""

    run_id: str

    def log_metrics(self, metrics: dict[str, float], step: int) -> None:
        """Log the trainer's metrics of one step."""
        tracking.log_metrics(self.run_id, {f"train/{k}": v for k, v in metrics.items()}, step)

    def log_reports(
        self,
        splits: StageOutput,
        adapter: StageOutput,
        evaluated: Sequence[Evaluated],
        lost: StageOutput,
        look: Look,
    ) -> None:
        """Log scores as metrics; funnel, dropped rows, loss curve, scores per record as files."""
        found = load_report(lost.path / regressions.REPORT, Regressions)
        counts = {"holdout/look": float(look.number), "holdout/regressions": float(found.n)}
        tracking.log_metrics(self.run_id, counts)
        report = report_of(splits)
        for side, context in CONTEXTS.items():
            n = sum(report.splits[side].values())
            rows = tracking.DataSet(side, _digest(report, side), splits.path, n)
            tracking.log_dataset(self.run_id, rows, context)
        files = {
            "data": [splits.path / name for name in DATA_FILES],
            "training": [adapter.path / trainer.REPORT, adapter.path / trainer.LOSS_CURVE],
            "evaluation": [lost.path / regressions.REGRESSIONS],
        }
        for model in evaluated:
            folder = f"evaluation/{model.report.name}"
            files[folder] = [model.folder / holdout.REPORT, model.folder / holdout.SCORES]
            tracking.log_metrics(self.run_id, _flat_scores(model.report))
        for folder, paths in files.items():
            for path in paths:
                tracking.log_artifacts(self.run_id, path, folder)


@contextmanager
def tracked(settings: Profile, candidate: str) -> Iterator[TrackedRun]:
    """The candidate's MLflow run, continued where an earlier attempt was killed."""
    name = f"{settings.domain} {candidate[:8]}"
    with tracking.run(settings.domain, candidate, name=name) as run_id:
        params = settings.model_dump(mode="json", include={"domain", "base_model", "training"})
        tracking.log_params(run_id, params)
        yield TrackedRun(run_id)


def places(
    splits: StageOutput, evaluated: Sequence[Evaluated], lost: StageOutput, run: TrackedRun
) -> dict[str, str]:
    """What a person may want to open, and where it is."""
    return {
        "data report": str(splits.path / "report.html"),
        "dropped rows": str(splits.path / "dropped.jsonl"),
        "answers": str(evaluated[-1].folder / holdout.SCORES),
        "regressions": str(lost.path / regressions.REGRESSIONS),
        "MLflow run": f"{run.run_id} in {tracking.without_password(tracking.tracking_uri())}",
    }


def _digest(report: DataReport, side: str) -> str:
    assert report.certificate is not None  # evaluation refused otherwise
    return str(getattr(report.certificate, f"{side}_digest"))


def _flat_scores(report: EvalReport) -> dict[str, float]:
    return {
        f"{report.name}/{part}/{metric}": score.value
        for part, scores in report.scores.items()
        for metric, score in scores.items()
    }


def _description(settings: Profile, decision: Decision) -> str:
    reasons = "\n".join(f"- {reason}" for reason in decision.reasons)
    base = settings.base_model.name
    return (
        f"Adapter for {base}. Verdict against {decision.baseline}: {decision.verdict}\n\n{reasons}"
    )


def _register_key(candidate: str) -> str:
    return f"register:{candidate}"


def _refuse_key(candidate: str) -> str:
    return f"refuse:{candidate}"
