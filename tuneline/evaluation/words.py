"""Text to words, for English, Chinese and a mixture of both."""

import re

NAME = "rouge_score words + rjieba"
"""How reports name this tokenizer."""

HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+")
_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]+|[a-z0-9]+")


def words(text: str) -> list[str]:
    """Lower-case words without punctuation.

    Runs of Latin letters and digits, as `rouge_score` cuts them; Chinese runs are cut into words
    by jieba. The default tokenizer of `rouge_score` drops every Chinese character.
    """
    found: list[str] = []
    for run in _RUN.findall(text.lower()):
        found.extend(_chinese_words(run) if HAN.match(run) else [run])
    return found


def has_chinese(text: str) -> bool:
    """Whether a text has at least one Chinese character."""
    return HAN.search(text) is not None


def _chinese_words(text: str) -> list[str]:
    import rjieba

    cut: list[str] = rjieba.cut(text)
    return cut
