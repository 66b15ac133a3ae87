"""What the data report means for the people who bring the data: sentences with numbers."""

from collections.abc import Callable, Iterator, Mapping, Sequence

from tuneline.data.amounts import too_little_to_learn, too_little_to_measure
from tuneline.data.cleaning.config import PERSONAL_DEFAULTS
from tuneline.data.wording import commonest, count, part_of, some_names, spell
from tuneline.reports import DataReport

MAX_ALIKE = 3
"""Sentences of one kind that are spelled out; the others are counted."""
IMBALANCED_FROM = 5.0
"""Records of the commonest label for each of the rarest one."""
LOST_FRACTION = 0.5
TRUNCATED_FRACTION = 0.05
BAD_FRACTION = 0.01
STRAY_LANGUAGE = (0.005, 0.1)
"""Share of kept records between which a second language looks like an accident."""
WAYS_OUT = {
    "formats": "mend the rows in the quarantine file, which tells line, field and what is wrong",
    "cleaning": "read the rule's first examples, then mend the rows or change cleaning.rules",
    "exact_dedup": "bring rows that differ",
    "near_dedup": "rows made from one template look like this; bring more varied ones, or raise "
    "near_dedup.threshold",
    "semantic_dedup": "rows that say the same in other words; bring more varied ones, or raise "
    "semantic_dedup.threshold",
    "leakage": "give rows that are versions of one text a 'group', so that they share a side",
}


def advise(report: DataReport) -> tuple[str, ...]:
    """Sentences, what matters most first; a single one where there is nothing to do."""
    found = [sentence for rule in RULES for sentence in _few(list(rule(report)))]
    kept = part_of(report.n_kept, report.n_read)
    return tuple(found) or (f"Nothing to mend: {kept} rows are kept, and no check objects.",)


def _few(sentences: Sequence[str]) -> list[str]:
    n_more = len(sentences) - MAX_ALIKE
    more = [f"The same holds for {n_more:,} more; the tables name them."] if n_more > 0 else []
    return [*sentences[:MAX_ALIKE], *more]


def _remaining_leaks(report: DataReport) -> Iterator[str]:
    for check in report.certificate.checks if report.certificate else ():
        if check.remaining:
            yield (
                f"{part_of(check.remaining, check.n_seen)} {check.seen} records still say what "
                f"{check.hidden} says, so no score on {check.hidden} counts: lower "
                f"near_dedup.threshold, or {WAYS_OUT['leakage']}."
            )


def _bad_rows(report: DataReport) -> Iterator[str]:
    reasons = report.dropped.get("formats", {})
    n = sum(reasons.values())
    if reasons and n >= BAD_FRACTION * report.n_read:
        reason = commonest(reasons)
        worst = max(report.files, key=lambda file: file.n_bad, default=None)
        where = f", {worst.n_bad:,} in {worst.path}" if worst and worst.n_bad else ""
        yield (
            f"{part_of(n, report.n_read)} rows are no records{where}; the commonest reason is "
            f"{spell(reason)} ({reasons[reason]:,}): {WAYS_OUT['formats']}."
        )


def _truncated(report: DataReport) -> Iterator[str]:
    if report.n_truncated > TRUNCATED_FRACTION * report.n_kept:
        yield (
            f"{part_of(report.n_truncated, report.n_kept)} kept records are longer than the "
            f"{report.max_tokens:,} tokens that training takes, and are not learned in full: "
            "raise training.max_seq_tokens, or split or shorten them."
        )


def _lost_sources(report: DataReport) -> Iterator[str]:
    causes = {stage: sum(reasons.values()) for stage, reasons in report.dropped.items()}
    for source, counts in report.sources.items():
        n_read, n_kept = counts.get("read", 0), counts.get("kept", 0)
        if causes and n_read - n_kept > LOST_FRACTION * n_read:
            stage = commonest(causes)
            whose = "" if len(report.sources) == 1 else " over all sources"
            yield (
                f"{source} keeps only {part_of(n_kept, n_read)} rows; most drops{whose} come "
                f"from {stage} ({causes[stage]:,}): {WAYS_OUT.get(stage, 'read its examples')}."
            )


def _conflicts(report: DataReport) -> Iterator[str]:
    if report.n_conflicts:
        places = report.conflicts[0].places if report.conflicts else ()
        first = f" (first: {some_names(places, 2)})" if places else ""
        yield (
            f"{count(report.n_conflicts, 'prompt')} with more than one answer{first}: the model "
            "learns all of them; keep the one that holds, or say in the prompt what differs."
        )


def _imbalance(report: DataReport) -> Iterator[str]:
    for source, labels in report.labels.items():
        if not labels:
            continue
        total, most, least = sum(labels.values()), commonest(labels), _rarest(labels)
        if len(labels) == 1:
            yield (
                f"{source}: all {total:,} answers are {most!r}, so there is nothing to tell "
                "apart; add rows with other labels."
            )
        elif labels[most] >= IMBALANCED_FROM * labels[least]:
            yield (
                f"{source}: {part_of(labels[most], total)} answers are {most!r} and only "
                f"{labels[least]:,} {least!r}, so always answering {most!r} scores "
                f"{labels[most] / total:.2f}: add rows with {least!r}, and read accuracy "
                "against that."
            )


def _rarest(labels: Mapping[str, int]) -> str:
    return min(labels, key=lambda label: labels[label])


def _languages(report: DataReport) -> Iterator[str]:
    known = {name: n for name, n in report.languages.items() if name != "unknown"}
    total, main = sum(known.values()), commonest(known) if known else ""
    low, high = STRAY_LANGUAGE
    for name, n in known.items():
        if main not in name.split("+") and low * total <= n < high * total:
            yield (
                f"{part_of(n, total)} kept records are in {name!r}, most others in {main!r}: "
                "remove them if they came by accident (cleaning.languages), add more if not."
            )


def _personal_data(report: DataReport) -> Iterator[str]:
    seen = {
        rule: report.findings[rule]["reported"]
        for rule in PERSONAL_DEFAULTS
        if report.findings.get(rule, {}).get("reported")
    }
    if seen:
        counts = ", ".join(f"{spell(rule)} in {n:,}" for rule, n in seen.items())
        yield (
            f"Personal data is only reported and stays in the records ({counts}): set the rules "
            "to redact or drop in cleaning.rules, unless the model may repeat it."
        )


def _dropped_leaks(report: DataReport) -> Iterator[str]:
    checks = report.certificate.checks if report.certificate else ()
    found = {f"{check.seen} against {check.hidden}": check.found for check in checks if check.found}
    if found:
        parts = ", ".join(f"{n:,} of {name}" for name, n in found.items())
        yield (
            f"{count(sum(found.values()), 'record')} dropped for saying what a hidden one says "
            f"({parts}): nothing to do if few; if many, {WAYS_OUT['leakage']}."
        )


RULES: Sequence[Callable[[DataReport], Iterator[str]]] = (
    _remaining_leaks,
    _bad_rows,
    too_little_to_learn,
    too_little_to_measure,
    _truncated,
    _lost_sources,
    _conflicts,
    _imbalance,
    _languages,
    _personal_data,
    _dropped_leaks,
)
