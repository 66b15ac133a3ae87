"""Formats of two texts, a prompt and an answer, and what may stand around them."""

from typing import Any, NamedTuple

from tuneline.data.reading.config import SourceConfig
from tuneline.data.reading.parsed import Parsed
from tuneline.data.reading.rows import BadRowError, expect
from tuneline.data.reading.turns import Fields, check_conversation, from_json, read_turns
from tuneline.records import Message


class TextFormat(NamedTuple):
    """Which columns make the prompt and which is the answer."""

    prompt: str
    """Column that must be filled."""
    answer: str
    before: tuple[str, ...] = ()
    """Columns that stand before the prompt where they are filled, each on lines of its own."""
    after: tuple[str, ...] = ()
    """Columns that follow it."""


TEXT_FORMATS = {
    "alpaca": TextFormat("instruction", "output", after=("input",)),
    "prompt_completion": TextFormat("prompt", "completion"),
    "prompt_response": TextFormat("prompt", "response"),
    "instruction_response": TextFormat("instruction", "response", after=("input", "context")),
    "query_response": TextFormat("query", "response", before=("instruction", "context")),
    "question_answer": TextFormat("question", "answer", before=("instruction", "context")),
}


def read_texts(row: Fields, layout: TextFormat, source: SourceConfig) -> Parsed:
    """Prompt and answer, each text or a list of turns; optional system and history."""
    if isinstance(row.get(layout.prompt), list) or isinstance(row.get(layout.answer), list):
        sides = [_side(row, key, source) for key in (layout.prompt, layout.answer)]
        return Parsed(check_conversation([*system_turn(row), *sides[0], *sides[1]]))
    prompt = prompt_text(row, layout)
    answer = required_text(row, layout.answer, "missing_answer")
    last = (Message("user", prompt), Message("assistant", answer))
    if row.get("history") or row.get("system"):
        return Parsed(check_conversation([*system_turn(row), *history_turns(row), *last]))
    return Parsed(last)


def prompt_text(row: Fields, layout: TextFormat) -> str:
    """The prompt with the columns around it."""
    prompt = required_text(row, layout.prompt, "missing_prompt")
    for key in reversed(layout.before):
        if text := optional_text(row, key):
            prompt = f"{text}\n{prompt}"
    for key in layout.after:
        if text := optional_text(row, key):
            prompt = f"{prompt}\n{text}"
    return prompt


def system_turn(row: Fields) -> list[Message]:
    """The system message of a row, if it has one."""
    text = optional_text(row, "system")
    return [Message("system", text)] if text else []


def history_turns(row: Fields) -> list[Message]:
    """Rounds before the prompt: `history` of [prompt, answer]."""
    history = expect(from_json(row.get("history") or []), list, "'history'")
    return [message for pair in history for message in _pair(pair)]


def required_text(row: Fields, key: str, reason: str) -> str:
    """A text that is there, or BadRowError with the reason."""
    text = row.get(key)
    if isinstance(text, str) and text and not text.isspace():
        return text
    expect("" if text is None else text, str, repr(key))
    raise BadRowError(reason, f"{key!r} is empty; every record needs a prompt and an answer")


def optional_text(row: Fields, key: str) -> str:
    """A text, empty where it is missing or only spaces."""
    text = row.get(key)
    if not text:
        return ""
    if not isinstance(text, str):
        expect(text, str, repr(key))
    return "" if text.isspace() else text


def _side(row: Fields, key: str, source: SourceConfig) -> list[Message]:
    if isinstance(row.get(key), list):
        return read_turns(row[key], repr(key), source)
    return [Message("user", required_text(row, key, "missing_prompt"))]


def _pair(pair: Any) -> tuple[Message, Message]:
    texts = expect(pair, list, "a turn of 'history'")
    if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
        raise BadRowError("wrong_type", "a turn of 'history' is not a pair of texts")
    return Message("user", texts[0]), Message("assistant", texts[1])
