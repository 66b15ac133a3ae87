"""Text to words, for English, Chinese and a mixture of both."""

import re
from functools import lru_cache
from itertools import chain

NAME = "words as rouge_score cuts them, Chinese by rjieba"
"""How reports name this tokenizer."""
HAN = r"\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
"""Chinese characters, as ranges of a regular expression's class."""

_HAN = re.compile(f"[{HAN}]")
_RUN = re.compile(f"[{HAN}]+|[a-z0-9]+")

Line = tuple[str, ...]
"""The words of one line."""


def words(text: str) -> Line:
    """Lower-case words without punctuation.

    Runs of Latin letters and digits, as `rouge_score` cuts them; Chinese runs are cut into words
    by jieba. The default tokenizer of `rouge_score` drops every Chinese character.
    """
    return tuple(chain.from_iterable(word_lines(text)))


@lru_cache(4096)  # all metrics of a portion of pairs read the same words
def word_lines(text: str) -> tuple[Line, ...]:
    """The words of every line that is not empty, as `rouge_score` splits a text for ROUGE-Lsum."""
    return tuple(_words(line) for line in text.lower().split("\n") if line)


def _words(lower: str) -> Line:
    found: list[str] = []
    for run in _RUN.findall(lower):
        if run.isascii():
            found.append(run)
        else:
            found.extend(_chinese_words(run))
    return tuple(found)


def has_chinese(text: str) -> bool:
    """Whether a text has at least one Chinese character."""
    return not text.isascii() and _HAN.search(text) is not None


def _chinese_words(text: str) -> list[str]:
    import rjieba

    cut: list[str] = rjieba.cut(text)
    return cut
