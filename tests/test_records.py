"""The record type: what is equal, what is not, and the way to disk and back."""

from pathlib import Path

import pytest

from tuneline.records import (
    Message,
    Record,
    comparison_text,
    read_records,
    rows_digest,
    text_digest,
    write_records,
)


def record(prompt: str, answer: str, **fields) -> Record:
    """A one-turn record."""
    messages = (Message("user", prompt), Message("assistant", answer))
    return Record(messages, **{"source": "s", "file": "f.jsonl", "line": 1} | fields)


TALK = Record(
    (
        Message("system", "你是律师。"),
        Message("user", "租金 是多少？\n（每月）"),
        Message("assistant", "壹仟元。"),
        Message("user", "And in dollars? \U0001f4b5"),
        Message("assistant", "About “140”."),
    ),
    "civil-code",
    "民法典.jsonl",
    7,
    "talk-1",
)


def test_records_come_back_from_disk_as_they_were(tmp_path: Path):
    records = [TALK, record("", " padded \n"), record("q", "a", line=2**40)]
    write_records(tmp_path / "r.parquet", records)
    assert read_records(tmp_path / "r.parquet") == records


def test_no_records_come_back_as_no_records(tmp_path: Path):
    write_records(tmp_path / "r.parquet", [])
    assert read_records(tmp_path / "r.parquet") == []


def test_prompt_reference_and_place_of_a_conversation():
    assert TALK.reference == "About “140”."
    assert [m.role for m in TALK.prompt] == ["system", "user", "assistant", "user"]
    assert TALK.prompt_text.startswith("你是律师。\n租金 是多少？\n（每月）\n壹仟元。")
    assert TALK.place == "民法典.jsonl:7"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("合同（甲方）", "合同(甲方)"),  # NFKC: full-width brackets
        ("Ｌａｗ １２", "law 12"),
        ("Force MAJEURE", "force majeure"),
        ("  two\t\nspaces ", "two spaces"),
        ("caf\u00e9", "cafe\u0301"),
    ],
)
def test_records_that_read_the_same_have_one_digest(one: str, other: str):
    assert comparison_text(one) == comparison_text(other)
    assert record(one, "a").digest == record(other, "a").digest
    assert record("q", one).digest == record("q", other).digest


def test_records_that_read_otherwise_have_other_digests():
    turns = [
        ("甲方", "乙方"),
        ("乙方", "甲方"),
        ("甲方乙", "方"),
        ("甲方 乙方", ""),
        ("甲 方", "乙方"),
    ]
    assert len({record(*turn).digest for turn in turns}) == len(turns)


def test_the_digest_sees_roles_and_not_where_a_record_came_from():
    as_system = Record((Message("system", "q"), Message("assistant", "a")), "s", "f", 1)
    assert as_system.digest != record("q", "a").digest
    assert record("q", "a", source="t", file="g", line=9, group="x").digest == (
        record("q", "a").digest
    )


def test_without_a_group_the_prompt_is_the_group_whatever_the_answer():
    assert record("租金？", "a").group_digest == record("租金?", "b").group_digest
    assert record("租金？", "a").group_digest != record("押金？", "a").group_digest


def test_a_group_holds_different_prompts_of_one_source_together():
    one = record("q1", "a", group="talk").group_digest
    assert one == record("q2", "b", group="talk").group_digest
    assert one != record("q1", "a", group="talk", source="t").group_digest
    assert one != record("q1", "a").group_digest


def test_rows_digest_sees_exact_text_source_and_order():
    rows = [record("甲", "乙"), record("丙", "丁")]
    others = [
        [record("甲", "乙 "), record("丙", "丁")],
        [record("甲", "乙", source="t"), record("丙", "丁")],
        rows[::-1],
        rows[:1],
        [],
    ]
    assert len({rows_digest(r) for r in [rows, *others]}) == 1 + len(others)


def test_rows_digest_is_blind_to_file_and_line():
    assert rows_digest([record("甲", "乙")]) == rows_digest([record("甲", "乙", file="g", line=5)])


def test_text_digest_is_sha256_of_utf8():
    # printf 'abc' | sha256sum, the example of FIPS 180-4.
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert text_digest("abc") == expected
