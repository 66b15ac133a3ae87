"""Where an answer differs from the reference: in words of Latin script, in words of Chinese."""

import re
from typing import Literal, NamedTuple

Kind = Literal["same", "extra", "missing"]

TOKEN = re.compile(
    r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+|[^\W\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+|\s+|.",
    re.DOTALL,
)
"""A run of Chinese characters, a word or number, white space, or one other character."""
ALIKE_FROM = 0.5
"""Share of common tokens under which two long texts are shown as they are."""
SHORT = 12
"""Tokens up to which every difference is marked."""


class Part(NamedTuple):
    """A stretch of a text."""

    text: str
    kind: Kind
    """extra: only the answer has it; missing: only the reference has it."""


def tokens(text: str) -> list[str]:
    """The text in words, spaces and signs; joined they are the text again."""
    found: list[str] = []
    for run in TOKEN.findall(text):
        found.extend(_chinese_words(run) if "\u3400" <= run[0] <= "\ufaff" else [run])
    return found


def mark_differences(answer: str, reference: str) -> list[Part]:
    """The answer in parts, with what it has beyond the reference and what it lacks.

    Two long texts with little in common are not marked: every word would be.
    """
    from rapidfuzz.distance import Indel

    ours, theirs = tokens(answer), tokens(reference)
    if max(len(ours), len(theirs)) > SHORT and _common(ours, theirs) < ALIKE_FROM:
        return [Part(answer, "same")]
    parts: list[Part] = []
    for step in Indel.opcodes(theirs, ours):
        missing = theirs[step.src_start : step.src_end]
        written = ours[step.dest_start : step.dest_end]
        if step.tag == "delete":
            parts.append(Part("".join(missing), "missing"))
        else:
            parts.append(Part("".join(written), "same" if step.tag == "equal" else "extra"))
    return _joined(parts)


def _common(ours: list[str], theirs: list[str]) -> float:
    """Share of words and signs that the two have in common, in their order; spaces do not count."""
    from rapidfuzz.distance import Indel

    said, expected = ([t for t in side if not t.isspace()] for side in (ours, theirs))
    return float(Indel.normalized_similarity(said, expected))


def _joined(parts: list[Part]) -> list[Part]:
    """Changed stretches, with the spaces between them, as few pieces: missing before extra."""
    joined: list[Part] = []
    for i, part in enumerate(parts):
        is_gap = part.kind == "same" and part.text.isspace()
        if is_gap and 0 < i < len(parts) - 1:
            joined += [Part(part.text, "missing"), Part(part.text, "extra")]
        else:
            joined.append(part)
    return _merged(joined)


def _merged(parts: list[Part]) -> list[Part]:
    merged: list[Part] = []
    held: dict[Kind, str] = {"missing": "", "extra": ""}
    for part in [*parts, Part("", "same")]:
        if part.kind != "same":
            held[part.kind] += part.text
            continue
        for kind, text in held.items():
            if text:
                merged.append(Part(text, kind))
        held = {"missing": "", "extra": ""}
        if part.text:
            merged.append(part)
    return merged


def _chinese_words(run: str) -> list[str]:
    import rjieba

    cut: list[str] = rjieba.cut(run)
    return cut
