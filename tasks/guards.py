"""What a candidate is held against beside its scores: looks at the holdout, general questions."""

from dataclasses import replace
from typing import NamedTuple

from tasks.artifacts import forgetting_rows, look_text, show_table, show_text
from tasks.evaluation import Holdout, evaluate
from tasks.stage import network_task, store
from tuneline import looks, tracking
from tuneline.data.prepare import benchmark_records, report_of
from tuneline.evaluation.forgetting import check_unseen, judge_forgetting
from tuneline.generation import ModelArtifact
from tuneline.profile import Profile
from tuneline.records import Record, rows_digest
from tuneline.reports import Forgetting, Look
from tuneline.store import StageOutput


class General(NamedTuple):
    """General questions of a profile: a reference, never the rows."""

    settings: Profile
    benchmark: str
    splits: StageOutput
    """What the candidate learned from; a leak check compared it with the questions."""

    def records(self) -> list[Record]:
        """Read the questions, each once."""
        found = benchmark_records(self.benchmark, self.settings.data, store())
        check_unseen(report_of(self.splits).certificate, [record.file for record in found])
        return list({record.digest: record for record in found}.values())


@network_task("count look", run_name="count look of {candidate:.8}", timeout_s=600)
def count_look(settings: Profile, splits: StageOutput, candidate: str) -> Look:
    """Count the candidate's look at the holdout before it is taken, and show how worn that is."""
    records = Holdout(splits, settings.evaluation.max_records).records()
    look = looks.look(
        tracking.tracking_uri(),
        settings.domain,
        generation=settings.data.split.holdout_generation,
        holdout=rows_digest(records),
        candidate=candidate,
        max_looks=settings.evaluation.max_looks,
    )
    show_text(settings.domain, "holdout", look_text(look, len(records)))
    return look


def ask_general(
    base: ModelArtifact, candidate: ModelArtifact, settings: Profile, splits: StageOutput
) -> Forgetting | None:
    """What the candidate forgot of general questions; None where the profile asks none."""
    config = settings.evaluation.general
    if config is None:
        return None
    rows = General(settings, config.benchmark, splits)
    theirs, ours = (
        evaluate(replace(model, name=f"{model.name} on {config.benchmark}"), settings, rows)
        for model in (base, candidate)
    )
    found = judge_forgetting(ours.scores, theirs.scores, config)
    text = f"General questions ({config.benchmark}): candidate against base"
    show_table(settings.domain, "general", forgetting_rows(found), text)
    return found
