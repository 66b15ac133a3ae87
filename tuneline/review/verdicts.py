"""Verdicts of people, read from the files that they send back, and checked."""

import csv
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from tuneline.errors import ReviewError
from tuneline.review.pairs import ReviewKey

Choice = Literal["left", "right", "same", "both_bad"]
CHOICES: tuple[Choice, ...] = get_args(Choice)
MAX_LISTED = 10
"""Wrong rows named in one error."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one person says of one pair."""

    review: str
    pair: str
    verdict: Choice
    reviewer: str
    comment: str = ""


class Placed(NamedTuple):
    """A row and where it stands."""

    place: str
    """`file:line`."""
    row: Mapping[str, Any]


def read_verdicts(
    files: Sequence[Path], key: ReviewKey, known: Iterable[Verdict] = ()
) -> list[Verdict]:
    """Read JSONL or CSV files; a row without a verdict was not judged and is left out.

    Args:
        files: As the review page downloads them, or as a spreadsheet writes pairs.csv.
        key: Of the review that they must belong to.
        known: Verdicts that are stored already; the same verdict again is no error.

    Returns:
        The verdicts that are new.

    Raises:
        ReviewError: Names every wrong row by file and line: another review, an unknown pair or
            verdict, no reviewer, or a second and different verdict by one reviewer.
    """
    given = {(v.reviewer, v.pair): ("an earlier import", v) for v in known}
    new: list[Verdict] = []
    problems: list[str] = []
    for placed in (row for file in files for row in _rows(file)):
        if not placed.row.get("verdict"):
            continue
        try:
            verdict = _checked(placed, key)
        except ReviewError as error:
            problems.append(str(error))
            continue
        earlier = given.setdefault((verdict.reviewer, verdict.pair), (placed.place, verdict))
        if earlier[1] is verdict:
            new.append(verdict)
        elif earlier[1].verdict != verdict.verdict:
            problems.append(
                f"{placed.place}: {verdict.reviewer} says {verdict.verdict!r} of pair "
                f"{verdict.pair}, but said {earlier[1].verdict!r} in {earlier[0]}; keep one"
            )
    if problems:
        more = f"; and {len(problems) - MAX_LISTED} more" if len(problems) > MAX_LISTED else ""
        raise ReviewError("; ".join(problems[:MAX_LISTED]) + more + ". Nothing was imported")
    return new


def review_of(files: Sequence[Path]) -> str:
    """Id of the review that files belong to: that of the first row.

    Raises:
        ReviewError: No row names one.
    """
    for file in files:
        for placed in _rows(file):
            if review := placed.row.get("review"):
                return str(review)
    raise ReviewError(f"{', '.join(map(str, files))}: no row names its review; keep that column")


def _checked(placed: Placed, key: ReviewKey) -> Verdict:
    row = {name: str(value).strip() for name, value in placed.row.items() if value is not None}
    pair, verdict, reviewer = (row.get(name, "") for name in ("pair", "verdict", "reviewer"))
    if row.get("review") != key.review:
        raise ReviewError(
            f"{placed.place}: review {row.get('review', '')!r} is another one than {key.review}"
        )
    if pair not in key.candidate_side:
        raise ReviewError(f"{placed.place}: review {key.review} has no pair {pair!r}")
    if verdict not in CHOICES:
        raise ReviewError(
            f"{placed.place}: verdict {verdict!r} is unknown; known are {', '.join(CHOICES)}"
        )
    if not reviewer:
        raise ReviewError(f"{placed.place}: no reviewer; write a name in that column")
    choice = next(choice for choice in CHOICES if choice == verdict)
    return Verdict(key.review, pair, choice, reviewer, row.get("comment", ""))


def _rows(file: Path) -> Iterator[Placed]:
    if not file.is_file():
        raise ReviewError(f"{file} does not exist")
    try:
        yield from _csv_rows(file) if file.suffix.lower() == ".csv" else _json_rows(file)
    except UnicodeDecodeError as error:
        raise ReviewError(f"{file} is not UTF-8; save it as UTF-8 again") from error


def _json_rows(file: Path) -> Iterator[Placed]:
    for number, line in enumerate(file.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        place = f"{file}:{number}"
        try:
            row = json.loads(line)
        except ValueError as error:
            raise ReviewError(f"{place}: is not JSON ({error})") from error
        if not isinstance(row, dict):
            raise ReviewError(f"{place}: is no object such as {{'pair': ..., 'verdict': 'left'}}")
        yield Placed(place, row)


def _csv_rows(file: Path) -> Iterator[Placed]:
    with file.open(encoding="utf-8-sig", newline="") as opened:
        reader = csv.DictReader(opened)
        for row in reader:
            yield Placed(f"{file}:{reader.line_num}", row)
