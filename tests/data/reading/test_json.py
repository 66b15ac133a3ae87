import io
import json

import pytest

from tuneline.data.reading import json_lines as json_lines_module
from tuneline.data.reading.json_lines import read_lines
from tuneline.data.reading.json_list import json_list
from tuneline.data.reading.rows import BadRow, Row
from tuneline.errors import DataError

ROW = {"instruction": "Q", "output": "A"}
TEXT = json.dumps(ROW)


def lines_of(records):
    return [record.line for record in records]


def test_rows_know_the_line_they_begin_on(read_file, write):
    assert lines_of(read_file(write(f"\n{TEXT}\n{TEXT}\n"))[0]) == [2, 3]
    pretty = json.dumps([ROW, ROW], indent=1)  # [, {, two fields, }, {
    assert lines_of(read_file(write(pretty))[0]) == [2, 6]


def test_blank_lines_and_windows_line_ends_are_no_rows(read_file, write):
    records, drops, _ = read_file(write(f"{TEXT}\r\n\r\n \r\n{TEXT}\r\n"))
    assert (lines_of(records), drops) == ([1, 4], [])


def test_a_line_separator_inside_a_text_does_not_end_the_line(read_file, write):
    records, _, _ = read_file(write('{"instruction": "x\u2028y", "output": "A"}\n'))
    assert records[0].prompt_text == "x\u2028y"


@pytest.mark.parametrize("name", ["data.json", "data.jsonl", "data.csv", "data.txt", "data"])
@pytest.mark.parametrize(("text", "container"), [(f"[{TEXT}]", "json"), (f"{TEXT}\n", "jsonl")])
def test_json_is_known_by_its_content_under_any_name(read_file, write, name, text, container):
    records, _, opened = read_file(write(text, name))
    assert (len(records), opened.container) == (1, container)


@pytest.mark.parametrize(
    ("line", "detail"),
    [
        ('{"a" 2}', "JSON is malformed: expected ':' (byte 5); expected one JSON value a line"),
        ('{"a": 2', "Input data was truncated; expected one JSON value a line, or one list; mend"),
        ('{"a": 2},', "trailing characters"),
        ("[" * 100_000, "lists or objects lie too deep"),
    ],
)
def test_a_broken_line_is_a_drop_and_the_next_one_counts(read_file, write, line, detail):
    path = write(f"{TEXT}\n{line}\n{TEXT}\n", "rows.jsonl")
    records, (drop,), _ = read_file(path)
    assert lines_of(records) == [1, 3]
    assert (drop.place, drop.stage, drop.reason) == (f"{path}:2", "formats", "broken_json")
    assert detail in drop.detail
    assert drop.row == line


def test_what_python_writes_is_a_row(read_file, write):
    text = '{"instruction": "Q \\ud800", "output": "A", "score": NaN}\n'
    (record,), drops, _ = read_file(write(text))
    assert (record.prompt_text, drops) == ("Q \ud800", [])


def test_a_file_without_one_good_line_is_an_error(read_file, write):
    with pytest.raises(DataError, match=r"data\.json:1: Input data was truncated; expected one"):
        read_file(write('{\n "a": 1\n}'))
    with pytest.raises(DataError, match=r"data\.json:1: JSON is malformed"):
        read_file(write("instruction: Q\n"))


def test_a_line_that_is_too_long_is_skipped_unread():
    data = b"\xef\xbb\xbfshort\n" + b"x" * 5000 + b"\nlast"
    lines = list(read_lines(io.BytesIO(data), max_bytes=1000))
    assert lines == [
        (1, b"short\n", False),
        (2, b"x" * 160, True),
        (3, b"last", False),
    ]


def test_a_line_that_is_too_long_is_a_drop_with_its_beginning(read_file, write, monkeypatch):
    limited = lambda stream: read_lines(stream, max_bytes=200)  # noqa: E731
    monkeypatch.setattr(json_lines_module, "read_lines", limited)
    long = json.dumps(ROW | {"output": "x" * 400})
    records, (drop,), _ = read_file(write(f"{TEXT}\n{long}\n{TEXT}"))
    assert lines_of(records) == [1, 3]
    assert drop.reason == "line_too_long"
    assert "longer than 64 MiB and was not read" in drop.detail
    assert drop.row == long[:160]


def test_a_list_element_that_is_too_long_is_an_error(read_file, write, monkeypatch):
    monkeypatch.setattr("tuneline.data.reading.json_list.MAX_ROW_BYTES", 1000)
    monkeypatch.setattr("tuneline.data.reading.json_list.MIB", 100)
    long = json.dumps(ROW | {"output": "x" * 5000})
    with pytest.raises(DataError, match=r"data\.json:2: an element is longer than .*; split it"):
        read_file(write(f"[{TEXT},\n{long},\n{TEXT}]"))


@pytest.mark.parametrize("text", ["", " \n\n", "\ufeff"])
def test_an_empty_file_is_an_error(read_file, write, text):
    with pytest.raises(DataError, match=r"data\.json: the file is empty"):
        read_file(write(text))


