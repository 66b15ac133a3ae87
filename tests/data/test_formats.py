import json

import pytest

from tuneline.data.config import SourceConfig
from tuneline.data.formats import FORMATS, KEYS
from tuneline.data.sources import read_source
from tuneline.errors import DataError

GOOD_ROWS = {
    "alpaca": {"instruction": "Is it fair?", "input": "No refunds.", "output": "No"},
    "sharegpt": {
        "conversations": [
            {"from": "human", "value": "Is it fair?\nNo refunds."},
            {"from": "gpt", "value": "No"},
        ]
    },
    "messages": {
        "messages": [
            {"role": "user", "content": "Is it fair?\nNo refunds."},
            {"role": "assistant", "content": "No"},
        ]
    },
    "columns": {"text": "No refunds.", "label": "No"},
}
TABLE = {"format": "columns", "prompt": "Is it fair?\n{text}", "answer": ("label", "answer")}


def read(tmp_path, rows, **settings):
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"name": "terms", "path": path, "license": "MIT", **settings}
    return read_source(SourceConfig.model_validate(source))


def turns(record):
    return [(message.role, message.content) for message in record.messages]


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_same_record(tmp_path, name):
    settings = TABLE if name == "columns" else {"format": name}
    (record,) = read(tmp_path, [GOOD_ROWS[name]], **settings).records
    assert turns(record) == [("user", "Is it fair?\nNo refunds."), ("assistant", "No")]
    assert (record.source, record.line, record.group) == ("terms", 1, None)
    assert record.place == f"{tmp_path}/rows.jsonl:1"


@pytest.mark.parametrize("name", KEYS)
def test_auto_finds_the_format_by_its_keys_even_behind_an_odd_row(tmp_path, name):
    rows = read(tmp_path, [{"note": "odd"}, GOOD_ROWS[name]])
    assert (len(rows.records), len(rows.drops), rows.n_read) == (1, 1, 2)


def test_an_unknown_shape_names_file_keys_and_what_is_understood(tmp_path):
    with pytest.raises(DataError) as caught:
        read(tmp_path, [{"instruction": "a", "question": "b", "answer": "c"}])
    assert "rows.jsonl: no known format has these keys: answer, instruction, question" in str(
        caught.value
    )
    assert "alpaca (instruction, output)" in str(caught.value)
    assert "format: columns" in str(caught.value)


def test_rows_that_are_no_objects_have_no_format(tmp_path):
    with pytest.raises(DataError, match="none: the rows are not objects"):
        read(tmp_path, [1, "two"])


def test_alpaca_system_and_history_become_turns_before_the_prompt(tmp_path):
    row = {**GOOD_ROWS["alpaca"], "input": "", "system": "Be brief.", "history": [["Hi", "Hello"]]}
    (record,) = read(tmp_path, [row]).records
    assert turns(record) == [
        ("system", "Be brief."),
        ("user", "Hi"),
        ("assistant", "Hello"),
        ("user", "Is it fair?"),
        ("assistant", "No"),
    ]


def test_sharegpt_conversation_is_one_record_that_ends_with_the_last_answer(tmp_path):
    asked = [
        {"from": "system", "value": "S"},
        {"from": "human", "value": "Q1"},
        {"from": "gpt", "value": "A1"},
        {"from": "human", "value": "Q2"},
        {"from": "gpt", "value": "A2"},
    ]
    (record,) = read(tmp_path, [{"conversations": asked}]).records
    assert record.reference == "A2"
    assert record.prompt_text == "S\nQ1\nA1\nQ2"


def test_the_answer_is_the_first_filled_column(tmp_path):
    rows = [
        {"text": "a", "label": "Yes"},
        {"text": "b", "label": "", "answer": "No"},
        {"text": "c", "label": None, "answer": 0},
    ]
    records = read(tmp_path, rows, **TABLE).records
    assert [record.reference for record in records] == ["Yes", "No", "0"]


def test_braces_in_a_value_are_text(tmp_path):
    (record,) = read(tmp_path, [{"text": "{label}", "label": "Yes"}], **TABLE).records
    assert record.prompt_text == "Is it fair?\n{label}"


def test_an_optional_column_may_be_empty_where_another_is_filled(tmp_path):
    settings = {**TABLE, "prompt": "{text}\n{context}"}
    (record,) = read(tmp_path, [{"text": "a", "context": "", "label": "Yes"}], **settings).records
    assert record.prompt_text == "a\n"


def test_a_group_column_is_carried(tmp_path):
    rows = read(tmp_path, [{**GOOD_ROWS["alpaca"], "user": 7}], group="user")
    assert rows.records[0].group == "7"


HUMAN, GPT = {"from": "human", "value": "Q"}, {"from": "gpt", "value": "A"}


@pytest.mark.parametrize(
    ("row", "settings", "reason", "detail"),
    [
        ([1], {}, "wrong_type", "the row is list, not an object"),
        ({"instruction": "Q"}, {}, "missing_answer", "'output' is empty"),
        ({"instruction": "Q", "output": " "}, {}, "missing_answer", "'output' is empty"),
        ({"instruction": None, "output": "A"}, {}, "missing_prompt", "'instruction' is empty"),
        ({"instruction": "Q", "output": 5}, {}, "wrong_type", "'output' is int, not text"),
        ({"instruction": "Q", "output": "A", "history": "x"}, {}, "wrong_type", "'history' is str"),
        ({"instruction": "Q", "output": "A", "history": [["x"]]}, {}, "wrong_type", "not a pair"),
        ({"conversations": [HUMAN, GPT, HUMAN]}, {}, "missing_answer", "last turn is not the assi"),
        ({"conversations": []}, {}, "missing_answer", "last turn is not the assistant's"),
        ({"conversations": [GPT]}, {}, "missing_prompt", "no user turn"),
        ({"conversations": [{"from": "human", "value": ""}, GPT]}, {}, "missing_prompt", "empty"),
        ({"conversations": [{"from": "bot", "value": "x"}]}, {}, "unknown_role", "'from' is 'bot'"),
        ({"conversations": [HUMAN, {"from": "gpt"}]}, {}, "wrong_type", "'value' of a turn is Non"),
        ({"messages": [{"role": "user", "content": [{}]}]}, {}, "wrong_type", "'content' of a tur"),
        ({"text": "a"}, TABLE, "missing_answer", "no answer in column label, answer"),
        ({"label": "Yes"}, TABLE, "missing_prompt", "no column text, which the prompt template"),
        ({"text": "", "label": "Yes"}, TABLE, "missing_prompt", "column text is empty"),
        ({"text": {}, "label": "Yes"}, TABLE, "wrong_type", "column 'text' is dict, not text"),
        (GOOD_ROWS["alpaca"], {"group": "user"}, "missing_group", "column 'user' holds None"),
    ],
)
def test_a_bad_row_is_quarantined_with_place_reason_and_row(
    tmp_path, row, settings, reason, detail
):
    good = list(GOOD_ROWS.values())
    rows = read(tmp_path, [good[0], row, *good[1:]], **{"format": _format_of(row), **settings})
    drop = next(drop for drop in rows.drops if drop.place == f"{tmp_path}/rows.jsonl:2")
    assert (drop.stage, drop.reason) == ("formats", reason)
    assert detail in drop.detail
    assert drop.row == row


def _format_of(row):
    known = (name for name, signs in KEYS.items() if isinstance(row, dict) and signs & row.keys())
    return next(known, "alpaca")
