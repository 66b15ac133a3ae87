"""A release's model card: Markdown that travels with its files, written from lineage and numbers.

It holds counts, digests and scores, and never a row of the data. The release name is not in it: the
files are signed before the registry gives them one.
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from typing import Any

import yaml
from pydantic import BaseModel, ConfigDict

from tuneline.reporting.facts import ReleaseFacts
from tuneline.reports import ALL, Comparison, Difference, Score

MAX_FILES = 50
SPLITS = ("train", "validation", "holdout")
UNSAID = "not stated; the profile's `card` can say it"


class CardConfig(BaseModel):
    """What only people know about a model; the rest of its card is measured."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    intended_use: str = ""
    """Who should use the model for what."""
    out_of_scope: str = ""
    """What it must not be used for."""
    limits: tuple[str, ...] = ()
    """Known weaknesses, beside those that the numbers show."""
    contact: str = ""
    """Who answers questions: a name, an address or a link."""


def model_card(facts: ReleaseFacts, lineage: Mapping[str, Any], about: CardConfig) -> str:
    """The card as Markdown with front matter as model hubs read it.

    Args:
        facts: What was measured and decided.
        lineage: What the adapter was made from.
        about: What the profile says of the model.
    """
    base = str(lineage.get("base_model", "")).partition(":")[2]
    sections = {
        "Intended use": _use(facts, about),
        "Data": _data(facts, lineage),
        "Training": _training(facts, lineage),
        "Evaluation": _evaluation(facts),
        "Limits": _limits(facts, about),
        "Quantizations": _quantizations(facts),
        "Contact": [about.contact or UNSAID],
    }
    title = f"# {facts.domain}: adapter of {base}"
    named = (
        "The release name is the tag `release` of this version in the registry; `tuneline why` and "
        "`tuneline history` tell what was decided on it since."
    )
    body = [f"## {name}\n\n" + "\n".join(lines) for name, lines in sections.items()]
    return "\n\n".join([_front_matter(facts, lineage, base), title, named, *body]) + "\n"


def _front_matter(facts: ReleaseFacts, lineage: Mapping[str, Any], base: str) -> str:
    languages = sorted({part for name in facts.data.languages for part in name.split("+")})
    values = {
        "base_model": base,
        "library_name": "peft",
        "license": str(lineage.get("base_model_license", "unknown")).lower(),
        "language": [name for name in languages if name != "unknown"],
        "tags": ["tuneline", facts.domain],
    }
    text = yaml.safe_dump(values, sort_keys=False, allow_unicode=True).strip()
    return f"---\n{text}\n---"


def _use(facts: ReleaseFacts, about: CardConfig) -> list[str]:
    return [
        about.intended_use or f"Questions of the domain {facts.domain}; more is {UNSAID}",
        "",
        f"Out of scope: {about.out_of_scope or UNSAID}",
    ]


def _data(facts: ReleaseFacts, lineage: Mapping[str, Any]) -> list[str]:
    report, licenses = facts.data, lineage.get("data_licenses", {})
    names = dict.fromkeys([*report.sources, *chain(*report.splits.values())])
    rows = [
        [
            *(name, licenses.get(name, "unknown")),
            *(report.sources.get(name, {}).get(kind, "") for kind in ("read", "kept")),
            *(report.splits.get(side, {}).get(name, 0) for side in SPLITS),
        ]
        for name in names
    ]
    files = list(lineage.get("data_files", {}).items())
    left_out = [f"- and {len(files) - MAX_FILES} more"] if len(files) > MAX_FILES else []
    return [
        *_table(("source", "licence", "read", "kept", *SPLITS), rows),
        "",
        f"{report.n_read} records read, {report.n_kept} kept. Digest of the splits: "
        f"`{lineage.get('data_digest', '')}`. Files, by SHA-256:",
        "",
        *(f"- {_cell(name)}: `{digest}`" for name, digest in files[:MAX_FILES]),
        *left_out,
    ]