def test_an_empty_list_is_an_error(read_file, write):
    with pytest.raises(DataError, match=r"data\.json: the file holds no rows"):
        read_file(write("[ ]"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[\n{"a": 1},\n{"a": 2}\n', ":4: not valid JSON: Expecting ',' or ']'; the file looks"),
        ('[\n{"a": 1},\n{"a": "x', ":3: not valid JSON: Unterminated string starting at; the file"),
        ('[\n{"a": 1},\n{"a"', ":3: not valid JSON: Expecting ':' delimiter; the file looks cut"),
        ('[\n{"a": 1},\n{"a" 2}]', ":3: not valid JSON: Expecting ':' delimiter; mend it"),
        ('[\n{"a": 1}\n{"a": 2}]', ":3: not valid JSON: Expecting ',' or ']'; mend it"),
        ('[\n{"a": 1},\n]', ":3: not valid JSON: Expecting value; mend it"),
        ('[{"a": 1}]\n{"a": 2}', ":2: not valid JSON: Text after the end of the list"),
    ],
)
def test_a_broken_list_names_line_and_reason(read_file, write, text, message):
    with pytest.raises(DataError) as caught:
        read_file(write(text))
    assert f"data.json{message}" in str(caught.value)


def test_a_list_in_a_list_is_opened_and_one_among_records_is_a_drop(read_file, write):
    records, drops, _ = read_file(write(f"[[{TEXT},\n{TEXT}],\n[{TEXT}]]"))
    assert (lines_of(records), drops) == ([1, 2, 3], [])
    records, (drop,), _ = read_file(write(f"[{TEXT},\n[{TEXT}],\n{TEXT}]"))
    assert (lines_of(records), drop.reason) == ([1, 3], "nested_list")
    assert drop.detail.startswith("a list stands where a record should be; take")
    assert drop.row == [ROW]


def test_json_lines_may_begin_with_an_odd_list(read_file, write):
    records, (drop,), opened = read_file(write(f"[1]\n{TEXT}\n{TEXT}\n", "data.jsonl"))
    assert (len(records), drop.reason, opened.container) == (2, "nested_list", "jsonl")


class Trickle(io.BytesIO):
    """Gives a few bytes at a time, as a network may."""

    def read1(self, size=-1):
        return super().read(3)

    read = read1


@pytest.mark.parametrize("indent", [None, 2])
def test_a_list_is_the_same_wherever_its_chunks_end(indent):
    rows = [{"a": "合同\n", "b": [1.5, -20, {"c": None}]}, {}, {"a": "x" * 50}, 12, "text"]
    text = json.dumps(rows, indent=indent, ensure_ascii=False)
    found = list(json_list("f", Trickle(text.encode()), "utf-8"))
    assert [row.value for row in found] == rows
    assert all(isinstance(row, Row) for row in found)


def test_an_integer_that_python_cannot_read_costs_its_line(read_file, write):
    longest, longer = (TEXT.replace("}", f', "n": {"7" * n}}}') for n in (4_300, 4_301))
    (record,), (drop,), _ = read_file(write(f"{longer}\n{longest}\n", "rows.jsonl"))
    assert (record.line, drop.reason, drop.row) == (2, "broken_json", longer)


@pytest.mark.parametrize("n_digits", [4_300, 4_301])
def test_an_integer_that_python_cannot_read_costs_its_element(n_digits):
    text = f'[{TEXT},\n{{"n": {"7" * n_digits}, "small": 7}},\n{TEXT}]'
    first, second, third = json_list("f", Trickle(text.encode()), "utf-8")
    assert (first, third) == (Row(1, ROW), Row(3, ROW))
    if n_digits == 4_300:
        assert second == Row(2, {"n": int("7" * n_digits), "small": 7})
        return
    assert isinstance(second, BadRow)
    assert (second.line, second.reason) == (2, "broken_json")
    assert "more than 4,300 digits" in second.detail
    assert second.raw == {"n": "7" * n_digits, "small": 7}


def test_a_line_with_nul_characters_is_a_drop_and_the_next_one_counts(read_file, write):
    text = f"{TEXT}\n" + "\0" * 500 + f"\n{TEXT[:-1]}\0}}\n{TEXT}\n"
    records, drops, _ = read_file(write(text, "rows.jsonl"))
    assert lines_of(records) == [1, 4]
    assert [(drop.place[-2:], drop.reason) for drop in drops] == [
        (":2", "broken_json"),
        (":3", "broken_json"),
    ]
    assert drops[0].detail.startswith("the line holds NUL characters; expected one JSON value")


@pytest.mark.parametrize(
    ("name", "text"), [("rows.json", f"[{TEXT},\n\0]"), ("rows.csv", "question,answer\nQ,\0\n")]
)
def test_nul_characters_elsewhere_are_an_error_with_their_line(read_file, write, name, text):
    with pytest.raises(DataError, match=rf"{name}:2: the text holds NUL characters; save the file"):
        read_file(write(text, name))


ROWS = [ROW, ROW]


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({"data": ROWS}),
        json.dumps({"version": "1.0", "n": 2, "data": ROWS}),
        json.dumps({"data": ROWS}, indent=2),
        json.dumps({"version": "1.0", "n": 2, "data": ROWS}, indent=2),
        f'{{\n "data": [\n{TEXT},\n{TEXT},\n{TEXT}\n]\n}}',
    ],
)
def test_one_object_around_the_list_is_named(read_file, write, text):
    with pytest.raises(DataError, match="one JSON object around a list, 'data': export the list"):
        read_file(write(text))


def test_one_record_with_a_list_in_it_is_no_object_around_a_list(read_file, write):
    talk = {"messages": [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]}
    assert len(read_file(write(json.dumps(talk)))[0]) == 1
    with pytest.raises(DataError, match=r"data\.json:1: Input data was truncated"):
        read_file(write(json.dumps(talk, indent=1)))
    with pytest.raises(DataError, match="no known format has these keys: tags"):
        read_file(write(json.dumps({"tags": ["a"]})))
