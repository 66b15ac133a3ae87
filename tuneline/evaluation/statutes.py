"""The table of statutes that citations are looked up in."""

import gzip
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Literal

from tuneline.errors import EvaluationError

Verdict = Literal["exists", "repealed", "no such article", "unknown law"]

REPEALED = frozenset({"已废止", "历史版本", "repealed"})
"""Statuses of articles that are not law any more."""
COUNTRY = "中华人民共和国"
NUMERAL = "[0-9零〇一二三四五六七八九十百千两]+"
ARTICLE = (
    rf"第\s*(?P<numbers>{NUMERAL}(?:\s*[、,和及至]\s*{NUMERAL})*)\s*条"
    r"(?:\s*之\s*(?P<part>[一二三四五六七八九十]+))?"
)
"""How articles are cited: 第五百七十七条, 第577、578条, 第一百三十三条之一."""
_ARTICLE = re.compile(ARTICLE)
_VERSION = re.compile(r"\s*[(（][^()（）]*(?:修正|修订|年)[^()（）]*[)）]\s*$")


@dataclass(frozen=True, slots=True)
class Statutes:
    """Laws, and which of their articles are in force."""

    articles: Mapping[str, Mapping[str, bool]]
    """Short name of a law -> article, such as `577` or `133-1` -> whether it is in force."""
    digest: str
    """SHA-256 of the file; empty for no table."""

    def look_up(self, law: str, article: str) -> Verdict:
        """What the table says of an article.

        Args:
            law: Name of the law, in full or short.
            article: As `article_keys` writes it.
        """
        known = self.articles.get(short_name(law))
        if known is None:
            return "unknown law"
        if article not in known:
            return "no such article"
        return "exists" if known[article] else "repealed"


def short_name(law: str) -> str:
    """A law's name without country, year of the version and spaces."""
    plain = re.sub(r"\s+", "", unicodedata.normalize("NFKC", law))
    return _VERSION.sub("", plain).removeprefix(COUNTRY)


def article_keys(match: re.Match[str]) -> list[str]:
    """`577` for 第五百七十七条, `133-1` for 第一百三十三条之一, both of 第577、578条.

    Args:
        match: Of `ARTICLE`.
    """
    keys = [str(_integer(number)) for number in re.findall(NUMERAL, match["numbers"])]
    if match["part"]:
        keys[-1] += f"-{_integer(match['part'])}"
    return keys


def load_statutes(path: Path) -> Statutes:
    """Read a table: JSON lines with law_name, article_no and status, `.gz` or not.

    Several rows of one article are versions of it: it is in force if one of them is. Rows whose
    article_no is no article (such as 全文) only make the law known.

    Raises:
        EvaluationError: The file is missing or a row lacks a column; names file and line.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise EvaluationError(f"the table of statutes {path} cannot be read: {error}") from error
    return _parse(path, content)


@lru_cache(4)
def _parse(path: Path, content: bytes) -> Statutes:
    articles: dict[str, dict[str, bool]] = {}
    for law, number, status in _rows(path, content):
        known = articles.setdefault(short_name(law), {})
        if match := _ARTICLE.match(number):
            for key in article_keys(match):
                known[key] = known.get(key, False) or status not in REPEALED
    return Statutes(articles, hashlib.sha256(content).hexdigest())


def _rows(path: Path, content: bytes) -> Iterator[tuple[str, str, str]]:
    try:
        text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    except (OSError, UnicodeDecodeError) as error:
        raise EvaluationError(f"the table of statutes {path} is no text: {error}") from error
    for line_no, line in enumerate(text.splitlines(), 1):
        try:
            row = json.loads(line)
            yield str(row["law_name"]), str(row["article_no"]), str(row["status"])
        except (ValueError, KeyError, TypeError) as error:
            raise EvaluationError(
                f"{path}:{line_no}: a row of the table of statutes needs law_name, article_no and "
                f"status, as in docs/metrics.md; {error!r}"
            ) from error


@cache
def _integer(numeral: str) -> int:
    import cn2an

    try:
        return int(cn2an.cn2an(numeral, "smart"))
    except ValueError:  # 十千: no number, and so no article of any law
        return -1
