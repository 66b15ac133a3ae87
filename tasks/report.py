"""The release report: numbers before the registry decides, a page when the release has a name."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import msgspec

from tasks import preflight, training
from tasks.artifacts import show_text
from tasks.gate import Gated
from tasks.measured import Measured
from tasks.release import Candidate, Released
from tasks.stage import network_task, stage, store
from tuneline import tracking
from tuneline.data.cleaning.personal_data import mask
from tuneline.data.prepare import report_of
from tuneline.errors import TrackingError
from tuneline.pages.rendering import write_page
from tuneline.profile import Profile
from tuneline.reporting.answers import choose_rows
from tuneline.reporting.card import model_card
from tuneline.reporting.facts import Outcome, ReleaseFacts, brief, few_answers, flatten
from tuneline.reporting.html_report import render
from tuneline.reports import ReviewReport, save_report
from tuneline.store import StageOutput, code_version

log = logging.getLogger(__name__)

T = TypeVar("T")
FACTS, OUTCOME, PAGE = "facts.json", "outcome.json", "report.html"
FOLDER = "release"
"""Of the MLflow run's artifacts."""
REVIEWS = "reviews"
REVIEW = "report.json"
ORIGINS = (
    *("base_model", "base_model_revision", "base_model_license", "base_model_digest"),
    *("data_digest", "train_digest", "validation_digest", "data_files", "data_licenses", "seed"),
    *("train_key", "code", "tuneline", "python", "machine", "hardware", "packages"),
)
"""Keys of a lineage that the page shows."""


def gather(
    settings: Profile, measured: Measured, gated: Gated, candidate: Candidate
) -> ReleaseFacts:
    """Put together what the decision rests on; its digest is the evidence in the ledger."""
    scores = {model.report.name: model.scores for model in measured.evaluated}
    deciding = measured.comparisons[-1]
    rows = choose_rows(scores, deciding.candidate.name, deciding.baseline.name, mask)
    return ReleaseFacts(
        domain=settings.domain,
        decision=gated.decision,
        comparisons=tuple(measured.comparisons),
        data=brief(report_of(measured.splits)),
        training=training.report_of(measured.adapter),
        quantizations=few_answers(measured.quantizations, mask),
        rows=rows,
        n_rows=len(scores[deciding.candidate.name]),
        confidence=1 - settings.gate.alpha,
        forecast=tuple(preflight.measured_rows(measured.checked, measured.adapter)),
        forgetting=measured.forgetting,
        look=measured.look,
        origins=flatten(candidate.lineage, ORIGINS),
        checks=gated.checks,
    )


def with_card(candidate: Candidate, facts: ReleaseFacts, settings: Profile) -> Candidate:
    """The candidate with its model card, which is registered among its files."""
    return candidate._replace(card=model_card(facts, candidate.lineage, settings.card))


def publish(facts: ReleaseFacts, candidate: Candidate, released: Released) -> Path:
    """Write the page of a new or refused candidate, and show it; returns where it is."""
    version = released.version
    outcome = Outcome(
        release=version.release if version else None,
        number=version.number if version else None,
        alias=released.alias,
        candidate=candidate.key,
        run_id=candidate.run_id,
        evidence=facts.digest,
    )
    output = _write(facts, outcome)
    _upload(output.path, outcome.run_id)
    show_text(facts.domain, "release-report", _text(facts, outcome, output.path / PAGE))
    return output.path / PAGE


def publish_again(run_id: str, alias: str | None) -> Path | None:
    """Write the page of a run anew, with the reviews that there are now; no run page is shown.

    Args:
        run_id: Run that holds the release's numbers.
        alias: What the release is now.

    Returns:
        Where the page is; None where another version of the code wrote its numbers.
    """
    if (facts := stored_facts(run_id)) is None:
        return None
    output = build(facts, replace(_stored(run_id, OUTCOME, Outcome), alias=alias))
    upload(output.path, run_id)
    return output.path / PAGE


@stage("release report", timeout_s=600)
def _write(facts: ReleaseFacts, outcome: Outcome) -> StageOutput:
    """Write the page."""
    return build(facts, outcome)


def build(facts: ReleaseFacts, outcome: Outcome) -> StageOutput:
    """The page and its numbers in the store, with all reviews that the run has."""
    reviews = stored_reviews(outcome.run_id)

    def write(out: Path) -> None:
        save_report(out / FACTS, facts)
        save_report(out / OUTCOME, outcome)
        write_page(out / PAGE, render(facts, outcome, reviews))

    inputs = {
        "facts": facts.digest,
        "outcome": msgspec.to_builtins(outcome),
        "reviews": msgspec.to_builtins(list(reviews)),
        **code_version("reporting", "pages"),
    }
    return store().build("release_report", inputs, write)


def upload(folder: Path, run_id: str) -> None:
    """Log page and numbers as artifacts of the candidate's run."""
    for name in (FACTS, OUTCOME, PAGE):
        tracking.log_artifacts(run_id, folder / name, FOLDER)


@network_task("upload release report", timeout_s=600)
def _upload(folder: Path, run_id: str) -> None:
    """Log page and numbers, again where the network fails."""
    upload(folder, run_id)


def stored_reviews(run_id: str) -> tuple[ReviewReport, ...]:
    """What people said of this run's answers so far, by review."""
    folders = tracking.artifact_names(run_id, REVIEWS)
    return tuple(
        _stored(run_id, f"{folder}/{REVIEW}", ReviewReport)
        for folder in folders
        if f"{folder}/{REVIEW}" in tracking.artifact_names(run_id, folder)
    )


def stored_facts(run_id: str) -> ReleaseFacts | None:
    """The numbers of a run's page; None where there are none that this version can read."""
    try:
        return _stored(run_id, FACTS, ReleaseFacts)
    except (TrackingError, msgspec.ValidationError) as error:
        log.warning("report: the numbers of run %s cannot be read: %s", run_id, error)
        return None


def _stored(run_id: str, path: str, kind: type[T]) -> T:
    """A report among the run's artifacts; a bare name is one of the page's own."""
    full = path if "/" in path else f"{FOLDER}/{path}"
    return msgspec.json.decode(tracking.read_artifact(run_id, full), type=kind)


def _text(facts: ReleaseFacts, outcome: Outcome, where: Path) -> str:
    name = outcome.release or f"refused candidate {outcome.candidate[:8]}"
    link = tracking.run_link(outcome.run_id)
    artifact = f"{FOLDER}/{PAGE} of MLflow run {outcome.run_id}"
    shown = f"[{artifact}]({link})" if link else artifact
    return (
        f"# Release report: {name}\n\n**{facts.decision.verdict}** against "
        f"{facts.decision.baseline}.\n\n- {shown}\n- [{where}]({where.as_uri()})"
    )
