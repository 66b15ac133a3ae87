"""Any record, written in any container and encoding, reads back equal."""

import csv
import gzip
import io
import json
import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter
from hypothesis import given, settings
from hypothesis import strategies as st

from tuneline.data.reading.config import SourceConfig
from tuneline.data.reading.files import find_files
from tuneline.data.reading.formats import FORMATS
from tuneline.data.reading.record_reader import RecordReader
from tuneline.data.reading.rows import Row
from tuneline.data.reading.sources import open_file
from tuneline.errors import DataError
from tuneline.records import Record

# XML cannot hold control characters, and workbooks unify line ends.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufeff\ufffe\uffff")
TEXTS = st.text(CHARACTERS | st.sampled_from("合同,;\t\n\"'{}[]"), min_size=1, max_size=40)
FILLED = TEXTS.filter(str.strip)


@st.composite
def conversations(draw):
    """Rounds of question, answer and perhaps a tool's answer before it."""
    turns = [("system", draw(FILLED))] if draw(st.booleans()) else []
    for _ in range(draw(st.integers(1, 3))):
        turns += [("user", draw(FILLED)), ("assistant", draw(FILLED))]
        if draw(st.booleans()):
            turns += [("tool", draw(FILLED)), ("assistant", draw(FILLED))]
    return turns


ROWS = st.lists(conversations(), min_size=1, max_size=4)


def as_jsonl(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def as_json(rows):
    return json.dumps(rows, ensure_ascii=False, indent=1)


def as_delimited(rows, delimiter):
    out = io.StringIO()
    writer = csv.DictWriter(out, ["messages", "note"], delimiter=delimiter)
    writer.writeheader()
    writer.writerows({key: _cell(value) for key, value in row.items()} for row in rows)
    return out.getvalue()


def as_parquet(rows):
    out = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), out)
    return out.getvalue()


def as_xlsx(rows):
    out = io.BytesIO()
    with xlsxwriter.Workbook(out, {"strings_to_urls": False}) as book:
        sheet = book.add_worksheet()
        for at, cells in enumerate([{"messages": "messages", "note": "note"}, *rows]):
            for column, value in enumerate(cells.values()):
                sheet.write_string(at, column, _cell(value))
    return out.getvalue()


def _cell(value):
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


TEXT_WRITERS = {
    "jsonl": as_jsonl,
    "json": as_json,
    "csv": lambda rows: as_delimited(rows, ","),
    "tsv": lambda rows: as_delimited(rows, "\t"),
}
BINARY_WRITERS = {"parquet": as_parquet, "xlsx": as_xlsx}


def read_back(data, name, *, is_gzipped):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(gzip.compress(data) if is_gzipped else data)
        source = SourceConfig(name="s", path=str(path), license="MIT")
        (file,) = find_files(source)
        with open_file(source, file) as opened:
            return list(opened), opened


def as_rows(talks):
    turns = [[{"role": role, "content": text} for role, text in talk] for talk in talks]
    return [{"messages": messages, "note": "n"} for messages in turns]


@pytest.mark.parametrize("container", TEXT_WRITERS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
@settings(max_examples=30, deadline=None)
@given(talks=ROWS, is_gzipped=st.booleans())
def test_records_written_as_text_read_back_equal(container, encoding, talks, is_gzipped):
    # Enough Chinese text tells GB18030 from the other encodings.
    talks = [*talks, [("user", "请解释违约责任"), ("assistant", "应当承担赔偿损失等责任。" * 400)]]
    data = TEXT_WRITERS[container](as_rows(talks)).encode(encoding)
    items, opened = read_back(data, f"rows.{container}", is_gzipped=is_gzipped)
    assert [[(m.role, m.content) for m in record.messages] for record in items] == talks
    assert (opened.encoding, opened.container) == (encoding, container + ".gz" * is_gzipped)


@pytest.mark.parametrize("container", BINARY_WRITERS)
@settings(max_examples=30, deadline=None)
@given(talks=ROWS, is_gzipped=st.booleans())
def test_records_written_as_tables_read_back_equal(container, talks, is_gzipped):
    data = BINARY_WRITERS[container](as_rows(talks))
    items, opened = read_back(data, "rows.dat", is_gzipped=is_gzipped)
    assert [[(m.role, m.content) for m in record.messages] for record in items] == talks
    assert (opened.encoding, opened.container) == ("binary", container + ".gz" * is_gzipped)


@settings(max_examples=200, deadline=None)
@given(data=st.binary(max_size=200), name=st.sampled_from(["a.json", "a.csv", "a.txt", "a"]))
def test_no_bytes_at_all_raise_anything_but_a_data_error(data, name):
    try:
        read_back(data, name, is_gzipped=False)
    except DataError as error:
        assert name in str(error)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "from", "value", "output", "x"]), inner
        )
    ),
    max_leaves=6,
)
KEYS = st.sampled_from(
    [key for layout in FORMATS.values() for keys in layout.keys for key in sorted(keys)]
    + ["tools", "history", "system", "images"]
)


@settings(max_examples=100, deadline=None)
@given(row=st.dictionaries(KEYS, VALUES, max_size=6))
def test_no_row_raises_and_none_vanishes(row):
    source = SourceConfig(name="s", path="f", license="MIT")
    for name in FORMATS.keys() - {"columns"}:
        item = RecordReader(source, "f", name).read(Row(1, row))
        assert isinstance(item, Record) or item.row is row
