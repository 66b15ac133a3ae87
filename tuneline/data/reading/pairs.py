"""Preferences between two answers, and labels of one: what DPO and KTO train on."""

from typing import Any

from tuneline.data.reading.config import SourceConfig
from tuneline.data.reading.parsed import Parsed
from tuneline.data.reading.rows import BadRowError
from tuneline.data.reading.texts import (
    TEXT_FORMATS,
    history_turns,
    optional_text,
    prompt_text,
    system_turn,
)
from tuneline.data.reading.turns import (
    Fields,
    check_conversation,
    from_json,
    read_turn,
    read_turns,
)
from tuneline.records import Message

LABELS = {"true": True, "false": False, "1": True, "0": False}
LABEL_KEYS = ("label", "kto_tag")


def read_preference(row: Fields, source: SourceConfig) -> Parsed:
    """Messages that end with the chosen answer, and the rejected one.

    An answer is a text, one turn, or a list of turns; a list may repeat the prompt.
    """
    chosen_key, rejected_key = ("chosen", "rejected")
    if row.get("chosen_messages") is not None:
        chosen_key, rejected_key = ("chosen_messages", "rejected_messages")
    prompt = _prompt(row, source)
    chosen = check_conversation(_with_prompt(prompt, _answer(row, chosen_key, source)))
    rejected = check_conversation(_with_prompt(prompt, _answer(row, rejected_key, source)))
    if chosen[:-1] != rejected[:-1]:
        detail = f"{chosen_key!r} and {rejected_key!r} answer different prompts; only the last turn"
        raise BadRowError("different_prompts", f"{detail} may differ")
    if chosen == rejected:
        detail = f"{chosen_key!r} and {rejected_key!r} are the same text; nothing is preferred"
        raise BadRowError("same_answers", detail)
    return Parsed(chosen, rejected=rejected[-1].content)


def is_label(row: Fields) -> bool:
    """Whether the row's label says yes or no; a number or a class name does not."""
    values = [row[key] for key in LABEL_KEYS if row.get(key) is not None]
    return any(isinstance(v, bool) or str(v).strip().lower() in {"true", "false"} for v in values)


def label_of(row: Fields) -> bool:
    """The label as a truth value; tables may write it as text or 1 and 0."""
    value = next((row[key] for key in LABEL_KEYS if row.get(key) is not None), None)
    word = str(value).strip().lower()
    if word not in LABELS:
        detail = f"the label is {value!r}, not true or false; say which answers are wanted"
        raise BadRowError("wrong_type", detail)
    return LABELS[word]


def _prompt(row: Fields, source: SourceConfig) -> list[Message]:
    """Turns before the answer, from whichever column holds them."""
    for key in ("conversations", "messages", "prompt"):
        value = from_json(row.get(key))
        if isinstance(value, list):
            return _with_system(row, read_turns(value, repr(key), source))
    for layout in TEXT_FORMATS.values():
        if optional_text(row, layout.prompt):
            prompt = Message("user", prompt_text(row, layout))
            return [*system_turn(row), *history_turns(row), prompt]
    return system_turn(row)


def _with_system(row: Fields, turns: list[Message]) -> list[Message]:
    return turns if turns[:1] == system_turn(row) else [*system_turn(row), *turns]


def _answer(row: Fields, key: str, source: SourceConfig) -> list[Message]:
    value = row.get(key)
    spelled = from_json(value)
    if isinstance(spelled, dict) and _is_turn(spelled):
        return [read_turn(spelled, source)]
    if isinstance(spelled, list) and (spelled is value or all(map(_is_turn, spelled))):
        return read_turns(spelled, repr(key), source)
    if isinstance(value, str) and value.strip():
        return [Message("assistant", value)]
    kind = "empty" if value is None or isinstance(value, str) else "neither text nor a turn"
    raise BadRowError("missing_answer", f"{key!r} is {kind}; a pair needs two answers")


def _is_turn(value: Any) -> bool:
    return isinstance(value, dict) and len(value.keys() & {"role", "from", "content", "value"}) == 2


def _with_prompt(prompt: list[Message], answer: list[Message]) -> list[Message]:
    """Prompt and answer; an answer that begins with a question holds its prompt itself."""
    has_prompt = bool(answer) and answer[0].role in {"system", "user"}
    return answer if has_prompt else [*prompt, *answer]
