"""Short, honest views of texts: what a dropped row says, and where a mended text differs."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any, NamedTuple

from tuneline.data.cleaning.personal_data import mask
from tuneline.data.drops import EXCERPT_CHARS
from tuneline.pages.revealing import reveal

ISLAND_CHARS = 3
"""Equal stretches between two changes that are shorter are shown as changed with them."""


class Part(NamedTuple):
    """A stretch of a text."""

    text: str
    is_changed: bool


class Marked(NamedTuple):
    """A text before and after, with the changed stretches told apart."""

    before: list[Part]
    after: list[Part]


def excerpt(row: Any) -> str:
    """The last prompt and answer of a record's messages, or a raw row as JSON; shortened."""
    messages = row.get("messages") if isinstance(row, Mapping) else None
    texts = _contents(messages) if isinstance(messages, list) else []
    if len(texts) > 1:
        return " → ".join(shorten(text, EXCERPT_CHARS // 2) for text in texts[-2:])
    text = row if isinstance(row, str) else json.dumps(row, ensure_ascii=False, default=str)
    return shorten(text)


def shorten(text: str, limit: int = EXCERPT_CHARS) -> str:
    """The first characters, white space as single spaces, personal data masked."""
    start = text[: 4 * limit]
    words = re.sub(r"[ \t\r\n]+", " ", mask(start)).strip()
    is_whole = len(words) <= limit and len(start) == len(text)
    return words if is_whole else f"{words[: limit - 1]}…"


def mark_changes(before: str, after: str) -> Marked:
    """Both texts in parts; characters that cannot be seen are spelled out where they changed."""
    marked = Marked([], [])
    for is_changed, i, k, j, m in _stretches(before, after):
        for parts, text in zip(marked, (before[i:k], after[j:m]), strict=True):
            if text:
                parts.append(Part(reveal(text, is_changed), is_changed))
    return marked


def _stretches(before: str, after: str) -> Iterator[tuple[bool, int, int, int, int]]:
    """(is_changed, bounds in before, bounds in after), short islands joined with their shores."""
    i = j = 0
    for block in SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks():
        is_inside = block.a > 0 and block.a + block.size < len(before)
        if is_inside and block.size < ISLAND_CHARS:
            continue
        if block.a > i or block.b > j:
            is_changed = not _is_tail(before[i:], after[j:], max(len(before), len(after)))
            yield is_changed or block.size > 0, i, block.a, j, block.b
        i, j = block.a + block.size, block.b + block.size
        yield False, block.a, i, block.b, j


def _is_tail(before: str, after: str, n_chars: int) -> bool:
    """Whether only the cut end of an excerpt differs: one side shows a bit more of the text."""
    return n_chars >= EXCERPT_CHARS and not (before and after)


def _contents(messages: Sequence[Any]) -> list[str]:
    contents = (m.get("content") for m in messages if isinstance(m, Mapping))
    return [text for text in contents if isinstance(text, str)]
