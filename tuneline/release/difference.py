"""What is different between two releases. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tuneline.reports import ALL, DataReport, EvalReport

NOTHING = "none"
PLACES: Mapping[str, tuple[str, ...]] = {
    "data": ("data_digest", "train_digest", "validation_digest", "data_files", "data_licenses"),
    "base model": ("base_model", "base_model_revision", "base_model_license", "base_model_digest"),
    "settings": ("profile",),
    "code": ("code", "tuneline", "code_digests"),
    "packages": ("python", "packages"),
    "machine": ("machine", "hardware"),
}
"""Kind of difference -> where a lineage tells of it."""
DIGEST_CHARS = 64
SHOWN_CHARS = 12


@dataclass(frozen=True, slots=True)
class Changed:
    """One thing that is different."""

    kind: str
    name: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Answers:
    """How many answers of two releases are the same."""

    n: int
    """Holdout records that both answered."""
    n_equal: int
    """Of them, with the same text."""

    @property
    def share(self) -> float:
        """Of the records that both answered; 0 where there is none."""
        return self.n_equal / self.n if self.n else 0.0


def changes(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[Changed]:
    """What two lineages tell otherwise, by kind; digests are shortened."""
    return [
        Changed(kind, name, _short(old.get(name)), _short(new.get(name)))
        for kind, places in PLACES.items()
        for place in places
        for old, new in [(_flat(before, place), _flat(after, place))]
        for name in sorted(old.keys() | new.keys())
        if old.get(name) != new.get(name)
    ]


def count_changes(before: DataReport, after: DataReport) -> list[Changed]:
    """Records read, kept, dropped by stage, and of each side, where the numbers differ."""
    old, new = _counts(before), _counts(after)
    return [
        Changed("records", name, f"{old.get(name, 0):,}", f"{new.get(name, 0):,}")
        for name in dict.fromkeys([*old, *new])
        if old.get(name, 0) != new.get(name, 0)
    ]


def metric_rows(before: EvalReport, after: EvalReport) -> list[dict[str, str]]:
    """Every metric over all records; no difference of scores whose identity differs."""
    old, new = before.scores[ALL], after.scores[ALL]
    same_rows = before.holdout_digest == after.holdout_digest
    rows = []
    for metric in dict.fromkeys([*old, *new]):
        ours, theirs = new.get(metric), old.get(metric)
        same = before.identities.get(metric) == after.identities.get(metric) and same_rows
        gain = f"{ours.value - theirs.value:+.3f}" if ours and theirs and same else "not comparable"
        rows.append(
            {
                "metric": metric,
                "before": f"{theirs.value:.3f}" if theirs else NOTHING,
                "after": f"{ours.value:.3f}" if ours else NOTHING,
                "difference": gain,
            }
        )
    return rows


def _counts(report: DataReport) -> dict[str, int]:
    dropped = {f"dropped by {s}": sum(n.values()) for s, n in report.dropped.items()}
    sides = {side: sum(n.values()) for side, n in report.splits.items()}
    return {"read": report.n_read, "kept": report.n_kept, **dropped, **sides}


def _flat(lineage: Mapping[str, Any], place: str) -> dict[str, str]:
    value = lineage.get(place)
    return {} if value is None else dict(_leaves(place.removeprefix("profile"), value))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}".removeprefix("."), inner)
    else:
        yield name, str(value)


def _short(value: str | None) -> str:
    if value is None:
        return NOTHING
    is_digest = len(value) == DIGEST_CHARS and set(value) <= set("0123456789abcdef")
    return value[:SHOWN_CHARS] if is_digest else value
