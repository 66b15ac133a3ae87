import csv
import datetime
import gzip
import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xlsxwriter

from tuneline.data.drops import read_drops, write_drops
from tuneline.errors import DataError

HEADER = "instruction,input,output\n"


@pytest.fixture
def workbook(tmp_path):
    """A workbook of sheets: name -> rows of cells."""

    def make(**sheets):
        path = tmp_path / "rows.xlsx"
        with xlsxwriter.Workbook(path) as book:
            for name, rows in sheets.items():
                sheet = book.add_worksheet(name)
                for number, row in enumerate(rows):
                    sheet.write_row(number, 0, row)
        return path

    return make


def test_csv_rows_know_their_first_line(read_file, write):
    text = HEADER + '"Q\n1",,A\n\nQ2,more,"A, ""B"""\n'
    records, drops, opened = read_file(write(text, "rows.csv"))
    assert [(r.line, r.prompt_text, r.reference) for r in records] == [
        (2, "Q\n1", "A"),
        (5, "Q2\nmore", 'A, "B"'),
    ]
    assert (drops, opened.container, opened.format) == ([], "csv", "alpaca")


@pytest.mark.parametrize("delimiter", [",", "\t", ";"])
@pytest.mark.parametrize("name", ["rows.csv", "rows.tsv", "rows.dat"])
def test_the_header_tells_the_delimiter(read_file, write, name, delimiter):
    text = (HEADER + "Q, what?,,A\n").replace("Q, what?", '"Q, what?"')
    (record,), drops, _ = read_file(
        write(text.replace(",", delimiter).replace("Q" + delimiter, "Q,"), name)
    )
    assert (record.prompt_text, record.reference, drops) == ("Q, what?", "A", [])


def test_macintosh_line_ends_end_lines(read_file, write):
    records, _, _ = read_file(write((HEADER + "Q,,A\nQ2,,A2\n").replace("\n", "\r"), "rows.csv"))
    assert [record.line for record in records] == [2, 3]


@pytest.mark.parametrize(
    ("row", "reason", "detail"),
    [
        ("Q,,A,more", "wrong_columns", "the row has 4 cells and the header 3; put cells that"),
        ("Q,A", "wrong_columns", "the row has 2 cells and the header 3"),
        ('"Q" said he,,A', "broken_quotes", "put cells that hold quotes in quotes and double"),
        ("Q,,", "missing_answer", "'output' is empty"),
    ],
)
def test_a_bad_csv_row_is_a_drop_and_the_next_one_counts(read_file, write, row, reason, detail):
    path = write(f"{HEADER}{row}\nQ2,,A2\n", "rows.csv")
    (record,), (drop,), _ = read_file(path)
    assert (record.line, drop.place, drop.reason) == (3, f"{path}:2", reason)
    assert detail in drop.detail


def test_empty_cells_right_of_the_header_are_no_cells(read_file, write):
    records, drops, _ = read_file(write(f"{HEADER}Q,,A,,\n", "rows.csv"))
    assert (len(records), drops) == (1, [])


def test_a_quote_that_never_closes_is_an_error_and_not_one_large_cell(read_file, write):
    text = HEADER + 'Q,,A\nQ,,"A\nQ,,A\nQ,,A\n'
    with pytest.raises(DataError, match=r"rows\.csv:3: a quote that opens in this row is never"):
        read_file(write(text, "rows.csv"))


def test_a_csv_line_that_is_too_long_is_an_error(read_file, write, monkeypatch):
    monkeypatch.setattr("tuneline.data.reading.delimited.MAX_ROW_BYTES", 1000)
    with pytest.raises(DataError, match=r"rows\.csv:3: the line is longer than 0 MiB; split it"):
        read_file(write(f"{HEADER}Q,,A\nQ,,{'x' * 2000}\n", "rows.csv"))


def test_a_column_named_twice_is_an_error(read_file, write):
    with pytest.raises(DataError, match=r"rows\.csv:1: the header names 'output' twice"):
        read_file(write("instruction,output,output\nQ,A,B\n", "rows.csv"))


def test_a_header_alone_holds_no_rows(read_file, write):
    with pytest.raises(DataError, match=r"rows\.csv: the file holds no rows"):
        read_file(write(HEADER, "rows.csv"))


def test_lists_stand_in_tables_as_json(read_file, write):
    out = io.StringIO()
    turns = '[{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]'
    csv.writer(out).writerows([["messages", "label"], [turns, "True"]])
    (record,), _, opened = read_file(write(out.getvalue(), "rows.csv"))
    assert (opened.format, record.reference, record.is_desirable) == ("kto", "A", True)


def test_workbook_rows_have_the_workbooks_numbers_and_numbers_read_as_shown(read_file, workbook):
    day = datetime.date(2026, 11, 24)
    rows = [[], ["question", "answer"], ["How many?", 42], [], ["How much?", 0.5], ["When?", day]]
    records, drops, opened = read_file(workbook(data=rows), format="question_answer")
    assert [(r.line, r.reference) for r in records[:2]] == [(3, "42"), (5, "0.5")]
    assert (drops, opened.container, opened.encoding) == ([], "xlsx", "binary")


