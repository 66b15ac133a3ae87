"""Personal data in rows of any shape: bad rows and tools, which no rule of texts comes across."""

import dataclasses
import json
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Any

from tuneline.data.cleaning.config import PERSONAL_DEFAULTS, CleaningConfig
from tuneline.data.cleaning.menders import may_be_disguised, plain_text
from tuneline.data.cleaning.personal_data import find_personal_data, mask, redact
from tuneline.data.drops import Drop, as_text, in_short, is_deep

ESCAPE = re.compile(r"\\(?:u[0-9a-fA-F]{4}|[^u])")
"""As JSON writes characters; to a pattern its last letter would be part of what follows."""


def mask_drop(drop: Drop, config: CleaningConfig) -> Drop:
    """The drop with personal data masked in row and detail, if a rule protects any; else itself.

    Args:
        drop: Row or record that is not used, of any stage.
        config: Rules of the profile: one of personal data that is redact or drop protects all.
    """
    if not any(config.action(rule) in {"redact", "drop"} for rule in PERSONAL_DEFAULTS):
        return drop
    row = in_short(drop.row) if is_deep(drop.row) else drop.row
    masked = change_texts(row, mask_raw)
    return dataclasses.replace(drop, row=masked, detail=mask_raw(drop.detail))


def mask_raw(text: str) -> str:
    """Raw text with stars in its personal data; mended where only that shows the data."""
    masked = mask(text)
    if "\\" in masked:
        masked = mask(masked, ESCAPE.sub(lambda match: " " * len(match.group()), masked))
    if may_be_disguised(masked) and find_personal_data(plain := plain_text(masked)):
        return mask(plain)
    return masked


def change_texts(value: Any, change: Callable[[str], str]) -> Any:
    """The value with all its texts and keys changed; a number changes where its digits do."""
    if isinstance(value, dict):
        return {_changed(key, change): change_texts(cell, change) for key, cell in value.items()}
    if isinstance(value, list | tuple):
        return [change_texts(cell, change) for cell in value]
    return _changed(value, change)


@lru_cache(256)  # most records of a source share their tools
def tool_texts(tools: str | None) -> tuple[str, ...]:
    """All texts, keys and numbers in the definitions of tools."""
    return () if tools is None else tuple(_leaves(_parsed(tools)))


def redact_tools(tools: str, rules: Iterable[str]) -> str:
    """The definitions with a tag in place of each value of these rules; JSON stays JSON."""
    spelled, names = _parsed(tools), tuple(rules)
    changed = change_texts(spelled, lambda text: redact(text, names))
    if changed == spelled:
        return tools
    return changed if isinstance(changed, str) else json.dumps(changed, ensure_ascii=False)


def _changed(leaf: Any, change: Callable[[str], str]) -> Any:
    if leaf is None or isinstance(leaf, bool):
        return leaf
    text = as_text(leaf)
    changed = change(text)
    return leaf if changed == text else changed


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        yield from map(as_text, value)
        value = list(value.values())
    if isinstance(value, list):
        for cell in value:
            yield from _leaves(cell)
    elif value is not None and not isinstance(value, bool):
        yield as_text(value)


def _parsed(tools: str) -> Any:
    """Tools as objects and lists, or the text itself where it is no JSON that people write."""
    try:
        value = json.loads(tools)
    except (ValueError, RecursionError):
        return tools
    return tools if is_deep(value) else value
