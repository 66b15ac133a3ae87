"""Pairs for reviewers: a page with keys, a table for a spreadsheet, and JSON lines."""

import base64
import csv
import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from tuneline.pages.rendering import environment, write_page
from tuneline.review.pairs import Pair, Review, ReviewKey
from tuneline.review.verdicts import CHOICES

if TYPE_CHECKING:
    from jinja2 import Environment

PAGE, TABLE, LINES, KEY = "review.html", "pairs.csv", "pairs.jsonl", "key.json"
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell must not begin with: a spreadsheet would run it."""


def write_review(review: Review, pairs_folder: Path, key_folder: Path) -> None:
    """Write what reviewers get, and apart from it the key.

    Args:
        review: Pairs and key.
        pairs_folder: Gets `review.html`, `pairs.csv` and `pairs.jsonl`.
        key_folder: Gets `key.json`; another folder.
    """
    for folder in (pairs_folder, key_folder):
        folder.mkdir(parents=True, exist_ok=True)
    (pairs_folder / LINES).write_bytes(to_lines(review.pairs))
    _write_table(review.pairs, pairs_folder / TABLE)
    write_page(pairs_folder / PAGE, render(review.pairs))
    (key_folder / KEY).write_bytes(msgspec.json.format(msgspec.json.encode(review.key)))


def to_lines(pairs: Sequence[Pair]) -> bytes:
    """Pairs as JSON lines."""
    return b"".join(msgspec.json.encode(pair) + b"\n" for pair in pairs)


def from_lines(content: bytes) -> tuple[Pair, ...]:
    """Read what `to_lines` wrote."""
    return tuple(msgspec.json.decode(line, type=Pair) for line in content.splitlines())


def read_key(content: bytes) -> ReviewKey:
    """Read what `write_review` wrote."""
    return msgspec.json.decode(content, type=ReviewKey)


def render(pairs: Sequence[Pair]) -> str:
    """The page; its one script is named by its digest, so that no answer can run another."""
    script = _environment().get_template("review.js").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = (
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
        f"script-src 'sha256-{digest}'"
    )
    return (
        _environment()
        .get_template("review.html")
        .render(review=pairs[0].review, data=_for_script(pairs), script=script, policy=policy)
    )


def _for_script(pairs: Sequence[Pair]) -> str:
    """JSON without a character that could end the element it stands in."""
    text = json.dumps([asdict(pair) for pair in pairs], ensure_ascii=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _write_table(pairs: Sequence[Pair], path: Path) -> None:
    """A table with empty columns for verdict, reviewer and comment; with a mark that says UTF-8."""
    columns = [field.name for field in fields(Pair)]
    hint = f"verdict ({' | '.join(CHOICES)})"
    with path.open("w", encoding="utf-8-sig", errors="backslashreplace", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*columns, "verdict", "reviewer", "comment", hint])
        for pair in pairs:
            cells = (_as_text(str(getattr(pair, column))) for column in columns)
            writer.writerow([*cells, "", "", "", ""])


def _as_text(cell: str) -> str:
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def _environment() -> "Environment":
    return environment("tuneline.review")
