"""All verdicts of a review as one report."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

from tuneline.reports import Agreement, JudgeReport, ReviewReport
from tuneline.review.agreement import (
    Outcome,
    Said,
    agree,
    majority,
    outcome_of,
    win_rate,
)
from tuneline.review.judge import Judged
from tuneline.review.pairs import ReviewKey
from tuneline.review.verdicts import Choice, Verdict

TIES: Mapping[Choice, Said] = {"same": "same", "both_bad": "both_bad"}


class JudgeRun(NamedTuple):
    """What one judge model said."""

    model: str
    min_human_verdicts: int
    judged: Sequence[Judged]


def summarize(
    key: ReviewKey, verdicts: Sequence[Verdict], judges: Iterable[JudgeRun] = ()
) -> ReviewReport:
    """Win rate, agreement of people, and each judge model held against them."""
    said = _by_pair(key, verdicts)
    return ReviewReport(
        review=key.review,
        candidate=key.candidate,
        baseline=key.baseline,
        n_pairs=len(key.candidate_side),
        n_equal=key.n_equal,
        n_judged=len(said),
        reviewers=dict(sorted(Counter(v.reviewer for v in verdicts).items())),
        win_rate=win_rate(said) if said else None,
        agreements=tuple(_between_people(key, verdicts)),
        judges=tuple(_judge_report(key, run, said) for run in judges),
    )


def unblind(key: ReviewKey, pair: str, choice: Choice) -> Said:
    """A verdict with the sides known again."""
    if tie := TIES.get(choice):
        return tie
    return "candidate" if choice == key.candidate_side[pair] else "baseline"


def _by_pair(key: ReviewKey, verdicts: Iterable[Verdict]) -> dict[str, list[Said]]:
    said: dict[str, list[Said]] = defaultdict(list)
    for verdict in verdicts:
        said[verdict.pair].append(unblind(key, verdict.pair, verdict.verdict))
    return dict(said)


def _between_people(key: ReviewKey, verdicts: Sequence[Verdict]) -> Iterable[Agreement]:
    """Each two reviewers that judged at least one pair both."""
    by_person: dict[str, dict[str, Outcome]] = defaultdict(dict)
    for v in verdicts:
        by_person[v.reviewer][v.pair] = outcome_of(unblind(key, v.pair, v.verdict))
    for first, second in combinations(sorted(by_person), 2):
        shared = sorted(by_person[first].keys() & by_person[second].keys())
        if shared:
            outcomes = [(by_person[first][pair], by_person[second][pair]) for pair in shared]
            yield agree(first, second, outcomes)


def _judge_report(
    key: ReviewKey, run: JudgeRun, people: Mapping[str, Sequence[Said]]
) -> JudgeReport:
    said = {
        j.pair: unblind(key, j.pair, choice) for j in run.judged if (choice := j.choice) is not None
    }
    shared = sorted(said.keys() & people.keys())
    outcomes = [
        (majority([outcome_of(s) for s in people[pair]]), outcome_of(said[pair])) for pair in shared
    ]
    calibration = agree("people", run.model, outcomes) if outcomes else None
    refusal = _refusal(run, calibration)
    rate = win_rate({pair: [one] for pair, one in said.items()}) if said and not refusal else None
    return JudgeReport(
        model=run.model,
        n=len(said),
        n_swayed=sum(j.is_swayed for j in run.judged),
        n_unreadable=sum(not j.is_read for j in run.judged),
        calibration=calibration,
        win_rate=rate,
        note=refusal or _trust(run, calibration),
    )


def _refusal(run: JudgeRun, calibration: Agreement | None) -> str:
    """Why a judge's win rate is not shown; empty where it may be."""
    n = calibration.n if calibration else 0
    if calibration is None or n < run.min_human_verdicts:
        return (
            f"Judge {run.model}: its win rate is not shown, people judged {n} of its pairs and "
            f"{run.min_human_verdicts} are needed."
        )
    if calibration.kappa is None or calibration.kappa_low is None or calibration.kappa_low <= 0:
        return (
            f"Judge {run.model}: its win rate is not shown, it agrees with people no better than "
            f"chance would ({_spell(calibration)})."
        )
    return ""


def _trust(run: JudgeRun, calibration: Agreement | None) -> str:
    assert calibration is not None  # refused otherwise
    n_swayed = sum(j.is_swayed for j in run.judged)
    return (
        f"Judge {run.model} agrees with people on {_spell(calibration)}; changing the sides "
        f"swayed it in {n_swayed} of {len(run.judged)} pairs, which count as ties."
    )


def _spell(found: Agreement) -> str:
    kappa = "no kappa"
    if found.kappa is not None:
        kappa = f"kappa {found.kappa:.2f}"
    if found.kappa_low is not None:
        kappa += f" [{found.kappa_low:.2f}, {found.kappa_high:.2f}]"
    return f"{found.share:.0%} [{found.low:.0%}, {found.high:.0%}] of {found.n} pairs, {kappa}"
