"""Multiple choice: the letters that an answer settles on, in English and Chinese."""

import re
import unicodedata
from collections.abc import Sequence

NAME = "letters A-H, NFKC; stated, leading or only one"

_LETTERS = r"[A-H](?:\s*(?:[、,，;和及与]|and|&)?\s*[A-H])*"
_GIVEN = rf"[\s:*（(\[【「\"'“]*(?P<letters>{_LETTERS})(?![A-Za-z0-9])"
_STATED = re.compile(
    rf"(?:答案|而是|选项|应选|应该选|应当选|故选|选择|选)(?:应该|应当|应)?(?:是|为|选)?{_GIVEN}"
    rf"|(?i:answer|option|choice)s?(?i:\s+(?:is|are|would\s+be|should\s+be))?"
    rf"{_GIVEN.replace('letters', 'letters_en')}"
)
_LEADING = re.compile(
    rf"[\s*（(\[【]*(?P<letters>{_LETTERS})(?:\s*(?:[.:、,，。;；)）\]】*]|\Z)|\s*\n|(?=[^\x00-\x7f]))"
)
_ALONE = re.compile(r"(?<![A-Za-z0-9'’])[A-H](?![A-Za-z0-9'’]|\s+[a-z])")
_ONE = re.compile(r"[\s(]*([a-hA-H])[\s).]*")


def multiple_choice(predictions: Sequence[str], references: Sequence[str]) -> list[float | None]:
    """1.0 where prediction and reference settle on the same letters, in any order.

    Args:
        predictions: N model outputs, such as `答案是B`, `B. the lender` or `The answer is (B).`
        references: N expected answers; several letters where several options are right.

    Returns:
        N scores, 0 or 1; None where the reference has no letter.

    Raises:
        ValueError: The lengths differ.
    """
    scores: list[float | None] = []
    for text, reference in zip(predictions, references, strict=True):
        expected = chosen_letters(reference)
        scores.append(float(chosen_letters(text) == expected) if expected else None)
    return scores


def chosen_letters(text: str) -> str:
    """The letters that an answer settles on, sorted; empty where it settles on none.

    The last statement of an answer counts (`答案是B`, `the answer is B`); without one the letter
    that opens the text; without that the only capital letter that stands alone. "A" before a word
    in lower case is the article.
    """
    plain = unicodedata.normalize("NFKC", text)
    if one := _ONE.fullmatch(plain):
        return one[1].upper()
    if stated := list(_STATED.finditer(plain)):
        return _letters(stated[-1]["letters"] or stated[-1]["letters_en"])
    if leading := _LEADING.match(plain):
        return _letters(leading["letters"])
    alone = set(_ALONE.findall(plain))
    return alone.pop() if len(alone) == 1 else ""


def _letters(found: str) -> str:
    return "".join(sorted(set(re.findall("[A-H]", found))))
