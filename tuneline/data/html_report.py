"""The data report as one HTML page that needs nothing but itself."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from tuneline.data import wording
from tuneline.data.advice import advise
from tuneline.data.cleaning.config import PERSONAL_DEFAULTS
from tuneline.data.cleaning.personal_data import mask
from tuneline.data.drops import Drop, Finding
from tuneline.data.excerpts import Marked, excerpt, mark_changes, shorten
from tuneline.pages.rendering import environment, write_page
from tuneline.pages.revealing import reveal
from tuneline.reports import DataReport

if TYPE_CHECKING:
    from jinja2 import Environment

N_EXAMPLES = 5
"""Of each reason, rule and leak check; the side files hold all."""
MAX_LISTED = 50
"""Files, clusters, conflicts, labels: longer lists end in `and 12 more`."""
DETAIL_CHARS = 300
STAGES = ("formats", "cleaning", "exact_dedup", "near_dedup", "semantic_dedup", "leakage")
"""In the order that records pass them; a stage that is not named comes last."""


class DropExample(NamedTuple):
    """A dropped row as the page shows it."""

    place: str
    detail: str
    text: str


class FindingExample(NamedTuple):
    """A changed or reported place as the page shows it."""

    place: str
    marked: Marked


class Step(NamedTuple):
    """One stage of the funnel."""

    stage: str
    n_dropped: int
    n_left: int


@dataclass(slots=True)
class Examples:
    """The first few of each kind out of two streams, and drops by source."""

    drops: dict[tuple[str, str], list[DropExample]] = field(default_factory=dict)
    """(stage, reason) -> examples."""
    findings: dict[tuple[str, str], list[FindingExample]] = field(default_factory=dict)
    """(rule, action) -> examples."""
    by_source: Counter[tuple[str, str]] = field(default_factory=Counter)
    """(source, stage) -> drops."""


def write_html(
    report: DataReport,
    drops: Iterable[Drop],
    findings: Iterable[Finding],
    path: Path,
    title: str,
) -> None:
    """Write the page, whole or not at all; equal inputs give equal bytes.

    Args:
        report: All numbers of the page.
        drops: Read once, for examples and for losses by source.
        findings: Read once, for examples.
        path: The page; its folder exists.
        title: What the data is, such as the domain's name.
    """
    page = (
        _environment()
        .get_template("data_report.html")
        .render(
            title=title,
            report=report,
            advice=advise(report),
            steps=_funnel(report),
            examples=_collect(drops, findings),
            personal=PERSONAL_DEFAULTS,
            max_listed=MAX_LISTED,
            n_examples=N_EXAMPLES,
        )
    )
    write_page(path, page)


def _collect(drops: Iterable[Drop], findings: Iterable[Finding]) -> Examples:
    found = Examples()
    for drop in drops:
        found.by_source[drop.source, drop.stage] += 1
        shown = found.drops.setdefault((drop.stage, drop.reason), [])
        if len(shown) < N_EXAMPLES:
            detail = shorten(drop.detail, DETAIL_CHARS)
            shown.append(DropExample(drop.place, detail, excerpt(drop.row)))
    for finding in findings:
        listed = found.findings.setdefault((finding.rule, finding.action), [])
        if len(listed) < N_EXAMPLES:
            listed.append(FindingExample(finding.place, _mark(finding)))
    return found


def _mark(finding: Finding) -> Marked:
    """A finding that only reports has nothing to compare."""
    after = finding.after if finding.action != "reported" else finding.before
    return mark_changes(finding.before, after)


def _funnel(report: DataReport) -> list[Step]:
    steps, n_left = [], report.n_read
    for stage in sorted(report.dropped, key=lambda name: (*STAGES, name).index(name)):
        n_dropped = sum(report.dropped[stage].values())
        n_left -= n_dropped
        steps.append(Step(stage, n_dropped, n_left))
    return steps


def _ordered(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """Largest first."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _binned(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    """In the order of the bins' bounds; a bound that is no number comes last."""
    return sorted(counts.items(), key=lambda item: int(item[0]) if item[0].isdigit() else 1 << 60)


def _environment() -> "Environment":
    found = environment("tuneline.data")
    found.filters.update(
        spell=wording.spell,
        said=lambda text: reveal(mask(text)),
        shorten=shorten,
        ordered=_ordered,
        binned=_binned,
    )
    found.globals |= {
        "share": wording.share,
        "verdict": wording.verdict,
        "certify": wording.certify,
        "count": wording.count,
        "count_dropped": wording.count_dropped,
    }
    return found
