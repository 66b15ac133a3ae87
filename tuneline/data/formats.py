"""One row of every input format to messages.

To add a format: one function, one line in `FORMATS`, and in `KEYS` the keys that give it away.
"""

from collections.abc import Callable, Mapping
from typing import Any

from tuneline.data.config import SourceConfig, template_columns
from tuneline.records import Message, Role

Fields = Mapping[str, Any]
Messages = tuple[Message, ...]

ROLES: dict[str, Role] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "system": "system",
}


class BadRowError(Exception):
    """A row that is valid JSON and still no record; it is quarantined, the run goes on."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


def check_conversation(messages: Messages) -> Messages:
    """Return the messages if they end with an answer to some user turn, else raise BadRowError."""
    if not messages or messages[-1].role != "assistant":
        raise BadRowError("missing_answer", "the last turn is not the assistant's answer")
    if not messages[-1].content.strip():
        raise BadRowError("missing_answer", "the answer is empty; every record needs one")
    if not any(message.role == "user" for message in messages[:-1]):
        raise BadRowError("missing_prompt", "no user turn comes before the answer")
    if not all(message.content.strip() for message in messages[:-1]):
        raise BadRowError("missing_prompt", "a turn before the answer is empty")
    return messages


def alpaca(row: Fields, source: SourceConfig) -> Messages:
    """Instruction, optional input, output; optional system and history of [prompt, answer]."""
    history = expect(row.get("history") or [], list, "'history'")
    turns = [_pair(pair) for pair in history]
    extra = _text(row, "input", required=False)
    prompt = _text(row, "instruction") + (f"\n{extra}" if extra else "")
    answer = _text(row, "output", reason="missing_answer")
    last = (Message("user", prompt), Message("assistant", answer))
    return (*_system(row), *(message for turn in turns for message in turn), *last)


def sharegpt(row: Fields, source: SourceConfig) -> Messages:
    """`conversations` of {from, value}; optional system."""
    turns = expect(row.get("conversations"), list, "'conversations'")
    return (*_system(row), *(_turn(turn, "from", "value") for turn in turns))


def openai_messages(row: Fields, source: SourceConfig) -> Messages:
    """`messages` of {role, content}, contents as text."""
    turns = expect(row.get("messages"), list, "'messages'")
    return tuple(_turn(turn, "role", "content") for turn in turns)


def columns(row: Fields, source: SourceConfig) -> Messages:
    """Any table: the source's template makes the prompt, its first filled column the answer."""
    template = source.prompt or ""
    values = {name: _cell(row, name) for name in template_columns(template)}
    if missing := [name for name in values if name not in row]:
        detail = f"no column {', '.join(missing)}, which the prompt template names"
        raise BadRowError("missing_prompt", detail)
    if not any(value.strip() for value in values.values()):
        raise BadRowError("missing_prompt", f"column {', '.join(values)} is empty")
    answers = [_cell(row, name) for name in source.answer]
    answer = next((text for text in answers if text.strip()), None)
    if answer is None:
        detail = f"no answer in column {', '.join(source.answer)}; fill one of them"
        raise BadRowError("missing_answer", detail)
    return (Message("user", template.format_map(values)), Message("assistant", answer))


FORMATS: dict[str, Callable[[Fields, SourceConfig], Messages]] = {
    "alpaca": alpaca,
    "sharegpt": sharegpt,
    "messages": openai_messages,
    "columns": columns,
}

KEYS: dict[str, set[str]] = {
    "messages": {"messages"},
    "sharegpt": {"conversations"},
    "alpaca": {"instruction", "output"},
}


def _turn(turn: Any, role_key: str, text_key: str) -> Message:
    fields = expect(turn, dict, "a turn")
    role = fields.get(role_key)
    if not isinstance(role, str) or role not in ROLES:
        known = ", ".join(ROLES)
        raise BadRowError("unknown_role", f"{role_key!r} is {role!r}; understood: {known}")
    return Message(ROLES[role], expect(fields.get(text_key), str, f"{text_key!r} of a turn"))


def _pair(pair: Any) -> tuple[Message, Message]:
    texts = expect(pair, list, "a turn of 'history'")
    if len(texts) != 2 or not all(isinstance(text, str) for text in texts):
        raise BadRowError("wrong_type", "a turn of 'history' is not a pair of texts")
    return Message("user", texts[0]), Message("assistant", texts[1])


def _system(row: Fields) -> Messages:
    text = _text(row, "system", required=False)
    return (Message("system", text),) if text else ()


def _text(row: Fields, key: str, *, required: bool = True, reason: str = "missing_prompt") -> str:
    text = expect("" if row.get(key) is None else row[key], str, repr(key))
    if required and not text.strip():
        raise BadRowError(reason, f"{key!r} is empty; every record needs a prompt and an answer")
    return text if text.strip() else ""


def _cell(row: Fields, key: str) -> str:
    value = "" if row.get(key) is None else row[key]
    if not isinstance(value, str | int | float):
        raise BadRowError("wrong_type", f"column {key!r} is {type(value).__name__}, not text")
    return str(value)


def expect(value: Any, kind: type, what: str) -> Any:
    """Return the value if it is of a JSON kind, else raise BadRowError with its name in words."""
    if not isinstance(value, kind):
        words: dict[type, str] = {dict: "an object", list: "a list", str: "text"}
        detail = f"{what} is {type(value).__name__}, not {words[kind]}"
        raise BadRowError("wrong_type", detail)
    return value
