"""Answers in JSON: do they parse, and is each field right?"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

from tuneline.records import comparison_text
from tuneline.reports import FieldScore

NAME = "JSON, a Markdown fence around it allowed; texts as NFKC, lower case, single spaces"

_FENCE = re.compile(r"\A```(?:json)?\s*\n(.*)\n\s*```\Z", re.DOTALL | re.IGNORECASE)
_NOTHING = object()
"""No field: the answer is no JSON."""


def json_valid(predictions: Sequence[str], references: Sequence[str]) -> list[float | None]:
    """1.0 where the whole prediction is one JSON object or array; None where the reference is not.

    A Markdown fence around it is taken off; a sentence before or after it makes it invalid, and so
    do NaN and Infinity, which JSON does not have.
    """
    pairs = zip(predictions, references, strict=True)
    return [float(_is_json(text)) if _is_json(reference) else None for text, reference in pairs]


def json_fields(predictions: Sequence[str], references: Sequence[str]) -> list[float | None]:
    """Share of the fields that are right, over the fields of reference and prediction together.

    A field is a path to a value, such as `terms.rate` or `parties[0]`. A field that is missing
    equals one that is null. Texts are equal as they are compared everywhere (NFKC, lower case,
    single spaces), numbers by value.

    Returns:
        N scores in [0, 1]; None where the reference is no JSON, or neither has a field.

    Raises:
        ValueError: The lengths differ.
    """
    pairs = zip(predictions, references, strict=True)
    return [_share(judged_fields(text, reference)) for text, reference in pairs]


def field_scores(predictions: Sequence[str], references: Sequence[str]) -> dict[str, FieldScore]:
    """Accuracy of every field over N records, in the order in which the fields appear."""
    n_right: Counter[str] = Counter()
    n_asked: Counter[str] = Counter()
    for text, reference in zip(predictions, references, strict=True):
        for field, is_right in (judged_fields(text, reference) or {}).items():
            n_asked[field] += 1
            n_right[field] += is_right
    return {field: FieldScore(n_right[field] / n, n) for field, n in n_asked.items()}


def judged_fields(prediction: str, reference: str) -> dict[str, bool] | None:
    """Field -> whether the prediction has it right; None where the reference is no JSON."""
    expected = _parse(reference)
    if expected is _NOTHING:
        return None
    wanted = dict(_leaves(expected, ""))
    answered = _parse(prediction)
    given = {} if answered is _NOTHING else dict(_leaves(answered, ""))
    if answered is _NOTHING or not isinstance(answered, type(expected)):
        return dict.fromkeys(wanted or {"": None}, False)
    return {
        path: _is_equal(given.get(path), wanted.get(path))
        for path in {**wanted, **given}
        if given.get(path) is not None or wanted.get(path) is not None or path in wanted
    }


def _share(fields: dict[str, bool] | None) -> float | None:
    return sum(fields.values()) / len(fields) if fields else None


def _is_json(text: str) -> bool:
    return _parse(text) is not _NOTHING


def _parse(text: str) -> Any:
    bare = text.strip()
    fenced = _FENCE.match(bare)
    try:
        value = json.loads(fenced[1] if fenced else bare, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return _NOTHING
    return value if isinstance(value, dict | list) else _NOTHING


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Paths and values of everything that holds nothing else; an empty list is a value."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}[{index}]")
    elif path:
        yield path, value


def _is_equal(given: Any, wanted: Any) -> bool:
    if isinstance(given, str) and isinstance(wanted, str):
        return comparison_text(given) == comparison_text(wanted)
    if isinstance(given, bool) or isinstance(wanted, bool):
        return given is wanted
    if isinstance(given, int | float) and isinstance(wanted, int | float):
        return math.isclose(given, wanted)
    return type(given) is type(wanted) and given == wanted
