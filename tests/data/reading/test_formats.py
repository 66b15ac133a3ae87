import json
from decimal import Decimal
from typing import get_args

import pytest

from tuneline.data.reading.config import FIELDS, FormatName
from tuneline.data.reading.formats import FORMATS
from tuneline.data.reading.record_reader import group_of
from tuneline.errors import DataError

CLAUSE, ASK = "No refunds.", "Is it fair?\nNo refunds."
HUMAN, GPT = {"from": "human", "value": ASK}, {"from": "gpt", "value": "No"}
USER, ASSISTANT = {"role": "user", "content": ASK}, {"role": "assistant", "content": "No"}
GOOD_ROWS = {
    "alpaca": {"instruction": "Is it fair?", "input": CLAUSE, "output": "No"},
    "sharegpt": {"conversations": [HUMAN, GPT]},
    "messages": {"messages": [USER, ASSISTANT]},
    "conversation": {"conversation": [{"system": "", "input": ASK, "output": "No"}]},
    "prompt_completion": {"prompt": ASK, "completion": "No"},
    "prompt_response": {"prompt": ASK, "response": "No"},
    "instruction_response": {"instruction": "Is it fair?", "context": CLAUSE, "response": "No"},
    "query_response": {"query": ASK, "response": "No"},
    "question_answer": {"instruction": "Is it fair?", "question": CLAUSE, "answer": "No"},
    "preference": {"prompt": ASK, "chosen": "No", "rejected": "Yes"},
    "kto": {"messages": [USER, ASSISTANT], "label": True},
    "columns": {"text": CLAUSE, "label": "No"},
}
TABLE = {"format": "columns", "prompt": "Is it fair?\n{text}", "answer": ("label", "answer")}


def turns(record):
    return [(message.role, message.content) for message in record.messages]


def test_every_format_has_a_name_and_an_example_and_its_fields_are_known():
    assert set(FORMATS) == set(GOOD_ROWS) == set(get_args(FormatName)) - {"auto"}
    assert frozenset().union(*(keys for f in FORMATS.values() for keys in f.keys)) <= FIELDS


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_record(read_rows, name):
    settings = TABLE if name == "columns" else {"format": name}
    (record,), drops = read_rows([GOOD_ROWS[name]], **settings)
    assert (turns(record), drops) == ([("user", ASK), ("assistant", "No")], [])
    assert (record.source, record.line, record.group) == ("terms", 1, None)
    assert record.place.endswith("/rows.jsonl:1")


@pytest.mark.parametrize("name", [name for name in FORMATS if FORMATS[name].keys])
def test_auto_finds_the_format_by_keys_and_odd_rows_decide_nothing(read_file, write, name):
    odd = {"messages": []} if name != "messages" else {"note": "odd"}
    rows = [odd, GOOD_ROWS[name], GOOD_ROWS[name]]
    records, (drop,), opened = read_file(write(json.dumps(rows)))
    assert (opened.format, len(records), drop.place[-2:]) == (name, 2, ":1")


def test_answers_that_are_null_do_not_hide_the_format(read_rows):
    records, drops = read_rows([{"instruction": "Q", "output": None}] * 2)
    assert (records, [drop.reason for drop in drops]) == ([], ["missing_answer"] * 2)


def test_an_unknown_shape_names_file_keys_and_what_is_understood(read_rows):
    with pytest.raises(DataError) as caught:
        read_rows([{"ask": "a", "reply": "b"}])
    message = str(caught.value)
    assert "rows.jsonl: no known format has these keys: ask, reply. Understood: " in message
    assert "alpaca (instruction, output)" in message
    assert "columns: {instruction: ask, output: reply}" in message
    assert "format: columns" in message


def test_a_format_that_few_rows_have_is_not_taken(read_rows):
    rows = [{"text": "a", "label": "b"}] * 3 + [GOOD_ROWS["alpaca"]]
    with pytest.raises(DataError, match="only 1 of 4 rows look like alpaca"):
        read_rows(rows)


def test_rows_that_are_no_objects_have_no_format(read_rows):
    with pytest.raises(DataError, match="none: the rows are not objects"):
        read_rows([1, "two"])


def test_text_to_pretrain_on_is_refused_by_name(read_rows):
    with pytest.raises(DataError, match="only 'text' is there: text to pretrain on, without answ"):
        read_rows([{"text": "Once upon a time"}])


def test_columns_may_have_other_names(read_rows):
    rows = [{"input": "Q", "target": "A"}, {"input": "Q2", "target": ""}]
    (record,), (drop,) = read_rows(rows, columns={"instruction": "input", "output": "target"})
    assert turns(record) == [("user", "Q"), ("assistant", "A")]
    assert drop.detail.startswith("column 'target' is empty")


