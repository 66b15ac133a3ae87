"""Citations of statutes: do the articles that an answer cites exist, and are they in force?"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tuneline.evaluation.statutes import (
    ARTICLE,
    NUMERAL,
    Statutes,
    Verdict,
    article_keys,
    short_name,
)

NAME = "Chinese citations: 《law》第N条, law第N条"

_LAW_ENDS = "法典|法|条例|规定|办法|解释|细则|规则|决定"
_CITED = re.compile(
    rf"《(?P<named>[^《》]{{2,80}})》|(?P<bare>[\u4e00-\u9fff]{{1,40}}?(?:{_LAW_ENDS}))(?=\s*第\s*{NUMERAL})"
    rf"|{ARTICLE}"
)
_GOES_ON = re.compile(
    r"(?:\s*[(（][^()（）]{0,30}[)）])?"
    r"(?:第?[0-9一二三四五六七八九十]+[款项目]|[(（][0-9一二三四五六七八九十]+[)）]项?|[\s、,，和及与或至以规定的])*+"
)
_SENTENCE_END = re.compile(r"(?:\A|[。；;\n:：])\s*\Z")
_BEFORE = (
    "根据|依据|依照|按照|违反|触犯|适用|参照|符合|现行|我国|以及|[和与及或在从由为是的了对按依]"
)
"""What may stand before a law's name without a bracket."""
_BEFORE_A_LAW = re.compile(rf"(?:{_BEFORE})\Z")
_SAME_LAW = re.compile(rf"(?:[该本此]|(?<!合)同)(?:{_LAW_ENDS})\Z")


class Citation(NamedTuple):
    """One article as an answer cites it."""

    law: str
    article: str
    """`577`, or `133-1` for 第一百三十三条之一."""
    verdict: Verdict


def citations(text: str, statutes: Statutes) -> list[Citation]:
    """The articles that a text cites, in order, with what the table says of each.

    `《民法典》第五百七十七条`, `刑法第264条` and lists (`第十条、第十一条和第十二条`) are read; an
    article at the beginning of a later sentence belongs to the law before it. Articles without a
    law, such as a contract's own, are no citations.
    """
    return [
        Citation(law, article, statutes.look_up(law, article))
        for law, article in _cited(text, statutes)
    ]


def score_citations(
    predictions: Sequence[str], references: Sequence[str], statutes: Statutes
) -> list[float | None]:
    """Share of the cited articles that exist and are in force.

    Args:
        predictions: N model outputs.
        references: N expected answers.
        statutes: Articles of laws that are not in it are not judged: unknown is not invented.

    Returns:
        N scores in [0, 1]. An answer that cites nothing has 0 where the reference cites an article
        in force. None where nothing can be judged.

    Raises:
        ValueError: The lengths differ.
    """
    pairs = zip(predictions, references, strict=True)
    return [_share(text, reference, statutes) for text, reference in pairs]


def count_citations(predictions: Sequence[str], statutes: Statutes) -> dict[str, int]:
    """Verdict -> citations of N answers."""
    counts = Counter(c.verdict for text in predictions for c in citations(text, statutes))
    return {str(verdict): n for verdict, n in counts.most_common()}


def _share(text: str, reference: str, statutes: Statutes) -> float | None:
    found = citations(text, statutes)
    judged = [c.verdict for c in found if c.verdict != "unknown law"]
    if judged:
        return judged.count("exists") / len(judged)
    expected = [] if found else citations(reference, statutes)
    return 0.0 if any(c.verdict == "exists" for c in expected) else None


def _cited(text: str, statutes: Statutes) -> Iterator[tuple[str, str]]:
    law, end = "", 0
    plain = unicodedata.normalize("NFKC", text)
    for match in _CITED.finditer(plain):
        if match["named"]:
            law, end = match["named"], match.end()
        elif match["bare"]:
            law, end = _bare_law(match["bare"], law, statutes), match.end()
        elif law and _belongs(plain, end, match.start()):
            yield from ((law, article) for article in article_keys(match))
            end = match.end()


def _belongs(text: str, end: int, start: int) -> bool:
    """Whether the article at `start` is one of the law that was last spoken of, up to `end`."""
    between = text[end:start]
    return bool(_GOES_ON.fullmatch(between) or _SENTENCE_END.search(between))


def _bare_law(run: str, before: str, statutes: Statutes) -> str:
    """The law that ends a run of characters: 根据刑法 is 刑法, 本法 the one spoken of before."""
    for start in range(len(run) - 1):
        is_whole = start == 0 or _BEFORE_A_LAW.search(run[:start])
        if is_whole and short_name(run[start:]) in statutes.articles:
            return run[start:]
    return before if _SAME_LAW.search(run) else run
