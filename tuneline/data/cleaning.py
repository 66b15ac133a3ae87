"""Mend one record at a time, and drop it with a reason where mending cannot help."""

import dataclasses
import logging
import re
import unicodedata
from collections.abc import Callable, Sequence

from tuneline.data.config import CleaningConfig
from tuneline.data.drops import Drop, Sifted, drop_record
from tuneline.records import Message, Record, comparison_text

log = logging.getLogger(__name__)

# Zero-width joiner and non-joiner stay: emoji, Persian and Indic scripts are spelled with them.
INVISIBLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u200b\u2060\ufeff\ud800-\udfff]")
PLACEHOLDER = re.compile(r"\{\{\s*\w+\s*\}\}")


def clean(records: Sequence[Record], config: CleaningConfig) -> Sifted:
    """Mend every record, then drop those that break a rule; the first broken rule is named."""
    mended = [mend(record) for record in records]
    found = [(record, find_fault(record, config)) for record in mended]
    kept = [record for record, drop in found if drop is None]
    drops = [drop for _, drop in found if drop is not None]
    n_mended = sum(new != old for new, old in zip(mended, records, strict=True))
    log.info("cleaning: kept=%d dropped=%d mended=%d", len(kept), len(drops), n_mended)
    return Sifted(kept, drops)


def mend(record: Record) -> Record:
    """The record with every message's text mended."""
    messages = tuple(Message(m.role, mend_text(m.content)) for m in record.messages)
    return dataclasses.replace(record, messages=messages)


def mend_text(text: str) -> str:
    """NFC, Unix line ends, no control or zero-width characters, trimmed.

    Not NFKC: it turns Chinese punctuation into ASCII in most sentences.
    """
    for mend_once in MENDS.values():
        text = mend_once(text)
    return text


def find_fault(record: Record, config: CleaningConfig) -> Drop | None:
    """The drop for the first rule that the record breaks."""
    for reason, rule in RULES.items():
        if detail := rule(record, config):
            return drop_record(record, "cleaning", reason, detail)
    return None


def _unify_line_ends(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _strip_invisible(text: str) -> str:
    return INVISIBLE.sub("", text)


def _compose(text: str) -> str:
    return unicodedata.normalize("NFC", text)


MENDS: dict[str, Callable[[str], str]] = {
    "line_ends": _unify_line_ends,
    "invisible": _strip_invisible,
    "nfc": _compose,
    "trim": str.strip,
}


def _empty_prompt(record: Record, config: CleaningConfig) -> str | None:
    is_empty = any(not message.content for message in record.prompt)
    return "a turn before the answer has no visible text" if is_empty else None


def _empty_answer(record: Record, config: CleaningConfig) -> str | None:
    n, least = len(record.reference), config.min_answer_chars
    return f"the answer has {n} characters, min_answer_chars is {least}" if n < least else None


def _too_long(record: Record, config: CleaningConfig) -> str | None:
    n, most = sum(len(message.content) for message in record.messages), config.max_chars
    return f"the record has {n} characters, max_chars is {most}" if n > most else None


def _answer_equals_prompt(record: Record, config: CleaningConfig) -> str | None:
    question = comparison_text(record.prompt[-1].content)
    is_echo = comparison_text(record.reference) == question
    return "the answer repeats the prompt" if is_echo else None


def _unfilled_placeholder(record: Record, config: CleaningConfig) -> str | None:
    found = [PLACEHOLDER.search(message.content) for message in record.messages]
    first = next((match for match in found if match), None)
    return f"{first.group()} was never filled in" if first else None


RULES: dict[str, Callable[[Record, CleaningConfig], str | None]] = {
    "empty_prompt": _empty_prompt,
    "empty_answer": _empty_answer,
    "too_long": _too_long,
    "answer_equals_prompt": _answer_equals_prompt,
    "unfilled_placeholder": _unfilled_placeholder,
}
"""Reason -> rule: what is wrong in words, or None."""
