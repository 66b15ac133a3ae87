"""Rules that judge a mended record as a whole; the first that finds a fault drops it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from tuneline.data.cleaning.mojibake import REPLACEMENT, find_mojibake
from tuneline.data.cleaning.placeholders import find_blank_field, find_placeholder
from tuneline.data.cleaning.refusals import find_ai_disclaimer, find_refusal
from tuneline.data.cleaning.repetition import find_repetition
from tuneline.records import Record, comparison_text

if TYPE_CHECKING:
    from tuneline.data.cleaning.config import CleaningConfig

MIN_LANGUAGE_CHARS = 10


@dataclass(frozen=True, slots=True)
class Subject:
    """A mended record and what was measured on it."""

    record: Record
    language: str
    n_tokens: int | None


class Fault(NamedTuple):
    """What is wrong with a record, and where it shows."""

    detail: str
    text: str
    at: int = 0


Rule = Callable[[Subject, "CleaningConfig"], Fault | None]


def undesirable_answer(subject: Subject, config: "CleaningConfig") -> Fault | None:
    """A KTO answer that people do not want is not to be imitated."""
    record = subject.record
    if record.is_desirable is not False:
        return None
    return Fault("the answer is labelled as one that people do not want", record.reference)


def empty_prompt(subject: Subject, config: "CleaningConfig") -> Fault | None:
    """A turn before the answer has nothing to read."""
    is_empty = any(not message.content for message in subject.record.prompt)
    return Fault("a turn before the answer has no visible text", "") if is_empty else None


def empty_answer(subject: Subject, config: "CleaningConfig") -> Fault | None:
    """The answer is shorter than min_answer_chars."""
    answer, least = subject.record.reference, config.min_answer_chars
    detail = f"the answer has {len(answer)} characters, min_answer_chars is {least}"
    return Fault(detail, answer) if len(answer) < least else None


def too_long(subject: Subject, config: "CleaningConfig") -> Fault | None:
    """The messages together are longer than max_chars."""
    n = sum(len(message.content) for message in subject.record.messages)
    detail = f"the record has {n} characters, max_chars is {config.max_chars}"
    return Fault(detail, subject.record.reference) if n > config.max_chars else None


def too_many_tokens(subject: Subject, config: "CleaningConfig") -> Fault | None:
    """Training would have to cut the record."""
    n, most = subject.n_tokens, config.max_tokens
    if n is None or most is None or n <= most:
        return None
    return Fault(f"the record has {n} tokens, max_tokens is {most}", subject.record.reference)


def broken_encoding(subject: Subject, config: "CleaningConfig") -> Fault | None:
    """Characters were lost or decoded wrongly: once in an answer, or three times in all."""
    for message in subject.record.messages:
        if (at := find_mojibake(message.content)) is not None:
            return Fault("text was decoded by the wrong encoding", message.content, at)
    if not any(REPLACEMENT in message.content for message in subject.record.messages):
        return None
    answer, prompt = subject.record.reference, subject.record.prompt_text
    n_lost = answer.count(REPLACEMENT) + prompt.count(REPLACEMENT)
    if REPLACEMENT not in answer and n_lost < 3:
        return None
    text = answer if REPLACEMENT in answer else prompt
    return Fault(f"{n_lost} characters were lost (U+FFFD)", text, text.index(REPLACEMENT))


def answer_equals_prompt(subject: Subject, config: "CleaningConfig") -> Fault | None:
    """The answer reads as the last turn before it."""
    question, answer = subject.record.prompt[-1].content, subject.record.reference
    return Fault("the answer repeats the prompt", answer) if _same(question, answer) else None


def answer_equals_rejected(subject: Subject, config: "CleaningConfig") -> Fault | None:
    """Both answers of a preference pair read the same."""
    answer, rejected = subject.record.reference, subject.record.rejected
    if rejected is None or not _same(rejected, answer):
        return None
    return Fault("the preferred and the rejected answer are the same", answer)


def language(subject: Subject, config: "CleaningConfig") -> Fault | None:
    """None of the record's languages is among `languages`; unknown and short ones stay."""
    known, record = subject.language, subject.record
    if not config.languages or known == "unknown" or set(known.split("+")) & {*config.languages}:
        return None
    if len(record.prompt_text) + len(record.reference) < MIN_LANGUAGE_CHARS:
        return None
    allowed = ", ".join(config.languages)
    return Fault(f"the language is {known}, languages are {allowed}", record.reference)


def _same(one: str, other: str) -> bool:
    """Whether texts are equal as compared; the lengths tell most texts apart at no cost."""
    if len(one) > 4 * len(other) + 64 or len(other) > 4 * len(one) + 64:
        return False
    return comparison_text(one) == comparison_text(other)


def _in_answer(find: Callable[[Record], tuple[str, int] | None]) -> Rule:
    def rule(subject: Subject, config: "CleaningConfig") -> Fault | None:
        found = find(subject.record)
        return found and Fault(found[0], subject.record.reference, found[1])

    return rule


FAULTS: dict[str, Rule] = {
    "undesirable_answer": undesirable_answer,
    "empty_prompt": empty_prompt,
    "empty_answer": empty_answer,
    "too_long": too_long,
    "too_many_tokens": too_many_tokens,
    "broken_encoding": broken_encoding,
    "answer_equals_prompt": answer_equals_prompt,
    "answer_equals_rejected": answer_equals_rejected,
    "unfilled_placeholder": _in_answer(find_placeholder),
    "blank_field": _in_answer(find_blank_field),
    "repetition": _in_answer(find_repetition),
    "refusal": _in_answer(find_refusal),
    "ai_disclaimer": _in_answer(find_ai_disclaimer),
    "language": language,
}
"""Rule -> what is wrong, or None."""
