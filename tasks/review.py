"""Reviews by people and judges: pairs out, verdicts in; all of it lies with the run."""

import io
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl

from tasks import report
from tasks.release import alias_of
from tuneline import tracking
from tuneline.data.cleaning.personal_data import mask
from tuneline.errors import ReviewError
from tuneline.profile import load_profile
from tuneline.registry import Registry, Version
from tuneline.release.version import RELEASE_PATTERN, ReleaseName
from tuneline.reports import Comparison, ReviewReport
from tuneline.review import export
from tuneline.review.judge import Judged, identity, judge_pairs
from tuneline.review.pairs import Contest, Review, ReviewKey, make_review
from tuneline.review.summary import JudgeRun, summarize
from tuneline.review.verdicts import Verdict, read_verdicts, review_of
from tuneline.store import digest_of, workspace

EVALUATION = "evaluation"
"""Folder of the run's artifacts with a folder of scores for each model."""
CANDIDATE = "candidate"
BASELINES = ("champion", "base")
"""What a candidate is compared with: the first of them that was measured beside it."""


class Subject(NamedTuple):
    """What is reviewed: the answers of one candidate's run."""

    domain: str
    run_id: str
    version: Version | None
    """None for a refused candidate."""

    @property
    def name(self) -> str:
        """How people call it."""
        return self.version.release if self.version else f"candidate of run {self.run_id[:12]}"


class Exported(NamedTuple):
    """Where a review lies."""

    review: Review
    pairs: Path
    """Folder for the reviewers."""
    key: Path
    """Folder with the key."""


class Imported(NamedTuple):
    """What an import did."""

    n_new: int
    report: ReviewReport
    page: Path | None
    """The release report, written anew."""


class StoredJudge(NamedTuple):
    """Verdicts of one judge as the run keeps them."""

    model: str
    min_human_verdicts: int
    judged: list[Judged]


def find(target: str) -> Subject:
    """What a name stands for: a release, a domain's challenger or else champion, or a candidate.

    Args:
        target: Release name, domain, or the first digits of a candidate's key or run.

    Raises:
        RegistryError: There is no such release.
        ReviewError: There is no such domain or candidate.
    """
    registry = Registry(tracking.tracking_uri())
    if re.fullmatch(RELEASE_PATTERN, target, re.ASCII):
        return _of_version(registry.find(ReleaseName.parse(target).domain, target))
    if target in registry.domains():
        state = registry.state(target)
        if name := state.challenger or state.champion:
            return _of_version(registry.find(target, name))
        raise ReviewError(f"{target} has no release yet; name a candidate by its first digits")
    return _of_run(registry, target)


def export_pairs(
    subject: Subject, baseline: str | None, n_pairs: int, seed: int, out: Path | None
) -> Exported:
    """Write blinded pairs for reviewers, and store pairs and key with the run.

    Args:
        subject: Whose answers.
        baseline: Model that the candidate is compared with; None: the champion, else the base.
        n_pairs: Most pairs.
        seed: Decides prompts, order and sides.
        out: Folder for the reviewers; None: one of the workspace.

    Raises:
        ReviewError: That model was not measured beside the candidate.
    """
    contest = Contest(subject.run_id, CANDIDATE, _baseline(subject, baseline))
    names = (contest.candidate, contest.baseline)
    scores = {name: _scores(subject.run_id, name) for name in names}
    review = make_review(contest, scores, n_pairs, seed, mask)
    folder = workspace() / "reviews" / review.key.review
    exported = Exported(review, out or folder / "pairs", folder / "key")
    export.write_review(review, exported.pairs, exported.key)
    _store(subject, review.key.review, export.LINES, export.to_lines(review.pairs))
    _store(subject, review.key.review, export.KEY, (exported.key / export.KEY).read_bytes())
    return exported


def import_verdicts(subject: Subject, files: Sequence[Path]) -> Imported:
    """Check verdicts, store them with the run, and report on all that there are now.

    Raises:
        ReviewError: A row is wrong, or the files belong to no review of this run.
    """
    review = review_of(files)
    key = _key(subject, review)
    new = read_verdicts(files, key, _verdicts(subject, review))
    if new:
        lines = b"".join(msgspec.json.encode(verdict) + b"\n" for verdict in new)
        name = digest_of(lines.decode())[:12]  # two imports at once never write one file
        _store(subject, review, f"verdicts/{name}.jsonl", lines)
    return Imported(len(new), *_publish(subject, key))


def judge(
    subject: Subject, exported: Exported, profile: str, tell: Callable[[int, int], None]
) -> Imported:
    """Let the judge of a profile compare the pairs, and hold it against the people.

    Args:
        subject: Whose answers.
        exported: The review.
        profile: Has `evaluation.judge`.
        tell: Called with pairs done and all pairs.

    Raises:
        ReviewError: The profile has no judge, or it cannot be asked.
    """
    config = load_profile(profile).evaluation.judge
    if config is None:
        raise ReviewError(
            f"profile {profile} has no judge; set evaluation.judge.base_url and "
            "evaluation.judge.model"
        )
    key, name = exported.review.key, f"judge-{identity(config)}"
    progress = exported.key / f"{name}.jsonl"
    judged = judge_pairs(config, exported.review.pairs, progress, tell)
    stored = StoredJudge(config.model, config.min_human_verdicts, judged)
    _store(subject, key.review, f"judges/{name}.json", msgspec.json.encode(stored))
    return Imported(len(judged), *_publish(subject, key))


