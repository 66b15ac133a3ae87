"""A release's answers -> blinded pairs for people, verdicts of a judge, and what both say."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prefect import flow

from flows.tables import print_table
from tasks import review as reviewing
from tasks.artifacts import score_rows, show_table
from tasks.progress import progress_of

if TYPE_CHECKING:
    from rich.console import Console

    from tuneline.reports import ReviewReport

STAGES = {"judge": 1.0}
"""What progress is measured by."""


@flow(name="review", flow_run_name="review {target}")
def review(
    target: str,
    baseline: str | None = None,
    n_pairs: int = 100,
    seed: int = 0,
    judge: str | None = None,
) -> reviewing.Exported:
    """Draw blinded pairs of a release and its baseline, and let a judge compare them.

    Args:
        target: Release name, domain, or the first digits of a refused candidate.
        baseline: Model that the candidate is compared with; unset: the champion, else the base.
        n_pairs: Most pairs.
        seed: Decides prompts, order and sides.
        judge: Profile whose `evaluation.judge` is asked; unset: people alone.
    """
    subject = reviewing.find(target)
    exported = reviewing.export_pairs(subject, baseline, n_pairs, seed, None)
    if judge is not None:
        progress = progress_of("judge")
        reviewing.judge(subject, exported, judge, progress)
    rows = review_rows(reviewing.reports(subject))
    show_table(subject.domain, "reviews", rows, f"Reviews of {subject.name}: {exported.pairs}")
    return exported


def review_by_hand(
    target: str,
    verdicts: Sequence[Path],
    baseline: str | None,
    n_pairs: int,
    seed: int,
    out: Path | None,
    judge: str | None,
    console: "Console",
) -> None:
    """Export pairs or import verdicts without a Prefect server, and print what there is now.

    Args:
        target: As for the flow.
        verdicts: Files to import; none: pairs are exported.
        baseline: As for the flow.
        n_pairs: As for the flow.
        seed: As for the flow.
        out: Folder for the reviewers' files; None: one of the workspace.
        judge: Profile whose judge is asked.
        console: Where it is printed.
    """
    subject = reviewing.find(target)
    if verdicts:
        imported = reviewing.import_verdicts(subject, verdicts)
        console.print(f"{imported.n_new} new verdicts on {subject.name}", markup=False)
        page = imported.page or "not renewed, another version of Tuneline wrote its numbers"
        console.print(f"Release report: {page}", markup=False, soft_wrap=True)
    if judge is not None or not verdicts:
        exported = reviewing.export_pairs(subject, baseline, n_pairs, seed, out)
        if judge is None:
            print_exported(subject, exported, console)
        else:
            reviewing.judge(subject, exported, judge, lambda done, total: None)
    print_reviews(reviewing.reports(subject), console)
    if verdicts:
        for comparison in reviewing.comparisons(subject):
            title = f"Beside it: candidate against {comparison.baseline.name} on the holdout"
            print_table(console, title, score_rows(comparison))


def print_exported(
    subject: reviewing.Subject, exported: reviewing.Exported, console: "Console"
) -> None:
    """Print where the pairs lie and how the verdicts come back."""
    pairs, key = exported.review
    console.print(
        f"{len(pairs)} blinded pairs of {subject.name}: candidate against {key.baseline}; "
        f"{key.n_equal} equal answers left out",
        markup=False,
    )
    console.print(f"  for reviewers  {exported.pairs}/review.html", markup=False, soft_wrap=True)
    console.print(f"  or as a table  {exported.pairs}/pairs.csv", markup=False, soft_wrap=True)
    console.print(f"  key            {exported.key}", markup=False, soft_wrap=True)
    name = subject.version.release if subject.version else subject.run_id[:12]
    console.print(f"Then: tuneline review {name} --import verdicts.jsonl", markup=False)


def print_reviews(found: Sequence["ReviewReport"], console: "Console") -> None:
    """Print win rates and agreement."""
    print_table(console, "Reviews (95 % intervals; ties count half)", review_rows(found))
    print_table(console, "Agreement", agreement_rows(found))
    for report in found:
        for judge in report.judges:
            console.print(judge.note, markup=False, soft_wrap=True)


def review_rows(found: Sequence["ReviewReport"]) -> list[dict[str, Any]]:
    """Each review and each calibrated judge as a row."""
    rows = []
    for report in found:
        rates = [("people", report.win_rate), *((j.model, j.win_rate) for j in report.judges)]
        rows += [
            {
                "review": report.review,
                "against": report.baseline,
                "by": by,
                "prompts": rate.n,
                "win rate": f"{rate.value:.2f} [{rate.low:.2f}, {rate.high:.2f}]",
                "wins": rate.wins,
                "losses": rate.losses,
                "as good": rate.same,
                "both bad": rate.both_bad,
                "verdict": rate.verdict,
            }
            for by, rate in rates
            if rate is not None
        ]
    return rows


def agreement_rows(found: Sequence["ReviewReport"]) -> list[dict[str, Any]]:
    """Each two who judged the same pairs as a row."""
    pairs = [
        agreement
        for report in found
        for agreement in (*report.agreements, *(j.calibration for j in report.judges))
        if agreement is not None
    ]
    return [
        {
            "between": f"{found.first}, {found.second}",
            "pairs": found.n,
            "agree": f"{found.share:.0%} [{found.low:.0%}, {found.high:.0%}]",
            "kappa": _spell_kappa(found.kappa, found.kappa_low, found.kappa_high),
        }
        for found in pairs
    ]


def _spell_kappa(kappa: float | None, low: float | None, high: float | None) -> str:
    if kappa is None:
        return "none: one verdict throughout"
    interval = "" if low is None else f" [{low:.2f}, {high:.2f}]"
    return f"{kappa:.2f}{interval}"
