"""The texts of a record as a list, and what people are shown of a change in one of them."""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from tuneline.data.cleaning.personal_data import mask
from tuneline.data.drops import EXCERPT_CHARS, Drop, Finding, FindingAction
from tuneline.records import Message, Record

LEAD_CHARS = 50


class Draft(NamedTuple):
    """A record on its way through the steps, and what they did to it."""

    record: Record
    findings: tuple[Finding, ...] = ()
    drop: Drop | None = None


def texts_of(record: Record) -> list[str]:
    """Contents of the messages, then the rejected answer where there is one."""
    texts = [message.content for message in record.messages]
    return texts if record.rejected is None else [*texts, record.rejected]


def with_texts(record: Record, texts: Sequence[str]) -> Record:
    """The record with other texts, in the order of `texts_of`; its digest is taken anew."""
    pairs = zip(record.messages, texts, strict=False)
    messages = tuple(Message(message.role, text) for message, text in pairs)
    rejected = None if record.rejected is None else texts[-1]
    return dataclasses.replace(record, messages=messages, rejected=rejected)


def change_finding(
    record: Record, rule: str, action: FindingAction, before: str, after: str
) -> Finding:
    """The finding for a text that changed, shown around its first change."""
    at = first_difference(before, after)
    shown = excerpt(before, at), excerpt(after, at)
    return Finding(record.source, record.place, rule, action, *shown)


def report_finding(record: Record, rule: str, text: str, at: int) -> Finding:
    """The finding for a place in a text that a rule only saw."""
    return Finding(record.source, record.place, rule, "reported", excerpt(text, at), "")


def excerpt(text: str, at: int) -> str:
    """Text around an offset, personal data masked; lone surrogates as escapes, to be storable."""
    start = max(0, at - LEAD_CHARS)
    window = mask(text)[start : start + EXCERPT_CHARS]
    return window.encode(errors="backslashreplace").decode()[:EXCERPT_CHARS]


def first_difference(one: str, other: str) -> int:
    """Length of the common prefix, by bisection."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low