def _training(facts: ReleaseFacts, lineage: Mapping[str, Any]) -> list[str]:
    report, settings = facts.training, lineage.get("profile", {}).get("training", {})
    revision = lineage.get("base_model_revision")
    said = {
        "base model": f"{lineage.get('base_model', '')}{f' at {revision}' if revision else ''}",
        "weights of the base model": f"`{lineage.get('base_model_digest', '')}`",
        "chat template": f"`{lineage.get('chat_template_digest', '')}`",
        "licence of the base model": lineage.get("base_model_license", "unknown"),
        "method": settings.get("method", ""),
        "seed": lineage.get("seed", ""),
        "records, steps": f"{report.n_train_records}, {report.n_steps}",
        "trainable parameters": f"{report.n_trainable_parameters:,}",
        "time": f"{report.train_s:,.0f} s on {report.machine}",
        "cost": lineage.get("cost", ""),
        "code": lineage.get("code", ""),
    }
    return [f"- {name}: {_cell(value)}" for name, value in said.items() if value not in ("", "``")]


def _evaluation(facts: ReleaseFacts) -> list[str]:
    lines = [
        f"{facts.n_rows} holdout rows that were never trained on; {facts.confidence:.0%} "
        f"intervals. Verdict against {facts.decision.baseline}: **{facts.decision.verdict}**."
    ]
    for comparison in facts.comparisons:
        lines += ["", *_scores(comparison)]
    lines += ["", *(f"- {_cell(reason)}" for reason in facts.decision.reasons)]
    return lines


def _scores(comparison: Comparison) -> list[str]:
    baseline, candidate = comparison.baseline, comparison.candidate
    rows = [
        [
            *(metric, _score(score), _score(baseline.scores[ALL].get(metric))),
            _difference(comparison.metrics.get(metric)),
        ]
        for metric, score in candidate.scores[ALL].items()
    ]
    return _table(("metric", candidate.name, baseline.name, "difference"), rows)


def _limits(facts: ReleaseFacts, about: CardConfig) -> list[str]:
    return [f"- {_cell(limit)}" for limit in (*about.limits, *_measured_limits(facts))]


def _measured_limits(facts: ReleaseFacts) -> Iterator[str]:
    candidate, comparison = facts.models[-1], facts.comparisons[-1]
    languages = ", ".join(f"{name} {n}" for name, n in facts.data.languages.items())
    if languages:
        yield f"languages of the data, in records: {languages}; others were not tried"
    if facts.data.max_tokens:
        yield f"texts of more than {facts.data.max_tokens} tokens were cut in training"
    overall = next(iter(candidate.scores[ALL].values()), None)
    if overall and overall.n_unscored:
        yield f"{overall.n_unscored} answers of the holdout failed and were not scored"
    if candidate.n_empty:
        yield f"{candidate.n_empty} answers of the holdout were empty"
    if lost := comparison.regressions:
        yield f"{lost.n} of {lost.n_right} rows that {comparison.baseline.name} has right are wrong"
    worse = [part.value for part in comparison.slices if part.difference.verdict == "worse"]
    if worse:
        yield f"worse than {comparison.baseline.name} on: {', '.join(worse)}"
    if facts.forgetting is None:
        yield "what it forgot of general questions was not measured"
    else:
        change = _difference(facts.forgetting.difference)
        yield f"general questions ({facts.forgetting.benchmark}), against the base model: {change}"
    yield "scores hold for questions like those of the holdout; safety and bias were not measured"


def _quantizations(facts: ReleaseFacts) -> list[str]:
    report = facts.quantizations
    if report is None or not report.variants:
        return ["none were measured"]
    rows = [
        [
            *(v.name, f"{v.size_mib:,.0f}", _score(v.score), v.exact, v.similar, v.different),
            v.gate.verdict if v.gate else "reference",
        ]
        for v in report.variants
    ]
    columns = ("variant", "MiB", "score", "same answer", "similar", "different", "verdict")
    return _table(columns, rows)


def _score(score: Score | None) -> str:
    return "" if score is None else f"{score.value:.3f} [{score.low:.3f}, {score.high:.3f}]"


def _difference(found: Difference | None) -> str:
    if found is None:
        return ""
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}], {found.answer}"


def _table(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[str]:
    lines = ["| " + " | ".join(map(_cell, cells)) + " |" for cells in (columns, *rows)]
    return [lines[0], "|" + "---|" * len(columns), *lines[1:]]


def _cell(value: Any) -> str:
    """Text that stays in its cell: names of sources and files come from outside."""
    return " ".join(str(value).replace("|", "\\|").replace("<", "&lt;").split())
