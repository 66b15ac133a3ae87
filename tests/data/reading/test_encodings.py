import json

import pytest

from tuneline.errors import DataError

ROWS = [
    {"instruction": "什么是合同？", "output": "合同是民事主体之间设立民事法律关系的协议。"},
    {"instruction": "请解释违约责任", "output": "当事人不履行合同义务的，应当承担赔偿损失等责任。"},
]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)
LIST = json.dumps(ROWS, ensure_ascii=False, indent=2)
CSV = "instruction,output\n" + "".join(f"{r['instruction']},{r['output']}\n" for r in ROWS)
ENGLISH = '{"instruction": "Is it fair?", "output": "No, it is not."}\n'
TXT = "".join(f"问：{r['instruction']}\n答：{r['output']}\n\n" for r in ROWS)
TEXTS = {"jsonl": LINES, "json": LIST, "csv": CSV, "tsv": CSV.replace(",", "\t"), "txt": TXT}


@pytest.mark.parametrize("is_gzipped", [False, True])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@pytest.mark.parametrize("container", TEXTS)
def test_every_text_container_is_read_in_three_encodings(
    read_file, write, container, encoding, is_gzipped
):
    name = f"data.{container}" + ".gz" * is_gzipped
    records, drops, opened = read_file(
        write(TEXTS[container], name, encoding, is_gzipped=is_gzipped)
    )
    assert drops == []
    assert [r.prompt_text for r in records] == [row["instruction"] for row in ROWS]
    assert [r.reference for r in records] == [row["output"] for row in ROWS]
    assert (opened.encoding, opened.container) == (encoding, container + ".gz" * is_gzipped)


def test_a_gbk_file_is_read_as_gb18030(read_file, write):
    records, _, opened = read_file(write(LINES, encoding="gbk"))
    assert (opened.encoding, records[1].prompt_text) == ("gb18030", "请解释违约责任")


def test_the_last_bytes_of_a_large_file_decide_too(read_file, write):
    ascii_rows = b'{"instruction": "Q", "output": "A"}\n' * 70_000  # more than one chunk of 1 MiB
    _, _, opened = read_file(write(ascii_rows + LINES.encode("gb18030")))
    assert opened.encoding == "gb18030"


def test_a_damaged_byte_in_utf_8_costs_its_json_line_and_is_not_another_encoding(read_file, write):
    damaged = (LINES * 2).encode().replace("赔偿".encode(), b"\xff\xff", 1)
    records, (drop,), opened = read_file(write(damaged))
    assert (len(records), opened.encoding) == (3, "utf-8")
    assert (drop.reason, drop.place.rpartition(":")[2]) == ("broken_json", "2")
    assert "byte 0xff is not UTF-8" in drop.detail
    assert "承担\\xff\\xff损失" in drop.row


@pytest.mark.parametrize(("name", "text"), [("data.json", LIST), ("data.csv", CSV)])
def test_a_damaged_byte_elsewhere_is_an_error(read_file, write, name, text):
    damaged = text.encode().replace("赔偿".encode(), b"\xff\xff", 1)
    line = damaged[: damaged.index(b"\xff")].count(b"\n") + 1
    message = rf"{name}:{line}: byte 0xff is not UTF-8, and the text before it is; save"
    with pytest.raises(DataError, match=message):
        read_file(write(damaged, name))


def test_utf_8_cut_inside_a_character_is_said_to_be_cut(read_file, write):
    records, (drop,), _ = read_file(write(LINES.encode() + '{"a": "合同'.encode()[:-1]))
    assert (len(records), drop.reason) == (2, "broken_json")
    assert "ends inside a character" in drop.detail
    with pytest.raises(DataError, match=r"data\.json:8: the file ends inside a character"):
        read_file(write(LIST.encode()[: LIST.encode().index("赔偿".encode()) + 1]))


def test_utf_16_is_refused_by_name(read_file, write):
    with pytest.raises(DataError, match=r"data\.json:1: byte 0xff is not UTF-8 \(a guess: utf_16"):
        read_file(write(LINES, encoding="utf-16"))


def test_utf_16_without_a_mark_is_refused(read_file, write):
    for encoding in ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"):
        data = write(ENGLISH * 5, "rows.jsonl", encoding)
        with pytest.raises(DataError, match=r"rows\.jsonl:1: the text holds NUL characters; save"):
            read_file(data)


def test_english_utf_16_with_a_mark_is_not_utf_8_with_one_bad_byte(read_file, write):
    with pytest.raises(DataError, match=r"rows\.jsonl:1: byte 0xff is not UTF-8 \(a guess: utf_16"):
        read_file(write(ENGLISH * 5, "rows.jsonl", "utf-16"))


KOREAN = "계약은 당사자의 의사표시가 일치하는 때에 성립한다. 임차인은 차임을 지급할 의무가 있다."
JAPANESE = "契約は、当事者の意思表示が合致したときに成立する。賃借人は賃料を支払う義務を負う。"
TAIWANESE = "契約，因當事人互相表示意思一致而成立。承租人應依約定日期支付租金。"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [(KOREAN, "euc-kr"), (JAPANESE, "euc-jp"), (JAPANESE, "shift-jis"), (TAIWANESE, "big5")],
)
def test_other_encodings_of_the_east_are_not_taken_for_gb18030(read_file, write, text, encoding):
    row = json.dumps({"instruction": text, "output": text}, ensure_ascii=False) + "\n"
    with pytest.raises(DataError, match=r"data\.json:1: byte 0x.. is not UTF-8 \(a guess: "):
        read_file(write(row * 5, encoding=encoding))


def test_a_latin_1_file_is_refused(read_file, write):
    row = json.dumps({"instruction": "Où est-ce ?", "output": "à côté, déjà"}, ensure_ascii=False)
    with pytest.raises(DataError, match="save the file as UTF-8 or GB18030"):
        read_file(write(row, encoding="latin-1"))


FRENCH = '{"instruction": "Où est-ce ?", "output": "à côté, déjà"}\n'.encode("latin-1")


def test_a_damaged_byte_costs_its_json_line_in_a_file_without_chinese_too(read_file, write):
    records, (drop,), opened = read_file(write(ENGLISH.encode() * 2 + FRENCH + ENGLISH.encode()))
    assert ([record.line for record in records], opened.encoding) == ([1, 2, 4], "utf-8")
    assert (drop.reason, drop.place.rpartition(":")[2]) == ("broken_json", "3")
    assert "byte 0xf9 is not UTF-8" in drop.detail


def test_a_file_of_mostly_damaged_lines_has_another_encoding(read_file, write):
    with pytest.raises(DataError, match=r"data\.json:2: byte 0xf9 is not UTF-8 \(a guess: "):
        read_file(write(ENGLISH.encode() + FRENCH * 2))


def test_a_damaged_byte_in_an_english_table_is_an_error_with_line_and_guess(read_file, write):
    rows = "question,answer\n" + "Is it?,No\n" * 9
    with pytest.raises(DataError, match=r"rows\.csv:11: byte 0xe9 is not UTF-8 \(a guess: .*save"):
        read_file(write(rows.encode() + b"The caf\xe9?,No\n", "rows.csv"))
