"""A release as one HTML page that needs nothing but itself."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from tuneline.data import wording
from tuneline.pages.rendering import environment
from tuneline.reporting import drawing
from tuneline.reporting.answers import LIMITS, Group, ShownRow
from tuneline.reporting.differences import mark_differences
from tuneline.reporting.facts import Outcome, ReleaseFacts
from tuneline.reports import ALL, TASK_SCORE, Difference, EvalReport, ReviewReport, Score, WinRate

if TYPE_CHECKING:
    from jinja2 import Environment

HEADLINES = {
    "promote": ("good", "Better than {}, beyond doubt"),
    "refuse": ("bad", "Refused against {}"),
    "cannot tell": ("open", "Cannot tell from {}"),
}
"""Verdict -> colour and sentence."""
GROUPS: dict[Group, str] = {
    "worse": "The candidate is worse",
    "better": "The candidate is better",
    "same": "No difference in score",
}


class IdentityRow(NamedTuple):
    """What two scores must share to be compared."""

    metric: str
    identity: str
    is_shared: bool
    """Whether every model on the page was measured so."""


def render(facts: ReleaseFacts, outcome: Outcome, reviews: Sequence[ReviewReport] = ()) -> str:
    """The page; equal inputs give equal text.

    Args:
        facts: What was measured and decided.
        outcome: What became of it in the registry.
        reviews: What people said of the answers, where they did.
    """
    decision = facts.decision
    kind, sentence = HEADLINES[decision.verdict]
    return (
        _environment()
        .get_template("release_report.html")
        .render(
            facts=facts,
            outcome=outcome,
            reviews=reviews,
            kind=kind,
            headline=sentence.format(decision.baseline),
            deciding=facts.comparisons[-1],
            axis=drawing.difference_axis(_differences(facts)),
            slice_axis=drawing.difference_axis(
                part.difference for part in facts.comparisons[-1].slices
            ),
            metrics=list(facts.models[-1].identities),
            groups=_grouped(facts.rows),
            losses=drawing.loss_plot(facts.training),
            pareto=facts.quantizations and drawing.pareto_plot(facts.quantizations),
            identities=_identities(facts.models),
            n_dropped=wording.count_dropped(facts.data),
        )
    )


def _differences(facts: ReleaseFacts) -> Iterable[Difference]:
    for comparison in facts.comparisons:
        yield from comparison.differences.values()
        yield from comparison.metrics.values()


def _grouped(rows: Iterable[ShownRow]) -> dict[str, list[ShownRow]]:
    """Heading -> rows, of the groups that have some."""
    groups: dict[Group, list[ShownRow]] = {group: [] for group in LIMITS}
    for row in rows:
        groups[row.group].append(row)
    return {GROUPS[group]: found for group, found in groups.items() if found}


def _identities(models: Sequence[EvalReport]) -> list[IdentityRow]:
    candidate = models[-1]
    return [
        IdentityRow(metric, identity, all(m.identities.get(metric) == identity for m in models))
        for metric, identity in candidate.identities.items()
    ]


def _spell_score(score: Score | WinRate) -> str:
    value, low, high = (round(bound, 2) + 0.0 for bound in (score.value, score.low, score.high))
    return f"{value:.2f} [{low:.2f}, {high:.2f}]"  # + 0.0: never -0.00


def _spell_difference(difference: Difference) -> str:
    return f"{difference.value:+.2f} [{difference.low:+.2f}, {difference.high:+.2f}]"


def _spell_p_value(p: float) -> str:
    return "<0.001" if p < 0.001 else f"{p:.3f}"


def _scores_of(models: Iterable[EvalReport], part: str, metric: str) -> Mapping[str, Score]:
    """Model -> score, of the models that have one."""
    found = {model.name: model.scores.get(part, {}).get(metric) for model in models}
    return {name: score for name, score in found.items() if score is not None}


def _environment() -> "Environment":
    found = environment("tuneline.reporting")
    found.filters.update(
        spell=wording.spell,
        score=_spell_score,
        difference=_spell_difference,
        p_value=_spell_p_value,
        short=_short,
    )
    found.globals.update(
        ALL=ALL,
        TASK_SCORE=TASK_SCORE,
        UNIT=drawing.UNIT,
        share=wording.share,
        count=wording.count,
        interval=drawing.interval,
        marked=mark_differences,
        scores_of=_scores_of,
    )
    return found


def _short(digest: str) -> str:
    """The first digits of a digest, which nobody reads further."""
    return digest[:12]
