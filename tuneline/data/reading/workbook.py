"""XLSX: the one sheet that has rows, or the one named; numbers become text as they are shown."""

import datetime
import io
import zipfile
from typing import Any, BinaryIO

from tuneline.data.reading.delimited import check_header
from tuneline.data.reading.opening import max_unpacked, too_much
from tuneline.data.reading.rows import BadRow, Row, Rows
from tuneline.errors import DataError

MAX_CELL_CHARS = 32_767
"""Excel's limit, in UTF-16 units; a cell of just this length was cut."""


def workbook_rows(path: str, stream: BinaryIO, sheet: str | None) -> Rows:
    """Rows of a sheet under its header, numbered as the workbook numbers them.

    Raises:
        DataError: This is no workbook, or nobody can tell which sheet is meant.
    """
    cells = _sheet(path, stream, sheet)
    first = next((at for at, row in enumerate(cells) if _is_filled(row)), 0)
    header = check_header(path, cells[first] if cells else [])
    for number, row in enumerate(cells[first + 1 :], first + 2):
        if _is_filled(row):
            yield _as_row(header, row, number)


def _sheet(path: str, stream: BinaryIO, name: str | None) -> list[list[Any]]:
    from python_calamine import CalamineError, load_workbook

    _check_size(path, stream)
    try:
        workbook = load_workbook(stream)
        filled = [name for name in workbook.sheet_names if workbook.get_sheet_by_name(name).height]
        chosen = _choose(path, filled, name)
        return workbook.get_sheet_by_name(chosen).to_python(skip_empty_area=False)
    except CalamineError as error:
        raise DataError(f"{path}: not a readable workbook: {error}; save it as .xlsx") from None


def _check_size(path: str, stream: BinaryIO) -> None:
    """Refuse a workbook whose parts unpack to far more than the file holds."""
    packed = stream.seek(0, io.SEEK_END)
    stream.seek(0)
    if zipfile.is_zipfile(stream):
        parts = zipfile.ZipFile(stream).infolist()
        if sum(part.file_size for part in parts) > max_unpacked(packed):
            raise too_much(path)
    stream.seek(0)


def _choose(path: str, filled: list[str], name: str | None) -> str:
    if name in filled or (name is None and len(filled) == 1):
        return name or filled[0]
    if not filled:
        raise DataError(f"{path}: the file is empty; no sheet holds a row")
    listed = ", ".join(repr(sheet) for sheet in filled)
    what = f"no sheet {name!r}" if name else "rows in several sheets"
    raise DataError(f"{path}: {what}; name one of {listed} as the source's 'entry'")


def _is_filled(row: list[Any]) -> bool:
    return any(cell not in {"", None} for cell in row)


def _as_row(header: list[str], row: list[Any], number: int) -> Row | BadRow:
    if _is_filled(row[len(header) :]):
        detail = f"a cell right of the last header, {header[-1]!r}, is filled; name its column"
        return BadRow(number, "wrong_columns", detail, [_as_text(cell) for cell in row])
    value = dict(zip(header, map(_as_text, row), strict=False))
    cut = next((name for name, cell in value.items() if _is_cut(cell)), None)
    if cut is None:
        return Row(number, value)
    detail = f"{cut!r} has {MAX_CELL_CHARS} characters, Excel's limit, so it was cut there"
    return BadRow(number, "cut_by_excel", f"{detail}; export the data as JSON Lines", value)


def _is_cut(cell: Any) -> bool:
    if not isinstance(cell, str) or len(cell) <= MAX_CELL_CHARS // 2:
        return False
    units = len(cell.encode("utf-16-le", errors="surrogatepass")) // 2
    return MAX_CELL_CHARS in {len(cell), units}


def _as_text(cell: Any) -> Any:
    """What the cell shows; truth values stay."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime.date | datetime.time):
        return cell.isoformat()
    return cell if isinstance(cell, bool | str) else str(cell)