def test_a_field_with_an_empty_column_name_is_left_out(read_rows):
    (record,), _ = read_rows([GOOD_ROWS["alpaca"]], columns={"input": ""})
    assert record.prompt_text == "Is it fair?"


def test_turns_may_have_other_keys_and_roles(read_rows):
    talk = [{"who": "client", "said": "Q"}, {"who": "lawyer", "said": "A"}]
    settings = {
        "columns": {"messages": "talk", "role": "who", "content": "said"},
        "roles": {"client": "user", "lawyer": "assistant"},
    }
    (record,), _ = read_rows([{"talk": talk}], **settings)
    assert turns(record) == [("user", "Q"), ("assistant", "A")]


def test_alpaca_system_and_history_become_turns_before_the_prompt(read_rows):
    row = {**GOOD_ROWS["alpaca"], "input": "", "system": "Be brief.", "history": [["Hi", "Hello"]]}
    (record,), _ = read_rows([row])
    assert turns(record) == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Is it fair?"),
        ("assistant", "No"),
    ]


def test_a_conversation_is_one_record_that_ends_with_the_last_answer(read_rows):
    asked = [{"from": "system", "value": "S"}, HUMAN, GPT, {"from": "human", "value": "Q2"}, GPT]
    (record,), _ = read_rows([{"conversations": asked}])
    assert (record.reference, record.prompt_text) == ("No", f"S\n{ASK}\nNo\nQ2")


def test_rounds_of_a_conversation_are_turns(read_rows):
    rounds = [
        {"system": "S", "input": "Q1", "output": "A1"},
        {"input": "Q2", "output": "A2"},
    ]
    (record,), _ = read_rows([{"conversation": rounds}])
    assert [text for _, text in turns(record)] == ["S", "Q1", "A1", "Q2", "A2"]


def test_assistant_tool_assistant_is_in_order(read_rows):
    call = '{"name": "lookup", "arguments": {"law": 5}}'
    asked = [
        HUMAN,
        {"from": "function_call", "value": call},
        {"from": "observation", "value": "not found"},
        {"from": "tool", "value": ""},
        GPT,
    ]
    (record,), drops = read_rows([{"conversations": asked, "tools": '[{"name": "lookup"}]'}])
    assert [role for role, _ in turns(record)] == ["user", "assistant", "tool", "tool", "assistant"]
    assert turns(record)[1][1] == f"<tool_call>\n{call}\n</tool_call>"
    assert (record.tools, drops) == ('[{"name": "lookup"}]', [])


def test_tool_calls_of_messages_are_written_the_same_way(read_rows):
    function = {"name": "lookup", "arguments": '{"law": 5}'}
    asked = {"role": "assistant", "content": None, "tool_calls": [{"function": function}] * 2}
    told = {"role": "tool", "content": "not found", "tool_call_id": "1"}
    (record,), _ = read_rows(
        [{"messages": [USER, asked, told, ASSISTANT], "tools": [{"name": "查"}]}]
    )
    call = '<tool_call>\n{"name": "lookup", "arguments": {"law": 5}}\n</tool_call>'
    assert record.messages[1].content == f"{call}\n{call}"
    assert record.tools == '[{"name": "查"}]'


@pytest.mark.parametrize("tools", [None, "", "[]", []])
def test_no_tools_are_none(read_rows, tools):
    (record,), _ = read_rows([{**GOOD_ROWS["messages"], "tools": tools}])
    assert record.tools is None


@pytest.mark.parametrize("key", ["text", "value"])
def test_contents_in_parts_are_one_text(read_rows, key):
    parts = [{"type": "text", key: "Is it fair?\n"}, {"type": "text", key: CLAUSE}]
    thought = [{"type": "reasoning", key: "Hm."}, {"type": "text", key: "No"}]
    rows = [{"messages": [USER | {"content": parts}, ASSISTANT | {"content": thought}]}]
    (record,), _ = read_rows(rows)
    assert turns(record) == [("user", ASK), ("assistant", "<think>\nHm.\n</think>\n\nNo")]


def test_prompt_and_completion_may_be_turns(read_rows):
    (record,), _ = read_rows([{"prompt": [USER], "completion": [ASSISTANT]}])
    assert turns(record) == [("user", ASK), ("assistant", "No")]


def test_the_answer_is_the_first_filled_column(read_rows):
    rows = [
        {"text": "a", "label": "Yes"},
        {"text": "b", "label": "", "answer": "No"},
        {"text": "c", "label": None, "answer": 0},
    ]
    records, _ = read_rows(rows, **TABLE)
    assert [record.reference for record in records] == ["Yes", "No", "0"]


