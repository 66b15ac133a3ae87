import json

import pytest

from tuneline.data.reading import read_rows
from tuneline.errors import DataError

ROWS = [
    {"instruction": "什么是合同？", "output": "合同是民事主体之间设立民事法律关系的协议。"},
    {"instruction": "请解释违约责任", "output": "当事人不履行合同义务的，应当承担赔偿损失等责任。"},
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def write(tmp_path, text, name="data.json", encoding="utf-8"):
    path = tmp_path / name
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("text", [LINES, json.dumps(ROWS, ensure_ascii=False, indent=2)])
@pytest.mark.parametrize("name", ["data.json", "data.jsonl"])
def test_lists_and_lines_are_read_in_three_encodings_under_either_extension(
    tmp_path, text, name, encoding
):
    found = read_rows(write(tmp_path, text, name, encoding))
    assert ([row.value for row in found.rows], found.encoding) == (ROWS, encoding)


def test_a_gbk_file_is_read_as_gb18030(tmp_path):
    found = read_rows(write(tmp_path, LINES, encoding="gbk"))
    assert found.encoding == "gb18030"
    assert found.rows[1].value == ROWS[1]


def test_rows_know_the_line_they_begin_on(tmp_path):
    assert [row.line for row in read_rows(write(tmp_path, "\n" + LINES)).rows] == [2, 3]
    pretty = json.dumps(ROWS, indent=1)  # [, {, two fields, }, {
    assert [row.line for row in read_rows(write(tmp_path, pretty)).rows] == [2, 6]


def test_blank_lines_and_windows_line_ends_are_no_rows(tmp_path):
    assert len(read_rows(write(tmp_path, LINES.replace("\n", "\r\n\r\n"))).rows) == 2


def test_a_line_separator_inside_a_text_does_not_end_the_line(tmp_path):
    assert read_rows(write(tmp_path, '{"a": "x\u2028y"}\n')).rows[0].value == {"a": "x\u2028y"}


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataError, match=r"nowhere\.json: no such file in .*correct the source's"):
        read_rows(tmp_path / "nowhere.json")


@pytest.mark.parametrize("text", ["", " \n\n", "\ufeff"])
def test_an_empty_file_is_an_error(tmp_path, text):
    with pytest.raises(DataError, match=r"data\.json: the file is empty"):
        read_rows(write(tmp_path, text))


def test_an_empty_list_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"data\.json: the JSON list holds no rows"):
        read_rows(write(tmp_path, "[ ]"))


def test_a_list_cut_in_half_names_the_line_and_says_so(tmp_path):
    pretty = json.dumps(ROWS, indent=1, ensure_ascii=False)
    path = write(tmp_path, pretty[: pretty.index("赔偿")])
    with pytest.raises(DataError, match=r"data\.json:8: .*Unterminated string.*looks cut off"):
        read_rows(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            '[\n{"a": 1},\n{"a": 2}\n',
            "data.json:4: not valid JSON: Expecting ',' or ']'; the file l",
        ),
        ('[\n{"a": 1},\n{"a" 2}]', "data.json:3: not valid JSON: Expecting ':' delimiter; mend it"),
        ('[\n{"a": 1}\n{"a": 2}]', "data.json:3: not valid JSON: Expecting ',' or ']'; mend it"),
        ('[\n{"a": 1},\n]', "data.json:3: not valid JSON: Expecting value; mend it"),
        ('[{"a": 1}]\n{"a": 2}', "data.json:2: not valid JSON: Text after the end of the list"),
        ('{"a": 1}\n{"a" 2}\n', "data.json:2: JSON is malformed: expected ':' (byte 5)"),
        ('{"a": 1}\n{"a": 2', "data.json:2: Input data was truncated"),
        ('{\n "a": 1\n}', "data.json:1: Input data was truncated; expected one JSON value a line"),
    ],
)
def test_broken_json_names_line_and_reason(tmp_path, text, message):
    with pytest.raises(DataError) as caught:
        read_rows(write(tmp_path, text))
    assert message in str(caught.value)


def test_one_damaged_byte_in_utf_8_is_an_error_and_not_another_encoding(tmp_path):
    path = tmp_path / "data.json"
    path.write_bytes((LINES * 2).encode().replace("赔偿".encode(), b"\xff\xff", 1))
    with pytest.raises(
        DataError, match=r"data\.json:2: byte 0xff is not UTF-8, and the text befor"
    ):
        read_rows(path)


def test_utf_8_cut_inside_a_character_is_said_to_be_cut(tmp_path):
    path = tmp_path / "data.json"
    path.write_bytes('{"a": "合同'.encode()[:-1])
    with pytest.raises(DataError, match=r"data\.json:1: the file ends inside a character"):
        read_rows(path)


def test_utf_16_is_refused_by_name(tmp_path):
    with pytest.raises(DataError, match=r"data\.json:1: byte 0xff is not UTF-8 \(a guess: utf_16"):
        read_rows(write(tmp_path, LINES, encoding="utf-16"))
