"""One row of every input format to messages.

To add a format: one function, one line in `FORMATS` with the keys that give it away, and its name
in `FormatName`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from tuneline.data.reading.config import SourceConfig, template_columns
from tuneline.data.reading.pairs import is_label, label_of, read_preference
from tuneline.data.reading.parsed import Parsed
from tuneline.data.reading.rows import BadRowError, expect
from tuneline.data.reading.texts import TEXT_FORMATS, TextFormat, read_texts, system_turn
from tuneline.data.reading.turns import Fields, check_conversation, from_json, read_turns
from tuneline.records import Message

Read = Callable[[Fields, SourceConfig], Parsed]


class Format(NamedTuple):
    """A layout of rows."""

    read: Read
    keys: tuple[frozenset[str], ...]
    """A row that has all keys of one of these sets may be of this format."""
    accepts: Callable[[Fields], bool] = lambda row: True
    """A look at the values, where keys alone say too little."""


def sharegpt(row: Fields, source: SourceConfig) -> Parsed:
    """`conversations` of {from, value}; optional system and tools."""
    return _turns_of(row, "conversations", source)


def openai_messages(row: Fields, source: SourceConfig) -> Parsed:
    """`messages` of {role, content}, contents as text or in parts; optional tools."""
    return _turns_of(row, "messages", source)


def conversation(row: Fields, source: SourceConfig) -> Parsed:
    """`conversation` of {system, input, output} rounds, or of turns."""
    rounds = expect(from_json(row.get("conversation")), list, "'conversation'")
    if not any(isinstance(one, dict) and "output" in one for one in rounds):
        return _turns_of(row, "conversation", source)
    messages = system_turn(row)
    for one in rounds:
        fields = expect(one, dict, "a round of 'conversation'")
        messages += [*system_turn(fields), *_round(fields)]
    return Parsed(check_conversation(messages))


def columns(row: Fields, source: SourceConfig) -> Parsed:
    """Any table: the source's template makes the prompt, its first filled column the answer."""
    template = source.prompt or ""
    values = {name: _cell(row, name) for name in template_columns(template)}
    if missing := [name for name in values if name not in row]:
        detail = f"no column {', '.join(missing)}, which the prompt template names"
        raise BadRowError("missing_prompt", detail)
    if not any(value.strip() for value in values.values()):
        raise BadRowError("missing_prompt", f"column {', '.join(values)} is empty")
    answers = (_cell(row, name) for name in source.answer)
    answer = next((text for text in answers if text.strip()), None)
    if answer is None:
        detail = f"no answer in column {', '.join(source.answer)}; fill one of them"
        raise BadRowError("missing_answer", detail)
    turns = (Message("user", template.format_map(values)), Message("assistant", answer))
    return Parsed(turns)


def preference(row: Fields, source: SourceConfig) -> Parsed:
    """`chosen` and `rejected` answers to one prompt; the chosen one is the reference."""
    return read_preference(row, source)


def kto(row: Fields, source: SourceConfig) -> Parsed:
    """A conversation or two texts in any format, with a boolean `label` or `kto_tag`."""
    base = next((name for name in KTO_BASES if _fits(FORMATS[name], row)), None)
    if base is None:
        raise BadRowError("missing_prompt", "no conversation stands beside the label")
    parsed = FORMATS[base].read(row, source)
    return parsed._replace(is_desirable=label_of(row))


def detect(row: Any) -> str | None:
    """Name of the first format that the row's filled columns fit, or all of its columns."""
    if not isinstance(row, dict):
        return None
    filled = {key: value for key, value in row.items() if value is not None}
    found = (name for fields in (filled, row) for name in FORMATS if _fits(FORMATS[name], fields))
    return next(found, None)


def _fits(layout: Format, row: Fields) -> bool:
    return any(keys <= row.keys() for keys in layout.keys) and layout.accepts(row)


def _turns_of(row: Fields, key: str, source: SourceConfig) -> Parsed:
    turns = read_turns(row.get(key), repr(key), source)
    system = system_turn(row)
    if system and turns and turns[0] != system[0]:
        turns = [*system, *turns]
    return Parsed(check_conversation(turns))


def _round(fields: Fields) -> tuple[Message, Message]:
    texts = [expect(fields.get(key), str, f"{key!r} of a round") for key in ("input", "output")]
    return Message("user", texts[0]), Message("assistant", texts[1])


def _cell(row: Fields, key: str) -> str:
    value = "" if row.get(key) is None else row[key]
    if not isinstance(value, str | int | float):
        raise BadRowError("wrong_type", f"column {key!r} is {type(value).__name__}, not text")
    return str(value)


def _text_reader(layout: TextFormat) -> Read:
    return lambda row, source: read_texts(row, layout, source)


def _keys(*names: str) -> frozenset[str]:
    return frozenset(names)


_TEXTS = {
    name: Format(_text_reader(layout), (_keys(layout.prompt, layout.answer),))
    for name, layout in TEXT_FORMATS.items()
}
_TURNS = {
    "messages": Format(openai_messages, (_keys("messages"),)),
    "sharegpt": Format(sharegpt, (_keys("conversations"),)),
    "conversation": Format(conversation, (_keys("conversation"),)),
}
KTO_BASES = (*_TURNS, *_TEXTS)

FORMATS: dict[str, Format] = {
    "preference": Format(
        preference, (_keys("chosen", "rejected"), _keys("chosen_messages", "rejected_messages"))
    ),
    "kto": Format(
        kto,
        tuple(
            keys | {label}
            for layout in (*_TURNS.values(), *_TEXTS.values())
            for keys in layout.keys
            for label in ("label", "kto_tag")
        ),
        is_label,
    ),
    **_TURNS,
    **_TEXTS,
    "columns": Format(columns, ()),
}
"""Name -> format; the first one that a row fits is its format."""
