"""Answers that run in a loop."""

from tuneline.records import Record

MIN_CHARS = 60
"""Shorter loops may be meant: a refrain, a table's ruler, a list of equal labels."""
MIN_TURNS = 5
PROBE_CHARS = 8


def find_repetition(record: Record) -> tuple[str, int] | None:
    """Half of the answer or more is one phrase said again and again, five times at least.

    A loop over half of a text covers one of four evenly spread places, so only these are tried.
    """
    answer = record.reference
    if len(answer) < 2 * MIN_CHARS:
        return None
    for part in range(1, 5):
        at = part * len(answer) // 4 - PROBE_CHARS
        probe = answer[at : at + PROBE_CHARS]
        if answer.count(probe) >= MIN_TURNS and (loop := _loop_around(answer, at, probe)):
            return loop
    return None


def _loop_around(text: str, at: int, probe: str) -> tuple[str, int] | None:
    """The loop that runs through an offset; signs alone, such as rulers, are none."""
    following = text.find(probe, at + 1)
    other = following if following >= 0 else text.rfind(probe, 0, at + PROBE_CHARS - 1)
    period = abs(other - at)
    start, end = _stretch(text, min(at, other), period)
    is_loop = end - start >= max(len(text) / 2, MIN_CHARS, MIN_TURNS * period)
    if not is_loop or not any(map(str.isalpha, text[start : start + period])):
        return None
    return f"{period} characters are said {round((end - start) / period)} times over", start


def _stretch(text: str, at: int, period: int) -> tuple[int, int]:
    """The longest range around an offset in which every character equals the one a period on."""
    start = end = at
    while end + period < len(text) and text[end] == text[end + period]:
        end += 1
    while start > 0 and text[start - 1] == text[start - 1 + period]:
        start -= 1
    return start, end + period
