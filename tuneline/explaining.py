"""Why a stage ran or was reused: the inputs of its key, held against those of an earlier run."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tuneline.store import MANIFEST

ABSENT = "absent"
MAX_SHOWN = 60
"""Characters of a value; digests are cut to their first digits."""


class Change(NamedTuple):
    """One input that differs."""

    name: str
    """Dotted, such as `settings.max_steps`."""
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.name}: {self.before} -> {self.now}"


def changes(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[Change]:
    """Inputs that differ between two keys of a stage, by name. Pure."""
    old, new = dict(_flatten(before)), dict(_flatten(now))
    return [
        Change(name, _short(old.get(name, ABSENT)), _short(new.get(name, ABSENT)))
        for name in sorted(old.keys() | new.keys())
        if old.get(name, ABSENT) != new.get(name, ABSENT)
    ]


def inputs_of(root: Path, stage: str, key: str) -> dict[str, Any]:
    """What a stage's key is made of; empty where the output is gone.

    Args:
        root: The workspace.
        stage: Folder of the store.
        key: Of the output.
    """
    path = root / "store" / stage / key / MANIFEST
    return dict(json.loads(path.read_text())["inputs"]) if path.is_file() else {}


def input_names(inputs: Mapping[str, Any]) -> list[str]:
    """Dotted names of all inputs."""
    return [name for name, _ in _flatten(inputs)]


def _flatten(value: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for part, item in value.items():
            yield from _flatten(item, f"{name}.{part}" if name else str(part))
    elif _holds_settings(value):
        for number, item in enumerate(value):
            yield from _flatten(item, f"{name}.{number}")
    else:
        yield name, value


def _holds_settings(value: Any) -> bool:
    is_list = isinstance(value, Sequence) and not isinstance(value, str)
    return is_list and any(isinstance(item, Mapping) for item in value)


def _short(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    is_digest = len(text) >= 16 and not set(text) - set("0123456789abcdef")
    shown = 12 if is_digest else MAX_SHOWN
    return text if len(text) <= shown else f"{text[:shown]}..."
