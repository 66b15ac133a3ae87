import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tuneline.data.keys import COLUMNS, KeyedRecord, rows_of
from tuneline.data.snapshot import take
from tuneline.records import Message, Record


@pytest.fixture
def files(tmp_path):
    """Two files of three rows each, in row groups of two."""
    paths = [tmp_path / "0.parquet", tmp_path / "1.parquet"]
    for number, path in enumerate(paths):
        records = [
            Record((Message("user", f"q{n}"), Message("assistant", f"a{n}")), "s", "f", n)
            for n in range(3 * number, 3 * number + 3)
        ]
        table = rows_of(KeyedRecord(record, record, "unknown", None) for record in records)
        pq.write_table(table, path, row_group_size=2)
    return paths


def test_rows_come_in_the_order_asked_for_and_as_often(files):
    table = take(files, np.array([5, 0, 3, 0]))
    assert table.schema == COLUMNS
    assert table["line"].to_pylist() == [5, 0, 3, 0]
    assert [row[1]["content"] for row in table["messages"].to_pylist()] == ["a5", "a0", "a3", "a0"]


def test_some_columns_are_those_of_all_columns(files):
    rows = np.array([4, 1])
    found = take(files, rows, ["digest", "questions"])
    assert found.equals(take(files, rows).select(["digest", "questions"]))
    assert take(files, rows[:0], ["digest"]).equals(pa.table({"digest": pa.array([], pa.string())}))