@pytest.mark.parametrize("cell", ["x" * 32_767, "合" * 32_767, "😀" * 16_383 + "x"])
def test_a_cell_that_excel_cut_is_a_drop(read_file, workbook, cell):
    rows = [["instruction", "output"], ["Q", cell], ["Q2", "A2"], ["Q3", "x" * 32_766]]
    records, (drop,), _ = read_file(workbook(data=rows))
    assert [record.line for record in records] == [3, 4]
    assert (drop.reason, drop.place.rpartition(":")[2]) == ("cut_by_excel", "2")
    assert "'output' has 32767 characters, Excel's limit, so it was cut there" in drop.detail


def test_a_cell_without_a_header_is_a_drop(read_file, workbook):
    rows = [["instruction", "output"], ["Q", "A"], ["Q2", "A2", "a note"]]
    records, (drop,), _ = read_file(workbook(data=rows))
    assert (len(records), drop.reason) == (1, "wrong_columns")


def test_of_several_sheets_the_entry_names_one(read_file, workbook):
    rows = [["instruction", "output"], ["Q", "A"]]
    path = workbook(one=rows, two=[*rows, ["Q2", "A2"]], empty=[])
    with pytest.raises(DataError, match="rows in several sheets; name one of 'one', 'two' as the"):
        read_file(path)
    with pytest.raises(DataError, match="no sheet 'three'; name one of 'one', 'two'"):
        read_file(path, entry="three")
    assert len(read_file(path, entry="two")[0]) == 2


def test_an_empty_workbook_and_a_broken_one_are_errors(read_file, workbook, write):
    with pytest.raises(DataError, match="the file is empty; no sheet holds a row"):
        read_file(workbook(data=[]))
    with pytest.raises(DataError, match=r"not a readable workbook: .*save it as \.xlsx"):
        read_file(write(b"PK\x03\x04 and no more", "rows.xlsx"))
    with pytest.raises(DataError, match="not a readable workbook: "):
        read_file(write(b"\xd0\xcf\x11\xe0 as old and encrypted ones begin", "rows.xlsx"))


def test_parquet_is_read_by_batches_and_rows_count_from_one(read_file, tmp_path):
    turns = [{"role": "user", "content": "Q"}, {"role": "assistant", "content": "A"}]
    pq.write_table(pa.Table.from_pylist([{"messages": turns}] * 2500), tmp_path / "rows")
    records, drops, opened = read_file(tmp_path / "rows")
    assert ([r.line for r in records], drops) == (list(range(1, 2501)), [])
    assert (opened.container, opened.encoding) == ("parquet", "binary")


def test_a_parquet_file_cut_in_half_is_an_error(read_file, tmp_path):
    path = tmp_path / "rows.parquet"
    pq.write_table(pa.table({"instruction": ["Q"] * 100, "output": ["A"] * 100}), path)
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"rows\.parquet: broken Parquet after row 0: "):
        read_file(path)


def test_gzip_cut_in_half_is_an_error(read_file, tmp_path):
    path = tmp_path / "rows.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"instruction": "Q", "output": "A"}\n' * 1000)[:-40])
    with pytest.raises(DataError, match=r"rows\.jsonl\.gz: the gzip data is broken .*cut off"):
        read_file(path)


def test_what_is_neither_by_name_nor_by_content_is_refused(read_file, write):
    with pytest.raises(DataError, match=r"rows\.dat: neither name nor content tells the contain"):
        read_file(write("just a sentence\n", "rows.dat"))


def test_a_column_that_a_gap_made_float_names_groups_as_integers_do(read_file, tmp_path):
    columns = {
        "instruction": ["Q", "Q2", "Q3"],
        "output": ["A", "A", None],
        "conversation_id": pa.array([12, None, 7], pa.float64()),
    }
    pq.write_table(pa.table(columns), tmp_path / "rows.parquet")
    records, drops, _ = read_file(tmp_path / "rows.parquet")
    assert [record.group for record in records] == ["12", None]
    assert [drop.reason for drop in drops] == ["missing_answer"]


def test_a_bad_row_with_dates_and_bytes_can_be_stored(read_file, tmp_path):
    day = datetime.datetime(2026, 1, 2, 3, 4)
    rows = [
        {"instruction": "Q", "output": answer, "day": day, "raw": raw}
        for answer, raw in (("A", b""), ("", "合同".encode()), ("", b"\xff\xd8"))
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "rows.parquet")
    _, drops, _ = read_file(tmp_path / "rows.parquet")
    write_drops(tmp_path / "drops.jsonl", drops)
    stored = [drop.row for drop in read_drops(tmp_path / "drops.jsonl")]
    assert [row["day"] for row in stored] == ["2026-01-02 03:04:00"] * 2
    assert [row["raw"] for row in stored] == ["合同", "<2 bytes>"]


def test_calls_and_tools_with_dates_are_text(read_file, tmp_path):
    call = {"name": "f", "arguments": {"day": datetime.date(2026, 1, 2)}}
    turns = [
        {"role": "user", "content": "Q", "tool_calls": None},
        {"role": "assistant", "content": "", "tool_calls": [{"function": call}]},
    ]
    pq.write_table(pa.Table.from_pylist([{"messages": turns, "tools": [call]}]), tmp_path / "rows")
    (record,), drops, _ = read_file(tmp_path / "rows")
    assert ('{"day": "2026-01-02"}' in record.reference, drops) == (True, [])
    assert '"2026-01-02"' in record.tools
