"""Parquet, by row batches."""

from typing import BinaryIO

from tuneline.data.reading.rows import Row, Rows
from tuneline.errors import DataError

BATCH_ROWS = 1024


def parquet_rows(path: str, stream: BinaryIO) -> Rows:
    """Rows numbered from 1.

    Raises:
        DataError: The file is no Parquet, or is broken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        for batch in pq.ParquetFile(stream).iter_batches(batch_size=BATCH_ROWS):
            for value in batch.to_pylist():
                number += 1
                yield Row(number, value)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: broken Parquet after row {number}: {reason}") from None