def test_braces_in_a_value_are_text(read_rows):
    (record,), _ = read_rows([{"text": "{label}", "label": "Yes"}], **TABLE)
    assert record.prompt_text == "Is it fair?\n{label}"


def test_an_optional_column_may_be_empty_where_another_is_filled(read_rows):
    settings = {**TABLE, "prompt": "{text}\n{context}"}
    (record,), _ = read_rows([{"text": "a", "context": "", "label": "Yes"}], **settings)
    assert record.prompt_text == "a\n"


def test_the_group_is_the_named_column_or_the_conversation_id(read_rows):
    row = {**GOOD_ROWS["alpaca"], "user": 7, "conversation_id": "c1"}
    assert read_rows([row], group="user")[0][0].group == "7"
    assert read_rows([row])[0][0].group == "c1"
    assert read_rows([row | {"conversation_id": None}])[0][0].group is None


@pytest.mark.parametrize("column", [None, "conversation_id"])
@pytest.mark.parametrize(
    ("value", "group"),
    [(12.0, "12"), (Decimal("12.00"), "12"), (12, "12"), ("12", "12"), (12.5, "12.5")],
)
def test_a_whole_number_is_the_same_group_as_integer_float_and_decimal(column, value, group):
    assert group_of({"conversation_id": value}, column) == group


@pytest.mark.parametrize("settings", [{}, {"group": "conversation_id"}])
@pytest.mark.parametrize("value", [["c1"], {"id": 1}, True])
def test_a_group_that_is_neither_text_nor_a_number_is_a_drop(read_rows, settings, value):
    row = GOOD_ROWS["alpaca"]
    rows = [row | {"conversation_id": group} for group in ("c1", value)]
    (record,), (drop,) = read_rows(rows, **settings)
    assert (record.group, drop.reason) == ("c1", "missing_group")
    assert "column 'conversation_id' holds" in drop.detail


@pytest.mark.parametrize("value", [None, "", float("nan")])
def test_a_missing_group_is_none_by_default_and_a_drop_where_it_is_named(read_rows, value):
    row = GOOD_ROWS["alpaca"] | {"conversation_id": value}
    (record,), drops = read_rows([row])
    assert (record.group, drops) == (None, [])
    records, (drop,) = read_rows([row], group="conversation_id")
    assert (records, drop.reason) == ([], "missing_group")


def test_groups_that_differ_in_half_a_character_stay_apart_and_can_be_stored(read_rows):
    names = ["c\ud830", "c\ud831", "c😀"]
    records, _ = read_rows([GOOD_ROWS["alpaca"] | {"conversation_id": name} for name in names])
    assert [record.group for record in records] == [r"c\ud830", r"c\ud831", "c😀"]
    assert len({record.group_digest for record in records}) == 3


@pytest.mark.parametrize("is_text", [False, True])
def test_half_a_character_in_tools_is_left_out_and_a_whole_one_stays(read_rows, is_text):
    tools = [{"name": "look\ud800up 😀"}]
    given = json.dumps(tools, ensure_ascii=False) if is_text else tools
    (record,), _ = read_rows([GOOD_ROWS["messages"] | {"tools": given}])
    assert json.loads(record.tools) == [{"name": "lookup 😀"}]
    record.tools.encode()


def test_tools_that_nest_too_deep_are_a_drop(read_rows):
    def nested(depth):
        return [{"name": "f", "x": json.loads("[" * depth + "]" * depth)}]

    rows = [GOOD_ROWS["messages"] | {"tools": nested(depth)} for depth in (50, 400)]
    (record,), (drop,) = read_rows(rows)
    assert (record.line, drop.reason) == (1, "wrong_type")
    assert "'tools': lists or objects lie too deep" in drop.detail


NAN = float("nan")


@pytest.mark.parametrize(
    ("row", "settings", "reason"),
    [
        ({"text": "a", "label": NAN}, TABLE, "missing_answer"),
        ({"text": "a", "label": float("inf")}, TABLE, "missing_answer"),
        ({"text": NAN, "label": "Yes"}, TABLE, "missing_prompt"),
        ({"instruction": "Q", "output": NAN}, {"format": "alpaca"}, "missing_answer"),
        ({"instruction": NAN, "output": "A"}, {"format": "alpaca"}, "missing_prompt"),
    ],
)
def test_a_number_that_is_none_is_an_empty_cell(read_rows, row, settings, reason):
    records, (drop,) = read_rows([row], **settings)
    assert (records, drop.reason) == ([], reason)


