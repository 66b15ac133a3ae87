"""Side files hold any row that reading refuses."""

import json

import pytest

from tuneline.data.drops import MAX_DEPTH, Drop, drop_record, is_deep, json_line
from tuneline.records import Message, Record


def stored(row):
    line = json_line(Drop("s", "f:1", "formats", "wrong_type", "detail", row))
    assert line.endswith(b"\n")
    return json.loads(line)["row"]


def nested(depth):
    row = "x"
    for _ in range(depth):
        row = [row]
    return row


def test_a_row_of_json_is_stored_as_it_is():
    row = {"a": ["合同", 1, 0.5, None, True, {"b": "\ud800"}], "deep": nested(MAX_DEPTH - 2)}
    assert stored(row) == row


@pytest.mark.parametrize("depth", [MAX_DEPTH, 900, 100_000])
def test_a_row_that_nests_deep_is_stored_in_short(depth):
    assert is_deep(nested(depth))
    assert not is_deep(nested(MAX_DEPTH - 1))
    assert stored({"output": "", "deep": nested(depth)}).startswith("{'deep': [[[[")


@pytest.mark.parametrize(
    ("row", "shown"),
    [
        ({"n": 10**5000}, "{'n': <16610 bits>}"),
        ({b"key": 1}, "{b'key': 1}"),
        ({("a", 1): "x" * 900}, "{('a', 1): 'xxx"),
    ],
)
def test_a_row_that_json_cannot_hold_is_stored_in_short(row, shown):
    assert stored(row).startswith(shown)


def test_a_bad_row_that_nests_deep_is_read_and_stored(read_file, write):
    text = '{"instruction": "Q", "output": "A"}\n'
    bad = '{"instruction": "Q", "x": ' + "[" * 900 + "]" * 900 + "}\n"
    (record,), (drop,), _ = read_file(write(text + bad))
    assert (record.line, drop.reason) == (1, "missing_answer")
    assert isinstance(stored(drop.row), str)


def test_a_dropped_record_keeps_all_that_it_says():
    messages = (Message("user", "Q"), Message("assistant", "A"))
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    plain = Record(messages, "s", "f", 1)
    kept = {"digest": plain.digest, "group": None, "messages": turns}
    assert drop_record(plain, "cleaning", "refusal", "").row == kept
    whole = Record(messages, "s", "f", 1, tools="[1]", rejected="B", is_desirable=False)
    row = drop_record(whole, "cleaning", "refusal", "").row
    assert row == kept | {
        "digest": whole.digest,
        "tools": "[1]",
        "rejected": "B",
        "is_desirable": False,
    }
