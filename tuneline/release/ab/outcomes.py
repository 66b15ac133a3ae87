"""Outcomes of requests: rows of files -> one row per request of the test, every row counted."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import msgspec

from tuneline.errors import ABTestError
from tuneline.release.ab.assignment import Variant, assign
from tuneline.release.ab.config import FIELD

if TYPE_CHECKING:
    import polars as pl

FIXED = ("request_id", "user_id", "time", "variant")
"""Fields with a meaning of their own; every other field is a metric."""
MAX_ID_CHARS = 200
MAX_METRICS = 64
MAX_VALUE = 1e15
PARQUET = (".parquet", ".pq")


class Row(NamedTuple):
    """One valid row."""

    request_id: str
    user_id: str
    time: datetime
    """When the request was made, in UTC."""
    variant: Variant | None
    """Who answered, where the service tells; else it follows from the user id."""
    metrics: dict[str, float]

    def to_json(self) -> dict[str, Any]:
        """What `parse_row` reads."""
        given = {"variant": self.variant} if self.variant else {}
        ids = {"request_id": self.request_id, "user_id": self.user_id}
        return {**ids, "time": self.time.isoformat(), **given, **self.metrics}


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no outcome."""

    place: str
    """`file:line`, or `file:row` for Parquet."""
    reason: str


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Rows as they came in: duplicates and rows of other tests included."""

    rows: "pl.DataFrame"
    """request_id, user_id, time, variant, and one Float64 column per metric."""
    bad: tuple[BadRow, ...] = ()


@dataclass(frozen=True, slots=True)
class RowCounts:
    """Where the rows went: n_read = n_bad + n_duplicates + n_outside + n_misassigned + n_used."""

    n_read: int
    n_bad: int
    n_duplicates: int
    """Rows beyond the first of their request; metrics that the first lacked are taken from them."""
    n_outside: int
    """Requests from before the start of the test or after its end."""
    n_misassigned: int
    """Requests that another variant answered than the assignment says."""
    n_used: int


def parse_row(row: Any) -> Row:
    """Read one outcome.

    Raises:
        ValueError: It is none; the message says which field is wrong.
    """
    if not isinstance(row, Mapping):
        raise ValueError("an outcome is an object with request_id, user_id, time and metrics")
    metrics = {name: value for name, value in row.items() if name not in FIXED}
    if len(metrics) > MAX_METRICS:
        raise ValueError(f"{len(metrics)} metrics, more than {MAX_METRICS}")
    numbers = {name: _number(name, value) for name, value in metrics.items() if value is not None}
    return Row(
        _id(row, "request_id"), _id(row, "user_id"), _time(row.get("time")), _variant(row), numbers
    )


def _id(row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_CHARS:
        raise ValueError(f"{name} is {value!r:.60}; it has 1 to {MAX_ID_CHARS} characters")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is not valid Unicode") from None
    return value


def _time(value: Any) -> datetime:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        time = None
    if not isinstance(time, datetime) or time.tzinfo is None:
        raise ValueError(
            f"time is {value!r:.60}; it is ISO 8601 with a zone, as 2026-11-25T10:00:00Z"
        )
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"time is {value!r:.60}, out of any calendar") from None


def _variant(row: Mapping[str, Any]) -> Variant | None:
    value = row.get("variant")
    if value is not None and value not in get_args(Variant):
        raise ValueError(f"variant is {value!r:.60}; it is champion or challenger, or left out")
    return value


def _number(name: Any, value: Any) -> float:
    if not isinstance(name, str) or not _is_name(name):
        raise ValueError(f"metric {name!r:.60} has no such name; one looks like latency_s")
    if not isinstance(value, int | float) or not abs(value) <= MAX_VALUE:
        raise ValueError(f"{name} is {value!r:.60}; a metric is a finite number or true or false")
    return float(value)


@lru_cache(maxsize=1024)
def _is_name(name: str) -> bool:
    return re.fullmatch(FIELD, name) is not None


def read_outcomes(files: Iterable[Path | str]) -> Outcomes:
    """Read JSONL and Parquet files; rows that are no outcomes are told, not raised.

    Raises:
        ABTestError: A file is missing, or is neither JSONL nor Parquet.
    """
    rows, bad = split_rows(parse_rows(raw for file in files for raw in raw_rows(file)))
    return Outcomes(frame_of(rows), bad)


def split_rows(parsed: Iterable[Row | BadRow]) -> tuple[list[Row], tuple[BadRow, ...]]:
    """Outcomes, and what is none."""
    everything = list(parsed)
    rows = [row for row in everything if isinstance(row, Row)]
    return rows, tuple(row for row in everything if isinstance(row, BadRow))


def parse_rows(raw: Iterable[tuple[str, Any]]) -> Iterator[Row | BadRow]:
    """Read rows, each with its place and as JSON text or as a mapping."""
    for place, row in raw:
        try:
            yield parse_row(msgspec.json.decode(row) if isinstance(row, bytes) else row)
        except msgspec.DecodeError:
            yield BadRow(place, "no JSON, or torn off")
        except ValueError as error:
            yield BadRow(place, str(error))


def raw_rows(file: Path | str) -> Iterator[tuple[str, Any]]:
    """Rows of a file or of an object in a bucket, with their places, not read yet."""
    import fsspec

    try:
        with fsspec.open(str(file), "rb") as stream:
            if str(file).lower().endswith(PARQUET):
                yield from _parquet_rows(file, stream)
            else:
                for number, line in enumerate(stream, start=1):
                    if line.strip():
                        yield f"{file}:{number}", line
    except (OSError, ImportError) as error:
        raise ABTestError(
            f"cannot read {file} ({error}); outcomes come as JSONL or Parquet files, or as such "
            "objects in a bucket (s3://... with the extra [s3])"
        ) from error


def _parquet_rows(file: Path | str, stream: Any) -> Iterator[tuple[str, Any]]:
    import polars as pl

    try:
        frame = pl.read_parquet(stream)
    except pl.exceptions.PolarsError as error:
        raise ABTestError(f"{file} is no Parquet file: {error}") from error
    for number, row in enumerate(frame.iter_rows(named=True), start=1):
        yield f"{file}:row {number}", row


def frame_of(rows: Iterable[Row]) -> "pl.DataFrame":
    """Rows as a table, in their order."""
    import polars as pl

    rows = list(rows)
    names = sorted({name for row in rows for name in row.metrics})
    columns: dict[str, Any] = {
        "request_id": pl.Series([row.request_id for row in rows], dtype=pl.String),
        "user_id": pl.Series([row.user_id for row in rows], dtype=pl.String),
        "time": pl.Series([row.time for row in rows], dtype=pl.Datetime("us", "UTC")),
        "variant": pl.Series([row.variant for row in rows], dtype=pl.String),
    }
    for name in names:
        values = [row.metrics.get(name) for row in rows]
        columns[name] = pl.Series(values, dtype=pl.Float64)
    return pl.DataFrame(columns)


def requests_of(
    outcomes: Outcomes, *, salt: str, challenger_share: float, start: datetime, end: datetime
) -> tuple["pl.DataFrame", RowCounts]:
    """The requests that a test counts, each once, by time.

    Of two rows of a request the first gives each value; a later one adds the metrics that the
    first lacked, as a rating that comes after the answer. When a row came in does not matter.

    Args:
        outcomes: Rows as they came in.
        salt: The test's salt.
        challenger_share: The test's split.
        start: Requests from then on count, in UTC.
        end: Requests until then count.

    Returns:
        request_id, user_id, time, variant and the metrics; and where the other rows went.
    """
    import polars as pl

    rows = outcomes.rows
    once = rows.group_by("request_id", maintain_order=True).agg(
        pl.col("user_id", "time").first(),
        pl.exclude("request_id", "user_id", "time").drop_nulls().first(),
    )
    inside = once.filter(pl.col("time").is_between(start, end))
    users = inside["user_id"].unique(maintain_order=True)
    variants = [assign(salt, challenger_share, user) for user in users]
    table = pl.DataFrame({"user_id": users, "assigned": pl.Series(variants, dtype=pl.String)})
    joined = inside.join(table, on="user_id", how="left", maintain_order="left")
    is_right = pl.col("variant").is_null() | (pl.col("variant") == pl.col("assigned"))
    used = joined.filter(is_right).with_columns(variant="assigned").drop("assigned").sort("time")
    n_bad = len(outcomes.bad)
    counts = RowCounts(
        n_read=rows.height + n_bad,
        n_bad=n_bad,
        n_duplicates=rows.height - once.height,
        n_outside=once.height - inside.height,
        n_misassigned=joined.height - used.height,
        n_used=used.height,
    )
    return used, counts