def test_other_numbers_are_text_of_a_column_and_nan_beside_the_texts_is_nothing(read_rows):
    others = dict.fromkeys(["input", "system", "history", "tools", "images"], NAN)
    (record,), drops = read_rows([{"instruction": "Q", "output": "A"} | others])
    assert (turns(record), record.tools, drops) == ([("user", "Q"), ("assistant", "A")], None, [])
    (record,), _ = read_rows([{"text": "nan", "label": 0.5, "answer": NAN}], **TABLE)
    assert turns(record)[1] == ("assistant", "0.5")


def sharegpt(*turns):
    return {"conversations": list(turns)}


SYSTEM = {"from": "system", "value": "S"}


@pytest.mark.parametrize(
    ("row", "settings", "reason", "detail"),
    [
        ([1], {}, "nested_list", "a list stands where a record should be"),
        ("text", {}, "wrong_type", "the row is str, not an object"),
        ({"instruction": "Q"}, {}, "missing_answer", "'output' is empty"),
        ({"instruction": "Q", "output": " "}, {}, "missing_answer", "'output' is empty"),
        ({"instruction": None, "output": "A"}, {}, "missing_prompt", "'instruction' is empty"),
        ({"instruction": "Q", "output": 5}, {}, "wrong_type", "'output' is int, not text; put it"),
        ({"instruction": "Q", "output": "A", "history": "x"}, {}, "wrong_type", "'history' is str"),
        ({"instruction": "Q", "output": "A", "history": [["x"]]}, {}, "wrong_type", "not a pair"),
        ({"instruction": "Q", "output": "A", "tools": "x"}, {}, "wrong_type", "'tools' is no JSON"),
        ({"instruction": "Q", "output": "A", "images": ["x"]}, {}, "not_text", "has images"),
        (sharegpt(HUMAN, GPT, HUMAN), {}, "missing_answer", "last turn is not the assistant's ans"),
        (sharegpt(), {}, "missing_answer", "last turn is not the assistant's"),
        (sharegpt(GPT), {}, "missing_prompt", "no user turn"),
        (sharegpt(HUMAN, HUMAN, GPT), {}, "roles_out_of_order", "turn 2 is user and comes after u"),
        (sharegpt(HUMAN, GPT, GPT), {}, "roles_out_of_order", "turn 3 is assistant and comes aft"),
        (sharegpt(GPT, HUMAN, GPT), {}, "roles_out_of_order", "turn 1 is assistant and is the fi"),
        (sharegpt(HUMAN, SYSTEM, GPT), {}, "roles_out_of_order", "turn 2 is system"),
        (sharegpt({"from": "human", "value": ""}, GPT), {}, "missing_prompt", "turn 1, before the"),
        (
            sharegpt({"from": "bot", "value": "x"}),
            {},
            "unknown_role",
            "'from' is 'bot'; understood",
        ),
        (sharegpt(HUMAN, {"from": "gpt"}), {}, "wrong_type", "'value' of a turn is Non"),
        (sharegpt(HUMAN, "A"), {}, "wrong_type", "a turn is str, not an object"),
        (
            sharegpt(HUMAN, {"from": "function_call", "value": "lookup(5)"}, GPT),
            {},
            "wrong_type",
            "is no JSON object with 'name'",
        ),
        ({"messages": [{"role": "user", "content": [{}]}]}, {}, "not_text", "of type None; only t"),
        ({"conversation": [{"output": "A"}]}, {}, "wrong_type", "'input' of a round is NoneType"),
        ({"text": "a"}, TABLE, "missing_answer", "no answer in column label, answer"),
        ({"label": "Yes"}, TABLE, "missing_prompt", "no column text, which the prompt template"),
        ({"text": "", "label": "Yes"}, TABLE, "missing_prompt", "column text is empty"),
        ({"text": {}, "label": "Yes"}, TABLE, "wrong_type", "column 'text' is dict, not text"),
        (GOOD_ROWS["alpaca"], {"group": "user"}, "missing_group", "column 'user' holds None"),
    ],
)
def test_a_bad_row_is_a_drop_with_place_reason_and_row(read_rows, row, settings, reason, detail):
    settings = {"format": _format_of(row), **settings}
    _, drops = read_rows([GOOD_ROWS["alpaca"], row], **settings)
    (drop,) = [drop for drop in drops if drop.place.endswith("/rows.jsonl:2")]
    assert (drop.stage, drop.source, drop.reason, drop.row) == ("formats", "terms", reason, row)
    assert detail in drop.detail


def _format_of(row):
    names = {"conversations": "sharegpt", "messages": "messages", "conversation": "conversation"}
    keys = row if isinstance(row, dict) else {}
    return next((name for key, name in names.items() if key in keys), "alpaca")
