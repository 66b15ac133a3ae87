"""What a profile does about personal data in a record: redact, drop, report or nothing."""

import dataclasses
from collections.abc import Mapping

from tuneline.data.cleaning.masking import redact_tools, tool_texts
from tuneline.data.cleaning.personal_data import find_personal_data, redact
from tuneline.data.cleaning.texts import (
    Draft,
    change_finding,
    excerpt,
    report_finding,
    texts_of,
    with_texts,
)
from tuneline.data.drops import Drop, Finding
from tuneline.records import Record


def protect(draft: Draft, actions: Mapping[str, str]) -> Draft:
    """Find personal data in every text and in the tools and act on it; a drop goes first."""
    texts = texts_of(draft.record)
    first = _first_places([*texts, *tool_texts(draft.record.tools)], actions)
    if not first:
        return draft
    for rule, (text, at) in first.items():
        if actions[rule] == "drop":
            return draft._replace(drop=_drop(draft.record, rule, text, at))
    return _redact_and_report(draft, texts, first, actions)


def _first_places(texts: list[str], actions: Mapping[str, str]) -> dict[str, tuple[str, int]]:
    """Rule -> first text that holds such data, and the offset in it."""
    places: dict[str, tuple[str, int]] = {}
    for text in texts:
        for span in find_personal_data(text):
            if actions[span.rule] != "off":
                places.setdefault(span.rule, (text, span.start))
    return places


def _redact_and_report(
    draft: Draft,
    texts: list[str],
    first: Mapping[str, tuple[str, int]],
    actions: Mapping[str, str],
) -> Draft:
    record, findings = draft.record, list[Finding]()
    for rule, (text, at) in first.items():
        if actions[rule] == "report":
            findings.append(report_finding(record, rule, text, at))
        else:
            findings.append(change_finding(record, rule, "redacted", text, redact(text, [rule])))
    redacted = [rule for rule in first if actions[rule] == "redact"]
    safe = _redact(record, texts, redacted) if redacted else record
    return Draft(safe, (*draft.findings, *findings))


def _redact(record: Record, texts: list[str], rules: list[str]) -> Record:
    safe = with_texts(record, [redact(text, rules) for text in texts])
    tools = None if record.tools is None else redact_tools(record.tools, rules)
    return dataclasses.replace(safe, tools=tools)


def _drop(record: Record, rule: str, text: str, at: int) -> Drop:
    """The drop with nothing of the record but its digest and a masked excerpt."""
    row = {"digest": record.digest, "excerpt": excerpt(text, at)}
    return Drop(record.source, record.place, "cleaning", rule, f"the record holds {rule}", row)
