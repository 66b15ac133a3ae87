import json
import logging
import tracemalloc
import uuid

import fsspec
import pytest

from tuneline.data.drops import Drop
from tuneline.data.reading.files import find_files
from tuneline.data.reading.sources import open_file
from tuneline.errors import DataError

ROW = {"instruction": "Q", "output": "A"}
LINE = json.dumps(ROW) + "\n"


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_a_url_is_read_as_a_file_is(source_of, name):
    url = f"memory://{uuid.uuid4().hex}/{name}"
    texts = {"a.jsonl": LINE, "a.json": json.dumps([ROW]), "a.csv": "instruction,output\nQ,A\n"}
    fsspec.filesystem("memory").pipe(url, texts[name].encode())
    source = source_of(url)
    (file,) = find_files(source)
    with open_file(source, file) as opened:
        (record,) = opened
    assert (record.file, record.reference) == (url, "A")


def test_a_file_url_is_read(read_file, write):
    (record,), _, _ = read_file(f"file://{write(LINE)}")
    assert record.file.startswith("file:///")


def test_a_source_of_several_files_is_read_file_by_file(source_of, tmp_path):
    (tmp_path / "a.jsonl").write_text(LINE)
    (tmp_path / "b.csv").write_text("question,answer\nQ,A\n")
    source = source_of(tmp_path)
    formats = []
    for file in find_files(source):
        with open_file(source, file) as opened:
            formats += [(opened.container, opened.format, len(list(opened)))]
    assert formats == [("jsonl", "alpaca", 1), ("csv", "question_answer", 1)]


def test_read_is_kept_plus_dropped_and_is_logged(read_file, write, caplog):
    caplog.set_level(logging.INFO, logger="tuneline")
    path = write(LINE * 3 + "{\n" + '{"instruction": "Q"}\n' + LINE)
    records, drops, _ = read_file(path)
    assert (len(records), len(drops)) == (4, 2)
    assert (
        f"reading: file={path} container=jsonl encoding=utf-8 format=alpaca kept=4 " in caplog.text
    )


def test_columns_that_are_not_used_are_named(read_file, write, caplog):
    caplog.set_level(logging.INFO, logger="tuneline")
    row = {"question": "Q", "answer": "A", "text": "a clause", "conversation_id": "c", "tools": []}
    read_file(write(json.dumps(row)))
    assert "columns_not_used=text\n" in caplog.text


def test_a_bad_row_far_behind_the_sample_is_found(read_file, write):
    records, (drop,), _ = read_file(write(LINE * 1500 + "{\n" + LINE))
    assert (len(records), drop.place.rpartition(":")[2]) == (1501, "1501")


def test_a_list_that_breaks_behind_the_sample_stops_the_run(source_of, write):
    text = json.dumps([ROW] * 2000, indent=0)
    source = source_of(write(text[:-10]))
    (file,) = find_files(source)
    with open_file(source, file) as opened, pytest.raises(DataError, match=r":8000: .*cut off"):
        list(opened)


def test_a_file_may_be_closed_before_its_end(source_of, write):
    source = source_of(write(LINE * 5000))
    (file,) = find_files(source)
    with open_file(source, file) as opened:
        assert not isinstance(next(iter(opened)), Drop)


@pytest.mark.parametrize("name", ["rows.jsonl", "rows.json", "rows.csv"])
def test_memory_holds_a_batch_and_not_the_file(source_of, tmp_path, name):
    row = {"instruction": "Q" * 500, "output": "A" * 500}
    n = 15_000  # 15 MB
    text = {
        "rows.jsonl": (json.dumps(row) + "\n") * n,
        "rows.json": json.dumps([row] * n),
        "rows.csv": "instruction,output\n" + f"{row['instruction']},{row['output']}\n" * n,
    }[name]
    (tmp_path / name).write_text(text)
    del text
    source = source_of(tmp_path / name)
    (file,) = find_files(source)
    tracemalloc.start()
    try:
        with open_file(source, file) as opened:
            assert sum(1 for _ in opened) == n
        assert tracemalloc.get_traced_memory()[1] < 8 * 2**20
    finally:
        tracemalloc.stop()


def test_a_file_that_may_not_be_read_is_one_sentence(source_of, write, monkeypatch):
    path = write(LINE)
    (file,) = find_files(source_of(path))

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("tuneline.data.reading.opening.Path.open", refuse)
    with pytest.raises(DataError, match="cannot be read: Permission denied; check path and permis"):
        open_file(source_of(path), file)
