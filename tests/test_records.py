"""The one record type."""

from pathlib import Path

from tuneline.records import Message, Record, read_records, rows_digest, write_records


def record(prompt: str, answer: str = "是", **kwargs) -> Record:
    messages = (Message("user", prompt), Message("assistant", answer))
    return Record(messages, "law", "a.jsonl", 1, **kwargs)


def test_records_come_back_from_parquet_as_they_were(tmp_path: Path):
    records = [record("合同有效吗？"), record("Is it valid?", "Yes", group="case 7")]
    write_records(tmp_path / "r.parquet", records)
    assert read_records(tmp_path / "r.parquet") == records


def test_records_that_read_the_same_have_one_digest():
    assert record("Ａ  b").digest == record("a B\n").digest
    assert record("a").digest != record("b").digest


def test_the_rows_digest_sees_the_exact_text_but_not_the_place():
    assert rows_digest([record("A b")]) != rows_digest([record("a b")])
    moved = Record(record("x").messages, "law", "other.jsonl", 99)
    assert rows_digest([record("x")]) == rows_digest([moved])


def test_one_prompt_with_two_answers_stays_on_one_side():
    assert record("q", "a").group_digest == record("q", "b").group_digest
    assert record("q", group="1").group_digest != record("q", group="2").group_digest
