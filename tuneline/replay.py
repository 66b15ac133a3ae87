"""What a release was made of against what its replay was made of. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

NOT_RECORDED, MISSING = "not recorded", "missing"
KINDS: Mapping[str, tuple[str, ...]] = {
    "data": ("train_digest", "validation_digest", "data_files"),
    "settings": ("profile.training",),
    "base model": ("base_model", "base_model_revision", "base_model_digest"),
    "code": ("code_digests",),
    "package": ("packages", "python"),
    "hardware": ("machine", "hardware"),
}
"""Kind of difference -> where a lineage tells of it."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that was different when the release was trained."""

    kind: str
    """A key of `KINDS`."""
    name: str
    recorded: str
    now: str


@dataclass(frozen=True, slots=True)
class Replay:
    """What training a release again gave."""

    release: str
    recorded: Mapping[str, str]
    """File of weights -> SHA-256, as the registry has it."""
    retrained: Mapping[str, str]
    """The same of the adapter trained now."""
    differences: tuple[Difference, ...]
    folder: str
    """Where the adapter trained now is."""

    @property
    def is_identical(self) -> bool:
        """Whether the same bytes came out."""
        return bool(self.recorded) and self.recorded == self.retrained

    @property
    def verdict(self) -> str:
        """The outcome in a sentence or two."""
        files = sorted(self.recorded.keys() | self.retrained.keys())
        if self.is_identical:
            digests = ", ".join(f"{name} {self.recorded[name]}" for name in files)
            return f"{self.release} is identical: {digests}"
        digests = ", ".join(
            f"{name} was {self.recorded.get(name, MISSING)[:16]}, "
            f"is now {self.retrained.get(name, MISSING)[:16]}"
            for name in files
        )
        return f"{self.release} is not identical: {digests}. {self._cause()}"

    def _cause(self) -> str:
        if not self.differences:
            return (
                "Nothing that is recorded differs: this training does not repeat itself to the "
                "bit here; on a GPU set training.deterministic"
            )
        kinds = [kind for kind in KINDS if any(d.kind == kind for d in self.differences)]
        return f"What differs: {', '.join(kinds)}"


def differences(recorded: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[Difference, ...]:
    """What differs between two lineages in what decides the adapter, by kind and name.

    What an older release did not record is named too: it may be the cause.
    """
    return tuple(
        Difference(kind, name, before.get(name, absent), after.get(name, MISSING))
        for kind, places in KINDS.items()
        for place in places
        for before, after in [(_flat(recorded, place), _flat(now, place))]
        for absent in [MISSING if before else NOT_RECORDED]
        for name in sorted(before.keys() | after.keys())
        if before.get(name) != after.get(name)
    )


def weights(files: Mapping[str, str]) -> dict[str, str]:
    """File -> SHA-256 of the trained weights among an adapter's files."""
    return {name: digest for name, digest in files.items() if name.endswith(".safetensors")}


def _flat(lineage: Mapping[str, Any], place: str) -> dict[str, str]:
    """Dotted name -> value of what a lineage has at a dotted place; empty where it has nothing."""
    value: Any = lineage
    for part in place.split("."):
        value = value.get(part) if isinstance(value, Mapping) else None
    if value is None:
        return {}
    return dict(_leaves(place.removeprefix("profile."), value))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from _leaves(f"{name}.{key}", inner)
    else:
        yield name, str(value)