def reports(subject: Subject) -> tuple[ReviewReport, ...]:
    """All reviews of the subject that have verdicts."""
    return report.stored_reviews(subject.run_id)


def comparisons(subject: Subject) -> tuple[Comparison, ...]:
    """What the holdout says of the same answers; none where the numbers cannot be read."""
    facts = report.stored_facts(subject.run_id)
    return facts.comparisons if facts else ()


def _publish(subject: Subject, key: ReviewKey) -> tuple[ReviewReport, Path | None]:
    """Store the summary where others see it: artifact, metrics, tags, release report."""
    found = summarize(key, _verdicts(subject, key.review), _judges(subject, key.review))
    _store(subject, key.review, report.REVIEW, msgspec.json.encode(found))
    tags = {"review": sentence(found)}
    tracking.set_tags(subject.run_id, tags)
    if rate := found.win_rate:
        named = {"win_rate": rate.value, "win_rate_low": rate.low, "win_rate_high": rate.high}
        metrics = {f"review/{found.baseline}/{name}": value for name, value in named.items()}
        tracking.log_metrics(subject.run_id, metrics)
    alias = None
    if subject.version:
        registry = Registry(tracking.tracking_uri())
        registry.annotate(subject.version, tags)
        alias = alias_of(registry, subject.version)
    return found, report.publish_again(subject.run_id, alias)


def sentence(found: ReviewReport) -> str:
    """`win rate 0.64 [0.52, 0.75] against base, 48 of 60 pairs judged: better`."""
    if found.win_rate is None:
        return f"0 of {found.n_pairs} pairs judged"
    rate = found.win_rate
    return (
        f"win rate {rate.value:.2f} [{rate.low:.2f}, {rate.high:.2f}] against {found.baseline}, "
        f"{found.n_judged} of {found.n_pairs} pairs judged: {rate.verdict}"
    )


def _of_version(version: Version) -> Subject:
    return Subject(version.domain, version.run_id, version)


def _of_run(registry: Registry, target: str) -> Subject:
    found = tracking.find_runs(target) if len(target) >= 6 and target.isalnum() else []
    if len(found) != 1:
        several = f"; {len(found)} runs begin so" if found else ""
        raise ReviewError(
            f"'{target}' is no release, no domain ({', '.join(registry.domains()) or 'none yet'}) "
            f"and no candidate by the first digits of its key or run{several}"
        )
    (run,) = found
    if run.domain in registry.domains():
        for name in registry.state(run.domain).releases():
            version = registry.find(run.domain, name)
            if version.run_id == run.run_id:
                return _of_version(version)
    return Subject(run.domain, run.run_id, None)


def _baseline(subject: Subject, asked: str | None) -> str:
    folders = tracking.artifact_names(subject.run_id, EVALUATION)
    measured = [name for name in (Path(f).name for f in folders) if name != CANDIDATE]
    for name in (asked,) if asked else BASELINES:
        if name in measured:
            return name
    raise ReviewError(
        f"{subject.name} was not measured beside {asked or ' or '.join(BASELINES)}; "
        f"there are: {', '.join(measured) or 'no scores'}"
    )


def _scores(run_id: str, model: str) -> pl.DataFrame:
    path = f"{EVALUATION}/{model}/scores.parquet"
    return pl.read_parquet(io.BytesIO(tracking.read_artifact(run_id, path)))


def _key(subject: Subject, review: str) -> ReviewKey:
    if f"{report.REVIEWS}/{review}" not in tracking.artifact_names(subject.run_id, report.REVIEWS):
        raise ReviewError(f"{subject.name} has no review {review}; name the release it is about")
    path = f"{report.REVIEWS}/{review}/{export.KEY}"
    return export.read_key(tracking.read_artifact(subject.run_id, path))


def _verdicts(subject: Subject, review: str) -> list[Verdict]:
    return [
        msgspec.json.decode(line, type=Verdict)
        for content in _files(subject, review, "verdicts")
        for line in content.splitlines()
    ]


def _judges(subject: Subject, review: str) -> list[JudgeRun]:
    stored = (
        msgspec.json.decode(content, type=StoredJudge)
        for content in _files(subject, review, "judges")
    )
    return [JudgeRun(*judge) for judge in stored]


def _files(subject: Subject, review: str, folder: str) -> Iterator[bytes]:
    for path in tracking.artifact_names(subject.run_id, f"{report.REVIEWS}/{review}/{folder}"):
        yield tracking.read_artifact(subject.run_id, path)


def _store(subject: Subject, review: str, name: str, content: bytes) -> None:
    """Upload one file of a review."""
    target = Path(report.REVIEWS, review, name)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, target.name)
        file.write_bytes(content)
        tracking.log_artifacts(subject.run_id, file, target.parent.as_posix())
