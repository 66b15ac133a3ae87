"""The whole of cleaning for a batch of records: mend, protect personal data, measure, judge."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from tuneline.data.cleaning.config import (
    FAULT_DEFAULTS,
    MENDER_DEFAULTS,
    PERSONAL_DEFAULTS,
    CleaningConfig,
)
from tuneline.data.cleaning.faults import FAULTS, Fault, Subject
from tuneline.data.cleaning.menders import mend_record
from tuneline.data.cleaning.protection import protect
from tuneline.data.cleaning.texts import Draft, report_finding
from tuneline.data.drops import Drop, Finding, drop_record
from tuneline.language import identify_language
from tuneline.records import Record

log = logging.getLogger(__name__)

CountTokens = Callable[[Sequence[str]], Sequence[int]]
BATCH = 1024


class Cleaned(NamedTuple):
    """One record after cleaning."""

    record: Record
    """Mended and redacted; as it was judged, where it is dropped."""
    drop: Drop | None
    findings: tuple[Finding, ...]
    """At most one per rule, none where the record is dropped."""
    language: str
    """ISO 639-1 code, `zh+en` or `unknown`."""
    n_tokens: int | None
    """Tokens of the messages' contents; None where nothing counts them."""


def clean_records(
    records: Sequence[Record], config: CleaningConfig, count_tokens: CountTokens | None = None
) -> list[Cleaned]:
    """Clean each record by itself: one result for each, in the same order.

    Args:
        records: Records as they came through the door.
        config: What each rule does.
        count_tokens: Tokens in each of N texts, by the base model's tokenizer; gets the contents
            of up to 1,024 records at a time.
    """
    cleaned: list[Cleaned] = []
    for start in range(0, len(records), BATCH):
        cleaned += _clean_batch(records[start : start + BATCH], config, count_tokens)
    n_dropped = sum(result.drop is not None for result in cleaned)
    n_found = sum(bool(result.findings) for result in cleaned)
    counts = len(cleaned) - n_dropped, n_dropped, n_found
    log.debug("cleaning: kept=%d dropped=%d with_findings=%d", *counts)
    return cleaned


def _clean_batch(
    records: Sequence[Record], config: CleaningConfig, count_tokens: CountTokens | None
) -> list[Cleaned]:
    actions = {rule: config.action(rule) for rule in PERSONAL_DEFAULTS}
    menders = [rule for rule in MENDER_DEFAULTS if config.action(rule) == "mend"]
    drafts = [_mend_and_protect(record, menders, actions) for record in records]
    n_tokens = _count(drafts, count_tokens)
    faults = {r: config.action(r) for r in FAULT_DEFAULTS if config.action(r) != "off"}
    return [_judge(draft, n, faults, config) for draft, n in zip(drafts, n_tokens, strict=True)]


def _mend_and_protect(record: Record, menders: Sequence[str], actions: Mapping[str, str]) -> Draft:
    """Mend, then act on personal data; what was redacted reads otherwise and is mended again."""
    draft = protect(mend_record(record, menders), actions)
    if not any(finding.action == "redacted" for finding in draft.findings):
        return draft
    again = _mend_and_protect(draft.record, menders, actions)
    first = {finding.rule: finding for finding in (*again.findings, *draft.findings)}
    return again._replace(findings=tuple(first.values()))


def _count(drafts: Sequence[Draft], count_tokens: CountTokens | None) -> Sequence[int | None]:
    if count_tokens is None:
        return [None] * len(drafts)
    return count_tokens(["\n".join(m.content for m in d.record.messages) for d in drafts])


def _judge(
    draft: Draft, n_tokens: int | None, faults: dict[str, str], config: CleaningConfig
) -> Cleaned:
    record, language = draft.record, identify_language(draft.record)
    if draft.drop is not None:
        return Cleaned(record, draft.drop, (), language, n_tokens)
    subject, findings = Subject(record, language, n_tokens), list(draft.findings)
    for rule, action in faults.items():
        if fault := FAULTS[rule](subject, config):
            if action == "drop":
                drop = drop_record(record, "cleaning", rule, fault.detail)
                return Cleaned(record, drop, (), language, n_tokens)
            findings.append(_report(record, rule, fault))
    return Cleaned(record, None, tuple(findings), language, n_tokens)


def _report(record: Record, rule: str, fault: Fault) -> Finding:
    return report_finding(record, rule, fault.text or fault.detail, fault.at)
