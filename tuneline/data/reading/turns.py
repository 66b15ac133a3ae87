"""Turns of a conversation in any spelling to messages, and the order that they must have."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from tuneline.data.drops import as_text
from tuneline.data.reading.config import RoleName, SourceConfig
from tuneline.data.reading.rows import BadRowError, expect
from tuneline.records import Message, Role

Fields = Mapping[str, Any]

ROLES: dict[str, RoleName] = {
    "human": "user",
    "user": "user",
    "gpt": "assistant",
    "assistant": "assistant",
    "model": "assistant",
    "system": "system",
    "developer": "system",
    "function_call": "function_call",
    "tool_call": "function_call",
    "observation": "tool",
    "tool": "tool",
    "function": "tool",
    "function_response": "tool",
    "tool_response": "tool",
}

AFTER: dict[Role | None, set[Role]] = {
    None: {"system", "user"},
    "system": {"user"},
    "user": {"assistant"},
    "assistant": {"user", "tool"},
    "tool": {"tool", "assistant"},
}
"""Role of a turn -> roles that the next one may have."""


def read_turns(value: Any, what: str, source: SourceConfig) -> list[Message]:
    """Messages of a list of turns, which in a table is JSON text; empty system turns are none."""
    turns = [read_turn(turn, source) for turn in expect(from_json(value), list, what)]
    return [turn for turn in turns if turn.role != "system" or turn.content.strip()]


def read_turn(turn: Any, source: SourceConfig) -> Message:
    """One message of `{role, content}` or `{from, value}`."""
    fields = expect(turn, dict, "a turn")
    role_key = _key(fields, source, "role", "from")
    content_keys = ("value", "content") if role_key == "from" else ("content", "value")
    content_key = _key(fields, source, *content_keys)
    role = role_of(fields.get(role_key), role_key, source)
    text = content_text(fields.get(content_key), fields, content_key)
    if role == "function_call":
        return Message("assistant", call_text(_call(text, content_key)))
    return Message(role, text)


def role_of(name: Any, key: str, source: SourceConfig) -> RoleName:
    """The role that a file's name of it stands for."""
    roles = {**ROLES, **source.roles} if source.roles else ROLES
    if isinstance(name, str) and name in roles:
        return roles[name]
    known = ", ".join(roles)
    detail = f"{key!r} is {name!r}; understood: {known}; name others under the source's 'roles'"
    raise BadRowError("unknown_role", detail)


def content_text(content: Any, turn: Fields, key: str) -> str:
    """Text of a turn: plain, in parts, and the tool calls that come with it."""
    calls = turn.get("tool_calls") or ([turn["function_call"]] if turn.get("function_call") else [])
    if content is None and calls:
        content = ""
    if isinstance(content, list):
        content = "".join(_part_text(part) for part in content).strip()
    text: str = expect(content, str, f"{key!r} of a turn")
    if not calls:
        return text
    texts = [call_text(_openai_call(call)) for call in expect(calls, list, "'tool_calls'")]
    return "\n".join([text, *texts] if text else texts)


def call_text(call: Any) -> str:
    """One tool call, or several, as chat templates of today write them."""
    calls = call if isinstance(call, list) else [call]
    texts = [one if isinstance(one, str) else _json_text(one) for one in calls]
    return "\n".join(f"<tool_call>\n{text}\n</tool_call>" for text in texts)


def _json_text(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=as_text)


def from_json(value: Any) -> Any:
    """The list or object that a text spells; anything else as it is."""
    if not isinstance(value, str) or value[:1] not in {"[", "{"}:
        return value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return value


def check_conversation(messages: Sequence[Message]) -> tuple[Message, ...]:
    """Return the messages if they end with an answer and are in order, else raise BadRowError."""
    if not messages or messages[-1].role != "assistant":
        detail = "the last turn is not the assistant's answer; add it or cut the turns after it"
        raise BadRowError("missing_answer", detail)
    if not messages[-1].content.strip():
        raise BadRowError("missing_answer", "the answer is empty; every record needs one")
    if not any(message.role == "user" for message in messages):
        raise BadRowError("missing_prompt", "no user turn comes before the answer")
    last: Role | None = None
    for number, message in enumerate(messages, 1):
        if message.role not in AFTER[last]:
            raise _out_of_order(number, message.role, last)
        if message.role != "tool" and not message.content.strip():
            raise BadRowError("missing_prompt", f"turn {number}, before the answer, is empty")
        last = message.role
    return tuple(messages)


def _out_of_order(number: int, role: Role, last: Role | None) -> BadRowError:
    allowed = " or ".join(sorted(AFTER[last]))
    place = f"comes after {last}" if last else "is the first"
    detail = f"turn {number} is {role} and {place}, where {allowed} is in order; reorder the turns"
    return BadRowError("roles_out_of_order", detail)


def _key(turn: Fields, source: SourceConfig, *names: str) -> str:
    """Key of a turn's role or content: the one the source names, or the one the turn has."""
    named = next((source.columns[name] for name in names if source.columns.get(name)), None)
    return named or next((name for name in names if name in turn), names[0])


def _part_text(part: Any) -> str:
    fields = expect(part, dict, "a part of a content")
    kind, text = fields.get("type"), fields.get("text", fields.get("value"))
    if not isinstance(kind, str) or kind not in PARTS:
        known = ", ".join(PARTS)
        detail = f"a part of a content is of type {kind!r}; only text can be trained on ({known})"
        raise BadRowError("not_text", detail)
    return PARTS[kind].format(expect(text, str, f"a part of type {kind!r}"))


PARTS = {
    "text": "{}",
    "reasoning": "<think>\n{}\n</think>\n\n",
    "tool_call": "<tool_call>\n{}\n</tool_call>\n",
}
"""Type of a content's part -> how its text is written."""


def _call(text: str, key: str) -> Any:
    """The calls in a function turn: text of one object stays as it is written."""
    call = from_json(text.strip())
    if isinstance(call, dict) and "name" in call:
        return text.strip()
    if isinstance(call, list) and call and all(isinstance(one, dict) for one in call):
        return call
    detail = f"{key!r} of a function turn is no JSON object with 'name' and 'arguments'"
    raise BadRowError("wrong_type", detail)


def _openai_call(call: Any) -> dict[str, Any]:
    fields = expect(call, dict, "a tool call")
    function = expect(fields.get("function", fields), dict, "'function' of a tool call")
    name = expect(function.get("name"), str, "'name' of a tool call")
    return {"name": name, "arguments": from_json(function.get("arguments"))}
